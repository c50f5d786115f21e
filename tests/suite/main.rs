//! The suite that sees the house from outside: one binary, one line per module.

mod client; //  a blocking submission client
mod gate; //    starts the real gate in a folder of its own
mod harness;
mod peers; //   which foreign programs are here
mod sink; //    a scripted upstream // the client and the sink, against each other

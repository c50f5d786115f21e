//! Turns queued copies into transactions with the upstream.

pub mod capture;
mod connection;
mod health;
mod run;
pub mod settings;
mod tls;
mod upstream;
mod wire;

pub use connection::Unreachable;
pub use run::{Relay, Report};
pub use settings::UpstreamFile;
pub use upstream::{Relayed, Upstream, Which};

#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

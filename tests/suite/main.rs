//! The suite that sees the house from outside: one binary, one line per module.

// Who may import whom, and what a stage may never touch (DESIGN: floors).
mod tidy;

// What the tests hold the gate with.
mod canary;
mod client;
mod gate;
mod peers;
mod people;
mod sink;
mod zone;

// The tools themselves, against each other.
mod harness;

// Programs by other people submit through the gate with TLS and AUTH.
mod clients;
// Programs by other people open what the gate sealed.
mod readers;
// What a client sealed itself, and for whom.
mod client_sealed;
// Every form we write against every reader: the table of what opens what.
mod matrix;
// Programs by other people verify what the gate signed.
mod verifiers;
// Which key may be used, whose it is, and what our own authority gives out.
mod keys;
// The demonstration does what it says.
mod demo;
// What need not change leaves as it came.
mod byte_for_byte;
// A real Postfix as upstream.
mod upstream_postfix;
// Recipients without a key: what reaches them, and what does not.
mod containers;
// Kill -9, many times and at chosen moments.
mod kill;
// Which way each thing fails: one test per cell of the design's table.
mod faults;
// The mail that the benches measure with.
mod mix;
// Attacks on who somebody is, on lines, and on what must not leave in clear.
mod attacks;
// SMTPUTF8, delivery reports, chunks and named logins, from the client to the next server.
mod transport;
// Calls of the program, each with what it says; the pages for people against the program.
mod command_line;
// What a backtest makes of reviewers' decisions.
mod backtest;
// The officer's guide: every example in it runs, every message it quotes is said.
mod guide;
// What editors know of rule and policy files, against their readers.
mod schemas;
// Wrong configurations, each with the sentence it must produce.
mod bad_configs;
// What tries to carry a secret past the gate, and honest mail that must not be held: tests/corpus/evasions.
mod evasions;
// Ordinary correspondence, ours and others', raises no alarm.
mod false_alarms;
// What tries to make the gate fall over: each ends soon, with a verdict.
mod bombs;
// The processes that read attachments: what they cannot do, and what happens when they fall.
mod worker;
// Keys from real directories, from DNS and from mail that came in.
mod key_sources;
// Time to listen and memory when idle.
mod start;
// What the gate against regressions lets pass and what it objects to.
mod regressions;
// Real documents of every format give their texts at their places, and no mutation of them brings a reader down.
mod documents;

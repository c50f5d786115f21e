//! Turns queued copies into transactions with the upstream.

pub mod capture;
mod connection;
mod health;
mod reports;
mod run;
pub mod settings;
mod tls;
mod upstream;
mod wire;

pub use connection::Unreachable;
pub use reports::Reports;
pub use run::Relay;
pub use settings::UpstreamFile;
pub use upstream::{Relayed, Upstream, Which};

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

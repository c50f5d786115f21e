//! Turns queued copies into transactions with the upstream.

pub mod capture;
mod connection;
pub mod settings;
mod tls;
mod upstream;
mod wire;

pub use settings::UpstreamFile;
pub use upstream::{Reached, Relayed, Upstream};

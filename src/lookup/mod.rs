//! Turns an address into the keys that are known of it: the folder `keys/recipients/`, and whoever the settings say may be asked.

pub mod folder;
pub mod http;
pub mod known;
pub mod names;
pub mod revocation;
pub mod url;

pub use folder::{CannotLoad, Folder, KeyKind, KeyReport, examine, read_bindings};

#[cfg(test)]
mod tests;

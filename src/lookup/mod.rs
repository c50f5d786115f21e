//! Turns an address into the keys that are known of it: the folder `keys/recipients/`.

pub mod folder;

pub use folder::{CannotLoad, Folder, KeyKind, KeyReport, examine, read_bindings};

#[cfg(test)]
mod tests;

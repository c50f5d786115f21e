//! Turns an address into the keys that are known of it: the folder `keys/recipients/`, and whoever the settings say may be asked.
//!
//! [`finder::Finder`] is who answers; each other file is one source or what sources need.

pub mod cache;
pub mod dns;
pub mod finder;
pub mod folder;
pub mod harvest;
pub mod http;
pub mod judge;
pub mod known;
pub mod ldap;
pub mod login;
pub mod names;
pub mod records;
pub mod revocation;
pub mod settings;
pub mod source;
pub mod tls;
pub mod url;
pub mod wkd;

pub use finder::{Asked, Finder};
pub use folder::{CannotLoad, Folder, KeyKind, KeyReport, examine, read_bindings};
pub use settings::LookupSettings;
pub use source::Source;

#[cfg(test)]
pub(crate) mod tests;

//! Turns configuration and rule files into settings, or into a sentence that says what to write instead.

pub mod file;
pub mod indexes;
pub mod laws;
mod problem;
mod settings;

pub use problem::{Problem, Problems, line_of};
pub use settings::{Certificate, Settings, rules_folder};

/// The annotated configuration that `postern config describe` prints; a test holds it against [`file::File`].
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

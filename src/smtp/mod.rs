//! The SMTP dialogue as state machines without input or output: commands in, replies out.

pub mod auth;
pub mod command;
pub mod data;
pub mod dialogue;
pub mod inbox;
pub mod parameters;
pub mod profile;
pub mod reply;
pub mod session;
pub mod words;

#[cfg(test)]
mod dialogs;

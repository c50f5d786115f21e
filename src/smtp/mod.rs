//! The SMTP dialogue as state machines without input or output: commands in, replies out.

pub mod dialogue;

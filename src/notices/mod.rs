//! Turns what happened to a message into a mail that its sender understands.

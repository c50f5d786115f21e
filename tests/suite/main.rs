//! The suite that sees the house from outside: one binary, one line per module.

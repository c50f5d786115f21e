//! The suite that sees the house from outside: one binary, one line per module.

// Who may import whom, and what a stage may never touch (DESIGN: floors).
mod tidy;

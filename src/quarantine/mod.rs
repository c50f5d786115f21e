//! Turns a decided message into a sealed one that only a reviewer or a release can open.

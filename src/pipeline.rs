//! The walk: the one way that every message takes.

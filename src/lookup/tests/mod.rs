//! What the sources of keys answer, against servers that answer as they should and as they should not.

mod folder;
mod http;
mod web;

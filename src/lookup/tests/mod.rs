//! What the sources of keys answer, against servers that answer as they should and as they should not.

mod dns_stub;
mod finder;
mod folder;
mod hostile;
mod http;
mod known;
mod made;
mod revocation;
pub(crate) mod web;
mod wkd;

use crate::lookup::source::Said;
use crate::mail::Address;
use std::pin::Pin;

/// A source that says what a test tells it.
pub type Told = Box<dyn Fn(&Address) -> Pin<Box<dyn Future<Output = Said> + Send>> + Send + Sync>;

//! Turns questions to a directory into its answers over one connection: binds and searches, one after the other, within limits.

use super::way::{Connection, Tls, Way};
use crate::lookup::ldap::wire::{self, Answer, BadAnswer, Entry, Operation, Scope};
use tokio::io::AsyncWriteExt;

/// A connection that is ready for passwords.
pub(super) struct Conversation {
    stream: Connection,
    id: u8,
    /// Octets that may still be read.
    allowance: usize,
}

/// What is searched where.
pub(super) struct Search<'q> {
    pub base: &'q str,
    pub scope: Scope,
    pub filter: &'q str,
    pub attributes: &'q [String],
    /// Entries asked for at most.
    pub entries: u16,
}

pub(super) struct Found {
    pub entries: Vec<Entry>,
    /// RFC 4511 §4.1.9; 0, or 4 when there were more.
    pub code: u32,
}

/// Octets of everything that a directory says about one login.
const ANSWERS: usize = 4 << 20;
/// What a directory is asked to take at most for one search; the settings' own time ends earlier or later.
const ITS_SECONDS: u8 = 20;

/// RFC 4511 Appendix A.
pub(super) mod code {
    pub const SUCCESS: u32 = 0;
    pub const SIZE_LIMIT: u32 = 4;
    pub const CONSTRAINT: u32 = 19;
    pub const NO_SUCH_OBJECT: u32 = 32;
    pub const INVALID_DN: u32 = 34;
    pub const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub const INVALID_CREDENTIALS: u32 = 49;
    pub const UNWILLING: u32 = 53;
}

impl Conversation {
    /// Connects, and starts TLS where the address says so. Errors are sentences for the log.
    pub async fn begin(way: &Way) -> Result<Conversation, String> {
        let mut stream = way.reach().await?;
        let mut allowance = ANSWERS;
        let stream: Connection = match way.tls {
            Tls::FromTheStart => way.secure(stream).await?,
            Tls::None => Box::new(stream),
            Tls::Started => {
                stream.write_all(&wire::start_tls(1)).await.map_err(|_| lost())?;
                // Octet by octet from the socket: whatever somebody put behind the answer meets the handshake and breaks it.
                match wire::read(&mut stream, 1, &mut allowance).await.map_err(said)? {
                    Answer::Done(Operation::Extended, code::SUCCESS) => way.secure(stream).await?,
                    _ => return Err("it does not start TLS".to_owned()),
                }
            }
        };
        Ok(Conversation { stream, id: 1, allowance })
    }

    /// The result code of a simple bind. A name without a password would be taken for nobody and succeed (RFC 4513 §5.1.2): it is
    /// never sent.
    pub async fn bind(&mut self, dn: &str, password: &[u8]) -> Result<u32, String> {
        if dn.is_empty() || password.is_empty() {
            return Ok(code::INVALID_CREDENTIALS);
        }
        let id = self.next();
        self.stream.write_all(&wire::bind(id, dn, password)).await.map_err(|_| lost())?;
        loop {
            match wire::read(&mut self.stream, id, &mut self.allowance).await.map_err(said)? {
                Answer::Done(Operation::Bind, code) => return Ok(code),
                Answer::Other => {}
                _ => return Err("its answer to a bind is none".to_owned()),
            }
        }
    }

    pub async fn search(&mut self, search: &Search<'_>) -> Result<Found, String> {
        let id = self.next();
        let base = (search.base, search.scope);
        let question = wire::search(id, base, search.filter, search.attributes, search.entries, ITS_SECONDS);
        let question = question.ok_or("no filter can be made of this")?;
        self.stream.write_all(&question).await.map_err(|_| lost())?;
        let mut entries = Vec::new();
        loop {
            match wire::read(&mut self.stream, id, &mut self.allowance).await.map_err(said)? {
                Answer::Entry(entry) => entries.push(entry),
                Answer::Done(Operation::Search, code @ (code::SUCCESS | code::SIZE_LIMIT)) => {
                    return Ok(Found { entries, code });
                }
                Answer::Done(Operation::Search, code::NO_SUCH_OBJECT) if search.scope == Scope::Base => {
                    return Ok(Found { entries: Vec::new(), code: code::SUCCESS });
                }
                Answer::Done(Operation::Search, code::NO_SUCH_OBJECT) => return Err("there is nothing at its base".to_owned()),
                Answer::Done(Operation::Search, 10) => return Err("it refers to another directory".to_owned()),
                Answer::Done(Operation::Search, code) => return Err(format!("a search ended with {code}")),
                Answer::Done(..) => return Err("its answer to a search is none".to_owned()),
                // Among them references to other directories, which are not followed.
                Answer::Other => {}
            }
        }
    }

    pub async fn end(mut self) {
        let id = self.next();
        let _ = self.stream.write_all(&wire::unbind(id)).await;
        let _ = self.stream.shutdown().await;
    }

    fn next(&mut self) -> u8 {
        self.id = if self.id == 0x7f { 1 } else { self.id + 1 };
        self.id
    }
}

fn lost() -> String {
    "the connection was lost".to_owned()
}

fn said(why: BadAnswer) -> String {
    why.to_string()
}

//! Turns a file of audit lines into a proof that it is whole, or into the first place where it is not.

use super::Head;
use crate::store::chain::{GENESIS, read};
use std::io::BufRead;

/// No line the gate writes is longer: 1,000 recipients with their policies stay below.
const LINE_OCTETS: u64 = 4 << 20;

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub lines: u64,
    /// Its end; `None` of an empty chain. Keep it elsewhere: only this shows later that nothing was cut off.
    pub head: Option<Head>,
}

/// The first place where the chain is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("line {seq}: {what}")]
pub struct Break {
    /// The number that the line has, or should have.
    pub seq: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    #[error("was altered, or is no audit line")]
    Altered,
    #[error("is missing")]
    Missing,
    #[error("stands a second time or out of order")]
    Moved,
    #[error("does not continue the line before it: one of the two was replaced")]
    Replaced,
    #[error("was known earlier and is not there any more: the end was cut off, or the chain written anew")]
    HeadLost,
    #[error("cannot be read")]
    Unreadable,
}

/// Checks lines one after the other, from the first of the chain on.
pub struct Checker {
    prev: String,
    seq: i64,
    known: Vec<Head>,
}

/// Checks JSON lines from `reader`, which must begin with line 1; empty lines are passed over. `known` are heads written down
/// earlier, in any order.
pub fn verify(mut reader: impl BufRead, known: &[Head]) -> Result<Report, Break> {
    let mut checker = Checker::new(known);
    let mut line = Vec::new();
    loop {
        line.clear();
        let broken = |what| Break { seq: checker.seq + 1, what };
        let mut limited = std::io::Read::take(&mut reader, LINE_OCTETS);
        let read = limited.read_until(b'\n', &mut line).map_err(|_| broken(What::Unreadable))?;
        if read == 0 {
            return checker.finish();
        }
        let text = std::str::from_utf8(&line).map_err(|_| broken(What::Altered))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            checker.line(text)?;
        }
    }
}

impl Checker {
    pub fn new(known: &[Head]) -> Checker {
        Checker { prev: GENESIS.to_owned(), seq: 0, known: known.to_vec() }
    }

    pub fn line(&mut self, text: &str) -> Result<(), Break> {
        let expected = self.seq + 1;
        let link = read(text).map_err(|_| Break { seq: expected, what: What::Altered })?;
        if link.seq > expected {
            return Err(Break { seq: expected, what: What::Missing });
        }
        if link.seq < expected {
            return Err(Break { seq: link.seq, what: What::Moved });
        }
        if link.prev != self.prev {
            return Err(Break { seq: expected, what: What::Replaced });
        }
        if let Some(at) = self.known.iter().position(|head| head.seq == link.seq) {
            if self.known[at].hash != link.hash {
                return Err(Break { seq: link.seq, what: What::HeadLost });
            }
            self.known.retain(|head| head.seq != link.seq || head.hash != link.hash);
        }
        self.seq = link.seq;
        self.prev = link.hash;
        Ok(())
    }

    pub fn finish(self) -> Result<Report, Break> {
        if let Some(lost) = self.known.iter().min_by_key(|head| head.seq) {
            return Err(Break { seq: lost.seq, what: What::HeadLost });
        }
        let head = (self.seq > 0).then_some(Head { seq: self.seq, hash: self.prev });
        Ok(Report { lines: self.seq.unsigned_abs(), head })
    }
}

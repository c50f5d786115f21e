//! Turns decisions into lines of a chain that shows every gap.
//!
//! [`line`] makes the lines, [`crate::store`] numbers and chains them inside the transaction of what they tell, [`verify`] proves
//! a file of them whole, [`export`] writes one.
//!
//! **What the chain shows:** a line that was altered, removed, inserted, doubled or moved, wherever it stands before the last.
//! **What it cannot show alone:** that lines were cut off its end, or that someone who can write to the store wrote the whole chain
//! anew. Against both helps a [`Head`] (number and hash of a line) kept elsewhere: the gate logs it at start and stop and every
//! day, `postern audit verify` prints it; a chain in which a known head does not stand any more is refused ([`What::HeadLost`]).

pub mod line;
#[cfg(test)]
mod tests;
mod verify;

pub use crate::store::chain::Head;
pub use line::{Answer, Decided, Refused};
pub use verify::{Break, Checker, Report, What, verify};

use crate::store::{Store, StoreError};

/// Lines read from the store at once.
const PAGE: usize = 500;

/// Gives every stored line to `take`, in order: for export, or to a [`Checker`]. Stops with the first error of either side.
pub async fn export<E: From<StoreError>>(store: &Store, mut take: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    let mut after = 0;
    loop {
        let lines = store.audit_lines(after, PAGE).await?;
        for (seq, line) in &lines {
            take(line)?;
            after = *seq;
        }
        if lines.len() < PAGE {
            return Ok(());
        }
    }
}

/// Proves the store's own chain. `known` are heads written down earlier.
pub async fn verify_store(store: &Store, known: &[Head]) -> Result<Result<Report, Break>, StoreError> {
    enum Stop {
        Store(StoreError),
        Broken(Break),
    }
    impl From<StoreError> for Stop {
        fn from(error: StoreError) -> Stop {
            Stop::Store(error)
        }
    }
    let mut checker = Checker::new(known);
    match export(store, |line| checker.line(line).map_err(Stop::Broken)).await {
        Ok(()) => Ok(checker.finish()),
        Err(Stop::Broken(broken)) => Ok(Err(broken)),
        Err(Stop::Store(error)) => Err(error),
    }
}

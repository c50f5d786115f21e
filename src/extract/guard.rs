//! Turns a panic of a foreign parser into `None`. Its message is not printed: it may quote what was being read.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a parser. Stack overflow and endless loops are not caught by this: depth and octets are bounded by whoever calls.
pub(super) fn guarded<T>(parser: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(parser));
    QUIET.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_none() {
        assert_eq!(guarded(|| 7), Some(7));
        let nothing: &[u8] = &[];
        assert_eq!(guarded(|| nothing[std::hint::black_box(3)]), None);
    }
}

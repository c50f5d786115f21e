//! Turns queued copies into transactions with the upstream.

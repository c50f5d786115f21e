//! Turns connections of mail clients and trusted relays into submissions, and outcomes into replies.

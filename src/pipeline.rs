//! The walk: the one way that every message takes, from a submission to a receipt or a refusal.
//!
//! [`inspect`] is its front half, shared by SMTP, release, `scan`, `explain` and `backtest`. [`Gate::handle`] and [`Gate::release`] add protect,
//! sign and commit. Everything between a submission and an acceptance is synchronous and runs on a bounded number of threads.

pub mod answers;
mod gate;
mod refusals;

pub use gate::{Gate, House, Laws};

use crate::audit;
use crate::detect::{self, Findings};
use crate::dkim;
use crate::extract::{self, Extracted};
use crate::facts::{self, Facts, Known};
use crate::mail::{Origin, Outgoing, RawMessage, Reference, Submission};
use crate::mime::{self, Malformed, ParsedMessage};
use crate::notices;
use crate::policy::{self, Decision, Disposition};
use crate::protect::{self, Keys, LookUp};
use crate::quarantine;
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Acceptance, AuditLine};
use std::sync::Arc;

/// What looking at a message showed.
#[derive(Debug)]
pub struct Inspection<'x> {
    pub parsed: ParsedMessage<'x>,
    pub extracted: Extracted,
    pub findings: Findings,
    pub facts: Facts,
    pub decision: Decision,
}

/// The front half of the walk: pure, and the same for everyone who looks.
pub fn inspect<'x>(submission: &'x Submission, known: &Known, laws: &Laws, house: &House) -> Result<Inspection<'x>, Malformed> {
    let parsed = mime::parse(&submission.raw, &house.message_limits)?;
    let extracted = extract::extract(&parsed, &house.reading_limits);
    let findings = detect::detect(&extracted, &laws.rules);
    let facts = facts::gather(submission, &parsed, &extracted, &findings, known);
    let decision = policy::decide(submission, &facts, &findings, &laws.policy);
    Ok(Inspection { parsed, extracted, findings, facts, decision })
}

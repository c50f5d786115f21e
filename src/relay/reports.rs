//! Turns what an attempt leads to into the reports that its sender is owed, in the words of [`crate::notices`].

use crate::mail::{Address, Domain, Language, Outgoing, UnixTime};
use crate::notices::{self, Action, Copy, Letterhead, NoNotice, Outcome};
use crate::spool::{Failure, Plan, Queued};
use crate::store::Damaged;
use crate::world::Dice;

/// Who writes reports, and to whom it may.
#[derive(Clone)]
pub struct Reports {
    /// The gate's own name.
    pub hostname: Domain,
    /// Whom a reader can ask.
    pub postmaster: Address,
    /// Our own domains: nobody else is written to.
    pub inside: Vec<Domain>,
    pub language: Language,
    pub dice: Dice,
}

impl Reports {
    /// At most one of failure, one of delay and one of what was handed on, unsigned; none for null and foreign senders, and of no
    /// recipient of whom the sender did not want to hear it (RFC 3461 §4.1).
    pub fn of_attempt(&self, queued: &Queued, plan: &Plan, at: UnixTime) -> Vec<Outgoing> {
        let copy = Copy {
            sender: queued.outgoing.mail_from.as_ref(),
            reference: queued.reference,
            queued_at: queued.queued_at,
            raw: Some(&queued.outgoing.raw),
            asked: Some(&queued.outgoing.transport),
        };
        let asked = |recipient: &Address| queued.outgoing.transport.notify(recipient);
        let failed = plan.failed.iter().filter(|(recipient, _)| asked(recipient).failure);
        let failed = failed.map(|(recipient, failure)| match failure {
            Failure::Refused(said) => (recipient.clone(), Outcome::Refused(said.clone())),
            Failure::Expired(why) => (recipient.clone(), Outcome::Expired(why.clone())),
        });
        let delayed = plan.delayed.iter().filter(|(recipient, _)| asked(recipient).delay);
        let delayed = delayed.map(|(recipient, why)| (recipient.clone(), Outcome::NotYet(why.clone())));
        let relayed = plan.relayed.iter().map(|(recipient, said)| (recipient.clone(), Outcome::Taken(said.clone())));
        let reports = [
            self.report(&copy, Action::Failed, failed.collect(), at),
            self.report(&copy, Action::Delayed { until: plan.gives_up_at }, delayed.collect(), at),
            self.report(&copy, Action::Relayed, relayed.collect(), at),
        ];
        reports.into_iter().flatten().collect()
    }

    /// For everyone who will not get a copy whose octets are lost.
    pub fn of_damage(&self, damaged: &Damaged, at: UnixTime) -> Vec<Outgoing> {
        let copy = Copy {
            sender: damaged.mail_from.as_ref(),
            reference: damaged.reference,
            queued_at: damaged.queued_at,
            raw: None,
            asked: Some(&damaged.transport),
        };
        let recipients = damaged.recipients.iter().filter(|recipient| damaged.transport.notify(recipient).failure);
        let recipients = recipients.map(|recipient| (recipient.clone(), Outcome::Damaged));
        self.report(&copy, Action::Failed, recipients.collect(), at).into_iter().collect()
    }

    fn report(&self, copy: &Copy<'_>, action: Action, recipients: Vec<(Address, Outcome)>, at: UnixTime) -> Option<Outgoing> {
        if recipients.is_empty() {
            return None;
        }
        let head = Letterhead {
            hostname: &self.hostname,
            postmaster: &self.postmaster,
            inside: &self.inside,
            language: self.language,
            now: at,
            number: self.dice.roll(),
        };
        match notices::report(&head, copy, action, &recipients) {
            Ok(report) => Some(report),
            Err(NoNotice::NullSender | NoNotice::Outside) => None,
            Err(why @ NoNotice::CannotWrite) => {
                tracing::error!(reference = %copy.reference, %why, "a sender is not told what became of a message");
                None
            }
        }
    }
}

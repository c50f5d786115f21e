//! Turns what an attempt leads to into the reports that its sender is owed, in the words of [`crate::notices`].

use crate::mail::{Address, Domain, Language, Outgoing, UnixTime};
use crate::notices::{self, Action, Copy, Letterhead, NoNotice, Outcome, TextsInForce};
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
    pub texts: TextsInForce,
    pub dice: Dice,
}

impl Reports {
    /// At most one of failure and one of delay, unsigned; none for null and foreign senders.
    pub fn of_attempt(&self, queued: &Queued, plan: &Plan, at: UnixTime) -> Vec<Outgoing> {
        let copy = Copy {
            sender: queued.outgoing.mail_from.as_ref(),
            reference: queued.reference,
            queued_at: queued.queued_at,
            raw: Some(&queued.outgoing.raw),
        };
        let failed = plan.failed.iter().map(|(recipient, failure)| match failure {
            Failure::Refused(said) => (recipient.clone(), Outcome::Refused(said.clone())),
            Failure::Expired(why) => (recipient.clone(), Outcome::Expired(why.clone())),
        });
        let delayed = plan.delayed.iter().map(|(recipient, why)| (recipient.clone(), Outcome::NotYet(why.clone())));
        let reports = [
            self.report(&copy, Action::Failed, failed.collect(), at),
            self.report(&copy, Action::Delayed { until: plan.gives_up_at }, delayed.collect(), at),
        ];
        reports.into_iter().flatten().collect()
    }

    /// For everyone who will not get a copy whose octets are lost.
    pub fn of_damage(&self, damaged: &Damaged, at: UnixTime) -> Vec<Outgoing> {
        let copy =
            Copy { sender: damaged.mail_from.as_ref(), reference: damaged.reference, queued_at: damaged.queued_at, raw: None };
        let recipients = damaged.recipients.iter().map(|recipient| (recipient.clone(), Outcome::Damaged)).collect();
        self.report(&copy, Action::Failed, recipients, at).into_iter().collect()
    }

    fn report(&self, copy: &Copy<'_>, action: Action, recipients: Vec<(Address, Outcome)>, at: UnixTime) -> Option<Outgoing> {
        if recipients.is_empty() {
            return None;
        }
        let head = Letterhead {
            texts: &self.texts.now(),
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

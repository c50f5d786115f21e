//! Turns what became of a copy into the reports its sender is owed, unsigned: whoever queues them signs them.

use super::Gate;
use crate::mail::{Address, Outgoing, UnixTime};
use crate::notices::{self, Action, Copy, NoNotice, Outcome};
use crate::spool::{Failure, Plan, Queued};
use crate::store::Damaged;

impl Gate {
    /// A failure report and a delay report, where the plan of an attempt calls for them (DESIGN: only to senders inside, only the
    /// header of the copy as it was queued).
    pub fn reports_on_attempt(&self, copy: &Queued, plan: &Plan, at: UnixTime) -> Vec<Outgoing> {
        let of = Copy {
            sender: copy.outgoing.mail_from.as_ref(),
            reference: copy.reference,
            queued_at: copy.queued_at,
            raw: Some(&copy.outgoing.raw),
        };
        let failed: Vec<(Address, Outcome)> = plan
            .failed
            .iter()
            .map(|(recipient, failure)| match failure {
                Failure::Refused(said) => (recipient.clone(), Outcome::Refused(said.clone())),
                Failure::Expired(said) => (recipient.clone(), Outcome::Expired(said.clone())),
            })
            .collect();
        let delayed: Vec<(Address, Outcome)> =
            plan.delayed.iter().map(|(recipient, said)| (recipient.clone(), Outcome::NotYet(said.clone()))).collect();
        let until = plan.gives_up_at;
        [(Action::Failed, failed), (Action::Delayed { until }, delayed)]
            .into_iter()
            .filter(|(_, recipients)| !recipients.is_empty())
            .filter_map(|(action, recipients)| self.report(&of, action, &recipients, at))
            .collect()
    }

    /// The stored copy is damaged and will not be sent.
    pub fn reports_on_damage(&self, damaged: &Damaged, at: UnixTime) -> Vec<Outgoing> {
        let of = Copy {
            sender: damaged.mail_from.as_ref(),
            reference: damaged.reference,
            queued_at: damaged.queued_at,
            raw: None,
        };
        let recipients: Vec<(Address, Outcome)> =
            damaged.recipients.iter().map(|recipient| (recipient.clone(), Outcome::Damaged)).collect();
        self.report(&of, Action::Failed, &recipients, at).into_iter().collect()
    }

    fn report(&self, copy: &Copy<'_>, action: Action, recipients: &[(Address, Outcome)], at: UnixTime) -> Option<Outgoing> {
        match self.write_notice(self.house.language, at, copy.sender, |head| notices::report(head, copy, action, recipients))? {
            Ok(report) => Some(report),
            Err(NoNotice::NullSender | NoNotice::Outside) => None,
            Err(why) => {
                tracing::error!(reference = %copy.reference, %why, "a delivery report could not be written");
                None
            }
        }
    }
}

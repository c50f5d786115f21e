//! Puts the gate's delivery reports behind the relay, which knows when one is due but not how one is written.

use crate::mail::{Outgoing, UnixTime};
use crate::pipeline::Gate;
use crate::relay::Report;
use crate::spool::{Plan, Queued};
use crate::store::Damaged;
use std::sync::Arc;

pub struct Reports(pub Arc<Gate>);

impl Report for Reports {
    fn on_attempt(&self, copy: &Queued, plan: &Plan, at: UnixTime) -> Vec<Outgoing> {
        self.0.reports_on_attempt(copy, plan, at)
    }

    fn on_damage(&self, damaged: &Damaged, at: UnixTime) -> Vec<Outgoing> {
        self.0.reports_on_damage(damaged, at)
    }
}

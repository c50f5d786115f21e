//! Turns a spool into work that goes on until shutdown: due copies are sent, their results and reports settled in one transaction.

use super::connection::Unreachable;
use super::health::Health;
use super::reports::Reports;
use super::upstream::{Upstream, Which, not_tried};
use crate::audit::line::{self, Fate};
use crate::dkim::Signers;
use crate::mail::Outgoing;
use crate::smtp::dialogue::Whose;
use crate::spool::{Attempt, Attempted, Failure, Plan, Queued, Spool};
use crate::store::{AuditLine, StoreError};
use crate::world::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Everything the relay works with.
pub struct Relay {
    pub spool: Spool,
    pub upstream: Arc<Upstream>,
    /// Reports are signed like all that leaves.
    pub signers: Arc<Signers>,
    pub reports: Reports,
    pub clock: Clock,
}

/// Commands beside the gate cannot wake the relay: it looks again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Copies in hand per worker: one under way, one ready.
const READY: usize = 1;
/// Idle connections, damaged copies and forgotten rows are looked after so often.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(3_600);
/// Between two tries to write down a result; the first and the longest.
const STORE_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

impl Relay {
    /// Works until `stop` becomes true, then lets transactions that are under way finish for at most `grace`; what is cut off then
    /// stays in the spool.
    pub async fn run(self, mut stop: watch::Receiver<bool>, grace: Duration) {
        let shared = Arc::new(Shared { relay: self, health: Health::default() });
        let width = shared.relay.upstream.width();
        let (ready, take) = mpsc::channel::<Queued>(width * READY);
        let take = Arc::new(Mutex::new(take));
        let mut workers = JoinSet::new();
        for _ in 0..width {
            workers.spawn(shared.clone().work(take.clone(), stop.clone()));
        }
        tokio::select! {
            () = shared.hand_out(ready) => {}
            () = shared.probe() => {}
            () = shared.keep_house() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let finished = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!("the upstream did not answer in time for the shutdown: what was under way stays in the spool");
            workers.shutdown().await;
        }
        while let Ok(copy) = take.lock().await.try_recv() {
            shared.relay.spool.give_back(copy.id);
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), shared.relay.upstream.close(Which::All)).await;
    }
}

struct Shared {
    relay: Relay,
    health: Health,
}

impl Shared {
    /// Claims what is due as workers become free.
    async fn hand_out(&self, ready: mpsc::Sender<Queued>) {
        let spool = &self.relay.spool;
        loop {
            // Only as much is claimed and loaded as can be taken at once.
            let Ok(places) = ready.reserve_many(1).await else { return };
            let wanted = places.len() + ready.capacity();
            drop(places);
            match spool.due(self.relay.clock.now(), wanted).await {
                Ok(copies) if copies.is_empty() => self.rest().await,
                Ok(copies) => {
                    for copy in copies {
                        let Err(mpsc::error::SendError(copy)) = ready.send(copy).await else { continue };
                        spool.give_back(copy.id);
                        return;
                    }
                }
                Err(why) => {
                    tracing::error!(%why, "the spool cannot be read");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn rest(&self) {
        let now = self.relay.clock.now();
        let until_next = match self.relay.spool.next_due().await {
            Ok(Some(at)) => Duration::from_secs(u64::try_from(at.0 - now.0).unwrap_or(0)).max(Duration::from_millis(100)),
            Ok(None) | Err(_) => LOOK_AGAIN,
        };
        self.relay.spool.wait(until_next.min(LOOK_AGAIN)).await;
    }

    async fn work(self: Arc<Shared>, take: Arc<Mutex<mpsc::Receiver<Queued>>>, mut stop: watch::Receiver<bool>) {
        loop {
            let next = async { take.lock().await.recv().await };
            let copy = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                copy = next => copy,
            };
            let Some(copy) = copy else { return };
            self.attempt(&copy).await;
        }
    }

    /// One copy, from the upstream's door to the disk.
    async fn attempt(&self, copy: &Queued) {
        let results = match self.health.away() {
            Some(why) => {
                let said = format!("not tried, as the upstream was away a moment ago: {}", why.why);
                not_tried(&copy.outgoing, &Unreachable { why: said, whose: Whose::Upstream })
            }
            None => {
                let relayed = self.relay.upstream.send(copy).await;
                if let Some(why) = &relayed.for_operator {
                    tracing::error!(copy = copy.id, reference = %copy.reference, %why, "mail waits for the operator");
                }
                if let Some(why) = relayed.unreachable
                    && self.health.failed(why.clone())
                {
                    tracing::warn!(%why, "the upstream is away: mail waits in the spool");
                }
                relayed.results
            }
        };
        let attempted = Attempted { id: copy.id, at: self.relay.clock.now(), results };
        let plan = self.relay.spool.plan(copy, &attempted);
        let reports = self.signed(self.relay.reports.of_attempt(copy, &plan, attempted.at));
        let audit = audit_line(copy, &attempted, &plan);
        self.settle(copy, attempted, reports, audit).await;
    }

    /// The upstream may have the copy already, so a result is written until it is written; sending again would deliver twice.
    async fn settle(&self, copy: &Queued, attempted: Attempted, reports: Vec<Outgoing>, audit: Option<AuditLine>) {
        let (mut pause, longest) = STORE_PAUSE;
        let spool = &self.relay.spool;
        while let Err(why) = spool.settle(copy, attempted.clone(), reports.clone(), audit.clone()).await {
            tracing::error!(copy = copy.id, reference = %copy.reference, %why, "what became of a copy cannot be written down yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// A report without signature is better than none: its reader is one of ours, and was promised to be told.
    fn signed(&self, reports: Vec<Outgoing>) -> Vec<Outgoing> {
        let at = self.relay.clock.now();
        let sign = |report: Outgoing| {
            self.relay.signers.sign(report.clone(), at).unwrap_or_else(|why| {
                tracing::error!(%why, "a report leaves without DKIM signature");
                report
            })
        };
        reports.into_iter().map(sign).collect()
    }

    /// Knocks while the upstream is away; once it is back, everything that waited for it goes at once.
    async fn probe(&self) {
        loop {
            self.health.time_to_probe().await;
            match self.relay.upstream.probe().await {
                Ok(()) => {
                    self.health.recovered();
                    match self.relay.spool.retry(None).await {
                        Ok(copies) => tracing::info!(copies, "the upstream is back"),
                        Err(why) => tracing::error!(%why, "the upstream is back, but the spool cannot be written"),
                    }
                }
                Err(why) => {
                    tracing::warn!(%why, "the upstream is still away");
                    self.health.probe_failed(why);
                }
            }
        }
    }

    async fn keep_house(&self) {
        let mut swept: Option<Instant> = None;
        loop {
            self.relay.upstream.close(Which::Idle).await;
            if let Err(why) = self.tell_damage().await {
                tracing::error!(%why, "damaged copies cannot be told of yet");
            }
            if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                match self.relay.spool.sweep().await {
                    Ok(_) => swept = Some(Instant::now()),
                    Err(why) => tracing::error!(%why, "finished copies cannot be forgotten yet"),
                }
            }
            tokio::time::sleep(HOUSEKEEPING).await;
        }
    }

    async fn tell_damage(&self) -> Result<(), StoreError> {
        for damaged in self.relay.spool.damaged().await? {
            let reports = self.signed(self.relay.reports.of_damage(&damaged, self.relay.clock.now()));
            self.relay.spool.damage_told(damaged.id, reports).await?;
        }
        Ok(())
    }
}

/// What became final; an attempt that only waits on is no decision and no line.
fn audit_line(copy: &Queued, attempted: &Attempted, plan: &Plan) -> Option<AuditLine> {
    let delivered = attempted.results.iter().filter_map(|(recipient, attempt)| match attempt {
        Attempt::Delivered { reply } | Attempt::Relayed { reply } => Some((recipient.clone(), Fate::Delivered, reply.as_str())),
        Attempt::TryLater { .. } | Attempt::Failed { .. } => None,
    });
    let failed = plan.failed.iter().map(|(recipient, failure)| match failure {
        Failure::Refused(said) => (recipient.clone(), Fate::Failed, said.as_str()),
        Failure::Expired(said) => (recipient.clone(), Fate::Expired, said.as_str()),
    });
    let results: Vec<_> = delivered.chain(failed).collect();
    (!results.is_empty()).then(|| line::relayed(copy.reference, copy.id, attempted.at, &results))
}

#[cfg(test)]
mod tests;

//! Turns one queued copy into an attempt per recipient, over a connection that is kept for the next.

use super::capture::Capture;
use super::connection::{Connection, Unreachable, all_later};
use super::settings::{Smarthost, Way};
use super::tls::Client;
use crate::mail::{Address, Outgoing};
use crate::smtp::dialogue::{Outcome, Whose};
use crate::spool::{Attempt, Queued};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// One worker's way out: at most one connection, kept between messages.
pub struct Upstream {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

struct Shared {
    way: Way,
    /// What EHLO says of us.
    hostname: String,
    /// Made at the first connection, for all workers.
    client: OnceCell<Client>,
    capture: OnceCell<Capture>,
}

/// What became of one copy.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// In the order of the copy's recipients.
    pub results: Vec<(Address, Attempt)>,
    pub reached: Reached,
    /// What the operator has to know, for the log: never content.
    pub for_operator: Option<String>,
}

/// Whether it was the upstream or the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The upstream spoke with us about this copy.
    Yes,
    /// It could not be reached or did not let us speak: the next copy would fare no better now.
    No,
}

/// Transactions for one copy whose recipients the upstream takes only a few at a time.
const ROUNDS: usize = 20;

impl Upstream {
    pub fn new(way: Way, hostname: &str) -> Upstream {
        let shared = Shared { way, hostname: hostname.to_owned(), client: OnceCell::new(), capture: OnceCell::new() };
        Upstream { shared: Arc::new(shared), connection: None }
    }

    /// Another worker's: the same settings, its own connection.
    pub fn another(&self) -> Upstream {
        Upstream { shared: self.shared.clone(), connection: None }
    }

    /// How many workers make sense.
    pub fn width(&self) -> usize {
        match &self.shared.way {
            Way::Smarthost(smarthost) => smarthost.connections,
            Way::Capture(_) => 2,
        }
    }

    /// Tries once. Every recipient of the copy has a result, whatever happens.
    pub async fn send(&mut self, copy: &Queued) -> Relayed {
        let shared = self.shared.clone();
        match &shared.way {
            Way::Smarthost(smarthost) => self.send_to(smarthost, &copy.outgoing).await,
            Way::Capture(folder) => shared.put(folder, copy).await,
        }
    }

    /// When the connection has to be closed if nothing is sent until then.
    pub fn idle_until(&self) -> Option<Instant> {
        let Way::Smarthost(smarthost) = &self.shared.way else { return None };
        self.connection.as_ref().map(|connection| connection.last_used + smarthost.idle)
    }

    /// Says goodbye to the upstream, if there is a connection.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.quit().await;
        }
    }

    async fn send_to(&mut self, smarthost: &Smarthost, copy: &Outgoing) -> Relayed {
        let mut results: Vec<(Address, Outcome)> = Vec::with_capacity(copy.recipients.len());
        let mut rest = copy.clone();
        for _ in 0..ROUNDS {
            let outcomes = match self.one_transaction(smarthost, &rest).await {
                Ok(outcomes) => outcomes,
                Err(why) if results.is_empty() => {
                    return relayed(copy, all_later(copy, &why), Reached::No);
                }
                Err(why) => {
                    results.extend(all_later(&rest, &why));
                    rest.recipients.clear();
                    break;
                }
            };
            let progress = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Delivered { .. }));
            let crowd = |outcome: &Outcome| matches!(outcome, Outcome::Later { whose: Whose::Crowd, .. });
            let (again, done): (Vec<_>, Vec<_>) =
                outcomes.into_iter().partition(|(_, outcome)| progress && crowd(outcome));
            results.extend(done);
            rest.recipients = again.iter().map(|(recipient, _)| recipient.clone()).collect();
            if rest.recipients.is_empty() {
                break;
            }
        }
        let left = Unreachable { why: "too many recipients for one attempt".to_owned(), whose: Whose::Upstream };
        results.extend(all_later(&rest, &left));
        relayed(copy, results, Reached::Yes)
    }

    /// Over the connection at hand or a new one; over a new one again when the kept one turns out to be dead.
    async fn one_transaction(
        &mut self,
        smarthost: &Smarthost,
        copy: &Outgoing,
    ) -> Result<Vec<(Address, Outcome)>, Unreachable> {
        if self.idle_until().is_some_and(|until| until <= Instant::now()) {
            self.close().await;
        }
        for _ in 0..2 {
            let kept = self.connection.is_some();
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.shared.connect(smarthost).await?,
            };
            let sent = connection.send(copy).await;
            if sent.untouched && kept {
                continue;
            }
            match sent.usable && connection.messages < smarthost.messages_per_connection {
                true => self.connection = Some(connection),
                false if sent.usable => connection.quit().await,
                false => {}
            }
            return Ok(sent.outcomes);
        }
        Err(Unreachable { why: "the upstream closes connections at once".to_owned(), whose: Whose::Upstream })
    }
}

impl Shared {
    async fn connect(&self, smarthost: &Smarthost) -> Result<Connection, Unreachable> {
        let client = self.client.get_or_try_init(async || {
            let smarthost = smarthost.clone();
            // Reading the system's authorities touches many files.
            let made = tokio::task::spawn_blocking(move || Client::new(&smarthost)).await;
            made.map_err(|_| "a defect in the gate: the TLS client could not be made".to_owned()).flatten()
        });
        let client = client.await.map_err(|why| Unreachable { why, whose: Whose::Operator })?;
        Connection::open(smarthost, client, &self.hostname).await
    }

    async fn put(&self, folder: &std::path::Path, copy: &Queued) -> Relayed {
        let (place, owned) = (folder.to_owned(), copy.clone());
        let capture = self.capture.get().cloned();
        let put = tokio::task::spawn_blocking(move || {
            let capture = capture.map_or_else(|| Capture::open(&place), Ok)?;
            capture.put(&owned).map(|name| (capture, name))
        });
        match put.await {
            Ok(Ok((capture, name))) => {
                let _ = self.capture.set(capture);
                let delivered = Outcome::Delivered { said: format!("250 2.0.0 captured as {name}") };
                let all = copy.outgoing.recipients.iter().map(|recipient| (recipient.clone(), delivered.clone()));
                relayed(&copy.outgoing, all.collect(), Reached::Yes)
            }
            failed => {
                let kind = failed.ok().and_then(Result::err).map_or(std::io::ErrorKind::Other, |why| why.kind());
                let why = format!("[upstream] capture = {}: {kind}", folder.display());
                let why = Unreachable { why, whose: Whose::Operator };
                relayed(&copy.outgoing, all_later(&copy.outgoing, &why), Reached::No)
            }
        }
    }
}

/// Puts the outcomes in the copy's order and into the spool's words.
fn relayed(copy: &Outgoing, outcomes: Vec<(Address, Outcome)>, reached: Reached) -> Relayed {
    let for_operator = outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Later { why, whose: Whose::Operator } => Some(why.clone()),
        _ => None,
    });
    let mut results: Vec<(Address, Attempt)> = Vec::with_capacity(outcomes.len());
    results.extend(outcomes.into_iter().map(|(recipient, outcome)| {
        let attempt = match outcome {
            Outcome::Delivered { said } => Attempt::Delivered { reply: said },
            Outcome::Later { why, .. } => Attempt::TryLater { why },
            Outcome::Failed { said } => Attempt::Failed { reply: said },
        };
        (recipient, attempt)
    }));
    let place = |recipient: &Address| copy.recipients.iter().position(|one| one == recipient);
    if results.len() > 1 && results.iter().zip(&copy.recipients).any(|((one, _), other)| one != other) {
        results.sort_by_cached_key(|(recipient, _)| place(recipient));
    }
    Relayed { results, reached, for_operator }
}

/// How long an idle worker waits at most before it looks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);

//! Turns one queued copy into an attempt per recipient, over a connection that is kept for the next one.

use super::capture::Capture;
use super::connection::{Connection, Unreachable, all_later};
use super::settings::{Smarthost, Way};
use super::tls::Client;
use crate::mail::{Address, Outgoing};
use crate::smtp::dialogue::{Outcome, Whose};
use crate::spool::{Attempt, Queued};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// The way out, for all workers: connections are taken from a stack, so that little traffic goes over one of them.
pub struct Upstream {
    way: Way,
    /// What EHLO says of us.
    hostname: String,
    /// Made at the first connection.
    client: OnceCell<Client>,
    capture: OnceCell<Capture>,
    kept: Mutex<Vec<Connection>>,
}

/// Which connections to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Idle,
    All,
}

/// What became of one copy.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// In the order of the copy's recipients.
    pub results: Vec<(Address, Attempt)>,
    /// The upstream could not be reached or did not let us speak: the next copy would fare no better now.
    pub unreachable: Option<Unreachable>,
    /// What the operator has to know, for the log: never content.
    pub for_operator: Option<String>,
}

/// Transactions for one copy whose recipients the upstream takes only a few at a time.
const ROUNDS: usize = 20;

impl Upstream {
    pub fn new(way: Way, hostname: &str) -> Upstream {
        Upstream {
            way,
            hostname: hostname.to_owned(),
            client: OnceCell::new(),
            capture: OnceCell::new(),
            kept: Mutex::default(),
        }
    }

    /// How many copies may be under way at once.
    pub fn width(&self) -> usize {
        match &self.way {
            Way::Smarthost(smarthost) => smarthost.connections,
            Way::Capture(_) => 2,
        }
    }

    /// Tries once. Every recipient of the copy has a result, whatever happens.
    pub async fn send(&self, copy: &Queued) -> Relayed {
        match &self.way {
            Way::Smarthost(smarthost) => self.send_to(smarthost, &copy.outgoing).await,
            Way::Capture(folder) => self.put(folder, copy).await,
        }
    }

    /// Finds out whether the upstream would let us speak, and keeps the connection.
    pub async fn probe(&self) -> Result<(), Unreachable> {
        match &self.way {
            Way::Smarthost(smarthost) => {
                let connection = self.connect(smarthost).await?;
                self.keep(connection);
                Ok(())
            }
            Way::Capture(folder) => {
                let place = folder.clone();
                let opened = tokio::task::spawn_blocking(move || Capture::open(&place)).await;
                match opened {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(why)) => Err(cannot_capture(folder, why.kind())),
                    Err(_) => Err(cannot_capture(folder, ErrorKind::Other)),
                }
            }
        }
    }

    /// Says goodbye on the connections that nobody used for the idle time, or on all.
    pub async fn close(&self, which: Which) {
        let Way::Smarthost(smarthost) = &self.way else { return };
        let idle = |connection: &mut Connection| match which {
            Which::All => true,
            Which::Idle => connection.last_used.elapsed() >= smarthost.idle,
        };
        let closed: Vec<Connection> = self.stack().extract_if(.., idle).collect();
        for connection in closed {
            connection.quit().await;
        }
    }

    fn keep(&self, connection: Connection) {
        self.stack().push(connection);
    }

    fn stack(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_to(&self, smarthost: &Smarthost, copy: &Outgoing) -> Relayed {
        let mut results: Vec<(Address, Outcome)> = Vec::with_capacity(copy.recipients.len());
        let mut rest = copy.clone();
        for _ in 0..ROUNDS {
            let outcomes = match self.one_transaction(smarthost, &rest).await {
                Ok(outcomes) => outcomes,
                Err(why) if results.is_empty() => {
                    return relayed(copy, all_later(copy, &why), Some(why));
                }
                Err(why) => {
                    results.extend(all_later(&rest, &why));
                    rest.recipients.clear();
                    break;
                }
            };
            let progress =
                outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Delivered { .. } | Outcome::Relayed { .. }));
            let crowd = |outcome: &Outcome| matches!(outcome, Outcome::Later { whose: Whose::Crowd, .. });
            let (again, done): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, outcome)| progress && crowd(outcome));
            results.extend(done);
            rest.recipients = again.iter().map(|(recipient, _)| recipient.clone()).collect();
            if rest.recipients.is_empty() {
                break;
            }
        }
        let left = Unreachable { why: "too many recipients for one attempt".to_owned(), whose: Whose::Upstream };
        results.extend(all_later(&rest, &left));
        relayed(copy, results, None)
    }

    /// Over a kept connection or a new one; over the next when a kept one turns out to be dead.
    async fn one_transaction(&self, smarthost: &Smarthost, copy: &Outgoing) -> Result<Vec<(Address, Outcome)>, Unreachable> {
        loop {
            let kept = self.stack().pop();
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) if connection.last_used.elapsed() >= smarthost.idle => {
                    connection.quit().await;
                    continue;
                }
                Some(connection) => connection,
                None => self.connect(smarthost).await?,
            };
            let sent = connection.send(copy).await;
            if sent.untouched && was_kept {
                continue;
            }
            if sent.usable && connection.messages < smarthost.messages_per_connection {
                self.keep(connection);
            } else if sent.usable {
                connection.quit().await;
            }
            return Ok(sent.outcomes);
        }
    }

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

    async fn put(&self, folder: &Path, copy: &Queued) -> Relayed {
        let (place, owned) = (folder.to_owned(), copy.clone());
        let capture = self.capture.get().cloned();
        let put = tokio::task::spawn_blocking(move || {
            let capture = capture.map_or_else(|| Capture::open(&place), Ok)?;
            capture.put(&owned).map(|name| (capture, name))
        });
        match put.await {
            Ok(Ok((capture, name))) => {
                let _ = self.capture.set(capture);
                let all = copy.outgoing.recipients.iter().map(|recipient| {
                    let said = format!("250 2.0.0 captured as {name}");
                    let told = copy.outgoing.transport.notify(recipient).success;
                    let outcome = if told { Outcome::Relayed { said } } else { Outcome::Delivered { said } };
                    (recipient.clone(), outcome)
                });
                relayed(&copy.outgoing, all.collect(), None)
            }
            failed => {
                let kind = failed.ok().and_then(Result::err).map_or(ErrorKind::Other, |why| why.kind());
                let why = cannot_capture(folder, kind);
                relayed(&copy.outgoing, all_later(&copy.outgoing, &why), Some(why))
            }
        }
    }
}

fn cannot_capture(folder: &Path, kind: ErrorKind) -> Unreachable {
    Unreachable { why: format!("[upstream] capture = {}: {kind}", folder.display()), whose: Whose::Operator }
}

/// Without asking the upstream: the same reason for everyone.
pub(super) fn not_tried(copy: &Outgoing, why: &Unreachable) -> Vec<(Address, Attempt)> {
    relayed(copy, all_later(copy, why), None).results
}

/// Puts the outcomes in the copy's order and into the spool's words.
fn relayed(copy: &Outgoing, outcomes: Vec<(Address, Outcome)>, unreachable: Option<Unreachable>) -> Relayed {
    let for_operator = outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Later { why, whose: Whose::Operator } => Some(why.clone()),
        _ => None,
    });
    let mut results: Vec<(Address, Attempt)> = Vec::with_capacity(outcomes.len());
    results.extend(outcomes.into_iter().map(|(recipient, outcome)| {
        let attempt = match outcome {
            Outcome::Delivered { said } => Attempt::Delivered { reply: said },
            Outcome::Relayed { said } => Attempt::Relayed { reply: said },
            Outcome::Later { why, .. } => Attempt::TryLater { why },
            Outcome::Failed { said } => Attempt::Failed { reply: said },
        };
        (recipient, attempt)
    }));
    let place = |recipient: &Address| copy.recipients.iter().position(|one| one == recipient);
    if results.len() > 1 && results.iter().zip(&copy.recipients).any(|((one, _), other)| one != other) {
        results.sort_by_cached_key(|(recipient, _)| place(recipient));
    }
    Relayed { results, unreachable, for_operator }
}

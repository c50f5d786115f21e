//! Turns what somebody proves into an identity, at a cost that cannot be used against us.
//!
//! Three things bound the cost: a password is hashed only while fewer than a few others are; an attempt is counted against its
//! account and network before it is hashed; and a password that was right stays known for a few minutes, as a keyed digest in this
//! process only, so that a client that reconnects for each message costs nothing. Equal attempts at the same time are one.
//!
//! Logins are those of the store (`file`), and of whoever else the configuration names ([`judge`]). Who cannot be asked lets nobody in.

mod app_password;
mod attempts;
mod certificate;
mod changes;
pub mod elsewhere;
pub mod judge;
mod password;
mod policy;
mod scram;
mod settings;
#[cfg(test)]
mod tests;
mod throttle;

pub use changes::{AppPassword, CannotChange, Change, Listed, NewAccount};
pub use policy::Weak;
pub use settings::{HOUSE, Policy, Settings};

use crate::mail::{Address, Attributes, Identity, Language, UnixTime};
use crate::store::{AccountRow, AuditLine, Store};
use crate::world::Clock;
use attempts::{Digest, Shared};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use judge::{Judge, Judged};
use scram::Keys;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use throttle::Throttle;
use tokio::sync::{OnceCell, Semaphore};
use zeroize::Zeroizing;

const DAY: i64 = 24 * 60 * 60;

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub login: Address,
    /// All addresses it may send from, the login among them.
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub attributes: Attributes,
}

/// Who logged in, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub account: Account,
    pub by: By,
    /// Of SCRAM: what proves to the client that we know its password.
    pub signature: Option<[u8; 32]>,
}

/// By what somebody was let in. As text it goes with the session and comes back to [`Accounts::still`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// An account of the store, as it was after so many changes; with which app password, if with one.
    House { serial: i64, app_password: Option<i64> },
    /// A judge, by its name.
    Judge(String),
}

/// Whether a session that logged in may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Still {
    Holds,
    /// There is no such account any more, or it is disabled.
    Closed,
    /// Its password, addresses or attributes are others by now, or the app password was revoked: log in again.
    Changed,
}

/// Why somebody was not let in. An unknown or disabled account is `Wrong` like any other, in words and in work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// 535 5.7.8. The client's.
    #[error("login or password is wrong")]
    Wrong,
    /// 535 5.7.8. It was right, and is older than `[accounts.password] renew_after_days`.
    #[error("the password is too old and has to be renewed")]
    Expired,
    /// 454 4.7.0. Too many wrong ones from there; nothing was compared.
    #[error("too many wrong passwords; try again later")]
    Throttled,
    /// 454 4.7.0. More log-ins at once than there is work for.
    #[error("too many log-ins at once; try again")]
    Busy,
    /// 454 4.7.0. The store, or whoever else knows the logins, could not be asked.
    #[error("accounts cannot be read just now")]
    Unavailable,
}

/// What a SCRAM client is told before it proves anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salted {
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// Printable ASCII without a comma, new each time.
    pub nonce: String,
}

/// A SCRAM client's proof, with what it was told before.
#[derive(Clone, Copy)]
pub struct ScramAttempt<'a> {
    pub login: &'a str,
    pub salt: &'a [u8],
    pub iterations: u32,
    /// RFC 5802 §3.
    pub auth_message: &'a str,
    pub proof: &'a [u8; 32],
}

/// Everybody who can tell a login. Cheap to clone; clones share the throttles, so there is one per gate.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    settings: Settings,
    /// In the order of `judges`.
    seats: Vec<Seat>,
    clock: Clock,
    hashing: Semaphore,
    /// Who hashes or waits for it.
    inside: Semaphore,
    throttle: Mutex<Throttle>,
    /// Made anew in every process.
    key: hmac::Key,
    /// Makes salts of logins that there are not; kept in the store, because a salt that changes when the gate starts tells as much.
    nobody: OnceCell<[u8; 32]>,
    /// Digests of log-ins that were right, and until when they need no hash.
    remembered: Mutex<HashMap<Digest, Instant>>,
    trying: Mutex<HashMap<Digest, Shared>>,
    hashes: AtomicU64,
}

/// Who is asked.
enum Seat {
    House,
    Judge(Arc<dyn Judge>),
    /// It is in the configuration and was not given: a command that lets nobody in.
    Empty(String),
}

impl Accounts {
    /// With the store's accounts alone: where the settings name other judges, nobody is let in by [`Accounts::log_in`] whom the store
    /// does not know. `settings` must have passed [`Settings::check`].
    pub fn new(store: Store, settings: Settings, clock: Clock) -> Result<Accounts, LoginRefused> {
        Accounts::seated(store, settings, clock, &[])
    }

    /// With all who are named in `judges`. One that is named and not given is an error: the sentence says what to write.
    pub fn with_judges(store: Store, settings: Settings, clock: Clock, judges: &[Arc<dyn Judge>]) -> Result<Accounts, String> {
        let given: Vec<&str> = std::iter::once(HOUSE).chain(judges.iter().map(|judge| judge.name())).collect();
        if let Some(missing) = settings.judges.iter().find(|name| !given.contains(&name.as_str())) {
            return Err(format!("[accounts] judges: nothing says how \"{missing}\" is asked; there are: {}", given.join(", ")));
        }
        Accounts::seated(store, settings, clock, judges).map_err(|why| why.to_string())
    }

    fn seated(store: Store, settings: Settings, clock: Clock, judges: &[Arc<dyn Judge>]) -> Result<Accounts, LoginRefused> {
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *secret).map_err(|_| LoginRefused::Unavailable)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = settings.hashing_at_once.unwrap_or(processors / 2).max(1);
        let seat = |name: &String| match judges.iter().find(|judge| judge.name() == name) {
            _ if name == HOUSE => Seat::House,
            Some(judge) => Seat::Judge(judge.clone()),
            None => Seat::Empty(name.clone()),
        };
        Ok(Accounts(Arc::new(Inner {
            store,
            clock,
            seats: settings.judges.iter().map(seat).collect(),
            hashing: Semaphore::new(at_once),
            inside: Semaphore::new(at_once.saturating_add(settings.waiting).min(Semaphore::MAX_PERMITS)),
            throttle: Mutex::new(Throttle::new(&settings)),
            key: hmac::Key::new(hmac::HMAC_SHA256, &*secret),
            nobody: OnceCell::new(),
            remembered: Mutex::default(),
            trying: Mutex::default(),
            hashes: AtomicU64::new(0),
            settings,
        })))
    }

    /// Lets somebody in by a password, or not. `login` is what the client sent; `peer` is where from.
    pub async fn log_in(&self, login: &str, password: &[u8], peer: IpAddr) -> Result<Admitted, LoginRefused> {
        let inner = &self.0;
        let address = Address::parse(login).ok();
        let name = inner.count_name(login, address.as_ref());
        let mut counted = None;
        for seat in &inner.seats {
            let judge = match seat {
                Seat::House => match inner.house_account(address.as_ref()).await? {
                    Some(row) => return inner.by_password(login, &name, Some(row), password, peer, counted).await,
                    None => continue,
                },
                Seat::Judge(judge) => judge,
                Seat::Empty(name) => return Err(inner.cannot_ask(name, "it is not there")),
            };
            if !judge.takes_passwords() {
                continue;
            }
            let attempt = match counted.take() {
                Some(attempt) => attempt,
                None => inner.count(&name, peer)?,
            };
            match judge.password(login, password, peer).await {
                Judged::Right(account) => {
                    attempt.right();
                    return Ok(Admitted::by_judge(*account, judge.name()));
                }
                Judged::Wrong => return Err(attempt.wrong(address.as_ref()).await),
                Judged::NotMine => counted = Some(attempt),
                Judged::Unavailable(why) => {
                    attempt.not_made();
                    return Err(inner.cannot_ask(judge.name(), &why));
                }
            }
        }
        // Nobody knows it: the same work and the same answer as for a wrong password.
        inner.by_password(login, &name, None, password, peer, counted).await
    }

    /// Lets somebody in by a bearer token, or not.
    pub async fn log_in_by_token(&self, login: Option<&str>, token: &str, peer: IpAddr) -> Result<Admitted, LoginRefused> {
        let inner = &self.0;
        let address = login.and_then(|login| Address::parse(login).ok());
        let attempt = inner.count(&inner.count_name(login.unwrap_or_default(), address.as_ref()), peer)?;
        for seat in &inner.seats {
            let judge = match seat {
                Seat::House => continue,
                Seat::Judge(judge) => judge,
                Seat::Empty(name) => {
                    attempt.not_made();
                    return Err(inner.cannot_ask(name, "it is not there"));
                }
            };
            match judge.token(login, token, peer).await {
                Judged::Right(account) => {
                    attempt.right();
                    return Ok(Admitted::by_judge(*account, judge.name()));
                }
                Judged::Wrong => break,
                Judged::NotMine => {}
                Judged::Unavailable(why) => {
                    attempt.not_made();
                    return Err(inner.cannot_ask(judge.name(), &why));
                }
            }
        }
        Err(attempt.wrong(address.as_ref()).await)
    }

    /// Lets the owner of a verified certificate in, or not: the first account that it names; with `login` the one that owns that address.
    pub async fn log_in_by_certificate(&self, der: &[u8], login: Option<&str>, peer: IpAddr) -> Result<Admitted, LoginRefused> {
        let inner = &self.0;
        let wanted = match login.map(Address::parse) {
            None => None,
            Some(Ok(address)) => Some(address),
            Some(Err(_)) => return Err(inner.count("", peer)?.wrong(None).await),
        };
        let named = certificate::logins(der, &inner.settings.certificates);
        let attempt = inner.count(&named.first().map_or_else(String::new, Address::key), peer)?;
        for address in &named {
            match inner.account_of(address).await {
                Ok(Some(admitted)) if wanted.as_ref().is_none_or(|wanted| admitted.account.owns.contains(wanted)) => {
                    attempt.right();
                    return Ok(admitted);
                }
                Ok(_) => {}
                Err(why) => {
                    attempt.not_made();
                    return Err(why);
                }
            }
        }
        Err(attempt.wrong(named.first()).await)
    }

    /// What SCRAM begins with: of each login, there or not, the same salt each time.
    pub async fn salt(&self, login: &str) -> Result<Salted, LoginRefused> {
        let (_, keys) = self.0.scram_keys(login).await?;
        let mut nonce = [0; 18];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| LoginRefused::Unavailable)?;
        Ok(Salted { salt: keys.salt, iterations: keys.iterations, nonce: STANDARD.encode(nonce) })
    }

    /// Lets somebody in by a proof of SCRAM-SHA-256, or not.
    pub async fn log_in_by_scram(&self, sent: ScramAttempt<'_>, peer: IpAddr) -> Result<Admitted, LoginRefused> {
        let inner = &self.0;
        let address = Address::parse(sent.login).ok();
        let (row, keys) = inner.scram_keys(sent.login).await?;
        let attempt = inner.count(&inner.count_name(sent.login, address.as_ref()), peer)?;
        let signature = keys.verify(sent.auth_message, sent.proof);
        // The client proved itself for the salt it was told; a password that was set meanwhile has another.
        let is_same = (&*keys.salt, keys.iterations) == (sent.salt, sent.iterations);
        let about = row.as_ref().map(|row| row.login.clone());
        match (row, signature) {
            (Some(row), Some(signature)) if is_same => {
                attempt.right();
                let admitted = inner.admit(row, None)?;
                Ok(Admitted { signature: Some(signature), ..admitted })
            }
            _ => Err(attempt.wrong(about.as_ref()).await),
        }
    }

    /// Whether what let a session in ([`By`], as text) still does. An error: whoever knows could not be asked.
    pub async fn still(&self, login: &Address, by: &str) -> Result<Still, LoginRefused> {
        let inner = &self.0;
        match By::read(by) {
            Some(By::House { serial, app_password }) => {
                let row = inner.store.find_account(login).await.map_err(|why| inner.cannot_ask(HOUSE, &why.to_string()))?;
                let Some(row) = row.filter(|row| !row.disabled) else { return Ok(Still::Closed) };
                if row.serial != serial {
                    return Ok(Still::Changed);
                }
                let Some(id) = app_password else { return Ok(Still::Holds) };
                let there = inner.store.has_app_password(id).await;
                let there = there.map_err(|why| inner.cannot_ask(HOUSE, &why.to_string()))?;
                Ok(if there { Still::Holds } else { Still::Changed })
            }
            Some(By::Judge(name)) => {
                let Some(judge) = inner.judges().find(|judge| judge.name() == name) else { return Ok(Still::Closed) };
                match judge.still(login).await {
                    Judged::Right(_) => Ok(Still::Holds),
                    Judged::Wrong | Judged::NotMine => Ok(Still::Closed),
                    Judged::Unavailable(why) => Err(inner.cannot_ask(judge.name(), &why)),
                }
            }
            None => Ok(Still::Closed),
        }
    }

    /// Whether SCRAM can prove every password there is: clients that find it offered try nothing else.
    pub fn offers_scram(&self) -> bool {
        self.0.settings.scram_iterations > 0
            && self.0.seats.iter().any(|seat| matches!(seat, Seat::House))
            && !self.0.judges().any(|judge| judge.takes_passwords())
    }

    /// Whether anybody here knows bearer tokens.
    pub fn takes_tokens(&self) -> bool {
        self.0.judges().any(|judge| judge.takes_tokens())
    }

    /// Passwords hashed since the start.
    pub fn hashes(&self) -> u64 {
        self.0.hashes.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn judges(&self) -> impl Iterator<Item = &Arc<dyn Judge>> {
        self.seats.iter().filter_map(|seat| match seat {
            Seat::Judge(judge) => Some(judge),
            Seat::House | Seat::Empty(_) => None,
        })
    }

    /// Under what name wrong passwords are counted. What is no address is no account of the store: all such log-ins from one network
    /// share one count, unless somebody else may know them.
    fn count_name(&self, login: &str, address: Option<&Address>) -> String {
        match address {
            Some(address) => address.key(),
            None if self.judges().next().is_some() => login.to_lowercase(),
            None => String::new(),
        }
    }

    async fn house_account(&self, login: Option<&Address>) -> Result<Option<AccountRow>, LoginRefused> {
        let Some(login) = login else { return Ok(None) };
        self.store.find_account(login).await.map_err(|why| self.cannot_ask(HOUSE, &why.to_string()))
    }

    /// The account of an address that was proved otherwise than by a password.
    async fn account_of(&self, login: &Address) -> Result<Option<Admitted>, LoginRefused> {
        for seat in &self.seats {
            match seat {
                Seat::House => match self.house_account(Some(login)).await? {
                    Some(row) if row.disabled => return Ok(None),
                    Some(row) => return Ok(Some(Admitted::by_house(row, None))),
                    None => {}
                },
                Seat::Judge(judge) => match judge.still(login).await {
                    Judged::Right(account) => return Ok(Some(Admitted::by_judge(*account, judge.name()))),
                    Judged::Wrong => return Ok(None),
                    Judged::NotMine => {}
                    Judged::Unavailable(why) => return Err(self.cannot_ask(judge.name(), &why)),
                },
                Seat::Empty(name) => return Err(self.cannot_ask(name, "it is not there")),
            }
        }
        Ok(None)
    }

    /// What SCRAM compares with, and the account where it is one that may log in so; the same work for every login.
    async fn scram_keys(&self, login: &str) -> Result<(Option<AccountRow>, Keys), LoginRefused> {
        let secret = self.nobody.get_or_try_init(|| self.keep_nobody()).await?;
        let address = Address::parse(login).ok();
        let row = match self.seats.iter().any(|seat| matches!(seat, Seat::House)) {
            true => self.house_account(address.as_ref()).await?,
            false => None,
        };
        let name = address.map_or_else(|| login.to_lowercase(), |address| address.key());
        let of_nobody = Keys::of_nobody(secret, &name, self.settings.scram_iterations.max(1));
        let row = row.filter(|row| !row.disabled && !row.app_passwords_only);
        match row.as_ref().and_then(|row| row.scram.as_deref()).and_then(Keys::read) {
            Some(keys) => Ok((row, keys)),
            None => Ok((None, of_nobody)),
        }
    }

    async fn keep_nobody(&self) -> Result<[u8; 32], LoginRefused> {
        let mut fresh = [0u8; 32];
        aws_lc_rs::rand::fill(&mut fresh).map_err(|_| LoginRefused::Unavailable)?;
        let kept = self.store.keep_once("salts_of_nobody", STANDARD.encode(fresh)).await;
        let kept = kept.map_err(|why| self.cannot_ask(HOUSE, &why.to_string()))?;
        let octets = STANDARD.decode(kept).ok().and_then(|octets| octets.try_into().ok());
        octets.ok_or_else(|| self.cannot_ask(HOUSE, "what it keeps for salts cannot be read"))
    }

    /// An account of the store whose password was right.
    fn admit(&self, row: AccountRow, app_password: Option<i64>) -> Result<Admitted, LoginRefused> {
        if app_password.is_none() && self.expires_at(&row).is_some_and(|end| end <= self.clock.now()) {
            tracing::warn!(login = %row.login, "the password is too old: postern user passwd sets a new one");
            return Err(LoginRefused::Expired);
        }
        Ok(Admitted::by_house(row, app_password))
    }

    /// When the main password lets nobody in any more.
    fn expires_at(&self, row: &AccountRow) -> Option<UnixTime> {
        let days = self.settings.password.renew_after_days;
        (days > 0).then(|| row.password_at.plus(i64::from(days) * DAY))
    }

    fn cannot_ask(&self, judge: &str, why: &str) -> LoginRefused {
        tracing::error!(judge, why, "logins cannot be checked: nobody is let in");
        LoginRefused::Unavailable
    }

    fn line(&self, event: &str, about: &[(&str, String)]) -> AuditLine {
        let mut line = serde_json::Map::new();
        line.insert("event".into(), event.into());
        line.insert("at".into(), self.clock.now().rfc3339().into());
        for (name, value) in about {
            line.insert((*name).into(), value.as_str().into());
        }
        AuditLine(line)
    }
}

impl Admitted {
    fn by_house(row: AccountRow, app_password: Option<i64>) -> Admitted {
        let by = By::House { serial: row.serial, app_password };
        let account =
            Account { login: row.login, owns: row.owns, names: row.names, language: row.language, attributes: row.attributes };
        Admitted { account, by, signature: None }
    }

    fn by_judge(account: Account, name: &str) -> Admitted {
        Admitted { account, by: By::Judge(name.to_owned()), signature: None }
    }
}

impl By {
    fn read(text: &str) -> Option<By> {
        let (kind, rest) = text.split_once(' ')?;
        match (kind, rest.split_once(' ')) {
            ("judge", _) => Some(By::Judge(rest.to_owned())),
            (HOUSE, None) => Some(By::House { serial: rest.parse().ok()?, app_password: None }),
            (HOUSE, Some((serial, id))) => {
                Some(By::House { serial: serial.parse().ok()?, app_password: Some(id.parse().ok()?) })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::House { serial, app_password: None } => write!(f, "{HOUSE} {serial}"),
            By::House { serial, app_password: Some(id) } => write!(f, "{HOUSE} {serial} {id}"),
            By::Judge(name) => write!(f, "judge {name}"),
        }
    }
}

impl Account {
    pub fn identity(&self) -> Identity {
        Identity::Account {
            login: self.login.clone(),
            owns: self.owns.clone(),
            names: self.names.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

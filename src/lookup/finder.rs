//! Turns the sources of the settings into one answer for each address: asked from RCPT on, once for all who want to know, within a budget.
//!
//! The order of the sources is that of trust. A usable key of an earlier one wins; a failure of an earlier one is the answer, because what
//! it would have said (another key, a revocation) is unknown, and a less trusted one cannot stand for it. Only absence lets the next speak.

use super::cache::{Cache, Kept, Verdict};
use super::dns::Dns;
use super::folder::{Folder, KeyReport};
use super::http::Http;
use super::judge::{Judged, Memory, judge};
use super::known::{CannotKnow, KnownKeys};
use super::ldap::Ldap;
use super::names::Names;
use super::revocation::RevocationWatch;
use super::settings::LookupSettings;
use super::source::{Given, Said, Source};
use super::wkd::Wkd;
use crate::mail::{Address, UnixTime};
use crate::pipeline::AskKeys;
use crate::protect::trust::{self, Trust};
use crate::protect::{FindKeys, LookUp, RecipientKey, WhyNot};
use crate::world::Clock;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Everybody who is asked, and what they said.
#[derive(Clone)]
pub struct Finder(Arc<Inner>);

struct Inner {
    settings: LookupSettings,
    folder: Arc<Folder>,
    harvested: Arc<Folder>,
    ldap: Vec<Ldap>,
    wkd: Option<Wkd>,
    dns: Option<Dns>,
    #[cfg(test)]
    told: HashMap<Source, super::tests::Told>,
    trust: RwLock<Trust>,
    guard: OnceLock<Guard>,
    clock: Clock,
    cache: Mutex<Cache>,
    memory: Arc<Memory>,
    /// When the network was last asked whether a key of the folder has been revoked.
    looked_after: Mutex<HashMap<Address, UnixTime>>,
    /// Addresses that are asked for again while what is known still counts.
    refreshing: Mutex<HashSet<Address>>,
    places: Arc<Semaphore>,
    judges: Arc<Semaphore>,
}

/// What stands between what a look-up brought and its use.
pub struct Guard {
    /// Whether a certificate was revoked.
    pub watch: Arc<RevocationWatch>,
    /// Whether it is another key than the one before.
    pub known: Arc<KnownKeys>,
}

/// One source's answer, for people: `postern keys find`.
pub struct Asked {
    pub source: Source,
    pub took: Duration,
    pub outcome: Outcome,
    /// Nobody has said yet which of its keys is right.
    pub contested: bool,
    /// What was there and is no key.
    pub refused: Vec<WhyNot>,
}

pub enum Outcome {
    /// Keys, usable or not; none is absence.
    Gave(Vec<KeyReport>),
    Failed(String),
    NotAsked(&'static str),
}

/// What all that was asked comes to.
pub enum Decided {
    Usable(Source),
    Absent,
    /// Which of its keys is right, an officer must say first.
    Contested(Source),
    Failed(Source, String),
}

/// The rule of the first usable and the failure before it.
pub fn decide(asked: &[Asked]) -> Decided {
    for one in asked {
        match &one.outcome {
            Outcome::Failed(why) => return Decided::Failed(one.source, why.clone()),
            Outcome::Gave(keys) if keys.iter().any(|key| key.usable.is_ok()) => return Decided::Usable(one.source),
            Outcome::Gave(_) if one.contested => return Decided::Contested(one.source),
            Outcome::Gave(_) | Outcome::NotAsked(_) => {}
        }
    }
    Decided::Absent
}

impl Decided {
    pub fn is_usable(&self) -> bool {
        matches!(self, Decided::Usable(_))
    }

    /// A stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Decided::Usable(_) => "usable",
            Decided::Absent => "absent",
            Decided::Contested(_) => "contested",
            Decided::Failed(..) => "failed",
        }
    }

    pub fn source(&self) -> Option<Source> {
        match self {
            Decided::Usable(source) | Decided::Contested(source) | Decided::Failed(source, _) => Some(*source),
            Decided::Absent => None,
        }
    }

    pub fn because(&self) -> String {
        match self {
            Decided::Usable(source) => format!("{source} is the first source with a usable key"),
            Decided::Absent => "no source has a usable key; the policy's if_no_key decides".to_owned(),
            Decided::Contested(source) => {
                format!(
                    "{source} has several keys, or another than before; what is to be encrypted is held until one is chosen"
                )
            }
            Decided::Failed(source, why) => {
                format!("{source} failed, and what it would have said is unknown (451 4.4.3): {why}")
            }
        }
    }
}

/// Look-ups at once; the others wait, within their budget.
const AT_ONCE: usize = 64;
/// Answers judged at once: arithmetic, beside which mail is read.
const JUDGED_AT_ONCE: usize = 2;
/// For how long a source that failed is not asked again for the same address. Never kept as absence.
const FAILED_FOR: i64 = 30;
/// The shortest that what was found is kept, whatever its server says.
const KEPT_AT_LEAST: i64 = 60;
/// Addresses of which is known when they were last looked after.
const LOOKED_AFTER: usize = 4096;

impl Finder {
    /// Errors name the setting. Inside a runtime only when something is asked.
    pub fn new(
        settings: LookupSettings,
        (folder, harvested): (Arc<Folder>, Arc<Folder>),
        trust: Trust,
        clock: Clock,
    ) -> Result<Finder, String> {
        let network = settings.sources.iter().any(|source| !matches!(source, Source::Folder | Source::Harvested));
        let names = if network { Some(Names::new(&settings.dns.servers)?) } else { None };
        let (mut ldap, mut wkd, mut dns) = (Vec::new(), None, None);
        if let Some(names) = names {
            for one in &settings.ldap {
                ldap.push(Ldap::new(one.clone(), names.clone())?);
            }
            if settings.asks(Source::Wkd) {
                wkd = Some(Wkd { http: Http::new(&settings.http, names)?, unreachable: settings.wkd.unreachable });
            }
            if settings.asks(Source::Dns) {
                dns = Some(Dns::new(&settings.dns)?);
            }
        }
        Ok(Finder(Arc::new(Inner {
            settings,
            folder,
            harvested,
            ldap,
            wkd,
            dns,
            #[cfg(test)]
            told: HashMap::new(),
            trust: RwLock::new(trust),
            guard: OnceLock::new(),
            clock,
            cache: Mutex::default(),
            memory: Arc::default(),
            looked_after: Mutex::default(),
            refreshing: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            judges: Arc::new(Semaphore::new(JUDGED_AT_ONCE)),
        })))
    }

    /// From now on what look-ups bring is asked about and compared with what they brought before. Once.
    pub fn set_guard(&self, guard: Guard) {
        let _ = self.0.guard.set(guard);
    }

    /// Certificates are judged by other authorities from now on: in the folders at their next reload, in what look-ups bring at once, and
    /// what they brought before is asked for again.
    pub fn set_trust(&self, of_folder: Trust, looked_up: Trust) {
        self.0.folder.set_trust(of_folder);
        self.0.harvested.set_trust(looked_up.clone());
        *self.0.trust.write().unwrap_or_else(PoisonError::into_inner) = looked_up;
        self.0.cache().clear();
    }

    /// Which keys are known, where that is remembered.
    pub fn known_keys(&self) -> Option<Arc<KnownKeys>> {
        self.0.guard.get().map(|guard| guard.known.clone())
    }

    /// Asks every source, also those behind the one that decides, and remembers nothing but revocations.
    pub async fn survey(&self, address: &Address) -> Vec<Asked> {
        let mut all = Vec::new();
        for &source in &self.0.settings.sources {
            let began = Instant::now();
            let mut contested = false;
            let (outcome, refused) = match source {
                Source::Folder | Source::Harvested => {
                    let folder = if source == Source::Folder { &self.0.folder } else { &self.0.harvested };
                    let (outcome, disputed) = self.0.reports(folder, address);
                    contested = disputed;
                    (outcome, Vec::new())
                }
                _ if !self.0.is_asked(source, address) => {
                    (Outcome::NotAsked("not for this domain, by [lookup] not_asked or [[lookup.ldap]] domains"), Vec::new())
                }
                _ => match self.0.ask(source, address).await.verdict {
                    Verdict::Keys(keys, refused) => {
                        contested = keys.iter().any(|judged| judged.waits);
                        (Outcome::Gave(keys.into_iter().map(|judged| judged.report).collect()), refused)
                    }
                    Verdict::Failed(why) => (Outcome::Failed(why), Vec::new()),
                },
            };
            all.push(Asked { source, took: began.elapsed(), outcome, contested, refused });
        }
        all
    }

    pub fn folder(&self) -> &Arc<Folder> {
        &self.0.folder
    }

    pub fn harvested(&self) -> &Arc<Folder> {
        &self.0.harvested
    }

    /// Marks the address as being asked for and leaves at once: even judging what is known costs arithmetic, for which RCPT does not wait.
    fn start(&self, address: &Address) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.0.asks_network(address) {
            return;
        }
        let Some(flying) = self.0.cache().depart(address) else { return };
        let landing = Landing { inner: self.0.clone(), address: address.clone(), _flying: flying };
        let finder = self.clone();
        runtime.spawn(async move {
            let (address, now) = (landing.address.clone(), finder.0.clock.now());
            match finder.known(&address, now).await {
                Some(Resolved::Unknown) => finder.0.fly(&address).await,
                // What still counts is not waited for, though it is asked for again.
                Some(Resolved::Known { due: true, .. }) => {
                    drop(landing);
                    finder.refresh(&address).await;
                }
                Some(Resolved::Known { answer: LookUp::Usable(keys), by: Some(Source::Folder), .. }) => {
                    drop(landing);
                    finder.look_after(&address, &keys, now).await;
                }
                Some(Resolved::Known { .. }) | None => {}
            }
        });
    }

    /// [`Inner::resolve`] where arithmetic is done; `None` when it broke down.
    async fn known(&self, address: &Address, at: UnixTime) -> Option<Resolved> {
        let turn = self.0.judges.clone().acquire_owned().await.ok()?;
        let (inner, address) = (self.0.clone(), address.clone());
        let resolved = tokio::task::spawn_blocking(move || {
            let resolved = inner.resolve(&address, at);
            drop(turn);
            resolved
        });
        resolved.await.ok()
    }

    /// Once at a time for one address.
    async fn refresh(&self, address: &Address) {
        let refreshing = || self.0.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshing().insert(address.clone()) {
            self.0.fly(address).await;
            refreshing().remove(address);
        }
    }

    /// A key of the folder is believed before anybody is asked; whether its owner has revoked it since, others know. Nobody waits for it.
    async fn look_after(&self, address: &Address, keys: &[RecipientKey], now: UnixTime) {
        if !keys.iter().any(|key| matches!(key, RecipientKey::Openpgp(_))) || !self.0.is_time_to_look_after(address, now) {
            return;
        }
        let Ok(_place) = self.0.places.acquire().await else { return };
        for source in [Source::Wkd, Source::Dns, Source::Ldap] {
            if self.0.is_asked(source, address) {
                // Judging it puts it into the memory of revocations.
                drop(self.0.ask(source, address).await);
            }
        }
    }
}

impl AskKeys for Finder {
    fn begin(&self, recipient: &Address) {
        self.start(recipient);
    }

    fn ready<'a>(&'a self, recipients: &'a [Address]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            for recipient in recipients {
                self.start(recipient);
            }
            let flights: Vec<_> = {
                let cache = self.0.cache();
                recipients.iter().filter_map(|recipient| cache.flight(recipient)).collect()
            };
            for mut flight in flights {
                // Nothing is ever sent: it ends when the look-up has ended, and each look-up ends with its budget.
                while flight.changed().await.is_ok() {}
            }
        })
    }
}

impl FindKeys for Finder {
    fn find(&self, recipient: &Address, at: UnixTime) -> LookUp {
        match self.0.resolve(recipient, at) {
            Resolved::Known { answer, .. } => answer,
            Resolved::Unknown => LookUp::Failed("its sources did not answer in time".to_owned()),
        }
    }
}

/// Ends a look-up, however it ends: also by a panic.
struct Landing {
    inner: Arc<Inner>,
    address: Address,
    _flying: tokio::sync::watch::Sender<()>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.inner.cache().land(&self.address);
    }
}

enum Resolved {
    /// `due`: it counts, and should be asked for again. `by`: who decided it; nobody when all have none.
    Known { answer: LookUp, due: bool, by: Option<Source> },
    /// Somebody has to be asked.
    Unknown,
}

impl Inner {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_for(&self) -> i64 {
        i64::from(self.settings.cache_hours) * 3600
    }

    fn asks_network(&self, address: &Address) -> bool {
        [Source::Ldap, Source::Wkd, Source::Dns].into_iter().any(|source| self.is_asked(source, address))
    }

    fn is_time_to_look_after(&self, address: &Address, now: UnixTime) -> bool {
        let mut looked_after = self.looked_after.lock().unwrap_or_else(PoisonError::into_inner);
        let again = self.kept_for();
        if looked_after.get(address).is_some_and(|last| now < last.plus(again)) {
            return false;
        }
        if looked_after.len() >= LOOKED_AFTER {
            looked_after.retain(|_, last| now < last.plus(again));
            if looked_after.len() >= LOOKED_AFTER {
                looked_after.clear();
            }
        }
        looked_after.insert(address.clone(), now);
        true
    }

    fn is_asked(&self, source: Source, address: &Address) -> bool {
        let barred = self.settings.not_asked.iter().any(|domain| address.domain().is_within(domain));
        self.settings.asks(source)
            && match source {
                Source::Folder | Source::Harvested => true,
                Source::Ldap if !self.ldap.is_empty() => self.ldap.iter().any(|ldap| ldap.is_for(address.domain())),
                Source::Ldap | Source::Wkd | Source::Dns => !barred,
            }
    }

    /// The answer from what is known, without asking anybody.
    fn resolve(&self, address: &Address, at: UnixTime) -> Resolved {
        let (mut refused, mut due) = (Vec::new(), false);
        for &source in &self.settings.sources {
            let answer = match source {
                Source::Folder => self.without_revoked(self.folder.find(address, at)),
                Source::Harvested => self.without_revoked(self.harvested.find(address, at)),
                _ if !self.is_asked(source, address) => continue,
                _ => {
                    let cache = self.cache();
                    let Some(kept) = cache.get(address, source, at) else { return Resolved::Unknown };
                    due |= at >= kept.refresh;
                    match self.at_this_time(source, &kept.verdict, at) {
                        Some(answer) => answer,
                        None => return Resolved::Unknown,
                    }
                }
            };
            match answer {
                LookUp::Absent(why) => refused.extend(why),
                decided => return Resolved::Known { answer: decided, due, by: Some(source) },
            }
        }
        Resolved::Known { answer: LookUp::Absent(refused), due, by: None }
    }

    /// What a source said, judged for this moment; `None`: all that was usable has ended since, and it should be asked again.
    fn at_this_time(&self, source: Source, verdict: &Verdict, at: UnixTime) -> Option<LookUp> {
        let (judged, refused) = match verdict {
            Verdict::Failed(why) => return Some(LookUp::Failed(why.clone())),
            Verdict::Keys(judged, refused) => (judged, refused),
        };
        let had_usable = judged.iter().any(|one| one.key.is_some());
        let mut refused: Vec<WhyNot> = refused.clone();
        for one in judged {
            if let Err(reason) = &one.report.usable {
                refused.push(WhyNot { source: format!("{source} ({})", one.report.file), reason: reason.clone() });
            }
        }
        let usable: Vec<RecipientKey> =
            judged.iter().filter_map(|one| one.key.clone()).filter(|key| is_usable_at(key, at)).collect();
        if judged.iter().any(|one| one.waits && self.is_approved(one)) {
            return None;
        }
        // Another key than the one in use, which is no longer given out: neither is known to be right.
        if usable.is_empty() && judged.iter().any(|one| one.waits) {
            return Some(LookUp::Contested(refused));
        }
        match self.without_revoked(if usable.is_empty() { LookUp::Absent(refused) } else { LookUp::Usable(usable) }) {
            LookUp::Absent(_) if had_usable && !self.all_revoked(judged) => None,
            answer => Some(answer),
        }
    }

    /// Nobody needs to be asked again yet: not for its age, and not because an officer has approved since what waited.
    fn still_counts(&self, source: Source, address: &Address, now: UnixTime) -> bool {
        let kept = self.cache().get(address, source, now).filter(|kept| now < kept.refresh).cloned();
        kept.is_some_and(|kept| self.at_this_time(source, &kept.verdict, now).is_some())
    }

    fn is_approved(&self, one: &Judged) -> bool {
        self.guard.get().is_some_and(|guard| guard.known.is_approved(&one.report.fingerprint))
    }

    fn all_revoked(&self, judged: &[Judged]) -> bool {
        judged.iter().filter_map(|one| one.key.as_ref()).all(|key| self.is_revoked(key))
    }

    fn is_revoked(&self, key: &RecipientKey) -> bool {
        match key {
            RecipientKey::Openpgp(certificate) => self.memory.saw_revoked(&certificate.certificate().fingerprint()),
            RecipientKey::Smime(_) => false,
        }
    }

    fn without_revoked(&self, look_up: LookUp) -> LookUp {
        let LookUp::Usable(keys) = look_up else { return look_up };
        let (revoked, usable): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| self.is_revoked(key));
        if !usable.is_empty() {
            return LookUp::Usable(usable);
        }
        let why = |_| WhyNot { source: "its owner".to_owned(), reason: "its owner revoked it since".to_owned() };
        LookUp::Absent(revoked.iter().map(why).collect())
    }

    /// And whether they contradict each other.
    fn reports(&self, folder: &Folder, address: &Address) -> (Outcome, bool) {
        let found = folder.find(address, self.clock.now());
        if let LookUp::Failed(why) = found {
            return (Outcome::Failed(why), false);
        }
        let mut reports = folder.reports();
        reports.retain(|report| report.addresses.contains(address));
        let LookUp::Contested(why) = found else { return (Outcome::Gave(reports), false) };
        for report in reports.iter_mut().filter(|report| report.usable.is_ok()) {
            if let Some(why) = why.iter().find(|why| why.source == report.file) {
                report.usable = Err(why.reason.clone());
            }
        }
        (Outcome::Gave(reports), true)
    }

    /// Asks one source after the other until one decides, and keeps what they said.
    async fn fly(&self, address: &Address) {
        let budget = Duration::from_secs(self.settings.budget_seconds);
        let deadline = tokio::time::Instant::now() + budget;
        let place = tokio::time::timeout_at(deadline, self.places.acquire()).await;
        for &source in &self.settings.sources {
            let now = self.clock.now();
            let decided = match source {
                Source::Folder => !matches!(self.without_revoked(self.folder.find(address, now)), LookUp::Absent(_)),
                Source::Harvested => false,
                _ if !self.is_asked(source, address) => continue,
                _ if self.still_counts(source, address, now) => false,
                _ => {
                    let asked = async {
                        match &place {
                            Ok(_) => self.ask(source, address).await,
                            Err(_) => self.failed("too many look-ups at once".to_owned()),
                        }
                    };
                    let kept = tokio::time::timeout_at(deadline, asked).await.unwrap_or_else(|_| {
                        self.failed(format!("{source}: no answer within {} s", self.settings.budget_seconds))
                    });
                    if let Verdict::Failed(why) = &kept.verdict {
                        tracing::warn!(domain = %address.domain(), %why, "a look-up of a recipient's key failed");
                    }
                    let mut cache = self.cache();
                    cache.put(address, source, kept, now);
                    let kept = cache.get(address, source, now).map(|kept| kept.verdict.clone());
                    drop(cache);
                    let answer = kept.and_then(|verdict| self.at_this_time(source, &verdict, now));
                    !matches!(answer, Some(LookUp::Absent(_)))
                }
            };
            if decided {
                return;
            }
        }
    }

    fn failed(&self, why: String) -> Kept {
        let until = self.clock.now().plus(FAILED_FOR);
        Kept { verdict: Verdict::Failed(why), refresh: until, until }
    }

    /// One source, within the whole budget, and judged.
    async fn ask(&self, source: Source, address: &Address) -> Kept {
        let budget = Duration::from_secs(self.settings.budget_seconds);
        let said = tokio::time::timeout(budget, self.said(source, address, budget)).await;
        let given = match said {
            Ok(Said::Gave(given)) => given,
            Ok(Said::Failed(why)) => return self.failed(why),
            Err(_) => return self.failed(format!("{source}: no answer within {} s", budget.as_secs())),
        };
        let now = self.clock.now();
        let holds = given.holds;
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner).clone();
        let trust = match self.guard.get() {
            Some(guard) => guard.watch.trust_for(&given.certificates(), &trust, now).await,
            None => trust,
        };
        let known = self.guard.get().map(|guard| guard.known.clone());
        let (memory, address) = (self.memory.clone(), address.clone());
        let refused = given.refused.clone();
        let turn = self.judges.clone().acquire_owned().await;
        let judged = tokio::task::spawn_blocking(move || {
            let judged = judge(&given, &address, &trust, now, &memory);
            drop(turn);
            match known {
                Some(known) => admit(judged, &known, source, &address, now),
                None => Ok(judged),
            }
        });
        let judged = match judged.await {
            Ok(Ok(judged)) => judged,
            Ok(Err(why)) => return self.failed(format!("{source}: {why}")),
            Err(_) => return self.failed(format!("{source}: its answer could not be judged")),
        };
        let undecided = judged.iter().find(|one| one.undecided).and_then(|one| one.report.usable.clone().err());
        if let Some(why) = undecided.filter(|_| judged.iter().all(|one| one.key.is_none())) {
            return self.failed(format!("{source}: {why}"));
        }
        let usable = judged.iter().any(|one| one.key.is_some());
        let longest = if usable { self.kept_for() } else { i64::from(self.settings.absent_minutes) * 60 };
        let said = holds.map_or(longest, |holds| i64::try_from(holds.as_secs()).unwrap_or(longest));
        let seconds = said.clamp(KEPT_AT_LEAST.min(longest), longest);
        // No longer than the first key that ends.
        let end = judged.iter().filter(|one| one.key.is_some()).filter_map(|one| one.report.expires).min();
        let until = end.map_or(now.plus(seconds), |end| end.min(now.plus(seconds)));
        let refresh = if usable { now.plus((until.0 - now.0) * 4 / 5) } else { until };
        Kept { verdict: Verdict::Keys(judged, refused), refresh, until }
    }

    async fn said(&self, source: Source, address: &Address, budget: Duration) -> Said {
        #[cfg(test)]
        if let Some(told) = self.told.get(&source) {
            return told(address).await;
        }
        match source {
            Source::Ldap => {
                let mut all = Given::default();
                for ldap in self.ldap.iter().filter(|ldap| ldap.is_for(address.domain())) {
                    match ldap.ask(address).await {
                        Said::Failed(why) => return Said::Failed(why),
                        Said::Gave(given) => {
                            all.candidates.extend(given.candidates);
                            all.refused.extend(given.refused);
                        }
                    }
                }
                Said::Gave(all)
            }
            Source::Wkd => match &self.wkd {
                Some(wkd) => wkd.ask(address, budget).await,
                None => Said::Failed("wkd is not set up".to_owned()),
            },
            Source::Dns => match &self.dns {
                Some(dns) => dns.ask(address).await,
                None => Said::Failed("dns is not set up".to_owned()),
            },
            Source::Folder | Source::Harvested => Said::Failed("a folder is not asked".to_owned()),
        }
    }
}

/// What is not the key that was known before waits for an officer.
fn admit(
    mut judged: Vec<Judged>,
    known: &KnownKeys,
    source: Source,
    address: &Address,
    at: UnixTime,
) -> Result<Vec<Judged>, CannotKnow> {
    // What was taken back stands in nobody's way.
    for one in &judged {
        if one.report.usable.as_ref().is_err_and(|reason| trust::says_revoked(reason)) {
            known.forget(address, &one.report.fingerprint)?;
        }
    }
    let found: Vec<RecipientKey> = judged.iter().filter_map(|one| one.key.clone()).collect();
    let mut admitted = known.admit(address, &source.to_string(), &found, at)?.into_iter();
    for one in judged.iter_mut().filter(|one| one.key.is_some()) {
        if let Some(Err(why)) = admitted.next() {
            one.key = None;
            one.waits = true;
            one.report.usable = Err(why);
        }
    }
    Ok(judged)
}

fn is_usable_at(key: &RecipientKey, at: UnixTime) -> bool {
    match key {
        RecipientKey::Smime(certificate) => trust::judge_again("", certificate, at).is_ok(),
        RecipientKey::Openpgp(certificate) => certificate.expires().is_none_or(|end| at < end),
    }
}

#[cfg(test)]
impl Finder {
    /// With sources that say what a test tells them.
    pub fn told(self, told: HashMap<Source, super::tests::Told>) -> Finder {
        let mut inner = Arc::into_inner(self.0).unwrap();
        inner.told = told;
        Finder(Arc::new(inner))
    }
}

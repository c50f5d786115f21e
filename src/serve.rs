//! Wires the rooms together and keeps them running: the house at work.

pub mod signing;

pub use signing::dkim_signers;

use crate::accounts::Accounts;
use crate::audit;
use crate::config::file::{Level, Log, LogFormat};
use crate::config::{Certificate, Problem, Problems, Settings, laws};
use crate::console::{Desk, listen};
use crate::dkim;
use crate::lookup::finder::Guard;
use crate::lookup::http::{Http, HttpSettings, Question};
use crate::lookup::known::{CannotKnow, KnownKeys};
use crate::lookup::login::{self, Asker, Groups, Logins};
use crate::lookup::names::Names;
use crate::lookup::revocation::{RevocationWatch, read_certificates};
use crate::lookup::url::Url;
use crate::lookup::{Finder, Folder, read_bindings};
use crate::mail::{Address, UnixTime};
use crate::pipeline::{AskGroups, Gate, GroupsAnswer, GroupsOf, Laws, Rooms};
use crate::protect::trust::{Authority, NeedsPath, Trust};
use crate::quarantine::Quarantine;
use crate::quotas::Quotas;
use crate::receive::tls::{ServerTls, TlsProblem};
use crate::receive::{Doors, IdentityFields, Opening, Reception};
use crate::relay::{Relay, Reports, Upstream};
use crate::spool::Spool;
use crate::store::Store;
use crate::vault::token::Tokens;
use crate::vault::{Secrets, Vault, VaultError, counting_key};
use crate::world::{Clock, Dice};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A gate at work.
pub struct Gatehouse {
    settings: Settings,
    gate: Arc<Gate>,
    finder: Finder,
    watch: Arc<RevocationWatch>,
    addresses: Vec<(String, SocketAddr)>,
    made_records: Vec<dkim::Record>,
    stop: watch::Sender<bool>,
    doors: JoinHandle<()>,
    relay: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

/// Why a gate does not start. All are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Store(#[from] crate::store::CannotOpen),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Dkim(#[from] dkim::CannotSign),
    #[error(transparent)]
    Doors(#[from] crate::receive::CannotOpen),
    #[error(transparent)]
    Ocr(#[from] crate::worker::NoOcr),
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("listener \"{0}\": {1}")]
    Tls(String, TlsProblem),
    #[error("accounts cannot be used: {0}")]
    Accounts(String),
    #[error("{0}")]
    Logins(String),
    #[error("in which groups the parties are cannot be found out: {0}")]
    Groups(String),
    #[error("[lookup] {0}")]
    Lookup(String),
    #[error(transparent)]
    Known(#[from] CannotKnow),
    #[error(transparent)]
    Bindings(#[from] crate::lookup::CannotLoad),
    #[error("a part of the start broke down")]
    BrokeDown,
}

/// How long the upstream may take to finish what is under way when the gate stops.
const RELAY_GRACE: Duration = Duration::from_secs(20);
/// How often recipients' keys are looked at for changes, and holds for their end.
const KEYS_EVERY: Duration = Duration::from_secs(2);
/// How often what is known of revoked certificates is looked at: what is missing, and what ends soon.
const REVOCATIONS_EVERY: Duration = Duration::from_secs(30);
const HOLDS_EVERY: Duration = Duration::from_secs(3600);
/// How often correspondents' keys that end soon are told to the log.
const ENDING_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often the end of the audit's chain is told to the log.
const HEAD_EVERY: Duration = Duration::from_secs(24 * 3600);

impl Gatehouse {
    /// Opens every room, then the doors. What takes long (rules, RSA keys of a first start, recipients' keys) is done side by side.
    pub async fn open(settings: Settings) -> Result<Gatehouse, CannotServe> {
        // Several crates speak TLS; all by the same arithmetic. It fails only when that is already so.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (wrong, unusable) = trust_problems(&settings);
        if !wrong.is_empty() {
            return Err(Problems(wrong).into());
        }
        read_bindings(&settings.keys.join("recipients"))?;
        for problem in unusable {
            tracing::error!(%problem, "certificates below it are refused");
        }
        let (clock, dice) = (Clock::system(), Dice::system());
        let now = clock.now();
        let clock_of_keys = clock.clone();
        let store = Store::open(&settings.data, &settings.store)?;
        let vault = Arc::new(open_vault(&settings, clock.clone())?);
        let (made_laws, made_dkim, made_keys) = tokio::join!(
            aside({
                let (rules, inside) = (settings.rules.clone(), settings.inside.clone());
                move || laws::load(&rules, &inside)
            }),
            aside({
                let (vault, settings) = (vault.clone(), settings.clone());
                move || signing::new_signers(&vault, &settings)
            }),
            aside({
                let settings = settings.clone();
                let http = Names::new(&settings.lookup.dns.servers).and_then(|names| Http::new(&settings.lookup.http, names));
                let http =
                    http.inspect_err(|why| tracing::error!(why, "nothing can be fetched about revoked certificates")).ok();
                move || finder(&settings, clock_of_keys, http, now)
            }),
        );
        let (laws, (finder, watch)) = (made_laws??, made_keys??);
        let (signers, made_records) = made_dkim??;
        let signers = Arc::new(signers);
        let ruleset = laws.hash.clone();
        let quarantine = Quarantine::new(store.clone(), settings.quarantine.clone(), clock.clone());
        let logins = open_logins(&settings, &clock)?;
        let accounts = Accounts::with_judges(store.clone(), settings.accounts.clone(), clock.clone(), &logins.judges)
            .map_err(CannotServe::Accounts)?;
        let spool = Spool::new(store.clone(), settings.spool.clone(), clock.clone(), dice.clone());
        let reader = crate::worker::open(&settings.limits.reading)?;
        let groups = Arc::new(GroupsKnown::new(logins.groups, Some(store.clone())));
        let gate = Gate::new(Rooms {
            house: settings.house(),
            laws,
            store: store.clone(),
            quarantine: quarantine.clone(),
            quotas: Quotas::new(store.clone(), settings.quotas.clone(), &*counting_key(&settings.data)?),
            vault: vault.clone(),
            keys: Arc::new(finder.clone()),
            secrets: Secrets::open(&settings.data, store.clone())?,
            dkim: signers.clone(),
            clock: clock.clone(),
            dice: dice.clone(),
            reader,
        });
        let gate = Arc::new(gate.with_groups(groups));
        let doors = open_doors(&settings, &vault).await?;
        let addresses = doors.addresses();
        let reports = Reports {
            hostname: settings.hostname.clone(),
            // RFC 5321 §4.5.1: every domain that sends mail has this mailbox.
            postmaster: Address::of("postmaster", settings.inside.first().unwrap_or(&settings.hostname)),
            inside: settings.inside.to_vec(),
            language: settings.language,
            texts: gate.texts.clone(),
            dice: dice.clone(),
        };
        let desk = Arc::new(Desk {
            store: store.clone(),
            spool: spool.clone(),
            quarantine,
            accounts: accounts.clone(),
            gate: Some(gate.clone()),
            reports: Some(Box::new({
                let reports = reports.clone();
                move |copy, plan, at| reports.of_attempt(copy, plan, at)
            })),
            language: settings.language,
        });
        let socket = settings.control_socket();
        let answering = listen(&socket, move |request| {
            let desk = desk.clone();
            async move { desk.answer(request).await }
        });
        let answering = answering.await.map_err(|why| CannotServe::File(socket.display().to_string(), why))?;
        let teller = password_teller(&settings)?;
        record(&gate, "started", &ruleset).await;

        let (stop, stopped) = watch::channel(false);
        let relay = Relay {
            spool,
            upstream: Arc::new(Upstream::new(settings.way.clone(), settings.hostname.as_str())),
            signers: signers.clone(),
            reports: reports.clone(),
            clock,
        };
        let reception =
            Arc::new(Reception { gate: gate.clone(), accounts, identity_fields: IdentityFields::of(&settings.listeners) });
        Ok(Gatehouse {
            doors: tokio::spawn(doors.serve(reception, stopped.clone())),
            relay: tokio::spawn(relay.run(stopped, RELAY_GRACE)),
            others: vec![
                tokio::spawn(answering),
                tokio::spawn(watch_keys(gate.clone(), finder.clone())),
                tokio::spawn(watch_revocations(gate.clone(), finder.clone(), watch.clone())),
                tokio::spawn(tell_of_ending_keys(gate.clone(), finder.clone(), settings.lookup.warn_days)),
                tokio::spawn(end_holds(gate.clone())),
                tokio::spawn(tell_passwords(gate.clone(), teller)),
                tokio::spawn(tell_audit_heads(gate.clone())),
                tokio::spawn(signing::follow_rows(settings.clone(), vault, signers.clone())),
            ],
            settings,
            gate,
            finder,
            watch,
            addresses,
            made_records,
            stop,
        })
    }

    /// Name and address of each listener; the port is the real one where the settings say 0.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.addresses.iter().map(|(name, address)| (name.as_str(), *address))
    }

    /// What is to be published of the DKIM keys that this start made; empty when all were there.
    pub fn made_records(&self) -> &[dkim::Record] {
        &self.made_records
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Reads rules, policies, lists and recipients' keys again; what is wrong stays out, aloud, and the old ones stay in force.
    pub async fn reload(&self) {
        // The keys first: a revoked one must not be used while rules are tried.
        self.reload_trust().await;
        let (keys, now) = (self.finder.clone(), self.gate.clock.now());
        match aside(move || keys.harvested().reload(now).and_then(|()| keys.folder().reload(now))).await {
            Ok(Ok(())) => tracing::info!("recipients' keys reloaded"),
            Ok(Err(why)) => tracing::error!(%why, "recipients' keys were NOT reloaded: the old ones stay in force"),
            Err(why) => tracing::error!(%why, "recipients' keys were NOT reloaded: the old ones stay in force"),
        }
        let (rules, inside) = (self.settings.rules.clone(), self.settings.inside.clone());
        match aside(move || laws::load(&rules, &inside)).await {
            Ok(Ok(laws)) => {
                let hash = laws.hash.clone();
                tracing::info!(ruleset = %hash, "rules and policies reloaded");
                self.gate.enact(laws);
                record(&self.gate, "reloaded", &hash).await;
            }
            Ok(Err(problems)) => {
                for problem in &problems.0 {
                    tracing::error!(%problem, "rules and policies were NOT reloaded: the old ones stay in force");
                }
                record(&self.gate, "reload-refused", &self.gate.laws().hash).await;
            }
            Err(why) => tracing::error!(%why, "rules and policies were NOT reloaded: the old ones stay in force"),
        }
    }

    /// The authorities of `[trust]` again, by the file as it is now. What of the file takes a start is said.
    async fn reload_trust(&self) {
        let (path, watch, finder) = (self.settings.path.clone(), self.watch.clone(), self.finder.clone());
        let (lookup, trust) = (self.settings.lookup.clone(), self.settings.trust.clone());
        let read = aside(move || {
            let settings = Settings::load(&path)?;
            let (wrong, _) = trust_problems(&settings);
            if !wrong.is_empty() {
                return Err(Problems(wrong));
            }
            if settings.lookup != lookup {
                tracing::warn!(
                    "[lookup] has changed in the file: the old settings stay in force until the gate is started again"
                );
            }
            let (fresh, old) = (&settings.trust, &trust);
            if (fresh.fetch, fresh.fetch_seconds, fresh.renew_before_hours, &fresh.crls)
                != (old.fetch, old.fetch_seconds, old.renew_before_hours, &old.crls)
            {
                tracing::warn!("how [trust] fetches lists of revoked certificates has changed: that needs another start");
            }
            let (of_folder, looked_up) = trusts(&settings, &open_trust(&settings, None).0, &watch);
            finder.set_trust(of_folder, looked_up);
            Ok::<(), Problems>(())
        });
        match read.await {
            Ok(Ok(())) => tracing::info!("authorities of [trust] read again; what look-ups had brought is asked for again"),
            Ok(Err(problems)) => {
                for problem in &problems.0 {
                    tracing::error!(%problem, "authorities were NOT read again: the old ones stay in force");
                }
            }
            Err(why) => tracing::error!(%why, "authorities were NOT read again: the old ones stay in force"),
        }
    }

    /// Takes nothing new, lets what is under way end, and closes.
    pub async fn drain(self) {
        tracing::info!("stopping: sessions and deliveries under way may end");
        let _ = self.stop.send(true);
        let _ = self.doors.await;
        let _ = self.relay.await;
        record(&self.gate, "stopped", &self.gate.laws().hash).await;
        tell_audit_head(&self.gate).await;
        for task in self.others {
            task.abort();
        }
        let _ = std::fs::remove_file(self.settings.control_socket());
    }
}

/// An act of the gate itself in the audit; not worth refusing mail for when it cannot be written: the store says so itself.
async fn record(gate: &Gate, event: &'static str, ruleset: &str) {
    let at = gate.clock.now();
    if let Err(why) = gate.store.record(at, audit::line::gate(at, event, ruleset)).await {
        tracing::error!(%why, event, "not written to the audit");
    }
}

/// Work that would keep the runtime's threads.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CannotServe> {
    tokio::task::spawn_blocking(work).await.map_err(|_| CannotServe::BrokeDown)
}

async fn open_doors(settings: &Settings, vault: &Vault) -> Result<Doors, CannotServe> {
    let read = |path: &Path| std::fs::read(path).map_err(|why| CannotServe::File(path.display().to_string(), why));
    let server = match &settings.certificate {
        Certificate::Auto => {
            let tls = vault.tls();
            ServerTls { certificates: tls.certificates, key: tls.key }
        }
        Certificate::Files { chain, key } => certificate_files(chain, key)?,
    };
    let mut openings = Vec::new();
    for listener in &settings.listeners {
        let client_ca = listener.client_ca.as_deref().map(read).transpose()?;
        let people_ca = listener.people_ca.as_deref().map(read).transpose()?;
        let tls = match &people_ca {
            Some(people_ca) => crate::receive::tls::people_config(&server, people_ca),
            None => crate::receive::tls::server_config(&server, client_ca.as_deref()),
        };
        let tls = tls.map_err(|why| CannotServe::Tls(listener.name.clone(), why))?;
        openings.push(Opening { listener: listener.clone(), tls: Some(tls) });
    }
    Ok(Doors::open(openings, settings.receive.clone(), settings.hostname.clone(), settings.language).await?)
}

/// The operator's own certificate. A key that others may read is refused: whoever has it can read every password.
fn certificate_files(chain: &Path, key: &Path) -> Result<ServerTls, CannotServe> {
    use std::os::unix::fs::PermissionsExt;
    let read = |path: &Path| std::fs::read(path).map_err(|why| CannotServe::File(path.display().to_string(), why));
    let mode = std::fs::metadata(key).map_err(|why| CannotServe::File(key.display().to_string(), why))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(VaultError::Permissions(key.to_owned()).into());
    }
    ServerTls::from_pem(&read(chain)?, &read(key)?).map_err(|why| CannotServe::Tls("[tls]".into(), why))
}

async fn watch_keys(gate: Arc<Gate>, finder: Finder) {
    // One complaint about one fault is enough.
    let mut complained = false;
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        if let Some(known) = finder.known_keys() {
            for one in known.news() {
                let at = gate.clock.now();
                let line = audit::line::key_waits(at, &one.address, &one.fingerprint, &one.instead_of, &one.source);
                if let Err(why) = gate.store.record(at, line).await {
                    tracing::error!(%why, "a key that waits was not written to the audit");
                    known.put_back(one);
                }
            }
        }
        let (keys, now) = (finder.clone(), gate.clock.now());
        let reload = move || Ok(keys.folder().reload_if_changed(now)? | keys.harvested().reload_if_changed(now)?);
        match aside(reload).await {
            Ok(Ok(changed)) => {
                if changed {
                    tracing::info!("recipients' keys changed and were loaded again");
                }
                complained = false;
            }
            Ok(Err::<_, crate::lookup::CannotLoad>(why)) if !complained => {
                tracing::error!(%why, "recipients' keys changed and were NOT loaded: the old ones stay in force");
                complained = true;
            }
            _ => {}
        }
    }
}

/// At start, then once a day: a key that ends unnoticed means held or refused mail.
async fn tell_of_ending_keys(gate: Arc<Gate>, finder: Finder, days: u32) {
    loop {
        let until = gate.clock.now().plus(i64::from(days) * 86_400);
        for report in finder.folder().ending_before(gate.clock.now(), until) {
            let ends = report.expires.map(UnixTime::rfc3339).unwrap_or_default();
            tracing::warn!(file = report.file, ends, "a correspondent's key ends soon: ask for a new one");
        }
        tokio::time::sleep(ENDING_EVERY).await;
    }
}

/// How often waiting passwords are looked for.
const CALLS_EVERY: Duration = Duration::from_secs(1);
/// Octets of the service's answer, which nobody reads.
const ANSWER: usize = 64 << 10;

/// Where passwords of containers are told; `None`: nowhere.
type Teller = Option<(Http, Url, Duration)>;

fn password_teller(settings: &Settings) -> Result<Teller, CannotServe> {
    let hook = &settings.protect.password_hook;
    let Some(url) = &hook.url else { return Ok(None) };
    let wrong = |why: String| CannotServe::Lookup(format!("{why} ([protect.password_hook])"));
    let url = Url::parse(url).map_err(|why| wrong(why.to_string()))?;
    // Unlike a key server's, this address is the operator's own word: it may lie inside.
    let everywhere = ["0.0.0.0/0", "::/0"].map(|network| network.parse().map_err(|_| wrong("no network".into())));
    let allow = everywhere.into_iter().collect::<Result<Vec<_>, _>>()?;
    let names = Names::new(&[]).map_err(|why| wrong(why.to_string()))?;
    let http = Http::new(&HttpSettings { allow, ..settings.lookup.http.clone() }, names).map_err(wrong)?;
    Ok(Some((http, url, Duration::from_secs(hook.seconds.clamp(1, 300)))))
}

/// Tells the service the passwords of containers that are on their way. What it has not taken stays in the store.
async fn tell_passwords(gate: Arc<Gate>, teller: Teller) {
    let Some((http, url, patience)) = teller else { return };
    loop {
        match gate.due_calls().await {
            Ok(due) => {
                for call in due {
                    let question = Question::post(url.clone(), "application/json", call.text.to_vec());
                    let asked = http.ask(question.also_plain().within(patience).at_most(ANSWER)).await;
                    let settled = match asked {
                        Ok(answer) if (200..300).contains(&answer.status) => gate.call_taken(call).await,
                        Ok(answer) => {
                            tracing::warn!(
                                status = answer.status,
                                "the service did not take a container's password; it is told again"
                            );
                            gate.call_failed(call).await
                        }
                        Err(why) => {
                            tracing::warn!(%why, "a container's password could not be told; it is told again");
                            gate.call_failed(call).await
                        }
                    };
                    if let Err(why) = settled {
                        tracing::error!(%why, "what became of a container's password could not be written down");
                    }
                }
            }
            Err(why) => tracing::error!(%why, "containers' passwords that wait to be told cannot be read"),
        }
        tokio::time::sleep(CALLS_EVERY).await;
    }
}

/// Begins at once: with `revocation = "hard"` nobody's certificate is usable before it is known not to be revoked.
async fn watch_revocations(gate: Arc<Gate>, finder: Finder, watch: Arc<RevocationWatch>) {
    loop {
        let now = gate.clock.now();
        let (keys, files, soon) = (finder.clone(), watch.clone(), watch.ahead(now));
        let looked = aside(move || {
            let asks = [keys.folder().asks(soon), keys.harvested().asks(soon)].concat();
            (files.reload_if_changed(), asks)
        });
        if let Ok((changed, asks)) = looked.await
            && (watch.learn(&asks, now).await || changed)
        {
            finder.folder().set_revocations(watch.known());
            finder.harvested().set_revocations(watch.known());
        }
        tokio::time::sleep(REVOCATIONS_EVERY).await;
    }
}

/// Not before an hour after the start: a clock that was wrong at boot has been put right by then, and what it ended would be gone.
async fn end_holds(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(HOLDS_EVERY).await;
        match gate.expire_holds().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "held messages that nobody decided about were dropped, their senders told"),
            Err(why) => tracing::error!(%why, "held messages could not be ended"),
        }
    }
}

/// A chain that lost its end looks whole by itself: only a head that was written down elsewhere shows it. The log usually goes elsewhere.
async fn tell_audit_head(gate: &Gate) {
    match gate.store.audit_head().await {
        Ok(Some(head)) => tracing::info!(line = head.seq, hash = %head.hash, "the end of the audit's chain"),
        Ok(None) => {}
        Err(why) => tracing::error!(%why, "the end of the audit's chain cannot be read"),
    }
}

/// At start, then once a day.
async fn tell_audit_heads(gate: Arc<Gate>) {
    loop {
        tell_audit_head(&gate).await;
        tokio::time::sleep(HEAD_EVERY).await;
    }
}

/// What the process was told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

pub struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
        }
    }
}

pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// The operator's log on standard error.
pub fn log_to_stderr(log: &Log) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Only our own words: other crates at debug level may quote what they read.
    let filter = tracing_subscriber::EnvFilter::new(format!("error,postern={level}"));
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_ansi(false);
    // A second gate in one process (tests) keeps the first one's log.
    let _ = match log.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}

/// Tells systemd that every listener is up (`Type=notify`); without systemd nothing happens.
pub fn tell_systemd_ready() {
    if let Err(why) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        tracing::debug!(%why, "systemd was not told");
    }
}

/// For commands that look at the same rooms without running them.
pub fn open_desk(settings: &Settings) -> Result<Desk, CannotServe> {
    let (clock, dice) = (Clock::system(), Dice::system());
    let store = Store::open(&settings.data, &settings.store)?;
    let accounts = Accounts::new(store.clone(), settings.accounts.clone(), clock.clone())
        .map_err(|why| CannotServe::Accounts(why.to_string()))?;
    Ok(Desk {
        spool: Spool::new(store.clone(), settings.spool.clone(), clock.clone(), dice),
        quarantine: Quarantine::new(store.clone(), settings.quarantine.clone(), clock),
        store,
        accounts,
        gate: None,
        reports: None,
        language: settings.language,
    })
}

/// A folder of recipients' keys as a command sees it now; of revoked certificates what the gate fetched last.
pub fn open_keys(settings: &Settings) -> (Folder, UnixTime) {
    let now = Clock::system().now();
    let (trust, watch) = open_trust(settings, None);
    (recipients(settings, trust.with_revocations(watch.known()), now), now)
}

/// What is wrong with the files that `[trust]` names: first what keeps the gate from starting, because mail would be refused that should
/// leave, then authorities that are read and may not be believed.
pub fn trust_problems(settings: &Settings) -> (Vec<Problem>, Vec<Problem>) {
    let now = Clock::system().now();
    let (mut wrong, mut unusable) = (Vec::new(), Vec::new());
    for paths in [&settings.trust.anchors, &settings.trust.intermediates] {
        let (found, problems) = read_certificates(paths);
        wrong.extend(problems.into_iter().map(|(path, sentence)| Problem::in_file(&path, sentence)));
        for (path, der) in found {
            match Authority::read(&der) {
                Some(authority) => unusable.extend(
                    authority
                        .problem(now)
                        .map(|why| Problem::in_file(&path, format!("{} is not believed: {why}", authority.name()))),
                ),
                None => wrong.push(Problem::in_file(&path, "holds a certificate that cannot be read")),
            }
        }
    }
    (wrong, unusable)
}

/// Anchors, intermediates and lists of a configuration. What is wrong with their files is told in the log; `postern check` tells it too.
pub fn open_trust(settings: &Settings, http: Option<Http>) -> (Trust, RevocationWatch) {
    let read = |paths| {
        let (found, problems) = read_certificates(paths);
        for (path, sentence) in problems {
            tracing::debug!(path = %path.display(), sentence, "authorities are missing");
        }
        found.into_iter().map(|(_, der)| der).collect::<Vec<_>>()
    };
    let (anchors, intermediates) = (read(&settings.trust.anchors), read(&settings.trust.intermediates));
    let mut trust = Trust::new(&anchors, &intermediates);
    trust.needs_path = settings.trust.needs_path() == NeedsPath::Always;
    trust.check_revocation = settings.trust.revocation;
    let (watch, problems) = RevocationWatch::open(&settings.trust, &settings.data.join("revocation"), http);
    for problem in problems {
        tracing::error!(problem, "a list of revoked certificates is not used");
    }
    (trust, watch)
}

fn recipients(settings: &Settings, trust: Trust, at: UnixTime) -> Folder {
    Folder::open_for(&settings.keys.join("recipients"), settings.inside.clone(), trust, at)
}

/// Everybody who is asked for recipients' keys, as a command asks: what they bring is compared with what the gate knows, and remembered
/// by nobody.
pub fn open_finder(settings: &Settings) -> Result<Finder, CannotServe> {
    let clock = Clock::system();
    let now = clock.now();
    let (finder, watch) = keys_of(settings, clock, None, now)?;
    let known = Arc::new(KnownKeys::only_look(&settings.data, &settings.keys)?);
    finder.set_guard(Guard { watch, known });
    Ok(finder)
}

fn finder(
    settings: &Settings,
    clock: Clock,
    http: Option<Http>,
    now: UnixTime,
) -> Result<(Finder, Arc<RevocationWatch>), CannotServe> {
    let (finder, watch) = keys_of(settings, clock, http, now)?;
    let known = Arc::new(KnownKeys::open(&settings.data, &settings.keys)?);
    finder.set_guard(Guard { watch: watch.clone(), known });
    Ok((finder, watch))
}

fn keys_of(
    settings: &Settings,
    clock: Clock,
    http: Option<Http>,
    now: UnixTime,
) -> Result<(Finder, Arc<RevocationWatch>), CannotServe> {
    let (trust, watch) = open_trust(settings, http);
    let (trust, looked_up) = trusts(settings, &trust, &watch);
    let harvested = Folder::open_for(&settings.keys.join("harvested"), settings.inside.clone(), looked_up.clone(), now);
    let folders = (Arc::new(recipients(settings, trust, now)), Arc::new(harvested));
    let finder = Finder::new(settings.lookup.clone(), folders, looked_up, clock).map_err(CannotServe::Lookup)?;
    Ok((finder, Arc::new(watch)))
}

/// By what the operator's own folder is judged, and by what look-ups bring.
fn trusts(settings: &Settings, trust: &Trust, watch: &RevocationWatch) -> (Trust, Trust) {
    let trust = trust.with_revocations(watch.known());
    let mut looked_up = trust.clone();
    looked_up.needs_path = settings.trust.needs_path() != NeedsPath::Never;
    (trust, looked_up)
}

/// Our own keys, those in a token too.
pub fn open_vault(settings: &Settings, clock: Clock) -> Result<Vault, VaultError> {
    Vault::open_with(&settings.data, &settings.keys, &settings.hostname, clock, &Tokens::new(&settings.pkcs11))
}

/// Everybody whom `[accounts]` names beside the gate's own accounts; nobody is asked.
pub fn open_logins(settings: &Settings, clock: &Clock) -> Result<Logins, CannotServe> {
    // Without any, a resolver that cannot be made keeps nobody out.
    if settings.accounts.ldap.is_empty() && settings.accounts.mail_server.is_empty() && settings.accounts.oauth.is_empty() {
        return Ok(Logins::default());
    }
    let names = Names::new(&settings.lookup.dns.servers).map_err(CannotServe::Logins)?;
    let asker = Asker {
        hostname: settings.hostname.clone(),
        inside: settings.inside.clone(),
        language: settings.language,
        names,
        clock: clock.clone(),
    };
    login::open(&settings.accounts, &asker).map_err(CannotServe::Logins)
}

/// Who is in which group: by the gate's own accounts and by directories, together.
pub struct GroupsKnown {
    directories: Vec<Arc<dyn Groups>>,
    /// `None`: there are no accounts yet.
    store: Option<Store>,
    /// Of the gate's own accounts, by address, and since when that is known.
    accounts: Mutex<Option<(Instant, Arc<GroupsOf>)>>,
}

/// For how long the groups of the gate's own accounts are not read again.
const GROUPS_FRESH: Duration = Duration::from_secs(5);

impl GroupsKnown {
    fn new(directories: Vec<Arc<dyn Groups>>, store: Option<Store>) -> GroupsKnown {
        GroupsKnown { directories, store, accounts: Mutex::default() }
    }

    async fn of_accounts(&self) -> Result<Arc<GroupsOf>, String> {
        let known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, groups)) = known.filter(|(read, _)| read.elapsed() < GROUPS_FRESH) {
            return Ok(groups);
        }
        let mut groups = GroupsOf::new();
        let accounts = match &self.store {
            Some(store) => store.list_accounts().await.map_err(|why| format!("accounts: {why}"))?,
            None => Vec::new(),
        };
        for account in accounts {
            for address in account.owns {
                groups.entry(address).or_default().extend(account.attributes.groups.iter().cloned());
            }
        }
        let groups = Arc::new(groups);
        *self.accounts.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), groups.clone()));
        Ok(groups)
    }
}

impl AskGroups for GroupsKnown {
    fn groups<'a>(&'a self, addresses: &'a [Address]) -> GroupsAnswer<'a> {
        Box::pin(async move {
            let own = self.of_accounts().await?;
            let of = |address: &Address| own.get(address).map(|groups| (address.clone(), groups.clone()));
            let mut all: GroupsOf = addresses.iter().filter_map(of).collect();
            for directory in &self.directories {
                let known = directory.groups(addresses).await.map_err(|why| format!("{}: {why}", directory.name()))?;
                for (address, groups) in known {
                    all.entry(address).or_default().extend(groups);
                }
            }
            Ok(all)
        })
    }
}

/// For a command that looks once.
pub fn open_groups(settings: &Settings) -> Result<GroupsKnown, CannotServe> {
    let directories = open_logins(settings, &Clock::system())?.groups;
    // Beside a gate that may be running; before the first start there are no accounts.
    let there = settings.data.join(crate::store::DATABASE).is_file();
    let store = there.then(|| Store::open_beside(&settings.data, &settings.store)).transpose()?;
    Ok(GroupsKnown::new(directories, store))
}

/// The laws of a configuration.
pub fn load_laws(settings: &Settings) -> Result<Laws, Problems> {
    laws::load(&settings.rules, &settings.inside)
}

/// A problem that is not in one line of the file.
pub fn problem(settings: &Settings, why: impl std::fmt::Display) -> Problem {
    Problem::in_file(&settings.path, why.to_string())
}

/// Whether the listeners' certificate and key can be used; for `auto` there is nothing to check before it is made.
pub fn check_certificate(settings: &Settings) -> Result<(), CannotServe> {
    for listener in &settings.listeners {
        let Some(path) = &listener.client_ca else { continue };
        let pem = std::fs::read(path).map_err(|why| CannotServe::File(path.display().to_string(), why))?;
        crate::receive::tls::authorities(&pem).map_err(|why| CannotServe::Tls(listener.name.clone(), why))?;
    }
    let Certificate::Files { chain, key } = &settings.certificate else { return Ok(()) };
    let server = certificate_files(chain, key)?;
    let tls = crate::receive::tls::server_config(&server, None);
    tls.map(drop).map_err(|why| CannotServe::Tls("[tls]".into(), why))
}

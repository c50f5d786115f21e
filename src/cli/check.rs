//! `postern check`: everything that can be wrong before a message comes, each with where and what to write instead.

use super::report::Paint;
use super::{ConfigFile, Done, Failure, Format};
use crate::config::{Problem, Problems, Settings};
use crate::domains::{self, Answer, Answers, Kind, Level, Ours, Question};
use crate::extract::Ocr;
use crate::lookup::known::KnownKeys;
use crate::lookup::read_bindings;
use crate::lookup::records::Records;
use crate::lookup::revocation::RevocationWatch;
use crate::pipeline::Laws;
use crate::protect::trust::CheckRevocation;
use crate::protect::trust::claims::contradiction;
use crate::relay::settings::Way;
use crate::serve::signing;
use crate::{serve, vault, worker};
use clap::Args;
use serde_json::json;
use std::net::ToSocketAddrs;
use std::time::Duration;
use tokio::time::timeout;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postern check --config config.toml && systemctl reload postern")]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How long the upstream may take to answer a connection.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(3);
/// How long DNS may take to answer a first question.
const DNS_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Findings {
    /// The gate does not start.
    wrong: Vec<Problem>,
    /// It starts, but something will not work as hoped.
    warnings: Vec<Problem>,
    /// To know, and nothing to mend.
    notes: Vec<Problem>,
    /// What was looked at and is right.
    right: Vec<String>,
}

impl Check {
    pub fn run(self) -> Done {
        let mut findings = Findings::default();
        match Settings::load(&self.file.config) {
            Ok(settings) => findings.look_at(&settings),
            Err(Problems(problems)) => findings.wrong.extend(problems),
        }
        findings.print(self.format);
        if findings.wrong.is_empty() { Ok(()) } else { Err(Failure::Wrong(findings.count())) }
    }
}

impl Findings {
    fn look_at(&mut self, settings: &Settings) {
        let listeners: Vec<&str> = settings.listeners.iter().map(|listener| listener.name.as_str()).collect();
        self.right.push(format!("{}: {} listeners ({})", settings.path.display(), listeners.len(), listeners.join(", ")));
        match serve::load_laws(settings) {
            Ok(laws) => {
                self.right.push(format!(
                    "{}: {} rules, {} policies, all tests and cases pass ({})",
                    settings.rules.display(),
                    laws.rules.rules().len(),
                    laws.policy.articles().len(),
                    laws.hash
                ));
                self.containers(settings, &laws);
            }
            Err(Problems(problems)) => self.wrong.extend(problems),
        }
        if let Err(why) = serve::check_certificate(settings) {
            self.wrong.push(serve::problem(settings, why));
        }
        self.trust(settings);
        self.keys(settings);
        self.sources(settings);
        self.logins(settings);
        self.own_keys(settings);
        self.data(settings);
        if let Some(address) = settings.console {
            let sentence = format!("this version has no web console: nothing listens on {address}; use `postern quarantine`");
            self.notes.push(serve::problem(settings, sentence));
        }
        self.upstream(settings);
        self.reading(settings);
        // Of a gate that would not start its records do not matter yet.
        if self.wrong.is_empty() {
            self.records(settings);
        }
    }

    /// Whether others can verify what we sign, and whether it speaks for its sender: as far as DNS answers now.
    fn records(&mut self, settings: &Settings) {
        let now = crate::world::Clock::system().now();
        let house = signing::house(settings, now);
        let language = settings.language;
        let mut all = Vec::new();
        for domain in signing::domains(settings) {
            match signing::ours(settings, &domain, now) {
                Ok(ours) => all.push(ours),
                // Told of its files already.
                Err(_) => return,
            }
        }
        for ours in all.iter().filter(|ours| ours.signed_by.is_none()) {
            let sentence = format!(
                "a listener's senders name {}, which is none of [gate] inside: mail with that From cannot be signed and is refused (451)",
                ours.domain
            );
            self.warnings.push(serve::problem(settings, sentence));
        }
        let judged = super::wait_for(async {
            let records = Records::new(&settings.lookup.dns.servers, None).ok()?;
            let probe = Question::Dns(all.first()?.domain.to_string(), Kind::Txt);
            match timeout(DNS_PATIENCE, records.ask(&probe)).await {
                Err(_) | Ok(Answer::Failed(_)) => return None,
                Ok(_) => {}
            }
            let signed = all.iter().filter(|ours| ours.signed_by.is_some());
            let judge = |answers: &Answers| {
                let of = |ours: &Ours| [domains::dkim(ours, answers), domains::alignment(ours, &house, answers)].concat();
                signed.clone().flat_map(of).collect::<Vec<_>>()
            };
            Some(records.judge(DNS_PATIENCE * 5, judge).await)
        });
        let Ok(Some(found)) = judged else {
            let sentence = "DNS does not answer now: whether our DKIM keys are published was not looked at; see postern dns";
            self.notes.push(serve::problem(settings, sentence));
            return;
        };
        for found in found {
            let lines: Vec<String> = found.publish.iter().map(domains::Line::zone_line).collect();
            let publish = if lines.is_empty() { String::new() } else { format!("; publish {}", lines.join(" and ")) };
            let sentence = format!("{}{publish}", found.said.text(language));
            match found.level {
                Level::Right => self.right.push(sentence),
                Level::Wrong | Level::Warning => self.warnings.push(serve::problem(settings, sentence)),
                Level::Note | Level::Unknown => self.notes.push(serve::problem(settings, sentence)),
            }
        }
    }

    /// A policy that puts mail under a password, and nobody who has one: all of it would be held.
    fn containers(&mut self, settings: &Settings, laws: &Laws) {
        if !laws.policy.uses_containers() || settings.protect.password_hook.url.is_some() {
            return;
        }
        match super::keys::secret::everyone(settings, laws) {
            Ok(agreed) if agreed.is_empty() => self.warnings.push(serve::problem(
                settings,
                "a policy says if_no_key = \"container\" and a password is agreed with nobody: such mail is held; run \
                 postern keys secret set ADDRESS --generate, or write [protect.password_hook] url",
            )),
            Ok(agreed) => self.right.push(format!("passwords of containers are agreed with {} recipients", agreed.len())),
            Err(_) => self.warnings.push(serve::problem(settings, "whether passwords of containers are agreed cannot be read")),
        }
    }

    fn reading(&mut self, settings: &Settings) {
        let limits = &settings.limits.reading;
        match worker::examine(limits) {
            Ok(examined) => {
                match examined.lacks.is_empty() {
                    true => self
                        .right
                        .push("attachments are read by processes that can open no file, no network and no program".into()),
                    false => self.warnings.push(serve::problem(
                        settings,
                        format!(
                            "the processes that read attachments are less confined than they could be; this system lacks: {}",
                            examined.lacks.join(", ")
                        ),
                    )),
                }
                match (examined.languages, limits.ocr) {
                    (_, Ocr::Off) => {}
                    (Some(languages), _) => self.right.push(format!("letters on pictures are read by tesseract ({languages})")),
                    (None, Ocr::Required) => self.wrong.push(serve::problem(settings, worker::NoOcr)),
                    (None, Ocr::Auto) => self.notes.push(serve::problem(
                        settings,
                        "tesseract is not installed: scanned pages count as unreadable; install tesseract-ocr and tesseract-ocr-fra",
                    )),
                }
            }
            Err(why) => self.wrong.push(serve::problem(
                settings,
                format!("no process can be started to read attachments ({why}): all of them would count as unreadable"),
            )),
        }
    }

    fn trust(&mut self, settings: &Settings) {
        let (wrong, unusable) = serve::trust_problems(settings);
        if wrong.is_empty() && !settings.trust.anchors.is_empty() {
            let checked = match settings.trust.revocation {
                CheckRevocation::Off => "revocation is not looked at",
                CheckRevocation::Soft => "certificates that are known to be revoked are refused",
                CheckRevocation::Hard => "certificates are used only while they are known not to be revoked",
            };
            self.right.push(format!("[trust]: the authorities are read; {checked}"));
        }
        self.wrong.extend(wrong);
        self.warnings.extend(unusable);
        let (_, problems) = RevocationWatch::open(&settings.trust, &settings.data.join("revocation"), None);
        self.warnings.extend(problems.into_iter().map(|sentence| serve::problem(settings, sentence)));
    }

    fn keys(&mut self, settings: &Settings) {
        let recipients = settings.keys.join("recipients");
        if let Err(why) = read_bindings(&recipients) {
            self.wrong.push(serve::problem(settings, why));
        }
        match KnownKeys::open(&settings.data, &settings.keys).and_then(|known| known.waiting()) {
            Ok(waiting) => self.warnings.extend(waiting.iter().map(|one| {
                let sentence = format!(
                    "{} brought another key for {} than the one in use; if it is right, run postern keys approve {}",
                    one.source, one.address, one.fingerprint
                );
                serve::problem(settings, sentence)
            })),
            Err(why) => self.wrong.push(serve::problem(settings, why)),
        }
        let (folder, now) = serve::open_keys(settings);
        for (address, keys) in folder.contradictions(now) {
            let keys: Vec<String> = keys.iter().map(|(file, fingerprint)| format!("{file} ({fingerprint})")).collect();
            let sentence = format!("{}; the keys are: {}", contradiction(&address), keys.join(", "));
            self.warnings.push(Problem::in_file(&recipients, sentence));
        }
        let reports = folder.reports();
        for (report, (_, reason)) in reports.iter().flat_map(|report| report.not_for.iter().map(move |one| (report, one))) {
            self.warnings.push(Problem::in_file(&recipients.join(&report.file), reason.clone()));
        }
        let usable = reports.iter().filter(|report| report.usable.is_ok()).count();
        self.right.push(format!("{}: {usable} usable keys", settings.keys.join("recipients").display()));
        for report in reports {
            if let Err(reason) = report.usable {
                self.warnings.push(Problem::in_file(&settings.keys.join("recipients").join(&report.file), reason));
            }
        }
    }

    /// Whether everybody whom the settings name can be asked; nobody is.
    fn sources(&mut self, settings: &Settings) {
        match super::wait_for(async { serve::open_finder(settings) }) {
            Ok(Ok(finder)) => {
                let names: Vec<String> = settings.lookup.sources.iter().map(ToString::to_string).collect();
                self.right.push(format!("recipients' keys are looked for in: {}", names.join(", ")));
                let now = crate::world::Clock::system().now();
                for report in finder.folder().ending_before(now, now.plus(i64::from(settings.lookup.warn_days) * 86_400)) {
                    let end = report.expires.map(crate::mail::UnixTime::rfc3339).unwrap_or_default();
                    let sentence = format!("ends on {end} and has no successor; ask for a new key");
                    self.warnings.push(Problem::in_file(&settings.keys.join("recipients").join(&report.file), sentence));
                }
            }
            Ok(Err(why)) => self.wrong.push(serve::problem(settings, why)),
            Err(_) => self.wrong.push(serve::problem(settings, "no look-up can be tried")),
        }
        for directory in settings.lookup.ldap.iter().filter(|directory| directory.clear) {
            let sentence = format!(
                "{} is asked in clear: whoever stands between may put their own key into the answer; leave out clear = true",
                directory.url
            );
            self.warnings.push(serve::problem(settings, sentence));
        }
    }

    /// Whether everybody who judges logins can be asked; nobody is.
    fn logins(&mut self, settings: &Settings) {
        match super::wait_for(async { serve::open_logins(settings, &crate::world::Clock::system()) }) {
            Ok(Ok(_)) => self.right.push(format!("logins are judged by: {}", settings.accounts.judges.join(", "))),
            Ok(Err(why)) => self.wrong.push(serve::problem(settings, why)),
            Err(_) => self.wrong.push(serve::problem(settings, "no judge of logins can be tried")),
        }
    }

    fn own_keys(&mut self, settings: &Settings) {
        let now = crate::world::Clock::system().now();
        let signing = settings.dkim.domains(&settings.inside);
        let examined = vault::examine(
            &settings.data,
            &settings.keys,
            &vault::token::Tokens::new(&settings.pkcs11),
            &signing,
            &settings.dkim,
            now,
        );
        self.wrong.extend(examined.wrong.into_iter().map(|why| serve::problem(settings, why)));
        for folder in examined.open_to_others {
            let sentence = "others may write here and put keys of theirs in; run: chmod go-w on it";
            self.warnings.push(Problem::in_file(&folder, sentence));
        }
        for domain in examined.without_dkim {
            let sentence = format!(
                "{domain} has no DKIM keys yet: the first start makes them; then publish what `postern dkim dns` prints"
            );
            self.notes.push(serve::problem(settings, sentence));
        }
    }

    fn data(&mut self, settings: &Settings) {
        match std::fs::metadata(&settings.data) {
            Ok(data) if !data.is_dir() => {
                self.wrong.push(Problem::in_file(&settings.data, "is not a folder; write data = \"…\", a folder of its own"));
            }
            Ok(data) if data.permissions().readonly() => {
                self.wrong.push(Problem::in_file(&settings.data, "cannot be written; give it to the gate's user"));
            }
            Ok(_) => self.right.push(format!("{}: the data folder is there", settings.data.display())),
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
                self.right.push(format!("{}: the data folder will be made", settings.data.display()));
            }
            Err(_) => {
                let sentence = "cannot be made there; write data = \"…\", a folder in a folder that the gate may enter";
                self.wrong.push(Problem::in_file(&settings.data, sentence));
            }
        }
    }

    fn upstream(&mut self, settings: &Settings) {
        let host = match &settings.way {
            Way::Smarthost(host) => host,
            Way::Capture(folder) => {
                let sentence = format!(
                    "mail goes into the folder {} and nowhere else; for a smarthost write [upstream] address = \"…\" instead of capture",
                    folder.display()
                );
                return self.notes.push(serve::problem(settings, sentence));
            }
        };
        if let Some(login) = &host.login
            && let Err(why) = std::fs::File::open(&login.password_file)
        {
            self.wrong.push(Problem::in_file(&login.password_file, format!("the upstream's password cannot be read ({why})")));
        }
        let name = format!("{}:{}", host.host, host.port);
        let mut addresses = match (host.host.as_str(), host.port).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(why) => {
                self.warnings.push(serve::problem(settings, format!("the upstream {name} has no address now ({why})")));
                return;
            }
        };
        if addresses.any(|address| std::net::TcpStream::connect_timeout(&address, UPSTREAM_PATIENCE).is_ok()) {
            self.right.push(format!("the upstream {name} answers"));
        } else {
            self.warnings.push(serve::problem(
                settings,
                format!("the upstream {name} does not answer now; mail would wait in the spool"),
            ));
        }
    }

    fn count(&self) -> String {
        match self.wrong.len() {
            1 => "1 thing to mend: the gate would not start".into(),
            many => format!("{many} things to mend: the gate would not start"),
        }
    }

    fn print(&self, format: Format) {
        let line = |level: &str, problem: &Problem| json!({"level": level, "file": problem.file, "line": problem.line, "sentence": problem.sentence});
        match format {
            Format::Json => {
                self.wrong.iter().for_each(|problem| println!("{}", line("wrong", problem)));
                self.warnings.iter().for_each(|problem| println!("{}", line("warning", problem)));
                self.notes.iter().for_each(|problem| println!("{}", line("note", problem)));
                self.right.iter().for_each(|sentence| println!("{}", json!({"level": "right", "sentence": sentence})));
            }
            Format::Text => {
                self.wrong.iter().for_each(|problem| println!("{} {problem}", Paint::Red.on("wrong:")));
                self.warnings.iter().for_each(|problem| println!("{} {problem}", Paint::Yellow.on("warning:")));
                self.notes.iter().for_each(|problem| println!("{} {problem}", Paint::Faint.on("note:")));
                self.right.iter().for_each(|sentence| println!("{} {sentence}", Paint::Green.on("right:")));
            }
        }
    }
}

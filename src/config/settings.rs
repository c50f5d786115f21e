//! Turns a configuration file into settings that hold together, or into sentences that say what to write instead.

use super::file::{File, Log};
use super::problem::{Problem, Problems, line_of};
use crate::lookup::LookupSettings;
use crate::lookup::url::{Scheme, Url};
use crate::mail::{Domain, Language};
use crate::pipeline::{House, Limits};
use crate::receive::settings::{Listener, Receive};
use crate::relay::settings::Way;
use crate::{accounts, dkim, domains, notices, quarantine, quotas, spool, store};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration that was checked as far as it can be without starting the gate. All paths are absolute or relative to the
/// working folder, no longer to the file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file it was read from.
    pub path: PathBuf,
    pub hostname: Domain,
    pub data: PathBuf,
    pub inside: Arc<[Domain]>,
    pub rules: PathBuf,
    pub keys: PathBuf,
    pub language: Language,
    pub listeners: Vec<Listener>,
    pub certificate: Certificate,
    pub way: Way,
    pub receive: Receive,
    pub limits: Limits,
    pub protect: crate::protect::Settings,
    /// Whose certificates are believed; its paths like all others.
    pub trust: crate::protect::trust::Settings,
    /// Where keys lie that sign in a token.
    pub pkcs11: crate::vault::token::Settings,
    pub lookup: LookupSettings,
    /// Its paths like all others.
    pub dkim: dkim::Settings,
    pub domains: domains::Settings,
    pub store: store::Settings,
    pub spool: spool::Settings,
    pub quarantine: quarantine::Settings,
    pub coaching: notices::Settings,
    pub accounts: accounts::Settings,
    pub quotas: quotas::Settings,
    /// Kept for a later version; `postern check` says that nothing listens there.
    pub console: Option<std::net::SocketAddr>,
    pub log: Log,
}

/// What the listeners show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Made in the data folder.
    Auto,
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
}

impl Settings {
    /// Reads and checks a file; every problem at once.
    pub fn load(path: &Path) -> Result<Settings, Problems> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::in_file(
                path,
                format!("cannot be read ({}); `postern config describe > {}` writes one", why(&error), path.display()),
            )
        })?;
        Settings::from_text(path, &text)
    }

    /// The same for a text that was read from `path`, or would be.
    pub fn from_text(path: &Path, text: &str) -> Result<Settings, Problems> {
        let file = File::parse(path, text)?;
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let from_here = |given: &Path| folder.join(given);
        let mut problems = Vec::new();
        let mut wrong = |section: &str, nth: usize, key: &str, sentence: String| {
            problems.push(Problem { file: path.to_owned(), line: line_of(text, section, nth, key), sentence });
        };

        if file.gate.inside.is_empty() {
            wrong("[gate]", 0, "inside", "inside is empty; write your own domains: inside = [\"example.org\"]".into());
        }
        if !file.gate.hostname.as_str().contains('.') {
            let sentence = format!("\"{}\" is not a full host name; write one like \"gate.example.org\"", file.gate.hostname);
            wrong("[gate]", 0, "hostname", sentence);
        }
        if file.listener.is_empty() {
            wrong(
                "[gate]",
                0,
                "hostname",
                "there is no [[listener]]: nobody could submit; see `postern config describe`".into(),
            );
        }
        for (nth, listener) in file.listener.iter().enumerate() {
            for sentence in listener.problems() {
                wrong("[[listener]]", nth, "name", sentence);
            }
            let earlier = &file.listener[..nth];
            if earlier.iter().any(|other| other.name == listener.name) {
                wrong(
                    "[[listener]]",
                    nth,
                    "name",
                    format!("there are two listeners \"{}\"; give each its own name", listener.name),
                );
            }
            let taken = earlier.iter().find(|other| other.address == listener.address && listener.address.port() != 0);
            if let Some(other) = taken {
                let sentence = format!(
                    "listeners \"{}\" and \"{}\" have the same address {}; give each its own port",
                    other.name, listener.name, listener.address
                );
                wrong("[[listener]]", nth, "address", sentence);
            }
        }
        if let Some(sentence) = file.protect.password_hook.url.as_deref().and_then(hook_problem) {
            wrong("[protect.password_hook]", 0, "url", sentence);
        }
        for (key, sentence) in file.lookup.problems() {
            wrong("[lookup]", 0, key, sentence);
        }
        for (nth, key, sentence) in file.dkim.problems(&file.gate.inside) {
            wrong(if nth.is_some() { "[[dkim.domain]]" } else { "[dkim]" }, nth.unwrap_or(0), key, sentence);
        }
        for (key, sentence) in file.domains.problems() {
            wrong("[domains]", 0, key, sentence);
        }
        for sentence in file.receive.problems() {
            let key = sentence.split([' ', ';']).next().unwrap_or("").to_owned();
            wrong("[receive]", 0, &key, sentence);
        }
        for sentence in file.reading.problems() {
            let key = sentence.split(' ').next().unwrap_or("").to_owned();
            wrong("[reading]", 0, &key, sentence);
        }
        if let Err(sentence) = file.spool.check() {
            let key = if sentence.contains("give_up") { "give_up_after_days" } else { "retry_minutes" };
            wrong("[spool]", 0, key, sentence.to_owned());
        }
        if let Err(sentence) = file.accounts.check() {
            // The sentence names its setting first; the line is that of the table when it is not written there.
            let key = sentence.split_whitespace().find(|word| word.contains('_')).unwrap_or_default();
            wrong("[accounts]", 0, key, sentence.to_owned());
        }
        if let Some(sentence) = file.accounts.unasked() {
            wrong("[accounts]", 0, "judges", sentence);
        }
        if let Err(sentence) = file.quotas.check() {
            wrong("[[quotas.own]]", 0, "account", sentence.to_owned());
        }
        for (key, sentence) in file.trust.problems() {
            wrong("[trust]", 0, key, sentence);
        }
        let mut trust = file.trust.clone();
        let paths = trust.anchors.iter_mut().chain(&mut trust.intermediates).chain(&mut trust.crls);
        paths.for_each(|relative| *relative = from_here(relative));
        let certificate = match (file.tls.certificate.as_str(), &file.tls.key) {
            ("auto", None) => Certificate::Auto,
            ("auto", Some(_)) => {
                wrong("[tls]", 0, "key", "key goes with a certificate file; leave it out beside certificate = \"auto\"".into());
                Certificate::Auto
            }
            (chain, Some(key)) => {
                let (chain, key) = (from_here(Path::new(chain)), from_here(key));
                for (name, one) in [("certificate", &chain), ("key", &key)] {
                    if let Err(error) = std::fs::File::open(one) {
                        let sentence = format!(
                            "{} cannot be read ({}); write a PEM file, or certificate = \"auto\"",
                            one.display(),
                            why(&error)
                        );
                        wrong("[tls]", 0, name, sentence);
                    }
                }
                Certificate::Files { chain, key }
            }
            (chain, None) => {
                let sentence =
                    format!("certificate = \"{chain}\" needs its key; write also key = \"…\", or certificate = \"auto\"");
                wrong("[tls]", 0, "certificate", sentence);
                Certificate::Auto
            }
        };
        let mut upstream = file.upstream.clone();
        for relative in [&mut upstream.capture, &mut upstream.ca, &mut upstream.password_file].into_iter().flatten() {
            *relative = from_here(relative);
        }
        let way = upstream.check().map_err(|sentences| {
            for sentence in sentences {
                wrong("[upstream]", 0, "address", sentence);
            }
        });
        let mut pkcs11 = file.pkcs11.clone();
        for path in pkcs11.module.iter_mut().chain(&mut pkcs11.pin_file) {
            *path = from_here(path);
        }
        let mut lookup = file.lookup.clone();
        lookup.resolve(&folder);
        let mut dkim = file.dkim.clone();
        dkim.domain.iter_mut().filter_map(|domain| domain.keys.as_mut()).for_each(|keys| *keys = from_here(keys));
        let mut accounts = file.accounts.clone();
        accounts.resolve(&folder);
        let rules = match rules_of(&folder, file.gate.rules.as_deref()) {
            Ok(rules) => rules,
            Err(sentence) => {
                wrong("[gate]", 0, "rules", sentence);
                PathBuf::new()
            }
        };
        let listeners = file
            .listener
            .into_iter()
            .map(|listener| Listener {
                client_ca: listener.client_ca.as_deref().map(from_here),
                people_ca: listener.people_ca.as_deref().map(from_here),
                ..listener
            })
            .collect();
        let (Ok(way), true) = (way, problems.is_empty()) else {
            return Err(Problems(problems));
        };
        Ok(Settings {
            path: path.to_owned(),
            hostname: file.gate.hostname,
            data: from_here(&file.gate.data),
            inside: file.gate.inside.into(),
            rules,
            keys: from_here(&file.gate.keys),
            language: file.gate.language,
            listeners,
            certificate,
            way,
            receive: file.receive,
            limits: Limits { message: file.message, reading: file.reading },
            protect: file.protect,
            trust,
            pkcs11,
            lookup,
            dkim,
            domains: file.domains,
            store: file.store,
            spool: file.spool,
            quarantine: file.quarantine,
            coaching: file.coaching,
            accounts,
            quotas: file.quotas,
            console: file.console.address,
            log: file.log,
        })
    }

    pub fn is_inside(&self, domain: &Domain) -> bool {
        self.inside.iter().any(|ours| domain.is_within(ours))
    }

    /// Where the running gate answers officers.
    pub fn control_socket(&self) -> PathBuf {
        self.data.join("control.sock")
    }

    /// What the walk needs to know of us.
    pub fn house(&self) -> House {
        House {
            hostname: self.hostname.clone(),
            inside: self.inside.clone(),
            language: self.language,
            limits: self.limits.clone(),
            sealing: self.protect.clone(),
            coaching: self.coaching.clone(),
        }
    }
}

/// A password in clear is read by all between: http is for this machine alone.
fn hook_problem(url: &str) -> Option<String> {
    let example = "write url = \"https://sms.example.org/passwords\"";
    match Url::parse(url) {
        Err(why) => Some(format!("{why}; {example}")),
        Ok(url) if url.scheme() == Scheme::Https => None,
        Ok(url) if url.host() == "localhost" || url.host().parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) => None,
        Ok(_) => Some(format!("passwords are told over https only, or to this machine; {example}")),
    }
}

/// What the system says, without its number.
fn why(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The value that means "the shipped rules, unless a folder of this name is here".
const DEFAULT_RULES: &str = "rules";

/// `given` beside the configuration file or, failing that, in the working folder; the default's last resort are the shipped rules.
/// Any other folder that is not there is an error: an officer's own rules must never be replaced in silence.
fn rules_of(folder: &Path, given: Option<&Path>) -> Result<PathBuf, String> {
    let given = given.unwrap_or(Path::new(DEFAULT_RULES));
    let here = [folder.join(given), given.to_owned()].into_iter().find(|candidate| candidate.is_dir());
    match here {
        Some(rules) => Ok(rules),
        None if given == Path::new(DEFAULT_RULES) => shipped_rules(),
        None => Err(format!(
            "there is no folder {}; write the folder that holds detect/ and policy.toml",
            folder.join(given).display()
        )),
    }
}

/// For commands that take `--rules`: that folder, or the shipped rules.
pub fn rules_folder(given: Option<&Path>) -> Result<PathBuf, Problem> {
    match given {
        None => shipped_rules().map_err(|sentence| Problem::in_file(Path::new("rules"), sentence)),
        Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
        Some(folder) => Err(Problem::in_file(folder, "is not a folder; write the one that holds detect/ and policy.toml")),
    }
}

/// Beside the program, in its installation's share folder, or in the repository it was built from.
fn shipped_rules() -> Result<PathBuf, String> {
    let program = std::env::current_exe().ok();
    let beside = program
        .iter()
        .flat_map(|program| program.ancestors().skip(1).take(4))
        .flat_map(|above| [above.join("rules"), above.join("share/postern/rules")]);
    beside
        .chain([PathBuf::from("rules"), Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")])
        .find(|candidate| candidate.join("policy.toml").is_file())
        .ok_or_else(|| {
            "the shipped rules are not beside the program; write rules = \"…\", the folder that holds detect/ and policy.toml"
                .into()
        })
}

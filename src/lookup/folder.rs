//! Turns the folder `keys/recipients/` into an answer for each address: the addresses inside the keys decide, not the file names.
//!
//! Each key is judged and trial-sealed when it is loaded, and its dates again at each look-up. A file that could not be *read* may
//! have held anybody's key: whoever has no other key gets [`LookUp::Failed`], not "no key" (fail closed, and aloud in the log).
//! A file that was read and holds nothing usable is reported and is nobody's key.
//!
//! What an address in a key is worth is said by `protect::trust::claims`: the operator's choices lie beside the keys in `bindings.toml`.

use crate::mail::{Address, Domain, UnixTime};
use crate::pipeline::AskKeys;
use crate::protect::openpgp::RecipientCertificate;
use crate::protect::trust::claims::{self, BINDINGS, Bindings};
use crate::protect::trust::{self, Asks, Description, NotUsable, Revocations, Trust};
use crate::protect::{FindKeys, LookUp, RecipientKey, WhyNot};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// The largest key file that is read: a keyring of some hundred keys.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
const MOST_FILES: usize = 100_000;
const ENDINGS: [&str; 7] = ["pem", "crt", "der", "cer", "asc", "pgp", "gpg"];

/// The keys of a folder, and their reports.
pub struct Folder {
    path: PathBuf,
    inside: Arc<[Domain]>,
    trust: RwLock<Trust>,
    revocations: RwLock<Arc<Revocations>>,
    loaded: RwLock<Arc<Loaded>>,
}

/// One key of the folder, usable or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The file's name.
    pub file: String,
    pub kind: KeyKind,
    pub addresses: Vec<Address>,
    /// Hexadecimal; empty when the key could not be read.
    pub fingerprint: String,
    pub expires: Option<UnixTime>,
    /// Or a sentence that says why not.
    pub usable: Result<(), String>,
    /// Addresses in it for which it is not used all the same, each with the sentence that says why.
    pub not_for: Vec<(Address, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    Smime,
    Openpgp,
    /// Neither could be recognized.
    Unknown,
}

/// Why a folder was not loaded; what was in force before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotLoad {
    #[error("{}: the folder of recipients' keys cannot be read ({})", .0.display(), .1)]
    Folder(PathBuf, ErrorKind),
    #[error("{}: more than {MOST_FILES} files", .0.display())]
    TooMany(PathBuf),
    /// Which key is whose is not known then: none is used.
    #[error("{}: {}", .0.display(), .1)]
    Bindings(PathBuf, String),
}

#[derive(Default)]
struct Loaded {
    keys: Vec<Key>,
    /// Indices into `keys`.
    by_address: BTreeMap<Address, Vec<usize>>,
    reports: Vec<KeyReport>,
    /// Files that could not be read, as sentences.
    unread: Vec<String>,
    /// By which a change is noticed.
    seen: Vec<Seen>,
    bindings: Bindings,
    /// With the authorities that were found in the folder and what is known of revoked certificates.
    trust: Arc<Trust>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    changed: Option<SystemTime>,
    octets: u64,
}

#[derive(Clone)]
struct Key {
    file: String,
    fingerprint: String,
    judged: Result<RecipientKey, String>,
    /// For judging an OpenPGP key again, also one that was not valid yet when it was loaded; an X.509 one by its octets.
    source: Arc<Source>,
}

enum Source {
    Certificate(Vec<u8>),
    Openpgp(Box<sequoia_openpgp::Cert>, Mutex<Option<Steady>>),
}

/// What was made of an OpenPGP key, and the moments between which nothing in it changes: its signatures are not checked for each message.
struct Steady {
    from: UnixTime,
    until: UnixTime,
    judged: Result<Arc<RecipientCertificate>, String>,
}

/// The judgement of this moment.
fn judge_openpgp(
    file: &str,
    cert: &sequoia_openpgp::Cert,
    kept: &Mutex<Option<Steady>>,
    at: UnixTime,
) -> Result<Arc<RecipientCertificate>, String> {
    let kept = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(steady) = kept().as_ref().filter(|steady| steady.from <= at && at < steady.until) {
        return steady.judged.clone();
    }
    let judged = trust::judge_openpgp(file, cert, at).map(Arc::new).map_err(|why| why.reason);
    let until = trust::steady_until(cert, at);
    *kept() = Some(Steady { from: at, until, judged: judged.clone() });
    judged
}

impl Folder {
    /// The same as [`Folder::open_for`] for an organisation without domains of its own: for tests and single look-ups.
    pub fn open(path: &Path, trust: Trust, at: UnixTime) -> Folder {
        Folder::open_for(path, Arc::new([]), trust, at)
    }

    /// Loads a folder; one that does not exist is empty. The error of one that cannot be read is kept: every look-up fails then.
    /// `inside`: our own domains, for whose addresses only what the operator bound counts.
    pub fn open_for(path: &Path, inside: Arc<[Domain]>, trust: Trust, at: UnixTime) -> Folder {
        let loaded = match load(path, &inside, &trust, at) {
            Ok(loaded) => loaded,
            Err(why) => {
                tracing::error!(%why, "recipients' keys are unknown: mail that must be encrypted is put off");
                Loaded { unread: vec![why.to_string()], ..Loaded::default() }
            }
        };
        let revocations = RwLock::new(trust.revocations.clone());
        Folder { path: path.into(), inside, trust: RwLock::new(trust), revocations, loaded: RwLock::new(Arc::new(loaded)) }
    }

    /// Loads the folder again; taken whole or not at all. One that has vanished is an error: its keys stay.
    pub fn reload(&self, at: UnixTime) -> Result<(), CannotLoad> {
        if !self.loaded().keys.is_empty()
            && let Err(why) = fs::metadata(&self.path)
        {
            return Err(CannotLoad::Folder(self.path.clone(), why.kind()));
        }
        let known = self.revocations.read().unwrap_or_else(PoisonError::into_inner).clone();
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner).with_revocations(known);
        let fresh = Arc::new(load(&self.path, &self.inside, &trust, at)?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Loads it again only if a file came, went or changed; true if so.
    pub fn reload_if_changed(&self, at: UnixTime) -> Result<bool, CannotLoad> {
        if look(&self.path)? == self.loaded().seen {
            return Ok(false);
        }
        self.reload(at)?;
        Ok(true)
    }

    /// From the next [`reload`](Folder::reload) on certificates are judged by these authorities.
    pub fn set_trust(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// From now on certificates are judged by this knowledge of revoked ones. Each is judged again when it is asked for.
    pub fn set_revocations(&self, known: Arc<Revocations>) {
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = known.clone();
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        let trust = Arc::new(loaded.trust.with_revocations(known));
        let old = loaded.as_ref();
        *loaded = Arc::new(Loaded {
            keys: old.keys.clone(),
            by_address: old.by_address.clone(),
            reports: old.reports.clone(),
            unread: old.unread.clone(),
            seen: old.seen.clone(),
            bindings: old.bindings.clone(),
            trust,
        });
    }

    /// What to fetch so that its certificates can be judged at `at`; nothing of what is known already.
    pub fn asks(&self, at: UnixTime) -> Vec<Asks> {
        let loaded = self.loaded();
        let asks = loaded.keys.iter().flat_map(|key| match (&key.judged, &*key.source) {
            (Ok(RecipientKey::Smime(certificate)), _) => trust::asks_again(certificate, at, &loaded.trust),
            (_, Source::Certificate(der)) => trust::asks(der, at, &loaded.trust),
            (_, Source::Openpgp(..)) => Vec::new(),
        });
        asks.collect()
    }

    /// Every key of the folder, in the order of file names.
    pub fn reports(&self) -> Vec<KeyReport> {
        self.loaded().reports.clone()
    }

    /// Usable keys that end between two moments, with no other key of the same addresses that lasts longer.
    pub fn ending_before(&self, at: UnixTime, until: UnixTime) -> Vec<KeyReport> {
        let reports = self.reports();
        let lasts = |report: &KeyReport| report.usable.is_ok() && report.expires.is_none_or(|end| end > until);
        let replaced = |address: &Address| reports.iter().any(|other| lasts(other) && other.addresses.contains(address));
        let ends = |report: &&KeyReport| report.usable.is_ok() && report.expires.is_some_and(|end| at < end && end <= until);
        reports.iter().filter(ends).filter(|report| !report.addresses.iter().all(replaced)).cloned().collect()
    }

    /// Addresses for which usable keys contradict each other, each with the keys: file name and fingerprint.
    pub fn contradictions(&self, at: UnixTime) -> Vec<(Address, Vec<(String, String)>)> {
        let loaded = self.loaded();
        let several = loaded.by_address.iter().filter(|(_, keys)| keys.len() > 1);
        let judged = several.map(|(address, _)| (address, self.judge_all(&loaded, address, at)));
        let contradicting = judged.filter(|(_, judged)| judged.is_contradiction());
        let named = contradicting.map(|(address, judged)| {
            let keys = judged.usable.iter().map(|(_, key, file)| (file.clone(), fingerprint_of(key)));
            (address.clone(), keys.collect())
        });
        named.collect()
    }

    fn judge_all(&self, loaded: &Loaded, recipient: &Address, at: UnixTime) -> Judged {
        let mut judged = Judged::default();
        for &index in loaded.by_address.get(recipient).into_iter().flatten() {
            let key = &loaded.keys[index];
            if let Err(reason) = loaded.bindings.allow(recipient, &key.fingerprint, &self.inside) {
                judged.refused.push(WhyNot { source: key.file.clone(), reason });
                continue;
            }
            match judge_at(key, recipient, at, &loaded.trust) {
                Ok((end, found)) => judged.usable.push((end, found, key.file.clone())),
                Err(NotUsable::Refused(reason)) => judged.refused.push(WhyNot { source: key.file.clone(), reason }),
                Err(NotUsable::Unknown(reason)) => judged.undecided = Some(format!("{}: {reason}", key.file)),
            }
        }
        // The one that lasts longest first: of an old and a new certificate the new one.
        judged.usable.sort_by_key(|(end, _, _)| std::cmp::Reverse(*end));
        judged.chosen = loaded.bindings.iter().any(|binding| binding.address == *recipient);
        judged
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the folder holds for one address now.
#[derive(Default)]
struct Judged {
    /// When it ends, the key, its file.
    usable: Vec<(i64, RecipientKey, String)>,
    refused: Vec<WhyNot>,
    undecided: Option<String>,
    /// The operator bound keys to this address.
    chosen: bool,
}

impl Judged {
    fn is_contradiction(&self) -> bool {
        !self.chosen && claims::contradict(&self.keys())
    }

    fn keys(&self) -> Vec<RecipientKey> {
        self.usable.iter().map(|(_, key, _)| key.clone()).collect()
    }
}

impl FindKeys for Folder {
    fn find(&self, recipient: &Address, at: UnixTime) -> LookUp {
        let loaded = self.loaded();
        let mut judged = self.judge_all(&loaded, recipient, at);
        let keys = judged.keys();
        if judged.is_contradiction() {
            let reason = claims::contradiction(recipient);
            let both = judged.usable.iter().map(|(_, _, file)| WhyNot { source: file.clone(), reason: reason.clone() });
            judged.refused.extend(both);
            return LookUp::Contested(judged.refused);
        }
        if !keys.is_empty() {
            return LookUp::Usable(keys);
        }
        match judged.undecided.or_else(|| loaded.unread.first().cloned()) {
            Some(why) => LookUp::Failed(why),
            None => LookUp::Absent(judged.refused),
        }
    }
}

/// All of it is in memory.
impl AskKeys for Folder {}

/// What a file holds, judged but not loaded: for `keys import`.
pub fn examine(file: &str, octets: &[u8], trust: &Trust, at: UnixTime) -> Vec<KeyReport> {
    read_keys(file, octets, trust, at).into_iter().map(|(_, report)| report).collect()
}

/// Judges a loaded key at the time of a look-up. What was usable only has its dates and its revocation judged again; what was not is judged
/// anew, because it may have become valid since.
fn judge_at(key: &Key, recipient: &Address, at: UnixTime, trust: &Trust) -> Result<(i64, RecipientKey), NotUsable> {
    let found = match (&key.judged, &*key.source) {
        (Ok(RecipientKey::Smime(certificate)), _) => {
            trust::judge_closely_again(certificate, at, trust)?;
            RecipientKey::Smime(certificate.clone())
        }
        (_, Source::Openpgp(cert, steady)) => {
            RecipientKey::Openpgp(judge_openpgp(&key.file, cert, steady, at).map_err(NotUsable::Refused)?)
        }
        (_, Source::Certificate(der)) => RecipientKey::Smime(Arc::new(trust::judge_closely(der, at, trust)?)),
    };
    let (addresses, end) = match &found {
        RecipientKey::Smime(certificate) => (certificate.addresses(), certificate.not_after().0),
        RecipientKey::Openpgp(certificate) => (certificate.addresses(), certificate.expires().map_or(i64::MAX, |end| end.0)),
    };
    // A user id can have been revoked since, or be of a key that was described but never judged.
    if !addresses.contains(recipient) {
        return Err(NotUsable::Refused("it is not valid for this address".to_owned()));
    }
    Ok((end, found))
}

fn fingerprint_of(key: &RecipientKey) -> String {
    match key {
        RecipientKey::Smime(certificate) => certificate.fingerprint().to_owned(),
        RecipientKey::Openpgp(certificate) => certificate.fingerprint(),
    }
}

fn load(path: &Path, inside: &[Domain], trust: &Trust, at: UnixTime) -> Result<Loaded, CannotLoad> {
    let mut loaded = Loaded { seen: look(path)?, bindings: read_bindings(path)?, ..Loaded::default() };
    let mut trust = trust.clone();
    let mut files = Vec::new();
    for seen in loaded.seen.iter().filter(|seen| !is_bindings(&seen.path)) {
        let file = seen.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read(&seen.path) {
            Ok(octets) => files.push((file, octets)),
            Err(why) => {
                tracing::error!(file, %why, "a key file cannot be read: mail that must be encrypted to anyone without a key is put off");
                loaded.unread.push(format!("{file} cannot be read ({})", why.kind()));
            }
        }
    }
    // Authorities first, wherever they stand: paths lead over them.
    if trust.has_anchors() {
        for (_, octets) in &files {
            for der in certificates_in(octets).iter().filter(|der| trust::describe_certificate(der).authority) {
                trust.add_intermediate(der);
            }
        }
    }
    for (file, octets) in files {
        for (key, mut report) in read_keys(&file, &octets, &trust, at) {
            if let Some(key) = key {
                for address in &report.addresses {
                    loaded.by_address.entry(address.clone()).or_default().push(loaded.keys.len());
                    if let Err(reason) = loaded.bindings.allow(address, &key.fingerprint, inside) {
                        report.not_for.push((address.clone(), reason));
                    }
                }
                loaded.keys.push(key);
            }
            if let Err(reason) = &report.usable {
                tracing::warn!(file = report.file, reason, "a recipient's key is not usable");
            }
            loaded.reports.push(report);
        }
    }
    loaded.trust = Arc::new(trust);
    Ok(loaded)
}

fn is_bindings(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == BINDINGS)
}

/// The operator's choices in this folder of keys; none when there is no such file.
pub fn read_bindings(folder: &Path) -> Result<Bindings, CannotLoad> {
    let path = folder.join(BINDINGS);
    let wrong = |why: String| CannotLoad::Bindings(path.clone(), why);
    let octets = match read(&path) {
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Bindings::default()),
        other => other.map_err(|why| wrong(format!("cannot be read ({})", why.kind())))?,
    };
    let text = String::from_utf8(octets).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    Bindings::parse(&text).map_err(wrong)
}

fn read_keys(file: &str, octets: &[u8], trust: &Trust, at: UnixTime) -> Vec<(Option<Key>, KeyReport)> {
    let mut found = Vec::new();
    let told = super::harvest::told_in(octets);
    for der in certificates_in(octets) {
        let description = trust::describe_certificate(&der);
        let judged = if description.authority {
            Err("it is a certification authority's; it helps to build paths and is nobody's key".to_owned())
        } else {
            let judged = trust::judge_certificate(file, &der, at, trust);
            let judged = judged.map(|certificate| match &told {
                Some(list) => certificate.with_told(list),
                None => certificate,
            });
            judged.map(|certificate| RecipientKey::Smime(Arc::new(certificate))).map_err(|why| why.reason)
        };
        let report = report(file, KeyKind::Smime, description, &judged);
        let source = Arc::new(Source::Certificate(der));
        let key = Key { file: file.to_owned(), fingerprint: report.fingerprint.clone(), judged, source };
        found.push((Some(key).filter(|_| !report.addresses.is_empty()), report));
    }
    for cert in openpgp_in(octets) {
        let description = trust::describe_openpgp(&cert, at);
        let cert = cert.strip_secret_key_material();
        let steady = Mutex::default();
        let judged = judge_openpgp(file, &cert, &steady, at).map(RecipientKey::Openpgp);
        let report = report(file, KeyKind::Openpgp, description, &judged);
        let source = Arc::new(Source::Openpgp(Box::new(cert), steady));
        let key = Key { file: file.to_owned(), fingerprint: report.fingerprint.clone(), judged, source };
        found.push((Some(key).filter(|_| !report.addresses.is_empty()), report));
    }
    if found.is_empty() {
        let nothing: Result<RecipientKey, String> =
            Err("it holds neither a certificate (PEM or DER) nor an OpenPGP public key".to_owned());
        found.push((None, report(file, KeyKind::Unknown, Description::default(), &nothing)));
    }
    found
}

fn report(file: &str, kind: KeyKind, description: Description, judged: &Result<RecipientKey, String>) -> KeyReport {
    let expires = match judged {
        Ok(RecipientKey::Openpgp(certificate)) => certificate.expires(),
        _ => description.expires,
    };
    KeyReport {
        file: file.to_owned(),
        kind,
        addresses: description.addresses,
        fingerprint: description.fingerprint,
        expires,
        usable: judged.as_ref().map(drop).map_err(Clone::clone),
        not_for: Vec::new(),
    }
}

/// All certificates of a PEM text, or the one that the octets are. A damaged PEM block ends the text: what follows is not trusted.
fn certificates_in(octets: &[u8]) -> Vec<Vec<u8>> {
    if is_pem(octets, b"CERTIFICATE-----") {
        return CertificateDer::pem_slice_iter(octets).map_while(Result::ok).map(|der| der.to_vec()).collect();
    }
    // SEQUENCE with a long length.
    if octets.starts_with(&[0x30, 0x82]) { vec![octets.to_vec()] } else { Vec::new() }
}

fn openpgp_in(octets: &[u8]) -> Vec<sequoia_openpgp::Cert> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    let parse = |octets: &[u8]| -> Vec<sequoia_openpgp::Cert> {
        CertParser::from_bytes(octets).map(|parser| parser.filter_map(Result::ok).collect()).unwrap_or_default()
    };
    if is_pem(octets, b"PGP ") {
        // One file may hold several armored blocks; the parser reads one.
        let starts: Vec<usize> = memchr::memmem::find_iter(octets, BEGIN).collect();
        let ends = starts.iter().skip(1).copied().chain([octets.len()]);
        return starts.iter().zip(ends).flat_map(|(&start, end)| parse(&octets[start..end])).collect();
    }
    // RFC 9580 §4.2: the first bit of a packet is set; a certificate in DER begins with 0x30.
    if octets.first().is_some_and(|b| b & 0x80 != 0) { parse(octets) } else { Vec::new() }
}

fn is_pem(octets: &[u8], label: &[u8]) -> bool {
    memchr::memmem::find(octets, &[b"-----BEGIN ", label].concat()).is_some()
}

/// The key files of the folder, by name; none when there is no folder.
fn look(path: &Path) -> Result<Vec<Seen>, CannotLoad> {
    let cannot = |why: std::io::Error| CannotLoad::Folder(path.into(), why.kind());
    let entries = match fs::read_dir(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(cannot)?,
    };
    let mut seen = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !ENDINGS.contains(&ending.as_str()) && !is_bindings(&path) {
            continue;
        }
        // A dangling link or a file without rights stays in the list: reading it fails, and that must show.
        let facts = fs::metadata(&path).ok();
        if facts.as_ref().is_some_and(|facts| facts.is_dir()) {
            continue;
        }
        let changed = facts.as_ref().and_then(|facts| facts.modified().ok());
        seen.push(Seen { path, changed, octets: facts.map_or(0, |facts| facts.len()) });
        if seen.len() > MOST_FILES {
            return Err(CannotLoad::TooMany(path_of(&seen)));
        }
    }
    seen.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(seen)
}

fn path_of(seen: &[Seen]) -> PathBuf {
    seen.first().and_then(|seen| seen.path.parent()).unwrap_or(Path::new("")).to_owned()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut octets)?;
    if read as u64 > LARGEST_FILE {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "larger than any keyring"));
    }
    Ok(octets)
}

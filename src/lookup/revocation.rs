//! Turns the folder of lists, and what certificates say of where to ask, into what is known of revoked certificates.
//!
//! Only certificates that an authority of the operator's vouches for are asked about: the addresses in others are a stranger's. What comes
//! back is kept when it is signed as it must be and tells of today; it lies in the data folder too, so that a start without a network knows
//! as much as the stop before.

use super::http::{Http, Question};
use super::url::Url;
use crate::mail::UnixTime;
use crate::protect::trust::{self, Ask, Asks, Revocations, Trust, crl, ocsp};
use aws_lc_rs::digest;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// Files in the folder of lists, and in the cache.
const MOST_FILES: usize = 10_000;
/// Things fetched in one go; the rest comes with the next.
const MOST_AT_ONCE: usize = 200;
/// What failed is asked again after this, what was had after that.
const AGAIN_AFTER_FAILURE: i64 = 5 * 60;
const AGAIN_AFTER_ANSWER: i64 = 60 * 60;

/// What is known of revoked certificates, and how more of it is learned.
pub struct RevocationWatch {
    http: Option<Http>,
    lists: Option<PathBuf>,
    cache: PathBuf,
    budget: Duration,
    renew_before: i64,
    known: RwLock<Arc<Revocations>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    from_files: Revocations,
    fetched: Revocations,
    /// By which a change of the folder is noticed.
    seen: Option<Vec<(PathBuf, Option<SystemTime>, u64)>>,
    asked: BTreeMap<Ask, (UnixTime, bool)>,
}

impl RevocationWatch {
    /// `cache`: a folder below the data folder, made when it is missing. Without `http` nothing is fetched. What is wrong with files comes
    /// back as sentences, each with its path.
    pub fn open(settings: &trust::Settings, cache: &Path, http: Option<Http>) -> (RevocationWatch, Vec<String>) {
        let watch = RevocationWatch {
            http: http.filter(|_| settings.fetch),
            lists: settings.crls.clone(),
            cache: cache.to_owned(),
            budget: Duration::from_secs(settings.fetch_seconds),
            renew_before: i64::try_from(settings.renew_before_hours * 3600).unwrap_or(0),
            known: RwLock::default(),
            state: Mutex::default(),
        };
        let mut problems = Vec::new();
        let mut fetched = Revocations::default();
        for path in files_in(cache).unwrap_or_default() {
            let Ok(octets) = read(&path, crl::LARGEST) else { continue };
            let taken = match path.extension().and_then(|ending| ending.to_str()) {
                Some("crl") => fetched.add_list(&octets),
                Some("ocsp") => fetched.add_answer(&octets),
                _ => continue,
            };
            if let Err(why) = taken {
                problems.push(format!("{}: {why}", path.display()));
            }
        }
        lock(&watch.state).fetched = fetched;
        problems.extend(watch.read_lists());
        (watch, problems)
    }

    /// What is known now.
    pub fn known(&self) -> Arc<Revocations> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder of lists again if a file came, went or changed; true if so. What is wrong is told in the log.
    pub fn reload_if_changed(&self) -> bool {
        let Some(folder) = &self.lists else { return false };
        if lock(&self.state).seen == Some(look(folder)) {
            return false;
        }
        for problem in self.read_lists() {
            tracing::error!(problem, "a list of revoked certificates is not used");
        }
        true
    }

    /// Fetches what is missing, or ends soon, of these; true if something new is known. Never takes longer than the budget for each thing
    /// and twice that in all for one certificate's; many are fetched one after the other.
    pub async fn learn(&self, wanted: &[Asks], at: UnixTime) -> bool {
        let Some(http) = &self.http else { return false };
        let mut done = BTreeSet::new();
        let mut learned = false;
        for asks in wanted.iter().take(MOST_AT_ONCE) {
            for ask in &asks.asks {
                if !done.insert(ask.clone()) || !self.is_due(ask, at) {
                    continue;
                }
                let got = self.fetch(http, asks, ask, at).await;
                lock(&self.state).asked.insert(ask.clone(), (at, got.is_ok()));
                match got {
                    Ok(()) => {
                        learned = true;
                        break;
                    }
                    Err(why) => tracing::warn!(url = url_of(ask), why, "revocation could not be learned there"),
                }
            }
        }
        if learned {
            self.publish();
        }
        learned
    }

    /// For certificates that a look-up brought: asks what must be asked, and gives the trust by which they are to be judged now.
    pub async fn trust_for(&self, certificates: &[Vec<u8>], trust: &Trust, at: UnixTime) -> Trust {
        let trust = trust.with_revocations(self.known());
        let wanted: Vec<Asks> = certificates.iter().flat_map(|der| trust::asks(der, at, &trust)).collect();
        match self.learn(&wanted, at).await {
            true => trust.with_revocations(self.known()),
            false => trust,
        }
    }

    /// The moment for which something must be known: a little later than now, so that it is renewed before it ends.
    pub fn ahead(&self, at: UnixTime) -> UnixTime {
        at.plus(self.renew_before)
    }

    fn is_due(&self, ask: &Ask, at: UnixTime) -> bool {
        match lock(&self.state).asked.get(ask) {
            Some((asked, true)) => at >= asked.plus(AGAIN_AFTER_ANSWER),
            Some((asked, false)) => at >= asked.plus(AGAIN_AFTER_FAILURE),
            None => true,
        }
    }

    async fn fetch(&self, http: &Http, asks: &Asks, ask: &Ask, at: UnixTime) -> Result<(), String> {
        let url = Url::parse(url_of(ask)).map_err(|why| why.to_string())?;
        let question = match ask {
            Ask::List { .. } => Question::get(url).at_most(crl::LARGEST),
            Ask::Responder { request, .. } => {
                let question = Question::post(url, "application/ocsp-request", request.clone());
                question.at_most(ocsp::LARGEST).accepting("application/ocsp-response")
            }
        };
        // Both are signed in themselves, and stand at http:// so that a TLS certificate's revocation needs no TLS.
        let answer = http.ask(question.also_plain().within(self.budget)).await.map_err(|why| why.to_string())?;
        if answer.status != 200 {
            return Err(format!("the answer is {}", answer.status));
        }
        let octets = match ask {
            Ask::List { .. } => der_of_list(answer.body),
            Ask::Responder { .. } => answer.body,
        };
        let (one, of) = (ask.clone(), asks.clone());
        let told = tokio::task::spawn_blocking(move || {
            let found = of.tell(&one, &octets, at);
            (found, octets)
        });
        let (found, octets) = told.await.map_err(|_| "it could not be read".to_owned())?;
        lock(&self.state).fetched.take_in(found?);
        if let Err(why) = self.keep(ask, &octets) {
            tracing::warn!(%why, "what was fetched of revoked certificates cannot be kept: it is fetched again after a restart");
        }
        Ok(())
    }

    /// One file for each thing asked: the newest takes the place of the one before.
    fn keep(&self, ask: &Ask, octets: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.cache)?;
        let (identity, ending) = match ask {
            Ask::List { url } => (url.clone().into_bytes(), "crl"),
            Ask::Responder { url, request } => ([url.as_bytes(), request].concat(), "ocsp"),
        };
        let hash = digest::digest(&digest::SHA256, &identity);
        let name: String = hash.as_ref().iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        let half = self.cache.join(format!(".{name}.new"));
        fs::write(&half, octets)?;
        fs::rename(half, self.cache.join(format!("{name}.{ending}")))
    }

    fn read_lists(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut lists = Revocations::default();
        if let Some(folder) = &self.lists {
            lock(&self.state).seen = Some(look(folder));
            match files_in(folder) {
                Ok(files) if files.is_empty() => {
                    problems.push(format!("{}: holds no list (*.crl, *.pem)", folder.display()));
                }
                Ok(files) => {
                    for path in files {
                        let taken = read(&path, crl::LARGEST)
                            .map_err(|why| format!("cannot be read ({})", why.kind()))
                            .and_then(|octets| lists.add_list(&der_of_list(octets)));
                        if let Err(why) = taken {
                            problems.push(format!("{}: {why}", path.display()));
                        }
                    }
                }
                Err(why) => problems.push(format!("{}: cannot be read ({})", folder.display(), why.kind())),
            }
        }
        lock(&self.state).from_files = lists;
        self.publish();
        problems
    }

    fn publish(&self) {
        let state = lock(&self.state);
        let known = Arc::new(state.from_files.and(&state.fetched));
        drop(state);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Something and the file it comes from.
pub type OfFile<T> = (PathBuf, T);

/// Certificates of PEM or DER files and of folders of such, each with its file; and what is wrong with them, as sentences.
pub fn read_certificates(paths: &[PathBuf]) -> (Vec<OfFile<Vec<u8>>>, Vec<OfFile<String>>) {
    const LARGEST: usize = 8 * 1024 * 1024;
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let files = match fs::metadata(path) {
            Ok(facts) if facts.is_dir() => certificate_files_in(path),
            Ok(_) => Ok(vec![path.clone()]),
            Err(why) => Err(why),
        };
        let files = match files {
            Ok(files) => files,
            Err(why) => {
                problems.push((path.clone(), format!("cannot be read ({}); write a PEM file or a folder of such", why.kind())));
                continue;
            }
        };
        if files.is_empty() {
            problems.push((path.clone(), "holds no certificate (*.pem, *.crt, *.cer, *.der)".to_owned()));
        }
        for file in files {
            let octets = match read(&file, LARGEST) {
                Ok(octets) => octets,
                Err(why) => {
                    problems.push((file, format!("cannot be read ({})", why.kind())));
                    continue;
                }
            };
            let ders: Vec<Vec<u8>> = match octets.first() {
                Some(0x30) => vec![octets],
                _ => CertificateDer::pem_slice_iter(&octets).map_while(Result::ok).map(|der| der.to_vec()).collect(),
            };
            if ders.is_empty() {
                problems.push((file.clone(), "holds no certificate in PEM or DER".to_owned()));
            }
            found.extend(ders.into_iter().map(|der| (file.clone(), der)));
        }
    }
    (found, problems)
}

fn certificate_files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_certificate = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        ["pem", "crt", "cer", "der"].contains(&ending.as_str())
    };
    Ok(files_in(folder)?.into_iter().filter(is_certificate).collect())
}

fn url_of(ask: &Ask) -> &str {
    match ask {
        Ask::List { url } | Ask::Responder { url, .. } => url,
    }
}

/// PEM is for people; some servers give it all the same.
fn der_of_list(octets: Vec<u8>) -> Vec<u8> {
    match octets.first() {
        Some(0x30) => octets,
        _ => CertificateRevocationListDer::from_pem_slice(&octets).map_or(octets, |der| der.as_ref().to_vec()),
    }
}

fn look(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let files = files_in(folder).unwrap_or_default();
    let facts = files.into_iter().map(|path| {
        let facts = fs::metadata(&path).ok();
        (path, facts.as_ref().and_then(|facts| facts.modified().ok()), facts.map_or(0, |facts| facts.len()))
    });
    facts.collect()
}

/// The visible files of a folder, by name.
fn files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(MOST_FILES) {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = fs::File::open(path)?.take(most as u64 + 1).read_to_end(&mut octets)?;
    if read > most {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "too large"));
    }
    Ok(octets)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

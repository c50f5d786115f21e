//! Turns the data folder into our own keys: what is missing is generated, what is there is read.
//!
//! | file below `data/keys/` | holds |
//! |---|---|
//! | `authority.pem` | the internal certification authority for senders' certificates |
//! | `authority/` | what it gave out and took back |
//! | `senders/<address>.smime.pem`, `.openpgp.asc` | what signs in a sender's name |
//! | `tls.pem` | the listeners' self-signed certificate |
//! | `review.key`, `release.key` | X25519, for what is held |
//! | `counters.key` | HMAC, under which logins and values are counted |
//! | `secrets.key` | AES-256, for the passwords agreed with recipients |
//! | `dkim/<domain>/<selector>.pem` | DKIM keys that the operator did not give |
//! | `dkim/<domain>/rotation.json`, `rotated/` | which of them sign, come and go, and those that came later |
//!
//! What the operator gives goes first: `keys/ours/` (senders' own certificates and OpenPGP keys, or the names of keys in a token),
//! `keys/dkim/<domain>/`.

mod authority;
mod counting;
mod dkim;
mod files;
mod generate;
mod ours;
mod passphrase;
mod pkcs8;
mod register;
mod rotation;
mod secrets;
pub mod token;

pub use authority::{Authority, MOST_LIST_DAYS, Purpose};
pub use counting::counting_key;
pub use dkim::DkimKeys;
pub use generate::{Form, Made};
pub use register::{Issued, Reason, Revoked, hex, unhex};
pub use rotation::{Begun, DkimKey, DkimKind, DkimState, Pace, Sighting, Step};
pub use secrets::{Kept, Secrets};

use crate::dkim::settings::{self as dkim_settings, DomainSettings};
use crate::mail::{Address, Domain, UnixTime};
use crate::protect::{Signers, openpgp, smime};
use crate::world::Clock;
use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use files::IfThere;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use token::Tokens;
use zeroize::Zeroizing;

/// A signer is made anew when its certificate has less than this left.
const RENEWED_BEFORE_END: i64 = 30 * 24 * 60 * 60;
/// Signers kept in memory; the files stay.
const MOST_SIGNERS: usize = 10_000;

/// Our own keys. Its functions read and write files and make RSA keys: call them from a blocking thread.
pub struct Vault {
    folder: PathBuf,
    given_dkim: PathBuf,
    hostname: String,
    clock: Clock,
    ours: ours::Ours,
    tls: Tls,
    review: KeyPair,
    release: KeyPair,
    /// Made when the first sender needs it: half a second of work that a start has no time for.
    authority: Mutex<Option<Arc<Authority>>>,
    signers: Mutex<BTreeMap<Address, Signers>>,
    /// By which a revocation by another process is noticed: what signs may be among it.
    revoked: Mutex<Option<(SystemTime, u64)>>,
    /// Held while a signer is made, so that two messages of one sender make one.
    making: Mutex<()>,
}

/// What a listener needs.
pub struct Tls {
    pub certificates: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Tls {
    fn clone(&self) -> Tls {
        Tls { certificates: self.certificates.clone(), key: self.key.clone_key() }
    }
}

/// X25519, for HPKE (RFC 9180, DHKEM(X25519, HKDF-SHA256)).
#[derive(Clone)]
pub struct KeyPair {
    pub public: [u8; 32],
    pub private: Zeroizing<[u8; 32]>,
}

/// Why the keys cannot be used. The operator's to repair; a message meanwhile gets a 451. Never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("{}: cannot be read ({})", .0.display(), .1)]
    Read(PathBuf, ErrorKind),
    #[error("{}: cannot be written ({})", .0.display(), .1)]
    Write(PathBuf, ErrorKind),
    #[error("{}: others may read this private key; run: chmod 600 '{}'", .0.display(), .0.display())]
    Permissions(PathBuf),
    #[error("{}: belongs to another user, who can replace this private key; run: chown $(id -u) '{}'", .0.display(), .0.display())]
    Owner(PathBuf),
    #[error("{}: {}", .0.display(), .1)]
    Content(PathBuf, &'static str),
    #[error("{}: {}", .0.display(), .1)]
    Token(PathBuf, token::CannotReach),
    #[error("cannot make {0}")]
    Generate(&'static str),
}

/// What `postern check` can say of our own keys without making any.
pub struct Examined {
    /// The gate would not start.
    pub wrong: Vec<VaultError>,
    /// Domains whose DKIM keys will be made.
    pub without_dkim: Vec<Domain>,
    /// Folders of keys into which others may write: what they put there would be believed.
    pub open_to_others: Vec<PathBuf>,
}

/// Reads what is there of `data/keys/` and of the operator's `keys`; writes nothing.
pub fn examine(
    data: &Path,
    keys: &Path,
    tokens: &Tokens,
    domains: &[Domain],
    said: &dkim_settings::Settings,
    now: UnixTime,
) -> Examined {
    let folder = data.join("keys");
    let mut wrong = Vec::new();
    wrong.extend(ours::Ours::read(&keys.join("ours"), tokens, now).err());
    for name in ["tls.pem", "review.key", "release.key", "secrets.key", "counters.key", "authority.pem"] {
        wrong.extend(files::read_private_if_there(&folder.join(name)).err());
    }
    let mut without_dkim = Vec::new();
    for domain in domains {
        let (given, made) = dkim_folders(&keys.join("dkim"), &folder, domain, said.of(domain));
        let selectors = said.of(domain).map(|said| &said.selectors[..]).unwrap_or_default();
        match dkim::present(&given, &made) {
            Ok(files) if files.is_empty() && selectors.is_empty() => without_dkim.push(domain.clone()),
            Ok(files) => {
                let before = wrong.len();
                wrong.extend(files.iter().filter_map(|file| dkim::judge(file).err()));
                // What signs in the end: the row, the two that the settings name.
                if before == wrong.len() {
                    let chosen = match selectors {
                        [] => rotation::signing(&made).map(|row| row.map(|row| row.to_vec()).unwrap_or_default()),
                        selectors => Ok(selectors.to_vec()),
                    };
                    let chosen = chosen.and_then(|chosen| match &chosen[..] {
                        [] => Ok(()),
                        chosen => dkim::chosen(&given, &made, chosen).map(drop),
                    });
                    wrong.extend(chosen.err());
                }
            }
            Err(why) => wrong.push(why),
        }
    }
    match files::files_in(&folder.join("senders"), &["pem", "asc"]) {
        Ok(senders) => wrong.extend(senders.iter().filter_map(|path| files::judge(path).err())),
        Err(why) => wrong.push(why),
    }
    let folders = ["", "recipients", "harvested", "ours", "dkim"].map(|name| keys.join(name));
    let open_to_others = folders.into_iter().chain([folder]).filter(|path| files::is_open_to_others(path)).collect();
    Examined { wrong, without_dkim, open_to_others }
}

/// The DKIM keys of a domain in the order in which they came, each with its state; makes nothing.
pub fn dkim_row(
    data: &Path,
    keys: &Path,
    domain: &Domain,
    said: Option<&DomainSettings>,
    now: UnixTime,
) -> Result<Vec<DkimKey>, VaultError> {
    let (given, made) = dkim_folders(&keys.join("dkim"), &data.join("keys"), domain, said);
    rotation::read(&given, &made, now)
}

/// Where the operator's keys of a domain lie, and where ours do.
fn dkim_folders(given: &Path, folder: &Path, domain: &Domain, said: Option<&DomainSettings>) -> (PathBuf, PathBuf) {
    let given = said.and_then(|said| said.keys.clone()).unwrap_or_else(|| given.join(domain.as_str()));
    (given, folder.join("dkim").join(domain.as_str()))
}

impl Vault {
    /// `data`: the gate's data folder, whose `keys/` is made (0700). `keys`: the operator's key folder, which need not exist.
    /// Reads or makes what every start needs: TLS, review and release keys; reads the keys in `keys/ours/`.
    pub fn open(data: &Path, keys: &Path, hostname: &Domain, clock: Clock) -> Result<Vault, VaultError> {
        Vault::open_with(data, keys, hostname, clock, &Tokens::default())
    }

    /// The same with keys in a token, which key files name.
    pub fn open_with(data: &Path, keys: &Path, hostname: &Domain, clock: Clock, tokens: &Tokens) -> Result<Vault, VaultError> {
        let folder = data.join("keys");
        files::private_folder(&folder)?;
        files::private_folder(&folder.join("senders"))?;
        let now = clock.now();
        Ok(Vault {
            tls: open_tls(&folder.join("tls.pem"), hostname.as_str(), now)?,
            review: open_key_pair(&folder.join("review.key"))?,
            release: open_key_pair(&folder.join("release.key"))?,
            ours: ours::Ours::read(&keys.join("ours"), tokens, now)?,
            given_dkim: keys.join("dkim"),
            hostname: hostname.as_str().to_owned(),
            clock,
            folder,
            authority: Mutex::new(None),
            signers: Mutex::new(BTreeMap::new()),
            revoked: Mutex::new(None),
            making: Mutex::new(()),
        })
    }

    /// The self-signed certificate for `certificate = "auto"`.
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// To what held messages are sealed for reviewers.
    pub fn review_public(&self) -> [u8; 32] {
        self.review.public
    }

    /// For `quarantine show`.
    pub fn review_keys(&self) -> &KeyPair {
        &self.review
    }

    /// For release only.
    pub fn release_keys(&self) -> &KeyPair {
        &self.release
    }

    /// The keys of a domain: the operator's of `keys/dkim/<domain>/`, else ours, made when missing.
    pub fn dkim_keys(&self, domain: &Domain) -> Result<DkimKeys, VaultError> {
        self.dkim_keys_as(domain, None)
    }

    /// The same as `[[dkim.domain]]` says it: from another folder, or two keys by name.
    pub fn dkim_keys_as(&self, domain: &Domain, said: Option<&DomainSettings>) -> Result<DkimKeys, VaultError> {
        let (given, made) = self.dkim_folders(domain, said);
        match said.map(|said| &said.selectors[..]) {
            Some(selectors @ [_, ..]) => dkim::chosen(&given, &made, selectors),
            _ => dkim::open(&given, &made, self.clock.now()),
        }
    }

    /// The DKIM key files that are there already; those that [`Vault::dkim_keys`] makes come on top.
    pub fn dkim_files(&self, domain: &Domain, said: Option<&DomainSettings>) -> Result<Vec<PathBuf>, VaultError> {
        let (given, made) = self.dkim_folders(domain, said);
        dkim::present(&given, &made)
    }

    /// The keys of a domain in the order in which they came, each with its state; makes nothing.
    pub fn dkim_row(&self, domain: &Domain, said: Option<&DomainSettings>) -> Result<Vec<DkimKey>, VaultError> {
        let (given, made) = self.dkim_folders(domain, said);
        rotation::read(&given, &made, self.clock.now())
    }

    /// Makes the keys that are to follow, unless some wait already.
    pub fn dkim_rotate(&self, domain: &Domain, said: Option<&DomainSettings>) -> Result<(Begun, Vec<DkimKey>), VaultError> {
        let (given, made) = self.dkim_folders(domain, said);
        rotation::begin(&given, &made, self.clock.now())
    }

    /// Takes the steps that what was seen in DNS allows, by selector.
    pub fn dkim_advance(
        &self,
        domain: &Domain,
        said: Option<&DomainSettings>,
        seen: &BTreeMap<String, Sighting>,
        pace: Pace,
    ) -> Result<Vec<Step>, VaultError> {
        let (given, made) = self.dkim_folders(domain, said);
        rotation::advance(&given, &made, seen, pace, self.clock.now())
    }

    /// Changes when another process rotates; cheap enough to ask every second.
    pub fn dkim_mark(&self, domain: &Domain) -> Option<(SystemTime, u64)> {
        rotation::mark(&self.folder.join("dkim").join(domain.as_str()))
    }

    fn dkim_folders(&self, domain: &Domain, said: Option<&DomainSettings>) -> (PathBuf, PathBuf) {
        dkim_folders(&self.given_dkim, &self.folder, domain, said)
    }

    /// The internal authority's certificate, for correspondents who want to verify our signatures without a warning.
    pub fn ca_certificate_pem(&self) -> Result<String, VaultError> {
        Ok(to_pem("CERTIFICATE", self.authority()?.certificate()))
    }

    /// What signs for this address: the sender's own certificate and OpenPGP key where the operator gave them, else ones of ours,
    /// made now if need be. `names`: the person's, the first is written into what is made.
    pub fn signers_for(&self, address: &Address, names: &[String]) -> Result<Signers, VaultError> {
        let now = self.clock.now();
        self.forget_signers_after_a_revocation();
        if let Some(signers) = lock(&self.signers).get(address).filter(|signers| lasts(signers, now)) {
            return Ok(signers.clone());
        }
        let _making = lock(&self.making);
        if let Some(signers) = lock(&self.signers).get(address).filter(|signers| lasts(signers, now)) {
            return Ok(signers.clone());
        }
        let name = names.first().map(String::as_str);
        let smime = match self.ours.smime(address, now) {
            Some(signer) => signer,
            None => {
                if self.ours.has_smime(address) {
                    tracing::warn!(%address, "the sender's own certificate in keys/ours is not valid today: one of ours signs");
                }
                Arc::new(self.smime_signer(address, name, now)?)
            }
        };
        let openpgp = match self.ours.openpgp(address) {
            Some(signer) => signer,
            None => Arc::new(self.openpgp_signer(address, name, now)?),
        };
        let signers = Signers { smime: Some(smime), openpgp: Some(openpgp) };
        let mut kept = lock(&self.signers);
        if kept.len() >= MOST_SIGNERS {
            kept.clear();
        }
        kept.insert(address.clone(), signers.clone());
        Ok(signers)
    }

    fn smime_signer(&self, address: &Address, name: Option<&str>, now: UnixTime) -> Result<smime::Signer, VaultError> {
        let path = self.sender_file(address, "smime.pem");
        let authority = self.authority()?;
        let chain = vec![authority.certificate().to_vec()];
        if let Some(pem) = files::read_private_if_there(&path)? {
            let signer = read_signer(&path, &pem, &chain)?;
            if lasts_until(signer.not_after(), now) && !self.is_revoked(&authority, &pem)? {
                return Ok(signer);
            }
        }
        let pem = authority.issue(address, name, now)?;
        files::write_private(&path, pem.as_bytes(), IfThere::Replace)?;
        read_signer(&path, pem.as_bytes(), &chain)
    }

    fn openpgp_signer(&self, address: &Address, name: Option<&str>, now: UnixTime) -> Result<openpgp::Signer, VaultError> {
        let path = self.sender_file(address, "openpgp.asc");
        let key = match files::read_private_if_there(&path)? {
            Some(key) => key,
            None => {
                let key = ours::make_openpgp(address, name, now)?;
                files::write_private(&path, &key, IfThere::Keep)?;
                files::read_private(&path)?
            }
        };
        openpgp::Signer::new(&key, now).map_err(|_| VaultError::Content(path, "holds no OpenPGP key that can sign today"))
    }

    /// Takes back certificates of our authority, by serial number or address; their serial numbers. What signs with one of them signs with
    /// a new one from the next message on.
    pub fn revoke(&self, what: &str, reason: Reason) -> Result<Vec<String>, VaultError> {
        let authority = self.authority()?;
        let now = self.clock.now();
        let gone: Vec<String> = authority.register().revoked()?.into_iter().map(|one| one.serial).collect();
        let mut serials: Vec<String> = match (Address::parse(what), unhex(what)) {
            (Ok(address), _) => {
                let issued = authority.register().issued()?.into_iter();
                issued.filter(|one| one.address == address.key() && one.until > now.0).map(|one| one.serial).collect()
            }
            (Err(_), Some(serial)) => vec![hex(&serial)],
            (Err(_), None) => {
                return Err(VaultError::Generate("a revocation: write an address or a serial number in hexadecimal"));
            }
        };
        serials.retain(|serial| !gone.contains(serial));
        for serial in &serials {
            authority.register().revoke(serial, reason, now)?;
        }
        Ok(serials)
    }

    fn is_revoked(&self, authority: &Authority, pem: &[u8]) -> Result<bool, VaultError> {
        let leaf = CertificateDer::from_pem_slice(pem).ok();
        let leaf = leaf.and_then(|der| <x509_cert::Certificate as der::Decode>::from_der(&der).ok());
        let Some(serial) = leaf.map(|leaf| hex(leaf.tbs_certificate().serial_number().as_bytes())) else { return Ok(false) };
        Ok(authority.register().revoked()?.iter().any(|one| one.serial == serial))
    }

    fn forget_signers_after_a_revocation(&self) {
        let state = register::Register::revoked_state(&self.folder.join("authority"));
        let mut seen = lock(&self.revoked);
        if *seen != state {
            *seen = state;
            lock(&self.signers).clear();
        }
    }

    /// The internal certification authority, made now when there is none yet.
    pub fn authority(&self) -> Result<Arc<Authority>, VaultError> {
        let mut kept = lock(&self.authority);
        if let Some(authority) = &*kept {
            return Ok(authority.clone());
        }
        let opened = Arc::new(Authority::open(&self.folder.join("authority.pem"), &self.hostname, self.clock.now())?);
        *kept = Some(opened.clone());
        Ok(opened)
    }

    fn sender_file(&self, address: &Address, ending: &str) -> PathBuf {
        self.folder.join("senders").join(format!("{}.{ending}", files::name_of(&address.key())))
    }
}

fn open_tls(path: &Path, hostname: &str, now: UnixTime) -> Result<Tls, VaultError> {
    if let Some(pem) = files::read_private_if_there(path)? {
        let tls = read_tls(path, &pem)?;
        if still_fits(&tls, hostname, now) {
            return Ok(tls);
        }
    }
    let pem = authority::make_tls(hostname, now)?;
    files::write_private(path, pem.as_bytes(), IfThere::Replace)?;
    read_tls(path, pem.as_bytes())
}

fn read_tls(path: &Path, pem: &[u8]) -> Result<Tls, VaultError> {
    let damaged =
        |_| VaultError::Content(path.into(), "does not hold a certificate and its key; delete it and it is made anew");
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(damaged)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(damaged)?;
    if certificates.is_empty() {
        return Err(damaged(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(Tls { certificates, key })
}

/// Made for this host name, and not about to end.
fn still_fits(tls: &Tls, hostname: &str, now: UnixTime) -> bool {
    use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};
    let Ok(certificate) = <x509_cert::Certificate as der::Decode>::from_der(&tls.certificates[0]) else { return false };
    let tbs = certificate.tbs_certificate();
    let end = UnixTime(tbs.validity().not_after.to_unix_duration().as_secs() as i64);
    let named = tbs.get_extension::<SubjectAltName>().ok().flatten().is_some_and(|(_, names)| {
        names.0.iter().any(|name| matches!(name, GeneralName::DnsName(dns) if dns.as_str().eq_ignore_ascii_case(hostname)))
    });
    named && lasts_until(end, now)
}

fn read_signer(path: &Path, pem: &[u8], chain: &[Vec<u8>]) -> Result<smime::Signer, VaultError> {
    let damaged = |_| VaultError::Content(path.into(), "does not hold a certificate and its key");
    let leaf = CertificateDer::from_pem_slice(pem).map_err(damaged)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(damaged)?;
    smime::Signer::new(&leaf, chain, &key)
        .map_err(|_| VaultError::Content(path.into(), "holds a certificate that its key does not belong to"))
}

/// 32 octets in base64 on one line.
fn open_key_pair(path: &Path) -> Result<KeyPair, VaultError> {
    if let Some(text) = files::read_private_if_there(path)? {
        return read_key_pair(path, &text);
    }
    const WHAT: VaultError = VaultError::Generate("an X25519 key");
    let key = agreement::PrivateKey::generate(&agreement::X25519).map_err(|_| WHAT)?;
    let seed: Curve25519SeedBin<'static> = key.as_be_bytes().map_err(|_| WHAT)?;
    let text = Zeroizing::new(STANDARD.encode(seed.as_ref()) + "\n");
    files::write_private(path, text.as_bytes(), IfThere::Keep)?;
    read_key_pair(path, &files::read_private(path)?)
}

fn read_key_pair(path: &Path, text: &[u8]) -> Result<KeyPair, VaultError> {
    let damaged = || VaultError::Content(path.into(), "does not hold an X25519 key: 32 octets in base64");
    let octets = Zeroizing::new(STANDARD.decode(text.trim_ascii()).map_err(|_| damaged())?);
    let private = Zeroizing::new(<[u8; 32]>::try_from(octets.as_slice()).map_err(|_| damaged())?);
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &private[..]).map_err(|_| damaged())?;
    let public = key.compute_public_key().map_err(|_| damaged())?;
    Ok(KeyPair { public: <[u8; 32]>::try_from(public.as_ref()).map_err(|_| damaged())?, private })
}

fn lasts(signers: &Signers, now: UnixTime) -> bool {
    signers.smime.as_ref().is_some_and(|signer| lasts_until(signer.not_after(), now))
}

fn lasts_until(end: UnixTime, now: UnixTime) -> bool {
    end > now.plus(RENEWED_BEFORE_END)
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// A thread that died while holding a lock left nothing half done: what is guarded are caches.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

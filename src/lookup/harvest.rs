//! Turns mail that came in into keys of those who wrote it: certificates in S/MIME signatures that hold, and Autocrypt headers.
//!
//! A hint, not a proof: whoever writes to us as somebody else can plant a key this way. So what is found lies in a folder of its own
//! (`keys/harvested/`), counts only where the settings name it, after everything else, and never for addresses of our own domains.

mod signed;

use super::folder::KeyKind;
use super::judge::{Judged, Memory, judge};
use super::source::{Candidate, Given};
use crate::mail::{Address, Domain, RawMessage, UnixTime};
use crate::mime::{self, ParsedMessage};
use crate::protect::trust::Trust;
use crate::protect::{RecipientKey, header_protection};
use base64::Engine as _;
use sequoia_openpgp::serialize::Serialize as _;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What one message offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its author, whose keys these are said to be.
    pub from: Option<Address>,
    /// Its Date, or the time of the harvest where that is later or unreadable.
    pub seen: UnixTime,
    pub keys: Vec<Offered>,
}

/// One key, or why it is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub kind: KeyKind,
    /// Hexadecimal; empty when it could not be read.
    pub fingerprint: String,
    /// As it is stored: PEM or armor.
    pub taken: Result<String, String>,
}

/// What became of one key on its way into the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    /// A newer message had another key of this address.
    Replaced,
    /// The same is there already, or one from a newer message.
    Kept,
}

/// Autocrypt Level 1 §2.1 asks for at most 10 KiB; some are larger.
const AUTOCRYPT_OCTETS: usize = 32 * 1024;
/// Autocrypt fields of one message that are looked at; more than one that counts means that none does.
const AUTOCRYPT_FIELDS: usize = 10;

/// What a message that came in offers. `inside`: our own domains, of whose addresses nobody outside tells us keys.
pub fn offered(raw: &RawMessage, inside: &[Domain], trust: &Trust, now: UnixTime) -> Offer {
    let Ok(message) = mime::parse(raw, &mime::Limits::default()) else {
        return Offer { from: None, seen: now, keys: Vec::new() };
    };
    // Autocrypt Level 1 §2.3 and common sense: a message of two authors says nothing about either.
    let from = match &message.mailboxes("From")[..] {
        [one] if message.fields("From").count() == 1 => one.address.clone(),
        _ => None,
    };
    // A date in the future would keep all later keys out.
    let seen = header_protection::date(&message).map_or(now, |date| UnixTime(date.0.min(now.0)));
    let Some(from) = from else { return Offer { from: None, seen, keys: Vec::new() } };
    let mut keys = signed_keys(&message, &from, trust, now);
    keys.extend(autocrypt_key(&message, &from, trust, now));
    if inside.iter().any(|ours| from.domain().is_within(ours)) {
        for key in &mut keys {
            key.taken = Err("it is for an address of our own domains".to_owned());
        }
    }
    Offer { from: Some(from), seen, keys }
}

fn signed_keys(message: &ParsedMessage<'_>, from: &Address, trust: &Trust, now: UnixTime) -> Vec<Offered> {
    let signed = match signed::certificates(message) {
        None => return Vec::new(),
        Some(Ok(signed)) => signed,
        Some(Err(reason)) => return vec![refused(KeyKind::Smime, reason)],
    };
    let candidates = signed.certificates.into_iter().map(|der| (String::new(), Candidate::Certificate(der))).collect();
    let judged = judge(&Given { candidates, ..Given::default() }, from, trust, now, &Memory::default());
    let of_signer = |der: &[u8]| signed.told.as_ref().filter(|(signer, _)| signer == der).map(|(_, list)| list.clone());
    let offered = judged.into_iter().map(|judged| {
        let told = of_signer(&judged.der);
        let mut offered = written(judged);
        if let (Some(list), Ok(text)) = (told, &mut offered.taken) {
            let list = base64::engine::general_purpose::STANDARD.encode(list);
            // Above the certificate, where readers of PEM look at nothing.
            text.insert_str(0, &format!("{TOLD}{list}\n"));
        }
        offered
    });
    offered.collect()
}

/// Begins a line of a harvested certificate: what its owner's reader said of itself, SMIMECapabilities in base64.
const TOLD: &str = "SMIMECapabilities: ";

/// The capabilities (DER) that stand above a harvested certificate.
pub(super) fn told_in(octets: &[u8]) -> Option<Vec<u8>> {
    let head = &octets[..memchr::memmem::find(octets, b"-----BEGIN ")?];
    let line = std::str::from_utf8(head).ok()?.lines().find_map(|line| line.strip_prefix(TOLD))?;
    base64::engine::general_purpose::STANDARD.decode(line.trim()).ok()
}

/// The one valid Autocrypt field (Level 1 §2.3: two of them make none).
fn autocrypt_key(message: &ParsedMessage<'_>, from: &Address, trust: &Trust, now: UnixTime) -> Option<Offered> {
    if message.top().content_type == "multipart/report" {
        return None;
    }
    let fields: Vec<String> = message.fields("Autocrypt").take(AUTOCRYPT_FIELDS).map(|field| message.written(field)).collect();
    let valid: Vec<Result<Vec<u8>, &str>> = fields.iter().filter_map(|text| keydata(text, from)).collect();
    let octets = match &valid[..] {
        [] => return None,
        [Ok(octets)] => octets.clone(),
        [Err(reason)] => return Some(refused(KeyKind::Openpgp, reason)),
        _ => return Some(refused(KeyKind::Openpgp, "there is more than one Autocrypt field")),
    };
    let given = Given { candidates: vec![(String::new(), Candidate::Openpgp(octets))], ..Given::default() };
    judge(&given, from, trust, now, &Memory::default()).into_iter().next().map(written)
}

/// The key of an Autocrypt field for this author; `None`: it is not for them, or of a later version of Autocrypt.
fn keydata(text: &str, from: &Address) -> Option<Result<Vec<u8>, &'static str>> {
    let (mut addr, mut keydata) = (None, None);
    for attribute in text.split(';') {
        let (name, value) = attribute.split_once('=')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "addr" => addr = Address::parse(value.trim()).ok(),
            "keydata" => keydata = Some(value.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>()),
            "prefer-encrypt" => {}
            other if other.starts_with('_') => {}
            // A critical attribute that is not known makes the whole field one that is not for us.
            _ => return None,
        }
    }
    if addr? != *from {
        return None;
    }
    let keydata = keydata?;
    if keydata.len() > AUTOCRYPT_OCTETS {
        return Some(Err("its Autocrypt key is larger than 24 KiB"));
    }
    Some(base64::engine::general_purpose::STANDARD.decode(keydata).map_err(|_| "its Autocrypt key is no base64"))
}

fn written(judged: Judged) -> Offered {
    let text = judged.key.as_ref().map(|key| match key {
        RecipientKey::Smime(_) => Ok(pem(&judged.der)),
        RecipientKey::Openpgp(certificate) => {
            let mut octets = Vec::new();
            let armored = certificate.certificate().armored().serialize(&mut octets);
            armored.ok().and_then(|()| String::from_utf8(octets).ok()).ok_or_else(|| "it cannot be written".to_owned())
        }
    });
    let reason = judged.report.usable.err().unwrap_or_else(|| "it cannot be used".to_owned());
    Offered { kind: judged.report.kind, fingerprint: judged.report.fingerprint, taken: text.unwrap_or(Err(reason)) }
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn refused(kind: KeyKind, reason: &str) -> Offered {
    Offered { kind, fingerprint: String::new(), taken: Err(reason.to_owned()) }
}

/// The folder of harvested keys: of each address and kind the one from the newest message.
pub struct Granary {
    folder: PathBuf,
    /// Of each file: the newest message it was seen in, and the key.
    held: BTreeMap<String, (UnixTime, String)>,
}

/// Begins the first line of each file; the rest of that line is the time.
const SEEN: &str = "Harvested from a message of ";

impl Granary {
    /// Opens or makes it.
    pub fn open(folder: &Path) -> std::io::Result<Granary> {
        fs::create_dir_all(folder)?;
        let mut held = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            let first = text.lines().next().unwrap_or_default();
            if let Some(seen) = first.strip_prefix(SEEN).and_then(|rest| rest.split(' ').next()?.parse().ok()) {
                held.insert(name, (UnixTime(seen), text.split_once('\n').map_or(String::new(), |(_, key)| key.to_owned())));
            }
        }
        Ok(Granary { folder: folder.to_owned(), held })
    }

    /// Stores one key, whole or not at all. The file's name says nothing that a message chose.
    pub fn store(&mut self, from: &Address, seen: UnixTime, key: &Offered) -> std::io::Result<Stored> {
        let Ok(text) = &key.taken else { return Ok(Stored::Kept) };
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, from.key().as_bytes());
        let hash = hash.as_ref().iter().take(16).fold(String::new(), |text, octet| text + &format!("{octet:02x}"));
        let name = if key.kind == KeyKind::Smime { format!("{hash}.pem") } else { format!("{hash}.asc") };
        let stored = match self.held.get(&name) {
            Some((before, _)) if *before > seen => return Ok(Stored::Kept),
            Some((before, same)) if same == text && *before == seen => return Ok(Stored::Kept),
            Some((_, same)) if same == text => Stored::Kept,
            Some(_) => Stored::Replaced,
            None => Stored::New,
        };
        let half = self.folder.join(format!(".{name}.new"));
        let mut file = fs::File::create(&half)?;
        file.write_all(format!("{SEEN}{} {}\n{text}", seen.0, seen.rfc3339()).as_bytes())?;
        file.sync_all()?;
        fs::rename(&half, self.folder.join(&name))?;
        self.held.insert(name, (seen, text.clone()));
        Ok(stored)
    }
}

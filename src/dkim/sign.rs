//! Turns an outgoing copy and a domain's keys into the copy with two DKIM-Signature fields on top (RFC 6376 §5, RFC 8463).

use super::canonical::{Field, body_hash, fields, relaxed};
use super::{CannotSign, Record};
use crate::mail::{Domain, Outgoing, UnixTime};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// Named once more than they occur, present or not, so that none of them can be added or doubled after us without breaking the
/// signature (RFC 6376 §5.4.2, §8.15: a second From or Subject that a reader shows instead of the signed one).
const OVER_SIGNED: [&str; 12] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
];

/// Signed as often as they occur and no more: a mailing list rightly adds these to a message it otherwise leaves alone
/// (RFC 2369, RFC 2919), and our signature is to survive that. Bcc is in no list: it is gone before we sign.
const SIGNED_IF_PRESENT: [&str; 12] = [
    "Sender",
    "Resent-From",
    "Resent-To",
    "Auto-Submitted",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Help",
    "List-Owner",
    "List-Archive",
];

/// How long a signature is good where nothing else is said: our own spool keeps a copy for five days, the upstream's as long again, and some days are left for
/// the reader; after that a captured message is worth nothing to one who replays it (RFC 6376 §3.5 `x=`, §8.6).
const GOOD_FOR_SECONDS: i64 = 14 * 24 * 3600;

/// Folded lines stay below this many characters (RFC 5322 §2.1.1).
const LINE: usize = 76;

/// The keys of one domain.
pub struct Signer {
    domain: Domain,
    rsa: Key<RsaKeyPair>,
    ed25519: Key<Ed25519KeyPair>,
    /// Seconds; `None`: without `x=`.
    good_for: Option<i64>,
    random: SystemRandom,
}

struct Key<K> {
    selector: String,
    pair: K,
}

/// A new pair of private keys, as [`Signer::new`] takes them.
pub struct Keys {
    pub rsa_pkcs8_pem: Zeroizing<String>,
    pub ed25519_pkcs8_der: Zeroizing<Vec<u8>>,
}

impl Signer {
    /// `rsa_pkcs8_pem`: `-----BEGIN PRIVATE KEY-----`, 2048 to 8192 bits (RFC 8301 §3.2 wants at least 2048 of signers).
    /// `ed25519_pkcs8_der`: PKCS#8 of either version, with or without its public half (RFC 8410).
    pub fn new(
        domain: Domain,
        selector_rsa: &str,
        rsa_pkcs8_pem: &str,
        selector_ed: &str,
        ed25519_pkcs8_der: &[u8],
    ) -> Result<Signer, CannotSign> {
        let no_key = |selector: &str, wanted| CannotSign::Key { domain: domain.clone(), selector: selector.to_owned(), wanted };
        for selector in [selector_rsa, selector_ed] {
            // A selector is a piece of a domain name (RFC 6376 §3.1).
            if selector.len() > 63 || Domain::parse(selector).is_err() {
                return Err(CannotSign::Selector(selector.chars().filter(|c| c.is_ascii_graphic()).take(63).collect()));
            }
        }
        let no_rsa = || no_key(selector_rsa, "RSA key of at least 2048 bits in PKCS#8 PEM");
        let der = PrivatePkcs8KeyDer::from_pem_slice(rsa_pkcs8_pem.as_bytes()).map_err(|_| no_rsa())?;
        let rsa = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| no_rsa())?;
        if rsa.public_modulus_len() < 256 {
            return Err(no_rsa());
        }
        let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(ed25519_pkcs8_der)
            .map_err(|_| no_key(selector_ed, "Ed25519 key in PKCS#8 DER"))?;
        Ok(Signer {
            rsa: Key { selector: selector_rsa.to_ascii_lowercase(), pair: rsa },
            ed25519: Key { selector: selector_ed.to_ascii_lowercase(), pair: ed25519 },
            domain,
            good_for: Some(GOOD_FOR_SECONDS),
            random: SystemRandom::new(),
        })
    }

    /// Signatures that are good for so many seconds; `None`: for ever.
    pub fn good_for(self, good_for: Option<i64>) -> Signer {
        Signer { good_for, ..self }
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What to publish so that verifiers find both public keys.
    pub fn records(&self) -> Result<[Record; 2], CannotSign> {
        let spki: PublicKeyX509Der<'_> = self.rsa.pair.public_key().as_der().map_err(|_| CannotSign::Arithmetic)?;
        let rsa = STANDARD.encode(spki.as_ref());
        let ed25519 = STANDARD.encode(self.ed25519.pair.public_key().as_ref());
        Ok([
            Record::new(&self.rsa.selector, &self.domain, "rsa", &rsa),
            Record::new(&self.ed25519.selector, &self.domain, "ed25519", &ed25519),
        ])
    }

    fn rsa_sha256(&self, octets: &[u8]) -> Result<Vec<u8>, CannotSign> {
        let mut signature = vec![0; self.rsa.pair.public_modulus_len()];
        let done = self.rsa.pair.sign(&RSA_PKCS1_SHA256, &self.random, octets, &mut signature);
        done.map(|()| signature).map_err(|_| CannotSign::Arithmetic)
    }

    /// PureEdDSA over the SHA-256 of what RSA would sign (RFC 8463 §3).
    fn ed25519_sha256(&self, octets: &[u8]) -> Result<Vec<u8>, CannotSign> {
        let hash = digest::digest(&digest::SHA256, octets);
        let signature = self.ed25519.pair.try_sign(hash.as_ref()).map_err(|_| CannotSign::Arithmetic)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl std::fmt::Debug for Signer {
    /// Never the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({}, {}, {})", self.domain, self.rsa.selector, self.ed25519.selector)
    }
}

/// Makes the keys of a first start: RSA of 2048 bits, which still fits every resolver's answer, and Ed25519.
pub fn generate() -> Result<Keys, CannotSign> {
    let failed = |_| CannotSign::Arithmetic;
    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = rsa.as_der().map_err(failed)?;
    let ed25519 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?;
    Ok(Keys { rsa_pkcs8_pem: Zeroizing::new(pem(der.as_ref())), ed25519_pkcs8_der: Zeroizing::new(ed25519.as_ref().to_vec()) })
}

/// Puts the two signatures on top of the copy; nothing else of it changes, and its body is hashed once for both.
///
/// DKIM-Signature fields that are already there stay, ours included: RFC 6376 §4.2 asks signers not to remove any, one that no
/// longer verifies counts for nothing (§6.1), and what need not change leaves byte for byte.
pub fn sign(mut outgoing: Outgoing, signer: &Signer, at: UnixTime) -> Result<Outgoing, CannotSign> {
    let fields = fields(outgoing.raw.header());
    if fields.iter().filter(|field| field.is("From")).count() != 1 {
        return Err(CannotSign::NoFrom);
    }
    let signed = Signed::select(&fields);
    let hash = STANDARD.encode(body_hash(outgoing.raw.body()));
    let text = |algorithm, selector: &str| signed.template(algorithm, signer, selector, at, &hash);

    let rsa = text("rsa-sha256", &signer.rsa.selector);
    let ed25519 = text("ed25519-sha256", &signer.ed25519.selector);
    let mut above = finished(&rsa, &signer.rsa_sha256(&signed.octets_to_sign(&rsa))?);
    above.push_str(&finished(&ed25519, &signer.ed25519_sha256(&signed.octets_to_sign(&ed25519))?));
    outgoing.raw = outgoing.raw.below(above.as_bytes()).map_err(|_| CannotSign::Header)?;
    Ok(outgoing)
}

/// What both signatures cover of the header.
struct Signed {
    /// The `h=` tag's names, in the order in which they are hashed.
    names: Vec<&'static str>,
    /// The relaxed fields, each with its CRLF.
    relaxed: Vec<u8>,
}

impl Signed {
    /// Of a repeated field the lowest is taken first (RFC 6376 §5.4.2); a name without field left stands for nothing.
    fn select(fields: &[Field<'_>]) -> Signed {
        let mut signed = Signed { names: Vec::with_capacity(32), relaxed: Vec::with_capacity(2048) };
        let beyond = OVER_SIGNED.iter().map(|name| (*name, true)).chain(SIGNED_IF_PRESENT.iter().map(|name| (*name, false)));
        for (name, over) in beyond {
            for field in fields.iter().rev().filter(|field| field.is(name)) {
                signed.names.push(name);
                relaxed(*field, &mut signed.relaxed);
                signed.relaxed.extend_from_slice(b"\r\n");
            }
            if over {
                signed.names.push(name);
            }
        }
        signed
    }

    /// The field up to and with an empty `b=`.
    fn template(&self, algorithm: &str, signer: &Signer, selector: &str, at: UnixTime, body_hash: &str) -> String {
        let domain = &signer.domain;
        let mut text = format!("DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n\td={domain};\r\n\ts={selector};");
        text.push_str(&format!(" t={};", at.0.max(0)));
        if let Some(seconds) = signer.good_for {
            text.push_str(&format!(" x={};", at.plus(seconds).0.max(0)));
        }
        text.push_str("\r\n\th=");
        let mut column = 10;
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                text.push(':');
            }
            if column + name.len() + 1 > LINE {
                text.push_str("\r\n\t");
                column = 8;
            }
            text.push_str(name);
            column += name.len() + 1;
        }
        text.push_str(&format!(";\r\n\tbh={body_hash};\r\n\tb="));
        text
    }

    /// The selected fields, then the signature's own field with an empty `b=` and without CRLF (RFC 6376 §3.7).
    fn octets_to_sign(&self, template: &str) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.relaxed.len() + template.len());
        octets.extend_from_slice(&self.relaxed);
        if let Some((name, value)) = template.split_once(':') {
            relaxed(Field { name: name.as_bytes(), value: value.as_bytes() }, &mut octets);
        }
        octets
    }
}

fn finished(template: &str, signature: &[u8]) -> String {
    let encoded = STANDARD.encode(signature);
    let mut text = template.to_owned();
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % (LINE - 8) == 0 {
            text.push_str("\r\n\t");
        }
        text.push(c);
    }
    text.push_str("\r\n");
    text
}

fn pem(der: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::Signers;
    use super::*;
    use crate::mail::{Address, Protection, RawMessage};
    use aws_lc_rs::signature;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;

    const AT: UnixTime = UnixTime(1_795_000_000);

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    /// RSA keys take long to make without optimisation: one for all tests.
    fn signer() -> &'static Signer {
        static SIGNER: OnceLock<Signer> = OnceLock::new();
        SIGNER.get_or_init(|| new_signer("example.org"))
    }

    fn new_signer(name: &str) -> Signer {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        let keys = KEYS.get_or_init(|| generate().unwrap());
        Signer::new(domain(name), "r2026", &keys.rsa_pkcs8_pem, "e2026", &keys.ed25519_pkcs8_der).unwrap()
    }

    fn copy(raw: &[u8]) -> Outgoing {
        Outgoing {
            mail_from: Some(Address::parse("alice@example.org").unwrap()),
            recipients: vec![Address::parse("bob@example.net").unwrap()],
            raw: RawMessage::new(raw.to_vec()).unwrap(),
            protection: Protection::None,
            requires_tls: false,
            transport: Default::default(),
        }
    }

    const MESSAGE: &str = "Received: from somewhere\r\nFrom: \"Alice\" <alice@example.org>\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n \
        folded   subject\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain;\r\n\tcharset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nList-Id: <l.example.org>\r\n\r\n\
        Bonjour  \u{e9}t\u{e9} \r\n.\r\n..x\t \r\n\r\nfin \r\n\r\n\r\n";

    /// True: go on. A peer that is missing is left out aloud, or is a failure where peers are required.
    fn have(peer: &str, probe: &mut Command) -> bool {
        let there = probe.stdin(Stdio::null()).output().is_ok_and(|out| out.status.success());
        if !there {
            assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "{peer} is required and missing");
            eprintln!("LEFT OUT: {peer} is not installed");
        }
        there
    }

    fn write_zone(folder: &std::path::Path) {
        let records = signer().records().unwrap();
        let zone: serde_json::Map<_, _> =
            records.into_iter().map(|record| (format!("{}.", record.name), record.text.into())).collect();
        std::fs::write(folder.join("zone.json"), serde_json::Value::Object(zone).to_string()).unwrap();
    }

    /// Asks dkimpy about each message: for each, which signatures (top first) are good.
    fn dkimpy(messages: &[Vec<u8>]) -> Vec<Vec<bool>> {
        let folder = tempfile::tempdir().unwrap();
        write_zone(folder.path());
        for (i, message) in messages.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{i:04}.eml")), message).unwrap();
        }
        let script = r#"
import sys, json, pathlib, dkim
folder = pathlib.Path(sys.argv[1])
zone = json.loads((folder / "zone.json").read_text())
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return zone.get(name, "").encode() or None
for path in sorted(folder.glob("*.eml")):
    message = path.read_bytes()
    answers = []
    for i in range(2):
        try:
            answers.append(bool(dkim.DKIM(message).verify(idx=i, dnsfunc=txt)))
        except dkim.DKIMException as why:
            answers.append(False)
    print(json.dumps(answers))
"#;
        let out = Command::new("python3").arg("-c").arg(script).arg(folder.path()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn replaced(message: &[u8], from: &str, to: &str) -> Vec<u8> {
        let at = memchr::memmem::find(message, from.as_bytes()).unwrap_or_else(|| panic!("{from} is in the message"));
        [&message[..at], to.as_bytes(), &message[at + from.len()..]].concat()
    }

    #[test]
    fn dkimpy_finds_both_signatures_good_and_broken_by_every_change() {
        if !have("dkimpy", Command::new("python3").args(["-c", "import dkim, nacl"])) {
            return;
        }
        let plain = [
            "From: a@example.org\r\n\r\n",
            "From: a@example.org\r\nSubject:\r\n\r\nno final line end",
            "From: a@example.org\r\n",
        ];
        let mut messages: Vec<Vec<u8>> = Vec::new();
        for text in plain.into_iter().chain([MESSAGE]) {
            messages.push(sign(copy(text.as_bytes()), signer(), AT).unwrap().raw.as_bytes().to_vec());
        }
        let good = messages.len();
        let signed = messages[good - 1].clone();
        for (from, to) in [
            ("alice@example.org>\r\nTo", "mallory@example.org>\r\nTo"),
            ("To: bob@", "To: rob@"),
            ("folded   subject", "folded other subject"),
            ("12:00:00", "12:00:01"),
            ("<1@example.org>", "<2@example.org>"),
            ("MIME-Version: 1.0", "MIME-Version: 2.0"),
            ("charset=utf-8", "charset=utf-7"),
            ("Encoding: 8bit", "Encoding: 7bit"),
            ("<l.example.org>", "<m.example.org>"),
            ("Bonjour", "Bonsoir"),
            ("\r\n\r\nfin", "\r\nfin"),
            ("\r\nfin \r\n", "\r\nfin \r\nappended\r\n"),
            ("Received: from", "From: mallory@example.com\r\nReceived: from"),
            ("MIME-Version", "From: mallory@example.com\r\nMIME-Version"),
            ("Received: from", "Subject: other\r\nReceived: from"),
            ("Received: from", "To: other@example.com\r\nReceived: from"),
            ("Received: from", "Cc: added@example.com\r\nReceived: from"),
            ("Received: from", "Date: Sat, 21 Nov 2026 13:00:00 +0000\r\nReceived: from"),
            ("Received: from", "Message-ID: <3@example.org>\r\nReceived: from"),
            ("Received: from", "Reply-To: mallory@example.com\r\nReceived: from"),
            ("Received: from", "MIME-Version: 1.0\r\nReceived: from"),
            ("Received: from", "Content-Type: text/html\r\nReceived: from"),
            ("Received: from", "Content-Transfer-Encoding: base64\r\nReceived: from"),
            ("Received: from", "In-Reply-To: <4@example.org>\r\nReceived: from"),
            ("Received: from", "References: <5@example.org>\r\nReceived: from"),
        ] {
            messages.push(replaced(&signed, from, to));
        }
        let changed = messages.len();
        // What the way may change without harm: trace fields, blanks, a list's fields, a client's older signature.
        for (from, to) in [
            ("Received: from", "Received: by another\r\nReceived: from"),
            ("folded   subject", "folded subject"),
            ("fin \r\n\r\n\r\n", "fin\r\n"),
            ("Received: from", "List-Unsubscribe: <mailto:l@example.com>\r\nReceived: from"),
        ] {
            messages.push(replaced(&signed, from, to));
        }
        let answers = dkimpy(&messages);
        for (i, answer) in answers.iter().enumerate() {
            let wanted = i < good || i >= changed;
            assert_eq!(answer, &vec![wanted; 2], "message {i}:\n{}", String::from_utf8_lossy(&messages[i]));
        }
        assert_eq!(answers.len(), messages.len());
    }

    #[test]
    fn the_copy_below_the_signatures_is_untouched_and_rsa_stands_on_top() {
        let signed = sign(copy(MESSAGE.as_bytes()), signer(), AT).unwrap();
        let octets = signed.raw.as_bytes();
        assert!(octets.ends_with(MESSAGE.as_bytes()));
        let above = std::str::from_utf8(&octets[..octets.len() - MESSAGE.len()]).unwrap();
        let fields = fields(above.as_bytes());
        assert_eq!(fields.len(), 2);
        assert!(fields.iter().all(|field| field.name == b"DKIM-Signature"));
        assert!(above.find("a=rsa-sha256").unwrap() < above.find("a=ed25519-sha256").unwrap());
        assert!(above.lines().all(|line| line.len() <= 78), "{above}");
        assert!(!above.contains("l=") && !above.contains("Bcc"), "{above}");
        assert!(above.contains("t=1795000000; x=1796209600;"), "{above}");
        assert_eq!(above.matches("From:From").count(), 2, "{above}");
    }

    #[test]
    fn the_end_of_a_signature_is_that_of_the_settings() {
        for (good_for, expected) in [(Some(7 * 86_400), "t=1795000000; x=1795604800;\r\n"), (None, "t=1795000000;\r\n")] {
            let signed = sign(copy(MESSAGE.as_bytes()), &new_signer("example.org").good_for(good_for), AT).unwrap();
            let text = String::from_utf8_lossy(signed.raw.header()).into_owned();
            assert_eq!(text.matches(expected).count(), 2, "{text}");
        }
    }

    #[test]
    fn a_running_gate_takes_other_keys_and_signs_with_them_from_then_on() {
        let signers = Signers::new([new_signer("example.org")]);
        let selectors = |signers: &Signers| {
            let signed = signers.sign(copy(MESSAGE.as_bytes()), AT).unwrap();
            let text = String::from_utf8_lossy(signed.raw.header()).into_owned();
            text.split("\ts=").skip(1).map(|rest| rest.split(';').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(selectors(&signers), ["r2026", "e2026"]);
        let keys = generate().unwrap();
        let next = Signer::new(domain("example.org"), "r2027", &keys.rsa_pkcs8_pem, "e2027", &keys.ed25519_pkcs8_der).unwrap();
        signers.replace([next]);
        assert_eq!(selectors(&signers), ["r2027", "e2027"]);
        assert!(signers.of(&domain("example.com")).is_none());
    }

    #[test]
    fn older_signatures_stay_ours_too() {
        let once = sign(copy(MESSAGE.as_bytes()), signer(), AT).unwrap();
        let twice = sign(once.clone(), signer(), AT).unwrap();
        assert!(twice.raw.as_bytes().ends_with(once.raw.as_bytes()));
    }

    #[test]
    fn the_example_of_rfc_8463_is_signed_as_it_is_printed_there() {
        let header = "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n\
            Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
            Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
        let body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
        assert_eq!(STANDARD.encode(body_hash(body.as_bytes())), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");

        let signature_field = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; \
            i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : \
            from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let mut octets = Vec::new();
        for field in fields(header.as_bytes()) {
            relaxed(field, &mut octets);
            octets.extend_from_slice(b"\r\n");
        }
        relaxed(fields(signature_field.as_bytes())[0], &mut octets);
        let seed = STANDARD.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        let pair = signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let made = STANDARD.encode(pair.sign(digest::digest(&digest::SHA256, &octets).as_ref()));
        assert_eq!(made, "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
    }

    #[test]
    fn the_nearest_of_our_domains_signs_and_no_other_does() {
        let signers = Signers::new([new_signer("example.org"), new_signer("sub.example.org")]);
        let d = |from: &str| {
            let signed = signers.sign(copy(format!("From: {from}\r\n\r\n").as_bytes()), AT)?;
            let text = String::from_utf8(signed.raw.as_bytes().to_vec()).unwrap();
            Ok(text.split("d=").nth(1).unwrap().split(';').next().unwrap().to_owned())
        };
        assert_eq!(d("a@example.org"), Ok("example.org".into()));
        assert_eq!(d("a@other.example.org"), Ok("example.org".into()));
        assert_eq!(d("a@deep.sub.example.org"), Ok("sub.example.org".into()));
        assert_eq!(d("a@example.com"), Err(CannotSign::NotOurs(domain("example.com"))));
        assert_eq!(d("a@badexample.org"), Err(CannotSign::NotOurs(domain("badexample.org"))));
        assert_eq!(d("a@example.org, b@example.com"), Err(CannotSign::NotOurs(domain("example.com"))));
        assert_eq!(d("nobody"), Err(CannotSign::NoFrom));
    }

    #[test]
    fn wrong_keys_and_selectors_are_refused_without_showing_them() {
        let keys = generate().unwrap();
        let new =
            |selector: &str, pem: &str, der: &[u8]| Signer::new(domain("example.org"), selector, pem, "e", der).map(|_| ());
        assert_eq!(new("r", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der), Ok(()));
        assert!(new("r", "no key", &keys.ed25519_pkcs8_der).is_err());
        assert!(new("r", &keys.rsa_pkcs8_pem, b"no key").is_err());
        assert!(new("r; d=example.com", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der).is_err());
        assert!(new("", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der).is_err());
        let said = new("r", &keys.rsa_pkcs8_pem[..400], b"").unwrap_err().to_string();
        assert_eq!(said, "the DKIM key r._domainkey.example.org is no RSA key of at least 2048 bits in PKCS#8 PEM");
    }

    /// A name server for one zone and opendkim-testmsg beside it, in a network of their own: that program asks port 53 and nothing else.
    const OPENDKIM: &str = r#"
import json, pathlib, socket, struct, subprocess, sys, threading
folder = pathlib.Path(sys.argv[1])
zone = json.loads((folder / "zone.json").read_text())
def serve(sock):
    while True:
        query, peer = sock.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, text = query[12:at + 5], zone.get(".".join(labels).lower() + ".")
        if text is None:
            sock.sendto(query[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + question, peer)
            continue
        parts = [text[i:i + 255].encode() for i in range(0, len(text), 255)]
        data = b"".join(bytes([len(part)]) + part for part in parts)
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data
        sock.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + answer, peer)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 53))
threading.Thread(target=serve, args=(sock,), daemon=True).start()
for path in sorted(folder.glob("*.eml")):
    done = subprocess.run(["opendkim-testmsg", "-t", str(folder)], input=path.read_bytes(), capture_output=True, timeout=20)
    print(json.dumps([done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")]))
"#;

    #[test]
    fn opendkim_finds_our_signatures_good_and_broken_by_a_change() {
        let found = "command -v opendkim-testmsg && command -v python3 && unshare -mn true";
        if !have("opendkim-testmsg (with the right to a network of its own)", Command::new("sh").args(["-c", found])) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        write_zone(folder.path());
        let signed = sign(copy(MESSAGE.as_bytes()), signer(), AT).unwrap();
        let signed = signed.raw.as_bytes();
        let messages = [
            signed.to_vec(),
            replaced(signed, "Bonjour", "Bonsoir"),
            replaced(signed, "Received: from", "Subject: x\r\nReceived: from"),
        ];
        for (i, message) in messages.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{i:04}.eml")), message).unwrap();
        }
        std::fs::write(folder.path().join("opendkim.py"), OPENDKIM).unwrap();
        std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let inside =
            "ip link set lo up && mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec python3 \"$0/opendkim.py\" \"$0\"";
        let out = Command::new("unshare").args(["-mn", "sh", "-c", inside]).arg(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let answers: Vec<(bool, String)> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let good: Vec<bool> = answers.iter().map(|(good, _)| *good).collect();
        assert_eq!(good, [true, false, false], "{answers:?} {}", String::from_utf8_lossy(&out.stderr));
    }
}

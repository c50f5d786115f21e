//! Turns to foreign verifiers and to the standards' own example: our signatures are good in their eyes, and broken when they must be.

use super::canonical::{body_hash, fields, relaxed};
use super::*;
use crate::mail::{Address, Protection, RawMessage};
use aws_lc_rs::{digest, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// Asks dkimpy about each message: for each, which signatures (top first) are good.
fn dkimpy(messages: &[Vec<u8>]) -> Vec<Vec<bool>> {
    let folder = tempfile::tempdir().unwrap();
    let mut zone = serde_json::Map::new();
    for record in signer().records().unwrap() {
        zone.insert(format!("{}.", record.name), record.text.into());
    }
    std::fs::write(folder.path().join("zone.json"), serde_json::Value::Object(zone).to_string()).unwrap();
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
    let plain =
        ["From: a@example.org\r\n\r\n", "From: a@example.org\r\nSubject:\r\n\r\nno final line end", "From: a@example.org\r\n"];
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
    let new = |selector: &str, pem: &str, der: &[u8]| Signer::new(domain("example.org"), selector, pem, "e", der).map(|_| ());
    assert_eq!(new("r", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der), Ok(()));
    assert!(new("r", "no key", &keys.ed25519_pkcs8_der).is_err());
    assert!(new("r", &keys.rsa_pkcs8_pem, b"no key").is_err());
    assert!(new("r; d=example.com", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der).is_err());
    assert!(new("", &keys.rsa_pkcs8_pem, &keys.ed25519_pkcs8_der).is_err());
    let said = new("r", &keys.rsa_pkcs8_pem[..400], b"").unwrap_err().to_string();
    assert_eq!(said, "the DKIM key r._domainkey.example.org is no RSA key of at least 2048 bits in PKCS#8 PEM");
}

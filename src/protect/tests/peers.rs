//! Foreign software opens what we seal. A peer that is not installed is named and left out; with `POSTERN_REQUIRE_PEERS` set it must
//! be there.

use super::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

/// False when a program is missing, aloud.
fn are_here(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<&&str> = programs.iter().filter(|program| !here(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "{test} is required and {missing:?} is not installed");
    println!("LEFT OUT {test}: not installed: {missing:?}");
    if let Some(list) = std::env::var_os("POSTERN_LEFT_OUT") {
        let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(list, "{test}: not installed: {missing:?}").unwrap();
    }
    false
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        // A short path: gpg-agent's socket has at most 107 octets.
        Bench { folder: tempfile::Builder::new().prefix("p").tempdir_in("/tmp").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, octets: impl AsRef<[u8]>) -> &Bench {
        fs::write(self.path(name), octets).unwrap();
        self
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Runs a command line (words without blanks) in the folder; its home is the folder too.
    fn run(&self, line: &str) -> Output {
        self.run_with(line, "")
    }

    /// The same with a file on its standard input.
    fn run_with(&self, line: &str, input: &str) -> Output {
        let input =
            if input.is_empty() { std::process::Stdio::null() } else { fs::File::open(self.path(input)).unwrap().into() };
        let mut words = line.split_whitespace();
        let output = Command::new(words.next().unwrap())
            .args(words)
            .current_dir(self.folder.path())
            .env("GNUPGHOME", self.folder.path())
            .env("LC_ALL", "C")
            .stdin(input)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{line}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Only the agents of this home.
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.folder.path()).output();
    }
}

fn seal(recipient: &str, key: RecipientKey) -> RawMessage {
    let keys = Keys::from([(address(recipient), LookUp::Usable(vec![key]))]);
    let made = copies(message(), &[(recipient, ENCRYPT)], &keys, &signers_of(&RSA));
    let [Ok(outgoing)] = &made[..] else { panic!("{made:?}") };
    assert!(!shows_canary(outgoing));
    outgoing.raw.clone()
}

/// What the reader must find, octet for octet.
fn expected(purpose: For) -> Vec<u8> {
    let raw = message();
    let parsed = mime::parse(&raw, &Limits::default()).unwrap();
    let entity = mime::write::entity_for_sealing(&parsed).unwrap().octets(b"");
    payload(&parsed, &entity, false, None, &outer(&parsed), purpose).unwrap().as_bytes().to_vec()
}

/// The two parts of a multipart/signed: the signed octets and the decoded signature.
fn signed_parts(entity: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let raw = RawMessage::new(entity).unwrap();
    let parsed = mime::parse(&raw, &Limits::default()).unwrap();
    assert_eq!(parsed.top().content_type, "multipart/signed");
    let [content, signature] = parsed.top().children[..] else { panic!("two parts") };
    let (content, signature) = (&parsed.parts[content], &parsed.parts[signature]);
    (raw.as_bytes()[content.header.start..content.body.end].to_vec(), signature.decoded(&raw).0.into_owned())
}

fn sealed_body(message: &RawMessage) -> Vec<u8> {
    let parsed = mime::parse(message, &Limits::default()).unwrap();
    parsed.top().decoded(message).0.into_owned()
}

fn smime_folder(pair: &Pair, sealed: &RawMessage) -> Bench {
    let bench = Bench::new();
    bench.put("sealed.eml", sealed.as_bytes()).put("recipient.pem", &pair.certificate).put("key.pem", &pair.key);
    bench.put("authority.pem", &RSA.authority.certificate);
    bench
}

#[test]
fn openssl_decrypts_and_verifies_and_finds_the_payload_octet_for_octet() {
    if !are_here("openssl_decrypts_and_verifies", &["openssl"]) {
        return;
    }
    for (recipient, pair) in [("bob@example.org", &RSA.bob_rsa), ("carol@example.net", &RSA.carol_p256)] {
        let bench = smime_folder(pair, &seal(recipient, smime_key(pair)));
        bench.run("openssl cms -decrypt -in sealed.eml -recip recipient.pem -inkey key.pem -out inner");
        bench.run("openssl cms -verify -in inner -CAfile authority.pem -purpose smimesign -out content -signer signer.pem");
        assert_eq!(String::from_utf8(bench.get("content")), String::from_utf8(expected(For::SealedSmime)), "{recipient}");
        let (signed, signature) = signed_parts(&bench.get("inner"));
        assert_eq!(signed, expected(For::SealedSmime));
        let signer = bench.run("openssl x509 -in signer.pem -noout -email").stdout;
        assert_eq!(signer.trim_ascii(), b"alice@example.org");
        // signingTime is the Date.
        bench.put("signature", signature);
        let printed = bench.run("openssl cms -cmsout -print -inform DER -in signature").stdout;
        let printed = String::from_utf8_lossy(&printed);
        assert!(printed.contains("UTCTIME:Nov 21 12:00:00 2026 GMT"), "{printed}");
        assert!(printed.contains("aes-256-cbc"), "capabilities");
    }
}

#[test]
fn nobody_else_can_decrypt_and_an_altered_message_does_not_verify() {
    if !are_here("nobody_else_can_decrypt", &["openssl"]) {
        return;
    }
    let bench = smime_folder(&RSA.alice, &seal("bob@example.org", smime_key(&RSA.bob_rsa)));
    let line = "openssl cms -decrypt -in sealed.eml -recip recipient.pem -inkey key.pem -out inner";
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).current_dir(bench.folder.path()).output().unwrap();
    assert!(!output.status.success() || bench.get("inner") != expected(For::SealedSmime));

    let signed =
        smime::sign(b"Content-Type: text/plain\r\n\r\nhello\r\n", signers_of(&RSA).smime.as_ref().unwrap(), AT).unwrap();
    let altered = String::from_utf8(signed.clone()).unwrap().replacen("hello", "hullo", 1);
    bench.put("good", &signed).put("bad", altered);
    bench.run("openssl cms -verify -in good -CAfile authority.pem -out content");
    let output = Command::new("openssl")
        .args(["cms", "-verify", "-in", "bad", "-CAfile", "authority.pem", "-out", "content"])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn gpgsm_decrypts_and_verifies() {
    if !are_here("gpgsm_decrypts_and_verifies", &["gpgsm", "openssl", "gpg-agent", "gpgconf"]) {
        return;
    }
    let bench = smime_folder(&RSA.bob_rsa, &seal("bob@example.org", smime_key(&RSA.bob_rsa)));
    bench.put("sealed.der", sealed_body(&RawMessage::new(bench.get("sealed.eml")).unwrap()));
    // gpgsm 2.2 reads old PKCS#12 only.
    bench.run("openssl pkcs12 -export -legacy -passout pass:test -inkey key.pem -in recipient.pem -out key.p12");
    bench.put("phrase", "test");
    bench.run_with("gpgsm --batch --quiet --pinentry-mode loopback --passphrase-fd 0 --import key.p12", "phrase");
    bench.run("gpgsm --batch --quiet --import authority.pem");
    let fingerprint = bench.run("openssl x509 -in authority.pem -noout -fingerprint -sha1").stdout;
    let fingerprint = String::from_utf8(fingerprint).unwrap().trim().rsplit('=').next().unwrap().replace(':', "");
    bench.put("trustlist.txt", format!("{fingerprint} S relax\n"));
    bench.run_with(
        "gpgsm --batch --quiet --pinentry-mode loopback --passphrase-fd 0 --decrypt --output inner sealed.der",
        "phrase",
    );
    let (content, signature) = signed_parts(&bench.get("inner"));
    assert_eq!(content, expected(For::SealedSmime));
    bench.put("content", content).put("signature", signature);
    let verified = bench.run("gpgsm --batch --disable-crl-checks --status-fd 1 --verify signature content").stdout;
    let verified = String::from_utf8_lossy(&verified);
    assert!(verified.contains("GOODSIG") && verified.contains("TRUST_FULLY"), "{verified}");
}

#[test]
fn nss_decrypts_and_verifies() {
    if !are_here("nss_decrypts_and_verifies", &["cmsutil", "certutil", "pk12util", "openssl"]) {
        return;
    }
    let bench = smime_folder(&RSA.bob_rsa, &seal("bob@example.org", smime_key(&RSA.bob_rsa)));
    bench.put("sealed.der", sealed_body(&RawMessage::new(bench.get("sealed.eml")).unwrap()));
    bench.run("certutil -N -d sql:. --empty-password");
    bench.run("certutil -A -d sql:. -n authority -t CT,CT, -i authority.pem");
    bench.run("openssl pkcs12 -export -legacy -passout pass:test -name bob -inkey key.pem -in recipient.pem -out key.p12");
    bench.run("pk12util -i key.p12 -d sql:. -W test");
    bench.run("cmsutil -D -d sql:. -i sealed.der -o inner");
    let (content, signature) = signed_parts(&bench.get("inner"));
    assert_eq!(content, expected(For::SealedSmime));
    bench.put("content", content).put("signature", signature);
    let verified = bench.run("cmsutil -D -d sql:. -c content -i signature -h 1 -n -v").stdout;
    let verified = String::from_utf8_lossy(&verified);
    assert!(verified.contains("GoodSignature"), "{verified}");
}

fn gpg_key(bench: &Bench, parameters: &str) -> sequoia_openpgp::Cert {
    use sequoia_openpgp::parse::Parse;
    let lines = format!(
        "%no-protection\n{parameters}\nName-Real: Dave\nName-Email: dave@example.net\nExpire-Date: 0\nCreation-Date: 20261101T000000\n%commit\n"
    );
    bench.put("parameters", lines);
    bench.run("gpg --batch --quiet --gen-key parameters");
    let exported = bench.run("gpg --batch --armor --export dave@example.net").stdout;
    sequoia_openpgp::Cert::from_bytes(&exported).unwrap()
}

#[test]
fn gpg_decrypts_with_its_own_keys_and_finds_the_signature_good() {
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::serialize::SerializeInto;
    if !are_here("gpg_decrypts_with_its_own_keys", &["gpg", "gpg-agent", "gpgconf"]) {
        return;
    }
    for parameters in [
        "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt",
        "Key-Type: RSA\nKey-Length: 3072\nKey-Usage: sign\nSubkey-Type: RSA\nSubkey-Length: 3072\nSubkey-Usage: encrypt",
    ] {
        let bench = Bench::new();
        let cert = gpg_key(&bench, parameters);
        let judged = trust::judge_openpgp("gpg", &cert, AT).unwrap();
        let sealed = seal("dave@example.net", RecipientKey::Openpgp(Arc::new(judged)));
        let parsed = mime::parse(&sealed, &Limits::default()).unwrap();
        assert_eq!(parsed.top().content_type, "multipart/encrypted");
        assert_eq!(parsed.parts.len(), 3);
        bench.put("sealed.asc", parsed.body_of(&parsed.parts[2]));
        let alice = sequoia_openpgp::Cert::from_bytes(&RSA.alice_openpgp).unwrap();
        bench.put("alice.asc", alice.strip_secret_key_material().armored().to_vec().unwrap());
        bench.run("gpg --batch --quiet --import alice.asc");
        let output =
            bench.run("gpg --batch --trust-model always --faked-system-time 20261121T150000 --status-fd 1 --output inner --decrypt sealed.asc");
        let status = String::from_utf8_lossy(&output.stdout);
        for word in ["DECRYPTION_OKAY", "GOODSIG", "VALIDSIG"] {
            assert!(status.contains(word), "{word} {status}");
        }
        assert_eq!(status.matches("ENC_TO").count(), 1, "one recipient: {status}");
        assert_eq!(bench.get("inner"), expected(For::SealedOpenpgp));
        let packets = bench.run("gpg --batch --list-packets sealed.asc").stdout;
        let packets = String::from_utf8_lossy(&packets);
        assert!(!packets.contains("compressed"), "{packets}");
        assert!(packets.contains("mdc_method: 2"), "SEIPDv1 {packets}");
    }
}

#[test]
fn signatures_in_clear_are_verified_by_openssl_and_gpg() {
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::serialize::SerializeInto;
    if !are_here("signatures_in_clear", &["openssl", "gpg", "gpgconf"]) {
        return;
    }
    let sign = Requirements { sign: true, ..NOTHING };
    for prefer in [Prefer::Smime, Prefer::Openpgp] {
        let settings = Settings { prefer, ..Settings::default() };
        let made = copies_with(message(), &[("w@example.net", sign)], &Keys::new(), &signers_of(&RSA), &settings);
        let [Ok(outgoing)] = &made[..] else { panic!("{made:?}") };
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        assert!(parsed.is_signed_by_client());
        assert_eq!(parsed.subject(), mime::parse(&message(), &Limits::default()).unwrap().subject());
        assert_eq!(parsed.fields("MIME-Version").count(), 1);
        let (content, signature) = signed_parts(outgoing.raw.as_bytes());
        assert_eq!(content, expected(For::Signed));
        let bench = Bench::new();
        bench.put("message.eml", outgoing.raw.as_bytes()).put("content", content).put("signature", signature);
        if prefer == Prefer::Smime {
            assert_eq!(parsed.top().parameter("micalg"), Some("sha-256"));
            bench.put("authority.pem", &RSA.authority.certificate);
            bench.run("openssl cms -verify -in message.eml -CAfile authority.pem -out verified");
            assert_eq!(bench.get("verified"), expected(For::Signed));
        } else {
            let alice = sequoia_openpgp::Cert::from_bytes(&RSA.alice_openpgp).unwrap();
            bench.put("alice.asc", alice.strip_secret_key_material().armored().to_vec().unwrap());
            bench.run("gpg --batch --quiet --import alice.asc");
            let output = bench.run("gpg --batch --faked-system-time 20261121T150000 --status-fd 1 --verify signature content");
            let status = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(status.contains("GOODSIG"), "{status}");
            // VALIDSIG's eighth word is the hash: 8 SHA-256, 9 SHA-384, 10 SHA-512 (RFC 9580 §9.5).
            let hash = status.lines().find(|line| line.contains("VALIDSIG")).unwrap().split(' ').nth(9).unwrap().to_owned();
            let micalg = match hash.as_str() {
                "8" => "pgp-sha256",
                "9" => "pgp-sha384",
                "10" => "pgp-sha512",
                other => panic!("{other}"),
            };
            assert_eq!(parsed.top().parameter("micalg"), Some(micalg));
        }
    }
}

#[test]
fn a_version_6_certificate_gets_seipd_2_and_a_version_4_one_never() {
    use sequoia_openpgp::Packet;
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse};
    let made = |profile| {
        let builder = CertBuilder::general_purpose(Some("Eve <eve@example.net>")).set_profile(profile).unwrap();
        builder.set_creation_time(openpgp::system_time(AT.plus(-86_400))).generate().unwrap().0
    };
    for (profile, expected) in [(sequoia_openpgp::Profile::RFC4880, 1), (sequoia_openpgp::Profile::RFC9580, 2)] {
        let judged = trust::judge_openpgp("test", &made(profile), AT).unwrap();
        let sealed = openpgp::encrypt(b"x", &judged, None, AT).unwrap();
        let PacketParserResult::Some(mut parser) = PacketParser::from_bytes(sealed.as_armor()).unwrap() else { panic!() };
        let version = loop {
            if let Packet::SEIP(seip) = &parser.packet {
                break seip.version();
            }
            let (_, PacketParserResult::Some(next)) = parser.next().unwrap() else { panic!("no SEIPD packet") };
            parser = next;
        };
        assert_eq!(version, expected);
    }
}

#[test]
fn a_path_to_an_anchor_is_demanded_once_anchors_are_configured() {
    let anchors = |pem: &str| Trust::new(&[der(pem)], &[]);
    let carol = der(&WORLD.carol_p256.certificate);
    assert!(judge_certificate("test", &carol, AT, &anchors(&WORLD.authority.certificate)).is_ok());
    let other = rcgen::generate_simple_self_signed(vec!["x.example".to_owned()]).unwrap().cert.pem();
    let why = judge_certificate("test", &carol, AT, &anchors(&other)).unwrap_err();
    assert_eq!(why.reason, "no path leads from it to a configured authority");
}

#[test]
fn openssl_verifies_senders_who_have_their_own_elliptic_certificate() {
    if !are_here("openssl_verifies_elliptic_senders", &["openssl"]) {
        return;
    }
    let bench = Bench::new();
    bench.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout k384 -out c384 -subj /CN=Alice -days 3650");
    bench.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k256 -out c256 -subj /CN=Alice -days 3650");
    bench.run("openssl ec -in k256 -out sec1");
    bench.run("openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa8 -out rsa -subj /CN=Alice -days 3650");
    bench.run("openssl rsa -in rsa8 -traditional -out pkcs1");
    for (certificate, key, micalg) in
        [("c384", "k384", "sha-384"), ("c256", "k256", "sha-256"), ("c256", "sec1", "sha-256"), ("rsa", "pkcs1", "sha-256")]
    {
        let key = PrivateKeyDer::from_pem_slice(&bench.get(key)).unwrap();
        let leaf = der(&String::from_utf8(bench.get(certificate)).unwrap());
        let signer = smime::Signer::new(&leaf, &[], &key).unwrap();
        let at = UnixTime(signer.not_after().0 - 86_400 * 3_000);
        bench.put("signed", smime::sign(b"Content-Type: text/plain\r\n\r\nhello\r\n", &signer, at).unwrap());
        assert!(String::from_utf8(bench.get("signed")).unwrap().contains(&format!("micalg={micalg};")));
        bench.run(&format!("openssl cms -verify -in signed -CAfile {certificate} -purpose any -out content"));
        assert_eq!(bench.get("content"), b"Content-Type: text/plain\r\n\r\nhello\r\n");
    }
    let key = PrivateKeyDer::from_pem_slice(&bench.get("k256")).unwrap();
    let leaf = der(&String::from_utf8(bench.get("rsa")).unwrap());
    assert!(smime::Signer::new(&leaf, &[], &key).is_err(), "another's key");
}

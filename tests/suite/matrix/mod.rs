//! Every form in which postern seals, every kind of mail, every foreign reader: what opens, as a table in `target/suite/`, which
//! `tests/run` prints. What a reader cannot do stands in `cannot`, and is tried too.

mod cannot;
mod keys;
mod messages;
mod readers;
mod thunderbird;

use super::peers;
use keys::{Authority, Keyring, P256, P384, RECIPIENT, RSA_2048, RSA_3072, X25519};
use messages::{SENDER, Sample, is_the_original, samples};
use postern::mail::{Address, Identity, Language, Origin, Outgoing, RawMessage, Reference, Submission};
use postern::mime::{self, Limits, write};
use postern::policy::{Decision, Disposition, Requirements, Verdict};
use postern::protect::{self, LookUp, RecipientKey, Settings, Signers};
use readers::{Bouncycastle, Gpg, Gpgsm, Javascript, Nss, Openssl, Reader, Rnp, Servant, Sq};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// As the walk does it: repaired, parsed, decided to be encrypted, sealed.
fn seal(sample: &Sample, key: &RecipientKey, signers: &Signers, settings: &Settings) -> Vec<u8> {
    let sender = Address::parse(SENDER).unwrap();
    let received = RawMessage::new(sample.octets.clone()).unwrap();
    let fixes =
        write::Fixes { received: None, date: keys::now(), message_id: "x@gate.example.org".into(), hops: 9, utf8: false };
    let submission = Submission {
        reference: Reference::from_random([9; 8]),
        identity: Identity::Account {
            login: sender.clone(),
            owns: vec![sender.clone()],
            names: Vec::new(),
            attributes: Default::default(),
        },
        mail_from: Some(sender),
        recipients: vec![keys::recipient()],
        raw: write::repair(&received, &fixes).unwrap(),
        origin: Origin::Inspection,
        received_at: keys::now(),
        requires_tls: false,
        transport: Default::default(),
        language: Language::Fr,
    };
    let parsed = mime::parse(&submission.raw, &Limits::default()).unwrap();
    let requires = Requirements { encrypt: true, hide_subject: true, ..Requirements::default() };
    let verdict = Verdict { recipient: keys::recipient(), disposition: Disposition::Allow, requires, reasons: Vec::new() };
    let decision =
        Decision { disposition: Disposition::Allow, verdicts: vec![verdict], watched: Vec::new(), ruleset: "sha256:0".into() };
    let found = BTreeMap::from([(keys::recipient(), LookUp::Usable(vec![key.clone()]))]);
    let mut copies: Vec<Outgoing> =
        protect::protect(&submission, &parsed, &decision, &found, &protect::container::Passwords::new(), signers, settings)
            .map(Result::unwrap)
            .collect();
    assert_eq!(copies.len(), 1);
    copies.remove(0).raw.as_bytes().to_vec()
}

/// Rows of the table: a form and, for each kind of mail, one mark for each reader.
#[derive(Default)]
struct Table {
    text: String,
    wrong: Vec<String>,
}

impl Table {
    /// One form against all its readers.
    fn rows(
        &mut self,
        form: &str,
        samples: &[&Sample],
        seal: impl Fn(&Sample) -> Vec<u8>,
        readers: &mut [(&'static str, &mut dyn Reader)],
        shown_twice: bool,
    ) {
        for (number, sample) in samples.iter().enumerate() {
            let sealed = seal(sample);
            let _ = write!(self.text, "{form:<26} {:<21}", sample.name);
            for (name, reader) in readers.iter_mut() {
                let width = name.len().max(5);
                // What a reader cannot do is tried on one kind of mail.
                if number > 0 && cannot::reason(name, form).is_some() {
                    let _ = write!(self.text, "  {:<width$}", "-");
                    continue;
                }
                let opened = reader.open(&sealed).and_then(|entity| is_the_original(sample, &entity, shown_twice));
                let mark = match (&opened, cannot::reason(name, form)) {
                    (Ok(()), None) => "ok",
                    (Err(_), Some(_)) => "-",
                    (Ok(()), Some(reason)) => {
                        self.wrong.push(format!("{name} opens {form}, {}: take \"{reason}\" off the list", sample.name));
                        "ok!"
                    }
                    (Err(why), None) => {
                        self.wrong.push(format!("{name} does not open {form}, {}: {why}", sample.name));
                        "WRONG"
                    }
                };
                let _ = write!(self.text, "  {mark:<width$}");
            }
            self.text.push('\n');
        }
    }

    fn finish(self, file: &str, title: &str, readers: &[&str]) {
        let mut whole = format!("{title}\n{:<26} {:<21}", "form", "mail");
        for name in readers {
            let width = name.len().max(5);
            let _ = write!(whole, "  {name:<width$}");
        }
        let _ = write!(whole, "\n{}\nWhat a reader cannot do:\n", self.text);
        for (name, form, reason) in cannot::CANNOT.iter().filter(|(name, ..)| readers.contains(name)) {
            let _ = writeln!(whole, "  {name}: {form}: {reason}");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suite");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), &whole).unwrap();
        println!("{whole}");
        assert!(self.wrong.is_empty(), "{whole}\n{}", self.wrong.join("\n"));
    }
}

const SMIME_READERS: [&str; 4] = ["openssl", "gpgsm", "NSS", "BouncyCastle"];

/// One S/MIME recipient against the four readers.
struct SmimeBench<'a> {
    authority: &'a Authority,
    bouncycastle: Servant,
    table: Table,
    people: usize,
}

/// A form for one person: its name, who signs, with which settings, which kinds of mail.
type Row<'r> = (&'static str, &'r Signers, &'r Settings, &'r [&'r Sample]);

impl SmimeBench<'_> {
    fn rows(&mut self, person: &keys::Certified, rows: &[Row<'_>]) {
        let folder = &self.authority.folder;
        let key = person.judged();
        self.people += 1;
        let (empty, own) = (folder.join("nss"), folder.join(format!("nss-{}", self.people)));
        let (mut gpgsm, mut nss) = (Gpgsm::of(person, self.authority), Nss::of(&empty, &own, person, self.authority));
        let mut openssl = Openssl { folder: folder.clone(), person, authority: self.authority };
        let servant = &mut self.bouncycastle;
        let mut bouncycastle = Bouncycastle { servant, folder: folder.clone(), person, authority: self.authority };
        let mut readers: [(&'static str, &mut dyn Reader); 4] = [
            (SMIME_READERS[0], &mut openssl),
            (SMIME_READERS[1], &mut gpgsm),
            (SMIME_READERS[2], &mut nss),
            (SMIME_READERS[3], &mut bouncycastle),
        ];
        for (form, signers, settings, samples) in rows {
            self.table.rows(form, samples, |sample| seal(sample, &key, signers, settings), &mut readers, true);
        }
    }
}

#[test]
fn every_reader_of_smime_opens_every_form_it_can_and_finds_the_original() {
    let test = "matrix::every_reader_of_smime_opens_every_form_it_can_and_finds_the_original";
    if !peers::are_here(test, &["openssl", "gpgsm", "gpg-agent", "cmsutil", "certutil", "pk12util", "javac"]) {
        return;
    }
    if !Path::new("/usr/share/java/bcpkix.jar").is_file() {
        peers::leave_out(test, "not installed: BouncyCastle");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::make(folder.path());
    let samples = samples(RECIPIENT);
    let all: Vec<&Sample> = samples.iter().collect();
    let some = [&samples[1]];
    let rsa = authority.sender("sender-rsa", RSA_2048);
    let encipher = |name, algorithm| authority.certify(name, RECIPIENT, algorithm, "digitalSignature,keyEncipherment");
    let agree = |name, algorithm| authority.certify(name, RECIPIENT, algorithm, "keyAgreement");
    let (rsa_2048, rsa_3072) = (encipher("rsa2048", RSA_2048), encipher("rsa3072", RSA_3072));
    let (p256, p384) = (agree("p256", P256), agree("p384", P384));
    let (bouncycastle, table) = (Servant::bouncycastle(), Table::default());
    let mut bench = SmimeBench { authority: &authority, bouncycastle, table, people: 0 };
    Nss::empty(&folder.path().join("nss"));

    let usual = Settings::default();
    let with = |text: &str| toml::from_str::<Settings>(text).unwrap();
    let gcm = with("[capabilities]\n'example.net' = ['aes-256-gcm']");
    let oaep = with("[capabilities]\n'claire@example.net' = ['rsa-oaep']");
    let (opaque, pss) = (with("signature = 'opaque'"), with("rsa_signature = 'pss'"));
    let (from_p256, from_p384) = (authority.sender("sender-p256", P256), authority.sender("sender-p384", P384));
    bench.rows(
        &rsa_2048,
        &[
            ("RSA-2048", &rsa, &usual, &all),
            ("RSA-2048, AES-GCM", &rsa, &gcm, &some),
            ("opaque signature", &rsa, &opaque, &some),
            ("RSA-PSS signature", &rsa, &pss, &some),
            ("signed with P-256", &from_p256, &usual, &some),
            ("signed with P-384", &from_p384, &usual, &some),
        ],
    );
    bench.rows(&rsa_3072, &[("RSA-3072", &rsa, &usual, &all), ("RSA-3072, OAEP", &rsa, &oaep, &some)]);
    bench.rows(&p256, &[("P-256", &rsa, &usual, &all), ("P-256, AES-GCM", &rsa, &gcm, &some)]);
    bench.rows(&p384, &[("P-384", &rsa, &usual, &all)]);
    bench.rows(&agree("x25519", X25519), &[("X25519", &rsa, &usual, &some)]);
    bench.table.finish("interop-smime.txt", "S/MIME: opened, seal good, contents the original's", &SMIME_READERS);
}

const OPENPGP_READERS: [&str; 5] = ["gpg", "sq", "rnp", "OpenPGP.js", "OpenPGP.js of Proton"];

#[test]
fn every_reader_of_openpgp_opens_every_form_it_can_and_finds_the_original() {
    let test = "matrix::every_reader_of_openpgp_opens_every_form_it_can_and_finds_the_original";
    if !peers::are_here(test, &["gpg", "gpg-agent", "sq", "rnp", "rnpkeys", "node"]) {
        return;
    }
    let (Some(openpgpjs), Some(proton)) = (readers::npm("openpgp"), readers::npm("@protontech/openpgp")) else {
        peers::leave_out(test, "OpenPGP.js is not installed (tests/run --install)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(RECIPIENT);
    let all: Vec<&Sample> = samples.iter().collect();
    let signer = folder.path().join("signer.asc");
    let signers = keys::openpgp_sender(&signer);
    let (mut javascript, mut proton) = (Servant::javascript(&openpgpjs), Servant::javascript(&proton));
    let rings = [
        ("v4 RSA", Keyring::gnupg(folder.path(), "rsa", "rsa3072", "rsa3072")),
        ("v4 Cv25519", Keyring::gnupg(folder.path(), "cv25519", "ed25519", "cv25519")),
        ("v6", Keyring::javascript(folder.path(), "v6", &mut javascript)),
        ("v6 ML-KEM", Keyring::javascript(folder.path(), "pqc", &mut proton)),
    ];
    let mut table = Table::default();
    for (form, ring) in &rings {
        let (key, signer) = (ring.judged(), signer.as_path());
        let place = |name: &str| folder.path().join(format!("{name} {form}"));
        let folder = folder.path().to_owned();
        let (mut gpg, mut rnp) = (Gpg::of(ring, signer), Rnp::of(&place("rnp"), ring, signer));
        let mut sq = Sq { folder: folder.clone(), ring, signer };
        let mut javascript = Javascript { servant: &mut javascript, folder: folder.clone(), ring, signer };
        let mut proton = Javascript { servant: &mut proton, folder, ring, signer };
        let mut readers: [(&'static str, &mut dyn Reader); 5] = [
            (OPENPGP_READERS[0], &mut gpg),
            (OPENPGP_READERS[1], &mut sq),
            (OPENPGP_READERS[2], &mut rnp),
            (OPENPGP_READERS[3], &mut javascript),
            (OPENPGP_READERS[4], &mut proton),
        ];
        table.rows(form, &all, |sample| seal(sample, &key, &signers, &Settings::default()), &mut readers, false);
    }
    table.finish("interop-openpgp.txt", "OpenPGP: opened, seal good, contents the original's", &OPENPGP_READERS);
}

/// No program of the table knows X25519 in CMS. OpenSSL's arithmetic does, one step after the other, with the shared info of RFC 5753 §7.2
/// written out: X25519, HKDF (RFC 8418 §2.2), AES key wrap, AES-256-CBC.
#[test]
fn what_was_sealed_to_x25519_opens_step_by_step() {
    use cms::enveloped_data::{EnvelopedData, OriginatorIdentifierOrKey, RecipientInfo};
    use der::{Decode, Encode};
    if !peers::are_here("matrix::what_was_sealed_to_x25519_opens_step_by_step", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).unwrap();
        path
    };
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let authority = Authority::make(folder.path());
    let person = authority.certify("x25519", RECIPIENT, X25519, "keyAgreement");
    let samples = samples(RECIPIENT);
    let sealed = seal(&samples[1], &person.judged(), &authority.sender("sender", RSA_2048), &Settings::default());
    let info = cms::content_info::ContentInfo::from_der(&super::readers::der_of(&sealed)).unwrap();
    let enveloped: EnvelopedData = info.content.decode_as().unwrap();
    let [RecipientInfo::Kari(agreed)] = enveloped.recip_infos.0.as_slice() else { panic!("one key agreement") };
    assert_eq!(agreed.key_enc_alg.oid.to_string(), "1.2.840.113549.1.9.16.3.19");
    let OriginatorIdentifierOrKey::OriginatorKey(ephemeral) = &agreed.originator else { panic!("an ephemeral key") };
    assert_eq!(ephemeral.algorithm.oid.to_string(), "1.3.101.110");
    // SubjectPublicKeyInfo of X25519 (RFC 8410 §4).
    let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0][..], ephemeral.public_key.raw_bytes()].concat();
    let public = file("ephemeral.der", &spki);
    let openssl = |arguments: &[&str], input: &[u8]| peers::must(Command::new("openssl").args(arguments), input);
    let key = person.key.display().to_string();
    let secret =
        openssl(&["pkeyutl", "-derive", "-inkey", &key, "-peerkey", &public.display().to_string(), "-peerform", "DER"], b"");
    let shared = "3015300b060960864801650304012da206040400000100";
    let derived =
        ["-kdfopt", "digest:SHA256", "-kdfopt", &format!("hexkey:{}", hex(&secret)), "-kdfopt", &format!("hexinfo:{shared}")];
    let wrapping = openssl(&[&["kdf", "-binary", "-keylen", "32"][..], &derived, &["HKDF"]].concat(), b"");
    let wrapped = agreed.recipient_enc_keys[0].enc_key.as_bytes();
    let content_key = openssl(&["enc", "-d", "-id-aes256-wrap", "-K", &hex(&wrapping), "-iv", "A6A6A6A6A6A6A6A6"], wrapped);
    let content = &enveloped.encrypted_content;
    let iv = content.content_enc_alg.parameters.as_ref().unwrap().to_der().unwrap();
    let signed = openssl(
        &["enc", "-d", "-aes-256-cbc", "-K", &hex(&content_key), "-iv", &hex(&iv[2..])],
        content.encrypted_content.as_ref().unwrap().as_bytes(),
    );
    let authority = authority.own.certificate.display().to_string();
    let entity = openssl(&["cms", "-verify", "-purpose", "smimesign", "-CAfile", &authority], &signed);
    is_the_original(&samples[1], &entity, true).unwrap();
}

/// A reader that is given another's message, or an altered one, says so: the marks of the table mean something.
#[test]
fn no_reader_of_the_matrix_takes_an_altered_message_for_good() {
    let test = "matrix::no_reader_of_the_matrix_takes_an_altered_message_for_good";
    if !peers::are_here(test, &["openssl", "gpg", "gpg-agent", "sq", "rnp", "rnpkeys"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(RECIPIENT);
    let authority = Authority::make(folder.path());
    let person = authority.certify("rsa2048", RECIPIENT, RSA_2048, "keyEncipherment");
    let rsa = authority.sender("sender-rsa", RSA_2048);
    let sealed = seal(&samples[0], &person.judged(), &rsa, &Settings::default());
    let mut openssl = Openssl { folder: folder.path().to_owned(), person: &person, authority: &authority };
    assert!(openssl.open(&sealed).is_ok());
    assert!(openssl.open(&altered(&sealed)).is_err());
    let other = authority.certify("other", RECIPIENT, RSA_2048, "keyEncipherment");
    assert!(Openssl { folder: folder.path().to_owned(), person: &other, authority: &authority }.open(&sealed).is_err());

    let signer = folder.path().join("signer.asc");
    let signers = keys::openpgp_sender(&signer);
    let ring = Keyring::gnupg(folder.path(), "cv25519", "ed25519", "cv25519");
    let sealed = seal(&samples[0], &ring.judged(), &signers, &Settings::default());
    let unsigned = seal(&samples[0], &ring.judged(), &Signers::default(), &Settings::default());
    let mut gpg = Gpg::of(&ring, &signer);
    let mut rnp = Rnp::of(&folder.path().join("rnp"), &ring, &signer);
    let mut sq = Sq { folder: folder.path().to_owned(), ring: &ring, signer: &signer };
    let readers: [&mut dyn Reader; 3] = [&mut gpg, &mut rnp, &mut sq];
    for (number, reader) in readers.into_iter().enumerate() {
        assert!(reader.open(&sealed).is_ok(), "{number}");
        assert!(reader.open(&altered(&sealed)).is_err(), "{number}");
        assert!(reader.open(&unsigned).is_err(), "{number}: a seal was promised");
    }
}

/// One letter in the midst of the base64 is another.
fn altered(sealed: &[u8]) -> Vec<u8> {
    let mut out = sealed.to_vec();
    let middle = out.len() / 2;
    let at = (middle..out.len()).find(|&at| out[at].is_ascii_alphanumeric()).unwrap();
    out[at] = if out[at] == b'A' { b'B' } else { b'A' };
    out
}

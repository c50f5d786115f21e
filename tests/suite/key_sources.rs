//! Keys from real directories: OpenLDAP's slapd, Knot DNS that signs its zones, and mail that OpenSSL signed; through the whole gate.

use super::canary::form_of;
use super::gate::{ALICE, Gate, Setup, contains, message, wait_until};
use super::peers::{self, must};
use super::people::{Algorithm, SmimePerson};
use super::sink::Sink;
use base64::Engine as _;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CANARY: &str = "Schnabeltier42";
const NIR: &str = "numéro de sécurité sociale : 2 85 05 75 116 203 01";
const SOON: Duration = Duration::from_secs(20);

/// A server of other people's, ended when dropped.
pub(super) struct Server {
    pub process: Child,
    pub folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Waits until something listens at the port.
    pub fn start(folder: tempfile::TempDir, mut command: Command, port: u16) -> Server {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap();
        let server = Server { process, folder };
        wait_until(SOON, "the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(super) fn program(name: &str) -> Command {
    Command::new(peers::find(name).expect(name))
}

fn der(person: &SmimePerson) -> Vec<u8> {
    must(Command::new("openssl").args(["x509", "-outform", "DER", "-in"]).arg(&person.certificate), b"")
}

fn base64(octets: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(octets)
}

fn openpgp(address: &str) -> Vec<u8> {
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::serialize::Serialize;
    let made = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let builder = CertBuilder::new().set_creation_time(made).add_transport_encryption_subkey().add_storage_encryption_subkey();
    let mut octets = Vec::new();
    builder.add_userid(address).generate().unwrap().0.serialize(&mut octets).unwrap();
    octets
}

/// What `postern keys find` says: the word of its answer, and each source's line.
fn find(gate: &Gate, address: &str) -> (String, Vec<Value>) {
    let output = gate.command(&["keys", "find", address, "--format", "json"], b"");
    let mut lines: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answer = lines.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let word = answer["answer"].as_str().unwrap().to_owned();
    assert_eq!(output.status.code(), Some(if word == "usable" { 0 } else { 1 }), "{address}");
    (word, lines)
}

fn secret(to: &str) -> Vec<u8> {
    message(to, &format!("Dossier {CANARY}"), &format!("{CANARY}\r\n{NIR}\r\n"))
}

// --- LDAP ------------------------------------------------------------------------------------------------------------------

const SUFFIX: &str = "dc=example,dc=net";

/// slapd with these certificates under `userCertificate;binary`, by address; over StartTLS and LDAPS, for whoever logs in.
fn directory(folder: tempfile::TempDir, people: &[(&str, Vec<Vec<u8>>)]) -> (Server, u16, u16) {
    let path = |name: &str| folder.path().join(name);
    let (plain, secure) = (free_port(), free_port());
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=ldap.example.net", "-addext", "subjectAltName=DNS:ldap.example.net,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    must(openssl.arg("-keyout").arg(path("tls.key")).arg("-out").arg(path("tls.pem")), b"");
    std::fs::create_dir(path("db")).unwrap();
    let config = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {pid}\nTLSCertificateFile {tls}\nTLSCertificateKeyFile {key}\n\
         security simple_bind=128\ndatabase mdb\nmaxsize 10485760\nsuffix \"{SUFFIX}\"\nrootdn \"cn=admin,{SUFFIX}\"\nrootpw admin\n\
         directory {db}\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n",
        pid = path("pid").display(),
        tls = path("tls.pem").display(),
        key = path("tls.key").display(),
        db = path("db").display(),
    );
    std::fs::write(path("slapd.conf"), config).unwrap();
    let mut entries = format!(
        "dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: e\ndc: example\n\n\
         dn: cn=postern,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: postern\nuserPassword: s3same\n\n"
    );
    for (number, (address, certificates)) in people.iter().enumerate() {
        entries += &format!("dn: cn=p{number},{SUFFIX}\nobjectClass: inetOrgPerson\ncn: p{number}\nsn: p\nmail: {address}\n");
        for certificate in certificates {
            entries += &format!("userCertificate;binary:: {}\n", base64(certificate));
        }
        entries.push('\n');
    }
    std::fs::write(path("entries.ldif"), entries).unwrap();
    must(program("slapadd").arg("-f").arg(path("slapd.conf")).arg("-l").arg(path("entries.ldif")), b"");
    let mut slapd = program("slapd");
    let urls = format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}");
    slapd.arg("-f").arg(path("slapd.conf")).args(["-h", &urls, "-d", "0"]);
    (Server::start(folder, slapd, secure), plain, secure)
}

fn asks_ldap(server: &Server, url: &str) -> String {
    std::fs::write(server.path("password"), "s3same\n").unwrap();
    format!(
        "[lookup]\nsources = [\"folder\", \"ldap\"]\nbudget_seconds = 3\n[[lookup.ldap]]\nurl = \"{url}\"\nbase = \"{SUFFIX}\"\n\
         bind_dn = \"cn=postern,{SUFFIX}\"\npassword_file = {:?}\nca = {:?}\n",
        server.path("password"),
        server.path("tls.pem")
    )
}

#[test]
fn certificates_of_a_real_directory_seal_mail_and_a_directory_that_is_away_is_a_451_and_never_clear() {
    if !peers::are_here("key_sources::ldap", &["slapd", "slapadd", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bob = SmimePerson::make(folder.path(), "bob@example.net", Algorithm::P256);
    let star = SmimePerson::make(folder.path(), "star@example.net", Algorithm::P256);
    let people = [
        ("bob@example.net", vec![der(&bob), vec![0x30, 0x03, 0x02, 0x01, 0x01]]),
        ("liar@example.net", vec![der(&star)]),
        ("nothing@example.net", Vec::new()),
    ];
    let (mut server, plain, secure) = directory(tempfile::tempdir().unwrap(), &people);

    let sink = Sink::start();
    let gate = Setup::towards(&sink).with(&asks_ldap(&server, &format!("ldaps://127.0.0.1:{secure}"))).start();
    let (word, sources) = find(&gate, "Bob@example.net");
    assert_eq!((word.as_str(), sources[0]["outcome"].as_str()), ("usable", Some("nothing")), "{sources:?}");
    let ldap = &sources[1];
    assert_eq!((ldap["source"].as_str(), ldap["keys"][0]["usable"].as_bool()), (Some("ldap"), Some(true)), "{ldap}");
    let reason = "a value is neither a certificate nor a PKCS #7 message";
    assert_eq!(ldap["refused"][0]["reason"], reason, "{ldap}");
    for (address, expected) in [
        ("nothing@example.net", None),
        ("nobody@example.net", None),
        // Unescaped, each would find bob.
        ("*@example.net", None),
        ("b*b@example.net", None),
        ("liar@example.net", Some("it is not for this address")),
    ] {
        let (word, sources) = find(&gate, address);
        assert_eq!((word.as_str(), sources[1]["keys"][0]["reason"].as_str()), ("absent", expected), "{address}: {sources:?}");
    }

    let reply = gate.submit(&["bob@example.net"], &secret("bob@example.net"));
    assert!(reply.is_good(), "{reply:?}\n{}", gate.log());
    let taken = sink.wait_for(1, SOON);
    assert!(contains(&taken[0].data, b"smime-type=enveloped-data"), "{}", String::from_utf8_lossy(&taken[0].data));
    // Absence in a directory that answered is "no key": the policy holds it.
    let reply = gate.submit(&["nobody@example.net"], &secret("nobody@example.net"));
    assert!(reply.is_good(), "{reply:?}");

    let started = Setup::default().with(&asks_ldap(&server, &format!("ldap://127.0.0.1:{plain}"))).prepare();
    assert_eq!(find(&started, "bob@example.net").0, "usable", "over StartTLS");
    let distrusted = asks_ldap(&server, &format!("ldaps://127.0.0.1:{secure}")).replace("tls.pem", "other.pem");
    let other = SmimePerson::make(server.folder.path(), "other@example.net", Algorithm::P256);
    assert!(other.certificate.ends_with("other.pem"));
    let distrusted = Setup::default().with(&distrusted).prepare();
    let (word, sources) = find(&distrusted, "bob@example.net");
    assert_eq!(word, "failed");
    assert!(sources[1]["reason"].as_str().unwrap().contains("its certificate is not accepted"), "{sources:?}");
    let wrong = asks_ldap(&server, &format!("ldaps://127.0.0.1:{secure}"));
    std::fs::write(server.path("password"), "wrong\n").unwrap();
    let (word, sources) = find(&Setup::default().with(&wrong).prepare(), "bob@example.net");
    assert_eq!(word, "failed");
    assert!(sources[1]["reason"].as_str().unwrap().contains("bind_dn or its password is wrong"), "{sources:?}");

    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let reply = gate.submit(&["carol@example.net"], &secret("carol@example.net"));
    assert!((reply.code == 451 && reply.text.starts_with("4.4.3")), "{reply:?}\n{}", gate.log());
    // What was found stays good while its server is away.
    let reply = gate.submit(&["bob@example.net"], &secret("bob@example.net"));
    assert!(reply.is_good(), "{reply:?}\n{}", gate.log());
    sink.wait_for(2, SOON);
    for transcript in sink.transcripts() {
        assert_eq!(form_of(CANARY, &transcript), None, "{}", String::from_utf8_lossy(&transcript));
    }
    assert_eq!(form_of(CANARY, gate.log().as_bytes()), None);
}

/// "A changed key from a look-up needs an officer's approval when the old one was still valid": over SMTP, with a directory whose entry is
/// changed while the gate is down, under a policy that would have sent it in clear for want of a key.
#[test]
fn a_directory_whose_key_changes_makes_mail_wait_until_an_officer_approves_and_the_audit_says_who() {
    if !peers::are_here("key_sources::changed", &["slapd", "slapadd", "openssl"]) {
        return;
    }
    let address = "bob@example.net";
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = SmimePerson::make(one.path(), address, Algorithm::P256);
    let second = SmimePerson::make(two.path(), address, Algorithm::P256);
    let (server, _, secure) = directory(tempfile::tempdir().unwrap(), &[(address, vec![der(&first)])]);
    let sink = Sink::start();
    let rules = tempfile::tempdir().unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect");
    std::fs::create_dir(rules.path().join("detect")).unwrap();
    std::fs::copy(shipped.join("iban.toml"), rules.path().join("detect/iban.toml")).unwrap();
    let wished = "default = \"allow\"\n[[policy]]\nid = \"wished\"\ntitle = { fr = \"Si possible\", en = \"Where possible\" }\n\
                  when = { to = \"outside\" }\nthen = \"encrypt_if_possible\"\n";
    std::fs::write(rules.path().join("policy.toml"), wished).unwrap();
    let setup = Setup { rules: Some(rules.path().to_path_buf()), ..Setup::towards(&sink) };
    let mut gate = setup.with(&asks_ldap(&server, &format!("ldaps://127.0.0.1:{secure}"))).start();
    let plain = || message(address, "Dossier", &format!("{CANARY}\r\n"));
    let reply = gate.submit(&[address], &plain());
    assert!(reply.is_good() && !reply.text.contains("retenu"), "{reply:?}\n{}", gate.log());
    sink.wait_for(1, SOON);

    gate.kill();
    drop(server);
    let (server, _, secure) = directory(tempfile::tempdir().unwrap(), &[(address, vec![der(&second)])]);
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let (before, _) = config.split_once("[lookup]").unwrap();
    std::fs::write(gate.config(), format!("{before}{}", asks_ldap(&server, &format!("ldaps://127.0.0.1:{secure}")))).unwrap();
    gate.start();
    let reply = gate.submit(&[address], &plain());
    assert!(reply.is_good() && reply.text.contains("retenu"), "held, neither clear nor to the new key: {reply:?}");
    assert_eq!(find(&gate, address).0, "contested");
    let waiting = gate.command(&["keys", "approve", "--format", "json"], b"");
    let waiting: Value = serde_json::from_slice(&waiting.stdout).unwrap();
    let fingerprint = waiting["fingerprint"].as_str().unwrap();
    let approved = gate.command(&["keys", "approve", fingerprint, "--officer", "dpo"], b"");
    assert!(approved.status.success(), "{}", String::from_utf8_lossy(&approved.stderr));
    let reply = gate.submit(&[address], &plain());
    assert!(reply.is_good() && !reply.text.contains("retenu"), "{reply:?}\n{}", gate.log());
    // Beside them the notice that one was held.
    let to_bob = || sink.taken().into_iter().filter(|taken| taken.recipients.iter().any(|to| to.contains(address)));
    wait_until(SOON, "two are sent", || to_bob().count() == 2);
    std::fs::write(two.path().join("sealed"), to_bob().nth(1).unwrap().data).unwrap();
    let mut open = Command::new("openssl");
    open.args(["cms", "-decrypt", "-in", "sealed", "-recip"]).arg(&second.certificate).arg("-inkey").arg(&second.key);
    must(open.current_dir(two.path()), b"");
    for transcript in sink.transcripts() {
        assert_eq!(form_of(CANARY, &transcript), None, "{}", String::from_utf8_lossy(&transcript));
    }
    wait_until(SOON, "the audit knows that it waited and who approved", || {
        let audit = gate.command(&["audit", "export"], b"");
        contains(&audit.stdout, b"key-waits") && contains(&audit.stdout, b"key-approved") && contains(&audit.stdout, b"\"dpo\"")
    });
}

/// A directory that speaks garbage, drips or is silent costs its budget at most.
#[test]
fn a_hostile_directory_costs_its_budget_at_most() {
    for (name, octets, word) in [
        ("garbage", vec![b'G'; 1_000_000], "absent"),
        ("a length without end", vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "absent"),
        ("nested", [0x30, 0x82].repeat(500_000), "absent"),
        ("silence", Vec::new(), "failed"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            use std::io::Write;
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(&octets);
                std::thread::sleep(Duration::from_secs(20));
            }
        });
        let more = format!(
            "[lookup]\nsources = [\"folder\", \"ldap\"]\nbudget_seconds = 1\n[[lookup.ldap]]\nurl = \"ldap://127.0.0.1:{port}\"\n\
             base = \"o=x\"\nclear = true\n"
        );
        let gate = Setup::default().with(&more).prepare();
        let began = Instant::now();
        let (said, sources) = find(&gate, "bob@example.net");
        assert_eq!(said, word, "{name}: {sources:?}");
        let took = sources[1]["took_ms"].as_f64().unwrap();
        assert!(took < 1_500.0 && began.elapsed() < SOON, "{name}: {took} ms");
    }
}

// --- DNS -------------------------------------------------------------------------------------------------------------------

const ZONES: [&str; 3] = ["signed", "unsigned", "bogus"];

fn owner(local: &str, label: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, local.as_bytes());
    let hash: String = hash.as_ref()[..28].iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{hash}.{label}")
}

/// Knot with a signed root, a signed zone, an unsigned one, and one whose keys are not those that the root vouches for.
fn signing_server(folder: tempfile::TempDir, port: u16, records: impl Fn(&str) -> String) -> (Server, PathBuf) {
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("db")).unwrap();
    let mut config = format!(
        "server:\n    rundir: {here}\n    user: root:root\n    listen: 127.0.0.1@{port}\ndatabase:\n    storage: {here}/db\n\
         policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    manual: on\n\
         template:\n  - id: default\n    storage: {here}\n    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    \
         journal-content: all\nzone:\n",
        here = folder.path().display()
    );
    for (zone, file, signed) in [
        (".", "root", true),
        ("signed.test.", "signed", true),
        ("unsigned.test.", "unsigned", false),
        ("bogus.test.", "bogus", true),
    ] {
        config += &format!("  - domain: {zone}\n    file: {file}.zone\n");
        if signed {
            config += "    dnssec-signing: on\n    dnssec-policy: p\n";
        }
    }
    if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap_or(1) != 0 {
        config = config.replace("    user: root:root\n", "");
    }
    std::fs::write(path("knot.conf"), config).unwrap();
    let keymgr = |arguments: &[&str]| {
        String::from_utf8(must(program("keymgr").arg("-c").arg(path("knot.conf")).args(arguments), b"")).unwrap()
    };
    for zone in [".", "signed.test.", "bogus.test."] {
        keymgr(&[zone, "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"]);
    }
    let start = |zone: &str| {
        format!("$TTL 300\n{zone} SOA ns.{zone} root.{zone} 1 3600 600 86400 60\n").replace(" ns.. root.. ", " ns. root. ")
    };
    let mut root = start(".") + ". NS ns.\nns. A 127.0.0.1\n";
    for name in ZONES {
        root += &format!("{name}.test. NS ns.{name}.test.\nns.{name}.test. A 127.0.0.1\n");
        let zone = format!("{name}.test.");
        let text = format!("{}{zone} NS ns.{zone}\nns.{zone} A 127.0.0.1\n$ORIGIN {zone}\n{}", start(&zone), records(name));
        std::fs::write(path(&format!("{name}.zone")), text).unwrap();
    }
    root += keymgr(&["signed.test.", "ds"]).lines().find(|line| line.contains(" 13 2 ")).unwrap();
    root += &format!("\nbogus.test. DS 1234 13 2 {}\n", "ab".repeat(32));
    std::fs::write(path("root.zone"), root).unwrap();
    let anchor = path("anchor.keys");
    std::fs::write(&anchor, keymgr(&[".", "dnskey"])).unwrap();
    let mut knotd = program("knotd");
    knotd.arg("-c").arg(path("knot.conf"));
    (Server::start(folder, knotd, port), anchor)
}

#[test]
fn keys_in_dns_count_only_where_dnssec_proves_them() {
    if !peers::are_here("key_sources::dns", &["knotd", "keymgr", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut people = std::collections::BTreeMap::new();
    for name in ZONES {
        let below = folder.path().join(name);
        std::fs::create_dir(&below).unwrap();
        let person = SmimePerson::make(&below, &format!("bob@{name}.test"), Algorithm::P256);
        people.insert(name, (der(&person), openpgp(&format!("bob@{name}.test"))));
    }
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let port = free_port();
    let (mut server, anchor) = signing_server(tempfile::tempdir().unwrap(), port, |zone| {
        let (certificate, key) = &people[zone];
        format!(
            "{bob_smime} SMIMEA 3 0 0 {certificate}\n{bob_pgp} OPENPGPKEY {key}\n{upper} OPENPGPKEY {key}\n\
             {hash_only} SMIMEA 3 0 1 {hash}\n{junk} OPENPGPKEY {garbage}\n",
            bob_smime = owner("bob", "_smimecert"),
            bob_pgp = owner("bob", "_openpgpkey"),
            upper = owner("Upper", "_openpgpkey"),
            hash_only = owner("hash", "_smimecert"),
            junk = owner("junk", "_openpgpkey"),
            certificate = hex(certificate),
            key = base64(key),
            hash = "ab".repeat(32),
            garbage = base64(&[0x99; 2000]),
        )
    });
    let more = format!(
        "[lookup]\nsources = [\"folder\", \"dns\"]\nbudget_seconds = 5\n[lookup.dns]\nservers = [\"127.0.0.1:{port}\"]\ntrust_anchor = {anchor:?}\n"
    );
    let sink = Sink::start();
    let gate = Setup::towards(&sink).with(&more).start();
    let unsigned = "its domain is not signed with DNSSEC: anybody could have written it";
    for (address, expected, said) in [
        ("bob@signed.test", "usable", ""),
        // Published in lower case only.
        ("BOB@signed.test", "usable", ""),
        ("nobody@signed.test", "absent", "\"outcome\":\"nothing\""),
        ("bob@unsigned.test", "absent", unsigned),
        ("nobody@unsigned.test", "absent", "\"outcome\":\"nothing\""),
        ("bob@bogus.test", "failed", "DNSSEC"),
        ("nobody@bogus.test", "failed", "DNSSEC"),
        ("Upper@signed.test", "absent", "none of its user ids has this address"),
        ("hash@signed.test", "absent", "it holds only the hash of a certificate"),
        ("junk@signed.test", "absent", "it is no OpenPGP certificate"),
        ("bob@nowhere.test", "absent", "\"outcome\":\"nothing\""),
    ] {
        let (word, sources) = find(&gate, address);
        let dns = sources[1].to_string();
        assert_eq!(word, expected, "{address}: {dns}");
        assert!(dns.contains(said), "{address}: {dns}");
    }
    let (_, sources) = find(&gate, "bob@signed.test");
    let kinds: Vec<&str> = sources[1]["keys"].as_array().unwrap().iter().map(|key| key["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"smime") && kinds.contains(&"openpgp"), "{kinds:?}");

    assert!(gate.submit(&["bob@signed.test"], &secret("bob@signed.test")).is_good(), "{}", gate.log());
    let reply = gate.submit(&["bob@bogus.test"], &secret("bob@bogus.test"));
    assert!((reply.code == 451 && reply.text.starts_with("4.4.3")), "{reply:?}");
    sink.wait_for(1, SOON);
    for transcript in sink.transcripts() {
        assert_eq!(form_of(CANARY, &transcript), None);
    }
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let (word, sources) = find(&gate, "carol@signed.test");
    assert_eq!(word, "failed", "{sources:?}");
}

// --- mail that came in -------------------------------------------------------------------------------------------------------

fn came_in(from: &str, fields: &str, body: &str) -> String {
    format!(
        "From: Someone <{from}>\nTo: <{ALICE}>\nSubject: x\nDate: Fri, 20 Nov 2026 10:00:00 +0000\nMessage-ID: <{}@example.net>\n\
         MIME-Version: 1.0\n{fields}\n{body}",
        fields.len() + body.len()
    )
}

/// Signed by OpenSSL, whole or opaque.
fn signed(person: &SmimePerson, from: &str, opaque: bool) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-sign", "-md", "sha256"]).arg("-signer").arg(&person.certificate).arg("-inkey").arg(&person.key);
    if opaque {
        openssl.arg("-nodetach");
    }
    let entity = String::from_utf8(must(&mut openssl, b"Content-Type: text/plain\r\n\r\nBonjour\r\n")).unwrap();
    let (fields, body) = entity.split_once("\n\n").unwrap();
    let fields = fields.replace("MIME-Version: 1.0\n", "");
    came_in(from, &format!("{fields}\n"), body)
}

fn autocrypt(from: &str, named: &str, key: &[u8], times: usize) -> String {
    let lines: Vec<String> = base64(key).as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let field = format!("Autocrypt: addr={named}; prefer-encrypt=mutual; keydata=\n {}\n", lines.join("\n "));
    came_in(from, &field.repeat(times), "Bonjour\n")
}

#[test]
fn mail_that_came_in_gives_keys_that_count_only_where_they_are_named() {
    if !peers::are_here("key_sources::harvest", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = |address: &str| SmimePerson::make(folder.path(), address, Algorithm::P256);
    let (bob, carol, dave, boss) =
        (person("bob@example.net"), person("carol@example.net"), person("dave@example.net"), person("boss@example.org"));
    let inbox = folder.path().join("Maildir");
    for below in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(inbox.join(below)).unwrap();
    }
    let put = |name: &str, text: String| std::fs::write(inbox.join("cur").join(name), text).unwrap();
    put("1", signed(&bob, "bob@example.net", false));
    put("2", signed(&carol, "carol@example.net", true));
    put("3", signed(&dave, "dave@example.net", false).replace("Bonjour", "Bonsoir"));
    put("4", signed(&dave, "erin@example.net", false));
    put("5", signed(&boss, "boss@example.org", false));
    put("6", autocrypt("frank@example.net", "frank@example.net", &openpgp("frank@example.net"), 1));
    put("7", autocrypt("grace@example.net", "frank@example.net", &openpgp("frank@example.net"), 1));
    put("8", autocrypt("heidi@example.net", "heidi@example.net", &openpgp("heidi@example.net"), 2));
    put("9", autocrypt("ivan@example.net", "ivan@example.net", b"garbage", 1));

    let gate = Setup::default().prepare();
    let harvest = || {
        let output = gate.command(&["keys", "harvest", inbox.to_str().unwrap(), "--format", "json"], b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut said: Vec<(String, String, String)> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                (text("address"), text("outcome"), text("reason"))
            })
            .collect();
        said.sort();
        said
    };
    let expected = [
        ("bob@example.net", "taken", ""),
        ("boss@example.org", "refused", "it is for an address of our own domains"),
        ("carol@example.net", "taken", ""),
        ("dave@example.net", "refused", "its signature does not hold"),
        ("erin@example.net", "refused", "it is not for this address"),
        ("frank@example.net", "taken", ""),
        ("heidi@example.net", "refused", "there is more than one Autocrypt field"),
        ("ivan@example.net", "refused", "it is no OpenPGP certificate"),
    ];
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
    assert_eq!(harvest(), expected);
    let again: Vec<_> = expected.iter().filter(|(_, outcome, _)| outcome == "refused").cloned().collect();
    assert_eq!(harvest(), again, "what is there already is not taken again");
    assert_eq!(std::fs::read_dir(gate.path("keys/harvested")).unwrap().count(), 3);

    assert_eq!(find(&gate, "bob@example.net").0, "absent", "not before it is named");
    let text = std::fs::read_to_string(gate.config()).unwrap();
    std::fs::write(gate.config(), format!("{text}\n[lookup]\nsources = [\"folder\", \"harvested\"]\n")).unwrap();
    for (address, word) in [
        ("bob@example.net", "usable"),
        ("carol@example.net", "usable"),
        ("frank@example.net", "usable"),
        ("dave@example.net", "absent"),
        ("erin@example.net", "absent"),
        ("grace@example.net", "absent"),
        ("boss@example.org", "absent"),
    ] {
        assert_eq!(find(&gate, address).0, word, "{address}");
    }
}

#[test]
fn keys_that_end_soon_are_told() {
    if !peers::are_here("key_sources::expire", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bob = SmimePerson::make(folder.path(), "bob@example.net", Algorithm::P256);
    let gate = Setup::default().with_key("bob.pem", bob.certificate_pem()).prepare();
    let days = |days: &str| gate.command(&["keys", "expire", "--days", days, "--format", "json"], b"");
    assert_eq!(days("300").status.code(), Some(0));
    let soon = days("400");
    assert_eq!(soon.status.code(), Some(1));
    assert!(contains(&soon.stdout, b"bob@example.net"), "{}", String::from_utf8_lossy(&soon.stdout));
}

//! Every way to log in, over real sockets and real TLS, against real accounts; and what happens when nobody can be asked.

use super::super::settings::{Listener, Receive};
use super::super::{Accepted, Arrival, Doors, Gatekeeper, Opening, tls};
use super::*;
use crate::accounts::judge::{Answer, Judge, Judged};
use crate::accounts::{Account, NewAccount, Settings};
use crate::mail::{Address, Attributes, Domain, UnixTime};
use crate::store::Store;
use crate::world::Clock;
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::num::NonZeroU32;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const ALICE: &str = "alice@example.org";
/// Known to the judge only.
const OSCAR: &str = "oscar@example.org";
const PASSWORD: &str = "tR7!kwm-zz.Q";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.a-token_of.oscar";

struct House(Accounts);

impl Gatekeeper for House {
    async fn log_in(&self, proof: Proof, peer: IpAddr) -> Result<LoggedIn, Refusal> {
        super::log_in(&self.0, proof, peer).await
    }

    async fn salt(&self, login: &str) -> Result<Salt, Refusal> {
        super::salt(&self.0, login).await
    }

    async fn still(&self, who: &Identity, stamp: &Stamp, language: Language) -> Result<(), Refusal> {
        super::still(&self.0, who, stamp, language).await
    }

    fn offer(&self) -> Offer {
        super::offer(&self.0)
    }

    async fn sender(&self, _: &Identity, _: Language, _: Option<&Address>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn recipient(&self, _: &Identity, _: Language, _: &Address) -> Result<(), Refusal> {
        Ok(())
    }

    async fn submit(&self, _: Arrival) -> Result<Accepted, Refusal> {
        Ok(Accepted::in_a_test("PST-7F3A2CQX9KMD"))
    }
}

/// Knows oscar, by a token, a certificate, and, where it takes them, a password.
#[derive(Default)]
struct Elsewhere {
    takes_passwords: bool,
    down: AtomicBool,
    closed: AtomicBool,
}

impl Elsewhere {
    fn answer(&self, is_right: bool, knows: bool) -> Judged {
        if self.down.load(Ordering::SeqCst) {
            return Judged::Unavailable("connection refused".into());
        }
        let login = Address::parse(OSCAR).unwrap();
        match (knows, is_right && !self.closed.load(Ordering::SeqCst)) {
            (false, _) => Judged::NotMine,
            (true, false) => Judged::Wrong,
            (true, true) => Judged::Right(Box::new(Account {
                owns: vec![login.clone()],
                login,
                names: vec![],
                language: Language::En,
                attributes: Attributes::default(),
            })),
        }
    }
}

impl Judge for Elsewhere {
    fn name(&self) -> &str {
        "elsewhere"
    }

    fn password<'a>(&'a self, login: &'a str, password: &'a [u8], _: IpAddr) -> Answer<'a> {
        Box::pin(async move { self.answer(password == PASSWORD.as_bytes(), login == OSCAR) })
    }

    fn token<'a>(&'a self, login: Option<&'a str>, token: &'a str, _: IpAddr) -> Answer<'a> {
        Box::pin(async move { self.answer(token == TOKEN && login.is_none_or(|login| login == OSCAR), true) })
    }

    fn takes_passwords(&self) -> bool {
        self.takes_passwords
    }

    fn takes_tokens(&self) -> bool {
        true
    }

    fn still<'a>(&'a self, login: &'a Address) -> Answer<'a> {
        Box::pin(async move { self.answer(true, login.to_string() == OSCAR) })
    }
}

struct Served {
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    judge: Arc<Elsewhere>,
    accounts: Accounts,
    certificate: CertificateDer<'static>,
    authority: Issuer<'static, KeyPair>,
    _stop: watch::Sender<bool>,
}

async fn serve(judges: &[&str], judge: Elsewhere) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &crate::store::Settings { reserve_octets: 0, ..Default::default() }).unwrap();
    let settings = Settings {
        judges: judges.iter().map(|name| (*name).to_owned()).collect(),
        memory_kib: 8,
        passes: 1,
        scram_iterations: 4096,
        tries_per_network: 1000,
        tries_per_account_and_network: 1000,
        ..Settings::default()
    };
    let judge = Arc::new(judge);
    let all: [Arc<dyn Judge>; 1] = [judge.clone()];
    let accounts = Accounts::with_judges(store, settings, Clock::set_to(UnixTime(1_795_000_000)), &all).unwrap();
    let alice = NewAccount {
        login: Address::parse(ALICE).unwrap(),
        owns: vec![Address::parse("press@example.org").unwrap()],
        names: vec![],
        language: Language::En,
        attributes: Attributes::default(),
        app_passwords_only: false,
        because: String::new(),
    };
    accounts.add(alice, PASSWORD.as_bytes(), "x").await.unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let people_ca = params.self_signed(&key).unwrap().pem();
    let authority = Issuer::new(params, key);
    let own = rcgen::generate_simple_self_signed(["gate.example.org".to_owned()]).unwrap();
    let server = tls::ServerTls::from_pem(own.cert.pem().as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
    let tls = tls::people_config(&server, people_ca.as_bytes()).unwrap();
    let listener =
        "name = \"here\"\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\nauth = true\npeople_ca = \"given to the test\"";
    let listener: Listener = toml::from_str(listener).unwrap();
    assert_eq!(listener.problems(), Vec::<String>::new());
    let openings = vec![Opening { listener, tls: Some(tls) }];
    let hostname = Domain::parse("gate.example.org").unwrap();
    let receive = Receive { max_failed_logins: 100, ..Receive::default() };
    let doors = Doors::open(openings, receive, hostname, Language::En).await.unwrap();
    let address = doors.addresses()[0].1;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(doors.serve(Arc::new(House(accounts.clone())), stopping));
    std::fs::write(folder.path().join("gate.pem"), own.cert.pem()).unwrap();
    Served { folder, address, judge, accounts, certificate: own.cert.der().clone(), authority, _stop: stop }
}

impl Served {
    /// A certificate for these addresses, and its key in PEM.
    fn certificate_for(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names.iter().map(|name| SanType::Rfc822Name((*name).try_into().unwrap())).collect();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.authority).unwrap(), key)
    }

    async fn connect(&self, names: Option<&[&str]>) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match names {
            None => builder.with_no_client_auth(),
            Some(names) => {
                let (certificate, key) = self.certificate_for(names);
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("gate.example.org").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let mut client = Client { stream, end_point: digest::digest(&digest::SHA256, &self.certificate).as_ref().to_vec() };
        assert!(client.reply().await.starts_with("220"));
        client
    }

    /// As if the disk had failed: what is asked of the accounts cannot be read.
    fn break_store(&self, broken: bool) {
        let db = rusqlite::Connection::open(self.folder.path().join("postern.db")).unwrap();
        let (from, to) = if broken { ("accounts", "away") } else { ("away", "accounts") };
        db.execute_batch(&format!("PRAGMA legacy_alter_table = ON; ALTER TABLE {from} RENAME TO {to};")).unwrap();
    }
}

struct Client {
    stream: TlsStream<TcpStream>,
    end_point: Vec<u8>,
}

impl Client {
    async fn reply(&mut self) -> String {
        let mut said = String::new();
        loop {
            let mut buffer = [0; 4096];
            let reading = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut buffer));
            match reading.await.expect("the server answers") {
                Ok(0) | Err(_) => return said,
                Ok(count) => said.push_str(&String::from_utf8_lossy(&buffer[..count])),
            }
            let last = said.lines().last().unwrap_or_default();
            if said.ends_with("\r\n") && last.as_bytes().get(3) == Some(&b' ') {
                return said;
            }
        }
    }

    async fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    async fn hello(&mut self) -> String {
        self.ask("EHLO desk").await
    }

    /// The last reply of one exchange.
    async fn log_in(&mut self, way: Way, login: &str, secret: &str) -> String {
        let encode = |text: &str| STANDARD.encode(text);
        match way {
            Way::Plain => self.ask(&format!("AUTH PLAIN {}", encode(&format!("\0{login}\0{secret}")))).await,
            Way::Login => {
                self.ask(&format!("AUTH LOGIN {}", encode(login))).await;
                self.ask(&encode(secret)).await
            }
            Way::External => {
                self.ask(&format!("AUTH EXTERNAL {}", if login.is_empty() { "=".into() } else { encode(login) })).await
            }
            Way::Oauthbearer | Way::Xoauth2 => {
                let (name, message) = match way {
                    Way::Oauthbearer => ("OAUTHBEARER", format!("n,a={login},\u{1}auth=Bearer {secret}\u{1}\u{1}")),
                    _ => ("XOAUTH2", format!("user={login}\u{1}auth=Bearer {secret}\u{1}\u{1}")),
                };
                let reply = self.ask(&format!("AUTH {name} {}", encode(&message))).await;
                if reply.starts_with("334") { self.ask("AQ==").await } else { reply }
            }
            Way::Scram(binding) => {
                let (name, header, bound) = match binding {
                    None => ("SCRAM-SHA-256", "n,,".to_owned(), Vec::new()),
                    Some("tls-exporter") => {
                        let (_, connection) = self.stream.get_ref();
                        let exported = connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).unwrap();
                        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,".to_owned(), exported.to_vec())
                    }
                    Some(kind) => ("SCRAM-SHA-256-PLUS", format!("p={kind},,"), self.end_point.clone()),
                };
                let bare = format!("n={login},r=0123456789");
                let challenge = self.ask(&format!("AUTH {name} {}", encode(&format!("{header}{bare}")))).await;
                let Some(challenge) = challenge.trim_end().strip_prefix("334 ") else { return challenge };
                let challenge = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
                let field = |letter: &str| challenge.split(',').find_map(|one| one.strip_prefix(letter)).unwrap();
                let salt = STANDARD.decode(field("s=")).unwrap();
                let mut salted = [0; 32];
                let rounds = NonZeroU32::new(field("i=").parse().unwrap()).unwrap();
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, secret.as_bytes(), &mut salted);
                let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
                let binding = STANDARD.encode([header.as_bytes(), &bound].concat());
                let last = format!("c={binding},r={}", field("r="));
                let message = format!("{bare},{challenge},{last}");
                let key = mac(&salted, b"Client Key");
                let signature = mac(digest::digest(&digest::SHA256, &key).as_ref(), message.as_bytes());
                let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
                let reply = self.ask(&encode(&format!("{last},p={}", STANDARD.encode(proof)))).await;
                let Some(confirmed) = reply.trim_end().strip_prefix("334 ") else { return reply };
                let expected = mac(&mac(&salted, b"Server Key"), message.as_bytes());
                assert_eq!(confirmed, encode(&format!("v={}", STANDARD.encode(expected))), "the gate proves itself");
                self.ask("").await
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Login,
    Scram(Option<&'static str>),
    Oauthbearer,
    Xoauth2,
    External,
}

const PASSWORDS: [Way; 5] =
    [Way::Plain, Way::Login, Way::Scram(None), Way::Scram(Some("tls-exporter")), Way::Scram(Some("tls-server-end-point"))];
const TOKENS: [Way; 2] = [Way::Oauthbearer, Way::Xoauth2];

#[tokio::test]
async fn each_way_in_works_and_is_offered() {
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    let offered = served.connect(Some(&[ALICE])).await.hello().await;
    assert!(offered.contains("AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER XOAUTH2 EXTERNAL"), "{offered}");
    let ways = PASSWORDS.into_iter().map(|way| (way, ALICE, PASSWORD)).chain(TOKENS.into_iter().map(|way| (way, OSCAR, TOKEN)));
    for (way, login, secret) in ways {
        let mut client = served.connect(None).await;
        assert!(!client.hello().await.contains("EXTERNAL"));
        let refused = client.log_in(way, login, &format!("{secret}x")).await;
        assert!(refused.starts_with("535 5.7.8"), "{way:?}: {refused}");
        let refused = client.ask(&format!("MAIL FROM:<{login}>")).await;
        assert!(refused.starts_with("530"), "{way:?}: {refused}");
        let reply = client.log_in(way, login, secret).await;
        assert!(reply.starts_with("235 2.7.0"), "{way:?}: {reply}");
        let reply = client.ask(&format!("MAIL FROM:<{login}>")).await;
        assert!(reply.starts_with("250"), "{way:?}: {reply}");
    }
}

#[tokio::test]
async fn a_certificate_is_a_login_for_the_accounts_it_names_and_their_addresses() {
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    for (names, wanted, reply, sender) in [
        (&[ALICE][..], "", "235", ALICE),
        (&[ALICE], ALICE, "235", ALICE),
        (&[ALICE], "press@example.org", "235", "press@example.org"),
        (&[OSCAR], "", "235", OSCAR),
        (&["nobody@example.org", ALICE], "", "235", ALICE),
        (&[OSCAR, ALICE], ALICE, "235", ALICE),
        (&[OSCAR], ALICE, "535 5.7.8", ""),
        (&["nobody@example.org"], "", "535 5.7.8", ""),
        (&["nobody@example.org"], "nobody@example.org", "535 5.7.8", ""),
        (&["press@example.org"], "", "535 5.7.8", ""),
        (&[], "", "535 5.7.8", ""),
        (&[ALICE], "not an address", "535 5.7.8", ""),
    ] {
        let mut client = served.connect(Some(names)).await;
        client.hello().await;
        let said = client.log_in(Way::External, wanted, "").await;
        assert!(said.starts_with(reply), "{names:?} as {wanted:?}: {said}");
        let said = client.ask(&format!("MAIL FROM:<{sender}>")).await;
        assert!(said.starts_with(if reply == "235" { "250" } else { "530" }), "{names:?} as {wanted:?}: {said}");
    }
    served.accounts.disable(&Address::parse(ALICE).unwrap(), true, "", "x").await.unwrap();
    let mut client = served.connect(Some(&[ALICE])).await;
    client.hello().await;
    assert!(client.log_in(Way::External, "", "").await.starts_with("535 5.7.8"));
}

#[tokio::test]
async fn when_the_store_cannot_be_read_nobody_gets_in_and_open_sessions_wait() {
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    let mut open = served.connect(None).await;
    open.hello().await;
    assert!(open.log_in(Way::Plain, ALICE, PASSWORD).await.starts_with("235"));
    served.break_store(true);
    let mut clients = Vec::new();
    for way in PASSWORDS.into_iter().chain([Way::External]) {
        let mut client = served.connect(Some(&[ALICE])).await;
        client.hello().await;
        for secret in [PASSWORD, "wrong"] {
            let login = if way == Way::External { "" } else { ALICE };
            let reply = client.log_in(way, login, secret).await;
            assert!(reply.starts_with("454 4.7.0"), "{way:?}: {reply}");
        }
        assert!(client.ask(&format!("MAIL FROM:<{ALICE}>")).await.starts_with("530"), "{way:?}");
        clients.push((way, client));
    }
    // Who needs no store to be known is still known.
    let mut oscar = served.connect(None).await;
    oscar.hello().await;
    assert!(oscar.log_in(Way::Xoauth2, OSCAR, TOKEN).await.starts_with("235"));
    let reply = open.ask(&format!("MAIL FROM:<{ALICE}>")).await;
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    served.break_store(false);
    for (way, mut client) in clients {
        let login = if way == Way::External { "" } else { ALICE };
        assert!(client.log_in(way, login, PASSWORD).await.starts_with("235"), "{way:?}, in the same session");
    }
    let reply = open.ask(&format!("MAIL FROM:<{ALICE}>")).await;
    assert!(reply.starts_with("250"), "still logged in: {reply}");
}

#[tokio::test]
async fn when_a_judge_cannot_be_asked_nobody_gets_in_by_the_next_ones_word() {
    // Tokens and certificates of whom only the judge knows; the house's own passwords need it not.
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    served.judge.down.store(true, Ordering::SeqCst);
    for way in TOKENS {
        let mut client = served.connect(None).await;
        client.hello().await;
        let reply = client.log_in(way, OSCAR, TOKEN).await;
        assert!(reply.starts_with("454 4.7.0"), "{way:?}: {reply}");
        assert!(client.ask(&format!("MAIL FROM:<{OSCAR}>")).await.starts_with("530"));
        assert!(client.log_in(Way::Plain, ALICE, PASSWORD).await.starts_with("235"));
    }
    let mut client = served.connect(Some(&[OSCAR])).await;
    client.hello().await;
    assert!(client.log_in(Way::External, "", "").await.starts_with("454 4.7.0"));
    // A directory of passwords, asked first: even those the house knows have to wait.
    for judges in [&["elsewhere", "file"][..], &["elsewhere"]] {
        let served = serve(judges, Elsewhere { takes_passwords: true, ..Elsewhere::default() }).await;
        let mut client = served.connect(None).await;
        assert!(!client.hello().await.contains("SCRAM"), "it proves the house's passwords only");
        served.judge.down.store(true, Ordering::SeqCst);
        for way in [Way::Plain, Way::Login] {
            for login in [ALICE, OSCAR] {
                let reply = client.log_in(way, login, PASSWORD).await;
                assert!(reply.starts_with("454 4.7.0"), "{way:?}: {reply}");
            }
        }
        served.judge.down.store(false, Ordering::SeqCst);
        assert!(client.log_in(Way::Plain, "nobody@example.org", PASSWORD).await.starts_with("535 5.7.8"));
        assert!(client.log_in(Way::Plain, OSCAR, "wrong").await.starts_with("535 5.7.8"));
        assert!(client.log_in(Way::Login, OSCAR, PASSWORD).await.starts_with("235"));
        // Its sessions end when it says so, and wait when it says nothing.
        served.judge.down.store(true, Ordering::SeqCst);
        assert!(client.ask(&format!("MAIL FROM:<{OSCAR}>")).await.starts_with("451 4.3.0"));
        served.judge.down.store(false, Ordering::SeqCst);
        assert!(client.ask(&format!("MAIL FROM:<{OSCAR}>")).await.starts_with("250"));
        served.judge.closed.store(true, Ordering::SeqCst);
        client.ask("RSET").await;
        assert!(client.ask(&format!("MAIL FROM:<{OSCAR}>")).await.starts_with("550 5.7.1"));
    }
}

#[tokio::test]
async fn a_judge_that_is_named_and_not_there_is_an_error_and_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &crate::store::Settings { reserve_octets: 0, ..Default::default() }).unwrap();
    let settings = Settings { judges: vec!["ldap".into(), "file".into()], ..Settings::default() };
    let clock = Clock::system();
    let error = Accounts::with_judges(store.clone(), settings.clone(), clock.clone(), &[]).unwrap_err();
    assert!(error.contains("\"ldap\"") && error.contains("there are: file"), "{error}");
    let accounts = Accounts::new(store, settings, clock).unwrap();
    let peer = IpAddr::from([127, 0, 0, 1]);
    assert_eq!(accounts.log_in(ALICE, b"x", peer).await, Err(LoginRefused::Unavailable));
    assert_eq!(accounts.log_in_by_token(None, "x", peer).await, Err(LoginRefused::Unavailable));
}

#[tokio::test]
async fn who_holds_a_session_open_does_not_outlive_the_account_or_its_password() {
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    let login = Address::parse(ALICE).unwrap();
    let mail = format!("MAIL FROM:<{ALICE}>");
    // At MAIL, at RCPT, at the end of the data; the account is closed, or has another password.
    for (at, change, reply, after) in [
        ("mail", "disable", "550 5.7.1", "530"),
        ("rcpt", "disable", "550 5.7.1", "530"),
        ("data", "disable", "550 5.7.1", "530"),
        ("mail", "passwd", "421 4.7.0", ""),
        ("rcpt", "passwd", "421 4.7.0", ""),
        ("data", "passwd", "421 4.7.0", ""),
    ] {
        let mut client = served.connect(None).await;
        client.hello().await;
        assert!(client.log_in(Way::Plain, ALICE, PASSWORD).await.starts_with("235"), "{at} {change}");
        if at != "mail" {
            assert!(client.ask(&mail).await.starts_with("250"));
        }
        if at == "data" {
            assert!(client.ask("RCPT TO:<bob@example.net>").await.starts_with("250"));
            assert!(client.ask("DATA").await.starts_with("354"));
        }
        match change {
            "disable" => served.accounts.disable(&login, true, "", "x").await.unwrap(),
            _ => served.accounts.passwd(&login, b"another long pass phrase", "x").await.unwrap(),
        }
        if at == "rcpt" {
            // What was found to hold is believed for a second.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        let said = match at {
            "mail" => client.ask(&mail).await,
            "rcpt" => client.ask("RCPT TO:<bob@example.net>").await,
            _ => client.ask("Subject: a\r\n\r\nb\r\n.").await,
        };
        assert!(said.starts_with(reply), "{at} {change}: {said}");
        if after.is_empty() {
            assert_eq!(client.reply().await, "", "{at} {change}: closed");
        } else {
            let said = client.ask(&mail).await;
            assert!(said.starts_with(after), "{at} {change}: {said}");
        }
        match change {
            "disable" => served.accounts.disable(&login, false, "", "x").await.unwrap(),
            _ => served.accounts.passwd(&login, PASSWORD.as_bytes(), "x").await.unwrap(),
        }
    }
}

/// curl as a client of tokens and certificates: foreign code for both ends of what we read.
#[tokio::test]
async fn curl_logs_in_by_token_and_by_certificate() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("LEFT OUT receive::admission: not installed: curl");
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "curl is required");
        return;
    }
    let served = serve(&["file", "elsewhere"], Elsewhere::default()).await;
    let path = |name: &str| served.folder.path().join(name).display().to_string();
    let (certificate, key) = served.certificate_for(&[ALICE]);
    std::fs::write(path("alice.pem"), certificate.pem()).unwrap();
    std::fs::write(path("alice.key"), key.serialize_pem()).unwrap();
    std::fs::write(path("message"), "Subject: a\r\n\r\nb\r\n").unwrap();
    let (pem, alice, alice_key) = (path("gate.pem"), path("alice.pem"), path("alice.key"));
    let by_certificate =
        ["--cert", &alice, "--key", &alice_key, "--user", &format!("{ALICE}:"), "--login-options", "AUTH=EXTERNAL"];
    for (arguments, from, works) in [
        (&["--user", OSCAR, "--oauth2-bearer", TOKEN, "--login-options", "AUTH=OAUTHBEARER"][..], OSCAR, true),
        (&["--user", OSCAR, "--oauth2-bearer", TOKEN, "--login-options", "AUTH=XOAUTH2"], OSCAR, true),
        (&["--user", OSCAR, "--oauth2-bearer", "stale", "--login-options", "AUTH=OAUTHBEARER"], OSCAR, false),
        (&["--user", OSCAR, "--oauth2-bearer", "stale", "--login-options", "AUTH=XOAUTH2"], OSCAR, false),
        (&by_certificate, ALICE, true),
    ] {
        let url = format!("smtps://gate.example.org:{}", served.address.port());
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--cacert", &pem, "--url", &url]);
        curl.args(["--resolve", &format!("gate.example.org:{}:127.0.0.1", served.address.port())]);
        curl.args(["--mail-from", from, "--mail-rcpt", "bob@example.net", "--upload-file", &path("message")]).args(arguments);
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), works, "{arguments:?}: {said}");
        // 67: the login was denied.
        assert!(works || output.status.code() == Some(67), "{arguments:?}: {said}");
    }
}

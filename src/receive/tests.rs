//! The doors over real sockets and real TLS.

use super::settings::{Listener, Receive};
use super::*;
use rustls::pki_types::ServerName;
use rustls_pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// alice with the password `sesame`; keeps what was handed in.
#[derive(Default)]
struct Gate {
    arrivals: Mutex<Vec<Arrival>>,
    /// Where set, a message waits for it before it is answered.
    hold: Option<Notify>,
}

impl Gatekeeper for Gate {
    async fn log_in(&self, login: &str, password: &Zeroizing<Vec<u8>>, peer: IpAddr) -> Result<LoggedIn, Refusal> {
        assert!(peer.is_loopback());
        if login != "alice@example.org" || ***password != *b"sesame" {
            return Err(Refusal::of::<535>(7, 8, "wrong login or password"));
        }
        let login = Address::parse(login).unwrap();
        let identity = Identity::Account { owns: vec![login.clone()], login, names: vec![], attributes: Default::default() };
        Ok(LoggedIn { identity, language: Language::En })
    }

    async fn sender(&self, who: &Identity, _: Language, mail_from: Option<&Address>) -> Result<(), Refusal> {
        assert!(mail_from.is_none_or(|from| who.owns(from)));
        Ok(())
    }

    async fn recipient(&self, _: &Identity, language: Language, recipient: &Address) -> Result<(), Refusal> {
        match (recipient.local(), language) {
            ("unwanted", Language::Fr) => Err(Refusal::of::<550>(7, 1, "indésirable")),
            ("unwanted", Language::En) => Err(Refusal::of::<550>(7, 1, "unwanted")),
            _ => Ok(()),
        }
    }

    async fn submit(&self, arrival: Arrival) -> Result<Accepted, Refusal> {
        if let Some(hold) = &self.hold {
            hold.notified().await;
        }
        self.arrivals.lock().unwrap().push(arrival);
        Ok(Accepted::in_a_test("PST-7F3A2CQX9KMD"))
    }
}

/// A served listener of its own.
struct Served {
    address: SocketAddr,
    gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
}

async fn serve(listener: &str, receive: Receive) -> Served {
    serve_with(listener, receive, Gate::default()).await
}

async fn serve_with(listener: &str, receive: Receive, gate: Gate) -> Served {
    let listener: Listener = toml::from_str(&format!("name = \"here\"\naddress = \"127.0.0.1:0\"\n{listener}")).unwrap();
    assert_eq!(listener.problems(), Vec::<String>::new());
    let certificate = rcgen::generate_simple_self_signed(["gate.example.org".to_owned()]).unwrap();
    let (chain, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let ca = listener.client_ca.is_some().then_some(chain.as_bytes());
    let server = tls::ServerTls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let tls = tls::server_config(&server, ca).unwrap();
    let hostname = crate::mail::Domain::parse("gate.example.org").unwrap();
    let openings = vec![Opening { listener, tls: Some(tls) }];
    let doors = Doors::open(openings, receive, hostname, Language::Fr).await.unwrap();
    let address = doors.addresses()[0].1;
    let gate = Arc::new(gate);
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(doors.serve(gate.clone(), stopping));
    Served { address, gate, stop, serving, certificate }
}

/// A client that reads replies one by one.
struct Client<S> {
    stream: S,
    read: Vec<u8>,
}

impl Served {
    async fn connect(&self) -> Client<TcpStream> {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    async fn secure(
        &self,
        socket: TcpStream,
        own: bool,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> std::io::Result<Client<impl AsyncRead + AsyncWrite + Unpin + use<>>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = if own {
            let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(self.certificate.signing_key.serialize_pem().as_bytes());
            builder.with_client_auth_cert(vec![self.certificate.cert.der().clone()], key.unwrap()).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let name = ServerName::try_from("gate.example.org").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        Ok(Client { stream, read: Vec::new() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One whole reply; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            let mut end = 0;
            for line in text.split_inclusive("\r\n") {
                end += line.len();
                if line.ends_with("\r\n") && line.as_bytes().get(3) != Some(&b'-') {
                    self.read.drain(..end);
                    return text[..end].to_owned();
                }
            }
            let mut buffer = [0; 4096];
            let reading = tokio::time::timeout(Duration::from_secs(5), self.stream.read(&mut buffer));
            match reading.await.expect("the server answers within 5 s") {
                Ok(0) | Err(_) => return String::new(),
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            }
        }
    }

    async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    #[track_caller]
    fn expect(&self, reply: String, beginning: &str) {
        assert!(reply.starts_with(beginning), "wanted {beginning}, got {reply:?}");
    }
}

macro_rules! talk {
    ($client:ident: $($line:expr => $reply:expr),+ $(,)?) => {
        $( let reply = $client.ask($line).await; $client.expect(reply, $reply); )+
    };
}

macro_rules! hears {
    ($client:ident: $($reply:expr),+) => { $( let reply = $client.reply().await; $client.expect(reply, $reply); )+ };
}

const SUBMISSION: &str = "tls = \"starttls\"\nauth = true";
const RELAY: &str = "tls = \"none\"\ntrusted = [\"127.0.0.0/8\"]\nsenders = [\"example.org\"]";
/// `\0alice@example.org\0sesame`
const PLAIN: &str = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==";

#[tokio::test]
async fn a_login_submits_over_starttls() {
    let served = serve(SUBMISSION, Receive::default()).await;
    let mut client = served.connect().await;
    hears!(client: "220 gate.example.org ESMTP");
    talk!(client: "EHLO desk" => "250-gate.example.org", PLAIN => "538 5.7.11", "STARTTLS" => "220 2.0.0");
    let mut client = served.secure(client.stream, false, &rustls::version::TLS13).await.unwrap();
    let offered = client.ask("EHLO desk.example.org").await;
    assert!(offered.contains("AUTH PLAIN LOGIN") && !offered.contains("STARTTLS"), "{offered}");
    assert!(offered.contains("SIZE 50000000"), "{offered}");
    talk!(client:
        "MAIL FROM:<alice@example.org>" => "530 5.7.0 authentification",
        PLAIN => "235 2.7.0 authenticated",
        "MAIL FROM:<mallory@example.org>" => "553 5.7.1",
        "MAIL FROM:<alice@example.org>" => "250 2.1.0",
        "RCPT TO:<unwanted@example.net>" => "550 5.7.1 unwanted",
        "RCPT TO:<bob@example.net>" => "250 2.1.5",
        "DATA" => "354",
        "Subject: a\r\n\r\n..body\r\n." => "250 2.0.0 PST-",
        "QUIT" => "221");
    assert_eq!(client.reply().await, "", "the server closes after QUIT");
    let arrivals = served.gate.arrivals.lock().unwrap();
    let [arrival] = &arrivals[..] else { panic!("{} arrivals", arrivals.len()) };
    assert_eq!(arrival.raw.as_bytes(), b"Subject: a\r\n\r\n.body\r\n");
    assert_eq!(arrival.mail_from, Some(Address::parse("alice@example.org").unwrap()));
    assert_eq!(arrival.recipients, [Address::parse("bob@example.net").unwrap()]);
    assert_eq!((arrival.listener.as_str(), arrival.helo.as_str()), ("here", "desk.example.org"));
    assert!(arrival.authenticated);
    let tls = arrival.tls.as_ref().unwrap();
    assert_eq!((tls.version.as_str(), tls.key_exchange.as_str()), ("TLSv1.3", "X25519MLKEM768"));
    assert!(tls.cipher.starts_with("TLS13_"), "{tls:?}");
}

#[tokio::test]
async fn a_login_submits_over_implicit_tls_of_either_version() {
    let served = serve("tls = \"implicit\"\nauth = true", Receive::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = served.secure(served.connect().await.stream, false, version).await.unwrap();
        hears!(client: "220");
        talk!(client:
            "EHLO desk" => "250-",
            "AUTH LOGIN" => "334 VXNlcm5hbWU6",
            "YWxpY2VAZXhhbXBsZS5vcmc=" => "334 UGFzc3dvcmQ6",
            "d3Jvbmc=" => "535 5.7.8",
            "AUTH LOGIN YWxpY2VAZXhhbXBsZS5vcmc=" => "334 UGFzc3dvcmQ6",
            "c2VzYW1l" => "235 2.7.0",
            "MAIL FROM:<alice@example.org>" => "250");
    }
}

/// CVE-2011-0411: the attacker's commands come in the same segment as the client's STARTTLS.
#[tokio::test]
async fn what_is_injected_behind_starttls_is_never_answered() {
    let served = serve(SUBMISSION, Receive::default()).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    talk!(client: "EHLO desk" => "250");
    client.send(format!("STARTTLS\r\nEHLO mallory\r\n{PLAIN}\r\nVRFY x\r\n").as_bytes()).await;
    hears!(client: "220 2.0.0");
    assert_eq!(client.read, b"", "one reply in clear, and no more");
    let mut client = served.secure(client.stream, false, &rustls::version::TLS13).await.unwrap();
    talk!(client: "NOOP" => "250 2.0.0", "MAIL FROM:<alice@example.org>" => "503 5.5.1", "EHLO desk" => "250-");
    talk!(client: "MAIL FROM:<alice@example.org>" => "530 5.7.0");
}

#[tokio::test]
async fn a_pipelined_group_is_answered_in_one_piece() {
    let served = serve(RELAY, Receive::default()).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    talk!(client: "EHLO mx" => "250-");
    client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<unwanted@example.net>\r\nDATA\r\n").await;
    let mut buffer = [0; 4096];
    let count = client.stream.read(&mut buffer).await.unwrap();
    let codes: Vec<&[u8]> = buffer[..count].split_inclusive(|&b| b == b'\n').map(|line| &line[..3]).collect();
    assert_eq!(codes, [b"250", b"250", b"550", b"354"]);
    client.send(b"x\r\n.\r\nMAIL FROM:<>\r\n").await;
    hears!(client: "250 2.0.0", "250 2.1.0");
    let arrival = served.gate.arrivals.lock().unwrap().pop().unwrap();
    assert!(!arrival.authenticated && arrival.tls.is_none());
    assert!(matches!(arrival.identity, Identity::Relay { .. }));
}

/// The reply must reach a client that is still sending: closing a socket with unread octets would destroy it.
#[tokio::test]
async fn a_broken_command_is_answered_and_closes() {
    let served = serve(RELAY, Receive::default()).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    let mut octets = b"EHLO mx\nMAIL FROM:<a@example.org>\r\n".to_vec();
    octets.extend_from_slice(&b"RCPT TO:<b@example.net>\r\n".repeat(2_000));
    client.send(&octets).await;
    hears!(client: "500 5.5.2");
    assert_eq!(client.stream.read(&mut [0; 16]).await.expect("an orderly end"), 0);
    for _ in 0..3 {
        client.stream.write_all(b"QUIT\r\n").await.expect("no reset while the client still talks");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_network_gets_its_number_of_sessions_and_then_421() {
    let served = serve(SUBMISSION, Receive { max_sessions_per_network: 2, ..Receive::default() }).await;
    let (mut a, mut b, mut c) = (served.connect().await, served.connect().await, served.connect().await);
    hears!(a: "220");
    hears!(b: "220");
    hears!(c: "421 4.3.2");
    assert_eq!(c.reply().await, "");
    talk!(a: "QUIT" => "221");
    assert_eq!(a.reply().await, "");
    drop(a);
    let mut again = served.connect().await;
    for _ in 0..100 {
        let reply = again.reply().await;
        if reply.starts_with("220") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = served.connect().await;
    }
    panic!("the place of a session that ended did not come back");
}

#[tokio::test]
async fn a_server_from_a_network_that_is_not_trusted_is_turned_away() {
    let served = serve(&RELAY.replace("127.0.0.0/8", "192.0.2.0/24"), Receive::default()).await;
    let mut client = served.connect().await;
    hears!(client: "554 5.7.1");
    assert_eq!(client.reply().await, "");
}

#[tokio::test]
async fn a_relay_with_a_certificate_is_let_in_and_one_without_is_not() {
    let listener = "tls = \"implicit\"\nclient_ca = \"given to the test\"\nsenders = [\"example.org\"]";
    let served = serve(listener, Receive::default()).await;
    let mut client = served.secure(served.connect().await.stream, true, &rustls::version::TLS13).await.unwrap();
    hears!(client: "220");
    talk!(client: "EHLO mx" => "250", "MAIL FROM:<a@example.org>" => "250", "RSET" => "250", "MAIL FROM:<a@example.com>" => "553");
    // In TLS 1.3 the client believes itself connected before the server has looked at its certificate.
    if let Ok(mut client) = served.secure(served.connect().await.stream, false, &rustls::version::TLS13).await {
        assert_eq!(client.reply().await, "");
    }
    assert!(served.secure(served.connect().await.stream, false, &rustls::version::TLS12).await.is_err());
}

/// Slow-loris: an octet now and then does not buy more time for the command.
#[tokio::test]
async fn a_command_has_its_time_as_a_whole() {
    let served = serve(RELAY, Receive { command_timeout: 1, ..Receive::default() }).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    let began = Instant::now();
    let (mut reading, mut writing) = client.stream.into_split();
    let drip = tokio::spawn(async move {
        while writing.write_all(b"N").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut said = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), reading.read_to_end(&mut said)).await;
    assert!(said.starts_with(b"421 4.4.2"), "{}", said.escape_ascii());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    drip.abort();
}

#[tokio::test]
async fn who_does_not_log_in_has_to_go_however_busy() {
    let served = serve(SUBMISSION, Receive { login_timeout: 1, ..Receive::default() }).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    for _ in 0..40 {
        let reply = client.ask("NOOP").await;
        if !reply.starts_with("250") {
            client.expect(reply, "421 4.4.2");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("still there after 4 s");
}

#[tokio::test]
async fn stalled_data_and_stalled_handshakes_end() {
    let receive = Receive { data_timeout: 1, handshake_timeout: 1, ..Receive::default() };
    let served = serve(RELAY, receive.clone()).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    talk!(client: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    client.send(b"Subject: a\r\n").await;
    hears!(client: "421 4.4.2");
    assert_eq!(client.reply().await, "");
    let served = serve("tls = \"implicit\"\nauth = true", receive).await;
    let mut client = served.connect().await;
    assert_eq!(client.reply().await, "", "a handshake that does not begin");
}

#[tokio::test]
async fn a_stop_ends_idle_sessions_and_lets_a_message_finish() {
    let served = serve(RELAY, Receive::default()).await;
    let (mut idle, mut busy) = (served.connect().await, served.connect().await);
    hears!(idle: "220");
    hears!(busy: "220");
    talk!(busy: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    served.stop.send(true).unwrap();
    hears!(idle: "421 4.3.2");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "the listener is gone");
    talk!(busy: "x\r\n." => "250 2.0.0");
    hears!(busy: "421 4.3.2");
    drop((idle, busy));
    tokio::time::timeout(Duration::from_secs(3), served.serving).await.expect("serve returns").unwrap();
    assert_eq!(served.gate.arrivals.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let served = serve(RELAY, Receive { drain_timeout: 1, ..Receive::default() }).await;
    let mut busy = served.connect().await;
    hears!(busy: "220");
    talk!(busy: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    served.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(4), served.serving).await.expect("serve returns").unwrap();
    assert!(served.gate.arrivals.lock().unwrap().is_empty());
}

/// The gatekeeper is not torn away in the middle of its work by a client that hangs up (nodemailer closes without QUIT).
#[tokio::test]
async fn a_client_that_goes_away_does_not_end_the_walk_of_its_message() {
    let served = serve_with(RELAY, Receive::default(), Gate { hold: Some(Notify::new()), ..Gate::default() }).await;
    let mut client = served.connect().await;
    hears!(client: "220");
    talk!(client: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    client.send(b"x\r\n.\r\n").await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.gate.hold.as_ref().unwrap().notify_one();
    for _ in 0..100 {
        if served.gate.arrivals.lock().unwrap().len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the message was lost on its way");
}

#[tokio::test]
async fn a_socket_that_is_taken_is_told_by_the_listeners_name() {
    let served = serve(RELAY, Receive::default()).await;
    let listener = toml::from_str(&format!("name = \"second\"\naddress = \"{}\"\n{RELAY}", served.address)).unwrap();
    let hostname = crate::mail::Domain::parse("gate.example.org").unwrap();
    let openings = vec![Opening { listener, tls: None }];
    let error = Doors::open(openings, Receive::default(), hostname, Language::En).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("listener \"second\" cannot listen on {}", served.address)), "{error}");
}

#[tokio::test]
async fn a_gate_whose_memory_is_full_takes_no_new_message_and_takes_one_again_later() {
    let served = serve(RELAY, Receive { max_memory: 100_000, ..Receive::default() }).await;
    let (mut a, mut b) = (served.connect().await, served.connect().await);
    hears!(a: "220");
    hears!(b: "220");
    talk!(a: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    a.send(&b"0123456789abcdef\r\n".repeat(4_500)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    talk!(b: "EHLO mx" => "250", "MAIL FROM:<>" => "452 4.3.1");
    talk!(a: "." => "250 2.0.0", "NOOP" => "250");
    talk!(b: "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250", "DATA" => "354");
    b.send(&b"0123456789abcdef\r\n".repeat(6_000)).await;
    hears!(b: "421 4.3.2");
}

#[tokio::test]
async fn chunks_that_wait_for_the_rest_of_their_message_count_as_memory() {
    let served = serve(RELAY, Receive { max_memory: 100_000, ..Receive::default() }).await;
    let (mut a, mut b) = (served.connect().await, served.connect().await);
    hears!(a: "220");
    hears!(b: "220");
    talk!(a: "EHLO mx" => "250", "MAIL FROM:<>" => "250", "RCPT TO:<b@example.net>" => "250");
    for _ in 0..10 {
        a.send(&[&b"BDAT 9000\r\n"[..], &b"01234567\r\n".repeat(900)].concat()).await;
        hears!(a: "250 2.0.0");
    }
    talk!(b: "EHLO mx" => "250", "MAIL FROM:<>" => "452 4.3.1");
    talk!(a: "RSET" => "250", "NOOP" => "250");
    talk!(b: "MAIL FROM:<>" => "250");
    assert!(served.gate.arrivals.lock().unwrap().is_empty());
}

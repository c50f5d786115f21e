//! Mail servers that answer by a script: what counts as yes, what as no, and what as neither.

use super::*;
use crate::lookup::login::mail_server::MailServer;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A server that says its greeting, then to each line in turn what the script says; what it heard.
struct Liar {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Liar {
    /// An empty line of the script says nothing, for ever.
    async fn start(script: &[&str]) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, script): (_, Vec<String>) = (heard.clone(), script.iter().map(|line| (*line).to_owned()).collect());
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                for line in &script {
                    if line.is_empty() {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                    let _ = stream.write_all(format!("{line}\r\n").as_bytes()).await;
                    let mut said = String::new();
                    let _ = stream.read_line(&mut said).await;
                    log.lock().unwrap().push(said.trim_end().to_owned());
                }
            }
        });
        Liar { port, heard, server }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn judge(urls: &[String], more: &str) -> MailServer {
    let text = format!("urls = {urls:?}\ndomains = [\"example.org\"]\nclear = true\nseconds = 1\n{more}");
    MailServer::new(toml::from_str(&text).unwrap(), &asker()).unwrap()
}

const SMTP: [&str; 2] = ["220 mail.example.org ESMTP", "250-mail.example.org\r\n250 AUTH PLAIN LOGIN"];
const IMAP: [&str; 2] = ["* OK ready", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\np1 OK done"];

#[tokio::test]
async fn only_a_clear_yes_is_a_yes_and_only_a_clear_no_a_no() {
    for (name, scheme, begin, rest, expected) in [
        ("SMTP yes", "smtp", SMTP, &["334 ", "235 2.7.0 yes", "221 bye"][..], "right"),
        ("SMTP no", "smtp", SMTP, &["334 ", "535 5.7.8 no"], "wrong"),
        ("SMTP closed account", "smtp", SMTP, &["334 ", "525 5.7.13 disabled"], "wrong"),
        ("SMTP temporary", "smtp", SMTP, &["334 ", "454 4.7.0 later"], "unavailable"),
        ("SMTP too weak", "smtp", SMTP, &["334 ", "534 5.7.9 no"], "unavailable"),
        ("SMTP wants TLS", "smtp", SMTP, &["538 5.7.11 no"], "unavailable"),
        ("SMTP yes to the wrong question", "smtp", SMTP, &["235 2.7.0 yes"], "unavailable"),
        ("SMTP 250 is no 235", "smtp", SMTP, &["334 ", "250 fine"], "unavailable"),
        ("SMTP asks further", "smtp", SMTP, &["334 ", "334 more"], "unavailable"),
        ("SMTP busy", "smtp", ["421 4.3.2 busy", ""], &[], "unavailable"),
        ("SMTP without AUTH", "smtp", ["220 x", "250 x"], &[], "unavailable"),
        ("SMTP is silent", "smtp", SMTP, &["334 ", ""], "unavailable"),
        ("SMTP that is none", "smtp", ["SSH-2.0-x", ""], &[], "unavailable"),
        (
            "LOGIN yes",
            "smtp",
            ["220 x", "250-x\r\n250 AUTH LOGIN"],
            &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 yes"],
            "right",
        ),
        ("LOGIN yes too early", "smtp", ["220 x", "250-x\r\n250 AUTH LOGIN"], &["334 x", "235 yes"], "unavailable"),
        ("IMAP yes", "imap", IMAP, &["+ ", "p2 OK in", "* BYE"], "right"),
        ("IMAP no", "imap", IMAP, &["+ ", "p2 NO [AUTHENTICATIONFAILED] no"], "wrong"),
        ("IMAP no, straight away", "imap", IMAP, &["p2 NO no"], "wrong"),
        ("IMAP yes too early", "imap", IMAP, &["p2 OK in"], "unavailable"),
        ("IMAP temporary", "imap", IMAP, &["+ ", "p2 NO [UNAVAILABLE] later"], "unavailable"),
        ("IMAP bad", "imap", IMAP, &["+ ", "p2 BAD what"], "unavailable"),
        ("IMAP goodbye", "imap", IMAP, &["+ ", "* BYE too many"], "unavailable"),
        ("IMAP yes to another", "imap", IMAP, &["+ ", "p1 OK in", ""], "unavailable"),
        ("IMAP that let us in before", "imap", ["* PREAUTH hello", "p1 OK"], &[], "unavailable"),
        (
            "IMAP that takes no password",
            "imap",
            ["* OK x", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\np1 OK"],
            &[],
            "unavailable",
        ),
        ("IMAP with literals", "imap", ["* OK x", "* CAPABILITY IMAP4rev1\r\np1 OK"], &["+ go", "+ go", "p2 OK in"], "right"),
        (
            "IMAP yes between literals",
            "imap",
            ["* OK x", "* CAPABILITY IMAP4rev1\r\np1 OK"],
            &["+ go", "p2 OK in"],
            "unavailable",
        ),
        ("IMAP with a literal of its own", "imap", ["* OK x", "* CAPABILITY {3}\r\nabc\r\np1 OK"], &[], "unavailable"),
    ] {
        let liar = Liar::start(&[&begin[..], rest].concat()).await;
        let judge = judge(&[format!("{scheme}://127.0.0.1:{}", liar.port)], "");
        let began = Instant::now();
        let judged = judge.password("Marie@example.org", "s3same é".as_bytes(), PEER).await;
        assert_eq!(word(&judged), expected, "{name}: {judged:?} {:?}", liar.heard());
        assert!(began.elapsed() < Duration::from_secs(3), "{name}");
        if let Judged::Unavailable(why) = &judged {
            assert!(why.starts_with("mail_server: 127.0.0.1: ") && !why.contains("s3same"), "{name}: {why}");
        }
        let login = address("marie@example.org");
        assert_eq!(word(&judge.still(&login).await), if expected == "right" { "right" } else { "not mine" }, "{name}");
    }
}

#[tokio::test]
async fn what_is_sent_is_one_login_and_one_password() {
    let liar =
        Liar::start(&["* OK x", "* CAPABILITY IMAP4rev1 ID\r\np1 OK", "* ID NIL\r\np2 OK", "+ go", "+ go", "p3 OK in"]).await;
    let judge = judge(&[format!("imap://127.0.0.1:{}", liar.port)], "login = \"local\"\n");
    let account = right(judge.password("Marie", b"a {3} \"b\\", PEER).await);
    assert_eq!((account.login.clone(), account.owns), (address("marie@example.org"), vec![address("marie@example.org")]));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let said = [
        "p1 CAPABILITY",
        "p2 ID (\"x-originating-ip\" \"192.0.2.7\")",
        "p3 LOGIN {5}",
        "Marie {9}",
        "a {3} \"b\\",
        "p4 LOGOUT",
    ];
    assert_eq!(liar.heard(), said);
    for (login, password, expected) in [
        ("marie@example.org", &b""[..], "wrong"),
        ("marie@example.org", b"a\r\np9 LOGIN boss x", "wrong"),
        ("marie@example.org", b"a\0b", "wrong"),
        ("marie@example.org", &[b'x'; 1025], "wrong"),
        ("marie@example.net", b"x", "not mine"),
        ("marie@sub.example.org", b"x", "not mine"),
        ("boss*admin@example.org", b"x", "not mine"),
        ("boss%example.net@example.org", b"x", "not mine"),
        ("a@b@example.org", b"x", "not mine"),
        ("\"boss\"@example.org", b"x", "not mine"),
        ("marie\r\nboss", b"x", "not mine"),
        ("", b"x", "not mine"),
    ] {
        assert_eq!(word(&judge.password(login, password, PEER).await), expected, "{login:?}");
    }
    assert_eq!(liar.heard().len(), said.len(), "nothing of that was sent");
    assert_eq!(judge.token(None, "x", PEER).await, Judged::NotMine);
}

#[tokio::test]
async fn a_dead_server_is_passed_over_for_the_next_and_a_session_ends_with_its_time() {
    let liar = Liar::start(&[SMTP[0], SMTP[1], "334 ", "235 yes", "221 bye"]).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |port: u16| format!("smtp://127.0.0.1:{port}");
    let urls = [url(dead), url(silent.local_addr().unwrap().port()), url(liar.port)];
    let judge = self::judge(&urls, "still_seconds = 1\n");
    right(judge.password("marie", b"x", PEER).await);
    let began = Instant::now();
    right(judge.password("marie", b"x", PEER).await);
    assert!(began.elapsed() < Duration::from_millis(300), "the one that answered is asked first: {:?}", began.elapsed());
    let login = address("marie@example.org");
    assert_eq!(word(&judge.still(&login).await), "right");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(word(&judge.still(&login).await), "wrong");
    let judged = self::judge(&urls[..2], "").password("marie", b"x", PEER).await;
    let Judged::Unavailable(why) = judged else { panic!("{judged:?}") };
    assert!(why.contains("cannot be reached") && why.contains("did not answer in time"), "{why}");
}

#[tokio::test]
async fn a_connection_that_does_not_become_secure_hears_no_password() {
    for (scheme, script) in [
        ("smtp", &[SMTP[0], SMTP[1], "334 "][..]),
        ("smtp", &[SMTP[0], "250-x\r\n250 STARTTLS", "454 no"]),
        // RFC 3207 §6: somebody wrote on behind the answer.
        ("smtp", &[SMTP[0], "250-x\r\n250 STARTTLS", "220 go\r\n250-x\r\n250 AUTH PLAIN", "334 ", "235 yes"]),
        ("imap", &[IMAP[0], IMAP[1], "+ "]),
        ("imap", &["* OK x", "* CAPABILITY STARTTLS\r\np1 OK", "p2 NO"]),
        ("imap", &["* OK x", "* CAPABILITY STARTTLS\r\np1 OK", "p2 OK go\r\n* CAPABILITY AUTH=PLAIN", "p3 OK", "+ "]),
    ] {
        let liar = Liar::start(script).await;
        let text = format!("urls = [\"{scheme}://127.0.0.1:{}\"]\ndomains = [\"example.org\"]\nseconds = 1\n", liar.port);
        let judge = MailServer::new(toml::from_str(&text).unwrap(), &asker()).unwrap();
        let judged = judge.password("marie", b"s3same", PEER).await;
        assert_eq!(word(&judged), "unavailable", "{script:?}: {judged:?}");
        let heard = liar.heard().join(" ");
        assert!(!heard.contains("AUTH") && !heard.contains("LOGIN"), "{heard}");
    }
}

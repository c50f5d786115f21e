//! Turns a scripted upstream's faults into what each recipient must end up with.

use super::scripted::{Fault, Place, Script, Seen, Server};
use super::settings::{Login, Smarthost, Timeouts, Tls, UpstreamFile, Way};
use super::*;
use crate::mail::{Address, Outgoing, Protection, RawMessage, Reference, UnixTime};
use crate::spool::{Attempt, Queued};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: Timeouts =
    Timeouts { connect: 1, greeting: 1, command: 1, mail: 1, recipient: 1, data_start: 1, data_block: 1, data_end: 1 };

fn smarthost(port: u16) -> Smarthost {
    let file = UpstreamFile { address: Some(format!("127.0.0.1:{port}")), timeouts: SHORT, ..UpstreamFile::default() };
    let Ok(Way::Smarthost(smarthost)) = file.check() else { panic!("these settings are right") };
    *smarthost
}

fn upstream(smarthost: Smarthost) -> Upstream {
    Upstream::new(Way::Smarthost(Box::new(smarthost)), "gate.example.org")
}

fn to(recipients: &[&str], raw: &[u8]) -> Queued {
    Queued {
        id: 1,
        reference: Reference::from_random([7; 8]),
        outgoing: Outgoing {
            mail_from: Some(Address::parse("a@example.org").unwrap()),
            recipients: recipients.iter().map(|text| Address::parse(text).unwrap()).collect(),
            raw: RawMessage::new(raw.to_vec()).unwrap(),
            protection: Protection::None,
            requires_tls: false,
            transport: Default::default(),
        },
        queued_at: UnixTime(1_795_000_000),
        attempts: 0,
        delay_told: false,
    }
}

fn two() -> Queued {
    to(&["b@example.net", "c@example.net"], b"Subject: CANARY\r\n\r\nCANARY\r\n")
}

/// D delivered, L later, F failed.
fn letters(relayed: &Relayed) -> String {
    let letter = |attempt: &Attempt| match attempt {
        Attempt::Delivered { .. } => 'D',
        Attempt::Relayed { .. } => 'R',
        Attempt::TryLater { .. } => 'L',
        Attempt::Failed { .. } => 'F',
    };
    relayed.results.iter().map(|(_, attempt)| letter(attempt)).collect()
}

fn reasons(relayed: &Relayed) -> String {
    let reason = |attempt: &Attempt| match attempt {
        Attempt::Delivered { reply } | Attempt::Relayed { reply } | Attempt::Failed { reply } => reply.clone(),
        Attempt::TryLater { why } => why.clone(),
    };
    relayed.results.iter().map(|(_, attempt)| reason(attempt)).collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn every_fault_in_every_phase_comes_to_what_the_table_says_and_the_next_try_delivers() {
    use Place::*;
    const BYE: Fault = Fault::Say("421 4.3.2 bye\r\n");
    const LATER: Fault = Fault::Say("451 4.3.0 later\r\n");
    const NEVER: Fault = Fault::Say("550 5.7.1 no\r\n");
    const GARBAGE: Fault = Fault::Say("*** NOT SMTP ***\r\n");
    const TWO_CODES: Fault = Fault::Say("250-yes\r\n550 no\r\n");
    const TWISTED: Fault = Fault::Say("550 5.1.1 no\n");
    let faults = [Fault::Hang, Fault::Drop, BYE, LATER, NEVER, GARBAGE, TWO_CODES, TWISTED, Fault::Babble];
    let table = [
        // place    hang  drop  421   451   550   gar-  two   no    bab-
        //                                        bage  codes CR    ble
        (Banner, ["LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL"]),
        (Ehlo, ["LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL"]),
        (Auth, ["LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL", "LL"]),
        (Mail, ["LL", "LL", "LL", "LL", "FF", "LL", "LL", "LL", "LL"]),
        (Rcpt(1), ["LL", "LL", "LL", "LD", "FD", "LL", "LL", "LL", "LL"]),
        (Rcpt(2), ["LL", "LL", "LL", "DL", "DF", "LL", "LL", "LL", "LL"]),
        (Data, ["LL", "LL", "LL", "LL", "FF", "LL", "LL", "LL", "LL"]),
        (Dot, ["LL", "LL", "LL", "LL", "FF", "LL", "LL", "LL", "LL"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "secret-CANARY\n").unwrap();
    let mut cases = tokio::task::JoinSet::new();
    for pipelining in [true, false] {
        for (place, row) in table {
            for (fault, wanted) in faults.into_iter().zip(row) {
                let login = Login { user: "gate".to_owned(), password_file: password.clone() };
                cases.spawn(async move {
                    let mut offers = vec!["8BITMIME", "SIZE", "AUTH PLAIN"];
                    offers.extend(pipelining.then_some("PIPELINING"));
                    let server = Server::start(Script { offers, fault: Some((place, fault, 1)), ..Script::default() }).await;
                    let upstream = upstream(Smarthost { login: Some(login), ..smarthost(server.port) });
                    let first = upstream.send(&two()).await;
                    let case = format!("{place:?} {fault:?} pipelining {pipelining}: {}", reasons(&first));
                    assert_eq!(letters(&first), wanted, "{case}");
                    assert!(!case.contains("CANARY"), "{case}");
                    assert_eq!(first.unreachable.is_some(), matches!(place, Banner | Ehlo | Auth), "{case}");
                    // The connection with the fault may live on; a script for the next ones has none.
                    server.now(Script { offers: vec!["PIPELINING", "AUTH PLAIN"], ..Script::default() });
                    upstream.close(Which::All).await;
                    let second = upstream.send(&two()).await;
                    assert_eq!(letters(&second), "DD", "after {case}: {}", reasons(&second));
                });
            }
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

#[tokio::test]
async fn an_upstream_that_stops_in_the_middle_of_the_message_has_not_got_it() {
    let large = [&b"Subject: x\r\n\r\n"[..], &b"0123456789 0123456789 0123456789\r\n".repeat(200_000)].concat();
    for fault in [Fault::Hang, Fault::Drop, Fault::Say("550 5.7.1 enough\r\n")] {
        let server = Server::start(Script { fault: Some((Place::MidBody, fault, 1)), ..Script::default() }).await;
        let upstream = upstream(smarthost(server.port));
        let relayed = upstream.send(&to(&["b@example.net"], &large)).await;
        assert_eq!(letters(&relayed), "L", "{fault:?} {}", reasons(&relayed));
    }
}

#[tokio::test]
async fn an_answer_before_the_question_is_never_taken_for_success() {
    for (place, answers) in [
        (Place::Banner, "220 scripted\r\n250 ok\r\n"),
        (Place::Mail, "250 ok\r\n250 ok\r\n"),
        (Place::Rcpt(2), "250 ok\r\n250 ok\r\n"),
        (Place::Data, "354 go\r\n250 2.0.0 taken already\r\n"),
    ] {
        for offers in [vec!["PIPELINING"], vec![]] {
            let fault = Some((place, Fault::Say(answers), 1));
            let server = Server::start(Script { offers, fault, ..Script::default() }).await;
            let relayed = upstream(smarthost(server.port)).send(&two()).await;
            assert_eq!(letters(&relayed), "LL", "{place:?} {}", reasons(&relayed));
            assert_eq!(server.seen().messages.len(), 0, "{place:?}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_for_later() {
    let port = {
        let server = Server::start(Script::default()).await;
        server.port
    };
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for port in [port, unused] {
        let relayed = upstream(smarthost(port)).send(&two()).await;
        assert!(relayed.unreachable.is_some() || letters(&relayed) == "DD", "{}", reasons(&relayed));
    }
    let relayed = upstream(smarthost(unused)).send(&two()).await;
    assert_eq!(letters(&relayed), "LL");
    let nowhere = Smarthost { host: "nowhere.invalid".to_owned(), ..smarthost(unused) };
    let relayed = upstream(nowhere).send(&two()).await;
    assert!(reasons(&relayed).contains("nowhere.invalid"), "{}", reasons(&relayed));
}

#[tokio::test]
async fn what_arrives_is_what_was_sent_octet_for_octet() {
    let long = "x".repeat(998);
    let many = format!("Subject: x\r\n\r\n{}", ".line of text that begins with a dot\r\n".repeat(5_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"\r\n",
        b"Subject: x\r\n\r\n",
        b"Subject: x\r\n\r\nno final line end",
        b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.x\r\n",
        b"Subject: x\r\n\r\n.",
        b"Subject: x\r\n\r\n\r\n\r\n\r\n",
        b"Subject: x\r\n\r\n\xc3\xa9t\xc3\xa9 \xe9\xff\x80\r\n",
        b"Subject: x\r\n\r\nFrom here\r\n\x01\x7f \t \r\n",
        long.as_bytes(),
        many.as_bytes(),
        b".hidden\r\n\r\n.\r\n",
    ];
    for offers in [vec!["PIPELINING", "8BITMIME", "SIZE"], vec!["8BITMIME"]] {
        let server = Server::start(Script { offers, ..Script::default() }).await;
        let upstream = upstream(Smarthost { timeouts: Timeouts::default(), ..smarthost(server.port) });
        for body in bodies {
            let relayed = upstream.send(&to(&["b@example.net"], body)).await;
            assert_eq!(letters(&relayed), "D", "{}", reasons(&relayed));
        }
        let Seen { messages, connections, .. } = server.seen();
        assert_eq!(connections, 1);
        for (body, (_, arrived)) in bodies.iter().zip(&messages) {
            let whole = body.is_empty() || body.ends_with(b"\r\n");
            let wanted = if whole { body.to_vec() } else { [*body, b"\r\n"].concat() };
            assert!(*arrived == wanted, "{:?}", String::from_utf8_lossy(&wanted[..wanted.len().min(80)]));
        }
        assert_eq!(messages.len(), bodies.len());
    }
}

#[tokio::test]
async fn eight_bit_mail_waits_aloud_for_an_upstream_that_can_carry_it() {
    let server = Server::start(Script { offers: vec!["PIPELINING"], ..Script::default() }).await;
    let relayed = upstream(smarthost(server.port)).send(&to(&["b@example.net"], b"A: b\r\n\r\n\xc3\xa9\r\n")).await;
    assert_eq!(letters(&relayed), "L");
    assert!(relayed.for_operator.is_some_and(|why| why.contains("8BITMIME")));
    assert!(!server.seen().commands.iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn some_refused_the_others_get_it() {
    let server = Server::start(Script::default()).await;
    let upstream = upstream(smarthost(server.port));
    let recipients = ["refuse550@example.net", "b@example.net", "refuse450@example.net", "refuse553@example.net"];
    let relayed = upstream.send(&to(&recipients, b"A: b\r\n\r\n")).await;
    assert_eq!(letters(&relayed), "FDLF");
    assert_eq!(server.seen().messages[0].0, ["b@example.net"]);
    let relayed = upstream.send(&to(&recipients[..1], b"A: b\r\n\r\n")).await;
    assert_eq!(letters(&relayed), "F");
    let Seen { connections, commands, messages } = server.seen();
    assert_eq!((connections, messages.len()), (1, 1));
    assert!(!commands.iter().any(|command| command == "RSET"), "a transaction that ended well needs none");
    upstream.send(&two()).await;
    assert!(server.seen().commands.iter().any(|command| command == "RSET"), "one that ended half-way does");
}

#[tokio::test]
async fn more_recipients_than_the_upstream_takes_go_in_several_transactions() {
    let server = Server::start(Script { takes: 2, ..Script::default() }).await;
    let names: Vec<String> = (0..5).map(|i| format!("r{i}@example.net")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let relayed = upstream(smarthost(server.port)).send(&to(&names, b"A: b\r\n\r\n")).await;
    assert_eq!(letters(&relayed), "DDDDD", "{}", reasons(&relayed));
    let Seen { connections, messages, .. } = server.seen();
    assert_eq!((connections, messages.len()), (1, 3));
    let mut reached: Vec<String> = messages.into_iter().flat_map(|(recipients, _)| recipients).collect();
    reached.sort();
    assert_eq!(reached, names, "each of them once");
    let order: Vec<String> = relayed.results.iter().map(|(recipient, _)| recipient.to_string()).collect();
    assert_eq!(order, names);
}

#[tokio::test]
async fn connections_are_used_again_and_a_dead_one_costs_no_attempt() {
    let server = Server::start(Script { closes_after: 2, ..Script::default() }).await;
    let upstream = upstream(smarthost(server.port));
    for _ in 0..6 {
        assert_eq!(letters(&upstream.send(&two()).await), "DD");
    }
    let Seen { connections, messages, .. } = server.seen();
    assert_eq!((connections, messages.len()), (3, 6));
}

#[tokio::test]
async fn a_connection_is_closed_politely_after_its_messages_and_its_idle_time() {
    let server = Server::start(Script::default()).await;
    let upstream = upstream(Smarthost { messages_per_connection: 1, idle: Duration::from_secs(0), ..smarthost(server.port) });
    upstream.send(&two()).await;
    upstream.send(&two()).await;
    assert_eq!(server.seen().connections, 2);
    assert_eq!(server.seen().commands.iter().filter(|command| *command == "QUIT").count(), 2);
    let way = Way::Smarthost(Box::new(Smarthost { idle: Duration::ZERO, ..smarthost(server.port) }));
    let idle = Upstream::new(way, "gate.example.org");
    idle.send(&two()).await;
    idle.close(Which::Idle).await;
    assert_eq!(server.seen().commands.iter().filter(|command| *command == "QUIT").count(), 3);
}

/// Certificates of an invented authority for `127.0.0.1`, or wrong in one way.
struct Authority {
    pem: tempfile::NamedTempFile,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        let pem = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(pem.path(), certificate.pem()).unwrap();
        Authority { pem, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn server(&self, name: &str, until_year: i32) -> tokio_rustls::TlsAcceptor {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}

const STARTTLS: [&str; 4] = ["PIPELINING", "8BITMIME", "STARTTLS", "AUTH PLAIN LOGIN"];
const WITH_REQUIRETLS: [&str; 5] = ["PIPELINING", "8BITMIME", "STARTTLS", "REQUIRETLS", "AUTH PLAIN LOGIN"];

/// RFC 8689 §4.2.1: demanded of the next server where it is offered; where it is not, the operator has said what becomes of the message.
#[tokio::test]
async fn what_demands_tls_is_handed_on_with_requiretls_or_not_at_all() {
    use super::settings::WithoutRequiretls::{Hold, Refuse, Send};
    let ours = Authority::new();
    let mut strict = two();
    strict.outgoing.requires_tls = true;
    for (without, offers, wanted, asked) in [
        (Hold, WITH_REQUIRETLS.to_vec(), "DD", true),
        (Refuse, WITH_REQUIRETLS.to_vec(), "DD", true),
        (Send, WITH_REQUIRETLS.to_vec(), "DD", true),
        (Hold, STARTTLS.to_vec(), "LL", false),
        (Refuse, STARTTLS.to_vec(), "FF", false),
        (Send, STARTTLS.to_vec(), "DD", false),
    ] {
        let acceptor = ours.server("127.0.0.1", 2999);
        let server = Server::start(Script { offers, tls: Some(acceptor), ..Script::default() }).await;
        let ca = Some(ours.pem.path().to_owned());
        let settings = Smarthost { tls: Tls::Required, ca, without_requiretls: without, ..smarthost(server.port) };
        let upstream = upstream(settings);
        let case = format!("{without:?}, {asked}");
        let relayed = upstream.send(&strict).await;
        assert_eq!(letters(&relayed), wanted, "{case}: {}", reasons(&relayed));
        assert_eq!(letters(&upstream.send(&two()).await), "DD", "{case}: what demands nothing goes as ever");
        let mails: Vec<bool> = (server.seen().commands.iter())
            .filter(|command| command.starts_with("MAIL"))
            .map(|command| command.ends_with(" REQUIRETLS"))
            .collect();
        let expected = if wanted == "DD" { vec![asked, false] } else { vec![false] };
        assert_eq!(mails, expected, "{case}");
    }
}

#[tokio::test]
async fn only_a_smarthost_that_proves_its_name_gets_mail() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut strict = two();
    strict.outgoing.requires_tls = true;
    for (case, acceptor, tls, ca, plain, verified) in [
        ("right", ours.server("127.0.0.1", 2999), Tls::Required, ours.pem.path(), "DD", "DD"),
        ("wrong name", ours.server("other.example", 2999), Tls::Required, ours.pem.path(), "LL", "LL"),
        ("unknown authority", theirs.server("127.0.0.1", 2999), Tls::Required, ours.pem.path(), "LL", "LL"),
        ("expired", ours.server("127.0.0.1", 2001), Tls::Required, ours.pem.path(), "LL", "LL"),
        ("opportunistic, right", ours.server("127.0.0.1", 2999), Tls::Opportunistic, ours.pem.path(), "DD", "DD"),
        ("opportunistic, wrong name", ours.server("other.example", 2999), Tls::Opportunistic, ours.pem.path(), "DD", "LL"),
        ("opportunistic, expired", ours.server("127.0.0.1", 2001), Tls::Opportunistic, ours.pem.path(), "DD", "LL"),
        ("opportunistic, unknown", theirs.server("127.0.0.1", 2999), Tls::Opportunistic, ours.pem.path(), "DD", "LL"),
        ("no tls", ours.server("127.0.0.1", 2999), Tls::None, ours.pem.path(), "DD", "LL"),
        ("no authorities", ours.server("127.0.0.1", 2999), Tls::Required, Path::new("/dev/null"), "LL", "LL"),
    ] {
        for implicit in [false, true] {
            if implicit && tls == Tls::None {
                continue;
            }
            let script =
                Script { offers: WITH_REQUIRETLS.to_vec(), tls: Some(acceptor.clone()), implicit, ..Script::default() };
            let server = Server::start(script).await;
            let settings = Smarthost { tls, implicit_tls: implicit, ca: Some(ca.to_owned()), ..smarthost(server.port) };
            let upstream = upstream(settings);
            for (copy, wanted) in [(&two(), plain), (&strict, verified)] {
                let before = server.seen().messages.len();
                let relayed = upstream.send(copy).await;
                let case = format!("{case}, implicit {implicit}: {}", reasons(&relayed));
                assert_eq!(letters(&relayed), wanted, "{case}");
                assert_eq!(server.seen().messages.len() - before, usize::from(wanted == "DD"), "{case}");
                assert_eq!(relayed.for_operator.is_some(), wanted == "LL", "{case}");
            }
            if plain == "LL" {
                assert!(!server.seen().commands.iter().any(|command| command.starts_with("MAIL")), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn tls_that_is_taken_away_or_tampered_with_stops_the_mail() {
    let ours = Authority::new();
    for (tls, fault, offered, wanted) in [
        (Tls::Required, None, false, "LL"),
        (Tls::Opportunistic, None, false, "DD"),
        (Tls::Required, Some(Fault::Say("454 4.7.0 not now\r\n")), true, "LL"),
        (Tls::Opportunistic, Some(Fault::Say("454 4.7.0 not now\r\n")), true, "LL"),
        (Tls::Required, Some(Fault::Say("220 go\r\n250 injected\r\n")), true, "LL"),
        (Tls::Opportunistic, Some(Fault::Say("220 go\r\n250 injected\r\n")), true, "LL"),
        (Tls::Required, Some(Fault::Drop), true, "LL"),
        (Tls::Required, Some(Fault::Hang), true, "LL"),
    ] {
        let offers = STARTTLS.into_iter().filter(|offer| offered || *offer != "STARTTLS").collect();
        let fault = fault.map(|fault| (Place::StartTls, fault, 1));
        let acceptor = Some(ours.server("127.0.0.1", 2999));
        let server = Server::start(Script { offers, tls: acceptor, fault, ..Script::default() }).await;
        let settings = Smarthost { tls, ca: Some(ours.pem.path().to_owned()), ..smarthost(server.port) };
        let relayed = upstream(settings).send(&two()).await;
        assert_eq!(letters(&relayed), wanted, "{tls:?} {fault:?} {}", reasons(&relayed));
        assert_eq!(server.seen().messages.is_empty(), wanted == "LL");
    }
}

#[tokio::test]
async fn the_login_is_given_by_plain_or_login_and_never_in_clear_to_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret CANARY\nsecond line\n").unwrap();
    let login = Some(Login { user: "gate".to_owned(), password_file: file.clone() });
    for (offer, wanted) in [
        ("AUTH LOGIN PLAIN", vec!["AUTH PLAIN AGdhdGUAczNjcmV0IENBTkFSWQ=="]),
        ("AUTH LOGIN", vec!["AUTH LOGIN", "Z2F0ZQ==", "czNjcmV0IENBTkFSWQ=="]),
    ] {
        let server = Server::start(Script { offers: vec![offer], ..Script::default() }).await;
        let upstream = upstream(Smarthost { login: login.clone(), ..smarthost(server.port) });
        assert_eq!(letters(&upstream.send(&two()).await), "DD");
        assert_eq!(server.seen().commands[1..1 + wanted.len()], wanted);
    }
    // Another machine, seen through a name that is not loopback, without a certificate it could prove itself with.
    let server = Server::start(Script { offers: vec!["AUTH PLAIN"], ..Script::default() }).await;
    let stranger = Smarthost { host: "127.0.0.1.".to_owned(), login: login.clone(), ..smarthost(server.port) };
    assert!(!stranger.is_loopback());
    let relayed = upstream(stranger).send(&two()).await;
    assert_eq!(letters(&relayed), "LL");
    assert!(!server.seen().commands.iter().any(|command| command.starts_with("AUTH")), "{:?}", server.seen().commands);

    for (offers, answer) in [
        (vec!["AUTH PLAIN"], "535 5.7.8 wrong\r\n"),
        (vec!["AUTH PLAIN"], "250 odd\r\n"),
        (vec!["AUTH CRAM-MD5"], ""),
        (vec![], ""),
    ] {
        let fault = Some((Place::Auth, Fault::Say(answer), 1));
        let server = Server::start(Script { offers, fault, ..Script::default() }).await;
        let relayed = upstream(Smarthost { login: login.clone(), ..smarthost(server.port) }).send(&two()).await;
        assert_eq!(letters(&relayed), "LL", "{answer}");
        let said = format!("{}{:?}", reasons(&relayed), relayed.for_operator);
        assert!(relayed.for_operator.is_some() && !said.contains("CANARY"), "{said}");
    }
    std::fs::write(&file, "").unwrap();
    let server = Server::start(Script { offers: vec!["AUTH PLAIN"], ..Script::default() }).await;
    let relayed = upstream(Smarthost { login, ..smarthost(server.port) }).send(&two()).await;
    assert!(reasons(&relayed).contains("holds no password"), "{}", reasons(&relayed));
}

#[tokio::test]
async fn an_upstream_that_knows_only_helo_is_served_plainly() {
    let fault = Some((Place::Ehlo, Fault::Say("502 5.5.1 what\r\n"), 1));
    let server = Server::start(Script { fault, ..Script::default() }).await;
    let relayed = upstream(smarthost(server.port)).send(&two()).await;
    assert_eq!(letters(&relayed), "DD", "{}", reasons(&relayed));
    assert_eq!(server.seen().commands[1], "HELO gate.example.org");
    assert_eq!(server.seen().commands[2], "MAIL FROM:<a@example.org>");
}

#[tokio::test]
async fn a_hundred_messages_do_not_wait_for_delayed_acknowledgements() {
    let server = Server::start(Script::default()).await;
    let upstream = upstream(smarthost(server.port));
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(letters(&upstream.send(&two()).await), "DD");
    }
    // 40 ms each, were Nagle's algorithm on.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

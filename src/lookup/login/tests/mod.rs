//! What judges of logins answer, against servers that answer as they should and as they should not.

mod mail_server;
mod oauth;

use super::*;
use crate::accounts::Account;
use crate::mail::UnixTime;
use std::net::{IpAddr, Ipv4Addr};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const NOW: UnixTime = UnixTime(1_795_000_000);

fn asker() -> Asker {
    Asker {
        hostname: Domain::parse("gate.example.org").unwrap(),
        inside: Arc::new([Domain::parse("example.org").unwrap()]),
        language: Language::Fr,
        // Nobody answers there.
        names: Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap(),
        clock: Clock::set_to(NOW),
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// `right`, `wrong`, `not mine`, `unavailable`.
fn word(judged: &Judged) -> &'static str {
    match judged {
        Judged::Right(_) => "right",
        Judged::Wrong => "wrong",
        Judged::NotMine => "not mine",
        Judged::Unavailable(_) => "unavailable",
    }
}

fn right(judged: Judged) -> Account {
    match judged {
        Judged::Right(account) => *account,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_judge_has_a_name_of_its_own() {
    let table = |text: &str| toml::from_str::<accounts::Settings>(text).unwrap();
    let ldap = "[[ldap]]\nurls = [\"ldaps://dc.example.org\"]\nbase = \"dc=example\"\n";
    let server = "[[mail_server]]\nurls = [\"imaps://mail.example.org\"]\ndomains = [\"example.org\"]\n";
    let made = open(&table(&format!("{ldap}{server}")), &asker()).unwrap();
    let names: Vec<&str> = made.judges.iter().map(|judge| judge.name()).collect();
    assert_eq!((names, made.groups.len()), (vec!["ldap", "mail_server"], 1));
    for (text, sentence) in [
        (format!("{ldap}{ldap}"), "two tables of [accounts] have the name \"ldap\""),
        (format!("{ldap}name = \"file\"\n"), "the name \"file\" is that of the gate's own accounts"),
        (
            ldap.replace("ldaps", "https"),
            "[[accounts.ldap]] \"ldap\": urls = [\"https://dc.example.org\"] names no such server",
        ),
        (server.replace("example.org\"]\n", "example.net\"]\n"), "domains names example.net, which is not inside"),
        (
            format!("{server}login = \"local\"\n").replace("[\"example.org\"]", "[\"example.org\", \"a.example.org\"]"),
            "goes with one domain",
        ),
    ] {
        let why = open(&table(&text), &asker()).err().unwrap();
        assert!(why.contains(sentence), "{why}");
    }
}

#[test]
fn a_login_is_read_with_its_domain_or_completed() {
    let domain = Domain::parse("example.org").unwrap();
    for (login, expected) in [
        ("marie@Example.ORG", Some(("marie", "example.org"))),
        ("marie", Some(("marie", "example.org"))),
        ("a@b@c", Some(("a@b", "c"))),
        ("@example.org", None),
        ("", None),
        ("marie\r\nX", None),
        ("marie\0", None),
    ] {
        let read = Typed::read(login, Some(&domain));
        assert_eq!(read.as_ref().map(|typed| (typed.local.as_str(), typed.domain.as_str())), expected, "{login:?}");
    }
    assert_eq!(Typed::read(&"x".repeat(LOGIN_OCTETS + 1), None), None);
}

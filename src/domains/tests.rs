//! Whole zones, each with what must be said of it.

use super::answers::zone::judge;
use super::*;

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn house() -> House {
    House {
        hostname: domain("gate.example.org"),
        smarthost: Some("smtp.example.org".into()),
        settings: Settings { sends_from: vec!["192.0.2.10".parse().unwrap()], ..Settings::default() },
        senders: vec![domain("example.org")],
        today: "20261122".into(),
    }
}

fn key(selector: &str, phase: Phase) -> OurKey {
    let record = dkim::Record::new(selector, &domain("example.org"), "rsa", "AAAA");
    OurKey { record, phase }
}

fn ours() -> Ours {
    Ours { domain: domain("example.org"), signed_by: Some(domain("example.org")), keys: vec![key("r1", Phase::Signing)] }
}

/// Everything is right here.
const GOOD: &str = "example.org TXT v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all
example.org TXT some-site-verification=1
_spf.example.net TXT v=spf1 ip4:198.51.100.0/24 -all
r1._domainkey.example.org TXT v=DKIM1; k=rsa; p=AAAA
_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org
example.org MX 10 mx.example.org
mx.example.org A 192.0.2.20
_mta-sts.example.org TXT v=STSv1; id=1;
https://mta-sts.example.org/.well-known/mta-sts.txt PAGE version: STSv1|mode: enforce|mx: *.example.org|max_age: 604800
_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.org
default._bimi.example.org TXT v=BIMI1; l=https://example.org/logo.svg; a=https://example.org/logo.pem
openpgpkey.example.org A 192.0.2.30
10.2.0.192.in-addr.arpa PTR smtp.example.org
smtp.example.org A 192.0.2.10";

fn all(zone: &str, ours: &Ours, house: &House) -> Vec<Finding> {
    judge(zone, |answers| {
        let mut findings = examine(ours, house, answers);
        findings.extend(examine_house(house, answers));
        findings
    })
}

#[test]
fn nothing_is_said_against_a_zone_in_which_all_is_right() {
    for found in all(GOOD, &ours(), &house()) {
        assert_eq!(found.level, Level::Right, "{found:?}");
        assert!(found.publish.is_empty() && found.remove.is_empty(), "{found:?}");
    }
}

/// The good zone with lines that begin with the first words replaced.
fn changed(changes: &[(&str, &str)]) -> String {
    let mut zone = GOOD.to_owned();
    for (old, new) in changes {
        assert!(zone.contains(old), "{old}");
        zone = zone.replace(old, new);
    }
    zone
}

/// What to change; topic, level, words of the sentence, the value to publish.
type Row = (Vec<(&'static str, String)>, Topic, Level, &'static str, Option<&'static str>);

#[test]
fn each_fault_is_said_once_with_the_line_that_mends_it() {
    use Level::*;
    use Topic::*;
    const SPF: &str = "example.org TXT v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all";
    const MX: &str = "example.org MX 10 mx.example.org";
    const DMARC: &str = "_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org";
    const DKIM: &str = "r1._domainkey.example.org TXT v=DKIM1; k=rsa; p=AAAA";
    const STS: &str = "version: STSv1|mode: enforce|mx: *.example.org|max_age: 604800";
    const TLS: &str = "_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.org";
    const BIMI: &str = "v=BIMI1; l=https://example.org/logo.svg; a=https://example.org/logo.pem";
    let eleven: String = (0..11).map(|n| format!(" a:h{n}.example.org")).collect();
    let rows: Vec<Row> = vec![
        (vec![(SPF, String::new())], Spf, Wrong, "has no SPF record", Some("v=spf1 ip4:192.0.2.10 -all")),
        (vec![(SPF, "example.org TXT !".into())], Spf, Unknown, "could not be asked", None),
        (
            vec![(SPF, "example.org TXT v=spf1 ip4:192.0.2.10 -all\nexample.org TXT v=spf1 mx ~all".into())],
            Spf,
            Wrong,
            "has 2 SPF records",
            Some("v=spf1 ip4:192.0.2.10 mx -all"),
        ),
        (
            vec![("-all\nexample.org", "+all\nexample.org".into())],
            Spf,
            Wrong,
            "every machine in the world",
            Some("v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"),
        ),
        (
            vec![("-all\nexample.org", "all\nexample.org".into())],
            Spf,
            Wrong,
            "every machine in the world",
            Some("v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"),
        ),
        (
            vec![("-all\nexample.org", "?all\nexample.org".into())],
            Spf,
            Warning,
            "it forbids nothing",
            Some("v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"),
        ),
        (
            vec![("-all\nexample.org", "\nexample.org".into())],
            Spf,
            Warning,
            "does not end in",
            Some("v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"),
        ),
        (
            vec![("ip4:192.0.2.0/28", "ipv4:192.0.2.0/28".into())],
            Spf,
            Wrong,
            "is no mechanism",
            Some("v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"),
        ),
        (
            vec![("ip4:192.0.2.0/28", "ip4:198.51.100.1".into())],
            Spf,
            Wrong,
            "does not allow 192.0.2.10",
            Some("v=spf1 ip4:198.51.100.1 include:_spf.example.net ip4:192.0.2.10 -all"),
        ),
        (
            vec![("_spf.example.net TXT v=spf1", "_spf.example.net TXT v=spf2".into())],
            Spf,
            Wrong,
            "missing or wrong: include:_spf.example.net",
            None,
        ),
        (
            vec![("_spf.example.net TXT v=spf1", "_spf.example.net TXT v=spf1 include:example.org".into())],
            Spf,
            Wrong,
            "runs in a circle through example.org",
            None,
        ),
        (vec![("include:_spf.example.net", eleven.trim().to_owned())], Spf, Wrong, "asks for 11 DNS look-ups", None),
        (
            vec![("include:_spf.example.net", "a:h1.example.org a:h2.example.org a:h3.example.org".into())],
            Spf,
            Wrong,
            "asks for 3 names that do not exist",
            None,
        ),
        (vec![("include:_spf.example.net", "ptr".into())], Spf, Warning, "uses \"ptr\"", None),
        (vec![("-all\nexample.org", "-all mx\nexample.org".into())], Spf, Warning, "never read: mx", None),
        (vec![(DKIM, String::new())], Dkim, Wrong, "is not published", Some("v=DKIM1; k=rsa; p=AAAA")),
        (
            vec![(DKIM, "r1._domainkey.example.org TXT v=DKIM1; k=rsa; p=".into())],
            Dkim,
            Wrong,
            "is revoked",
            Some("v=DKIM1; k=rsa; p=AAAA"),
        ),
        (
            vec![(DKIM, "r1._domainkey.example.org TXT v=DKIM1; k=rsa; p=BBBB".into())],
            Dkim,
            Wrong,
            "another key",
            Some("v=DKIM1; k=rsa; p=AAAA"),
        ),
        (
            vec![(DKIM, "r1._domainkey.example.org TXT v=DKIM1; t=y; k=rsa; p=AAAA".into())],
            Dkim,
            Warning,
            "t=y",
            Some("v=DKIM1; k=rsa; p=AAAA"),
        ),
        (
            vec![(DKIM, "r1._domainkey.example.org TXT v=DKIM1; h=sha1; k=rsa; p=AAAA".into())],
            Dkim,
            Wrong,
            "does not allow sha256",
            Some("v=DKIM1; k=rsa; p=AAAA"),
        ),
        (vec![(DKIM, "r1._domainkey.example.org TXT !".into())], Dkim, Unknown, "could not be asked", None),
        (
            vec![(DMARC, String::new())],
            Dmarc,
            Wrong,
            "no DMARC policy holds",
            Some("v=DMARC1; p=none; rua=mailto:postmaster@example.org"),
        ),
        (
            vec![(DMARC, format!("{DMARC}\n_dmarc.example.org TXT v=DMARC1; p=none"))],
            Dmarc,
            Wrong,
            "has 2 records",
            Some("v=DMARC1; p=reject; rua=mailto:dmarc@example.org"),
        ),
        (
            vec![("p=reject;", "p=none;".into())],
            Dmarc,
            Warning,
            "asks for nothing",
            Some("v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"),
        ),
        (
            vec![("p=reject;", "p=quarantine; t=y;".into())],
            Dmarc,
            Warning,
            "asks for nothing",
            Some("v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"),
        ),
        (vec![("p=reject;", "p=refuse;".into())], Dmarc, Wrong, "there is no p=refuse", None),
        (vec![("p=reject;", "p=reject; pct=50;".into())], Dmarc, Note, "pct= exists no more", None),
        (vec![("; rua=mailto:dmarc@example.org", String::new())], Dmarc, Note, "does not say where reports go", None),
        (vec![("dmarc@example.org", "x@reports.example".into())], Dmarc, Warning, "has not agreed", Some("v=DMARC1")),
        (vec![("p=reject;", "p=reject; adkim=s; aspf=s;".into())], Alignment, Right, "are aligned", None),
        (vec![(MX, "example.org MX 0 .".into())], Mx, Wrong, "null MX", None),
        (vec![(MX, String::new())], Mx, Wrong, "neither MX nor address", Some("10 mail.example.org.")),
        (vec![(MX, "example.org A 192.0.2.1".into())], Mx, Note, "has no MX", None),
        (vec![("mx.example.org A 192.0.2.20", String::new())], Mx, Wrong, "has no address", None),
        (vec![(MX, "example.org MX 10 192.0.2.20".into())], Mx, Wrong, "is an address", None),
        (
            vec![("mx.example.org A", "mx.example.org CNAME h.example.org\nmx.example.org A".into())],
            Mx,
            Warning,
            "is an alias",
            None,
        ),
        (
            vec![("_mta-sts.example.org TXT v=STSv1; id=1;", String::new())],
            MtaSts,
            Note,
            "has no MTA-STS",
            Some("v=STSv1; id=20261122"),
        ),
        (vec![("id=1;", "id=1-1;".into())], MtaSts, Wrong, "is no single record", Some("v=STSv1; id=20261122")),
        (
            vec![("https://mta-sts.example.org/.well-known/mta-sts.txt PAGE", "https://other.example/ PAGE".into())],
            MtaSts,
            Wrong,
            "cannot be read",
            None,
        ),
        (
            vec![(STS, "version: STSv1|mode: enforce|mx: mail.example.org|max_age: 604800".into())],
            MtaSts,
            Wrong,
            "does not admit the MX mx.example.org",
            Some("v=STSv1; id=20261122"),
        ),
        (vec![(STS, "<html>|nothing".into())], MtaSts, Wrong, "is no policy", None),
        (vec![("mode: enforce", "mode: testing".into())], MtaSts, Note, "testing", None),
        (vec![("max_age: 604800", "max_age: 60".into())], MtaSts, Warning, "60 seconds only", None),
        (vec![(TLS, String::new())], TlsRpt, Note, "is not published", Some("v=TLSRPTv1; rua=mailto:postmaster@example.org")),
        (
            vec![("rua=mailto:tls@example.org", "rua=tls@example.org".into())],
            TlsRpt,
            Wrong,
            "does not say where",
            Some("v=TLSRPTv1; rua=mailto:postmaster@example.org"),
        ),
        (
            vec![(BIMI, "v=BIMI1; l=http://example.org/logo.png; a=https://example.org/logo.pem".into())],
            Bimi,
            Wrong,
            "https:// address of an .svg",
            None,
        ),
        (vec![(BIMI, "v=BIMI1; l=https://example.org/logo.svg; a=".into())], Bimi, Note, "no mark certificate", None),
        (vec![(BIMI, "v=BIMI1; l=; a=;".into())], Bimi, Right, "wants no logo", None),
        (vec![("p=reject;", "p=reject; sp=none;".into())], Bimi, Wrong, "no logo is shown", None),
        (vec![("openpgpkey.example.org A 192.0.2.30", String::new())], Wkd, Note, "postern keys wkd export", None),
        (
            vec![("10.2.0.192.in-addr.arpa PTR smtp.example.org", String::new())],
            Ptr,
            Wrong,
            "has no name",
            Some("smtp.example.org."),
        ),
        (
            vec![("smtp.example.org A 192.0.2.10", "smtp.example.org A 192.0.2.11".into())],
            Ptr,
            Wrong,
            "does not lead back",
            Some("192.0.2.10"),
        ),
    ];
    for (changes, topic, level, words, publish) in &rows {
        let changes: Vec<(&str, &str)> = changes.iter().map(|(old, new)| (*old, new.as_str())).collect();
        let zone = changed(&changes);
        let findings = all(&zone, &ours(), &house());
        let of_topic: Vec<&Finding> =
            findings.iter().filter(|found| found.topic == *topic && found.said.en.contains(words)).collect();
        let [found] = of_topic[..] else { panic!("{topic:?} \"{words}\" in\n{zone}\n{findings:#?}") };
        assert_eq!(found.level, *level, "{found:?}");
        let published = found.publish.first().map(|line| line.value.as_str());
        assert_eq!(published, *publish, "{found:?}");
        assert!(!found.said.fr.is_empty() && found.said.fr != found.said.en || found.said.en.len() < 40, "{found:?}");
        // What mends it does: published, and what is named removed, nothing of this is said any more.
        if matches!(level, Wrong | Warning) && !found.publish.is_empty() && matches!(topic, Spf | Dkim | Dmarc | Ptr | TlsRpt) {
            let mut mended = zone.clone();
            for line in &found.remove {
                mended = mended.replace(&format!("{} {} {}\n", line.name, line.kind, line.value), "\n");
            }
            // DNS has one record there: what was, goes.
            if found.remove.is_empty() && *topic == Dmarc && words.contains("nothing") {
                mended = mended.replace("_dmarc.example.org TXT", "x TXT");
            }
            for line in &found.publish {
                mended += &format!("\n{} {} {}", line.name, line.kind, line.value);
            }
            let after = all(&mended, &ours(), &house());
            assert!(!after.iter().any(|after| after.said == found.said), "{found:?} stays in\n{mended}");
        }
    }
}

#[test]
fn alignment_fails_where_the_signature_is_of_another_domain_and_the_policy_is_strict() {
    let below = Ours { domain: domain("news.example.org"), signed_by: Some(domain("example.org")), keys: Vec::new() };
    let level = |zone: &str| {
        let found = judge(zone, |answers| alignment(&below, &house(), answers));
        found.iter().map(|found| found.level).max()
    };
    assert_eq!(level(GOOD), Some(Level::Right));
    assert_eq!(level(&changed(&[("p=reject;", "p=reject; adkim=s;")])), Some(Level::Wrong));
    assert_eq!(level(&format!("{GOOD}\n_dmarc.news.example.org TXT v=DMARC1; p=none; psd=n")), Some(Level::Wrong));
    assert_eq!(level(&changed(&[("p=reject;", "p=reject; aspf=s;")])), Some(Level::Note), "MAIL FROM of another domain");
    assert_eq!(level(""), None, "without a policy nothing needs to align");
    let unsigned = Ours { signed_by: None, ..ours() };
    assert!(judge(GOOD, |answers| dkim(&unsigned, answers)).iter().any(|found| found.level == Level::Wrong));
}

#[test]
fn keys_that_come_and_go_are_asked_for_what_their_turn_asks() {
    let at = |phase, text: Option<&str>| {
        let zone = text.map(|text| format!("r1._domainkey.example.org TXT {text}")).unwrap_or_default();
        let ours = Ours { keys: vec![key("r1", phase)], ..ours() };
        let found = judge(&zone, |answers| dkim(&ours, answers));
        (found[0].level, found[0].publish.first().map(|line| line.value.clone()))
    };
    let right = Some("v=DKIM1; k=rsa; p=AAAA");
    let same = || Some("v=DKIM1; k=rsa; p=AAAA".to_owned());
    for (phase, text, level, publish) in [
        (Phase::Waiting, None, Level::Note, same()),
        (Phase::Waiting, right, Level::Right, None),
        (Phase::Waiting, Some("v=DKIM1; k=rsa; p=CCCC"), Level::Warning, same()),
        (Phase::Retiring, right, Level::Right, None),
        (Phase::Retiring, None, Level::Warning, same()),
        (Phase::Retired, right, Level::Note, Some("v=DKIM1; p=".to_owned())),
        (Phase::Retired, Some("v=DKIM1; p="), Level::Right, None),
        (Phase::Retired, None, Level::Right, None),
    ] {
        assert_eq!(at(phase, text), (level, publish), "{phase:?} {text:?}");
    }
}

#[test]
fn what_is_only_guessed_is_no_fault() {
    let guessing = House { settings: Settings::default(), ..house() };
    let zone = changed(&[("ip4:192.0.2.0/28", "ip4:198.51.100.1"), ("10.2.0.192.in-addr.arpa PTR", "x PTR")]);
    let worst = all(&zone, &ours(), &guessing).into_iter().map(|found| found.level).max();
    assert_eq!(worst, Some(Level::Warning));
    for smarthost in [None, Some("127.0.0.1".to_owned()), Some("10.0.0.1".to_owned()), Some("fd00::1".to_owned())] {
        let inside = House { smarthost, ..guessing.clone() };
        let found = all(GOOD, &ours(), &inside);
        assert!(found.iter().any(|found| found.level == Level::Note && found.said.en.contains("sends_from")), "{found:?}");
        assert!(found.iter().all(|found| found.topic != Topic::Ptr));
    }
}

#[test]
fn hostile_records_cost_little_and_reach_no_terminal() {
    // What hands texts on cuts them; the parsers meet 10 MB in tests of their own.
    let huge = "x".repeat(1_000_000);
    let zone = format!(
        "example.org TXT v=spf1 {huge}\n_dmarc.example.org TXT v=DMARC1; p={huge}\nr1._domainkey.example.org TXT v=DKIM1; p={huge}\n\
         _mta-sts.example.org TXT v=STSv1; id={huge}\n_smtp._tls.example.org TXT v=TLSRPTv1; rua={huge}\ndefault._bimi.example.org TXT v=BIMI1; l={huge}\n\
         example.org MX 10 {}\n",
        "y\u{1b}[31m"
    );
    let began = std::time::Instant::now();
    let findings = all(&zone, &ours(), &house());
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    for found in findings {
        assert!(found.said.en.len() < 2_000 && !found.said.en.contains('\u{1b}'), "{}", found.said.en.len());
        assert!(found.publish.iter().all(|line| line.value.len() < 2_000), "{:?}", found.topic);
    }
    let line = Line::txt("example.org", "a\"b\\c\u{1b}é").zone_line();
    assert_eq!(line, "example.org. IN TXT \"a\\\"b\\\\c\\027\\195\\169\"");
    assert!(Line::txt("x", "z".repeat(300)).zone_line().contains("\" \""));
}

#[test]
fn what_is_printed_is_right_when_it_is_asked_for() {
    let (ours, house) = (ours(), house());
    let lines = proposal::lines(&ours, &house);
    let zone: String = lines.iter().map(|line| format!("{} {} {}\n", line.name, line.kind, line.value)).collect();
    let more = "example.org MX 10 mx.example.org\nmx.example.org A 192.0.2.20\nhttps://mta-sts.example.org/.well-known/mta-sts.txt PAGE ";
    let zone = zone + more + &proposal::mta_sts_policy(&["mx.example.org".into()], "testing").replace('\n', "|");
    let found = judge(&zone, |answers| examine(&ours, &house, answers));
    assert!(found.iter().all(|found| found.level < Level::Unknown), "{found:#?}");
    // Warned of: p=none. All else is right or a note.
    assert_eq!(found.iter().filter(|found| found.level == Level::Warning).count(), 1);
    let elsewhere = House {
        settings: Settings {
            reports_to: Some(crate::mail::Address::parse("d@reports.example").unwrap()),
            ..house.settings.clone()
        },
        ..house
    };
    let lines = proposal::lines(&ours, &elsewhere);
    assert!(lines.contains(&Line::txt("example.org._report._dmarc.reports.example", "v=DMARC1")), "{lines:?}");
}

#[test]
fn terms_of_the_settings_are_read_like_a_record() {
    let said = |term: &str| Settings { spf: vec![term.into()], ..Settings::default() }.problems().len();
    for (term, problems) in [
        ("include:_spf.example.net", 0),
        ("ip4:192.0.2.0/24", 0),
        ("all", 1),
        ("-all", 1),
        ("a b", 1),
        ("include:", 1),
        ("", 1),
        ("redirect=x.example", 1),
    ] {
        assert_eq!(said(term), problems, "{term}");
    }
}

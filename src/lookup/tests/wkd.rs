//! What a Web Key Directory gives, refuses, and what it can make us pay.

use super::made;
use super::web::{Does, Web};
use crate::lookup::folder::KeyKind;
use crate::lookup::http::{Http, HttpSettings};
use crate::lookup::judge::{Judged, Memory, judge};
use crate::lookup::names::Names;
use crate::lookup::source::Said;
use crate::lookup::wkd::{Unreachable, Wkd};
use crate::mail::Address;
use crate::protect::trust::Trust;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(1500);

fn bob() -> Address {
    Address::parse("Bob@example.net").unwrap()
}

fn wkd(web: &Web, hosts: &[&str]) -> Wkd {
    let hosts = hosts.iter().map(|&host| (host.to_owned(), web.address)).collect();
    let settings = HttpSettings { ca: Some(web.ca.clone()), hosts, ..HttpSettings::default() };
    // Who is not in `hosts` cannot be resolved: nobody answers there.
    let names = Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap();
    Wkd { http: Http::new(&settings, names).unwrap(), unreachable: Unreachable::Failed }
}

/// What was judged, or the sentence of the failure.
async fn ask(wkd: &Wkd) -> Result<(Vec<Judged>, Vec<String>), String> {
    match wkd.ask(&bob(), BUDGET).await {
        Said::Failed(why) => Err(why),
        Said::Gave(given) => {
            let reasons = given.refused.iter().map(|why| why.reason.clone()).collect();
            Ok((judge(&given, &bob(), &Trust::default(), made::now(), &Memory::default()), reasons))
        }
    }
}

/// `usable N`, `nothing`, `refused: …` or `failed: …`.
async fn outcome(wkd: &Wkd) -> String {
    match ask(wkd).await {
        Err(why) => format!("failed: {why}"),
        Ok((judged, reasons)) => {
            let usable = judged.iter().filter(|one| one.key.is_some()).count();
            let judged_reasons = judged.iter().filter_map(|one| one.report.usable.clone().err());
            match (usable, reasons.into_iter().chain(judged_reasons).next()) {
                (0, None) => "nothing".to_owned(),
                (0, Some(reason)) => format!("refused: {reason}"),
                (count, _) => format!("usable {count}"),
            }
        }
    }
}

#[tokio::test]
async fn every_answer_of_a_directory_is_a_key_none_a_refusal_with_its_reason_or_a_failure_within_its_budget() {
    let right = made::cert(&["Bob <bob@example.net>"]);
    let others =
        made::cert(&["Carol <carol@example.net>", "bob@example.net.attacker.example", "bob@example.net <m@example.com>"]);
    let (_, taken_back) = made::revoked("bob@example.net");
    let names = |count: usize| made::with_unsigned_names(&right, count, |number| format!("x{number}@example.net"));
    let mine = |count: usize| made::with_unsigned_names(&right, count, |_| "bob@example.net".to_owned());
    let mut damaged = made::binary(&right);
    // In the primary key: nothing that was signed by it holds any more.
    damaged[20..36].fill(0xa5);
    let table: Vec<(&str, Does, &str)> = vec![
        ("binary", Does::give(made::binary(&right)), "usable 1"),
        ("armored", Does::give(made::armored(&right)), "usable 1"),
        ("two", Does::give([made::binary(&right), made::binary(&made::cert(&["bob@example.net"]))].concat()), "usable 2"),
        ("none", Does::refuse(404), "nothing"),
        ("gone", Does::refuse(410), "nothing"),
        ("forbidden", Does::refuse(403), "refused: it answered 403"),
        ("another's", Does::give(made::binary(&others)), "refused: none of its user ids has this address"),
        ("revoked", Does::give(made::binary(&taken_back)), "refused: its owner revoked it"),
        ("empty", Does::give(""), "refused: its answer is empty"),
        ("a page", Does::give("<!doctype html><title>Not found</title>"), "refused: it is no OpenPGP certificate"),
        ("garbage", Does::give(vec![0xc6; 200_000]), "refused: it is no OpenPGP certificate"),
        ("1 MB of it", Does::give(vec![0xc6; 1_000_000]), "refused: the answer is larger than 262144 octets"),
        ("a flood", Does::Floods, "refused: the answer is larger than 262144 octets"),
        ("damage", Does::give(damaged), "refused: "),
        ("10,000 names", Does::give(names(10_000)), "usable 1"),
        (
            "1,000 times the same name",
            Does::give(mine(1_000)),
            "refused: it has more signatures than can be checked in reasonable time",
        ),
        ("20,000 of it", Does::give(mine(14_000)), "refused: "),
        ("a loop", Does::RedirectsTo("?again".into()), "refused: more than 3 redirects"),
        ("inside", Does::RedirectsTo("https://10.0.0.1/".into()), "refused: 10.0.0.1 leads to an address"),
        ("no HTTP", Does::Says(vec![0; 1_000_000]), "refused: the answer is no HTTP"),
        ("a drip", Does::Drips, "failed: wkd: openpgpkey.example.net did not answer in time"),
        ("silence", Does::IsSilent, "failed: wkd: openpgpkey.example.net did not answer in time"),
        ("broken", Does::refuse(500), "failed: wkd: openpgpkey.example.net answered 500"),
        ("busy", Does::refuse(429), "failed: wkd: openpgpkey.example.net answered 429"),
        ("lost", Does::Says(Vec::new()), "failed: wkd: the connection to openpgpkey.example.net was lost"),
    ];
    for (name, does, expected) in table {
        let web = Web::serve(Some(&["openpgpkey.example.net"]), move |_, _| does.clone()).await;
        let began = Instant::now();
        let said = outcome(&wkd(&web, &["openpgpkey.example.net"])).await;
        assert!(said.starts_with(expected), "{name}: {said}");
        let most = BUDGET + Duration::from_millis(500);
        assert!(began.elapsed() < most, "{name}: {:?}", began.elapsed());
        let asked = web.asked();
        let path = "/.well-known/openpgpkey/example.net/hu/jycbiujnsxs47xrkethgtj69xuunurok?l=Bob";
        assert!(asked.first().is_none_or(|asked| asked.ends_with(path)), "{asked:?}");
    }
}

#[tokio::test]
async fn names_of_others_in_a_served_key_are_not_taken_along() {
    let served = made::cert(&["bob@example.net", "president@example.gouv.fr", "Bob <bob@example.net>"]);
    let web = Web::serve(Some(&["openpgpkey.example.net"]), move |_, _| Does::give(made::binary(&served))).await;
    let (judged, _) = ask(&wkd(&web, &["openpgpkey.example.net"])).await.unwrap();
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].report.addresses, [bob()]);
    assert_eq!(judged[0].report.kind, KeyKind::Openpgp);
}

#[tokio::test]
async fn the_direct_method_is_asked_only_where_there_is_no_advanced_host() {
    let key = made::binary(&made::cert(&["bob@example.net"]));
    let web = Web::serve(Some(&["example.net"]), move |_, _| Does::give(key.clone())).await;
    let dns = super::dns_stub::answering("127.0.0.1", &["example.net."]).await;
    let hosts = [("example.net".to_owned(), web.address)].into();
    let settings = HttpSettings { ca: Some(web.ca.clone()), hosts, ..HttpSettings::default() };
    let http = Http::new(&settings, Names::new(&[dns]).unwrap()).unwrap();
    let directory = Wkd { http, unreachable: Unreachable::Failed };
    assert_eq!(outcome(&directory).await, "usable 1");
    assert_eq!(web.asked(), ["example.net/.well-known/openpgpkey/hu/jycbiujnsxs47xrkethgtj69xuunurok?l=Bob"]);

    // Where its name cannot be resolved at all, nobody knows whether there is one.
    let unknown = wkd(&web, &["example.net"]);
    assert!(outcome(&unknown).await.starts_with("failed: "), "{}", outcome(&unknown).await);
    assert_eq!(web.asked().len(), 1);
}

#[tokio::test]
async fn a_domain_that_points_inside_has_nobody_knock_there() {
    let web = Web::serve(Some(&["openpgpkey.example.net"]), |_, _| Does::give("x")).await;
    for inside in ["127.0.0.1", "169.254.169.254"] {
        let dns = super::dns_stub::answering(inside, &["openpgpkey.example.net."]).await;
        let settings = HttpSettings { ca: Some(web.ca.clone()), ..HttpSettings::default() };
        let http = Http::new(&settings, Names::new(&[dns]).unwrap()).unwrap();
        let said = outcome(&Wkd { http, unreachable: Unreachable::Failed }).await;
        assert!(
            said.starts_with("refused: openpgpkey.example.net leads to an address that is not on the public"),
            "{inside}: {said}"
        );
    }
    assert!(web.asked().is_empty());
}

#[tokio::test]
async fn a_host_without_a_certificate_for_its_name_is_a_failure_unless_the_operator_says_otherwise() {
    let web = Web::serve(Some(&["www.example.net"]), |_, _| Does::give("x")).await;
    let mut directory = wkd(&web, &["openpgpkey.example.net", "example.net"]);
    assert!(outcome(&directory).await.contains("does not prove that it is"));
    directory.unreachable = Unreachable::Absent;
    assert_eq!(outcome(&directory).await, "nothing");
    drop(web);
}

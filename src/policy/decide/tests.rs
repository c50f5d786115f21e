//! Policies against facts: what each comes to, alone and together.

use super::super::record::{Counts, replay};
use super::super::shipped::{compile, shipped};
use super::*;
use crate::detect::{Category, Finding, Found, RuleId, Status, ValueId};
use crate::extract::{Place, Reason};
use crate::facts::{Measures, RecipientFacts};
use crate::mail::{AccountKind, Address, Identity, Language, Origin, RawMessage, Reference, UnixTime};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn submission(recipients: &[&str]) -> Submission {
    let login = address("marie.dupont@example.gouv.fr");
    Submission {
        reference: Reference::from_random([7; 8]),
        identity: Identity::Account {
            owns: vec![login.clone()],
            login: login.clone(),
            names: vec![],
            attributes: Default::default(),
        },
        mail_from: Some(login),
        recipients: recipients.iter().map(|text| address(text)).collect(),
        raw: RawMessage::new(b"Subject: x\r\n\r\nx\r\n".to_vec()).unwrap(),
        origin: Origin::Inspection,
        received_at: UnixTime(1_795_219_200),
        language: Language::Fr,
        requires_tls: false,
        transport: Default::default(),
    }
}

fn facts(of_message: &[Fact], keys: &[bool]) -> Facts {
    Facts {
        values: Vec::new(),
        past: Default::default(),
        of_message: of_message.iter().copied().collect(),
        of_recipients: keys.iter().map(|has_key| RecipientFacts { has_key: *has_key, ..RecipientFacts::default() }).collect(),
        ..Facts::default()
    }
}

fn finding(rule: &str, category: Category, status: Status, values: &[(u64, Confidence)]) -> Finding {
    let place = |(value, confidence): &(u64, Confidence)| Found {
        place: Place("body".into()),
        confidence: *confidence,
        masked: "••".to_owned(),
        value: ValueId(*value),
        digest: Default::default(),
        text: 0,
        span: (0, 1),
    };
    let confidence = values.iter().map(|(_, confidence)| *confidence).max().unwrap();
    Finding { rule: RuleId(rule.into()), category, status, confidence, places: values.iter().map(place).collect() }
}

fn nir(status: Status) -> Findings {
    Findings { found: vec![finding("fr-nir", Category::Identity, status, &[(1, Confidence::High)])], ..Findings::default() }
}

const OUTSIDE: &str = "rh@urssaf.example";

#[test]
fn a_decision_has_a_verdict_for_each_recipient_and_the_strictest_for_all() {
    let decision = decide(
        &submission(&[OUTSIDE, "paul@example.gouv.fr", "jean@company.example"]),
        &facts(&[], &[true, false, false]),
        &nir(Status::Active),
        &shipped(),
    );
    let words: Vec<&str> = decision.verdicts.iter().map(Verdict::word).collect();
    assert_eq!(words, ["encrypt", "allow", "quarantine"]);
    assert_eq!(decision.disposition, Disposition::Quarantine);
    assert_eq!(decision.verdicts[0].reasons[0].because.fr, "NIR x1");
    assert!(!decision.verdicts[0].reasons[0].no_key);
    assert!(decision.verdicts[2].reasons[0].no_key && decision.verdicts[2].requires.encrypt);
    assert_eq!(decision.verdicts[2].reasons[0].because.en, "NIR x1, no key");
}

#[test]
fn findings_of_draft_rules_count_for_nothing() {
    let decision = decide(&submission(&[OUTSIDE]), &facts(&[], &[false]), &nir(Status::Draft), &shipped());
    assert_eq!(decision.verdicts[0].word(), "allow");
}

#[test]
fn one_value_found_by_two_rules_of_a_category_is_one_value() {
    let policy = compile("[[policy]]\nid='p'\nwhen={found='category:identity', at_least=2}\nthen='block'").unwrap();
    let found = |value| Findings {
        found: vec![
            finding("fr-nir", Category::Identity, Status::Active, &[(1, Confidence::High)]),
            finding("fr-spi", Category::Identity, Status::Active, &[(value, Confidence::Medium)]),
        ],
        ..Findings::default()
    };
    let word = |value| decide(&submission(&[OUTSIDE]), &facts(&[], &[false]), &found(value), &policy).verdicts[0].word();
    assert_eq!(word(1), "allow");
    assert_eq!(word(2), "block");
}

#[test]
fn an_exception_lifts_only_its_own_policy() {
    let policy = compile(
        "[[policy]]\nid='a'\nwhen={found='fr-nir'}\nunless={to='list:partners'}\nthen='block'\n\
         [[policy]]\nid='b'\nwhen={found='category:identity'}\nthen='quarantine'\n\
         [[policy]]\nid='c'\nwhen={to='list:partners'}\nthen='allow'",
    )
    .unwrap();
    let word = |to| decide(&submission(&[to]), &facts(&[], &[false]), &nir(Status::Active), &policy).verdicts[0].word();
    assert_eq!(word("x@partner.example"), "quarantine");
    assert_eq!(word(OUTSIDE), "block");
}

/// One word for lists, accounts and directories; the audit keeps what the decision rests on.
#[test]
fn a_group_is_named_in_one_way_wherever_it_comes_from() {
    let policy = compile(
        "groups = ['Paie', 'direction générale']\n\
         [[policy]]\nid='a'\nwhen={found='fr-nir'}\nunless={from='group:paie'}\nthen='block'\n\
         [[policy]]\nid='b'\nwhen={to='group:Direction Générale'}\nthen='quarantine'\n\
         [[policy]]\nid='c'\nwhen={to='group:partners'}\nthen='defer'\n\
         [[policy]]\nid='d'\nwhen={from='kind:service', to='outside'}\nthen='encrypt'\nif_no_key='quarantine'\n",
    )
    .unwrap();
    assert!(policy.asks_groups_of_sender() && policy.asks_groups_of_recipients());
    let (inside, partner) = ("paul@example.gouv.fr", "x@partner.example");
    for (from, kind, to, groups, word) in [
        ("", AccountKind::Person, inside, "", "block"),
        ("paie", AccountKind::Person, inside, "", "allow"),
        ("paie", AccountKind::Person, inside, "direction générale", "quarantine"),
        // The sender's group is not the recipient's, nor the other way round.
        ("direction générale", AccountKind::Person, inside, "paie", "block"),
        ("paie", AccountKind::Person, partner, "", "defer"),
        ("paie", AccountKind::Person, inside, "partners", "defer"),
        ("paie", AccountKind::Service, OUTSIDE, "", "quarantine"),
        ("paie", AccountKind::Person, OUTSIDE, "", "allow"),
    ] {
        let mut submission = submission(&[to]);
        let Identity::Account { attributes, .. } = &mut submission.identity else { panic!() };
        attributes.kind = kind;
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        let mut facts = facts(&[], &[false]);
        (facts.sender_groups, facts.of_recipients[0].groups) = (set(from), set(groups));
        let decision = decide(&submission, &facts, &nir(Status::Active), &policy);
        assert_eq!(decision.verdicts[0].word(), word, "{from} {kind:?} {to} {groups}");
        let kept = serde_json::to_string(&Inputs::of(&submission, &facts, &nir(Status::Active))).unwrap();
        assert_eq!(replay(&serde_json::from_str(&kept).unwrap(), &policy), decision);
    }
    // What was kept before there were groups is read as before.
    let old: Inputs = serde_json::from_str(r#"{"recipients":[{"address":"a@x.example","has_key":true}]}"#).unwrap();
    assert!(old.from_groups.is_empty() && old.from_kind.is_none() && old.recipients[0].groups.is_empty());
}

#[test]
fn a_name_of_a_group_is_believed_only_where_it_can_be_no_slip() {
    let with = |top: &str, party: &str| {
        let text = format!("{top}\n[[policy]]\nid='a'\nwhen={{to='outside'}}\nunless={{{party}}}\nthen='block'\n");
        compile(&text)
            .map(|policy| policy.groups().iter().cloned().collect::<Vec<_>>().join(","))
            .map_err(|errors| errors.join("\n"))
    };
    for (top, party, expected) in [
        ("", "from='group:partners'", Ok("partners")),
        ("", "from='group: Payroll '", Ok("payroll")),
        ("groups=['payroll']", "from='group:payroll'", Ok("payroll")),
        ("groups=['partner']", "from='group:partner'", Ok("partner")),
        ("", "from='group:partner'", Err("write at the top: groups = [\"partner\"]")),
        ("groups=['payroll']", "from='group:payrol'", Err("did you mean \"payroll\"?")),
        ("groups=['payroll']", "from='group:partner'", Err("did you mean \"partners\"?")),
        ("groups=[' ']", "from='inside'", Err("groups takes a text")),
        ("", "from='group:'", Err("a group has a name")),
        ("", "from='kind:servce'", Err("did you mean \"service\"?")),
        ("", "to='kind:service'", Err("write it in from")),
        ("", "from='kind:service'", Ok("")),
    ] {
        match (with(top, party), expected) {
            (Ok(groups), Ok(expected)) => assert_eq!(groups, expected, "{top} {party}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{top} {party}: {why}"),
            (came, _) => panic!("{top} {party}: {came:?}"),
        }
    }
}

#[test]
fn a_case_states_groups_and_kinds() {
    let policy = "[[policy]]\nid='a'\nwhen={to='group:board'}\nunless={from=['group:payroll', 'kind:service']}\nthen='block'\n";
    let case = |more: &str, expect: &str| {
        let from = "from='marie.dupont@example.gouv.fr'\nto='paul@example.gouv.fr'";
        compile(&format!("{policy}[[case]]\ntitle='x'\n{from}\n{more}\nexpect='{expect}'"))
            .map(drop)
            .map_err(|errors| errors.join("\n"))
    };
    assert_eq!(case("", "allow"), Ok(()));
    assert_eq!(case("to_groups='Board'", "block"), Ok(()));
    assert_eq!(case("to_groups='board'\nfrom_groups=['payroll']", "allow"), Ok(()));
    assert_eq!(case("to_groups='board'\nfrom_kind='service'", "allow"), Ok(()));
    assert_eq!(case("to_groups='board'\nfrom_kind='person'", "block"), Ok(()));
    assert!(
        case("to_groups='bord'", "allow").unwrap_err().contains("no policy names the group \"bord\"; did you mean \"board\"?")
    );
    assert!(case("to_groups='board'", "allow").unwrap_err().contains("came out block"));
}

#[test]
fn a_policy_on_watch_changes_nothing_and_is_reported_only_when_it_would() {
    let base = "[[policy]]\nid='b'\nwhen={found='fr-nir'}\nthen='quarantine'\n";
    for (then, reported) in [("block", true), ("quarantine", false), ("allow", false), ("tls", true), ("encrypt", true)] {
        let watching = format!("{base}[[policy]]\nid='w'\nwhen={{found='fr-nir'}}\nthen='{then}'\nmode='watch'\n");
        let on =
            |text: &str| decide(&submission(&[OUTSIDE]), &facts(&[], &[true]), &nir(Status::Active), &compile(text).unwrap());
        let (plain, watched) = (on(base), on(&watching));
        assert_eq!(watched.verdicts[0].disposition, plain.verdicts[0].disposition, "{then}");
        assert_eq!(watched.verdicts[0].requires, plain.verdicts[0].requires, "{then}");
        assert_eq!(watched.verdicts[0].reasons.len(), plain.verdicts[0].reasons.len(), "{then}");
        assert_eq!(!watched.watched.is_empty(), reported, "{then}");
    }
}

#[test]
fn several_policies_that_want_encryption_take_the_strictest_answer_to_a_missing_key() {
    let policy = compile(
        "[[policy]]\nid='a'\nwhen={found='fr-nir'}\nthen='encrypt'\n\
         [[policy]]\nid='b'\nwhen={to='outside'}\nthen='encrypt'\nif_no_key='block'",
    )
    .unwrap();
    let decision = decide(&submission(&[OUTSIDE]), &facts(&[], &[false]), &nir(Status::Active), &policy);
    assert_eq!(decision.disposition, Disposition::Block);
    assert_eq!(&*decision.verdicts[0].reasons[0].policy.0, "b");
    assert!(decision.verdicts[0].reasons.iter().all(|applied| applied.no_key));
}

#[test]
fn a_clients_seal_satisfies_encryption_unless_the_reason_stands_in_clear() {
    let policy = compile(
        "[[policy]]\nid='a'\nwhen={found='fr-nir'}\nthen='encrypt'\n[[policy]]\nid='b'\nwhen={to='outside'}\nthen='encrypt'",
    )
    .unwrap();
    let sealed = facts(&[Fact::SealedByClient], &[false]);
    let quiet = decide(&submission(&[OUTSIDE]), &sealed, &Findings::default(), &policy);
    assert_eq!(quiet.verdicts[0].word(), "encrypt");
    let loud = decide(&submission(&[OUTSIDE]), &sealed, &nir(Status::Active), &policy);
    assert_eq!(loud.verdicts[0].word(), "quarantine");
    assert_eq!(loud.verdicts[0].reasons[0].because.fr, "NIR x1, en clair");
    // A key does not help: what is sealed is left as it is.
    let keyed = facts(&[Fact::SealedByClient], &[true]);
    assert_eq!(decide(&submission(&[OUTSIDE]), &keyed, &nir(Status::Active), &policy).verdicts[0].word(), "quarantine");
}

#[test]
fn private_mail_is_refused_where_other_mail_is_held() {
    let private = facts(&[Fact::MarkedPrivate], &[false]);
    let held = |extra: &str| {
        let text = format!("[[policy]]\nid='a'\nwhen={{found='fr-nir'}}\nthen='quarantine'\n{extra}");
        decide(&submission(&[OUTSIDE]), &private, &nir(Status::Active), &compile(&text).unwrap()).disposition
    };
    assert_eq!(held(""), Disposition::Block);
    assert_eq!(held("if_private='quarantine'"), Disposition::Quarantine);
    let no_key = decide(&submission(&[OUTSIDE]), &private, &nir(Status::Active), &shipped());
    assert_eq!(no_key.disposition, Disposition::Block);
}

#[test]
fn the_default_holds_where_no_policy_settles_the_matter() {
    for (policies, word) in [
        ("", "quarantine"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='sign'", "quarantine"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='allow'", "allow"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='encrypt'", "encrypt"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='allow'\nmode='watch'", "quarantine"),
    ] {
        let policy = compile(&format!("default='quarantine'\n{policies}")).unwrap();
        let decision = decide(&submission(&[OUTSIDE]), &facts(&[], &[true]), &Findings::default(), &policy);
        assert_eq!(decision.verdicts[0].word(), word, "{policies}");
    }
}

#[test]
fn conditions_hold_when_all_that_they_name_holds() {
    let submission = submission(&["x@sub.partner.example"]);
    let mut facts = facts(&[Fact::ViaRelay, Fact::OfficeAttachment], &[false]);
    facts.measures = Measures {
        size: 1_000,
        recipients: 20,
        visible_external_recipients: 10,
        attachment_types: [".xlsx".to_owned(), "application/pdf".to_owned()].into(),
        subject_tags: vec!["chiffrer".to_owned()],
    };
    let mut findings = nir(Status::Active);
    findings.unreadable.push(crate::extract::Unreadable { part: Place("x".into()), reason: Reason::Damaged });
    for (when, holds) in [
        ("found = 'fr-nir'", true),
        ("found = ['iban', 'fr-nir']", true),
        ("found = 'iban'", false),
        ("found = 'fr-nir', confidence = 'high'", true),
        ("found = 'fr-nir', at_least = 2", false),
        ("found = 'category:identity'", true),
        ("found = 'fr-nir', to = 'inside'", false),
        ("to = 'list:partners'", true),
        ("to = 'partner.example'", true),
        ("to = '@partner.example'", true),
        ("to = 'x@sub.partner.example'", true),
        ("to = ['inside', 'other.example']", false),
        ("from = 'inside'", true),
        ("from = 'outside'", false),
        ("from = 'Marie.Dupont@example.gouv.fr'", true),
        ("from = 'list:partners'", false),
        ("all_facts = ['via_relay', 'office_attachment']", true),
        ("all_facts = ['via_relay', 'tried_again']", false),
        ("any_fact = ['via_relay', 'tried_again']", true),
        ("any_fact = ['tried_again']", false),
        ("unreadable = ['damaged', 'password']", true),
        ("unreadable = 'password'", false),
        ("size_over = 999", true),
        ("size_over = 1000", false),
        ("size_over = '1 MB'", false),
        ("recipients_over = 19", true),
        ("recipients_over = 20", false),
        ("visible_external_recipients_over = 9", true),
        ("visible_external_recipients_over = 10", false),
        ("attachment_types = ['.XLSX']", true),
        ("attachment_types = ['.exe']", false),
        ("subject_tag = '[Chiffrer]'", true),
        ("subject_tag = 'encrypt'", false),
        ("time = { weekdays = ['sat'] }", true),
        ("time = { weekdays = ['sun'] }", false),
        ("time = { hours = '00:30-02:00' }", true),
        ("time = { hours = '00:30-02:00', zone = 'UTC' }", false),
    ] {
        let policy = compile(&format!("[[policy]]\nid='a'\nwhen={{ {when} }}\nthen='block'")).unwrap();
        let decision = decide(&submission, &facts, &findings, &policy);
        assert_eq!(decision.disposition == Disposition::Block, holds, "{when}");
        if holds {
            assert!(!decision.verdicts[0].reasons[0].because.fr.is_empty(), "{when}");
        }
    }
}

#[test]
fn the_senders_words_are_filled_in_and_the_tag_is_to_be_stripped() {
    let policy = compile(
        "[[policy]]\nid='a'\nwhen={subject_tag='encrypt'}\nthen='encrypt'\ntell_sender={fr='Pas de clé pour {recipient}.', en='No key for {recipient}.'}",
    )
    .unwrap();
    let mut facts = facts(&[], &[true]);
    facts.measures.subject_tags = vec!["encrypt".to_owned()];
    let decision = decide(&submission(&[OUTSIDE]), &facts, &Findings::default(), &policy);
    let verdict = &decision.verdicts[0];
    assert!(verdict.requires.strip_subject_tag && verdict.requires.encrypt);
    assert_eq!(verdict.reasons[0].tell_sender.as_ref().unwrap().en, format!("No key for {OUTSIDE}."));
}

#[test]
fn a_trusted_relays_bounce_is_from_inside_and_from_nobody_in_particular() {
    let mut submission = submission(&[OUTSIDE]);
    submission.identity = Identity::Relay { listener: "relay".into(), senders: vec![], login: None };
    submission.mail_from = None;
    for (from, holds) in [("inside", true), ("outside", false), ("list:partners", false)] {
        let policy = compile(&format!("[[policy]]\nid='a'\nwhen={{from='{from}'}}\nthen='block'")).unwrap();
        let decision = decide(&submission, &facts(&[], &[false]), &Findings::default(), &policy);
        assert_eq!(decision.disposition == Disposition::Block, holds, "{from}");
    }
}

/// Issue 4: "two different keys for one address are held until one is chosen": in every way in which encryption can be asked for.
#[test]
fn what_would_be_sealed_is_held_while_keys_contradict_each_other() {
    for (then, of_message, password, word) in [
        ("then='encrypt_if_possible'", None, false, "quarantine"),
        ("then='encrypt_if_possible'", None, true, "quarantine"),
        ("then=['encrypt_if_possible','sign']", None, false, "quarantine"),
        ("then='encrypt'", None, false, "quarantine"),
        ("then='encrypt'\nif_no_key='container'", None, true, "quarantine"),
        ("then='encrypt'\nif_no_key='block'", None, false, "block"),
        ("then='encrypt_if_possible'", Some(Fact::MarkedPrivate), false, "block"),
        // Nothing is asked of the gate here.
        ("then='encrypt_if_possible'", Some(Fact::SealedByClient), false, "allow"),
        ("then='sign'", None, false, "allow"),
        ("then='tls'", None, false, "tls"),
    ] {
        let policy = compile(&format!("[[policy]]\nid='p'\nwhen={{to='outside'}}\n{then}\n")).unwrap();
        let of_message: Vec<Fact> = of_message.into_iter().collect();
        let mut facts = keyless(&of_message, password);
        facts.of_recipients[0].facts.insert(Fact::ContestedKey);
        let decision = decide(&submission(&[OUTSIDE]), &facts, &Findings::default(), &policy);
        let verdict = &decision.verdicts[0];
        assert_eq!(verdict.word(), word, "{then} {of_message:?}");
        if word == "quarantine" {
            assert!(verdict.requires.encrypt && verdict.reasons[0].no_key && !verdict.reasons[0].container, "{then}");
            assert!(verdict.reasons[0].because.en.contains("contradicting keys"), "{:?}", verdict.reasons[0].because);
            // Both files taken away: an officer's release does not send it in clear either.
            let now = decide(&submission(&[OUTSIDE]), &keyless(&of_message, false), &Findings::default(), &policy);
            let released = crate::policy::release(&decision, &[], now).verdicts[0].clone();
            assert!(released.requires.encrypt, "{then}");
        }
    }
}

#[test]
fn a_recipient_without_facts_has_no_key() {
    let decision = decide(&submission(&[OUTSIDE]), &Facts::default(), &nir(Status::Active), &shipped());
    assert_eq!(decision.verdicts[0].word(), "quarantine");
}

fn keyless(of_message: &[Fact], has_password: bool) -> Facts {
    let mut facts = facts(of_message, &[false]);
    facts.of_recipients[0].has_password = has_password;
    facts
}

#[test]
fn a_password_stands_in_for_a_key_only_where_every_policy_is_content_with_it() {
    let content = "[[policy]]\nid='a'\nwhen={to='outside'}\nthen='encrypt'\nif_no_key='container'\n";
    let strict = |if_no_key: &str| {
        format!("{content}[[policy]]\nid='b'\nwhen={{found='fr-nir'}}\nthen='encrypt'\nif_no_key='{if_no_key}'\n")
    };
    let quarantine = strict("quarantine");
    let (block, both) = (strict("block"), strict("container"));
    for (text, of_message, has_password, found, word, container, because) in [
        (content, &[][..], true, false, "encrypt", true, "destinataire, sous mot de passe"),
        (content, &[], false, false, "quarantine", false, "destinataire, sans clé ni mot de passe"),
        (&both, &[], true, true, "encrypt", true, "destinataire, sous mot de passe"),
        (&quarantine, &[], true, true, "quarantine", false, "NIR x1, sans clé"),
        (&block, &[], true, true, "block", false, "NIR x1, sans clé"),
        // What the client sealed is left as it is: there is nothing to put under a password.
        (content, &[Fact::SealedByClient], true, false, "encrypt", false, "destinataire"),
        (&both, &[Fact::SealedByClient], true, true, "quarantine", false, "NIR x1, en clair"),
    ] {
        let findings = if found { nir(Status::Active) } else { Findings::default() };
        let decision = decide(&submission(&[OUTSIDE]), &keyless(of_message, has_password), &findings, &compile(text).unwrap());
        let verdict = &decision.verdicts[0];
        assert_eq!((verdict.word(), verdict.is_in_container()), (word, container), "{text}");
        assert_eq!(verdict.reasons[0].because.fr, because, "{text}");
    }
    // Who has a key gets it to the key.
    let keyed = decide(&submission(&[OUTSIDE]), &facts(&[], &[true]), &Findings::default(), &compile(content).unwrap());
    assert!(!keyed.verdicts[0].is_in_container() && keyed.verdicts[0].word() == "encrypt");
}

#[test]
fn what_sealing_would_break_is_never_clear_where_sealing_is_demanded_and_left_alone_where_it_is_wished_for() {
    let own = "[breaks_when_sealed]\ncalendar='block'\ndelivery_report='encrypt'\nauto_reply='quarantine'\ntnef='quarantine'\n";
    for (fact, usual, other) in [
        (Fact::Calendar, "quarantine", "block"),
        (Fact::DeliveryReport, "quarantine", "encrypt"),
        (Fact::AutoReply, "encrypt", "quarantine"),
        (Fact::Tnef, "encrypt", "quarantine"),
    ] {
        for (table, word) in [("", usual), (own, other)] {
            let decided = |then: &str, of_message: &[Fact]| {
                let text = format!("{table}[[policy]]\nid='a'\nwhen={{to='outside'}}\nthen='{then}'\n");
                decide(&submission(&[OUTSIDE]), &facts(of_message, &[true]), &Findings::default(), &compile(&text).unwrap())
            };
            let demanded = decided("encrypt", &[fact]);
            assert_eq!(demanded.verdicts[0].word(), word, "{fact:?} {table}");
            assert!(demanded.verdicts[0].requires.encrypt, "{fact:?}: released, it is sealed all the same");
            let wished = decided("encrypt_if_possible", &[fact]);
            assert_eq!(wished.verdicts[0].disposition, Disposition::Allow, "{fact:?}");
            assert_eq!(wished.verdicts[0].requires.encrypt_if_possible, word == "encrypt", "{fact:?} {table}");
            // What the client sealed itself is broken or not already.
            assert_eq!(decided("encrypt", &[fact, Fact::SealedByClient]).verdicts[0].word(), "encrypt", "{fact:?}");
        }
    }
}

#[test]
fn a_message_that_waives_tls_is_refused_where_protection_is_asked_for() {
    for (then, word) in [
        ("tls", "block"),
        ("encrypt", "block"),
        ("encrypt_if_possible", "block"),
        ("sign", "allow"),
        ("individual_copies", "allow"),
        ("quarantine", "quarantine"),
    ] {
        let policy = compile(&format!("[[policy]]\nid='a'\nwhen={{to='outside'}}\nthen='{then}'")).unwrap();
        let waived = facts(&[Fact::TlsOptional], &[true]);
        let decision = decide(&submission(&[OUTSIDE]), &waived, &Findings::default(), &policy);
        assert_eq!(decision.verdicts[0].word(), word, "{then}");
    }
}

#[test]
fn requiretls_binds_whatever_the_policies_say() {
    for (policies, word) in [
        ("", "tls"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='allow'", "tls"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='encrypt'", "encrypt"),
        ("[[policy]]\nid='a'\nwhen={to='outside'}\nthen='block'", "block"),
    ] {
        let policy = compile(policies).unwrap();
        let decision = decide(&submission(&[OUTSIDE]), &facts(&[Fact::RequiresTls], &[true]), &Findings::default(), &policy);
        let verdict = &decision.verdicts[0];
        assert_eq!((verdict.word(), verdict.requires.tls), (word, true), "{policies}");
    }
}

#[test]
fn a_subject_is_hidden_by_the_strictest_policy_that_seals() {
    let policy = |hide: &str| {
        format!("[[policy]]\nid='{}'\nwhen={{to='outside'}}\nthen='encrypt'\nhide_subject='{hide}'\n", hide.replace('_', "-"))
    };
    let (always, sensitive, never) = (policy("always"), policy("when_sensitive"), policy("never"));
    let usual = "[[policy]]\nid='x'\nwhen={to='outside'}\nthen='encrypt_if_possible'\n";
    for (text, plain, found) in [
        (always.clone(), true, true),
        (sensitive.clone(), false, true),
        (never.clone(), false, false),
        (format!("{never}{sensitive}"), false, true),
        (format!("{never}{always}"), true, true),
        (format!("{never}{usual}"), true, true),
        (usual.to_owned(), true, true),
        ("[[policy]]\nid='x'\nwhen={to='outside'}\nthen='tls'".to_owned(), false, false),
    ] {
        for (of_message, hidden) in [(&[][..], plain), (&[Fact::SensitiveSubject], found)] {
            let policy = compile(&text).unwrap();
            let decision = decide(&submission(&[OUTSIDE]), &facts(of_message, &[true]), &Findings::default(), &policy);
            assert_eq!(decision.verdicts[0].requires.hide_subject, hidden, "{text} {of_message:?}");
        }
    }
}

const POOL: &[&str] = &[
    "[[policy]]\nid='p10'\nwhen={to='outside'}\nthen='encrypt'\nif_no_key='container'\nhide_subject='when_sensitive'\n",
    "[[policy]]\nid='p0'\nwhen={found='fr-nir'}\nthen='encrypt'\n",
    "[[policy]]\nid='p1'\nwhen={found='fr-nir', at_least=2}\nthen='quarantine'\n",
    "[[policy]]\nid='p2'\nwhen={to='outside'}\nthen='tls'\n",
    "[[policy]]\nid='p3'\nwhen={any_fact=['to_own_mailbox']}\nunless={to='list:partners'}\nthen='block'\n",
    "[[policy]]\nid='p4'\nwhen={to='list:partners'}\nthen='allow'\n",
    "[[policy]]\nid='p5'\nwhen={unreadable='password'}\nthen=['quarantine', 'sign']\n",
    "[[policy]]\nid='p6'\nwhen={found='category:identity'}\nthen='encrypt'\nif_no_key='block'\n",
    "[[policy]]\nid='p7'\nwhen={to='outside'}\nthen='block'\nmode='watch'\n",
    "[[policy]]\nid='p8'\nwhen={subject_tag='x'}\nthen=['encrypt_if_possible', 'individual_copies']\n",
    "[[policy]]\nid='p9'\nwhen={to='outside'}\nthen='defer'\n",
];

fn any_inputs() -> impl Strategy<Value = Inputs> {
    (any::<[bool; 8]>(), 0u64..3).prop_map(|([own, partner, key, password, tag, sealed, password_agreed, contested], count)| {
        let mut inputs = Inputs { from: Some(address("marie.dupont@example.gouv.fr")), ..Inputs::default() };
        let to = if partner { "x@partner.example" } else { OUTSIDE };
        inputs.recipients.push(RecipientInputs {
            address: address(to),
            has_key: key,
            has_password: password_agreed,
            facts: if contested && !key { [Fact::ContestedKey].into() } else { BTreeSet::new() },
            groups: BTreeSet::new(),
        });
        if own {
            inputs.facts.insert(Fact::ToOwnMailbox);
        }
        if sealed {
            inputs.facts.insert(Fact::SealedByClient);
        }
        if password {
            inputs.unreadable.insert(Reason::Password);
        }
        if tag {
            inputs.subject_tags.push("x".to_owned());
        }
        if count > 0 {
            let counts = Counts { high: count, medium: count, low: count };
            inputs.found.insert("fr-nir".to_owned(), counts);
            inputs.categories.insert(Category::Identity, counts);
        }
        inputs
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn policies_have_no_order_and_more_of_them_are_never_laxer(
        order in Just((0..POOL.len()).collect::<Vec<_>>()).prop_shuffle(),
        taken in 0..=POOL.len(),
        inputs in any_inputs(),
    ) {
        let text = |indices: &[usize]| indices.iter().map(|at| POOL[*at]).collect::<String>();
        let mut sorted = order[..taken].to_vec();
        sorted.sort();
        let shuffled = replay(&inputs, &compile(&text(&order[..taken])).unwrap());
        let ordered = replay(&inputs, &compile(&text(&sorted)).unwrap());
        // The ruleset's hash names the text, so it alone may differ.
        prop_assert_eq!(format!("{:?} {:?}", shuffled.verdicts, shuffled.watched), format!("{:?} {:?}", ordered.verdicts, ordered.watched));
        let all = replay(&inputs, &compile(&text(&order)).unwrap());
        prop_assert!(all.disposition >= ordered.disposition);
        let (more, less) = (all.verdicts[0].requires, ordered.verdicts[0].requires);
        prop_assert_eq!(more.union(less), more);
        // Never clear where encryption is required and cannot be had.
        let verdict = &all.verdicts[0];
        let sealed = inputs.facts.contains(&Fact::SealedByClient);
        let one = &inputs.recipients[0];
        let password = one.has_password && !verdict.requires.to_key;
        prop_assert!(!verdict.requires.encrypt || sealed || one.has_key || password || verdict.disposition >= Disposition::Quarantine);
        prop_assert!(!verdict.is_in_container() || password && !one.has_key);
    }

    #[test]
    fn a_record_decides_the_same_again(inputs in any_inputs()) {
        let text = serde_json::to_string(&inputs).unwrap();
        let again: Inputs = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&again, &inputs);
        let policy = shipped();
        let decision = replay(&inputs, &policy);
        prop_assert_eq!(&replay(&again, &policy), &decision);
        // What is held keeps its decision for the day of its release.
        let kept: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        prop_assert_eq!(kept, decision);
    }
}

fn with(words: &[&str]) -> Findings {
    let found = words
        .iter()
        .enumerate()
        .map(|(at, rule)| finding(rule, Category::Identity, Status::Active, &[(at as u64 + 1, Confidence::High)]));
    Findings { found: found.collect(), ..Findings::default() }
}

/// Two policies that may be confirmed, one of which wants encryption too; one that may not, and one that no person is asked about.
const ANSWERABLE: &str = "[[policy]]\nid='said'\nwhen={found='fr-nir'}\nthen='confirm'\n\
     [[policy]]\nid='sealed'\nwhen={found='fr-spi'}\nthen=['confirm', 'encrypt']\n\
     [[policy]]\nid='hard'\nwhen={found='iban'}\nthen='block'\n\
     [[policy]]\nid='never'\nwhen={found='mrz'}\nthen='block'\nreview='never'\n\
     [[policy]]\nid='held'\nwhen={found='fr-ine'}\nthen='quarantine'";

#[test]
fn an_answer_lifts_what_it_names_and_nothing_else() {
    let policy = compile(ANSWERABLE).unwrap();
    let confirmed = |ids: &[&str]| {
        let ids = ids.iter().map(|id| PolicyId((*id).into())).collect();
        Answer::Confirmed([(address(OUTSIDE), ids)].into())
    };
    let all = confirmed(&["said", "sealed", "hard", "never", "held"]);
    let private = &[Fact::MarkedPrivate][..];
    for (found, facts_of, has_key, answer, word, confirm, review) in [
        (&["fr-nir"][..], &[][..], false, Answer::None, "block", true, true),
        (&["fr-nir"], &[], false, confirmed(&["said"]), "allow", false, false),
        (&["fr-nir"], &[], false, confirmed(&["sealed"]), "block", true, true),
        (&["fr-nir"], &[], false, Answer::Review, "quarantine", false, false),
        // What is required stays required.
        (&["fr-spi"], &[], false, confirmed(&["sealed"]), "quarantine", false, false),
        (&["fr-spi"], &[], true, confirmed(&["sealed"]), "encrypt", false, false),
        (&["fr-spi"], &[Fact::TlsOptional], true, Answer::None, "block", false, false),
        (&["fr-spi"], &[Fact::TlsOptional], true, all.clone(), "block", false, false),
        // A policy that did not say confirm is not lifted, whatever an answer claims.
        (&["iban"], &[], false, all.clone(), "block", false, true),
        (&["fr-ine"], &[], false, all.clone(), "quarantine", false, false),
        (&["fr-nir", "iban"], &[], false, all.clone(), "block", false, true),
        (&["fr-nir", "iban"], &[], false, Answer::None, "block", false, true),
        (&["fr-nir", "fr-spi"], &[], true, all.clone(), "encrypt", false, false),
        (&["fr-nir", "fr-ine"], &[], false, all.clone(), "quarantine", false, false),
        // Where no person may look: neither is one asked, nor shown a private message.
        (&["mrz"], &[], false, Answer::None, "block", false, false),
        (&["mrz"], &[], false, Answer::Review, "block", false, false),
        (&["iban", "mrz"], &[], false, Answer::Review, "block", false, false),
        (&["iban"], private, false, Answer::None, "block", false, false),
        (&["iban"], private, false, Answer::Review, "block", false, false),
        (&["fr-nir"], private, false, confirmed(&["said"]), "allow", false, false),
    ] {
        let facts = facts(facts_of, &[has_key]);
        let decision = decide_answered(&submission(&[OUTSIDE]), &facts, &with(found), &policy, &answer);
        let recourse = decision.recourse();
        let case = format!("{found:?} {facts_of:?} {answer:?}");
        assert_eq!(decision.verdicts[0].word(), word, "{case}");
        if answer == Answer::None || word == "block" && !matches!(answer, Answer::Review) {
            assert_eq!((recourse.confirm, recourse.review), (confirm, review), "{case}");
        }
    }
}

#[test]
fn what_was_answered_for_one_recipient_is_not_answered_for_another() {
    let policy = compile(ANSWERABLE).unwrap();
    let answer = Answer::Confirmed([(address(OUTSIDE), [PolicyId("said".into())].into())].into());
    let to = submission(&[OUTSIDE, "other@company.example"]);
    let decision = decide_answered(&to, &facts(&[], &[false, false]), &with(&["fr-nir"]), &policy, &answer);
    let words: Vec<&str> = decision.verdicts.iter().map(Verdict::word).collect();
    assert_eq!(words, ["allow", "block"]);
}

#[test]
fn a_message_held_at_its_senders_wish_can_be_released_as_long_as_its_policy_allows() {
    let then = {
        let policy = compile(ANSWERABLE).unwrap();
        decide_answered(&submission(&[OUTSIDE]), &facts(&[], &[false]), &with(&["iban"]), &policy, &Answer::Review)
    };
    assert_eq!(then.disposition, Disposition::Quarantine);
    let lifted = [PolicyId("hard".into())];
    for (policy, expected) in [
        (ANSWERABLE.to_owned(), Disposition::Allow),
        (
            ANSWERABLE.replace("when={found='iban'}\nthen='block'", "when={found='iban'}\nthen='block'\nreview='never'"),
            Disposition::Block,
        ),
        (
            format!("{ANSWERABLE}\n[[policy]]\nid='new'\nwhen={{found='iban'}}\nthen='block'\nreview='never'"),
            Disposition::Block,
        ),
    ] {
        let policy = compile(&policy).unwrap();
        let now = decide_answered(&submission(&[OUTSIDE]), &facts(&[], &[false]), &with(&["iban"]), &policy, &then.answer);
        assert_eq!(super::super::release(&then, &lifted, now).disposition, expected);
        // Without what was answered then, a block is a block.
        let now = decide(&submission(&[OUTSIDE]), &facts(&[], &[false]), &with(&["iban"]), &policy);
        assert_eq!(super::super::release(&then, &lifted, now).disposition, Disposition::Block);
    }
}

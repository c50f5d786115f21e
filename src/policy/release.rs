//! Turns the decision that held a message, and today's, into the one under which an officer releases it.

use super::decide::{sort, strictest};
use super::{Applied, Decision, Disposition, PolicyId, Verdict};

/// What becomes of a held message that an officer releases. `then` held it, `lifted` are the policies the officer lifts, `now` is
/// today's decision over the same message. Only holds of lifted policies that `then` named for this very recipient are lifted;
/// every other hold of `then` stands, requirements are those of both, a block stays, and a hold for want of a key ends only when
/// `now` shows that there is a key.
pub fn release(then: &Decision, lifted: &[PolicyId], now: Decision) -> Decision {
    let verdicts: Vec<Verdict> = now
        .verdicts
        .into_iter()
        .map(|verdict| {
            let before = then.verdicts.iter().find(|before| before.recipient == verdict.recipient);
            release_one(before, lifted, verdict)
        })
        .collect();
    // A recipient that `then` knew and `now` does not gets nothing; what was required of the others is theirs alone.
    Decision { disposition: strictest(verdicts.iter().map(|verdict| verdict.disposition)), verdicts, ..now }
}

fn release_one(then: Option<&Verdict>, lifted: &[PolicyId], now: Verdict) -> Verdict {
    // Only the same policy can take back what it said: today it asks for encryption again and finds the key, or the password if that
    // would have been enough then.
    let found_key: Vec<(PolicyId, bool)> = now
        .reasons
        .iter()
        .filter(|applied| (applied.requires.encrypt || applied.requires.encrypt_if_possible) && !applied.no_key)
        .map(|applied| (applied.policy.clone(), applied.container))
        .collect();
    let found_key = |before: &Applied| {
        found_key.iter().any(|(policy, container)| *policy == before.policy && !(*container && before.requires.to_key))
    };
    let held = |applied: &Applied| applied.disposition == Disposition::Quarantine && !applied.no_key;
    let may_lift = |id: &PolicyId| {
        lifted.contains(id)
            && then.is_some_and(|then| then.reasons.iter().any(|applied| applied.policy == *id && held(applied)))
    };
    let mut requires = now.requires;
    let mut reasons: Vec<Applied> = Vec::new();
    for mut applied in now.reasons {
        if applied.disposition != Disposition::Block && !applied.no_key && may_lift(&applied.policy) {
            applied.disposition = Disposition::Allow;
        }
        reasons.push(applied);
    }
    for before in then.map_or(&[][..], |then| &then.reasons) {
        requires = requires.union(before.requires);
        let mut before = before.clone();
        let ends = if before.disposition == Disposition::Block {
            false
        } else if before.no_key {
            found_key(&before)
        } else {
            held(&before) && may_lift(&before.policy)
        };
        if ends {
            before.disposition = Disposition::Allow;
            before.no_key = false;
        } else if before.disposition == Disposition::Defer {
            // "Later" has come: whether it is still too early is today's decision alone.
            before.disposition = Disposition::Allow;
        }
        match reasons.iter_mut().find(|applied| applied.policy == before.policy) {
            Some(applied) => {
                applied.requires = applied.requires.union(before.requires);
                applied.no_key |= before.no_key;
                applied.container |= before.container;
                applied.disposition = applied.disposition.max(before.disposition);
            }
            None => reasons.push(before),
        }
    }
    if let Some(then) = then {
        requires = requires.union(then.requires);
    }
    sort(&mut reasons);
    Verdict {
        disposition: strictest(reasons.iter().map(|applied| applied.disposition)),
        requires,
        reasons,
        recipient: now.recipient,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bilingual, Requirements};
    use super::*;
    use crate::mail::Address;
    use proptest::prelude::*;

    const RECIPIENT: &str = "rh@urssaf.example";

    fn applied(policy: &str, disposition: Disposition, encrypt: bool, no_key: bool) -> Applied {
        Applied {
            policy: PolicyId(policy.into()),
            disposition,
            requires: Requirements { encrypt, ..Requirements::NONE },
            because: Bilingual::default(),
            tell_sender: None,
            no_key,
            container: false,
            recourse: Default::default(),
        }
    }

    fn decision(reasons: Vec<Applied>) -> Decision {
        let verdict = Verdict {
            recipient: Address::parse(RECIPIENT).unwrap(),
            disposition: strictest(reasons.iter().map(|applied| applied.disposition)),
            requires: reasons.iter().fold(Requirements::NONE, |all, applied| all.union(applied.requires)),
            reasons,
        };
        Decision {
            disposition: verdict.disposition,
            verdicts: vec![verdict],
            watched: vec![],
            ruleset: "sha256:x".into(),
            answer: Default::default(),
        }
    }

    #[test]
    fn a_release_lifts_what_was_named_and_nothing_else() {
        use Disposition::{Allow, Block, Defer, Quarantine};
        type Reason = (&'static str, Disposition, bool, bool);
        /// Why, what held it then, what is lifted, what is decided now; disposition and encryption of the release.
        type Row = (&'static str, &'static [Reason], &'static [&'static str], &'static [Reason], Disposition, bool);
        let table: &[Row] = &[
            ("the named hold", &[("a", Quarantine, false, false)], &["a"], &[("a", Quarantine, false, false)], Allow, false),
            ("nothing named", &[("a", Quarantine, false, false)], &[], &[("a", Quarantine, false, false)], Quarantine, false),
            ("nothing named, rules relaxed", &[("a", Quarantine, false, false)], &[], &[], Quarantine, false),
            (
                "another than named",
                &[("a", Quarantine, false, false)],
                &["b"],
                &[("a", Quarantine, false, false)],
                Quarantine,
                false,
            ),
            ("one of two", &[("a", Quarantine, false, false), ("b", Quarantine, false, false)], &["a"], &[], Quarantine, false),
            (
                "a new hold by today's rules",
                &[("a", Quarantine, false, false)],
                &["a", "n"],
                &[("n", Quarantine, false, false)],
                Quarantine,
                false,
            ),
            (
                "a block by today's rules",
                &[("a", Quarantine, false, false)],
                &["a", "n"],
                &[("n", Block, false, false)],
                Block,
                false,
            ),
            (
                "the same policy blocks today",
                &[("a", Quarantine, false, false)],
                &["a"],
                &[("a", Block, false, false)],
                Block,
                false,
            ),
            ("a block then", &[("a", Block, false, false)], &["a"], &[], Block, false),
            ("requirements of then", &[("a", Quarantine, true, false)], &["a"], &[], Allow, true),
            ("requirements of now", &[("a", Quarantine, false, false)], &["a"], &[("e", Allow, true, false)], Allow, true),
            (
                "no key then, none now",
                &[("a", Quarantine, true, true)],
                &["a"],
                &[("a", Quarantine, true, true)],
                Quarantine,
                true,
            ),
            ("no key then, rules relaxed", &[("a", Quarantine, true, true)], &["a"], &[], Quarantine, true),
            ("no key then, a key now", &[("a", Quarantine, true, true)], &[], &[("a", Allow, true, false)], Allow, true),
            (
                "a hold lifted, the key vanished",
                &[("a", Quarantine, true, false)],
                &["a"],
                &[("a", Quarantine, true, true)],
                Quarantine,
                true,
            ),
            (
                "too early then, not now",
                &[("a", Quarantine, false, false), ("d", Defer, false, false)],
                &["a"],
                &[],
                Allow,
                false,
            ),
            ("too early now", &[("a", Quarantine, false, false)], &["a"], &[("d", Defer, false, false)], Defer, false),
        ];
        for (why, then, lifted, now, disposition, encrypt) in table {
            let reasons = |list: &[Reason]| decision(list.iter().map(|(p, d, e, k)| applied(p, *d, *e, *k)).collect());
            let lifted: Vec<PolicyId> = lifted.iter().map(|id| PolicyId((*id).into())).collect();
            let released = release(&reasons(then), &lifted, reasons(now));
            assert_eq!((released.disposition, released.verdicts[0].requires.encrypt), (*disposition, *encrypt), "{why}");
        }
    }

    /// A hold for want of a key ends with a password only where a password would have done then.
    #[test]
    fn a_password_that_was_agreed_since_ends_only_a_hold_that_was_content_with_one() {
        for (to_key, ends) in [(false, true), (true, false)] {
            let mut then = applied("a", Disposition::Quarantine, true, true);
            then.requires.to_key = to_key;
            let mut now = applied("a", Disposition::Allow, true, false);
            now.container = true;
            let released = release(&decision(vec![then]), &[], decision(vec![now]));
            assert_eq!(released.disposition == Disposition::Allow, ends, "to a key then: {to_key}");
            assert_eq!(released.verdicts[0].is_in_container(), ends);
            assert_eq!(released.verdicts[0].requires.to_key, to_key);
        }
    }

    #[test]
    fn requirements_of_an_older_record_are_the_stricter() {
        let old = r#"{"encrypt":true,"encrypt_if_possible":false,"tls":false,"sign":false,"individual_copies":false,"strip_subject_tag":false}"#;
        let read: Requirements = serde_json::from_str(old).unwrap();
        assert!(read.encrypt && read.to_key && read.hide_subject);
    }

    #[test]
    fn what_held_another_recipient_lifts_nothing_for_this_one() {
        let mut then = decision(vec![applied("a", Disposition::Quarantine, false, false)]);
        then.verdicts[0].recipient = Address::parse("other@company.example").unwrap();
        let now = decision(vec![applied("a", Disposition::Quarantine, false, false)]);
        let released = release(&then, &[PolicyId("a".into())], now);
        assert_eq!(released.disposition, Disposition::Quarantine);
    }

    fn any_reason() -> impl Strategy<Value = Applied> {
        use Disposition::{Allow, Block, Defer, Quarantine};
        let disposition = prop::sample::select(vec![Allow, Defer, Quarantine, Block]);
        (prop::sample::select(vec!["a", "b", "c", "d"]), disposition, any::<[bool; 9]>()).prop_map(
            |(policy, disposition, bits)| {
                let [encrypt, tls, sign, individual_copies, no_key, strip_subject_tag, to_key, hide_subject, password] = bits;
                Applied {
                    requires: Requirements {
                        encrypt,
                        to_key,
                        encrypt_if_possible: false,
                        tls,
                        sign,
                        individual_copies,
                        strip_subject_tag,
                        hide_subject,
                    },
                    container: encrypt && !to_key && !no_key && password,
                    disposition: if encrypt && no_key { disposition.max(Quarantine) } else { disposition },
                    ..applied(policy, disposition, encrypt, encrypt && no_key)
                }
            },
        )
    }

    fn any_decision() -> impl Strategy<Value = Decision> {
        prop::collection::vec(any_reason(), 0..5).prop_map(|mut reasons| {
            reasons.sort_by(|a, b| a.policy.cmp(&b.policy));
            reasons.dedup_by(|a, b| a.policy == b.policy);
            decision(reasons)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn a_release_never_asks_for_less_and_never_undoes_a_block(
            then in any_decision(),
            now in any_decision(),
            lifted in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..5),
        ) {
            let lifted: Vec<PolicyId> = lifted.into_iter().map(|id| PolicyId(id.into())).collect();
            let released = release(&then, &lifted, now.clone());
            let requires = released.verdicts[0].requires;
            prop_assert_eq!(requires.union(then.verdicts[0].requires), requires);
            prop_assert_eq!(requires.union(now.verdicts[0].requires), requires);
            if then.disposition == Disposition::Block || now.disposition == Disposition::Block {
                prop_assert_eq!(released.disposition, Disposition::Block);
            }
            if now.verdicts[0].reasons.iter().any(|applied| applied.no_key) {
                prop_assert!(released.disposition >= Disposition::Quarantine);
            }
            let still = release(&then, &[], now.clone());
            prop_assert!(still.disposition >= now.disposition);
            prop_assert!(released.disposition <= still.disposition);
            // To release what has been released changes nothing more.
            prop_assert_eq!(release(&then, &lifted, released.clone()).disposition, released.disposition);
        }
    }
}

//! Turns what an attempt leads to into the reports that its sender is owed, in the words of [`crate::notices`].

use crate::mail::{Address, Domain, Language, Outgoing, UnixTime};
use crate::notices::{self, Action, Copy, Letterhead, NoNotice, Outcome};
use crate::spool::{Failure, Plan, Queued};
use crate::store::Damaged;
use crate::world::Dice;

/// Who writes reports, and to whom it may.
#[derive(Clone)]
pub struct Reports {
    /// The gate's own name.
    pub hostname: Domain,
    /// Whom a reader can ask.
    pub postmaster: Address,
    /// Our own domains: nobody else is written to.
    pub inside: Vec<Domain>,
    pub language: Language,
    pub dice: Dice,
}

impl Reports {
    /// At most one of failure, one of delay and one of what was handed on, unsigned; none for null and foreign senders, and of no
    /// recipient of whom the sender did not want to hear it (RFC 3461 §4.1).
    pub fn of_attempt(&self, queued: &Queued, plan: &Plan, at: UnixTime) -> Vec<Outgoing> {
        let copy = Copy {
            sender: queued.outgoing.mail_from.as_ref(),
            reference: queued.reference,
            queued_at: queued.queued_at,
            raw: Some(&queued.outgoing.raw),
            asked: Some(&queued.outgoing.transport),
        };
        let asked = |recipient: &Address| queued.outgoing.transport.notify(recipient);
        let failed = plan.failed.iter().filter(|(recipient, _)| asked(recipient).failure);
        let failed = failed.map(|(recipient, failure)| match failure {
            Failure::Refused(said) => (recipient.clone(), Outcome::Refused(said.clone())),
            Failure::Expired(why) => (recipient.clone(), Outcome::Expired(why.clone())),
        });
        let delayed = plan.delayed.iter().filter(|(recipient, _)| asked(recipient).delay);
        let delayed = delayed.map(|(recipient, why)| (recipient.clone(), Outcome::NotYet(why.clone())));
        let relayed = plan.relayed.iter().map(|(recipient, said)| (recipient.clone(), Outcome::Taken(said.clone())));
        let reports = [
            self.report(&copy, Action::Failed, failed.collect(), at),
            self.report(&copy, Action::Delayed { until: plan.gives_up_at }, delayed.collect(), at),
            self.report(&copy, Action::Relayed, relayed.collect(), at),
        ];
        reports.into_iter().flatten().collect()
    }

    /// For everyone who will not get a copy whose octets are lost.
    pub fn of_damage(&self, damaged: &Damaged, at: UnixTime) -> Vec<Outgoing> {
        let copy = Copy {
            sender: damaged.mail_from.as_ref(),
            reference: damaged.reference,
            queued_at: damaged.queued_at,
            raw: None,
            asked: Some(&damaged.transport),
        };
        let recipients = damaged.recipients.iter().filter(|recipient| damaged.transport.notify(recipient).failure);
        let recipients = recipients.map(|recipient| (recipient.clone(), Outcome::Damaged));
        self.report(&copy, Action::Failed, recipients.collect(), at).into_iter().collect()
    }

    fn report(&self, copy: &Copy<'_>, action: Action, recipients: Vec<(Address, Outcome)>, at: UnixTime) -> Option<Outgoing> {
        if recipients.is_empty() {
            return None;
        }
        let head = Letterhead {
            hostname: &self.hostname,
            postmaster: &self.postmaster,
            inside: &self.inside,
            language: self.language,
            now: at,
            number: self.dice.roll(),
        };
        match notices::report(&head, copy, action, &recipients) {
            Ok(report) => Some(report),
            Err(NoNotice::NullSender | NoNotice::Outside) => None,
            Err(why @ NoNotice::CannotWrite) => {
                tracing::error!(reference = %copy.reference, %why, "a sender is not told what became of a message");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Notify, Protection, RawMessage, Reference, Transport};
    use crate::smtp::parameters;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn reports(language: Language) -> Reports {
        Reports {
            hostname: Domain::parse("gate.example.org").unwrap(),
            postmaster: address("postmaster@example.org"),
            inside: vec![Domain::parse("example.org").unwrap()],
            language,
            dice: Dice::seeded(3),
        }
    }

    /// One recipient for each way of asking, named by it.
    const ASKED: [&str; 6] = ["default", "never", "success", "failure", "delay", "success,failure,delay"];

    fn queued() -> Queued {
        let recipients: Vec<Address> =
            ASKED.iter().map(|asked| address(&format!("{}@example.net", asked.replace(',', "+")))).collect();
        let mut transport = Transport { envid: Some("QQ+31 4".into()), ..Transport::default() };
        for (recipient, asked) in recipients.iter().zip(ASKED).skip(1) {
            let original = Some(("rfc822".to_owned(), format!("Old.{}", recipient)));
            transport
                .reports
                .insert(recipient.clone(), crate::mail::Reports { notify: parameters::notify(asked).ok(), original });
        }
        Queued {
            id: 1,
            reference: Reference::from_random([7; 8]),
            outgoing: Outgoing {
                mail_from: Some(address("alice@example.org")),
                recipients,
                raw: RawMessage::new(b"Subject: x\r\n\r\nCANARY\r\n".to_vec()).unwrap(),
                protection: Protection::None,
                requires_tls: false,
                transport,
            },
            queued_at: UnixTime(1_795_000_000),
            attempts: 0,
            delay_told: false,
        }
    }

    fn text(report: &Outgoing) -> String {
        String::from_utf8(report.raw.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_recipient_is_told_of_as_its_sender_asked() {
        let queued = queued();
        let all = || queued.outgoing.recipients.iter().cloned();
        let failed = all().map(|one| (one, Failure::Refused("550 5.1.1 no".into()))).collect();
        let delayed = all().map(|one| (one, "451 4.3.0 later".into())).collect();
        // What is handed on is only planned where success was asked for.
        let success = all().filter(|one| queued.outgoing.transport.notify(one).success);
        let relayed = success.map(|one| (one, "250 2.0.0 ok".into())).collect();
        let plan = Plan { failed, delayed, relayed, gives_up_at: UnixTime(1_795_400_000) };
        let told = reports(Language::En).of_attempt(&queued, &plan, UnixTime(1_795_000_100));
        let named = |report: &Outgoing| -> Vec<String> {
            let text = text(report);
            let lines = text.lines().filter_map(|line| line.strip_prefix("Final-Recipient: rfc822; "));
            lines.map(|line| line.trim_end_matches("@example.net").to_owned()).collect()
        };
        let [failed, delayed, relayed] = &told[..] else { panic!("{} reports", told.len()) };
        assert_eq!(named(failed), ["default", "failure", "success+failure+delay"]);
        assert_eq!(named(delayed), ["default", "delay", "success+failure+delay"]);
        assert_eq!(named(relayed), ["success", "success+failure+delay"]);
        assert!(text(relayed).contains("Action: relayed\r\nStatus: 2.0.0\r\nDiagnostic-Code: smtp; 250 2.0.0 ok\r\n"));
        for report in &told {
            let text = text(report);
            assert!(text.contains("\r\nOriginal-Envelope-Id: QQ+31 4\r\nReporting-MTA: dns; gate.example.org\r\n"), "{text}");
            assert!(!text.contains("CANARY") && report.mail_from.is_none(), "{text}");
        }
        let both =
            "\r\n\r\nOriginal-Recipient: rfc822; Old.failure@example.net\r\nFinal-Recipient: rfc822; failure@example.net\r\n";
        assert!(text(failed).contains(both), "{}", text(failed));
        // Nobody who said NEVER is told of, and where nobody is left no report is made.
        let never: Vec<Address> = all().filter(|one| queued.outgoing.transport.notify(one) == Notify::default()).collect();
        assert_eq!(never, [address("never@example.net")]);
        let plan = Plan {
            failed: vec![(never[0].clone(), Failure::Expired(String::new()))],
            delayed: vec![],
            relayed: vec![],
            gives_up_at: plan.gives_up_at,
        };
        assert_eq!(reports(Language::Fr).of_attempt(&queued, &plan, UnixTime(1_795_000_100)).len(), 0);
        let damaged = Damaged {
            id: 1,
            reference: queued.reference,
            mail_from: queued.outgoing.mail_from.clone(),
            queued_at: queued.queued_at,
            recipients: queued.outgoing.recipients.clone(),
            transport: queued.outgoing.transport.clone(),
        };
        let told = reports(Language::Fr).of_damage(&damaged, UnixTime(1_795_000_100));
        assert_eq!(named(&told[0]), ["default", "failure", "success+failure+delay"]);
    }

    /// RFC 6533: the report itself is ASCII, so that it arrives where the message could not.
    #[test]
    fn an_address_beyond_ascii_is_told_in_ascii_and_with_its_reason() {
        let mut queued = queued();
        let elodie = address("élodie@example.net");
        queued.outgoing.recipients = vec![elodie.clone()];
        queued.outgoing.raw = RawMessage::new("To: élodie@example.net\r\n\r\nCANARY\r\n".as_bytes().to_vec()).unwrap();
        let original = Some(("utf-8".to_owned(), "élodie+x@example.net".to_owned()));
        queued.outgoing.transport.reports.insert(elodie.clone(), crate::mail::Reports { notify: None, original });
        let failed = vec![(elodie, Failure::Refused("550 5.6.7 the next server takes none".into()))];
        let plan = Plan { failed, delayed: vec![], relayed: vec![], gives_up_at: UnixTime(1_795_400_000) };
        for (language, words) in [(Language::Fr, "autre adresse"), (Language::En, "another address")] {
            let told = reports(language).of_attempt(&queued, &plan, UnixTime(1_795_000_100));
            let report = text(&told[0]);
            assert!(report.is_ascii() && !report.contains("CANARY"), "{report}");
            let fields = "Original-Recipient: utf-8; \\x{E9}lodie\\x{2B}x@example.net\r\n\
                          Final-Recipient: utf-8; \\x{E9}lodie@example.net\r\nAction: failed\r\nStatus: 5.6.7\r\n";
            assert!(report.contains(fields), "{report}");
            let parsed = mail_parser::MessageParser::new().parse(told[0].raw.as_bytes()).unwrap();
            assert!(parsed.body_text(0).unwrap().contains(words));
            let quoted = parsed.parts.iter().find(|part| {
                use mail_parser::MimeHeaders;
                part.is_content_type("message", "global-headers")
            });
            let quoted = String::from_utf8_lossy(quoted.unwrap().contents()).into_owned();
            assert_eq!(quoted, "To: élodie@example.net\r\n");
        }
    }
}

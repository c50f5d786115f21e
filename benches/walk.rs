//! Turns raw messages into what would leave, stage by stage, with the shipped rules and real keys: what the benches measure.

use postern::config::laws;
use postern::mail::{Address, Domain, Identity, Language, Origin, RawMessage, Reference, Submission, UnixTime};
use postern::protect::FindKeys as _;
use postern::protect::container::Passwords;
use postern::{audit, detect, dkim, extract, facts, lookup, mime, pipeline, policy, protect, store, vault, world};
use std::path::Path;
use std::time::Duration;

/// After the day on which the keys of `tests/keys/usable/` were made.
pub const NOW: UnixTime = UnixTime(1_795_500_000);
pub const STAGES: [&str; 8] = ["repair", "parse", "extract", "detect", "facts", "decide", "protect", "sign"];

pub struct Walk {
    pub laws: pipeline::Laws,
    pub known: facts::Known,
    pub limits: pipeline::Limits,
    pub reader: extract::Reader,
    pub sealing: protect::Settings,
    pub dkim: dkim::Signers,
    pub signers: protect::Signers,
}

/// The forms in which everything is sealed, one after the other: keys of `tests/keys/usable/`.
pub const FORMS: [(&str, &str); 3] =
    [("S/MIME to RSA-2048", "rsa-2048.pem"), ("S/MIME to P-256", "p256.pem"), ("OpenPGP to Cv25519", "cv25519.asc")];

/// A recipient to whom everything is sealed.
pub struct Sealing {
    pub recipient: Address,
    pub key: protect::LookUp,
}

impl Sealing {
    pub fn to(file: &str) -> Sealing {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/usable").join(file);
        std::fs::copy(key, folder.path().join(file)).expect("the key");
        let keys = lookup::Folder::open(folder.path(), protect::trust::Trust::default(), NOW);
        let recipient = keys.reports()[0].addresses[0].clone();
        let key = keys.find(&recipient, NOW);
        assert!(matches!(key, protect::LookUp::Usable(_)), "{file} is usable");
        Sealing { recipient, key }
    }
}

/// What one message came to.
pub struct Passed {
    pub stages: [Duration; STAGES.len()],
    /// What leaves; nothing of what is held.
    pub left: Option<store::Acceptance>,
}

impl Walk {
    pub fn new() -> Walk {
        Walk::with_keys_of(tempfile::tempdir().expect("a folder").path())
    }

    /// With our own keys as they lie in a data folder; those that it lacks are made.
    pub fn with_keys_of(data: &Path) -> Walk {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inside: std::sync::Arc<[Domain]> = [Domain::parse("example.org").expect("a domain")].into();
        // Their tests are the suite's concern; under an instruction counter they take half a minute.
        let (rules, lists) = laws::load_rules_untested(&folder.join("rules")).expect("the shipped rules");
        let policy = laws::load_policy(&folder.join("rules"), &rules, &lists, &inside).expect("the shipped policies");
        let laws = pipeline::Laws { hash: policy.ruleset().clone(), rules, policy, lists, texts: Default::default() };
        let known = facts::Known { inside: inside.clone(), lists: laws.lists.clone(), ..facts::Known::default() };
        let vault = vault::Vault::open(data, data, &inside[0], world::Clock::system()).expect("a vault");
        let keys = vault.dkim_keys(&inside[0]).expect("DKIM keys");
        let signer = dkim::Signer::new(inside[0].clone(), "r", &keys.rsa_pem, "e", &keys.ed25519_der);
        let dkim = dkim::Signers::new([signer.expect("a signer")]);
        let marie = Address::parse("marie.dupont@example.org").expect("an address");
        let signers = vault.signers_for(&marie, &["Marie Dupont".to_owned()]).expect("the sender's own keys");
        Walk {
            laws,
            known,
            limits: pipeline::Limits::default(),
            reader: extract::Reader::here(),
            sealing: protect::Settings::default(),
            dkim,
            signers,
        }
    }

    /// `clock` is read between the stages.
    pub fn pass(&self, raw: &[u8], number: u64, sealing: Option<&Sealing>, clock: impl Fn() -> Duration) -> Passed {
        let mut last = clock();
        let mut stages = [Duration::ZERO; STAGES.len()];
        let mut lap = |stage: usize| {
            let now = clock();
            stages[stage] = now.saturating_sub(last);
            last = now;
        };
        let submission = self.submission(raw, number, sealing);
        lap(0);
        let parsed = mime::parse(&submission.raw, &self.limits.message).expect("a well-formed message");
        lap(1);
        let extracted = extract::extract(&parsed, &self.limits.reading, &self.reader);
        lap(2);
        let findings = detect::detect(&extracted, &self.laws.rules);
        lap(3);
        let facts = facts::gather(&submission, &parsed, &extracted, &findings, &self.known);
        lap(4);
        let mut decision = policy::decide(&submission, &facts, &findings, &self.laws.policy);
        lap(5);
        if decision.disposition != policy::Disposition::Allow {
            return Passed { stages, left: None };
        }
        decision.verdicts.iter_mut().for_each(|verdict| verdict.requires.encrypt |= sealing.is_some());
        let keys = keys_for(&submission, sealing);
        let copies: Result<Vec<_>, _> =
            protect::protect(&submission, &parsed, &decision, &keys, &Passwords::new(), &self.signers, &self.sealing).collect();
        let copies = copies.expect("copies");
        lap(6);
        let signed: Result<Vec<_>, _> = copies.into_iter().map(|copy| self.dkim.sign(copy, NOW)).collect();
        let outgoing = signed.expect("signed copies");
        lap(7);
        let told = audit::Decided {
            submission: &submission,
            decision: &decision,
            findings: &findings,
            facts: &facts,
            outgoing: &outgoing,
        };
        let audit = audit::line::decided(&told);
        let (held, notices) = (None, Vec::new());
        let left = store::Acceptance {
            reference: submission.reference,
            at: NOW,
            outgoing,
            held,
            notices,
            calls: Vec::new(),
            counters: Default::default(),
            audit,
        };
        Passed { stages, left: Some(left) }
    }

    /// What the door hands over, with its fixes made: from Marie to the one recipient in To, or to whom it is sealed.
    pub fn submission(&self, raw: &[u8], number: u64, sealing: Option<&Sealing>) -> Submission {
        let marie = Address::parse("marie.dupont@example.org").expect("an address");
        let received = RawMessage::new(raw.to_vec()).expect("a message");
        let trace = "from client by gate.example.org with ESMTPSA; Sat, 21 Nov 2026 10:00:00 +0000".to_string();
        let fixes = mime::write::Fixes {
            received: Some(trace),
            date: NOW,
            message_id: format!("{number}@gate.example.org"),
            hops: 50,
            utf8: false,
        };
        let raw = mime::write::repair(&received, &fixes).expect("a message to repair");
        let recipient = raw
            .as_bytes()
            .windows(16)
            .position(|piece| piece == b"@commune.example")
            .and_then(|at| std::str::from_utf8(&raw.as_bytes()[..at + 16]).ok()?.rsplit('<').next())
            .and_then(|address| Address::parse(address).ok())
            .expect("the recipient in To");
        let recipient = sealing.map_or(recipient, |sealing| sealing.recipient.clone());
        Submission {
            reference: Reference::from_random(number.to_be_bytes()),
            identity: Identity::Account {
                login: marie.clone(),
                owns: vec![marie.clone()],
                names: vec!["Marie Dupont".into()],
                attributes: Default::default(),
            },
            mail_from: Some(marie),
            recipients: vec![recipient],
            raw,
            origin: Origin::Listener("submission".into()),
            received_at: NOW,
            language: Language::Fr,
            requires_tls: false,
            transport: Default::default(),
        }
    }
}

/// What the look-up of the recipients' keys came to.
pub fn keys_for(submission: &Submission, sealing: Option<&Sealing>) -> protect::Keys {
    let key = sealing.map_or(protect::LookUp::Absent(Vec::new()), |sealing| sealing.key.clone());
    submission.recipients.iter().map(|recipient| (recipient.clone(), key.clone())).collect()
}

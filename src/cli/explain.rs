//! `postern explain`: the whole walk for one message, with every reason; nothing is sent and nothing is kept.

use super::language::say;
use super::report::{self, Paint};
use super::scan::with_crlf;
use super::{ConfigFile, Done, Failure, Format, wait_for};
use crate::config::Settings;
use crate::facts::Known;
use crate::mail::{Address, Identity, Language, Origin, RawMessage, Reference, Submission};
use crate::pipeline::{AskGroups as _, AskKeys, Inspection, Laws, inspect, whose_groups};
use crate::policy::{self, Disposition, Verdict};
use crate::protect::{self, FindKeys, LookUp, Prefer, RecipientKey};
use crate::serve;
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postern explain --config config.toml --from alice@example.org --to bob@example.net message.eml"
)]
pub struct Explain {
    #[command(flatten)]
    file: ConfigFile,
    /// The login that would submit it
    #[arg(long, value_name = "ADDRESS")]
    from: Address,
    /// A recipient; can be repeated, or several at once
    // `--to a@… b@… MESSAGE.eml`: what stands last is the message, unless it stands elsewhere.
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1..)]
    to: Vec<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The message; `-` reads standard input
    #[arg(value_name = "MESSAGE")]
    message: Option<PathBuf>,
}

const MESSAGE_LIMIT: u64 = 256 << 20;
/// Parts that are listed for a person.
const PARTS: usize = 50;

impl Explain {
    pub fn run(mut self) -> Done {
        let named = self.message.take().or_else(|| match &self.to[..] {
            [_, .., last] if last.parse::<Address>().is_err() => self.to.pop().map(PathBuf::from),
            _ => None,
        });
        let path = named.ok_or_else(|| Failure::Wrong("write the message's file name last, or - for standard input".into()))?;
        let recipient = |text: &String| text.parse().map_err(|why| Failure::Wrong(format!("--to {text}: {why}")));
        let to = self.to.iter().map(recipient).collect::<Result<Vec<Address>, Failure>>()?;
        let settings = Settings::load(&self.file.config)?;
        let laws = serve::load_laws(&settings)?;
        let now = crate::world::Clock::system().now();
        let mut octets = Vec::new();
        if path.as_os_str() == "-" {
            std::io::stdin().take(MESSAGE_LIMIT).read_to_end(&mut octets)?;
        } else {
            let open = std::fs::File::open(&path).map_err(|why| Failure::Wrong(format!("{}: {why}", path.display())))?;
            open.take(MESSAGE_LIMIT).read_to_end(&mut octets)?;
        }
        let raw = RawMessage::new(with_crlf(octets)).map_err(|why| Failure::Wrong(format!("{}: {why}", path.display())))?;
        let submission = Submission {
            reference: Reference::from_random([0; 8]),
            identity: Identity::Account {
                login: self.from.clone(),
                owns: vec![self.from.clone()],
                names: Vec::new(),
                attributes: Default::default(),
            },
            mail_from: Some(self.from.clone()),
            recipients: to.clone(),
            raw,
            origin: Origin::Inspection,
            received_at: now,
            language: settings.language,
            requires_tls: false,
            transport: Default::default(),
        };
        let finder = wait_for(async {
            let finder = serve::open_finder(&settings)?;
            finder.ready(&to).await;
            Ok::<_, serve::CannotServe>(finder)
        })??;
        let keys: BTreeMap<Address, LookUp> =
            to.iter().map(|recipient| (recipient.clone(), finder.find(recipient, now))).collect();
        let whose = whose_groups(&laws, &submission, |address| settings.is_inside(address.domain()));
        let groups = match whose.is_empty() {
            true => Default::default(),
            false => {
                wait_for(async { serve::open_groups(&settings)?.groups(&whose).await.map_err(serve::CannotServe::Groups) })??
            }
        };
        let usable = keys.iter().filter(|(_, look_up)| matches!(look_up, LookUp::Usable(_)));
        let contested = keys.iter().filter(|(_, look_up)| matches!(look_up, LookUp::Contested(_)));
        let known = Known {
            inside: settings.inside.clone(),
            lists: laws.lists.clone(),
            with_key: usable.map(|(recipient, _)| recipient.clone()).collect(),
            contested: contested.map(|(recipient, _)| recipient.clone()).collect(),
            with_password: super::keys::secret::agreed(&settings, &laws, &to)?,
            refused_alike: false,
            versions_refused: 0,
            over_quota: false,
            past: Default::default(),
            keys_of_parties: protect::names_of(keys.values().chain([&finder.find(&self.from, now)])),
            groups,
            named_groups: laws.policy.groups().clone(),
        };
        let reader = crate::worker::open(&settings.limits.reading)?;
        let seen = match inspect(&submission, &known, &laws, &settings.limits, &reader) {
            Ok(seen) => seen,
            Err(why) => {
                match self.format {
                    Format::Json => {
                        println!("{}", json!({"decision": "block", "malformed": why.to_string(), "ruleset": &*laws.hash}))
                    }
                    Format::Text => println!("refused as malformed (554 5.6.0): {why}"),
                }
                return Ok(());
            }
        };
        let not_own = policy::check_sender(&submission, &seen.parsed).err().map(|why| why.to_string());
        match self.format {
            Format::Json => println!("{}", as_json(&seen, &keys, not_own, settings.protect.prefer)),
            Format::Text => print!("{}", as_text(&seen, (&submission, &laws), &keys, not_own, settings.language)),
        }
        Ok(())
    }
}

/// What would protect this recipient's copy, were it sent.
fn protection(verdict: &Verdict, look_up: Option<&LookUp>, prefer: Prefer) -> &'static str {
    let wanted = verdict.requires.encrypt || verdict.requires.encrypt_if_possible;
    match look_up {
        Some(LookUp::Usable(keys)) if wanted => {
            let smime = keys.iter().any(|key| matches!(key, RecipientKey::Smime(_)));
            let openpgp = keys.iter().any(|key| matches!(key, RecipientKey::Openpgp(_)));
            match (smime, openpgp) {
                (true, true) if prefer == Prefer::Openpgp => "openpgp",
                (true, _) => "smime",
                (false, true) => "openpgp",
                (false, false) => "none",
            }
        }
        _ if verdict.is_in_container() => "container",
        _ => "none",
    }
}

fn as_json(seen: &Inspection<'_>, keys: &BTreeMap<Address, LookUp>, not_own: Option<String>, prefer: Prefer) -> Value {
    let recipients = seen.decision.verdicts.iter().map(|verdict| {
        let mut requires = Vec::new();
        let asked = verdict.requires;
        for (is, name) in [
            (asked.encrypt, "encrypt"),
            (asked.encrypt_if_possible, "encrypt_if_possible"),
            (asked.tls, "tls"),
            (asked.sign, "sign"),
            (asked.individual_copies, "individual_copies"),
        ] {
            if is {
                requires.push(name);
            }
        }
        let first = verdict.reasons.first();
        json!({
            "address": verdict.recipient, "verdict": verdict.word(), "requires": requires,
            "protection": protection(verdict, keys.get(&verdict.recipient), prefer),
            "policy": first.map(|applied| &applied.policy), "because": first.map(|applied| &applied.because.en),
            "policies": verdict.reasons.iter().map(|applied| json!({
                "policy": applied.policy, "asks": applied.disposition, "because": applied.because, "no_key": applied.no_key,
                "container": applied.container, "recourse": applied.recourse,
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "decision": seen.decision.disposition,
        "ruleset": &*seen.decision.ruleset,
        "recipients": recipients.collect::<Vec<_>>(),
        "findings": report::findings_json(&seen.findings),
        "facts": all_facts(seen),
        "unreadable": seen.findings.unreadable,
        "anomalies": report::anomalies_json(&seen.findings, &seen.parsed.anomalies),
        "watched": seen.decision.watched,
        "not_own": not_own,
    })
}

fn as_text(
    seen: &Inspection<'_>,
    (submission, laws): (&Submission, &Laws),
    keys: &BTreeMap<Address, LookUp>,
    not_own: Option<String>,
    language: Language,
) -> String {
    let mut text = String::new();
    if let Some(why) = not_own {
        text.push_str(&format!("{}: {why}\n", Paint::Red.on("refused (553 5.7.1)")));
    }
    let leaves: Vec<_> = seen.parsed.leaves().collect();
    text.push_str(&format!("parts: {}\n", seen.parsed.parts.len()));
    for part in leaves.iter().take(PARTS) {
        // File names are content: what rules recognise in them is hidden.
        let name = part.file_name.as_deref().map(|name| format!("  {}", laws.rules.mask_name(name))).unwrap_or_default();
        let number = if part.number.is_empty() { "1" } else { &part.number };
        text.push_str(&format!("  {number}  {}  {} octets{name}\n", part.content_type, part.body.len()));
    }
    if leaves.len() > PARTS {
        text.push_str(&format!("  … {}\n", leaves.len() - PARTS));
    }
    text.push_str(&report::scan_text("message", &seen.findings, &seen.parsed.anomalies, &all_facts(seen)));
    for fact in all_facts(seen) {
        let (fr, en) = fact.meaning();
        text.push_str(&format!("    {}: {}\n", report::said(&fact), say(language, fr, en)));
    }
    let octets = submission.raw.len();
    let sender = submission.sender().map(Address::to_string).unwrap_or_else(|| "<>".into());
    text.push_str(&format!("envelope: {sender} to {} recipient(s), {octets} octets\n", submission.recipients.len()));
    text.push_str(&format!("decision: {}\n", Paint::Bold.on(seen.decision.disposition.word())));
    for verdict in &seen.decision.verdicts {
        let how = match verdict.disposition {
            Disposition::Allow if verdict.is_in_container() => "encrypted, under a password",
            Disposition::Allow if verdict.requires.encrypt => "encrypted",
            Disposition::Allow if verdict.requires.tls => "sent, over verified TLS only",
            Disposition::Allow => "sent",
            Disposition::Defer => "deferred",
            Disposition::Quarantine => "held",
            Disposition::Block => "refused",
        };
        text.push_str(&format!("  {}: {how}\n", verdict.recipient));
        for applied in &verdict.reasons {
            let key = if applied.no_key { " (no usable key)" } else { "" };
            text.push_str(&format!(
                "    by {}: {} — {}{key}\n",
                applied.policy.0,
                applied.disposition.word(),
                say(language, &applied.because.fr, &applied.because.en)
            ));
            let article = laws.policy.articles().iter().find(|article| article.id == applied.policy);
            if let Some(article) = article.filter(|article| *article.title.fr != *article.id.0) {
                text.push_str(&format!("      {}\n", Paint::Faint.on(say(language, &article.title.fr, &article.title.en))));
            }
        }
        match keys.get(&verdict.recipient) {
            Some(LookUp::Usable(usable)) => text.push_str(&format!("    {} usable key(s)\n", usable.len())),
            Some(LookUp::Absent(refused) | LookUp::Contested(refused)) => {
                refused.iter().for_each(|why| text.push_str(&format!("    key {} refused: {}\n", why.source, why.reason)));
            }
            Some(LookUp::Failed(why)) => text.push_str(&format!("    keys unknown: {why}\n")),
            None => {}
        }
    }
    for policy in &seen.decision.watched {
        text.push_str(&format!("  watched only: {}\n", policy.0));
    }
    text
}

fn all_facts(seen: &Inspection<'_>) -> BTreeSet<crate::facts::Fact> {
    let of_recipients = seen.facts.of_recipients.iter().flat_map(|of| of.facts.iter().copied());
    of_recipients.chain(seen.facts.of_message.iter().copied()).collect()
}

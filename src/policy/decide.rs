//! Turns one message's facts and findings into a [`Decision`], and a decision that held it into one that releases it.

use super::parties::{Parties, Party};
use super::policy::{Action, Article, Condition, DEFAULT, Mode, Policy, Recognised};
use super::record::{Inputs, RecipientInputs};
use super::words;
use super::{Applied, Bilingual, Decision, Disposition, PolicyId, Requirements, Verdict};
use crate::detect::{Confidence, Findings};
use crate::facts::{Fact, Facts};
use crate::mail::Submission;

/// Decides by all policies at once: the strictest disposition wins, requirements add up, and no policy's exception lifts another
/// policy. Findings of draft rules count for nothing. Pure: the same input gives the same decision.
pub fn decide(submission: &Submission, facts: &Facts, findings: &Findings, policy: &Policy) -> Decision {
    judge(&Inputs::of(submission, facts, findings), policy, policy.parties())
}

pub(super) fn judge(inputs: &Inputs, policy: &Policy, parties: &Parties) -> Decision {
    let mut watched = std::collections::BTreeSet::new();
    let mut verdicts = Vec::with_capacity(inputs.recipients.len());
    for recipient in &inputs.recipients {
        let message = Message { inputs, recipient, policy, parties };
        let verdict = message.verdict();
        for article in policy.articles.iter().filter(|article| article.mode == Mode::Watch) {
            if !watched.contains(&article.id) && message.would_change(article, &verdict) {
                watched.insert(article.id.clone());
            }
        }
        verdicts.push(verdict);
    }
    Decision {
        disposition: strictest(verdicts.iter().map(|verdict| verdict.disposition)),
        verdicts,
        watched: watched.into_iter().collect(),
        ruleset: policy.ruleset.clone(),
    }
}

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
    // Only the same policy can take back what it said: today it asks for encryption again and finds the key.
    let found_key: Vec<PolicyId> =
        now.reasons.iter().filter(|applied| applied.requires.encrypt && !applied.no_key).map(|applied| applied.policy.clone()).collect();
    let held = |applied: &Applied| applied.disposition == Disposition::Quarantine && !applied.no_key;
    let may_lift = |id: &PolicyId| {
        lifted.contains(id) && then.is_some_and(|then| then.reasons.iter().any(|applied| applied.policy == *id && held(applied)))
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
        let ends = if before.no_key { found_key.contains(&before.policy) } else { held(&before) && may_lift(&before.policy) };
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

fn strictest(dispositions: impl Iterator<Item = Disposition>) -> Disposition {
    dispositions.max().unwrap_or_default()
}

/// The one that decided first; then by name, so that the order in the file does not show.
fn sort(reasons: &mut [Applied]) {
    reasons.sort_by(|a, b| {
        (b.disposition, b.requires.encrypt, &a.policy).cmp(&(a.disposition, a.requires.encrypt, &b.policy))
    });
}

/// One message towards one recipient.
struct Message<'m> {
    inputs: &'m Inputs,
    recipient: &'m RecipientInputs,
    policy: &'m Policy,
    parties: &'m Parties,
}

impl Message<'_> {
    fn verdict(&self) -> Verdict {
        let enforced = self.policy.articles.iter().filter(|article| article.mode == Mode::Enforce);
        let applying: Vec<&Article> = enforced.filter(|article| self.applies(article)).collect();
        let mut reasons: Vec<Applied> = applying.iter().map(|article| self.apply(article)).collect();
        if !applying.iter().any(|article| article.then.settles) {
            reasons.extend(self.apply_default());
        }
        sort(&mut reasons);
        Verdict {
            recipient: self.recipient.address.clone(),
            disposition: strictest(reasons.iter().map(|applied| applied.disposition)),
            requires: reasons.iter().fold(Requirements::default(), |all, applied| all.union(applied.requires)),
            reasons,
        }
    }

    fn applies(&self, article: &Article) -> bool {
        self.holds(&article.when) && !article.unless.as_ref().is_some_and(|unless| self.holds(unless))
    }

    fn apply(&self, article: &Article) -> Applied {
        let mut requires = article.then.requires;
        requires.strip_subject_tag = !article.when.subject_tags.is_empty();
        let mut disposition = article.then.disposition;
        let no_key = requires.encrypt && self.cannot_seal(&article.when);
        if no_key {
            disposition = disposition.max(article.if_no_key);
        }
        Applied {
            policy: article.id.clone(),
            disposition: self.spare_private(disposition, article.if_private),
            requires,
            because: self.because(&article.when, no_key),
            tell_sender: article.tell_sender.as_ref().map(|text| self.filled(text)),
            no_key,
        }
    }

    fn apply_default(&self) -> Option<Applied> {
        let default = self.policy.default;
        if default == Action::default() || default.disposition == Disposition::Allow && !default.requires.encrypt {
            return None;
        }
        let no_key = default.requires.encrypt && self.cannot_seal(&Condition::default());
        let disposition = if no_key { default.disposition.max(Disposition::Quarantine) } else { default.disposition };
        Some(Applied {
            policy: PolicyId(DEFAULT.into()),
            disposition: self.spare_private(disposition, Disposition::Block),
            requires: default.requires,
            because: words::both("envoi non prévu", "not provided for"),
            tell_sender: None,
            no_key,
        })
    }

    /// Whether encryption asked for under `when` cannot be had. What the client sealed need not be sealed again, but whatever was
    /// *found* was read without a key: it stands in the clear part (the Subject, a file name), and a sealed message is left as
    /// it is. So a client's seal satisfies only what was asked for on other grounds.
    fn cannot_seal(&self, when: &Condition) -> bool {
        if self.has_fact(Fact::SealedByClient) { !when.found.is_empty() } else { !self.recipient.has_key }
    }

    /// Protected correspondence is shown to nobody (CNIL; Cass. soc. 2 October 2001): refuse instead of holding.
    fn spare_private(&self, disposition: Disposition, if_private: Disposition) -> Disposition {
        if disposition == Disposition::Quarantine && self.has_fact(Fact::MarkedPrivate) {
            return disposition.max(if_private);
        }
        disposition
    }

    /// Whether a policy on watch would have made the verdict stricter or asked for more.
    fn would_change(&self, article: &Article, verdict: &Verdict) -> bool {
        if !self.applies(article) {
            return false;
        }
        let applied = self.apply(article);
        applied.disposition > verdict.disposition || verdict.requires.union(applied.requires) != verdict.requires
    }

    fn has_fact(&self, fact: Fact) -> bool {
        self.inputs.facts.contains(&fact) || self.recipient.facts.contains(&fact)
    }

    /// All that a condition names must hold.
    fn holds(&self, condition: &Condition) -> bool {
        let inputs = self.inputs;
        let over = |limit: Option<u64>, value: u64| limit.is_none_or(|limit| value > limit);
        if !condition.found.is_empty() && self.found(condition) < condition.at_least {
            return false;
        }
        if !condition.to.is_empty() && !condition.to.iter().any(|party| self.parties.is(&self.recipient.address, party)) {
            return false;
        }
        if !condition.from.is_empty() && !condition.from.iter().any(|party| self.is_from(party)) {
            return false;
        }
        if !condition.all_facts.iter().all(|fact| self.has_fact(*fact)) {
            return false;
        }
        if !condition.any_fact.is_empty() && !condition.any_fact.iter().any(|fact| self.has_fact(*fact)) {
            return false;
        }
        if !condition.unreadable.is_empty() && condition.unreadable.is_disjoint(&inputs.unreadable) {
            return false;
        }
        if !condition.attachment_types.is_empty() && condition.attachment_types.is_disjoint(&inputs.attachment_types) {
            return false;
        }
        let tagged = || inputs.subject_tags.iter().any(|tag| condition.subject_tags.contains(tag));
        if !condition.subject_tags.is_empty() && !tagged() {
            return false;
        }
        over(condition.size_over, inputs.size)
            && over(condition.recipients_over, inputs.recipient_count)
            && over(condition.visible_external_recipients_over, inputs.visible_external_recipients)
            && condition.hours.is_none_or(|hours| hours.hold(inputs.received(), condition.zone))
            && condition.weekdays.is_none_or(|days| days.hold(inputs.received(), condition.zone))
    }

    fn found(&self, condition: &Condition) -> u64 {
        let least = confidence(condition);
        condition.found.iter().map(|what| self.inputs.count_of(what, least)).sum()
    }

    fn is_from(&self, party: &Party) -> bool {
        match party {
            Party::Inside => self.inputs.sender_is_inside(self.parties),
            Party::Outside => !self.inputs.sender_is_inside(self.parties),
            other => self.inputs.from.as_ref().is_some_and(|address| self.parties.is(address, other)),
        }
    }

    /// `NIR x12`, `votre boîte personnelle, transfert interne`: only what the policy asked for, so that a cause explains its
    /// policy, and only names and numbers.
    fn because(&self, when: &Condition, no_key: bool) -> Bilingual {
        let mut items = Vec::new();
        let least = confidence(when);
        for what in &when.found {
            let count = self.inputs.count_of(what, least);
            if count == 0 {
                continue;
            }
            match what {
                Recognised::Rule(id) => {
                    let name = self.policy.short_names.get(id).cloned().unwrap_or_else(|| words::both(&id.0, &id.0));
                    items.push(words::counted(&name, count));
                }
                Recognised::Category(category) => items.push(words::counted(&words::category(*category), count)),
            }
        }
        items.extend(when.unreadable.intersection(&self.inputs.unreadable).map(|reason| words::unreadable(*reason)));
        let mut facts: Vec<Fact> = when.all_facts.union(&when.any_fact).copied().filter(|fact| self.has_fact(*fact)).collect();
        // "your own mailbox" says it all; "personal mailbox" beside it only takes room.
        if facts.contains(&Fact::ToOwnMailbox) {
            facts.retain(|fact| *fact != Fact::ToPersonalMailbox);
        }
        items.extend(facts.into_iter().map(words::fact));
        if items.is_empty() {
            items.extend(self.because_of_measures(when));
        }
        if no_key {
            let sealed = self.has_fact(Fact::SealedByClient);
            items.push(if sealed { words::both("en clair", "in clear") } else { words::both("sans clé", "no key") });
        }
        words::joined(items)
    }

    fn because_of_measures(&self, when: &Condition) -> Option<Bilingual> {
        let inputs = self.inputs;
        if let Some(tag) = inputs.subject_tags.iter().find(|tag| when.subject_tags.contains(*tag)) {
            // The officer's word, which the sender wrote too.
            return Some(words::both(&format!("mention [{tag}]"), &format!("tag [{tag}]")));
        }
        if let Some(file) = when.attachment_types.intersection(&inputs.attachment_types).next() {
            return Some(words::both(&format!("fichier {file}"), &format!("file {file}")));
        }
        if when.visible_external_recipients_over.is_some() {
            let count = inputs.visible_external_recipients;
            return Some(words::both(&format!("{count} adresses externes visibles"), &format!("{count} visible addresses outside")));
        }
        if when.recipients_over.is_some() {
            let count = inputs.recipient_count;
            return Some(words::both(&format!("{count} destinataires"), &format!("{count} recipients")));
        }
        if when.size_over.is_some() {
            return Some(words::both("taille du message", "size of the message"));
        }
        if when.hours.is_some() || when.weekdays.is_some() {
            return Some(words::both("horaire", "time of day"));
        }
        if !when.to.is_empty() || !when.from.is_empty() {
            return Some(words::both("destinataire", "recipient"));
        }
        None
    }

    fn filled(&self, text: &Bilingual) -> Bilingual {
        let fill = |text: &str| text.replace("{recipient}", &self.recipient.address.to_string());
        Bilingual { fr: fill(&text.fr), en: fill(&text.en) }
    }
}

/// Without a word from the officer: what has evidence, not what only looks like it.
fn confidence(condition: &Condition) -> Confidence {
    condition.confidence.unwrap_or(Confidence::Medium)
}

//! Turns one message's facts and findings into a [`Decision`].

use super::parties::{Parties, Party};
use super::policy::{Action, Article, Condition, DEFAULT, Mode, Policy, Recognised};
use super::record::{Inputs, RecipientInputs};
use super::sealing::{self, Fragile, IfNoKey};
use super::words;
use super::{Answer, Applied, Bilingual, Decision, Disposition, PolicyId, Recourse, Requirements, Verdict};
use crate::detect::{Confidence, Findings, RuleId};
use crate::facts::{Fact, Facts};
use crate::mail::Submission;

/// Decides by all policies at once: the strictest disposition wins, requirements add up, and no policy's exception lifts another
/// policy. Findings of draft rules count for nothing. Pure: the same input gives the same decision.
pub fn decide(submission: &Submission, facts: &Facts, findings: &Findings, policy: &Policy) -> Decision {
    judge(&Inputs::of(submission, facts, findings), policy, policy.parties())
}

/// The same where the sender answered a refusal: a confirmed policy lifts its own block and nothing else, and a message that is to be
/// looked at by a person is held where it would be blocked, if each blocking policy allows that.
pub fn decide_answered(
    submission: &Submission,
    facts: &Facts,
    findings: &Findings,
    policy: &Policy,
    answer: &Answer,
) -> Decision {
    judge(&Inputs { answer: answer.clone(), ..Inputs::of(submission, facts, findings) }, policy, policy.parties())
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
        answer: inputs.answer.clone(),
    }
}

pub(super) fn strictest(dispositions: impl Iterator<Item = Disposition>) -> Disposition {
    dispositions.max().unwrap_or_default()
}

/// The one that decided first; then by name, so that the order in the file does not show.
pub(super) fn sort(reasons: &mut [Applied]) {
    reasons.sort_by(|a, b| (b.disposition, b.requires.encrypt, &a.policy).cmp(&(a.disposition, a.requires.encrypt, &b.policy)));
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
        reasons.extend(self.apply_requiretls());
        reasons.extend(self.apply_quota());
        sort(&mut reasons);
        Verdict {
            recipient: self.recipient.address.clone(),
            disposition: strictest(reasons.iter().map(|applied| applied.disposition)),
            requires: reasons.iter().fold(Requirements::NONE, |all, applied| all.union(applied.requires)),
            reasons,
        }
    }

    fn applies(&self, article: &Article) -> bool {
        self.holds(&article.when) && !article.unless.as_ref().is_some_and(|unless| self.holds(unless))
    }

    fn apply(&self, article: &Article) -> Applied {
        let mut requires = article.then.requires;
        requires.strip_subject_tag = !article.when.subject_tags.is_empty();
        requires.hide_subject &= article.hide_subject.hides(self.has_fact(Fact::SensitiveSubject));
        let mut sealing = self.sealing(&mut requires, &article.when, article.if_no_key);
        let (own, recourse) = self.answered(article);
        let disposition = own.max(sealing.disposition);
        // What sealing cannot do is not the policy's to give way in.
        let recourse = if sealing.disposition == Disposition::Block { Recourse::default() } else { recourse };
        let mut because = self.because(&article.when);
        because.append(&mut sealing.because);
        Applied {
            policy: article.id.clone(),
            disposition: self.spare_private(disposition, article.if_private),
            requires,
            because: words::joined(because),
            tell_sender: article.tell_sender.as_ref().map(|text| self.filled(text)),
            no_key: sealing.no_key,
            container: sealing.container,
            recourse,
        }
    }

    /// What a policy asks for itself after what the sender answered, and how a block of its own may be answered.
    fn answered(&self, article: &Article) -> (Disposition, Recourse) {
        let none = Recourse::default();
        if article.then.disposition != Disposition::Block {
            return (article.then.disposition, none);
        }
        // A person would see it.
        let private = self.has_fact(Fact::MarkedPrivate) && article.if_private == Disposition::Block;
        let recourse = Recourse { confirm: article.then.confirm, review: article.review && !private };
        if recourse.confirm && self.inputs.answer.confirms(&self.recipient.address, &article.id) {
            return (Disposition::Allow, none);
        }
        if recourse.review && self.inputs.answer == Answer::Review {
            return (Disposition::Quarantine, none);
        }
        (Disposition::Block, recourse)
    }

    /// Whether what is asked for can be had for this recipient and this message, and what becomes of it if not.
    fn sealing(&self, requires: &mut Requirements, when: &Condition, if_no_key: IfNoKey) -> Sealing {
        let mut sealing = Sealing::default();
        let sealed_by_client = self.has_fact(Fact::SealedByClient);
        if self.has_fact(Fact::TlsOptional) && (requires.encrypt || requires.encrypt_if_possible || requires.tls) {
            sealing.disposition = Disposition::Block;
            sealing.because.push(words::fact(Fact::TlsOptional));
        }
        for (fact, what) in self.policy.fragile.iter().filter(|(fact, _)| !sealed_by_client && self.has_fact(**fact)) {
            if *what == Fragile::Encrypt {
                continue;
            }
            // Only wished for: it leaves as it is.
            requires.encrypt_if_possible = false;
            if requires.encrypt {
                sealing.disposition = sealing.disposition.max(what.disposition());
                sealing.because.push(sealing::because(*fact));
            }
        }
        let contested = self.has_fact(Fact::ContestedKey) && !sealed_by_client;
        if contested && requires.encrypt_if_possible {
            // There is a key, so it is to be sealed; and whoever put a second one there must not get it in clear. From now on it waits for
            // a key, whatever becomes of the two.
            (requires.encrypt, requires.to_key) = (true, true);
        }
        if !requires.encrypt || !self.cannot_seal(when) {
            return sealing;
        }
        if contested {
            sealing.no_key = true;
            sealing.disposition = sealing.disposition.max(match if_no_key {
                IfNoKey::Quarantine | IfNoKey::Container => Disposition::Quarantine,
                IfNoKey::Block => Disposition::Block,
            });
            sealing.because.push(words::fact(Fact::ContestedKey));
            return sealing;
        }
        if if_no_key == IfNoKey::Container && !sealed_by_client && self.recipient.has_password {
            sealing.container = true;
            sealing.because.push(words::both("sous mot de passe", "under a password"));
            return sealing;
        }
        sealing.no_key = true;
        sealing.disposition = sealing.disposition.max(match if_no_key {
            IfNoKey::Quarantine | IfNoKey::Container => Disposition::Quarantine,
            IfNoKey::Block => Disposition::Block,
        });
        sealing.because.push(match (sealed_by_client, if_no_key) {
            (true, _) => words::both("en clair", "in clear"),
            (false, IfNoKey::Container) => words::both("sans clé ni mot de passe", "no key, no password"),
            (false, _) => words::both("sans clé", "no key"),
        });
        sealing
    }

    /// RFC 8689: what the client asked for binds us whatever the policies say.
    fn apply_requiretls(&self) -> Option<Applied> {
        self.has_fact(Fact::RequiresTls).then(|| Applied {
            policy: PolicyId(REQUIRETLS.into()),
            disposition: Disposition::Allow,
            requires: Requirements { tls: true, ..Requirements::NONE },
            because: words::fact(Fact::RequiresTls),
            tell_sender: None,
            no_key: false,
            container: false,
            recourse: Recourse::default(),
        })
    }

    /// Beyond the quota, in a house that holds then. Protected correspondence is shown to nobody: it comes again later.
    fn apply_quota(&self) -> Option<Applied> {
        let private = self.has_fact(Fact::MarkedPrivate);
        self.has_fact(Fact::OverQuota).then(|| Applied {
            policy: PolicyId(QUOTA.into()),
            disposition: if private { Disposition::Defer } else { Disposition::Quarantine },
            requires: Requirements::NONE,
            because: words::fact(Fact::OverQuota),
            tell_sender: None,
            no_key: false,
            container: false,
            recourse: Recourse::default(),
        })
    }

    fn apply_default(&self) -> Option<Applied> {
        let default = self.policy.default;
        if default == Action::NONE || default.disposition == Disposition::Allow && !default.requires.encrypt {
            return None;
        }
        let mut requires = default.requires;
        let sealing = self.sealing(&mut requires, &Condition::default(), IfNoKey::Quarantine);
        let disposition = default.disposition.max(sealing.disposition);
        Some(Applied {
            policy: PolicyId(DEFAULT.into()),
            disposition: self.spare_private(disposition, Disposition::Block),
            requires,
            because: words::both("envoi non prévu", "not provided for"),
            tell_sender: None,
            no_key: sealing.no_key,
            container: false,
            recourse: Recourse::default(),
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
        if !condition.to.is_empty() && !condition.to.iter().any(|party| self.is_to(party)) {
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
        condition.found.iter().map(|what| self.inputs.count_within(what, least, condition.within)).sum()
    }

    fn is_to(&self, party: &Party) -> bool {
        self.parties.is(&self.recipient.address, &self.recipient.groups, party)
    }

    fn is_from(&self, party: &Party) -> bool {
        match party {
            Party::Kind(kind) => self.inputs.from_kind == Some(*kind),
            // A group that an account is in needs no address.
            Party::Group(name) if self.inputs.from_groups.contains(name) => true,
            Party::Inside => self.inputs.sender_is_inside(self.parties),
            Party::Outside => !self.inputs.sender_is_inside(self.parties),
            other => {
                let groups = &self.inputs.from_groups;
                self.inputs.from.as_ref().is_some_and(|address| self.parties.is(address, groups, other))
            }
        }
    }

    /// `NIR x12`, `votre boîte personnelle, transfert interne`: only what the policy asked for, so that a cause explains its
    /// policy, and only names and numbers.
    fn because(&self, when: &Condition) -> Vec<Bilingual> {
        let mut items = Vec::new();
        let least = confidence(when);
        for what in &when.found {
            let count = self.inputs.count_within(what, least, when.within);
            if count == 0 {
                continue;
            }
            match what {
                Recognised::Rule(id) => items.push(self.counted(id, count)),
                Recognised::Category(category) => {
                    let ids = self.policy.short_names.iter().filter(|(_, (of, _))| of == category).map(|(id, _)| id);
                    let counts =
                        ids.map(|id| (id, self.inputs.count_within(&Recognised::Rule(id.clone()), least, when.within)));
                    items.extend(counts.filter(|(_, count)| *count > 0).map(|(id, count)| self.counted(id, count)));
                }
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
        items
    }

    fn counted(&self, id: &RuleId, count: u64) -> Bilingual {
        let name = self.policy.short_names.get(id).map(|(_, name)| name.clone());
        words::counted(&name.unwrap_or_else(|| words::both(&id.0, &id.0)), count)
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
            return Some(words::both(
                &format!("{count} adresses externes visibles"),
                &format!("{count} visible addresses outside"),
            ));
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

/// Stands for a policy where the client asked for REQUIRETLS.
const REQUIRETLS: &str = "requiretls";
/// Stands for a policy where the sender is over quota.
const QUOTA: &str = "quota";

/// What stands between a demand for encryption and the copy.
#[derive(Default)]
struct Sealing {
    disposition: Disposition,
    no_key: bool,
    container: bool,
    because: Vec<Bilingual>,
}

/// Without a word from the officer: what has evidence, not what only looks like it.
fn confidence(condition: &Condition) -> Confidence {
    condition.confidence.unwrap_or(Confidence::Medium)
}

#[cfg(test)]
mod tests;

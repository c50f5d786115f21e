//! Turns the words in brackets by which a sender answers a refusal into what they ask for: `[confirme PST-… motif]`, `[examen PST-… motif]`.

use super::PolicyId;
use crate::facts::fold;
use crate::mail::{Address, Reference};
use std::collections::{BTreeMap, BTreeSet};

/// How a sender may answer a block, by mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Recourse {
    /// Sent again with `[confirme REF]` it passes, as far as this policy is concerned.
    pub confirm: bool,
    /// Sent again with `[examen REF]` it is held for a person.
    pub review: bool,
}

/// What a sender answered to a refusal, as far as it is good for this very message.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    #[default]
    None,
    /// For each recipient the policies that the refusal named, and that may be confirmed.
    Confirmed(BTreeMap<Address, BTreeSet<PolicyId>>),
    /// A block becomes a hold where its policy allows that.
    Review,
}

/// Which of the two is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Confirm,
    Review,
}

/// The words in brackets, found in a Subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub asks: Asks,
    /// `None`: it begins like a reference and is none.
    pub reference: Option<Reference>,
    /// What the sender wrote behind the reference, on one line; content, to be masked before it is kept.
    pub justification: String,
    /// The Subject without the brackets and what is in them.
    pub rest: String,
}

/// Characters kept of a justification.
const JUSTIFICATION: usize = 300;
/// Folded, as people write it: `Confirmé`, `CONFIRM`.
const CONFIRM: [&str; 5] = ["confirme", "confirmer", "confirmation", "confirm", "confirmed"];
const REVIEW: [&str; 5] = ["examen", "examiner", "examine", "review", "reviewed"];

/// The first such words anywhere in a decoded Subject. Brackets that only look similar (`[Confirm your seat]`) are none.
pub fn find_tag(subject: &str) -> Option<Tag> {
    subject.match_indices('[').find_map(|(open, _)| {
        let inner = &subject[open + 1..];
        let close = inner.find(']')?;
        let (before, after) = (&subject[..open], &inner[close + 1..]);
        let words = inner[..close].trim();
        let end = words.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(words.len());
        let word = fold(&words[..end]);
        let asks = match () {
            () if CONFIRM.contains(&word.as_str()) => Asks::Confirm,
            () if REVIEW.contains(&word.as_str()) => Asks::Review,
            () => return None,
        };
        let rest = words[end..].trim_start_matches(|c: char| c.is_whitespace() || c == ':');
        // Word processors and telephones put other hyphens there.
        let is_sign = |c: char| c.is_ascii_alphanumeric() || is_hyphen(c);
        let token = &rest[..rest.find(|c| !is_sign(c)).unwrap_or(rest.len())];
        let plain: String = token.chars().map(|c| if is_hyphen(c) { '-' } else { c }).collect();
        let plain = plain.trim_matches('-');
        let reference = Reference::parse(plain).or_else(|| Reference::parse(&format!("PST-{plain}")));
        if reference.is_none() && !plain.to_ascii_lowercase().starts_with("pst") {
            return None;
        }
        let behind = rest[token.len()..].trim_start_matches(|c: char| c.is_whitespace() || is_hyphen(c) || ":,;.".contains(c));
        let justification: String = behind.split_whitespace().collect::<Vec<_>>().join(" ");
        let justification = justification.chars().filter(|c| !c.is_control()).take(JUSTIFICATION).collect();
        Some(Tag { asks, reference, justification, rest: joined(before, after) })
    })
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn joined(before: &str, after: &str) -> String {
    let (before, after) = (before.trim_end(), after.trim());
    if before.is_empty() || after.is_empty() {
        format!("{before}{after}").trim().to_owned()
    } else {
        format!("{before} {after}")
    }
}

impl Asks {
    /// As the audit calls it.
    pub fn word(self) -> &'static str {
        match self {
            Asks::Confirm => "confirm",
            Asks::Review => "review",
        }
    }
}

impl Answer {
    /// Whether it lifts a block by `policy` for `recipient`.
    pub(super) fn confirms(&self, recipient: &Address, policy: &PolicyId) -> bool {
        match self {
            Answer::Confirmed(lifted) => lifted.get(recipient).is_some_and(|policies| policies.contains(policy)),
            Answer::None | Answer::Review => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REF: &str = "PST-7F3A2CQX9KMD";

    #[test]
    fn the_words_are_read_wherever_people_put_them() {
        for (subject, asks, justification, rest) in [
            ("[confirme PST-7F3A2CQX9KMD] Dossier", Asks::Confirm, "", "Dossier"),
            (
                "[confirme PST-7F3A2CQX9KMD pour envoi urgent au juge] Dossier",
                Asks::Confirm,
                "pour envoi urgent au juge",
                "Dossier",
            ),
            ("Dossier [Confirmé : pst-7f3a2cqx9kmd, motif: accord du chef]", Asks::Confirm, "motif: accord du chef", "Dossier"),
            (
                "RE: [liste] [CONFIRM 7F3A2CQX9KMD - asked by the judge] File",
                Asks::Confirm,
                "asked by the judge",
                "RE: [liste] File",
            ),
            ("Re: [examen PST‑7F3A2CQX9KMD erreur] a", Asks::Review, "erreur", "Re: a"),
            ("a [review PST-7F3A2CQX9KMD] b", Asks::Review, "", "a b"),
            ("[chiffrer] [examen\u{a0}PST-7F3A2CQX9KMD\u{a0}:\u{a0}non] x", Asks::Review, "non", "[chiffrer] x"),
            ("[confirme PST-7F3A2CQX9KMD]", Asks::Confirm, "", ""),
            // O for 0 and l for 1, as on the telephone.
            ("[confirme PST-7F3A2CQX9KMD] [confirme PST-000000000000] x", Asks::Confirm, "", "[confirme PST-000000000000] x"),
        ] {
            let tag = find_tag(subject).unwrap_or_else(|| panic!("{subject}"));
            assert_eq!(tag.reference.map(|reference| reference.to_string()).as_deref(), Some(REF), "{subject}");
            assert_eq!((tag.asks, tag.justification.as_str(), tag.rest.as_str()), (asks, justification, rest), "{subject}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_none() {
        for subject in [
            "",
            "[",
            "[]",
            "[confirm]",
            "[Confirm your seat] Newsletter",
            "[examen du 12 mars] Sujet",
            "confirme PST-7F3A2CQX9KMD Dossier",
            "[confirme PST-7F3A2CQX9KMD Dossier",
            "[chiffrer PST-7F3A2CQX9KMD] Dossier",
            "[reconfirme PST-7F3A2CQX9KMD] Dossier",
        ] {
            assert_eq!(find_tag(subject), None, "{subject}");
        }
        for subject in ["[confirme PST-7F3A2CQX9KM] x", "[examen PST-] x", "[review pst7F3A2CQX9KMDA] x"] {
            assert_eq!(find_tag(subject).unwrap().reference, None, "{subject}");
        }
    }

    #[test]
    fn a_justification_has_an_end() {
        let tag = find_tag(&format!("[confirme {REF} {}]", "é ".repeat(4_000))).unwrap();
        assert!(tag.justification.chars().count() <= JUSTIFICATION);
    }
}

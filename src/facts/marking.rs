//! Turns labels, findings and document properties into: is this professional content; and a Subject into: is it marked private?

use super::Known;
use super::fold::{fold, without_prefixes};
use super::mailbox::{has, is_inside};
use crate::detect::{Category, Confidence, Findings, Status};
use crate::extract::{Extracted, TextKind};
use crate::mail::Address;
use unicode_normalization::UnicodeNormalization;

/// Our own mailing lists, and what our organisation is called in document properties; both optional.
const INTERNAL_LISTS: &str = "internal-lists";
const ORGANISATION_NAMES: &str = "organisation-names";

/// One header field: any case, decoded.
pub(super) struct Label<'t> {
    pub name: &'t str,
    pub value: &'t str,
}

/// A protective marking, a sensitivity label, an internal mailing list among the visible or quoted parties, or a document that
/// bears the organisation's name in its properties.
pub(super) fn professional_content(
    findings: &Findings,
    labels: &[Label],
    extracted: &Extracted,
    parties: &[Address],
    known: &Known,
) -> bool {
    let marked = findings.found.iter().any(|finding| {
        finding.category == Category::Marking && finding.status == Status::Active && finding.confidence >= Confidence::Medium
    });
    let listed = |address: &Address| {
        // A domain of lists may be ours as a whole; outsiders' addresses on that list would be a slip of its keeper.
        is_inside(address.domain(), &known.inside)
            && known.lists.get(INTERNAL_LISTS).is_some_and(|entries| has(address, entries))
    };
    marked
        || labels.iter().any(is_sensitivity_label)
        || parties.iter().any(listed)
        || extracted
            .texts
            .iter()
            .filter(|text| text.kind == TextKind::Properties)
            .any(|text| text.content.lines().take(MAX_PROPERTIES).any(|line| is_ours_by_property(line, known)))
}

/// Properties of one document.
const MAX_PROPERTIES: usize = 2_000;

/// RFC 4021 §2.1.55 `Sensitivity: Company-Confidential`; Microsoft's `msip_labels`; what classification add-ins write.
fn is_sensitivity_label(label: &Label) -> bool {
    let name = label.name.to_ascii_lowercase();
    let value = fold(label.value.trim());
    match name.as_str() {
        "sensitivity" => value.contains("confidential"),
        "msip_labels" => value.split(';').any(|property| {
            property
                .trim()
                .split_once('=')
                .is_some_and(|(key, value)| key.trim().ends_with("_name") && is_restricting(value.trim()))
        }),
        "x-classification" | "classification" | "x-titus-labels" | "x-protective-marking" | "x-sensitivity-label" => {
            is_restricting(&value)
        }
        _ => false,
    }
}

/// Labels that say that anyone may have it, or that it is the sender's own, make no professional content.
fn is_restricting(value: &str) -> bool {
    const OPEN: [&str; 10] =
        ["", "public", "publique", "personal", "personnel", "prive", "private", "unclassified", "non classifie", "non protege"];
    !OPEN.contains(&value.trim())
}

/// One `name: value` line of a document's properties.
fn is_ours_by_property(line: &str, known: &Known) -> bool {
    let Some((name, value)) = line.split_once(':') else { return false };
    let (name, value) = (fold(name.trim()), fold(value.trim()));
    if name.starts_with("msip_label") {
        return name.ends_with("_name") && is_restricting(&value);
    }
    if ["classification", "sensitivity", "confidentiality", "confidentialite", "sensibilite", "mention de protection"]
        .contains(&name.as_str())
    {
        return is_restricting(&value);
    }
    if ![
        "company",
        "societe",
        "organisation",
        "organization",
        "manager",
        "author",
        "creator",
        "lastmodifiedby",
        "last modified by",
        "auteur",
        "template",
    ]
    .contains(&name.as_str())
    {
        return false;
    }
    let by_address = super::quoted::addresses(&value).iter().any(|address| is_inside(address.domain(), &known.inside));
    let is_organisation = ["company", "societe", "organisation", "organization"].contains(&name.as_str());
    let by_name = is_organisation
        && (known.lists.get(ORGANISATION_NAMES).is_some_and(|names| names.iter().any(|ours| fold(ours) == value))
            || known.inside.iter().any(|domain| domain.as_str() == value));
    by_address || by_name
}

/// The Subject begins with PERSONNEL, PRIVÉ, PERSONAL or PRIVATE, bracketed or not: protected correspondence (CNIL). As a word of
/// a sentence ("Personnel communal : planning", "Private sector survey") it is no mark: it must be bracketed, or stand in
/// capitals before words that do not, or be followed by a sign or by "et confidentiel", or be the whole Subject.
pub(super) fn is_marked_private(subject: &str) -> bool {
    let composed: String = subject.nfc().collect();
    let rest = without_prefixes(&composed).rest;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "*-_#!«\"'\u{200B}".contains(c));
    let bracketed = rest.starts_with(['[', '(', '{', '<', '【']);
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "[({<【*".contains(c));
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    if !["personnel", "personnelle", "prive", "privee", "personal", "private"].contains(&fold(word).as_str()) {
        return false;
    }
    let next = after.trim_start();
    if bracketed {
        return next.starts_with([']', ')', '}', '>', '】', '*']) || says_confidential(next);
    }
    let capitals = !word.chars().any(char::is_lowercase);
    let others_in_capitals = !next.chars().any(char::is_lowercase);
    next.is_empty()
        || next.starts_with([':', '-', '–', '—', '/', '|', ';', ',', '.', '!', '*', ')', ']', '»', '"'])
        || says_confidential(next)
        || capitals && !others_in_capitals && after.starts_with(char::is_whitespace)
}

fn says_confidential(next: &str) -> bool {
    let next = fold(next);
    ["et confidentiel", "& confidentiel", "and confidential", "& confidential"]
        .iter()
        .any(|words| next.trim_start().starts_with(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Finding, RuleId};
    use crate::extract::{Place, Text};
    use crate::mail::Domain;
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    #[test]
    fn a_subject_is_marked_private_only_at_its_beginning_and_as_a_mark() {
        for (subject, marked) in [
            ("PERSONNEL", true),
            ("[PERSONNEL] rendez-vous", true),
            ("(Privé) rendez-vous", true),
            ("[privé] x", true),
            ("PRIVÉ : x", true),
            ("PRIVE - x", true),
            ("Personnel : x", true),
            ("Personnel et confidentiel", true),
            ("[PERSONNEL ET CONFIDENTIEL] x", true),
            ("PERSONAL: x", true),
            ("Private and confidential", true),
            ("PERSONNEL rendez-vous médecin", true),
            ("RE: [PERSONNEL] x", true),
            ("*** PERSONNEL *** x", true),
            ("PRIVE\u{301} : x", true),
            ("Personnel communal : planning", false),
            ("PERSONNEL COMMUNAL : PLANNING", false),
            ("Dossier personnel", false),
            ("[URGENT] PERSONNEL", false),
            ("Personnellement vôtre", false),
            ("Private sector survey", false),
            ("[personnel communal] réunion", false),
            ("Privation de salle", false),
            ("", false),
        ] {
            assert_eq!(is_marked_private(subject), marked, "{subject}");
        }
    }

    #[test]
    fn labels_lists_and_properties_make_content_professional() {
        let lists = BTreeMap::from([
            (
                INTERNAL_LISTS.to_owned(),
                BTreeSet::from(["tous@example.gouv.fr".to_owned(), "listes.example.gouv.fr".to_owned()]),
            ),
            (ORGANISATION_NAMES.to_owned(), BTreeSet::from(["ministère de l'exemple".to_owned()])),
        ]);
        let known =
            Known { inside: Arc::new([Domain::parse("example.gouv.fr").unwrap()]), lists: Arc::new(lists), ..Known::default() };
        let header = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
        for (why, kind, content, expected) in [
            ("RFC 4021", "header", "Sensitivity: Company-Confidential", true),
            ("a private mail", "header", "Sensitivity: Private", false),
            ("Microsoft label", "header", "msip_labels: MSIP_Label_1_Enabled=true; MSIP_Label_1_Name=Usage interne", true),
            ("Microsoft label, open", "header", "MSIP_Labels: MSIP_Label_1_Name=Public;", false),
            ("classification header", "header", "X-Classification: Interne", true),
            ("open classification", "header", "X-Classification: Non protégé", false),
            ("an ordinary header", "header", "X-Mailer: Outlook", false),
            ("Office label", "property", "MSIP_Label_77_Name: Confidentiel", true),
            ("Office label, personal", "property", "MSIP_Label_77_Name: Personnel", false),
            ("Office label's other fields", "property", "MSIP_Label_77_SiteId: 8e5a", false),
            ("our company", "property", "Company: Ministère de l’Exemple", true),
            ("another company", "property", "Company: Boulangerie Petit", false),
            ("our author", "property", "Author: paul@dr.example.gouv.fr", true),
            ("another author", "property", "Author: paul@company.example", false),
            ("a title", "property", "Title: Ministère de l'Exemple", false),
            ("internal list", "party", "tous@example.gouv.fr", true),
            ("domain of lists", "party", "agents@listes.example.gouv.fr", true),
            ("a colleague", "party", "paul@example.gouv.fr", false),
            ("an outsider", "party", "jean@gmail.com", false),
        ] {
            let (mut extracted, mut labels, mut parties) = (Extracted::default(), Vec::new(), Vec::new());
            match kind {
                "header" => labels.push(header(content)),
                "party" => parties.push(Address::parse(content).unwrap()),
                _ => extracted.texts.push(Text {
                    place: Place("x.docx".into()),
                    kind: TextKind::Properties,
                    group: 0,
                    content: content.to_owned(),
                    table: None,
                }),
            }
            let labels: Vec<Label> = labels.iter().map(|(name, value)| Label { name, value }).collect();
            let found = professional_content(&Findings::default(), &labels, &extracted, &parties, &known);
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn a_marking_counts_when_its_rule_is_active_and_sure() {
        for (category, status, confidence, expected) in [
            (Category::Marking, Status::Active, Confidence::Medium, true),
            (Category::Marking, Status::Active, Confidence::High, true),
            (Category::Marking, Status::Active, Confidence::Low, false),
            (Category::Marking, Status::Draft, Confidence::High, false),
            (Category::Identity, Status::Active, Confidence::High, false),
        ] {
            let finding = Finding { rule: RuleId("mark-dr".into()), category, status, confidence, places: vec![] };
            let findings = Findings { found: vec![finding], ..Findings::default() };
            let found = professional_content(&findings, &[], &Extracted::default(), &[], &Known::default());
            assert_eq!(found, expected, "{category:?} {status:?} {confidence:?}");
        }
    }
}

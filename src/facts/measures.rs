//! Turns a submission and its files into quantities that policies compare.

use super::fold::{fold, without_prefixes};
use super::mailbox::is_inside;
use super::{Known, Measures};
use crate::extract::Extracted;
use crate::mail::{Address, Submission};
use std::collections::BTreeSet;

/// More tags than anybody writes; a Subject is at most some hundred characters.
const MAX_TAGS: usize = 16;
/// Different types and endings of one message's files; what comes after is alike or an attempt to fill memory.
const MAX_TYPES: usize = 1_000;
/// A longer "ending" is no ending but a name with a dot in it.
const MAX_ENDING: usize = 16;

/// `visible`: the addresses of To and Cc.
pub(super) fn measures(
    submission: &Submission,
    subject: &str,
    visible: &[Address],
    extracted: &Extracted,
    known: &Known,
) -> Measures {
    let outside: BTreeSet<&Address> = visible.iter().filter(|address| !is_inside(address.domain(), &known.inside)).collect();
    Measures {
        size: submission.raw.len() as u64,
        recipients: submission.recipients.len(),
        visible_external_recipients: outside.len(),
        attachment_types: attachment_types(extracted),
        subject_tags: subject_tags(subject),
    }
}

fn attachment_types(extracted: &Extracted) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for file in &extracted.files {
        if types.len() >= MAX_TYPES {
            break;
        }
        if !file.media_type.is_empty() {
            types.insert(file.media_type.to_lowercase());
        }
        let name = file.name.trim().trim_end_matches(['.', ' ']);
        if let Some((_, ending)) = name.rsplit_once('.').filter(|(_, ending)| (1..=MAX_ENDING).contains(&ending.len())) {
            types.insert(format!(".{}", ending.to_lowercase()));
        }
    }
    types
}

/// `RE: [chiffrer] [Urgent] …`: `chiffrer`, `urgent`.
pub(super) fn subject_tags(subject: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = without_prefixes(subject).rest;
    while let Some((tag, after)) = rest.trim_start().strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        if tags.len() == MAX_TAGS {
            break;
        }
        tags.push(fold(tag.trim()));
        // A mailing list's tag before an answer's prefix: `[liste] RE: [chiffrer] …`.
        rest = without_prefixes(after).rest;
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{FileKind, FileSeen, Place};

    #[test]
    fn tags_are_the_bracketed_words_at_the_beginning() {
        for (subject, tags) in [
            ("[chiffrer] Dossier", &["chiffrer"][..]),
            ("RE: [Chiffrer][URGENT] Dossier", &["chiffrer", "urgent"]),
            ("[liste] RE: [encrypt] x", &["liste", "encrypt"]),
            ("[ Chiffré ] x", &["chiffre"]),
            ("Dossier [chiffrer]", &[]),
            ("[chiffrer", &[]),
            ("", &[]),
        ] {
            assert_eq!(subject_tags(subject), tags, "{subject}");
        }
    }

    #[test]
    fn types_are_what_a_file_is_and_what_it_is_called() {
        let file = |name: &str, media_type: &str| FileSeen {
            place: Place("x".into()),
            name: name.into(),
            media_type: media_type.into(),
            kind: FileKind::Other,
            size: 1,
            sealed_to: Vec::new(),
        };
        let extracted = Extracted {
            files: vec![file("Liste.XLSX", "application/pdf"), file("a. ", ""), file("x.exe. ", "")],
            ..Extracted::default()
        };
        let types: Vec<String> = attachment_types(&extracted).into_iter().collect();
        assert_eq!(types, [".exe", ".xlsx", "application/pdf"]);
    }
}

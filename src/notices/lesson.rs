//! Turns what was found in a message into the lines by which its sender learns what it was, where, why it matters and what to do.
//!
//! A line names kinds of things and numbers of attachments. No value, not even a masked one, and no name of a file or sheet comes into it:
//! names are content, and this mail lies in a mailbox for years.

use super::{Letterhead, Value, of_language, pick};
use crate::detect::{Category, Found};
use crate::extract::{Extracted, FileKind, Reason, TextKind};
use crate::mail::Reference;
use crate::mime::{Kind, ParsedMessage};
use crate::policy::{Bilingual, Recourse};
use std::collections::BTreeSet;

/// Kinds of things that one notice names.
const KINDS: usize = 8;
/// Places named of one kind.
const PLACES: usize = 4;
/// Reasons why, and pieces of advice.
const WORDS: usize = 5;
/// Octets of one sentence of a policy.
const SENTENCE: usize = 600;

/// What a sender is to learn from a refusal or a hold.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    /// The short causes, for where nothing was found: `votre boîte personnelle`.
    pub causes: Vec<Bilingual>,
    pub found: Vec<Learned>,
    pub unreadable: BTreeSet<(Reason, Spot)>,
    pub why: Vec<Why>,
    /// The policies' own words.
    pub advice: Vec<Bilingual>,
    /// It is for want of a key.
    pub no_key: bool,
    /// How a refusal can be answered, and by which reference.
    pub answer: Option<(Reference, Recourse)>,
}

/// One kind of thing that was found.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The rule's title.
    pub title: Bilingual,
    /// Different values.
    pub count: usize,
    pub spots: BTreeSet<Spot>,
}

/// Why it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Category(Category),
    Unreadable,
    Mailbox,
    /// The policy's own reason, in both languages.
    Said(Bilingual),
    Other,
}

/// Where something stands, without names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    Subject,
    Header,
    Body,
    /// Attachments are counted from 1, in the order in which the message holds them.
    Attachment {
        number: usize,
        kind: SpotKind,
        page: Option<u32>,
    },
    Name {
        number: usize,
    },
    /// In something that is no attachment of its own for a reader: a picture in the text, a part without a name.
    Inside(SpotKind),
    Elsewhere,
}

/// What kind of file, in the words of [`FileKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpotKind(&'static str);

impl SpotKind {
    fn of(kind: FileKind) -> SpotKind {
        SpotKind(match kind {
            FileKind::Office => "kind-office",
            FileKind::Pdf => "kind-pdf",
            FileKind::Archive => "kind-archive",
            FileKind::Image => "kind-image",
            FileKind::Text => "kind-text",
            FileKind::Message => "kind-message",
            FileKind::SealedByClient => "kind-sealed",
            FileKind::Executable => "kind-executable",
            FileKind::Other => "kind-other",
        })
    }
}

/// Where a finding stands.
pub fn spot_of(found: &Found, message: &ParsedMessage<'_>, extracted: &Extracted) -> Spot {
    let Some(text) = extracted.texts.get(found.text) else { return Spot::Elsewhere };
    // The place of the text itself: the finding's own may have signs in it that hide a value.
    let place = &*text.place.0;
    match text.kind {
        TextKind::Header => {
            let before = text.content.get(..found.span.0 as usize).unwrap_or_default();
            let line = &text.content[before.rfind('\n').map_or(0, |at| at + 1)..];
            match (place == "header", line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("subject:"))) {
                (true, true) => Spot::Subject,
                (true, false) => Spot::Header,
                (false, _) => of_place(place, message, extracted, false),
            }
        }
        TextKind::FileName => of_place(place, message, extracted, true),
        _ => of_place(place, message, extracted, false),
    }
}

/// The spot of a place that reading gave: `payslips.zip > 03.pdf > page 2`.
pub fn of_place(place: &str, message: &ParsedMessage<'_>, extracted: &Extracted, name: bool) -> Spot {
    let within = |file: &str| place == file || place.strip_prefix(file).is_some_and(|rest| rest.starts_with(" > "));
    let files = extracted.files.iter().filter(|file| within(&file.place.0));
    let Some(top) = files.min_by_key(|file| file.place.0.len()) else {
        let of_header = place == "header" || place.ends_with(" header");
        let of_body = message.leaves().any(|part| part.file_name.is_none() && place.starts_with(&label(part)));
        return match (of_header, of_body) {
            (true, _) => Spot::Header,
            (false, true) => Spot::Body,
            (false, false) => Spot::Elsewhere,
        };
    };
    let kind = SpotKind::of(top.kind);
    match (number_of(&top.place.0, message), name) {
        (Some(number), true) => Spot::Name { number },
        (Some(number), false) => {
            let rest = place.get(top.place.0.len()..).unwrap_or_default();
            let page = rest.rsplit(" > ").next().and_then(|last| last.strip_prefix("page ")?.parse().ok());
            Spot::Attachment { number, kind, page }
        }
        (None, _) => Spot::Inside(kind),
    }
}

/// How reading calls a part without a name.
fn label(part: &crate::mime::Part) -> String {
    if part.number.is_empty() { "body".to_owned() } else { format!("{} {}", part.number, part.content_type) }
}

/// Which attachment, as a reader counts them; two of one name are told apart by reading with ` (2)`.
fn number_of(place: &str, message: &ParsedMessage<'_>) -> Option<usize> {
    let mut number = 0;
    let mut seen: Vec<String> = Vec::new();
    for part in &message.parts {
        let in_message = part.parent.is_some_and(|parent| is_below_message(message, parent));
        let shown = part.file_name.is_some() || part.attachment || part.kind == Kind::Message && part.parent.is_some();
        if in_message || part.kind == Kind::Multipart || !shown {
            continue;
        }
        number += 1;
        let name = part.file_name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| label(part));
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let times = 1 + seen.iter().filter(|other| **other == name).count();
        let expected = if times == 1 { name.clone() } else { format!("{name} ({times})") };
        if expected == place {
            return Some(number);
        }
        seen.push(name);
    }
    None
}

fn is_below_message(message: &ParsedMessage<'_>, mut part: usize) -> bool {
    loop {
        if message.parts[part].kind == Kind::Message && part != 0 {
            return true;
        }
        match message.parts[part].parent {
            Some(parent) => part = parent,
            None => return false,
        }
    }
}

/// The lesson in the letterhead's language, paragraph after paragraph.
pub(super) fn written(head: &Letterhead<'_>, lesson: &Lesson) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut found: Vec<String> = lesson.found.iter().take(KINDS).map(|learned| found_line(head, learned)).collect();
    let reasons: BTreeSet<Reason> = lesson.unreadable.iter().map(|(reason, _)| *reason).collect();
    for reason in reasons {
        let spots = lesson.unreadable.iter().filter(|(of, _)| *of == reason).map(|(_, spot)| *spot).collect();
        let what = head.say(unreadable(reason), &[]);
        found.push(head.say("lesson-unreadable", &[("reason", (&what).into()), ("places", (&places(head, &spots)).into())]));
    }
    if found.is_empty() {
        paragraphs.extend(super::causes(head, "lesson-cause-heading", &lesson.causes));
    } else {
        paragraphs.push(under(head.say("lesson-found-heading", &[]), found));
    }
    let mut why: Vec<String> = Vec::new();
    for reason in &lesson.why {
        let words = match reason {
            Why::Category(category) => head.say(why_of(*category), &[]),
            Why::Unreadable => head.say("why-unreadable", &[]),
            Why::Mailbox => head.say("why-mailbox", &[]),
            Why::Other => head.say("why-other", &[]),
            Why::Said(words) => harmless(of_language(words, head.language)),
        };
        if !why.contains(&words) && why.len() < WORDS {
            why.push(words);
        }
    }
    if !why.is_empty() {
        let lines = why.into_iter().map(|words| format!("- {words}")).collect();
        paragraphs.push(under(head.say("lesson-why-heading", &[]), lines));
    }
    let mut advice: Vec<String> = Vec::new();
    for words in &lesson.advice {
        let words = harmless(of_language(words, head.language));
        if !words.is_empty() && !advice.contains(&words) && advice.len() < WORDS {
            advice.push(words);
        }
    }
    if lesson.no_key {
        advice.push(head.say("lesson-advice-key", &[]));
    } else if advice.is_empty() && !lesson.found.is_empty() {
        advice.push(head.say("lesson-advice-remove", &[]));
    }
    if let Some((reference, recourse)) = lesson.answer {
        advice.push(head.say("lesson-advice-corrected", &[]));
        let reference = reference.to_string();
        for (may, id) in [(recourse.confirm, "lesson-confirm"), (recourse.review, "lesson-review")] {
            if may {
                advice.push(head.say(id, &[("reference", Value::from(&reference))]));
            }
        }
    }
    if !advice.is_empty() {
        let lines = advice.into_iter().map(|words| format!("- {words}")).collect();
        paragraphs.push(under(head.say("lesson-advice-heading", &[]), lines));
    }
    paragraphs.join("\n\n")
}

fn under(heading: String, lines: Vec<String>) -> String {
    std::iter::once(heading).chain(lines).collect::<Vec<_>>().join("\n")
}

fn found_line(head: &Letterhead<'_>, learned: &Learned) -> String {
    let title = pick(std::slice::from_ref(&learned.title), head.language).pop().unwrap_or_default();
    let places = places(head, &learned.spots);
    head.say("lesson-found", &[("what", (&title).into()), ("count", learned.count.into()), ("places", (&places).into())])
}

fn places(head: &Letterhead<'_>, spots: &BTreeSet<Spot>) -> String {
    let mut words: Vec<String> = spots.iter().take(PLACES).map(|spot| spot_words(head, *spot)).collect();
    if spots.len() > PLACES {
        words.push(head.say("lesson-places-more", &[]));
    }
    words.join(" ; ")
}

fn spot_words(head: &Letterhead<'_>, spot: Spot) -> String {
    match spot {
        Spot::Subject => head.say("place-subject", &[]),
        Spot::Header => head.say("place-header", &[]),
        Spot::Body => head.say("place-body", &[]),
        Spot::Attachment { number, kind, page } => {
            let kind = head.say(kind.0, &[]);
            let values = [("number", Value::Count(number)), ("kind", (&kind).into())];
            match page.and_then(|page| usize::try_from(page).ok()) {
                Some(page) => head.say("place-attachment-page", &[values[0], values[1], ("page", page.into())]),
                None => head.say("place-attachment", &values),
            }
        }
        Spot::Name { number } => head.say("place-name", &[("number", number.into())]),
        Spot::Inside(kind) => head.say("place-inside", &[("kind", (&head.say(kind.0, &[])).into())]),
        Spot::Elsewhere => head.say("place-elsewhere", &[]),
    }
}

fn unreadable(reason: Reason) -> &'static str {
    match reason {
        Reason::Password => "unreadable-password",
        Reason::Damaged => "unreadable-damaged",
        Reason::OverBudget => "unreadable-over-budget",
        Reason::Unsupported => "unreadable-unsupported",
        Reason::ClientEncrypted => "unreadable-client-encrypted",
    }
}

fn why_of(category: Category) -> &'static str {
    match category {
        Category::Identity => "why-identity",
        Category::Finance => "why-finance",
        Category::Health => "why-health",
        Category::Secret => "why-secret",
        Category::Marking => "why-marking",
        Category::Education => "why-education",
        Category::Hr => "why-hr",
        Category::Legal => "why-legal",
        Category::Technical => "why-technical",
    }
}

/// An officer's sentence, on one line.
fn harmless(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SENTENCE).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Confidence, ValueId};
    use crate::extract::{Limits, Reader, extract};
    use crate::mail::RawMessage;
    use crate::mime;

    const MAIL: &str = "From: a@example.org\r\nSubject: un canard\r\nX-Note: un canard\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nun canard\r\n\
        --b\r\nContent-Type: image/png; name=logo.png\r\nContent-Disposition: attachment; filename=logo.png\r\n\r\nx\r\n\
        --b\r\nContent-Type: text/csv; name=\"canard.csv\"\r\nContent-Disposition: attachment; filename=\"canard.csv\"\r\n\r\nun canard\r\n\
        --b\r\nContent-Type: text/csv; name=\"canard.csv\"\r\nContent-Disposition: attachment; filename=\"canard.csv\"\r\n\r\ndeux canards\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: trois canards\r\n\r\nquatre canards\r\n--b--\r\n";

    fn found(text: usize, at: usize) -> Found {
        let span = (at as u32, at as u32 + 6);
        let place = crate::extract::Place("x".into());
        Found {
            place,
            confidence: Confidence::High,
            masked: String::new(),
            value: ValueId(1),
            digest: Default::default(),
            text,
            span,
        }
    }

    #[test]
    fn a_place_is_told_by_numbers_and_kinds() {
        let raw = RawMessage::new(MAIL.as_bytes()).unwrap();
        let message = mime::parse(&raw, &mime::Limits::default()).unwrap();
        let extracted = extract(&message, &Limits::default(), &Reader::here());
        let mut spots = Vec::new();
        for (index, text) in extracted.texts.iter().enumerate().filter(|(_, text)| text.kind != TextKind::Alternative) {
            for (at, _) in text.content.match_indices("canard") {
                spots.push(spot_of(&found(index, at), &message, &extracted));
            }
        }
        let file = |number, kind| Spot::Attachment { number, kind: SpotKind(kind), page: None };
        for expected in [
            Spot::Subject,
            Spot::Header,
            Spot::Body,
            file(2, "kind-text"),
            Spot::Name { number: 2 },
            file(3, "kind-text"),
            Spot::Name { number: 3 },
            file(4, "kind-message"),
        ] {
            assert!(spots.contains(&expected), "{expected:?} is not among {spots:?}");
        }
        assert!(!spots.contains(&Spot::Elsewhere), "{spots:?}");
        let in_a_page = of_place("canard.csv > page 12", &message, &extracted, false);
        assert_eq!(in_a_page, Spot::Attachment { number: 2, kind: SpotKind("kind-text"), page: Some(12) });
        let in_a_sheet = of_place("canard.csv > Paie de Marie > B2", &message, &extracted, false);
        assert_eq!(in_a_sheet, file(2, "kind-text"));
    }
}

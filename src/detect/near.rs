//! Turns what stands around candidates (words, findings of other rules, the headers of columns) into the answer whether a near
//! group holds for each of them.

use super::ValueId;
use super::normalize::{Normalized, normalize};
use super::rule::{Near, NearWhat};
use super::rule_file::Within;
use super::scan::Candidate;
use super::words::{TOKEN, WordSet};
use crate::extract::{Extracted, Text, TextKind};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// A listed phrase can be so long, in octets: what begins farther away cannot reach into the window.
const LONGEST_PHRASE: usize = 128;
/// Words or findings that are looked at on each side of a candidate when different ones are counted, at most.
const MAX_LOOKED_AT: usize = 512;

/// What the texts of one message say about each other.
pub(crate) struct Surroundings<'a> {
    pub extracted: &'a Extracted,
    /// The texts of each body or attachment.
    groups: HashMap<u32, Vec<usize>>,
    /// The Subject fields, by the place of the message that they stand in.
    subjects: HashMap<&'a str, Vec<Subject>>,
    /// For near groups that reach over a whole document (by rule and group of evidence) and documents asked for so far.
    documents: HashMap<(GroupId, u32), bool>,
    evidence: HashMap<GroupId, Evidence>,
}

/// A near or unless_near group: index of its rule, and its own among all of that rule.
pub(crate) type GroupId = (usize, usize);

/// Where the Subject stands in the text of a header.
struct Subject {
    text: usize,
    span: Range<usize>,
}

/// A finding that may count as evidence.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub text: usize,
    /// In the normalised text.
    pub start: usize,
    pub end: usize,
    /// In the original.
    pub span: (u32, u32),
    pub value: ValueId,
}

/// The findings that one group asks for, in order, none inside another.
#[derive(Default)]
struct Evidence {
    seen: Vec<Seen>,
    /// Of each value in each document, how often it was found.
    documents: HashMap<u32, HashMap<ValueId, usize>>,
}

/// One text and where it stands among the others.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    /// Index of the text.
    pub index: usize,
    pub normalized: &'a Normalized,
}

impl<'a> Surroundings<'a> {
    pub fn new(extracted: &'a Extracted) -> Surroundings<'a> {
        let mut groups: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut subjects: HashMap<&str, Vec<Subject>> = HashMap::new();
        for (index, text) in extracted.texts.iter().enumerate() {
            groups.entry(text.group).or_default().push(index);
            if text.kind == TextKind::Header
                && let Some(home) = home(&text.place.0)
                && let Some(span) = subject(&text.content)
            {
                subjects.entry(home).or_default().push(Subject { text: index, span });
            }
        }
        Surroundings { extracted, groups, subjects, documents: HashMap::new(), evidence: HashMap::new() }
    }

    /// Notes the findings that a group asks for.
    pub fn know(&mut self, group: GroupId, mut seen: Vec<Seen>) {
        seen.sort_by_key(|one| (one.text, one.start, std::cmp::Reverse(one.end)));
        let mut evidence = Evidence::default();
        for one in seen {
            match evidence.seen.last() {
                Some(last) if last.text == one.text && one.end <= last.end => {}
                _ => evidence.seen.push(one),
            }
        }
        for one in &evidence.seen {
            let document = evidence.documents.entry(self.extracted.texts[one.text].group).or_default();
            *document.entry(one.value).or_insert(0) += 1;
        }
        self.evidence.insert(group, evidence);
    }

    /// For each candidate (in text order): does the group hold?
    pub fn hold(&mut self, id: GroupId, near: &Near, candidates: &[Candidate], here: Here<'_>) -> Vec<bool> {
        match (&near.what, near.within) {
            (NearWhat::Words(words), Within::Characters(within)) => {
                let group = WordsNear { words, within, min: near.min };
                group.hold(candidates, here, self.extracted)
            }
            (NearWhat::Words(words), Within::Document) => {
                let group = self.extracted.texts[here.index].group;
                let holds = match self.documents.get(&(id, group)) {
                    Some(holds) => *holds,
                    None => {
                        let holds = self.document_has(words, near.min, here.index);
                        self.documents.insert((id, group), holds);
                        holds
                    }
                };
                vec![holds; candidates.len()]
            }
            (NearWhat::Found(_), Within::Characters(within)) => {
                let Some(evidence) = self.evidence.get(&id) else { return vec![false; candidates.len()] };
                candidates.iter().map(|one| evidence.near(one, within, near.min, here, self.extracted)).collect()
            }
            (NearWhat::Found(_), Within::Document) => {
                let Some(evidence) = self.evidence.get(&id) else { return vec![false; candidates.len()] };
                let above = self.found_above(evidence, here.index);
                candidates.iter().map(|one| evidence.in_document(one, near.min, here, self.extracted, &above)).collect()
            }
        }
    }

    /// The Subjects of the messages around a text.
    fn subjects_above(&self, index: usize) -> impl Iterator<Item = &Subject> {
        let place: &'a str = &self.extracted.texts[index].place.0;
        let homes = std::iter::once("").chain(place.match_indices(" > ").map(|(at, sign)| &place[..at + sign.len()]));
        homes.filter_map(|home| self.subjects.get(home)).flatten()
    }

    fn document_has(&self, words: &WordSet<u32>, min: usize, index: usize) -> bool {
        let mut different = BTreeSet::new();
        let mut look = |text: &str| {
            let normalized = normalize(text);
            let hits = words.different(normalized.padded(), 0..normalized.text().len());
            different.extend(hits.iter().map(|hit| hit.owner));
            different.len() >= min
        };
        let texts = &self.extracted.texts;
        let own = self.groups.get(&texts[index].group).into_iter().flatten();
        own.into_iter().any(|text| look(&texts[*text].content))
            || self
                .subjects_above(index)
                .any(|subject| texts[subject.text].content.get(subject.span.clone()).is_some_and(&mut look))
    }

    /// The values found in the Subjects above.
    fn found_above(&self, evidence: &Evidence, index: usize) -> BTreeSet<ValueId> {
        let mut values = BTreeSet::new();
        for subject in self.subjects_above(index).filter(|subject| subject.text != index) {
            let from = evidence.seen.partition_point(|one| one.text < subject.text);
            let inside = evidence.seen[from..].iter().take_while(|one| one.text == subject.text);
            let inside =
                inside.filter(|one| subject.span.start <= one.span.0 as usize && one.span.1 as usize <= subject.span.end);
            values.extend(inside.map(|one| one.value));
        }
        values
    }
}

/// `fwd.eml > ` of `fwd.eml > header`; `None` for the header of a mere part.
fn home(place: &str) -> Option<&str> {
    let (home, name) = place.rfind(" > ").map_or(("", place), |at| place.split_at(at + 3));
    (name == "header" || name.starts_with("header (")).then_some(home)
}

fn subject(header: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for line in header.split_inclusive('\n') {
        if line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("subject:")) {
            return Some(at + 8..at + line.len());
        }
        at += line.len();
    }
    None
}

impl Evidence {
    /// At least `min` different values within reach of the candidate, none of which overlaps it.
    fn near(&self, one: &Candidate, within: usize, min: usize, here: Here<'_>, extracted: &Extracted) -> bool {
        let mut different = BTreeSet::new();
        let place = (here.index, one.start);
        let from = self.seen.partition_point(|seen| (seen.text, seen.end) <= place);
        let texts = &extracted.texts;
        let same_document = |index: usize| texts.get(index).is_some_and(|text| text.group == texts[here.index].group);
        // Backwards in this text, then in the one before.
        for seen in self.seen[..from].iter().rev().take(MAX_LOOKED_AT) {
            let near = if seen.text == here.index {
                seen.end + within >= one.start
            } else {
                seen.text + 1 == here.index && same_document(seen.text) && {
                    let gap = texts[seen.text].content.len().saturating_sub(seen.span.1 as usize);
                    gap + one.start <= within
                }
            };
            if !near {
                break;
            }
            different.insert(seen.value);
            if different.len() >= min {
                return true;
            }
        }
        let length = here.normalized.text().len();
        let after = self.seen[from..].partition_point(|seen| (seen.text, seen.start) < (here.index, one.end));
        for seen in self.seen[from + after..].iter().take(MAX_LOOKED_AT) {
            let near = if seen.text == here.index {
                seen.start <= one.end + within
            } else {
                seen.text == here.index + 1 && same_document(seen.text) && seen.start + (length - one.end) <= within
            };
            if !near {
                break;
            }
            different.insert(seen.value);
            if different.len() >= min {
                return true;
            }
        }
        false
    }

    /// The same anywhere in the document or in the Subjects `above` it.
    fn in_document(
        &self,
        one: &Candidate,
        min: usize,
        here: Here<'_>,
        extracted: &Extracted,
        above: &BTreeSet<ValueId>,
    ) -> bool {
        let empty = HashMap::new();
        let document = self.documents.get(&extracted.texts[here.index].group).unwrap_or(&empty);
        let mut count = document.len() + above.iter().filter(|value| !document.contains_key(value)).count();
        // What overlaps the candidate is not beside it; there is little of that, for none stands inside another.
        let from = self.seen.partition_point(|seen| (seen.text, seen.end) <= (here.index, one.start));
        let over = self.seen[from..].iter().take(MAX_LOOKED_AT);
        let mut own: HashMap<ValueId, usize> = HashMap::new();
        over.take_while(|seen| seen.text == here.index && seen.start < one.end)
            .for_each(|seen| *own.entry(seen.value).or_insert(0) += 1);
        for (value, times) in own {
            if document.get(&value) == Some(&times) && !above.contains(&value) {
                count -= 1;
            }
        }
        count >= min
    }
}

/// A near group of words within so many characters.
struct WordsNear<'a> {
    words: &'a WordSet<u32>,
    within: usize,
    min: usize,
}

/// A listed word that stands somewhere: where it begins and ends, and which it is.
type Word = (usize, usize, u32);

impl WordsNear<'_> {
    /// For each candidate: do enough words of the group stand within reach, in this text, in the texts beside it in the same
    /// body or attachment, or at the head of its column?
    fn hold(&self, candidates: &[Candidate], here: Here<'_>, extracted: &Extracted) -> Vec<bool> {
        let length = here.normalized.text().len();
        let reach = self.within + LONGEST_PHRASE;
        let mut words: Vec<Word> = Vec::new();
        for window in windows(candidates, reach, length) {
            words.extend(
                self.words.different(here.normalized.padded(), window).iter().map(|hit| (hit.start, hit.end, hit.owner)),
            );
        }
        let mut beside = Beside { group: self, here, extracted, before: None, after: None };
        let mut headers = Headers { text: &extracted.texts[here.index], group: self, known: Vec::new() };
        let stands_near = |candidate: &Candidate| {
            let from = words.partition_point(|word| word.1 + self.within < candidate.start);
            let within = || words[from..].iter().take_while(|word| word.0 <= candidate.end + self.within);
            let room = self.within.checked_sub(candidate.start);
            let before = room.map(|room| (room, beside.before()));
            let room = (candidate.end + self.within).checked_sub(length);
            let after = room.map(|room| (room, beside.after()));
            let before = before.iter().flat_map(|(room, words)| words.iter().filter(|word| word.0 <= *room));
            let after = after.iter().flat_map(|(room, words)| words.iter().filter(|word| word.0 <= *room));
            let above = headers.above(here.normalized.original(candidate.start, candidate.end).0);
            if self.min == 1 {
                return within().next().is_some() || before.count() + after.count() + above.len() > 0;
            }
            let mut different: BTreeSet<u32> = above.iter().copied().collect();
            different.extend(before.chain(after).map(|word| word.1));
            for word in within().take(2 * MAX_LOOKED_AT) {
                if different.len() >= self.min {
                    break;
                }
                different.insert(word.2);
            }
            different.len() >= self.min
        };
        candidates.iter().map(stands_near).collect()
    }
}

/// What is around the candidates, joined where it overlaps.
fn windows(candidates: &[Candidate], reach: usize, length: usize) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for candidate in candidates {
        let (start, end) = (candidate.start.saturating_sub(reach), (candidate.end + reach).min(length));
        match windows.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}

/// The words in the texts before and after, of which only the ends matter: how far each is from this text, and which it is.
struct Beside<'a> {
    group: &'a WordsNear<'a>,
    here: Here<'a>,
    extracted: &'a Extracted,
    /// Computed when first asked for.
    before: Option<std::rc::Rc<[(usize, u32)]>>,
    after: Option<std::rc::Rc<[(usize, u32)]>>,
}

impl<'a> Beside<'a> {
    fn before(&mut self) -> std::rc::Rc<[(usize, u32)]> {
        let octets = self.octets();
        let neighbour = self.here.index.checked_sub(1).and_then(|index| self.neighbour(index));
        let words = self.group.words;
        let found = self.before.get_or_insert_with(|| {
            let Some(text) = neighbour else { return [].into() };
            let mut start = text.content.len().saturating_sub(octets);
            while !text.content.is_char_boundary(start) {
                start += 1;
            }
            let tail = normalize(&text.content[start..]);
            let length = tail.text().len();
            // Not in the middle of a word.
            let cut = if start > 0 { tail.text().iter().take_while(|byte| TOKEN[**byte as usize]).count() } else { 0 };
            words.different(tail.padded(), cut..length).iter().map(|hit| (length.saturating_sub(hit.end), hit.owner)).collect()
        });
        found.clone()
    }

    fn after(&mut self) -> std::rc::Rc<[(usize, u32)]> {
        let octets = self.octets();
        let neighbour = self.neighbour(self.here.index + 1);
        let words = self.group.words;
        let found = self.after.get_or_insert_with(|| {
            let Some(text) = neighbour else { return [].into() };
            let mut end = text.content.len().min(octets);
            while !text.content.is_char_boundary(end) {
                end -= 1;
            }
            let head = normalize(&text.content[..end]);
            words.different(head.padded(), 0..head.text().len()).iter().map(|hit| (hit.start, hit.owner)).collect()
        });
        found.clone()
    }

    fn neighbour(&self, index: usize) -> Option<&'a Text> {
        let text = self.extracted.texts.get(index)?;
        (text.group == self.extracted.texts[self.here.index].group).then_some(text)
    }

    /// Enough of a neighbour: a character has at most four octets.
    fn octets(&self) -> usize {
        (self.group.within + LONGEST_PHRASE) * 4
    }
}

/// The headers of the columns of a table.
struct Headers<'a> {
    text: &'a Text,
    group: &'a WordsNear<'a>,
    /// For the columns asked for so far: which of the words the header holds.
    known: Vec<(u32, Vec<u32>)>,
}

impl Headers<'_> {
    /// The words in the header of the column that the octet `at` of the original stands in.
    fn above(&mut self, at: usize) -> &[u32] {
        let Some(table) = &self.text.table else { return &[] };
        let cell = table.cells.partition_point(|cell| cell.start as usize <= at).checked_sub(1).map(|index| table.cells[index]);
        let Some(cell) = cell.filter(|cell| (cell.end as usize) > at) else { return &[] };
        let place = match self.known.binary_search_by_key(&cell.column, |known| known.0) {
            Ok(place) => place,
            Err(place) => {
                let header = table.headers.get(cell.column as usize).and_then(Option::as_ref);
                let words = header.map(|header| {
                    let header = normalize(header);
                    let hits = self.group.words.different(header.padded(), 0..header.text().len());
                    hits.iter().map(|hit| hit.owner).collect()
                });
                self.known.insert(place, (cell.column, words.unwrap_or_default()));
                place
            }
        };
        &self.known[place].1
    }
}

//! Turns what stands around candidates (words, findings of other rules, the headers of columns) into the answer whether a near
//! group holds for each of them.

use super::ValueId;
use super::mentions::{Mentions, Read};
use super::rule::{Near, NearWhat};
use super::rule_file::Within;
use super::scan::Candidate;
use crate::extract::{Extracted, Text, TextKind};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Words or findings that are looked at on each side of a candidate when different ones are counted, at most.
const MAX_LOOKED_AT: usize = 512;

/// What the texts of one message say about each other.
pub(crate) struct Surroundings<'a> {
    pub extracted: &'a Extracted,
    pub mentions: Mentions,
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

/// One text and where it stands among the others.
#[derive(Clone, Copy)]
struct Here<'a> {
    extracted: &'a Extracted,
    index: usize,
    /// Of the normalised text.
    length: usize,
}

/// The findings that one group asks for, in order, none inside another.
#[derive(Default)]
struct Evidence {
    seen: Vec<Seen>,
    /// Of each value in each document, how often it was found.
    documents: HashMap<u32, HashMap<ValueId, usize>>,
}

impl<'a> Surroundings<'a> {
    pub fn new(extracted: &'a Extracted, mentions: Mentions) -> Surroundings<'a> {
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
        Surroundings { extracted, mentions, groups, subjects, documents: HashMap::new(), evidence: HashMap::new() }
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
    pub fn hold(&mut self, id: GroupId, near: &Near, candidates: &[Candidate], index: usize) -> Vec<bool> {
        match (&near.what, near.within) {
            (NearWhat::Words { words, .. }, Within::Characters(within)) => {
                let group = WordsNear { words, within, min: near.min };
                group.hold(candidates, index, &self.mentions, self.extracted)
            }
            (NearWhat::Words { words, .. }, Within::Document) => {
                let group = self.extracted.texts[index].group;
                let holds = match self.documents.get(&(id, group)) {
                    Some(holds) => *holds,
                    None => {
                        let holds = self.document_has(words, near.min, index);
                        self.documents.insert((id, group), holds);
                        holds
                    }
                };
                vec![holds; candidates.len()]
            }
            (NearWhat::Found(_), Within::Characters(within)) => {
                let Some(evidence) = self.evidence.get(&id) else { return vec![false; candidates.len()] };
                candidates.iter().map(|one| evidence.near(one, within, near.min, self.here(index))).collect()
            }
            (NearWhat::Found(_), Within::Document) => {
                let Some(evidence) = self.evidence.get(&id) else { return vec![false; candidates.len()] };
                let above = self.found_above(evidence, index);
                candidates.iter().map(|one| evidence.in_document(one, near.min, self.here(index), &above)).collect()
            }
        }
    }

    fn here(&self, index: usize) -> Here<'_> {
        Here { extracted: self.extracted, index, length: self.mentions.reads[index].normalized.text().len() }
    }

    /// The Subjects of the messages around a text.
    fn subjects_above(&self, index: usize) -> impl Iterator<Item = &Subject> {
        let place: &'a str = &self.extracted.texts[index].place.0;
        let homes = std::iter::once("").chain(place.match_indices(" > ").map(|(at, sign)| &place[..at + sign.len()]));
        homes.filter_map(|home| self.subjects.get(home)).flatten()
    }

    fn document_has(&self, words: &[u32], min: usize, index: usize) -> bool {
        let mut different = BTreeSet::new();
        let own = self.groups.get(&self.extracted.texts[index].group).into_iter().flatten();
        for text in own {
            different.extend(self.mentions.reads[*text].of_list(words).iter().map(|hit| hit.word));
            if different.len() >= min {
                return true;
            }
        }
        for subject in self.subjects_above(index) {
            let read = &self.mentions.reads[subject.text];
            for hit in read.of_list(words) {
                let (start, end) = read.normalized.original(hit.start as usize, hit.end as usize);
                if subject.span.start <= start && end <= subject.span.end {
                    different.insert(hit.word);
                }
            }
        }
        different.len() >= min
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
    fn near(&self, one: &Candidate, within: usize, min: usize, here: Here<'_>) -> bool {
        let mut different = BTreeSet::new();
        let place = (here.index, one.start);
        let from = self.seen.partition_point(|seen| (seen.text, seen.end) <= place);
        let texts = &here.extracted.texts;
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
        let length = here.length;
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
    fn in_document(&self, one: &Candidate, min: usize, here: Here<'_>, above: &BTreeSet<ValueId>) -> bool {
        let empty = HashMap::new();
        let document = self.documents.get(&here.extracted.texts[here.index].group).unwrap_or(&empty);
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
    /// Their numbers in the book, in order.
    words: &'a [u32],
    within: usize,
    min: usize,
}

impl WordsNear<'_> {
    /// For each candidate: do enough words of the group stand within reach, in this text, in the texts beside it in the same
    /// body or attachment, or at the head of its column?
    fn hold(&self, candidates: &[Candidate], index: usize, mentions: &Mentions, extracted: &Extracted) -> Vec<bool> {
        let read = &mentions.reads[index];
        let length = read.normalized.text().len();
        let words = read.of_list(self.words);
        let (before, after) = mentions.beside(extracted, index);
        let before = before.map(|read| read.at_end(self.words, self.within)).unwrap_or_default();
        let after = after.map(|read| read.at_beginning(self.words, self.within)).unwrap_or_default();
        let headers = Headers::of(self.words, read, &extracted.texts[index]);
        let stands_near = |candidate: &Candidate| {
            let from = words.partition_point(|word| word.end as usize + self.within < candidate.start);
            let to = words.partition_point(|word| word.start as usize <= candidate.end + self.within);
            let within = words.get(from..to).unwrap_or_default();
            if self.min == 1 && !within.is_empty() {
                return true;
            }
            let reach = |distance: usize| move |word: &&(usize, u32)| distance + word.0 <= self.within;
            let before = before.iter().filter(reach(candidate.start));
            let after = after.iter().filter(reach(length - candidate.end));
            let mut different: BTreeSet<u32> = headers.above(candidate, read).collect();
            different.extend(before.chain(after).map(|word| word.1));
            for word in within.iter().take(2 * MAX_LOOKED_AT) {
                if different.len() >= self.min {
                    break;
                }
                different.insert(word.word);
            }
            different.len() >= self.min
        };
        candidates.iter().map(stands_near).collect()
    }
}

/// The headers of the columns of a table.
struct Headers<'a> {
    text: &'a Text,
    /// Column and word, in order.
    words: Vec<(u32, u32)>,
}

impl<'a> Headers<'a> {
    fn of(words: &[u32], read: &Read, text: &'a Text) -> Headers<'a> {
        let own = read.headers.iter().filter(|(_, word)| words.binary_search(word).is_ok());
        Headers { text, words: own.copied().collect() }
    }

    /// The words in the header of the column that the candidate begins in.
    fn above(&self, candidate: &Candidate, read: &Read) -> impl Iterator<Item = u32> {
        let at = || read.normalized.original(candidate.start, candidate.end).0;
        let table = self.text.table.as_ref().filter(|_| !self.words.is_empty());
        let column = table.and_then(|table| {
            let at = at();
            let place = table.cells.partition_point(|cell| cell.start as usize <= at).checked_sub(1)?;
            Some(table.cells[place]).filter(|cell| cell.end as usize > at).map(|cell| cell.column)
        });
        let from = column.map_or(self.words.len(), |column| self.words.partition_point(|word| word.0 < column));
        self.words[from..].iter().take_while(move |word| Some(word.0) == column).map(|word| word.1)
    }
}

//! Turns the texts of a message into the listed words that each mentions, found once for all rules.

use super::normalize::{Normalized, normalize};
use super::words::{Hit, LONGEST_PHRASE, WordBook};
use crate::extract::{Extracted, Text};
use std::cell::OnceCell;

/// The texts of one message, read.
pub(crate) struct Mentions {
    pub reads: Vec<Read>,
    /// For each word of the book: does any text mention it?
    pub anywhere: Vec<bool>,
}

/// One text, and the words in it.
pub(crate) struct Read {
    pub normalized: Normalized,
    /// In the order in which they begin.
    pub hits: Vec<Hit>,
    /// The words in the headers of a table's columns: column and word, in order.
    pub headers: Vec<(u32, u32)>,
    /// The hits by word; made when first asked for.
    by_word: OnceCell<Vec<Hit>>,
}

impl Mentions {
    pub fn of(extracted: &Extracted, book: &WordBook) -> Mentions {
        let reads: Vec<Read> = extracted.texts.iter().map(|text| Read::of(text, book)).collect();
        let mut anywhere = vec![false; book.len()];
        for read in &reads {
            read.hits.iter().for_each(|hit| anywhere[hit.word as usize] = true);
            read.headers.iter().for_each(|(_, word)| anywhere[*word as usize] = true);
        }
        Mentions { reads, anywhere }
    }

    /// The text before `index` in the same body or attachment, and the one after.
    pub fn beside<'a>(&'a self, extracted: &Extracted, index: usize) -> (Option<&'a Read>, Option<&'a Read>) {
        let group = extracted.texts[index].group;
        let same = |other: usize| extracted.texts.get(other).is_some_and(|text| text.group == group);
        let read = |other: usize| Some(other).filter(|other| same(*other)).map(|other| &self.reads[other]);
        (index.checked_sub(1).and_then(read), read(index + 1))
    }
}

impl Read {
    pub fn of(text: &Text, book: &WordBook) -> Read {
        let normalized = normalize(&text.content);
        let mut hits = Vec::new();
        book.find(&normalized, |hit| hits.push(hit));
        let mut headers = Vec::new();
        for (header, column) in text.table.iter().flat_map(|table| &table.headers).zip(0u32..) {
            let Some(header) = header else { continue };
            let header = normalize(header);
            book.find(&header, |hit| headers.push((column, hit.word)));
        }
        Read { normalized, hits, headers, by_word: OnceCell::new() }
    }

    /// The words of a (sorted) list that stand in the text, in order, without those inside a longer one of the list: "numéro de
    /// dossier" is not "dossier" too.
    pub fn of_list(&self, list: &[u32]) -> Vec<Hit> {
        let by_word = self.by_word.get_or_init(|| {
            let mut hits = self.hits.clone();
            hits.sort_unstable_by_key(|hit| (hit.word, hit.start));
            hits
        });
        let mut found = Vec::new();
        let mut rest = by_word.as_slice();
        while let Some(first) = rest.first() {
            let (same, others) = rest.split_at(rest.partition_point(|hit| hit.word <= first.word));
            if list.binary_search(&first.word).is_ok() {
                found.extend_from_slice(same);
            }
            rest = others;
        }
        outermost(found)
    }

    /// The words of a list near the text's end, each with its distance from there.
    pub fn at_end(&self, list: &[u32], within: usize) -> Vec<(usize, u32)> {
        let length = self.normalized.text().len();
        let near = self.last(within).filter(|hit| list.binary_search(&hit.word).is_ok()).copied().collect();
        outermost(near).iter().map(|hit| (length - hit.end as usize, hit.word)).filter(|word| word.0 <= within).collect()
    }

    /// The words of a list near the text's beginning, each with its distance from there.
    pub fn at_beginning(&self, list: &[u32], within: usize) -> Vec<(usize, u32)> {
        let near = self.first(within).filter(|hit| list.binary_search(&hit.word).is_ok()).copied().collect();
        outermost(near).iter().map(|hit| (hit.start as usize, hit.word)).collect()
    }

    /// All words that may end within so many octets of the text's end.
    pub fn last(&self, within: usize) -> impl Iterator<Item = &Hit> {
        // What is written as a phrase may have several octets for each of its gaps.
        let from = self.normalized.text().len().saturating_sub(within + 4 * LONGEST_PHRASE);
        self.hits[self.hits.partition_point(|hit| (hit.start as usize) < from)..].iter()
    }

    /// All words that begin within so many octets of the text's beginning.
    pub fn first(&self, within: usize) -> impl Iterator<Item = &Hit> {
        self.hits.iter().take_while(move |hit| hit.start as usize <= within)
    }
}

/// Hits without those inside another, in order; each then begins and ends behind the one before.
fn outermost(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.word));
    let mut end = 0;
    hits.retain(|hit| {
        let outside = hit.end > end;
        end = end.max(hit.end);
        outside
    });
    hits
}

//! Turns registered documents into fingerprints, and a text into the passages that it shares with them.
//!
//! Winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003): of a
//! document's letters and digits every run of [`GRAM`] is hashed and of each window of [`WINDOW`] hashes the least is kept. A text is
//! compared with all of its runs, so any [`GUARANTEED`] characters in common are found and none below [`GRAM`].

use super::index::{Array, Filter, IndexError, IndexKey, IndexReader, IndexWriter, mix};
use super::normalize::normalize;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Letters and digits of one fingerprint: shorter runs in common are noise.
const GRAM: usize = 40;
/// Runs in common of so many letters and digits are always found.
const GUARANTEED: usize = 80;
const WINDOW: usize = GUARANTEED - GRAM + 1;
/// Letters and digits of a document, at least: shorter ones look like many others.
const SHORTEST: usize = 300;
/// A run of one or two characters (ruled lines, zeros) is in no document's own hand.
const FEWEST_CHARACTERS: usize = 8;
/// Documents of one index, at most.
const MAX_DOCUMENTS: usize = 1_000_000;
/// Documents that share one fingerprint and are still told, at most: what stands in more of them is their letterhead.
const MAX_SHARING: usize = 16;
/// Letters and digits between two shared runs that an edited word or sentence may take.
const EDITED: usize = 3 * GUARANTEED;
/// Letters and digits of a sentence, where line ends tell nothing (tables, lists).
const SENTENCE: usize = 100;
const MAGIC: &[u8; 8] = b"PSTNFPR1";

/// The registered documents, as hashes.
pub struct FingerprintIndex {
    octets: Vec<u8>,
    rolling: Rolling,
    filter: Filter,
    /// For each document how many fingerprints it has.
    sizes: Array,
    /// Sorted; and the document of each.
    hashes: Array,
    documents: Array,
}

impl std::fmt::Debug for FingerprintIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FingerprintIndex({} documents)", self.sizes.len)
    }
}

/// Takes documents one after the other.
pub struct FingerprintBuilder {
    key: IndexKey,
    rolling: Rolling,
    entries: Vec<(u64, u32)>,
    documents: u32,
}

/// A passage of a text that stands in a registered document too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Octets of the normalised text.
    pub start: usize,
    pub end: usize,
    /// Its number in the index, from 0.
    pub document: u32,
    pub sentences: usize,
    /// How much of the document's fingerprints stand in this text, in percent.
    pub share: usize,
}

impl FingerprintBuilder {
    pub fn new(key: &IndexKey) -> FingerprintBuilder {
        FingerprintBuilder { key: key.clone(), rolling: Rolling::new(key), entries: Vec::new(), documents: 0 }
    }

    /// Registers one document, given as its texts; its number, from 0.
    ///
    /// # Errors
    /// The document has fewer than 300 letters and digits, or is one too many.
    pub fn add<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<u32, IndexError> {
        if self.documents as usize >= MAX_DOCUMENTS {
            return Err(IndexError::Refused(format!("holds more than {MAX_DOCUMENTS} documents; make an index for each part")));
        }
        let mut kept = BTreeSet::new();
        let mut characters = 0;
        for text in texts {
            characters += winnow(&self.rolling, normalize(text).text(), &mut kept);
        }
        if characters < SHORTEST || kept.is_empty() {
            let sentence = format!("has {characters} letters and digits; {SHORTEST} are needed to know a document by");
            return Err(IndexError::Refused(sentence));
        }
        let number = self.documents;
        self.entries.extend(kept.into_iter().map(|hash| (hash, number)));
        self.documents += 1;
        Ok(number)
    }

    /// The index as a file. What most documents share (their letterhead) is left out when there are eight or more.
    pub fn finish(mut self) -> Vec<u8> {
        self.entries.sort_unstable();
        let limit = if self.documents >= 8 { (self.documents as usize / 2).min(MAX_SHARING) } else { MAX_SHARING };
        let mut entries = Vec::with_capacity(self.entries.len());
        for same in self.entries.chunk_by(|one, other| one.0 == other.0) {
            if same.len() <= limit {
                entries.extend_from_slice(same);
            }
        }
        let mut sizes = vec![0u32; self.documents as usize];
        entries.iter().for_each(|entry| sizes[entry.1 as usize] += 1);
        let mut out = IndexWriter::new(MAGIC);
        out.number(sizes.len());
        out.number(entries.len());
        out.words(sizes.into_iter());
        out.hashes(entries.iter().map(|entry| entry.0));
        out.words(entries.iter().map(|entry| entry.1));
        out.finish(&self.key)
    }
}

impl FingerprintIndex {
    /// # Errors
    /// Octets that are no such index, or of another key.
    pub fn read(octets: Vec<u8>, key: &IndexKey) -> Result<FingerprintIndex, IndexError> {
        let mut reader = IndexReader::open(&octets, MAGIC, key)?;
        let (documents, entries) = (reader.number()?, reader.number()?);
        let sizes = reader.array(documents, 4)?;
        let hashes = reader.array(entries, 8)?;
        let documents = reader.array(entries, 4)?;
        let mut filter = Filter::new(entries);
        (0..entries).for_each(|index| filter.add(hashes.hash(&octets, index)));
        Ok(FingerprintIndex { rolling: Rolling::new(key), filter, sizes, hashes, documents, octets })
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub fn documents(&self) -> usize {
        self.sizes.len
    }

    /// The passages of a normalised text that are at least `sentences` long, in text order; and of a document that a text
    /// holds a third of, all passages.
    pub(crate) fn passages(&self, text: &[u8], sentences: usize) -> Vec<Passage> {
        let mut sharing: HashMap<u32, Sharing> = HashMap::new();
        self.rolling.run(text, |run| {
            if !self.filter.perhaps(run.hash) {
                return;
            }
            let mut entry = self.hashes.first(&self.octets, run.hash);
            while entry < self.hashes.len && self.hashes.hash(&self.octets, entry) == run.hash {
                let document = self.documents.word(&self.octets, entry);
                sharing.entry(document).or_default().add(&run, entry as u32);
                entry += 1;
            }
        });
        let mut passages: Vec<Passage> = Vec::new();
        for (document, shared) in sharing {
            let size = self.sizes.word(&self.octets, document as usize).max(1) as usize;
            let share = (shared.entries.len() * 100 / size).min(100);
            for run in shared.runs {
                let counted = count_sentences(&text[run.start..run.end]).max((run.last - run.first) / SENTENCE);
                if counted >= sentences || share >= 33 {
                    passages.push(Passage { start: run.start, end: run.end, document, sentences: counted, share });
                }
            }
        }
        passages.sort_by_key(|passage| (passage.start, passage.end, passage.document));
        passages
    }
}

/// What one document shares with one text.
#[derive(Default)]
struct Sharing {
    entries: BTreeSet<u32>,
    runs: Vec<SharedRun>,
}

struct SharedRun {
    start: usize,
    end: usize,
    /// Which letters or digits of the text, by their count.
    first: usize,
    last: usize,
}

impl Sharing {
    fn add(&mut self, run: &Run, entry: u32) {
        self.entries.insert(entry);
        match self.runs.last_mut() {
            Some(last) if run.first <= last.last + EDITED => (last.end, last.last) = (run.end, run.last),
            _ => self.runs.push(SharedRun { start: run.start, end: run.end, first: run.first, last: run.last }),
        }
    }
}

/// Ends of sentences inside a passage, and one: a passage of three sentences has two ends within it.
fn count_sentences(passage: &[u8]) -> usize {
    let ends = passage.windows(2).filter(|pair| matches!(pair[0], b'.' | b'!' | b'?') && pair[1].is_ascii_whitespace());
    1 + ends.count()
}

/// Adds the fingerprints of one text to `kept`; how many letters and digits it has.
fn winnow(rolling: &Rolling, text: &[u8], kept: &mut BTreeSet<u64>) -> usize {
    // The hashes of the window that are not above any later one, least first.
    let mut window: VecDeque<(usize, u64)> = VecDeque::new();
    let mut hashed = 0;
    let characters = rolling.run(text, |run| {
        while window.back().is_some_and(|last| last.1 >= run.hash) {
            window.pop_back();
        }
        window.push_back((run.first, run.hash));
        while window.front().is_some_and(|first| first.0 + WINDOW <= run.first) {
            window.pop_front();
        }
        hashed += 1;
        if hashed >= WINDOW
            && let Some(least) = window.front()
        {
            kept.insert(least.1);
        }
    });
    if hashed < WINDOW {
        kept.extend(window.front().map(|least| least.1));
    }
    characters
}

/// A rolling hash of [`GRAM`] letters and digits (cyclic polynomials with a table that depends on the key).
struct Rolling {
    table: Box<[u64; 256]>,
    last: u64,
}

/// One run of [`GRAM`] letters and digits.
struct Run {
    hash: u64,
    /// Octets of the text.
    start: usize,
    end: usize,
    /// The first and last character, counted from the text's beginning.
    first: usize,
    last: usize,
}

impl Rolling {
    fn new(key: &IndexKey) -> Rolling {
        let mut octets = [0u8; 8 * 257];
        key.derive("fingerprint table", &mut octets);
        let mut numbers =
            octets.chunks_exact(8).map(|eight| eight.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)));
        let mut table = Box::new([0u64; 256]);
        table.iter_mut().for_each(|entry| *entry = numbers.next().unwrap_or_default());
        Rolling { table, last: numbers.next().unwrap_or_default() }
    }

    /// Gives each run in order; how many letters and digits there are.
    fn run(&self, text: &[u8], mut each: impl FnMut(Run)) -> usize {
        let mut ring = [(0u8, 0usize); GRAM];
        let mut counts = [0u8; 256];
        let mut different = 0;
        let mut hash = 0u64;
        let mut count = 0;
        for (at, byte) in text.iter().enumerate() {
            if !(byte.is_ascii_alphanumeric() || *byte >= 0x80) {
                continue;
            }
            let character = byte.to_ascii_lowercase();
            let slot = count % GRAM;
            if count >= GRAM {
                let gone = ring[slot].0;
                hash ^= self.table[usize::from(gone)].rotate_left(GRAM as u32 - 1);
                counts[usize::from(gone)] -= 1;
                different -= usize::from(counts[usize::from(gone)] == 0);
            }
            hash = hash.rotate_left(1) ^ self.table[usize::from(character)];
            different += usize::from(counts[usize::from(character)] == 0);
            counts[usize::from(character)] += 1;
            ring[slot] = (character, at);
            count += 1;
            if count >= GRAM && different >= FEWEST_CHARACTERS {
                let start = ring[count % GRAM].1;
                each(Run { hash: mix(hash ^ self.last), start, end: at + 1, first: count - GRAM, last: count });
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::test_key;
    use super::*;

    /// An invented note of `sentences` different sentences.
    fn note(seed: usize, sentences: usize) -> Vec<String> {
        const WORDS: &[&str] = &[
            "service",
            "directeur",
            "budget",
            "agent",
            "réunion",
            "projet",
            "arrêté",
            "prévoit",
            "délégation",
            "mesure",
            "calendrier",
            "convention",
            "examine",
            "effectif",
            "propose",
            "commission",
            "rapport",
            "annexe",
            "décision",
            "habilitation",
            "transmet",
        ];
        let mut state = seed as u64 * 7919 + 1;
        let mut next = || {
            state = mix(state.wrapping_add(0x9e37));
            WORDS[state as usize % WORDS.len()]
        };
        (0..sentences).map(|_| (0..12).map(|_| next()).collect::<Vec<_>>().join(" ") + ".").collect()
    }

    fn index(documents: &[Vec<String>]) -> FingerprintIndex {
        let key = test_key(7);
        let mut builder = FingerprintBuilder::new(&key);
        for document in documents {
            builder.add(std::iter::once(document.join(" ").as_str())).unwrap();
        }
        FingerprintIndex::read(builder.finish(), &key).unwrap()
    }

    fn passages(index: &FingerprintIndex, text: &str, sentences: usize) -> Vec<Passage> {
        index.passages(normalize(text).text(), sentences)
    }

    #[test]
    fn three_sentences_in_a_row_are_found_and_two_are_not() {
        let documents: Vec<_> = (0..3).map(|seed| note(seed, 30)).collect();
        let index = index(&documents);
        let around = note(99, 3).join(" ");
        let mail = |from: usize, to: usize| format!("Bonjour,\n{around}\n{}\nCordialement", documents[1][from..to].join(" "));
        let found = passages(&index, &mail(10, 13), 3);
        assert_eq!(found.iter().map(|passage| passage.document).collect::<Vec<_>>(), [1]);
        assert!(found[0].share >= 5 && found[0].share <= 15, "{found:?}");
        assert!(passages(&index, &mail(10, 11), 3).is_empty());
    }

    #[test]
    fn case_spaces_line_ends_accents_and_a_few_edits_do_not_hide_a_document() {
        let document = note(4, 30);
        let index = index(std::slice::from_ref(&document));
        let text = document.join(" ");
        assert_eq!(passages(&index, &text, 3)[0].share, 100);
        let wrapped: String = text.to_uppercase().split(' ').collect::<Vec<_>>().join("  \r\n> ");
        assert_eq!(passages(&index, &wrapped, 3)[0].share, 100);
        let edited: Vec<String> = document
            .iter()
            .enumerate()
            .map(|(number, sentence)| if number % 4 == 0 { sentence.replacen(' ', " vraiment ", 3) } else { sentence.clone() })
            .collect();
        let found = passages(&index, &edited.join(" "), 3);
        assert!(found[0].share >= 50 && found[0].sentences >= 20, "{found:?}");
        assert!(passages(&index, &note(5, 200).join(" "), 3).is_empty());
    }

    #[test]
    fn a_letterhead_that_most_documents_share_is_no_passage() {
        let head = note(50, 4);
        let documents: Vec<Vec<String>> = (0..10).map(|seed| head.iter().cloned().chain(note(seed, 10)).collect()).collect();
        let index = index(&documents);
        assert!(passages(&index, &head.join(" "), 2).is_empty());
        assert!(!passages(&index, &documents[3].join(" "), 2).is_empty());
    }

    #[test]
    fn a_short_document_is_refused_and_another_key_opens_nothing() {
        let key = test_key(1);
        let mut builder = FingerprintBuilder::new(&key);
        assert!(matches!(builder.add(std::iter::once("trop court")), Err(IndexError::Refused(_))));
        builder.add(std::iter::once(note(1, 20).join(" ").as_str())).unwrap();
        let octets = builder.finish();
        assert_eq!(FingerprintIndex::read(octets.clone(), &test_key(2)).unwrap_err(), IndexError::OtherKey);
        let mut changed = octets.clone();
        changed[40] ^= 1;
        assert_eq!(FingerprintIndex::read(changed, &key).unwrap_err(), IndexError::OtherKey);
        assert_eq!(FingerprintIndex::read(octets[..20].to_vec(), &key).unwrap_err(), IndexError::NoIndex);
        assert!(!octets.windows(7).any(|seven| seven == b"service"));
    }

    #[test]
    fn ruled_lines_and_zeros_are_nobodys_text() {
        let index = index(&[[vec!["0".repeat(500)], note(3, 10)].concat()]);
        assert!(passages(&index, &"0".repeat(5_000), 1).is_empty());
    }
}

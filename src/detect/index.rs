//! Turns registered documents and rows into files of keyed hashes, and such a file back into what the scanner searches.
//!
//! Nothing in an index can be read back without its key, which is kept apart: a number of fifteen digits has too few
//! possible values for a hash without a key.

use super::exact_match::ExactIndex;
use super::fingerprint::FingerprintIndex;
use super::rule::Find;
use super::scan::Candidate;
use super::shape::Writing;
use super::validators::Check;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The secret of a house's indexes, 32 octets: who has it and an index can try values against it.
#[derive(Clone)]
pub struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    pub const OCTETS: usize = 32;

    /// `None` unless there are exactly [`IndexKey::OCTETS`].
    pub fn from_octets(octets: &[u8]) -> Option<IndexKey> {
        octets.try_into().ok().map(|octets| IndexKey(Zeroizing::new(octets)))
    }

    /// Keyed BLAKE3 of one value, with what the value is for, so that equal octets of two purposes differ.
    pub(super) fn hash(&self, purpose: u8, value: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[purpose]).update(value);
        first_eight(hasher.finalize().as_bytes())
    }

    /// Octets that depend on the key and a name only.
    pub(super) fn derive(&self, name: &str, out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(name.as_bytes()).finalize_xof().fill(out);
    }

    fn seal(&self, octets: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, octets).as_bytes()
    }
}

impl std::fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexKey(…)")
    }
}

/// Why an index cannot be used or made. The officer's or operator's fault, never temporary; holds no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    #[error("is no index, or is cut short; make it again with: postern rules index")]
    NoIndex,
    #[error("was made with another key, or was changed since; make it again with: postern rules index")]
    OtherKey,
    #[error("{0}")]
    Refused(String),
}

/// All indexes that rules may name, as `fingerprint = "name"` and `exact = "name.csv"`.
#[derive(Clone, Debug, Default)]
pub struct Indexes {
    pub fingerprints: BTreeMap<String, Arc<FingerprintIndex>>,
    pub exact: BTreeMap<String, Arc<ExactIndex>>,
}

impl Indexes {
    /// Each index by its name, and the octets that stand for all of it.
    pub(super) fn seals(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let seal = |octets: &'_ [u8]| octets.len().saturating_sub(SEAL);
        let fingerprints = self.fingerprints.iter().map(move |(name, index)| {
            let octets = index.octets();
            (name.as_str(), &octets[seal(octets)..])
        });
        let exact = self.exact.iter().map(move |(name, index)| {
            let octets = index.file();
            (name.as_str(), &octets[seal(octets)..])
        });
        fingerprints.chain(exact)
    }
}

/// What the index of a rule finds in a normalised text.
pub(super) fn candidates(find: &Find, text: &[u8], mut each: impl FnMut(Candidate)) {
    let check = |sure: bool| if sure { Check::Valid } else { Check::Invalid };
    match find {
        Find::Fingerprint(index, sentences) => {
            for passage in index.passages(text, *sentences) {
                let writing = Writing::Passage { document: passage.document, share: passage.share as u8 };
                let check = check(passage.share >= 33 || passage.sentences >= 10);
                each(Candidate { start: passage.start, end: passage.end, writing, check });
            }
        }
        Find::Exact(index) => {
            for row in index.rows_in(text) {
                let check = check(row.cells >= 3 || row.cells == row.of);
                each(Candidate { start: row.start, end: row.end, writing: Writing::Row { row: row.row }, check });
            }
        }
        _ => {}
    }
}

/// Octets of a seal at the end of each file.
const SEAL: usize = 32;

/// Writes numbers one after the other, and seals them with the key.
pub(super) struct IndexWriter(Vec<u8>);

impl IndexWriter {
    pub fn new(magic: &[u8; 8]) -> IndexWriter {
        IndexWriter(magic.to_vec())
    }

    pub fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }

    pub fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len());
        self.0.extend_from_slice(octets);
    }

    pub fn hashes(&mut self, hashes: impl Iterator<Item = u64>) {
        hashes.for_each(|hash| self.0.extend_from_slice(&hash.to_le_bytes()));
    }

    pub fn words(&mut self, words: impl Iterator<Item = u32>) {
        words.for_each(|word| self.0.extend_from_slice(&word.to_le_bytes()));
    }

    pub fn finish(mut self, key: &IndexKey) -> Vec<u8> {
        let seal = key.seal(&self.0);
        self.0.extend_from_slice(&seal);
        self.0
    }
}

/// Reads what [`IndexWriter`] wrote. The arrays stay where they are in the file's octets.
pub(super) struct IndexReader<'a> {
    octets: &'a [u8],
    at: usize,
}

/// Where an array lies in the octets of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    start: usize,
    pub len: usize,
}

impl Array {
    #[inline]
    pub fn hash(self, octets: &[u8], index: usize) -> u64 {
        let at = self.start + index * 8;
        octets.get(at..at + 8).map_or(0, first_eight)
    }

    #[inline]
    pub fn word(self, octets: &[u8], index: usize) -> u32 {
        let at = self.start + index * 4;
        octets.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// The first index whose hash is `hash` or above; the hashes are sorted.
    pub fn first(self, octets: &[u8], hash: u64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.hash(octets, middle) < hash { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl<'a> IndexReader<'a> {
    /// # Errors
    /// Another magic; a seal of another key or of other octets.
    pub fn open(octets: &'a [u8], magic: &[u8; 8], key: &IndexKey) -> Result<IndexReader<'a>, IndexError> {
        let end = octets.len().checked_sub(SEAL).filter(|end| *end >= magic.len()).ok_or(IndexError::NoIndex)?;
        if !octets.starts_with(magic) {
            return Err(IndexError::NoIndex);
        }
        if key.seal(&octets[..end]) != octets[end..] {
            return Err(IndexError::OtherKey);
        }
        Ok(IndexReader { octets: &octets[..end], at: magic.len() })
    }

    pub fn number(&mut self) -> Result<usize, IndexError> {
        let octets = self.octets.get(self.at..self.at + 8).ok_or(IndexError::NoIndex)?;
        self.at += 8;
        usize::try_from(first_eight(octets)).map_err(|_| IndexError::NoIndex)
    }

    pub fn text(&mut self) -> Result<String, IndexError> {
        let len = self.number()?;
        let array = self.array(len, 1)?;
        String::from_utf8(self.octets[array.start..array.start + array.len].to_vec()).map_err(|_| IndexError::NoIndex)
    }

    /// The next `len` elements of `width` octets each.
    pub fn array(&mut self, len: usize, width: usize) -> Result<Array, IndexError> {
        let start = self.at;
        let end = len.checked_mul(width).and_then(|octets| start.checked_add(octets)).ok_or(IndexError::NoIndex)?;
        if end > self.octets.len() {
            return Err(IndexError::NoIndex);
        }
        self.at = end;
        Ok(Array { start, len })
    }
}

/// A bitmap that says "perhaps" for what is in an index, and "no" for nearly everything else.
#[derive(Debug)]
pub(super) struct Filter {
    bits: Vec<u64>,
    mask: usize,
}

impl Filter {
    /// Sixteen bits for each entry: about one in sixteen others passes.
    pub fn new(entries: usize) -> Filter {
        let bits = (entries.max(64) * 16).next_power_of_two();
        Filter { bits: vec![0; bits / 64], mask: bits - 1 }
    }

    pub fn add(&mut self, hash: u64) {
        let bit = (hash >> 20) as usize & self.mask;
        self.bits[bit >> 6] |= 1 << (bit & 63);
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.bits.len() * 8
    }

    #[inline(always)]
    pub fn perhaps(&self, hash: u64) -> bool {
        let bit = (hash >> 20) as usize & self.mask;
        self.bits[bit >> 6] >> (bit & 63) & 1 == 1
    }
}

/// Spreads all bits of a number over all bits.
#[inline(always)]
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^ (number >> 32)
}

fn first_eight(octets: &[u8]) -> u64 {
    octets.get(..8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
pub(super) fn test_key(seed: u8) -> IndexKey {
    IndexKey(Zeroizing::new([seed; 32]))
}

#[cfg(test)]
mod tests {
    use super::super::{Confidence, ExactBuilder, FingerprintBuilder, RuleSet, SourceFile, detect};
    use super::*;
    use crate::extract::extract_text;

    fn rule(id: &str, find: &str) -> SourceFile {
        let text = format!(
            "id = \"{id}\"\ntitle = {{ fr = \"Registre\", en = \"Register\" }}\nstatus = \"active\"\ncategory = \"hr\"\n[find]\n{find}\n"
        );
        SourceFile { path: format!("rules/detect/{id}.toml"), text }
    }

    fn indexes() -> Indexes {
        let key = test_key(9);
        let mut documents = FingerprintBuilder::new(&key);
        let note: String = (0..40)
            .map(|n| {
                format!(
                    "La mesure numéro {n} concerne le service {} et prend effet au trimestre {}.\n",
                    n * 37 % 91,
                    n * 13 % 17
                )
            })
            .collect();
        documents.add(std::iter::once(note.as_str())).unwrap();
        let rows: Vec<Vec<String>> = (0..200)
            .map(|n| {
                vec![format!("MAT{:06}", n * 7919 % 999_983), format!("{:02}/{:02}/19{}", 1 + n % 28, 1 + n % 12, 50 + n % 49)]
            })
            .collect();
        let mut table = ExactBuilder::new(&key, vec!["matricule".into(), "naissance".into()], &rows).unwrap();
        rows.iter().for_each(|row| table.add(row).unwrap());
        Indexes {
            fingerprints: [("notes".to_owned(), Arc::new(FingerprintIndex::read(documents.finish(), &key).unwrap()))].into(),
            exact: [("agents.csv".to_owned(), Arc::new(ExactIndex::read(table.finish().unwrap().0, &key).unwrap()))].into(),
        }
    }

    #[test]
    fn rules_find_what_was_registered_and_show_nothing_of_it() {
        let files = [rule("notes", "fingerprint = \"notes\"\nsentences = 3"), rule("agents", "exact = \"agents.csv\"")];
        let rules = RuleSet::compile_with(&files, &BTreeMap::new(), indexes()).unwrap();
        let quoted: String = (5..11)
            .map(|n| {
                format!(
                    "la mesure numéro {n} concerne le service {} et prend effet au trimestre {}.\n",
                    n * 37 % 91,
                    n * 13 % 17
                )
            })
            .collect();
        let text = format!("Bonjour,\n{quoted}\nL'agent mat 007919 est né le 2 février 1951.\nCordialement");
        let findings = detect(&extract_text(&text), &rules);
        let told: Vec<(&str, Confidence, &str)> = findings
            .found
            .iter()
            .map(|finding| (&*finding.rule.0, finding.confidence, finding.places[0].masked.as_str()))
            .collect();
        assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), ["agents", "notes"], "{told:?}");
        assert_eq!(told[0].1, Confidence::High, "all cells of the row");
        assert_eq!(told[0].2, "Registre");
        assert_eq!(told[1].1, Confidence::Medium);
        assert!(told[1].2.starts_with("Registre n° 0 ("), "{}", told[1].2);
        assert!(detect(&extract_text("Bonjour, le trimestre prend effet."), &rules).found.is_empty());
    }

    #[test]
    fn an_index_that_is_not_there_is_told_with_what_to_write() {
        let errors =
            RuleSet::compile_with(&[rule("notes", "fingerprint = \"note\"")], &BTreeMap::new(), indexes()).unwrap_err();
        assert_eq!(errors[0].sentence, "there is no index \"note\"; did you mean \"notes\"?");
        let errors = RuleSet::compile(&[rule("agents", "exact = \"agents.csv\"")], &BTreeMap::new()).unwrap_err();
        assert!(errors[0].sentence.ends_with("postern rules index FILE.csv --name agents.csv"), "{}", errors[0].sentence);
        let errors = RuleSet::compile(&[rule("agents", "words = [\"a\"]\nsentences = 2")], &BTreeMap::new()).unwrap_err();
        assert!(errors.iter().any(|error| error.sentence.contains("goes with fingerprint")), "{errors:?}");
    }

    #[test]
    fn another_index_makes_another_set() {
        let files = [rule("agents", "exact = \"agents.csv\"")];
        let hash = |indexes| RuleSet::compile_with(&files, &BTreeMap::new(), indexes).unwrap().hash().to_owned();
        let mut other = indexes();
        other.fingerprints.clear();
        assert_ne!(hash(indexes()), hash(other));
    }
}

//! Turns a domain that is nobody's provider into: does it bear the sender's name?

use super::super::fold::words;
use super::compare::Likeness;
use super::name::PersonName;
use super::words::{FAMILY_WORDS, FILLERS, SMALL_WORDS};
use crate::mail::Domain;

impl PersonName {
    /// `contact@dupont-marie.fr`, `marie@dupont.fr`, `marie.dupont@dupont.family`: the domain's own label bears the name in full, or the
    /// family name with the given name before the @. A family name alone is a company's as often (`contact@grosjean.fr`).
    pub(super) fn is_vanity(&self, local: &[String], domain: &Domain) -> bool {
        let labels: Vec<&str> = domain.as_str().split('.').collect();
        // The label before the public suffix; two for such suffixes as co.uk and asso.fr.
        let candidates = labels.len().saturating_sub(3)..labels.len().saturating_sub(1);
        candidates.into_iter().any(|at| {
            let label = words(labels[at]);
            self.explains(&label) == Likeness::Full || self.is_split_over(local, &label)
        })
    }

    /// Given name before the @ (with or without the family name), family name behind it; nothing else on either side.
    fn is_split_over(&self, local: &[String], label: &[String]) -> bool {
        let parts_of = |words: &[String]| -> Option<Vec<usize>> {
            let telling = words.iter().map(String::as_str);
            let telling =
                telling.filter(|word| !FILLERS.contains(word) && !SMALL_WORDS.contains(word) && !FAMILY_WORDS.contains(word));
            let found: Option<Vec<usize>> =
                telling.map(|word| self.parts.iter().position(|part| part.word.len() >= 3 && part.word == word)).collect();
            found.filter(|found| !found.is_empty())
        };
        let (Some(before), Some(behind)) = (parts_of(local), parts_of(label)) else { return false };
        let is_given = |at: &usize| self.parts[*at].is_given_here();
        behind.iter().all(|at| !is_given(at)) && before.iter().any(|at| !behind.contains(at))
            || before.iter().all(|at| !is_given(at)) && behind.iter().any(is_given)
    }
}

//! Turns a person's name and the words of a recipient into how much of the recipient the name explains.

use super::name::{Part, PersonName, Role};
use super::words::{FAMILY_WORDS, FILLERS, PARTICLES, SMALL_WORDS, is_given};

/// How much of a recipient's name is explained by the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Likeness {
    None,
    /// A full name and an initial or a short form, or one very rare name.
    Agrees,
    /// Two names in full.
    Full,
}

/// Steps in which one name is tried on one recipient: names of people need some dozens, only `aaaa` made of a, aa, aaa needs more.
const STEPS: u32 = 500;
/// Longer local parts do not exist (RFC 5321 §4.5.3.1.1); a longer display name is not compared.
const MAX_LETTERS: usize = 64;
/// Words of one recipient that are looked at one by one.
const MAX_WORDS: usize = 12;
/// So long is a family name that on no list of common ones stands for its bearer alone.
const RARE: usize = 8;
/// So long is a login of one word (`pmorel`, `dupontm`) that the same word elsewhere is the same person's.
const LONG_LOGIN: usize = 6;
/// So long is a family name that stands for a whole family.
const RARE_FAMILY: usize = 6;

impl PersonName {
    /// Whether the recipient's words are this name's, in any order: each part in full, by its initial or a short form, with particles
    /// and fillers between them. A word that is left over is forgiven beside a full name if it is no given name (`marie.dupont.photo`,
    /// `marie.dupont.lefranc`).
    pub(in super::super) fn explains(&self, recipient: &[String]) -> Likeness {
        let letters: usize = recipient.iter().map(String::len).sum();
        if !(3..=MAX_LETTERS).contains(&letters) || recipient.len() > MAX_WORDS {
            return Likeness::None;
        }
        let is_part = |word: &str| self.parts.iter().any(|part| part.word == word);
        // `dupont.perso` and `marie.de.la.tour`: fillers and small words are dropped where they stand as words of their own.
        let own: Vec<&str> = recipient
            .iter()
            .map(String::as_str)
            .filter(|word| is_part(word) || !FILLERS.contains(word) && !SMALL_WORDS.contains(word))
            .collect();
        let mut steps = STEPS;
        let mut best = self.written_as(&recipient.concat(), &mut steps);
        if best < Likeness::Full && !own.is_empty() && own.len() < recipient.len() {
            best = best.max(self.written_as(&own.concat(), &mut steps));
        }
        if best < Likeness::Agrees && own.len() > 1 {
            best = best.max(self.explains_all_but_one(&own, &mut steps));
        }
        if best < Likeness::Agrees {
            best = best.max(self.explains_family(&own));
        }
        best
    }

    fn written_as(&self, letters: &str, steps: &mut u32) -> Likeness {
        self.cover(letters, Covered::default(), steps)
    }

    fn explains_all_but_one(&self, own: &[&str], steps: &mut u32) -> Likeness {
        let spare = |word: &&str| !is_given(word) && !self.parts.iter().any(|part| part.word == **word);
        let left_out = own.iter().enumerate().filter(|(_, word)| spare(word));
        let full = left_out
            .map(|(at, _)| [&own[..at], &own[at + 1..]].concat().concat())
            .any(|rest| self.written_as(&rest, steps) == Likeness::Full);
        if full { Likeness::Agrees } else { Likeness::None }
    }

    /// `famille.grosjean`: a mailbox of all who bear a name that few bear.
    fn explains_family(&self, own: &[&str]) -> Likeness {
        let Some(rest) =
            own.iter().position(|word| FAMILY_WORDS.contains(word)).map(|at| [&own[..at], &own[at + 1..]].concat().concat())
        else {
            return Likeness::None;
        };
        let rare = |part: &Part| part.word == rest && part.is_rare(RARE_FAMILY);
        if self.parts.iter().any(rare) { Likeness::Agrees } else { Likeness::None }
    }

    /// The best way to write `rest` with parts not yet in `so_far`; depth at most the number of parts plus the particles.
    fn cover(&self, rest: &str, so_far: Covered, steps: &mut u32) -> Likeness {
        if rest.is_empty() {
            return so_far.likeness(&self.parts);
        }
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return Likeness::None;
        }
        let mut best = Likeness::None;
        for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| !so_far.has(*at)) {
            if let Some(after) = rest.strip_prefix(part.word.as_str()).filter(|_| part.word.len() >= 2) {
                best = best.max(self.cover(after, so_far.with(at, Form::Full), steps));
                if best == Likeness::Full {
                    return best;
                }
            }
            for after in part.short.iter().filter_map(|short| rest.strip_prefix(*short)) {
                best = best.max(self.cover(after, so_far.with(at, Form::Short), steps));
            }
            let alike = part.word.bytes().zip(rest.bytes()).take_while(|(a, b)| a == b).count();
            for n in (2..=alike.min(part.word.len() - 1)).rev().filter(|n| part.can_be_cut_to(*n)) {
                best = best.max(self.cover(&rest[n..], so_far.with(at, Form::Cut(n)), steps));
            }
            if alike > 0 && so_far.initials.count_ones() < 3 {
                best = best.max(self.cover(&rest[1..], so_far.with(at, Form::Initial), steps));
            }
        }
        // Only where a full name follows.
        if so_far.particles < 3 {
            let follows = |after: &str| {
                self.parts.iter().any(|part| after.starts_with(&part.word))
                    || PARTICLES.iter().any(|one| after.starts_with(one))
            };
            for after in PARTICLES.iter().filter_map(|one| rest.strip_prefix(one)).filter(|after| follows(after)) {
                best = best.max(self.cover(after, Covered { particles: so_far.particles + 1, ..so_far }, steps));
            }
        }
        best
    }
}

impl Part {
    /// So long, and so little known, that it stands for its bearer.
    fn is_rare(&self, letters: usize) -> bool {
        self.word.len() >= letters && self.role != Role::Given && !self.given && !self.common_family
    }
}

#[derive(Clone, Copy)]
enum Form {
    Full,
    Short,
    /// Its first letters.
    Cut(usize),
    Initial,
}

/// What of a name was met so far on the way through a recipient's letters: one bit for each part.
#[derive(Clone, Copy, Default)]
struct Covered {
    full: u32,
    short: u32,
    initials: u32,
    /// Three letters or more of a part.
    long_cut: u32,
    /// Five or more: beside a mere given name as likely another family's name (`elodie.coeur`, not Cœurdacier).
    longer_cut: u32,
    particles: u8,
}

impl Covered {
    fn has(self, at: usize) -> bool {
        (self.full | self.short | self.initials) & 1 << at != 0
    }

    fn with(self, at: usize, form: Form) -> Covered {
        let bit = 1 << at;
        match form {
            Form::Full => Covered { full: self.full | bit, ..self },
            Form::Short => Covered { short: self.short | bit, long_cut: self.long_cut | bit, ..self },
            Form::Cut(n) => Covered {
                short: self.short | bit,
                long_cut: self.long_cut | if n >= 3 { bit } else { 0 },
                longer_cut: self.longer_cut | if n >= 5 { bit } else { 0 },
                ..self
            },
            Form::Initial => Covered { initials: self.initials | bit, ..self },
        }
    }

    fn likeness(self, parts: &[Part]) -> Likeness {
        let of = |bits: u32| parts.iter().enumerate().filter(move |(at, _)| bits & 1 << at != 0).map(|(_, part)| part);
        let full = self.full.count_ones();
        let families = of(self.full).filter(|part| !part.is_given_here()).count();
        // `pierre.martin` is not Jean-Pierre Martin; `christine.lagarrigue` may well be Marie-Christine Lagarrigue.
        let halved = of(self.full | self.short | self.initials).any(|part| {
            part.compound.is_some()
                && parts.iter().enumerate().any(|(at, other)| other.compound == part.compound && !self.has(at))
        });
        let first_of_compound_left_out = |part: &Part| {
            let first = parts.iter().position(|other| other.compound == part.compound);
            part.compound.is_some() && first.is_some_and(|first| !self.has(first))
        };
        if halved {
            let family_is_common = of(self.full).filter(|part| !part.is_given_here()).all(|part| part.common_family);
            let by_full = of(self.full).any(|part| part.compound.is_some());
            let by_first = !of(self.short | self.initials).any(first_of_compound_left_out);
            return match families {
                0 => Likeness::None,
                _ if by_full && family_is_common => Likeness::None,
                _ if by_full || by_first => Likeness::Agrees,
                _ => Likeness::None,
            };
        }
        // Given names alone are nobody's in particular, however many.
        if full >= 2 && families >= 1 {
            return Likeness::Full;
        }
        let telling = of(self.full).any(|part| part.word.len() >= 4 && !part.is_given_here());
        let beside = (self.short | self.initials) != 0;
        match (full, beside) {
            (1.., true) if telling => Likeness::Agrees,
            // `fred.roy`: a short family name needs more than an initial beside it.
            (1.., true) if families >= 1 && self.long_cut != 0 => Likeness::Agrees,
            // `mariedup`: the given name in full, and the beginning of the family name.
            (1.., true) if of(self.long_cut & !self.longer_cut).any(|part| part.role == Role::Family) => Likeness::Agrees,
            (1.., false) if of(self.full).any(|part| part.is_rare(if parts.len() == 1 { LONG_LOGIN } else { RARE })) => {
                Likeness::Agrees
            }
            _ => Likeness::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fold::words;
    use super::*;

    #[test]
    fn a_name_explains_an_address_by_full_names_initials_and_short_forms() {
        use Likeness::{Agrees, Full, None};
        for (name, written, expected) in [
            ("Marie DUPONT", "marie.dupont", Full),
            ("Marie DUPONT", "dupontmarie", Full),
            ("Marie DUPONT", "m.dupont", Agrees),
            ("Marie DUPONT", "mariedup", Agrees),
            ("Élodie CŒURDACIER", "elodie.coeur", None),
            ("Marie DUPONT", "ma.dupont", Agrees),
            ("Marie DUPONT", "marie.d", None),
            ("Marie DUPONT", "marie", None),
            ("Marie DUPONT", "dupont", None),
            ("Marie DUPONT", "marie.dupont.photo", Agrees),
            ("Marie DUPONT", "marie.dupont.durand", Agrees),
            ("Marie DUPONT", "marie.claude.dupont", None),
            ("Marie DUPONT", "famille.dupont", None),
            ("Marie GROSJEAN", "famille.grosjean", Agrees),
            ("Marie GROSJEAN", "grosjean.family", Agrees),
            ("Marie Christine DUPONT", "marie.christine", None),
            // compound given names
            ("Jean-Pierre MARTIN", "jp.martin", Agrees),
            ("Jean-Pierre MARTIN", "jeanpierremartin", Full),
            ("Jean-Pierre MARTIN", "jeanp.martin", Full),
            ("Jean-Pierre MARTIN", "j.martin", Agrees),
            ("Jean-Pierre MARTIN", "p.martin", None),
            ("Jean-Pierre MARTIN", "pierre.martin", None),
            ("Jean-Pierre MARTIN", "jean.martin", None),
            ("Jean-Pierre MARTIN", "jean.pierre", None),
            ("Marie-Christine LAGARRIGUE", "christine.lagarrigue", Agrees),
            // short forms and cuts
            ("Benoît TILLIER", "ben.tillier", Agrees),
            ("Frédéric ROY", "fred.roy", Agrees),
            ("Frédéric ROY", "f.roy", None),
            ("Jeanne LACOMBE", "jean.lacombe", None),
            ("Marie MARTINEZ", "marie.martin", None),
            // particles
            ("Charles de La Tour", "charlesdelatour", Full),
            ("Maria DA SILVA SANTOS", "mdasilvasantos", Full),
            ("Youssef EL AMRANI", "y.elamrani", Agrees),
            // two family names
            ("Sophie LEFRANC-GROSJEAN", "lefranc.grosjean", Full),
            ("Sophie LEFRANC-GROSJEAN", "sophie.grosjean", Full),
            // a login of one word
            ("mdupont", "mdupont", Agrees),
            ("mdupont", "mdupont.perso", Agrees),
            ("jroy", "jroy", None),
            ("dupont", "dupont", None),
            ("mdupont", "mdupontel", None),
            // a rare family name alone, a rare given name not
            ("Anne LAPEYRONNIE", "lapeyronnie", Agrees),
            ("Gwenaëlle LE BIHAN", "gwenaelle", None),
        ] {
            assert_eq!(PersonName::read(name).unwrap().explains(&words(written)), expected, "{name}: {written}");
        }
    }
}

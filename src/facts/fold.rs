//! Turns text into the form in which names and words are compared: lower case, no accents, ligatures spelt out.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case without accents; compatibility forms (full-width letters, ligatures, `ª`) are spelt in plain letters.
pub fn fold(text: &str) -> String {
    // Most lines of most mails; a tenth of the time.
    if text.bytes().all(|b| (b' '..0x7F).contains(&b) && b != b'`') {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            'ß' => out.push_str("ss"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'þ' => out.push_str("th"),
            'ı' => out.push('i'),
            '’' | '‘' | 'ʼ' | '`' | '´' => out.push('\''),
            '‐' | '‑' | '‒' | '–' | '—' | '−' => out.push('-'),
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' => {}
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The folded words of a text: runs of ASCII letters. Digits, dots, hyphens, apostrophes part them.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The Subject without the answer prefixes that clients put before it, and whether one of them says "forwarded".
pub(super) struct Prefixed {
    /// As written, without prefixes.
    pub rest: String,
    pub answers: bool,
    pub forwards: bool,
}

/// Prefixes of the main clients in French, English, German, Spanish, Italian, Dutch, Portuguese, Polish, Nordic languages.
const FORWARDS: &[&str] =
    &["fwd", "fw", "tr", "wg", "rv", "i", "enc", "vs", "vb", "doorst", "pd", "videresendt", "transf", "reenv"];
const ANSWERS: &[&str] = &["re", "rep", "aw", "r", "antw", "sv", "res", "odp"];

pub(super) fn without_prefixes(subject: &str) -> Prefixed {
    let mut rest = subject.trim();
    let (mut answers, mut forwards) = (false, false);
    // As many as a long thread gathers.
    for _ in 0..20 {
        let Some((head, tail)) = rest.split_once(':') else { break };
        // `RE[2]`, `Re (3)`, `TR `: a counter and a space before the colon are clients' too.
        let head = fold(head);
        let word = head.trim_end_matches(|c: char| c.is_ascii_digit() || "[]() ".contains(c)).trim();
        if FORWARDS.contains(&word) {
            forwards = true;
        } else if ANSWERS.contains(&word) {
            answers = true;
        } else {
            break;
        }
        rest = tail.trim_start();
    }
    Prefixed { rest: rest.to_owned(), answers, forwards }
}

/// The same, looked for behind bracketed tags of lists and gateways too: `[EXTERNE] TR: …`. The rest is without them.
pub(super) fn prefixes_past_tags(subject: &str) -> Prefixed {
    let mut found = without_prefixes(subject);
    // As many as lists and gateways pile up.
    for _ in 0..4 {
        let Some((_, after)) = found.rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) else { break };
        let next = without_prefixes(after);
        found = Prefixed { rest: next.rest, answers: found.answers || next.answers, forwards: found.forwards || next.forwards };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_compared_without_accents_and_case() {
        for (text, folded) in [
            ("Élodie CŒUR", "elodie coeur"),
            ("Jean‑François", "jean-francois"),
            ("Łukasz Strauß", "lukasz strauss"),
            ("Ｍａｒｉｅ", "marie"),
            ("d’Arc", "d'arc"),
            ("e\u{301}te\u{301}", "ete"),
        ] {
            assert_eq!(fold(text), folded);
        }
        assert_eq!(words("Jean-Pierre d'Ormesson75"), ["jean", "pierre", "d", "ormesson"]);
    }

    #[test]
    fn prefixes_are_found_behind_tags() {
        for (subject, rest, answers, forwards) in [
            ("[EXTERNE] TR: x", "x", false, true),
            ("RE: [liste] Fwd: x", "x", true, true),
            ("[a] [b] RE: x", "x", true, false),
            ("[a", "[a", false, false),
            ("x [TR: y]", "x [TR: y]", false, false),
        ] {
            let split = prefixes_past_tags(subject);
            assert_eq!((&*split.rest, split.answers, split.forwards), (rest, answers, forwards), "{subject}");
        }
    }

    #[test]
    fn a_subject_loses_its_prefixes_and_tells_whether_it_forwards() {
        for (subject, rest, answers, forwards) in [
            ("Bonjour", "Bonjour", false, false),
            ("RE: Bonjour", "Bonjour", true, false),
            ("Re : Bonjour", "Bonjour", true, false),
            ("TR: Bonjour", "Bonjour", false, true),
            ("Tr : RE: Bonjour", "Bonjour", true, true),
            ("Fwd: Bonjour", "Bonjour", false, true),
            ("FW: FW: Bonjour", "Bonjour", false, true),
            ("WG: Bonjour", "Bonjour", false, true),
            ("RV: Bonjour", "Bonjour", false, true),
            ("I: Bonjour", "Bonjour", false, true),
            ("Re[2]: Bonjour", "Bonjour", true, false),
            ("Rép. : Bonjour", "Rép. : Bonjour", false, false),
            ("Travaux : Bonjour", "Travaux : Bonjour", false, false),
            ("Réf : 2026-12", "Réf : 2026-12", false, false),
            ("RE\u{A0}: x", "x", true, false),
        ] {
            let split = without_prefixes(subject);
            assert_eq!((&*split.rest, split.answers, split.forwards), (rest, answers, forwards), "{subject}");
        }
    }
}

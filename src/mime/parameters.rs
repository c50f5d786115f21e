//! Turns `type/subtype; name=value; …` into a type and its parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).

use super::decode::{hex_pair, text_in_charset};
use super::header::decode_words;
use super::{Limits, Malformed};

/// A Content-Type, Content-Disposition or Content-Transfer-Encoding field's value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Structured {
    /// What stands before the first `;`, lower case, without comments and white space.
    pub token: String,
    /// In order; names in lower case, RFC 2231 pieces put together and decoded.
    pub parameters: Vec<Parameter>,
    /// Comments, unquoted blanks, unterminated quotes: not every reader goes on behind them.
    pub odd: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: String,
    pub value: String,
    /// In which form it was written: where both forms stand, readers differ in which they take.
    pub extended: bool,
    /// The value could be read in another way too.
    pub odd: bool,
}

/// Reads an unfolded value. Only limits make it fail: everything else is read as leniently as the most lenient reader does.
pub(super) fn structured(value: &str, limits: &Limits, place: &str) -> Result<Structured, Malformed> {
    let mut found = Structured::default();
    let mut rest = Chars { text: value, odd: false };
    found.token = rest.until_semicolon().to_ascii_lowercase();
    found.token.retain(|c| !matches!(c, ' ' | '\t'));
    let mut pieces: Vec<(String, Option<u32>, bool, String, bool)> = Vec::new();
    while rest.skip_semicolons() {
        let Some((name, value, odd)) = rest.parameter() else { continue };
        if pieces.len() >= limits.parameters {
            return Err(Malformed { what: "too many parameters in one field", place: place.to_owned() });
        }
        let (base, number, extended) = section(&name);
        pieces.push((base, number, extended, value, odd));
    }
    found.odd = rest.odd;
    // RFC 2231 §3: the pieces of a value may come in any order.
    let mut done: Vec<String> = Vec::new();
    for (name, number, extended, value, odd) in &pieces {
        if number.is_none() {
            let value = if *extended { decode_extended(value) } else { value.clone() };
            found.parameters.push(Parameter { name: name.clone(), value, extended: *extended, odd: *odd });
        } else if !done.contains(name) {
            done.push(name.clone());
            let mut run: Vec<_> = pieces.iter().filter(|piece| piece.0 == *name && piece.1.is_some()).collect();
            run.sort_by_key(|piece| piece.1);
            let right = run.iter().enumerate().all(|(n, piece)| piece.1 == Some(n as u32));
            found.parameters.push(Parameter { name: name.clone(), value: join(&run), extended: true, odd: !right });
        }
    }
    Ok(found)
}

impl Structured {
    /// The value most readers take: the extended form wins (RFC 2231, RFC 6266 §4.3), then the first.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = || self.parameters.iter().filter(|p| p.name == name);
        all().find(|p| p.extended).or_else(|| all().next()).map(|p| p.value.as_str())
    }

    /// All values of one name.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Parameter> {
        self.parameters.iter().filter(move |p| p.name == name)
    }
}

/// `name*1*` is piece 1, extended.
fn section(name: &str) -> (String, Option<u32>, bool) {
    let (name, extended) = match name.strip_suffix('*') {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    match name.rsplit_once('*') {
        Some((base, number)) if number.len() <= 4 => match number.parse() {
            Ok(number) => (base.to_owned(), Some(number), extended),
            Err(_) => (name.to_owned(), None, extended),
        },
        _ => (name.to_owned(), None, extended),
    }
}

fn join(run: &[&(String, Option<u32>, bool, String, bool)]) -> String {
    let mut octets = Vec::new();
    let mut charset = None;
    for (n, (_, _, extended, value, _)) in run.iter().enumerate() {
        if !extended {
            octets.extend_from_slice(value.as_bytes());
            continue;
        }
        let mut value = value.as_str();
        if n == 0
            && let Some((label, text)) = split_label(value)
        {
            (charset, value) = (Some(label), text);
        }
        percent(value, &mut octets);
    }
    text_in_charset(&octets, charset.filter(|label| !label.is_empty())).0.into_owned()
}

fn decode_extended(value: &str) -> String {
    let (charset, text) = split_label(value).unwrap_or(("", value));
    let mut octets = Vec::with_capacity(text.len());
    percent(text, &mut octets);
    text_in_charset(&octets, Some(charset).filter(|label| !label.is_empty())).0.into_owned()
}

/// `charset'language'text`.
fn split_label(value: &str) -> Option<(&str, &str)> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    Some((charset, text))
}

fn percent(text: &str, out: &mut Vec<u8>) {
    let text = text.as_bytes();
    let mut at = 0;
    while at < text.len() {
        match (text[at], hex_pair(text.get(at + 1..at + 3))) {
            (b'%', Some(octet)) => {
                out.push(octet);
                at += 3;
            }
            (octet, _) => {
                out.push(octet);
                at += 1;
            }
        }
    }
}

struct Chars<'x> {
    text: &'x str,
    odd: bool,
}

impl<'x> Chars<'x> {
    fn until_semicolon(&mut self) -> String {
        let mut out = String::new();
        while let Some(c) = self.text.chars().next() {
            match c {
                ';' => break,
                '(' => self.comment(),
                _ => {
                    out.push(c);
                    self.text = &self.text[c.len_utf8()..];
                }
            }
        }
        out.trim().to_owned()
    }

    /// True when a parameter may follow.
    fn skip_semicolons(&mut self) -> bool {
        loop {
            self.text = self.text.trim_start_matches([';', ' ', '\t']);
            if !self.text.starts_with('(') {
                return !self.text.is_empty();
            }
            self.comment();
        }
    }

    /// A comment, with those in it (RFC 5322 §3.2.2); without nesting calls, whatever its depth.
    fn comment(&mut self) {
        self.odd = true;
        let mut depth = 0usize;
        let mut chars = self.text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.text = &self.text[at + 1..];
                return;
            }
        }
        self.text = "";
    }

    /// `name = value` up to the next `;`.
    fn parameter(&mut self) -> Option<(String, String, bool)> {
        let end = self.text.find(['=', ';']).unwrap_or(self.text.len());
        let name = self.text[..end].trim().to_ascii_lowercase();
        if !self.text[end..].starts_with('=') {
            self.odd = true;
            self.text = &self.text[end..];
            return None;
        }
        if name.contains([' ', '\t', '(', '"']) {
            self.odd = true;
        }
        self.text = self.text[end + 1..].trim_start_matches([' ', '\t']);
        let before = std::mem::replace(&mut self.odd, false);
        let value = if self.text.starts_with('"') { self.quoted() } else { self.bare() };
        let odd = std::mem::replace(&mut self.odd, before);
        self.odd |= odd;
        Some((name, value, odd))
    }

    fn quoted(&mut self) -> String {
        let mut out = String::new();
        let mut chars = self.text[1..].char_indices();
        let mut closed = None;
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    closed = Some(at + 2);
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    // Windows paths: readers keep the backslash as often as they drop it.
                    Some((_, c)) => {
                        self.odd = true;
                        out.extend(['\\', c]);
                    }
                    None => self.odd = true,
                },
                c => out.push(c),
            }
        }
        match closed {
            Some(end) => {
                self.text = &self.text[end..];
                let rest = self.until_semicolon();
                self.odd |= !rest.is_empty();
            }
            None => {
                self.odd = true;
                self.text = "";
            }
        }
        decode_words(&out)
    }

    fn bare(&mut self) -> String {
        let value = self.until_semicolon();
        self.odd |= value.contains([' ', '\t', '"']);
        decode_words(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Structured {
        structured(text, &Limits::default(), "").unwrap()
    }

    #[test]
    fn parameters_are_read_in_all_their_forms() {
        for (text, name, value) in [
            ("text/plain; charset=utf-8", "charset", "utf-8"),
            ("Text/Plain;CHARSET=\"utf-8\" ; format=flowed", "charset", "utf-8"),
            ("a/b; name=\"x \\\"y\\\".pdf\"", "name", "x \"y\".pdf"),
            ("a/b; name=my file.pdf; x=y", "name", "my file.pdf"),
            ("a/b; name*=UTF-8''%C3%A9t%C3%A9.pdf", "name", "été.pdf"),
            ("a/b; name*1=\"lo.txt\"; name*0*=iso-8859-1'fr'%E9", "name", "élo.txt"),
            ("a/b; name=\"=?utf-8?q?=C3=A9.pdf?=\"", "name", "é.pdf"),
            ("a/b; name=plain; name*=UTF-8''better", "name", "better"),
            ("a/b (comment; name=no); name=yes", "name", "yes"),
            ("a/b; name=\"unterminated", "name", "unterminated"),
        ] {
            assert_eq!(read(text).get(name), Some(value), "{text}");
        }
    }

    #[test]
    fn comments_and_blanks_are_taken_out_and_told() {
        let found = read("text/(hidden (deep))html ; charset=utf-8");
        assert_eq!((found.token.as_str(), found.odd), ("text/html", true));
        assert!(!read("text/html; charset=utf-8").odd);
        assert!(read("multipart/mixed; boundary=a b").parameters[0].odd);
        assert!(!read("").odd);
        structured(&"(".repeat(100_000), &Limits::default(), "").unwrap();
    }
}

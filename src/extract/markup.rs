//! Turns XML into its tags and texts, as they stand. Written here rather than taken from a crate because a sheet has a hundred thousand
//! cells and the general reader spent half of a message's time on them; nothing is copied that need not be, no entity is ever followed.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'x> {
    /// Also of an element without content, which gets no [`Token::End`].
    Start(Tag<'x>),
    /// The local name.
    End(&'x str),
    /// With references; see [`unescape`].
    Text(&'x str),
    Cdata(&'x str),
    Comment(&'x str),
    /// What a document type declares.
    Doctype(&'x str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'x> {
    /// Without its prefix.
    pub name: &'x str,
    attributes: &'x str,
    pub empty: bool,
}

pub(super) struct Markup<'x> {
    source: &'x str,
    at: usize,
    /// A tag that does not end.
    pub damaged: bool,
}

impl<'x> Markup<'x> {
    pub(super) fn new(source: &'x str) -> Markup<'x> {
        Markup { source, at: 0, damaged: false }
    }

    /// The `<` stands at `self.at`. `None` where it begins nothing.
    fn tag(&mut self) -> Option<Token<'x>> {
        let rest = &self.source[self.at..];
        let octets = rest.as_bytes();
        let enclosed = |open: &str, close: &str| {
            let inner = rest.strip_prefix(open)?;
            let end = memchr::memmem::find(inner.as_bytes(), close.as_bytes());
            Some((&inner[..end.unwrap_or(inner.len())], end.map(|end| open.len() + end + close.len())))
        };
        match octets.get(1)? {
            b'/' => {
                let Some(end) = octets.iter().position(|octet| *octet == b'>') else { return Some(self.broken()) };
                self.at += end + 1;
                Some(Token::End(local(rest[2..end].trim_ascii_end())))
            }
            b'!' => {
                let (token, length) = if let Some((inner, length)) = enclosed("<!--", "-->") {
                    (Token::Comment(inner), length)
                } else if let Some((inner, length)) = enclosed("<![CDATA[", "]]>") {
                    (Token::Cdata(inner), length)
                } else {
                    let end = end_of_doctype(octets);
                    (Token::Doctype(&rest[2..end.unwrap_or(rest.len()).max(2)]), end.map(|end| end + 1))
                };
                self.damaged |= length.is_none();
                self.at += length.unwrap_or(rest.len());
                Some(token)
            }
            b'?' => {
                let (_, length) = enclosed("<?", "?>")?;
                self.damaged |= length.is_none();
                self.at += length.unwrap_or(rest.len());
                // Instructions to programs are nobody's text; what is in them is shown all the same by an editor.
                Some(Token::Doctype(&rest[2..length.map_or(rest.len(), |length| length - 2).max(2)]))
            }
            c if c.is_ascii_alphabetic() || *c == b'_' || *c == b':' || *c >= 128 => {
                let Some(end) = end_of_tag(octets) else { return Some(self.broken()) };
                self.at += end + 1;
                let inner = &rest[1..end];
                let (inner, empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
                let stop = inner.as_bytes().iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
                Some(Token::Start(Tag { name: local(&inner[..stop]), attributes: &inner[stop..], empty }))
            }
            _ => None,
        }
    }

    /// The rest is given as a comment: it was there.
    fn broken(&mut self) -> Token<'x> {
        self.damaged = true;
        let rest = &self.source[self.at + 1..];
        self.at = self.source.len();
        Token::Comment(rest)
    }
}

impl<'x> Iterator for Markup<'x> {
    type Item = Token<'x>;

    fn next(&mut self) -> Option<Token<'x>> {
        let rest = self.source.get(self.at..).filter(|rest| !rest.is_empty())?;
        let mut from = 0;
        if rest.as_bytes()[0] == b'<' {
            if let Some(token) = self.tag() {
                return Some(token);
            }
            from = 1;
        }
        let end = memchr::memchr(b'<', &rest.as_bytes()[from..]).map_or(rest.len(), |n| from + n);
        self.at += end;
        Some(Token::Text(&rest[..end]))
    }
}

fn local(name: &str) -> &str {
    // Names are short: a loop is quicker than a search that prepares itself.
    match name.bytes().position(|octet| octet == b':') {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

/// The `>` outside of quotes.
fn end_of_tag(octets: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', octets.get(at..)?)?;
        let found = octets[at];
        if found == b'>' {
            return Some(at);
        }
        at += 1;
        at += memchr::memchr(found, octets.get(at..)?)? + 1;
    }
}

fn end_of_doctype(octets: &[u8]) -> Option<usize> {
    let mut depth = 0i32;
    octets.iter().position(|octet| {
        match octet {
            b'<' => depth += 1,
            b'>' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

impl<'x> Tag<'x> {
    /// Local names and values with their references, in order.
    pub(super) fn attributes(&self) -> Attributes<'x> {
        Attributes { rest: self.attributes }
    }

    /// The first attribute of this local name.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'x, str>> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| unescape(value))
    }
}

pub(super) struct Attributes<'x> {
    rest: &'x str,
}

impl<'x> Iterator for Attributes<'x> {
    type Item = (&'x str, &'x str);

    fn next(&mut self) -> Option<(&'x str, &'x str)> {
        let equals = self.rest.bytes().position(|octet| octet == b'=')?;
        let name = self.rest[..equals].trim_ascii();
        // What stands before the name without a value is passed over.
        let name = name.rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or(name);
        let rest = self.rest[equals + 1..].trim_ascii_start();
        let (value, rest) = match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = &rest[1..];
                let end = inner.bytes().position(|octet| octet == *quote).unwrap_or(inner.len());
                (&inner[..end], inner.get(end + 1..).unwrap_or(""))
            }
            _ => {
                let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
                (&rest[..end], &rest[end..])
            }
        };
        self.rest = rest;
        let key = local(name);
        // Declarations of name spaces say nothing.
        if key == name && name == "xmlns" || name.starts_with("xmlns:") {
            return self.next();
        }
        Some((key, value))
    }
}

/// Text with its references put in. Entities of a document type are never followed (XXE, billion laughs); where they stood stays
/// visible.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let first = match raw.len() {
        ..32 => raw.bytes().position(|octet| octet == b'&'),
        _ => memchr::memchr(b'&', raw.as_bytes()),
    };
    let Some(first) = first else { return raw.into() };
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = memchr::memchr(b';', &rest.as_bytes()[..rest.len().min(64)]);
        match end {
            Some(end) if !rest[..end].contains(['&', ' ', '<']) => {
                out.push(reference(&rest[..end]));
                rest = &rest[end + 1..];
            }
            _ => out.push('&'),
        }
        next = memchr::memchr(b'&', rest.as_bytes());
    }
    out.push_str(rest);
    out.into()
}

fn reference(name: &str) -> char {
    match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => digits.parse().ok(),
            });
            number.and_then(char::from_u32).unwrap_or('\u{fffd}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str) -> (Vec<String>, bool) {
        let mut markup = Markup::new(source);
        let tell = |token: Token| match token {
            Token::Start(tag) => {
                let attributes: Vec<_> = tag.attributes().map(|(key, value)| format!("{key}={}", unescape(value))).collect();
                format!("<{}{} {}", tag.name, if tag.empty { "/" } else { "" }, attributes.join(","))
            }
            Token::End(name) => format!("/{name}"),
            Token::Text(text) => unescape(text).into_owned(),
            Token::Cdata(text) => format!("[{text}"),
            Token::Comment(text) => format!("!{text}"),
            Token::Doctype(text) => format!("?{text}"),
        };
        (markup.by_ref().map(tell).collect(), markup.damaged)
    }

    #[test]
    fn tags_and_texts_are_told_apart() {
        for (source, tokens) in [
            ("<a:b c=\"1>2\" x:d='&amp;'>t&#233;<e/></a:b>", vec!["<b c=1>2,d=&", "té", "<e/ ", "/b"]),
            ("<a xmlns=\"u\" xmlns:q=\"v\" k=w>&lol;&x", vec!["<a k=w", "\u{fffd}&x"]),
            ("1 < 2<![CDATA[<x>]]><!-- c -->", vec!["1 ", "< 2", "[<x>", "! c "]),
            (
                "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a/>",
                vec!["?xml version=\"1.0\"", "?DOCTYPE a [<!ENTITY b \"c\">]", "<a/ "],
            ),
            ("<a  b = \"c\"  d></a >", vec!["<a b=c", "/a"]),
        ] {
            assert_eq!(told(source), (tokens.into_iter().map(str::to_owned).collect(), false), "{source}");
        }
        assert_eq!(told("x<b c=\"1"), (vec!["x".to_owned(), "!b c=\"1".to_owned()], true));
        assert!(told("<!-- x").1 && told("</x").1);
    }
}

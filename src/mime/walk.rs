//! Turns a raw message into its tree of parts. Where two readers would build different trees it refuses; where they only take
//! different words from the same tree it goes on and says so.

use super::header::{self, trim_crlf, unfold};
use super::parameters::{Structured, structured};
use super::{Anomaly, Aside, Encoding, Field, Kind, Limits, Malformed, ParsedMessage, Part};
use crate::mail::RawMessage;
use std::collections::BTreeSet;

/// Takes a message apart (RFC 5322, 2045, 2046). Every octet ends up in a header, a leaf's body, an [`Aside`] or a boundary line.
pub fn parse<'x>(raw: &'x RawMessage, limits: &Limits) -> Result<ParsedMessage<'x>, Malformed> {
    let octets = raw.as_bytes();
    let mut walk = Walk {
        octets,
        limits,
        parts: Vec::new(),
        anomalies: Vec::new(),
        asides: Vec::new(),
        delimiters: BTreeSet::new(),
        suspects: Vec::new(),
        words: 0,
    };
    walk.entity(Place {
        from: 0,
        to: octets.len(),
        parent: None,
        depth: 0,
        number: String::new(),
        default: PLAIN,
        in_signed: false,
    })?;
    // RFC 2046 §5.1.1 lets a reader compare only the beginning of a line with the boundary; most compare the whole line. The two
    // agree only where the line is the boundary of another multipart.
    if let Some((_, number)) = walk.suspects.iter().find(|(at, _)| !walk.delimiters.contains(at)) {
        return Err(Malformed { what: "a line that begins with a boundary but goes on", place: number.clone() });
    }
    if raw.is_eight_bit() && !raw.header().is_ascii() {
        walk.anomalies.push(Anomaly { kind: "eight-bit-header", part: String::new() });
    }
    Ok(ParsedMessage { raw, parts: walk.parts, anomalies: walk.anomalies, asides: walk.asides })
}

const PLAIN: &str = "text/plain";
/// Fields that some readers take the first and others the last of, and that decide whose mail it is or what is hidden when it is
/// sealed (RFC 5322 §3.6 allows one each).
const ONLY_ONE: [&str; 3] = ["from", "sender", "subject"];
const ALSO_ONE: [&str; 8] = ["to", "cc", "bcc", "reply-to", "date", "message-id", "in-reply-to", "references"];

struct Walk<'w> {
    octets: &'w [u8],
    limits: &'w Limits,
    parts: Vec<Part>,
    anomalies: Vec<Anomaly>,
    asides: Vec<Aside>,
    /// Where lines stand that are exactly a boundary of some multipart.
    delimiters: BTreeSet<usize>,
    /// Where lines stand that begin with a boundary and go on otherwise, and in which part.
    suspects: Vec<(usize, String)>,
    words: usize,
}

struct Place {
    from: usize,
    to: usize,
    parent: Option<usize>,
    depth: usize,
    number: String,
    default: &'static str,
    in_signed: bool,
}

impl Walk<'_> {
    fn entity(&mut self, place: Place) -> Result<(), Malformed> {
        let Place { from, to, parent, depth, number, default, in_signed } = place;
        let refuse = |what| Err(Malformed { what, place: number.clone() });
        if depth > self.limits.depth {
            return refuse("parts are nested too deeply");
        }
        if self.parts.len() >= self.limits.parts {
            return refuse("too many parts");
        }
        let is_message = parent.is_none_or(|parent| self.parts[parent].kind == Kind::Message);
        let from = if parent.is_some() && is_message { self.skip_mbox_line(from, to, &number) } else { from };
        let (fields, head, body) = header::split(self.octets, from, to, self.limits, &number)?;
        self.words += header::count_words(&self.octets[head.clone()]);
        if self.words > self.limits.encoded_words {
            return refuse("too many encoded words");
        }
        if is_message {
            self.check_repetitions(&fields, parent.is_none(), &number)?;
        }
        let content = self.content(&fields, &number, default)?;
        let index = self.parts.len();
        // IMAP has no number for a message whose only part is itself.
        let own = if parent.is_some() && is_message && content.kind == Kind::Leaf { child(&number, 1) } else { number.clone() };
        let kind = content.kind;
        let boundary = content.boundary.clone();
        let inner_default = if content.content_type == "multipart/digest" { "message/rfc822" } else { PLAIN };
        let in_signed_below = in_signed || content.content_type == "multipart/signed";
        self.parts.push(Part {
            parent,
            children: Vec::new(),
            number: own,
            kind,
            fields,
            header: head,
            body: body..to,
            content_type: content.content_type,
            parameters: content.parameters,
            encoding: content.encoding,
            attachment: content.attachment,
            file_name: content.file_name,
            other_names: content.other_names,
            in_signed,
        });
        if let Some(parent) = parent {
            self.parts[parent].children.push(index);
        }
        match (kind, boundary) {
            (Kind::Multipart, Some(boundary)) => {
                let inside = Place {
                    from: body,
                    to,
                    parent: Some(index),
                    depth: depth + 1,
                    number,
                    default: inner_default,
                    in_signed: in_signed_below,
                };
                self.multipart(inside, boundary.as_bytes())
            }
            (Kind::Message, _) => {
                self.entity(Place { from: body, to, parent: Some(index), depth: depth + 1, number, default: PLAIN, in_signed })
            }
            _ => Ok(()),
        }
    }

    fn multipart(&mut self, inside: Place, boundary: &[u8]) -> Result<(), Malformed> {
        let Place { from, to, parent, depth, number, default, in_signed } = inside;
        let refuse = |what| Err(Malformed { what, place: number.clone() });
        let index = parent.unwrap_or(0);
        // (start of the line, start of the next line, is it the last one)
        let mut lines: Vec<(usize, usize, bool)> = Vec::new();
        for (start, next) in self.lines_that_begin(from, to, boundary) {
            let Some(rest) = self.octets[start + 2..next].strip_prefix(boundary) else { continue };
            let rest = trim_crlf(rest);
            let last = rest.starts_with(b"--");
            let padding = if last { &rest[2..] } else { rest };
            if !padding.iter().all(|b| matches!(b, b' ' | b'\t')) {
                self.suspects.push((start, number.clone()));
                continue;
            }
            self.delimiters.insert(start);
            if lines.last().is_some_and(|(_, _, last)| *last) {
                return refuse("a boundary after the last one");
            }
            if lines.len() > self.limits.parts {
                return refuse("too many parts");
            }
            lines.push((start, next, last));
        }
        let Some(first) = lines.first().filter(|(_, _, last)| !last) else {
            return refuse("a multipart without parts between its boundaries");
        };
        self.aside(index, from, first.0, "content-in-preamble", &number);
        for (n, (_, begin, last)) in lines.iter().enumerate() {
            if *last {
                self.aside(index, *begin, to, "content-in-epilogue", &number);
                continue;
            }
            let end = match lines.get(n + 1) {
                // The CRLF before a boundary belongs to the boundary (RFC 2046 §5.1.1).
                Some((next, _, _)) => next.saturating_sub(2).max(*begin),
                None => {
                    self.anomaly("missing-final-boundary", &number);
                    to
                }
            };
            self.entity(Place { from: *begin, to: end, parent, depth, number: child(&number, n + 1), default, in_signed })?;
        }
        Ok(())
    }

    /// Start and end of each line that begins with `--` and the boundary.
    fn lines_that_begin(&self, from: usize, to: usize, boundary: &[u8]) -> Vec<(usize, usize)> {
        let text = &self.octets[from..to];
        let mark = [b"\n--", boundary].concat();
        let ends = |start: usize| memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |n| start + n + 1);
        let first = text.starts_with(&mark[1..]).then_some(0);
        let others = memchr::memmem::find_iter(text, &mark).map(|n| n + 1);
        first.into_iter().chain(others).map(|start| (from + start, from + ends(start))).collect()
    }

    /// Notes what stands outside the parts; a short sentence for old readers is usual, anything else is worth telling.
    fn aside(&mut self, part: usize, from: usize, to: usize, kind: &'static str, number: &str) {
        let text = self.octets[from..to].trim_ascii();
        if text.is_empty() {
            return;
        }
        self.asides.push(Aside { part, range: from..to });
        // "This is a multi-part message in MIME format.", in any language.
        let usual = text.len() <= 100 && !text.contains(&b'\n') && memchr::memmem::find(text, b"MIME").is_some();
        if !usual {
            self.anomaly(kind, number);
        }
    }

    /// Attached messages taken out of an mbox keep its separator line.
    fn skip_mbox_line(&mut self, from: usize, to: usize, number: &str) -> usize {
        let text = &self.octets[from..to];
        if !text.starts_with(b"From ") && !text.starts_with(b">From ") {
            return from;
        }
        self.anomaly("mbox-line", number);
        memchr::memchr(b'\n', text).map_or(to, |n| from + n + 1)
    }

    fn check_repetitions(&mut self, fields: &[Field], outermost: bool, number: &str) -> Result<(), Malformed> {
        let times = |name: &str| fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
        for name in ONLY_ONE {
            if times(name) > 1 {
                if outermost {
                    return Err(Malformed { what: "a field that may stand only once is repeated", place: name.to_owned() });
                }
                self.anomaly("repeated-field", number);
            }
        }
        for name in ALSO_ONE {
            if times(name) > 1 {
                self.anomaly("repeated-field", number);
            }
        }
        let mime = |field: &&Field| field.name.len() >= 8 && field.name.as_bytes()[..8].eq_ignore_ascii_case(b"content-");
        if fields.iter().any(|field| mime(&field)) && times("mime-version") != 1 {
            self.anomaly(if times("mime-version") == 0 { "missing-mime-version" } else { "repeated-field" }, number);
        }
        Ok(())
    }

    fn content(&mut self, fields: &[Field], number: &str, default: &str) -> Result<Content, Malformed> {
        let kind = self.only(fields, "content-type", number)?;
        let encoding = self.only(fields, "content-transfer-encoding", number)?;
        let disposition = self.first(fields, "content-disposition", number);
        let kind = kind.map(|value| structured(&value, self.limits, number)).transpose()?;
        let disposition = disposition.map(|value| structured(&value, self.limits, number)).transpose()?;
        let content_type = self.content_type(kind.as_ref(), number, default)?;
        let encoding = self.encoding(encoding.as_deref(), number);
        let composite = content_type.starts_with("multipart/");
        let message = matches!(content_type.as_str(), "message/rfc822" | "message/global");
        let plain = matches!(encoding, Encoding::SevenBit | Encoding::EightBit | Encoding::Binary);
        if composite && !plain {
            // RFC 2045 §6.4 forbids it; some readers decode first and others never.
            return Err(Malformed { what: "a multipart with an encoding", place: number.to_owned() });
        }
        if message && encoding == Encoding::Unknown {
            return Err(Malformed { what: "an attached message with an unknown encoding", place: number.to_owned() });
        }
        let boundary = if composite { Some(self.boundary(kind.as_ref(), number)?) } else { None };
        for (field, name) in [(&kind, "name"), (&kind, "charset"), (&disposition, "filename")] {
            if field.as_ref().is_some_and(|field| field.all(name).filter(|p| !p.extended).count() > 1) {
                self.anomaly("repeated-parameter", number);
            }
        }
        if kind.as_ref().is_some_and(|kind| kind.odd) || disposition.as_ref().is_some_and(|field| field.odd) {
            self.anomaly("odd-parameters", number);
        }
        let (file_name, other_names) = names(disposition.as_ref(), kind.as_ref());
        Ok(Content {
            kind: if composite {
                Kind::Multipart
            } else if message && plain {
                Kind::Message
            } else {
                Kind::Leaf
            },
            content_type,
            parameters: kind.map(pairs).unwrap_or_default(),
            boundary,
            encoding,
            // RFC 2183 §2.8: a disposition that is not known is treated as attachment.
            attachment: disposition.is_some_and(|field| !field.token.is_empty() && field.token != "inline"),
            file_name,
            other_names,
        })
    }

    fn content_type(&mut self, field: Option<&Structured>, number: &str, default: &str) -> Result<String, Malformed> {
        let Some(field) = field else { return Ok(default.to_owned()) };
        let token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| (33..=126).contains(&b) && !b"()<>@,;:\\\"/[]?=".contains(&b))
        };
        match field.token.split_once('/') {
            Some((kind, subtype)) if token(kind) && token(subtype) => Ok(field.token.clone()),
            _ if field.token.contains("multipart") || field.token.contains("message") => {
                Err(Malformed { what: "a Content-Type that cannot be read", place: number.to_owned() })
            }
            _ => {
                self.anomaly("unreadable-content-type", number);
                Ok(PLAIN.to_owned())
            }
        }
    }

    /// RFC 2046 §5.1.1: 1 to 70 characters. Whatever form readers are known to disagree on is refused: they would see other parts.
    fn boundary(&mut self, field: Option<&Structured>, number: &str) -> Result<String, Malformed> {
        let refuse = |what| Err(Malformed { what, place: number.to_owned() });
        let mut all = field.into_iter().flat_map(|field| field.all("boundary"));
        let Some(boundary) = all.next() else { return refuse("a multipart without a boundary") };
        if all.any(|other| other.value != boundary.value) {
            return refuse("a multipart with two boundaries");
        }
        let text = &boundary.value;
        if boundary.extended || boundary.odd || text.contains(['\\', '"']) {
            return refuse("a boundary that readers read in several ways");
        }
        if text.is_empty() || text.len() > 200 {
            return refuse("a boundary that is empty or too long");
        }
        if text.ends_with([' ', '\t']) || !text.bytes().all(|b| (32..=126).contains(&b)) {
            return refuse("a boundary with characters that are not allowed");
        }
        Ok(text.clone())
    }

    fn encoding(&mut self, value: Option<&str>, number: &str) -> Encoding {
        let Some(value) = value else { return Encoding::SevenBit };
        let known = |word: &str| {
            Some(match word.to_ascii_lowercase().as_str() {
                "7bit" => Encoding::SevenBit,
                "8bit" => Encoding::EightBit,
                "binary" => Encoding::Binary,
                "quoted-printable" => Encoding::QuotedPrintable,
                "base64" => Encoding::Base64,
                _ => return None,
            })
        };
        // A comment or parameter behind the word hides it from some readers: then all readings are inspected.
        known(value).unwrap_or_else(|| {
            self.anomaly("unknown-encoding", number);
            Encoding::Unknown
        })
    }

    /// The unfolded value of a field that decides how the part is read; repeated with another value it is refused.
    fn only(&mut self, fields: &[Field], name: &'static str, number: &str) -> Result<Option<String>, Malformed> {
        let mut found = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let Some(first) = found.next() else { return Ok(None) };
        let value = unfold(&self.octets[first.value.clone()]);
        for other in found {
            if unfold(&self.octets[other.value.clone()]) != value {
                return Err(Malformed {
                    what: "two fields that say different things about one part",
                    place: format!("{number} {name}"),
                });
            }
            self.anomaly(if name == "content-type" { "duplicate-content-type" } else { "duplicate-encoding" }, number);
        }
        Ok(Some(value))
    }

    fn first(&mut self, fields: &[Field], name: &'static str, number: &str) -> Option<String> {
        let mut found = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let first = found.next()?;
        if found.next().is_some() {
            self.anomaly("duplicate-disposition", number);
        }
        Some(unfold(&self.octets[first.value.clone()]))
    }

    fn anomaly(&mut self, kind: &'static str, number: &str) {
        let anomaly = Anomaly { kind, part: number.to_owned() };
        if !self.anomalies.contains(&anomaly) && self.anomalies.len() < 1_000 {
            self.anomalies.push(anomaly);
        }
    }
}

struct Content {
    kind: Kind,
    content_type: String,
    parameters: Vec<(String, String)>,
    boundary: Option<String>,
    encoding: Encoding,
    attachment: bool,
    file_name: Option<String>,
    other_names: Vec<String>,
}

fn pairs(field: Structured) -> Vec<(String, String)> {
    // The extended form first, so that whoever takes the first takes what `get` takes.
    let (extended, plain): (Vec<_>, Vec<_>) = field.parameters.into_iter().partition(|p| p.extended);
    extended.into_iter().chain(plain).map(|p| (p.name, p.value)).collect()
}

fn names(disposition: Option<&Structured>, kind: Option<&Structured>) -> (Option<String>, Vec<String>) {
    let preferred = disposition.and_then(|field| field.get("filename")).or_else(|| kind.and_then(|field| field.get("name")));
    let in_disposition = disposition.into_iter().flat_map(|field| field.all("filename"));
    let all = in_disposition.chain(kind.into_iter().flat_map(|field| field.all("name")));
    let mut others: Vec<String> = Vec::new();
    for name in all {
        if Some(name.value.as_str()) != preferred && !others.contains(&name.value) {
            others.push(name.value.clone());
        }
    }
    (preferred.map(str::to_owned), others)
}

fn child(number: &str, n: usize) -> String {
    if number.is_empty() { n.to_string() } else { format!("{number}.{n}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawMessage {
        RawMessage::new(text.replace('\n', "\r\n").into_bytes()).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(&raw(text), &Limits::default()).map(|_| ()).unwrap_err().to_string()
    }

    fn tree(text: &str) -> (Vec<(String, String, String)>, Vec<&'static str>) {
        let raw = raw(text);
        let message = parse(&raw, &Limits::default()).unwrap();
        let body = |part: &Part| String::from_utf8_lossy(message.body_of(part)).into_owned();
        let parts = message.parts.iter().map(|p| {
            let shown = if p.kind == Kind::Leaf { body(p) } else { String::new() };
            (p.number.clone(), p.content_type.clone(), shown)
        });
        (parts.collect(), message.anomalies.iter().map(|a| a.kind).collect())
    }

    const TOP: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n";

    #[test]
    fn parts_are_found_where_every_reader_finds_them() {
        let (parts, anomalies) = tree(&format!(
            "{TOP}--b\nContent-Type: multipart/alternative; boundary=b2\n\n--b2 \n\nplain\n--b2\nContent-Type: text/html\n\n<p>\n--b2--\n\n\
             --b\nContent-Type: message/rfc822\n\nMIME-Version: 1.0\nSubject: x\n\ninner\n\n--b\n\n--b--\n"
        ));
        let expected = [
            ("", "multipart/mixed", ""),
            ("1", "multipart/alternative", ""),
            ("1.1", "text/plain", "plain"),
            ("1.2", "text/html", "<p>"),
            ("2", "message/rfc822", ""),
            ("2.1", "text/plain", "inner\r\n"),
            ("3", "text/plain", ""),
        ];
        assert_eq!(parts, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
        assert!(anomalies.is_empty(), "{anomalies:?}");
    }

    #[test]
    fn what_readers_take_apart_differently_is_refused() {
        for (text, why) in [
            ("From: a@b.example\nFrom: c@d.example\n\nx", "repeated"),
            ("Subject: a\nsubject: b\n\nx", "repeated"),
            ("Content-Type: text/plain\nContent-Type: text/html\n\nx", "different things"),
            ("Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\nx", "different things"),
            ("Content-Type: multipart/mixed\n\nx", "without a boundary"),
            ("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n", "empty"),
            ("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n", "two boundaries"),
            ("Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''b\n\n--a\n\nx\n--a--\n", "two boundaries"),
            ("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx\n--ab--\n", "several ways"),
            ("Content-Type: multipart/mixed; boundary=a b\n\n--a\n\nx\n--a--\n", "several ways"),
            ("Content-Type: multipart/mixed; boundary=a(x)\n\n--a\n\nx\n--a--\n", "several ways"),
            (
                "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\nx\n--a--\n",
                "with an encoding",
            ),
            ("Content-Type: multipart/mixed; boundary=a\n\nno boundary at all", "without parts"),
            ("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--ab\n\ny\n--a--\n", "goes on"),
            ("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n--a\n\ny\n--a--\n", "after the last"),
            ("Content-Type: multipart; boundary=a\n\n--a\n\nx\n--a--\n", "cannot be read"),
            (
                "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n--a--\n",
                "after the last",
            ),
            ("Content-Type: multipart/mixed; boundary=a\n\n--a\nno field\nContent-Type: text/html\n\nx\n--a--\n", "colon"),
            ("From alice\nSubject: x\n\nx", "colon"),
            ("Content-Type : text/html\n\nx", "name"),
        ] {
            let told = refused(text);
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }

    #[test]
    fn what_readers_only_word_differently_is_told() {
        for (text, kind) in [
            ("To: a\nTo: b\n\nx", "repeated-field"),
            ("Content-Type: text/plain\n\nx", "missing-mime-version"),
            ("MIME-Version: 1.0\nContent-Type: text/plain\ncontent-type: text/plain\n\nx", "duplicate-content-type"),
            ("MIME-Version: 1.0\nContent-Type: text\n\nx", "unreadable-content-type"),
            ("MIME-Version: 1.0\nContent-Type: text/plain (a)\n\nx", "odd-parameters"),
            ("MIME-Version: 1.0\nContent-Type: a/b; name=x; name=y\n\nx", "repeated-parameter"),
            ("MIME-Version: 1.0\nContent-Transfer-Encoding: base64 (x)\n\nx", "unknown-encoding"),
            (
                "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\nhidden\n--a\n\nx\n--a--\n",
                "content-in-preamble",
            ),
            ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\nhidden", "content-in-epilogue"),
            ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n", "missing-final-boundary"),
            ("Subject: \u{e9}\n\nx", "eight-bit-header"),
        ] {
            assert!(tree(text).1.contains(&kind), "{text:?}: {:?}", tree(text).1);
        }
    }

    #[test]
    fn a_boundary_that_begins_another_one_is_no_reason_to_refuse() {
        let (parts, _) = tree(&format!("{TOP}--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx\n--b1--\n--b--\n"));
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[2].2, "x");
    }

    #[test]
    fn limits_are_refusals() {
        let deep = (0..60).fold(String::new(), |text, n| {
            format!("{text}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")
        });
        assert!(refused(&deep).contains("deeply"));
        let attached = "Content-Type: message/rfc822\n\n".repeat(60);
        assert!(refused(&attached).contains("deeply"));
        assert!(refused(&format!("{TOP}{}", "--b\n\n".repeat(5_002))).contains("too many"));
        assert!(refused(&"A: b\n".repeat(2_001)).contains("too many"));
        assert!(refused(&format!("Subject: {}\n\n", "\n =?a?q?b?=".repeat(10_001))).contains("encoded words"));
    }
}

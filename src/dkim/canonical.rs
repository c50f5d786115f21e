//! Turns a header section and a body into the octets that DKIM hashes: the relaxed forms of RFC 6376 §3.4.

use crate::mail::Domain;
use aws_lc_rs::digest;
use memchr::memchr2_iter;

/// One header field as it stands: name without colon, and all that follows the colon up to its last CRLF.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'x> {
    pub name: &'x [u8],
    pub value: &'x [u8],
}

impl Field<'_> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header section from top to bottom. A line without colon is no field and is passed over: `mime` has refused it.
pub fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', header).map(|at| at + 1).chain([header.len()]) {
        if at == start || matches!(header.get(at), Some(b' ' | b'\t')) {
            continue;
        }
        let whole = &header[start..at];
        start = at;
        if let Some(colon) = memchr::memchr(b':', whole) {
            fields.push(Field { name: whole[..colon].trim_ascii_end(), value: &whole[colon + 1..] });
        }
    }
    fields
}

/// SHA-256 of the relaxed body (RFC 6376 §3.4.4): runs of blanks become one space, blanks at line ends and empty lines at the end
/// vanish, and what is left ends in CRLF. Untouched stretches go to the hash as they are, without a copy.
pub fn body_hash(body: &[u8]) -> digest::Digest {
    let mut hash = digest::Context::new(&digest::SHA256);
    // Trailing blanks of the last lines and the empty lines themselves: all of it is dropped by the two rules together.
    let end = body.iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).map_or(0, |at| at + 1);
    let body = &body[..end];
    let (mut start, mut done) = (0, 0);
    for at in memchr2_iter(b' ', b'\t', body) {
        if at < done {
            continue;
        }
        done = at + body[at..].iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(0);
        let at_line_end = body.get(done) == Some(&b'\r');
        if !at_line_end && &body[at..done] == b" " {
            continue;
        }
        hash.update(&body[start..at]);
        if !at_line_end {
            hash.update(b" ");
        }
        start = done;
    }
    hash.update(&body[start..]);
    if end > 0 {
        hash.update(b"\r\n");
    }
    hash.finish()
}

/// Adds one relaxed field (RFC 6376 §3.4.2): name in lower case, unfolded, runs of blanks as one space, none around the colon and
/// at the end. The CRLF is the caller's, for the signature's own field goes without one.
pub fn relaxed(field: Field<'_>, out: &mut Vec<u8>) {
    out.extend(field.name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let mut words = field.value.split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out.extend_from_slice(first);
    }
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

/// The domains of all mailboxes in the one From field; `None` when there is not exactly one such field, or no address in it, or
/// anything in it that is no address of a domain name.
pub fn from_domains(header: &[u8]) -> Option<Vec<Domain>> {
    let fields = fields(header);
    let mut from = fields.iter().filter(|field| field.is("From"));
    let (field, None) = (from.next()?, from.next()) else { return None };
    let mut value = field.value.to_vec();
    if !value.ends_with(b"\n") {
        value.extend_from_slice(b"\r\n");
    }
    let parsed = mail_parser::parsers::MessageStream::new(&value).parse_address();
    let address = parsed.as_address()?;
    let domains: Option<Vec<Domain>> = address
        .iter()
        .map(|mailbox| {
            let (_, domain) = mailbox.address.as_deref()?.rsplit_once('@')?;
            Domain::parse(domain).ok()
        })
        .collect();
    domains.filter(|domains| !domains.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// The rules of RFC 6376 §3.4.4 read line by line, as slowly as one likes.
    fn by_the_book(body: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for line in body.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut out = Vec::new();
            for &b in line {
                match b {
                    b' ' | b'\t' if out.last() == Some(&b' ') => {}
                    b' ' | b'\t' => out.push(b' '),
                    other => out.push(other),
                }
            }
            if out.last() == Some(&b' ') {
                out.pop();
            }
            lines.push(out);
        }
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).collect()
    }

    #[test]
    fn the_body_is_hashed_as_the_standard_reads_it() {
        for body in [
            &b""[..],
            b"\r\n",
            b" \r\n\t\r\n\r\n",
            b"a",
            b"a\r\n",
            b"a \t b \r\n\r\n c\t\r\n \r\n\r\n",
            b" C \r\nD \t E\r\n\r\n\r\n",
            b"\r\n\r\nx",
            b"  x",
            b"\tx  y\t",
            b"a b c d\r\ne  f\r\n",
            b"x \r\n.\r\n y",
            b"\xe9\xa0 \xe9",
        ] {
            let wanted = digest::digest(&digest::SHA256, &by_the_book(body));
            assert_eq!(body_hash(body).as_ref(), wanted.as_ref(), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_empty_body_has_the_hash_that_the_standard_prints() {
        assert_eq!(STANDARD.encode(body_hash(b"")), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn header_fields_are_relaxed_as_in_the_standard() {
        for (header, wanted) in [
            (&b"A: X\r\n"[..], &b"a:X"[..]),
            (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z"),
            (b"SUBJect:  AbC \t d \r\n", b"subject:AbC d"),
            (b"Empty:\r\n", b"empty:"),
            (b"Last: no line end", b"last:no line end"),
        ] {
            let mut out = Vec::new();
            relaxed(fields(header)[0], &mut out);
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn fields_end_where_the_next_one_begins() {
        let fields = fields(b"A: 1\r\n\tmore\r\nB: 2\r\nno field\r\nC:\r\n 3\r\n");
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names, [b"A", b"B", b"C"]);
        assert_eq!(fields[0].value, b" 1\r\n\tmore\r\n");
    }

    #[test]
    fn the_signing_domain_comes_from_the_one_from_field() {
        for (header, wanted) in [
            (&b"From: a@example.org\r\n"[..], Some(vec!["example.org"])),
            (b"from:\r\n \"x, y@evil.example\" <a@Sub.Example.ORG>\r\n", Some(vec!["sub.example.org"])),
            (b"From: a@example.org, b@example.net\r\n", Some(vec!["example.org", "example.net"])),
            (b"From: a@example.org\r\nFrom: b@example.org\r\n", None),
            (b"To: a@example.org\r\n", None),
            (b"From: nobody\r\n", None),
            (b"From:\r\n", None),
        ] {
            let domains = from_domains(header);
            let texts = domains.as_ref().map(|list| list.iter().map(Domain::as_str).collect::<Vec<_>>());
            assert_eq!(texts, wanted, "{}", String::from_utf8_lossy(header));
        }
    }
}

//! Turns the values of delivery reports' parameters (RFC 3461, RFC 6533) into what a sender asked for, and back.

use super::words::Say;
use crate::mail::{Notify, Return};
use std::fmt::Write;

/// RFC 3461 §4.4: ENVID as it is written.
const ENVID: usize = 100;
/// RFC 3461 §4.2: ORCPT as it is written.
const ORIGINAL: usize = 500;

/// ENVID: printable ASCII (§4.4), decoded.
pub fn envid(value: &str) -> Result<String, Say> {
    let decoded = (value.len() <= ENVID).then(|| from_xtext(value)).flatten();
    decoded.filter(|text| !text.is_empty() && is_printable_ascii(text)).ok_or(Say::BadParameter)
}

pub fn ret(value: &str) -> Result<Return, Say> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Ok(Return::Full),
        "HDRS" => Ok(Return::Headers),
        _ => Err(Say::BadParameter),
    }
}

/// NEVER alone, or a list (§4.1).
pub fn notify(value: &str) -> Result<Notify, Say> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return Err(Say::BadParameter),
        }
    }
    Ok(notify)
}

/// ORCPT: the type in lower case and the address, decoded. An address of type `utf-8` may hold `\x{E9}` (RFC 6533 §3), any other is
/// printable ASCII.
pub fn original(value: &str) -> Result<(String, String), Say> {
    let parts = (value.len() <= ORIGINAL).then(|| value.split_once(';')).flatten();
    let (kind, address) = parts.ok_or(Say::BadParameter)?;
    let is_atom = !kind.is_empty() && kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let kind = kind.to_ascii_lowercase();
    let decoded = match kind.as_str() {
        _ if !is_atom => None,
        "utf-8" => from_unicode_xtext(address).filter(|text| text.chars().all(|c| !c.is_control())),
        _ => from_xtext(address).filter(|text| is_printable_ascii(text)),
    };
    match decoded {
        Some(text) if !text.is_empty() => Ok((kind, text)),
        _ => Err(Say::BadParameter),
    }
}

/// As NOTIFY has it.
pub fn notify_words(notify: Notify) -> String {
    let words = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let asked: Vec<&str> = words.iter().filter(|(asked, _)| *asked).map(|(_, word)| *word).collect();
    if asked.is_empty() { "NEVER".to_owned() } else { asked.join(",") }
}

/// As ORCPT has it, in ASCII whatever stands in it.
pub fn original_words(kind: &str, address: &str) -> String {
    if kind == "utf-8" { format!("utf-8;{}", unicode_xtext(address)) } else { format!("{kind};{}", xtext(address)) }
}

/// RFC 3461 §4: for ASCII text.
pub fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'!'..=b'~' if b != b'+' && b != b'=' => out.push(char::from(b)),
            b => drop(write!(out, "+{b:02X}")),
        }
    }
    out
}

/// `utf-8-addr-xtext` of RFC 6533 §3: an address in ASCII, for ORCPT and for delivery reports.
pub fn unicode_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '!'..='~' if !matches!(c, '+' | '=' | '\\') => out.push(c),
            c => drop(write!(out, "\\x{{{:02X}}}", u32::from(c))),
        }
    }
    out
}

/// `None` for what is no xtext of UTF-8.
pub fn from_xtext(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let hex = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        // Small letters are no xtext: one form, so that two readers agree.
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    };
    while let Some(b) = rest.next() {
        match b {
            b'+' => octets.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            b'!'..=b'~' if b != b'=' => octets.push(b),
            _ => return None,
        }
    }
    String::from_utf8(octets).ok()
}

/// Also what RFC 6533 calls `utf-8-addr-unitext`: the characters themselves.
fn from_unicode_xtext(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '\\' => {
                let (digits, after) = rest.strip_prefix("\\x{")?.split_once('}')?;
                let right = (2..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
                out.push(right.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)).flatten()?);
                rest = after;
            }
            '+' | '=' => return None,
            c if c.is_ascii() && !c.is_ascii_graphic() => return None,
            c => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Some(out)
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_read_and_written_again() {
        for (value, decoded) in [("QQ314159", "QQ314159"), ("a+2Bb+3Dc+20d", "a+b=c d"), ("<x@y>", "<x@y>")] {
            assert_eq!(envid(value).as_deref(), Ok(decoded));
            assert_eq!(xtext(decoded), value);
        }
        for (value, kind, decoded) in [
            ("rfc822;Bob@Example.NET", "rfc822", "Bob@Example.NET"),
            ("RFC822;a+2Bb@example.net", "rfc822", "a+b@example.net"),
            ("x400;/S=Bob/", "x400", ""),
            ("utf-8;\\x{E9}lodie@example.net", "utf-8", "élodie@example.net"),
            ("utf-8;élodie@example.net", "utf-8", "élodie@example.net"),
            ("utf-8;a\\x{2B}b@example.net", "utf-8", "a+b@example.net"),
        ] {
            let read = original(value);
            if decoded.is_empty() {
                assert_eq!(read, Err(Say::BadParameter), "{value}");
                continue;
            }
            assert_eq!(read, Ok((kind.to_owned(), decoded.to_owned())), "{value}");
            let written = original_words(kind, decoded);
            assert!(written.is_ascii());
            assert_eq!(original(&written), Ok((kind.to_owned(), decoded.to_owned())), "{written}");
        }
        for (value, words) in [
            ("never", "NEVER"),
            ("SUCCESS,failure,Delay", "SUCCESS,FAILURE,DELAY"),
            ("DELAY,DELAY", "DELAY"),
            ("SUCCESS", "SUCCESS"),
        ] {
            assert_eq!(notify(value).map(notify_words).as_deref(), Ok(words));
        }
    }

    #[test]
    fn what_would_make_a_line_or_a_second_meaning_is_refused() {
        let long = "x".repeat(101);
        for value in ["", "a+0D+0AX", "a+00", "a+7F", "a+C3+A9", "a b", "a=b", "a+2", "a+2b", "é", &long] {
            assert!(envid(value).is_err(), "{value:?}");
        }
        let long = format!("rfc822;{}", "x".repeat(494));
        for value in [
            "",
            "rfc822",
            "rfc822;",
            ";a@example.net",
            "rfc 822;a@example.net",
            "rfc822;a+0D+0AX@example.net",
            "rfc822;é@example.net",
            "utf-8;a\\x{D}b@example.net",
            "utf-8;a\\x{0A}b@example.net",
            "utf-8;a\\x{D800}b@example.net",
            "utf-8;a\\x{110000}b@example.net",
            "utf-8;a\\xE9",
            &long,
        ] {
            assert!(original(value).is_err(), "{value:?}");
        }
        for value in ["", "NEVER,SUCCESS", "SUCCESS,", "SUCCESS,NEVER", "ALWAYS", " SUCCESS"] {
            assert!(notify(value).is_err(), "{value:?}");
        }
        assert!(ret("BODY").is_err() && ret("").is_err() && ret("hdrs") == Ok(Return::Headers));
    }
}

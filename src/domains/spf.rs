//! Turns the text of an SPF record into its terms, or into what is wrong with it (RFC 7208 §4.6, §5, §6, §7).

use super::answers::{Answers, Found};
use crate::mail::Domain;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A record without its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    pub directives: Vec<Directive>,
    pub redirect: Option<Spec>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    pub qualifier: Verdict,
    pub mechanism: Mechanism,
    /// As written.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    All,
    Include(Spec),
    /// Prefix lengths for IPv4 and IPv6.
    A(Option<Spec>, u8, u8),
    Mx(Option<Spec>, u8, u8),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// What a check ends with (§2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::None => "none",
            Verdict::Neutral => "neutral",
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::SoftFail => "softfail",
            Verdict::TempError => "temperror",
            Verdict::PermError => "permerror",
        }
    }
}

/// A domain that may have macros in it (§7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro { letter: char, labels: Option<usize>, reverse: bool, delimiters: String },
}

/// One term that is wrong, and why: receivers then end with permerror, whatever else stands in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTerm {
    pub term: String,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No such mechanism.
    Unknown,
    /// What follows `:` or `=` is missing, or there may be nothing.
    Argument,
    /// No address, or a wrong prefix length.
    Network,
    /// No domain name, or a wrong macro.
    Domain,
    /// A modifier that may stand once.
    Twice,
    /// Characters that DNS or RFC 7208 know nothing of.
    Characters,
}

/// The record of a domain, chosen by its version alone (§4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    None,
    One(String),
    /// permerror.
    Several(Vec<String>),
    Failed(String),
}

pub fn record_at(name: &str, answers: &Answers) -> Here {
    let texts = match answers.txt(name) {
        Found::Some(texts) => texts,
        Found::None { .. } => return Here::None,
        Found::Failed(why) => return Here::Failed(why),
    };
    let is_spf = |text: &String| {
        let version = text.split(' ').next().unwrap_or_default();
        version.eq_ignore_ascii_case("v=spf1")
    };
    let mut records: Vec<String> = texts.into_iter().filter(is_spf).collect();
    match (records.len(), records.pop()) {
        (0, _) | (_, None) => Here::None,
        (1, Some(one)) => Here::One(one),
        (_, Some(last)) => Here::Several(records.into_iter().chain([last]).collect()),
    }
}

/// Terms of one record; with more it can hold nothing that a receiver would work through.
const MOST_TERMS: usize = 500;

impl Spf {
    /// `text` begins with `v=spf1`.
    pub fn parse(text: &str) -> Result<Spf, BadTerm> {
        let mut spf = Spf { directives: Vec::new(), redirect: None };
        let mut has_exp = false;
        for (number, term) in text.split(' ').skip(1).filter(|term| !term.is_empty()).enumerate() {
            let bad = |why| Err(BadTerm { term: term.chars().take(80).collect(), why });
            if number >= MOST_TERMS || !term.bytes().all(|b| b.is_ascii_graphic()) {
                return bad(Why::Characters);
            }
            if let Some((name, value)) = modifier(term) {
                match name.to_ascii_lowercase().as_str() {
                    "redirect" => match (Spec::parse(value, Place::Domain), &spf.redirect) {
                        (_, Some(_)) => return bad(Why::Twice),
                        (None, _) => return bad(Why::Domain),
                        (spec, None) => spf.redirect = spec,
                    },
                    "exp" => {
                        if Spec::parse(value, Place::Domain).is_none() {
                            return bad(Why::Domain);
                        }
                        if std::mem::replace(&mut has_exp, true) {
                            return bad(Why::Twice);
                        }
                    }
                    // Unknown modifiers are ignored, as long as they are written as such (§6).
                    _ => {
                        if Spec::parse(value, Place::Modifier).is_none() {
                            return bad(Why::Domain);
                        }
                    }
                }
                continue;
            }
            let (qualifier, rest) = match term.as_bytes().first() {
                Some(b'+') => (Verdict::Pass, &term[1..]),
                Some(b'-') => (Verdict::Fail, &term[1..]),
                Some(b'~') => (Verdict::SoftFail, &term[1..]),
                Some(b'?') => (Verdict::Neutral, &term[1..]),
                _ => (Verdict::Pass, term),
            };
            match mechanism(rest) {
                Ok(mechanism) => spf.directives.push(Directive { qualifier, mechanism, text: term.to_owned() }),
                Err(why) => return bad(why),
            }
        }
        Ok(spf)
    }

    /// The `all` that decides, if any: later terms are never looked at.
    pub fn all(&self) -> Option<&Directive> {
        self.directives.iter().find(|directive| directive.mechanism == Mechanism::All)
    }
}

/// `name=value` with a name (§12); the `=` of a domain-spec comes after a `:` or `/`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    named.then_some((name, value))
}

fn mechanism(text: &str) -> Result<Mechanism, Why> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let colon = rest.strip_prefix(':');
    let needed = |rest: Option<&str>| {
        let value = rest.filter(|value| !value.is_empty()).ok_or(Why::Argument)?;
        Spec::parse(value, Place::Domain).ok_or(Why::Domain)
    };
    match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Ok(Mechanism::All),
        "all" => Err(Why::Argument),
        "include" => Ok(Mechanism::Include(needed(colon)?)),
        "exists" => Ok(Mechanism::Exists(needed(colon)?)),
        "ptr" if rest.is_empty() => Ok(Mechanism::Ptr(None)),
        "ptr" => Ok(Mechanism::Ptr(Some(needed(colon)?))),
        kind @ ("a" | "mx") => {
            let (spec, v4, v6) = host_and_lengths(rest)?;
            Ok(if kind == "a" { Mechanism::A(spec, v4, v6) } else { Mechanism::Mx(spec, v4, v6) })
        }
        "ip4" => {
            let (address, length) = network(colon.ok_or(Why::Argument)?, 32)?;
            Ok(Mechanism::Ip4(address.parse().map_err(|_| Why::Network)?, length))
        }
        "ip6" => {
            let (address, length) = network(colon.ok_or(Why::Argument)?, 128)?;
            Ok(Mechanism::Ip6(address.parse().map_err(|_| Why::Network)?, length))
        }
        _ => Err(Why::Unknown),
    }
}

/// `:domain/24//64` of `a` and `mx`, each part optional.
fn host_and_lengths(rest: &str) -> Result<(Option<Spec>, u8, u8), Why> {
    let (host, lengths) = match rest.strip_prefix(':') {
        // A slash inside of a macro is a delimiter.
        Some(rest) => {
            let mut inside = false;
            let slash = rest.find(|c| {
                inside = (inside || c == '{') && c != '}';
                c == '/' && !inside
            });
            let (host, lengths) = rest.split_at(slash.unwrap_or(rest.len()));
            (Some(Spec::parse(host, Place::Domain).ok_or(Why::Domain)?), lengths)
        }
        None => (None, rest),
    };
    let (v4, v6) = match lengths.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (lengths, None),
    };
    let v4 = match v4 {
        "" => 32,
        text => length(text.strip_prefix('/').ok_or(Why::Network)?, 32)?,
    };
    Ok((host, v4, v6.map_or(Ok(128), |text| length(text, 128))?))
}

fn network(text: &str, most: u8) -> Result<(&str, u8), Why> {
    match text.split_once('/') {
        Some((address, text)) => Ok((address, length(text, most)?)),
        None => Ok((text, most)),
    }
}

/// Without leading zeros (§12).
fn length(text: &str, most: u8) -> Result<u8, Why> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|length| digits && *length <= most).ok_or(Why::Network)
}

/// Where a macro string stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Domain,
    Modifier,
}

/// Who sends: the values of macros.
#[derive(Clone, Debug)]
pub struct Sender<'x> {
    pub address: IpAddr,
    pub local: &'x str,
    /// Of MAIL FROM.
    pub domain: &'x str,
    pub helo: &'x str,
}

impl Spec {
    fn parse(text: &str, place: Place) -> Option<Spec> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '%' {
                literal.push(c);
                continue;
            }
            let kind = rest.chars().next()?;
            rest = rest.get(1..)?;
            match kind {
                '%' => literal.push('%'),
                '_' => literal.push(' '),
                '-' => literal.push_str("%20"),
                '{' => {
                    let (inside, after) = rest.split_once('}')?;
                    rest = after;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(macro_of(inside)?);
                }
                _ => return None,
            }
        }
        let ends_in_macro = literal.is_empty() && matches!(pieces.last(), Some(Piece::Macro { .. }));
        if place == Place::Domain && !ends_in_macro {
            // domain-end: a dot and a top label that is no number (§7.1).
            let (_, top) = literal.trim_end_matches('.').rsplit_once('.')?;
            let right =
                top.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !top.starts_with('-') && !top.ends_with('-');
            if !right || top.is_empty() || top.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Some(Spec(pieces))
    }

    /// The name to ask for (§7.3); too long a name loses its left labels.
    pub fn expand(&self, sender: &Sender<'_>, domain: &str) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Macro { letter, labels, reverse, delimiters } => {
                    let value = value_of(*letter, sender, domain);
                    let splits = |c: char| if delimiters.is_empty() { c == '.' } else { delimiters.contains(c) };
                    let mut parts: Vec<&str> = value.split(splits).collect();
                    if *reverse {
                        parts.reverse();
                    }
                    let skipped = labels.map_or(0, |count| parts.len().saturating_sub(count));
                    let joined = parts[skipped..].join(".");
                    text.push_str(&if letter.is_ascii_uppercase() { escaped(&joined) } else { joined });
                }
            }
        }
        let mut name = text.trim_end_matches('.');
        while name.len() > LONGEST_NAME {
            let Some((_, shorter)) = name.split_once('.') else { break };
            name = shorter;
        }
        name.to_ascii_lowercase()
    }

    /// As a person reads it, where it has no macros.
    pub fn literal(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

const LONGEST_NAME: usize = 253;

fn macro_of(inside: &str) -> Option<Piece> {
    let letter = inside.chars().next()?;
    if !"slodiphvSLODIPHV".contains(letter) {
        // c, r and t are for explanations (§7.2).
        return None;
    }
    let rest = &inside[1..];
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let labels = match &rest[..digits] {
        "" => None,
        text => Some(text.parse::<usize>().ok().filter(|count| (1..=LONGEST_NAME).contains(count))?),
    };
    let rest = &rest[digits..];
    let (reverse, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let delimiters = rest.chars().all(|c| ".-+,/_=".contains(c)).then(|| rest.to_owned())?;
    Some(Piece::Macro { letter, labels, reverse, delimiters })
}

fn value_of(letter: char, sender: &Sender<'_>, domain: &str) -> String {
    match letter.to_ascii_lowercase() {
        's' => format!("{}@{}", sender.local, sender.domain),
        'l' => sender.local.to_owned(),
        'o' => sender.domain.to_owned(),
        'd' => domain.to_owned(),
        'i' => match sender.address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let nibbles: Vec<String> =
                    v6.octets().iter().map(|octet| format!("{:x}.{:x}", octet >> 4, octet & 15)).collect();
                nibbles.join(".")
            }
        },
        'h' => sender.helo.to_owned(),
        'v' => if sender.address.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        // §7.3: p should not be used, and this word is what stands for it when it cannot be found.
        _ => "unknown".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        match b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            true => out.push(char::from(b)),
            false => out.push_str(&format!("%{b:02X}")),
        }
        out
    })
}

/// Whether an expanded name can be asked at all.
pub fn is_name(name: &str) -> bool {
    Domain::parse(name).is_ok() && name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_and_wrong_ones_named() {
        for text in [
            "v=spf1",
            "v=spf1 ",
            "V=SPF1  a  MX:Example.ORG/24//64 -ALL",
            "v=spf1 a/0 a//0 mx/32//128 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
            "v=spf1 include:_spf.example.com redirect=_spf.example.net exp=why.%{d}",
            "v=spf1 exists:%{ir}.%{v}._spf.%{d2} unknown=%{d}/x -all",
            "v=spf1 exists:%{l1r+-}.lists._spf.%{d} ?all",
            "v=spf1 a:%{d}/24 ptr ptr:example.org -all",
            "v=spf1 include:example.org. -all",
        ] {
            assert!(Spf::parse(text).is_ok(), "{text}: {:?}", Spf::parse(text));
        }
        for (text, term, why) in [
            ("v=spf1 ipv4:192.0.2.1 -all", "ipv4:192.0.2.1", Why::Unknown),
            ("v=spf1 192.0.2.1", "192.0.2.1", Why::Unknown),
            ("v=spf1 all:x", "all:x", Why::Argument),
            ("v=spf1 include", "include", Why::Argument),
            ("v=spf1 include: -all", "include:", Why::Argument),
            ("v=spf1 include:localhost", "include:localhost", Why::Domain),
            ("v=spf1 include:example.123", "include:example.123", Why::Domain),
            ("v=spf1 a:%{c}.example.org", "a:%{c}.example.org", Why::Domain),
            ("v=spf1 a:%{d0}", "a:%{d0}", Why::Domain),
            ("v=spf1 a:%d.example.org", "a:%d.example.org", Why::Domain),
            ("v=spf1 ip4:192.0.2.256", "ip4:192.0.2.256", Why::Network),
            ("v=spf1 ip4:192.0.2.0/33", "ip4:192.0.2.0/33", Why::Network),
            ("v=spf1 ip4:192.0.2.0/08", "ip4:192.0.2.0/08", Why::Network),
            ("v=spf1 ip6:192.0.2.0", "ip6:192.0.2.0", Why::Network),
            ("v=spf1 a/33", "a/33", Why::Network),
            ("v=spf1 a/", "a/", Why::Network),
            ("v=spf1 redirect=a.example redirect=b.example", "redirect=b.example", Why::Twice),
            ("v=spf1 mx\u{a0}-all", "mx\u{a0}-all", Why::Characters),
            ("v=spf1 -redirect:x.example", "-redirect:x.example", Why::Unknown),
        ] {
            assert_eq!(Spf::parse(text), Err(BadTerm { term: term.into(), why }), "{text}");
        }
        let long = "v=spf1".to_owned() + &" a".repeat(5_000_000);
        assert_eq!(Spf::parse(&long).map(|_| ()).unwrap_err().why, Why::Characters);
    }

    #[test]
    fn macros_expand_as_in_section_7_4() {
        let v4 = Sender {
            address: "192.0.2.3".parse().unwrap(),
            local: "strong-bad",
            domain: "email.example.com",
            helo: "mx.example.com",
        };
        let v6 = Sender { address: "2001:db8::cb01".parse().unwrap(), ..v4.clone() };
        for (text, sender, expected) in [
            ("%{s}", &v4, "strong-bad@email.example.com"),
            ("%{o}", &v4, "email.example.com"),
            ("%{d4}", &v4, "email.example.com"),
            ("%{d2}", &v4, "example.com"),
            ("%{d1}", &v4, "com"),
            ("%{dr}", &v4, "com.example.email"),
            ("%{d2r}", &v4, "example.email"),
            ("%{l-}", &v4, "strong.bad"),
            ("%{lr-}", &v4, "bad.strong"),
            ("%{l1r-}", &v4, "strong"),
            ("%{ir}.%{v}._spf.%{d2}", &v4, "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", &v4, "bad.strong.lp._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", &v4, "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                &v6,
                "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
            ),
        ] {
            let spec = Spec::parse(text, Place::Modifier).unwrap();
            assert_eq!(spec.expand(sender, "email.example.com"), expected, "{text}");
        }
        let long = Spec::parse(&format!("{}x.example.com", "abcdefgh.".repeat(60)), Place::Domain).unwrap().expand(&v4, "x");
        assert!(long.len() <= 253 && long.ends_with(".x.example.com") && long.starts_with("abcdefgh."), "{long}");
    }
}

//! Turns one command line into a [`Command`], or into what is wrong with it.

use super::auth::Mechanism;
use super::parameters;
use super::words::Say;
use crate::mail::{Address, BadAddress, BodyType, Reports, Return};

/// A command of RFC 5321 §4.1.1, RFC 3030, RFC 3207 or RFC 4954, or Postfix's XCLIENT, whose syntax is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Ehlo(Helo),
    Helo(Helo),
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Bdat(Bdat),
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
    Auth { mechanism: Mechanism, initial: Option<Initial<'a>> },
    Xclient(Xclient),
}

/// By what name the client calls itself: letters, digits and `.-_:[]`, at most 255. Claimed, never proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helo(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `None` is the null reverse-path `<>`.
    pub from: Option<Address>,
    /// RFC 1870, in octets.
    pub size: Option<u64>,
    /// RFC 6152.
    pub body: Option<BodyType>,
    /// RFC 8689.
    pub requires_tls: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub ret: Option<Return>,
    pub envid: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    pub recipient: Recipient,
    /// RFC 3461.
    pub reports: Reports,
    /// The line is not ASCII, which only SMTPUTF8 on MAIL allows.
    pub utf8: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Mailbox(Address),
    /// `<postmaster>` without a domain: that of this host (RFC 5321 §4.5.1).
    Postmaster,
}

/// RFC 3030 §2: so many octets follow, and whether they end the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bdat {
    pub octets: u64,
    pub last: bool,
}

/// For whom a server before us speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Xclient {
    /// Nothing was said about a login.
    Silent,
    /// LOGIN=[UNAVAILABLE]
    Nobody,
    Login(Address),
}

/// A base64 response on the AUTH line itself; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Initial<'a>(pub &'a [u8]);

/// RFC 5321 §4.5.3.1.3, the angle brackets included.
const PATH: usize = 256;

/// Reads one line, without its CRLF. Verbs may have any case; white space at the end is forgiven (RFC 5321 §4.1.1).
pub fn parse(line: &[u8]) -> Result<Command<'_>, Say> {
    let line = line.trim_ascii_end();
    let (verb, argument) = match line.iter().position(|&b| b == b' ') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    let mut upper = [0u8; 8];
    let Some(verb) = upper.get_mut(..verb.len()).map(|slot| {
        slot.copy_from_slice(verb);
        slot.make_ascii_uppercase();
        &*slot
    }) else {
        return Err(Say::UnknownCommand);
    };
    match verb {
        b"EHLO" => Helo::parse(argument).map(Command::Ehlo),
        b"HELO" => Helo::parse(argument).map(Command::Helo),
        b"MAIL" => mail(argument.unwrap_or_default()).map(Command::Mail),
        b"RCPT" => rcpt(argument.unwrap_or_default()).map(Command::Rcpt),
        b"AUTH" => auth(argument.unwrap_or_default()),
        b"DATA" => alone(Command::Data, argument),
        b"RSET" => alone(Command::Rset, argument),
        b"QUIT" => alone(Command::Quit, argument),
        b"STARTTLS" => alone(Command::StartTls, argument),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" => argument.map(|_| Command::Vrfy).ok_or(Say::Syntax),
        b"EXPN" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML" => Err(Say::NotImplemented),
        // A browser that was made to speak to us: whatever follows was written by someone else.
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"OPTIONS" | b"CONNECT" => Err(Say::NotMail),
        b"BDAT" => bdat(argument.unwrap_or_default()).map(Command::Bdat),
        b"XCLIENT" => xclient(argument.unwrap_or_default()).map(Command::Xclient),
        _ => Err(Say::UnknownCommand),
    }
}

impl Helo {
    fn parse(argument: Option<&[u8]>) -> Result<Helo, Say> {
        let name = argument.unwrap_or_default().trim_ascii();
        let clean = |b: &u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(b);
        if name.is_empty() || name.len() > 255 || !name.iter().all(clean) {
            return Err(Say::HelloName);
        }
        Ok(Helo(String::from_utf8_lossy(name).into_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn alone<'a>(command: Command<'a>, argument: Option<&[u8]>) -> Result<Command<'a>, Say> {
    if argument.is_none() { Ok(command) } else { Err(Say::NoArgument) }
}

fn mail(argument: &[u8]) -> Result<Mail, Say> {
    let text = text(argument)?;
    let (path, parameters) = path(text, "FROM:").ok_or(Say::SenderSyntax)?;
    let mut mail = Mail { from: None, size: None, body: None, requires_tls: false, smtputf8: false, ret: None, envid: None };
    let mut auth_seen = false;
    for parameter in parameters {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let value = value.unwrap_or_default();
        match name.to_ascii_uppercase().as_str() {
            "SIZE" if mail.size.is_none() => mail.size = Some(size(value)?),
            "BODY" if mail.body.is_none() => mail.body = Some(body(value)?),
            // RFC 4954 §5: only its form is looked at; who hands in is known by AUTH alone.
            "AUTH" if !auth_seen && is_xtext(value) => auth_seen = true,
            "REQUIRETLS" if !mail.requires_tls && !parameter.contains('=') => mail.requires_tls = true,
            "SMTPUTF8" if !mail.smtputf8 && !parameter.contains('=') => mail.smtputf8 = true,
            "RET" if mail.ret.is_none() => mail.ret = Some(parameters::ret(value)?),
            "ENVID" if mail.envid.is_none() => mail.envid = Some(parameters::envid(value)?),
            "SIZE" | "BODY" | "AUTH" | "REQUIRETLS" | "SMTPUTF8" | "RET" | "ENVID" => return Err(Say::BadParameter),
            _ => return Err(Say::UnknownParameter),
        }
    }
    if !mail.smtputf8 && !text.is_ascii() {
        return Err(Say::NotAscii);
    }
    if !path.is_empty() {
        mail.from = Some(Address::parse(path).map_err(|bad| why_not(path, bad, Whose::Sender))?);
    }
    Ok(mail)
}

fn rcpt(argument: &[u8]) -> Result<Rcpt, Say> {
    let text = text(argument)?;
    let (path, given) = path(text, "TO:").ok_or(Say::RecipientSyntax)?;
    let mut reports = Reports::default();
    for parameter in given {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "NOTIFY" if reports.notify.is_none() => reports.notify = Some(parameters::notify(value)?),
            "ORCPT" if reports.original.is_none() => reports.original = Some(parameters::original(value)?),
            "NOTIFY" | "ORCPT" => return Err(Say::BadParameter),
            _ => return Err(Say::UnknownParameter),
        }
    }
    let utf8 = !text.is_ascii();
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(Rcpt { recipient: Recipient::Postmaster, reports, utf8 });
    }
    let address = Address::parse(path).map_err(|bad| why_not(path, bad, Whose::Recipient))?;
    // What another server may send on to a third one (user%there@here, there!user@here, "user@there"@here): relaying by our name.
    if address.local().contains(['%', '!', '@']) {
        return Err(Say::RecipientRoute);
    }
    Ok(Rcpt { recipient: Recipient::Mailbox(address), reports, utf8 })
}

/// A number, and nothing or LAST behind it. Where this cannot be read nobody knows how much of what follows is content: the
/// connection ends.
fn bdat(argument: &[u8]) -> Result<Bdat, Say> {
    let mut words = argument.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let (size, mark, more) = (words.next().unwrap_or_default(), words.next(), words.next());
    let digits = std::str::from_utf8(size).map_err(|_| Say::ChunkSyntax)?;
    let octets = self::size(digits).map_err(|_| Say::ChunkSyntax)?;
    match (mark, more) {
        (None, None) => Ok(Bdat { octets, last: false }),
        (Some(mark), None) if mark.eq_ignore_ascii_case(b"LAST") => Ok(Bdat { octets, last: true }),
        _ => Err(Say::ChunkSyntax),
    }
}

/// <https://www.postfix.org/XCLIENT_README.html>: of what it can say we believe the login only; the client's address and name
/// are read over.
fn xclient(argument: &[u8]) -> Result<Xclient, Say> {
    let text = text(argument)?;
    let mut said = Xclient::Silent;
    for attribute in text.split(' ').filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=').ok_or(Say::Syntax)?;
        match name.to_ascii_uppercase().as_str() {
            "LOGIN" if said != Xclient::Silent => return Err(Say::BadParameter),
            "LOGIN" if matches!(value.to_ascii_uppercase().as_str(), "[UNAVAILABLE]" | "[TEMPUNAVAIL]") => {
                said = Xclient::Nobody
            }
            "LOGIN" => {
                let login = parameters::from_xtext(value).ok_or(Say::XclientLogin)?;
                said = Xclient::Login(Address::parse(&login).map_err(|_| Say::XclientLogin)?);
            }
            "NAME" | "ADDR" | "PORT" | "PROTO" | "HELO" | "DESTADDR" | "DESTPORT" => {}
            _ => return Err(Say::UnknownParameter),
        }
    }
    Ok(said)
}

/// RFC 4954 §4.
fn auth(argument: &[u8]) -> Result<Command<'_>, Say> {
    let (name, initial) = match argument.iter().position(|&b| b == b' ') {
        Some(at) => (&argument[..at], Some(Initial(&argument[at + 1..]))),
        None => (argument, None),
    };
    let mechanism = match name {
        b"" => return Err(Say::Syntax),
        name if name.eq_ignore_ascii_case(b"PLAIN") => Mechanism::Plain,
        name if name.eq_ignore_ascii_case(b"LOGIN") => Mechanism::Login,
        _ => return Err(Say::AuthMechanism),
    };
    Ok(Command::Auth { mechanism, initial })
}

/// UTF-8, which only SMTPUTF8 allows (RFC 6531 §3.3); control characters have no place anywhere.
fn text(argument: &[u8]) -> Result<&str, Say> {
    match std::str::from_utf8(argument) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        Ok(_) => Err(Say::Syntax),
        Err(_) => Err(Say::NotAscii),
    }
}

/// What stands between `<` and `>` after the keyword, and the parameters. One blank before `<` is forgiven: many programs put it.
/// A `>` within a quoted local part ends nothing.
fn path<'a>(text: &'a str, keyword: &str) -> Option<(&'a str, impl Iterator<Item = &'a str>)> {
    let start = text.get(..keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = &text[keyword.len()..];
    let inside = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    let end = inside.bytes().position(|b| {
        if escaped {
            escaped = false;
            return false;
        }
        match b {
            b'"' => quoted = !quoted,
            b'\\' => escaped = quoted,
            b'>' => return !quoted,
            _ => {}
        }
        false
    })?;
    let (path, after) = (&inside[..end], &inside[end + 1..]);
    if path.len() + 2 > PATH || !(after.is_empty() || after.starts_with(' ')) {
        return None;
    }
    Some((path, after.split(' ').filter(|parameter| !parameter.is_empty())))
}

enum Whose {
    Sender,
    Recipient,
}

/// What to say of a path that is no address: routes and address literals are right by RFC 5321 and refused by us.
fn why_not(path: &str, bad: BadAddress, whose: Whose) -> Say {
    let route = path.starts_with('@');
    let literal = path.ends_with(']') && path.contains("@[");
    match (bad, whose) {
        (BadAddress::NotInternational, _) => Say::NotInternational,
        (_, Whose::Sender) if route => Say::SenderRoute,
        (_, Whose::Recipient) if route => Say::RecipientRoute,
        (_, Whose::Sender) if literal => Say::SenderLiteral,
        (_, Whose::Recipient) if literal => Say::RecipientLiteral,
        (_, Whose::Sender) => Say::SenderSyntax,
        (_, Whose::Recipient) => Say::RecipientSyntax,
    }
}

/// RFC 1870 §3: at most 20 digits; a number beyond 64 bits is as good as the largest.
fn size(value: &str) -> Result<u64, Say> {
    if value.is_empty() || value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Say::BadParameter);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// RFC 6152 §2; BINARYMIME (RFC 3030) is not offered.
fn body(value: &str) -> Result<BodyType, Say> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(BodyType::SevenBit),
        "8BITMIME" => Ok(BodyType::EightBitMime),
        "BINARYMIME" => Err(Say::UnknownParameter),
        _ => Err(Say::BadParameter),
    }
}

/// RFC 3461 §4.
fn is_xtext(value: &str) -> bool {
    let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    let mut octets = value.bytes();
    while let Some(b) = octets.next() {
        match b {
            b'+' if !(hex(octets.next()) && hex(octets.next())) => return false,
            b'=' => return false,
            _ => {}
        }
    }
    !value.is_empty()
}

impl std::fmt::Debug for Initial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Initial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(line: &str) -> Result<Option<String>, Say> {
        match parse(line.as_bytes())? {
            Command::Mail(mail) => Ok(mail.from.map(|address| address.to_string())),
            other => panic!("{other:?}"),
        }
    }

    fn recipient(line: &str) -> Result<String, Say> {
        match parse(line.as_bytes())? {
            Command::Rcpt(Rcpt { recipient: Recipient::Mailbox(address), .. }) => Ok(address.to_string()),
            Command::Rcpt(Rcpt { recipient: Recipient::Postmaster, .. }) => Ok("postmaster".to_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn verbs_have_any_case_and_white_space_at_the_end_is_forgiven() {
        for line in ["data", "DATA", "DaTa", "DATA ", "DATA \t "] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Data), "{line:?}");
        }
        assert_eq!(parse(b"noop what ever"), Ok(Command::Noop));
        assert_eq!(parse(b"ehlo [IPv6:2001:db8::1]"), Ok(Command::Ehlo(Helo("[IPv6:2001:db8::1]".to_owned()))));
        assert_eq!(parse(b"starttls"), Ok(Command::StartTls));
    }

    #[test]
    fn lines_that_are_no_command_say_what_is_wrong() {
        for (line, why) in [
            (&b""[..], Say::UnknownCommand),
            (b" NOOP", Say::UnknownCommand),
            (b"NOOPNOOPNOOPNOOP", Say::UnknownCommand),
            (b"\xff\xfe", Say::UnknownCommand),
            (b"DATA now", Say::NoArgument),
            (b"RSET x", Say::NoArgument),
            (b"STARTTLS x", Say::NoArgument),
            (b"EHLO", Say::HelloName),
            (b"EHLO a b", Say::HelloName),
            (b"EHLO \xc3\xa9", Say::HelloName),
            (b"EHLO <script>", Say::HelloName),
            (b"EXPN staff", Say::NotImplemented),
            (b"BDAT", Say::ChunkSyntax),
            (b"BDAT LAST", Say::ChunkSyntax),
            (b"BDAT -1", Say::ChunkSyntax),
            (b"BDAT +5 LAST", Say::ChunkSyntax),
            (b"BDAT 0x10 LAST", Say::ChunkSyntax),
            (b"BDAT 10 FIRST", Say::ChunkSyntax),
            (b"BDAT 10 LAST LAST", Say::ChunkSyntax),
            (b"BDAT 123456789012345678901", Say::ChunkSyntax),
            (b"XCLIENT LOGIN", Say::Syntax),
            (b"XCLIENT LOGIN=alice", Say::XclientLogin),
            (b"XCLIENT LOGIN=alice@example.org+0D", Say::XclientLogin),
            (b"XCLIENT LOGIN=a@example.org LOGIN=b@example.org", Say::BadParameter),
            (b"XCLIENT ROOT=yes", Say::UnknownParameter),
            (b"GET / HTTP/1.1", Say::NotMail),
            (b"VRFY", Say::Syntax),
            (b"AUTH", Say::Syntax),
            (b"AUTH CRAM-MD5", Say::AuthMechanism),
        ] {
            assert_eq!(parse(line), Err(why), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn senders() {
        for (line, expected) in [
            ("MAIL FROM:<alice@example.org>", Ok(Some("alice@example.org"))),
            ("mail from: <alice@example.org>", Ok(Some("alice@example.org"))),
            ("MAIL FROM:<>", Ok(None)),
            ("MAIL FROM:<\"a b\"@example.org>", Ok(Some("\"a b\"@example.org"))),
            ("MAIL FROM:<\"a>b\\\"\"@example.org> SIZE=1", Ok(Some("\"a>b\\\"\"@example.org"))),
            ("MAIL FROM:<a@example.org>  SIZE=10  body=8bitmime AUTH=<>", Ok(Some("a@example.org"))),
            ("MAIL FROM:<a@example.org> AUTH=e+3Dmc2@example.com", Ok(Some("a@example.org"))),
            ("MAIL FROM:<a@example.org> SIZE=99999999999999999999", Ok(Some("a@example.org"))),
            ("MAIL FROM:  <alice@example.org>", Err(Say::SenderSyntax)),
            ("MAIL FROM:alice@example.org", Err(Say::SenderSyntax)),
            ("MAIL FROM: alice@example.org", Err(Say::SenderSyntax)),
            ("MAIL FROM:<alice>", Err(Say::SenderSyntax)),
            ("MAIL FROM:<a@example.org", Err(Say::SenderSyntax)),
            ("MAIL FROM:<a@example.org>SIZE=1", Err(Say::SenderSyntax)),
            ("MAIL FROM:<<a@example.org>>", Err(Say::SenderSyntax)),
            ("MAIL FROM: <>x", Err(Say::SenderSyntax)),
            ("MAIL FROM <a@example.org>", Err(Say::SenderSyntax)),
            ("MAIL TO:<a@example.org>", Err(Say::SenderSyntax)),
            ("MAIL", Err(Say::SenderSyntax)),
            ("MAIL FROM:< a@example.org>", Err(Say::SenderSyntax)),
            ("MAIL FROM:<a@example.org\t>", Err(Say::Syntax)),
            ("MAIL FROM:<@a.example:b@example.org>", Err(Say::SenderRoute)),
            ("MAIL FROM:<a@[192.0.2.1]>", Err(Say::SenderLiteral)),
            ("MAIL FROM:<é@example.org>", Err(Say::NotAscii)),
            ("MAIL FROM:<é@example.org> BODY=8BITMIME SMTPUTF8", Ok(Some("é@example.org"))),
            ("MAIL FROM:<e\u{301}@café.example> smtputf8", Ok(Some("é@xn--caf-dma.example"))),
            ("MAIL FROM:<a@example.org> SMTPUTF8", Ok(Some("a@example.org"))),
            ("MAIL FROM:<a@ｅxample.org> SMTPUTF8", Err(Say::NotInternational)),
            ("MAIL FROM:<ａ@example.org> SMTPUTF8", Err(Say::SenderSyntax)),
            ("MAIL FROM:<a\u{85}@example.org> SMTPUTF8", Err(Say::Syntax)),
            ("MAIL FROM:<a@example.org> SMTPUTF8=YES", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SMTPUTF8 SMTPUTF8", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ+2B1", Ok(Some("a@example.org"))),
            ("MAIL FROM:<a@example.org> RET=HDRS RET=FULL", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> RET=NONE", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> ENVID=a+0Ab", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> NOTIFY=NEVER", Err(Say::UnknownParameter)),
            ("MAIL FROM:<a@example.org> X", Err(Say::UnknownParameter)),
            ("MAIL FROM:<a@example.org> BODY=BINARYMIME", Err(Say::UnknownParameter)),
            ("MAIL FROM:<a@example.org> BODY=9BIT", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SIZE=", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SIZE", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SIZE=-1", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SIZE=1 SIZE=2", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> SIZE=123456789012345678901", Err(Say::BadParameter)),
            ("MAIL FROM:<a@example.org> AUTH=a+3", Err(Say::BadParameter)),
            (&format!("MAIL FROM:<a@{}example.org>", "x.".repeat(125)), Err(Say::SenderSyntax)),
        ] {
            assert_eq!(sender(line), expected.map(|text: Option<&str>| text.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn recipients() {
        for (line, expected) in [
            ("RCPT TO:<bob@example.net>", Ok("bob@example.net")),
            ("rcpt to: <bob+x@EXAMPLE.net>", Ok("bob+x@example.net")),
            ("RCPT TO:<Postmaster>", Ok("postmaster")),
            ("RCPT TO:<\"b c\"@example.net>", Ok("\"b c\"@example.net")),
            ("RCPT TO:<>", Err(Say::RecipientSyntax)),
            ("RCPT TO:<bob>", Err(Say::RecipientSyntax)),
            ("RCPT TO:bob@example.net", Err(Say::RecipientSyntax)),
            ("RCPT TO:<bob@example.net> NOTIFY=NEVER ORCPT=rfc822;bob@example.net", Ok("bob@example.net")),
            ("RCPT TO:<postmaster> NOTIFY=SUCCESS,DELAY", Ok("postmaster")),
            ("RCPT TO:<bob@example.net> NOTIFY=NEVER NOTIFY=SUCCESS", Err(Say::BadParameter)),
            ("RCPT TO:<bob@example.net> NOTIFY=NEVER,SUCCESS", Err(Say::BadParameter)),
            ("RCPT TO:<bob@example.net> ORCPT=bob@example.net", Err(Say::BadParameter)),
            ("RCPT TO:<bob@example.net> RET=HDRS", Err(Say::UnknownParameter)),
            ("RCPT TO:<postmaster> X=1", Err(Say::UnknownParameter)),
            ("RCPT TO:<@gate.example,@b.example:c@example.net>", Err(Say::RecipientRoute)),
            ("RCPT TO:<bob%example.net@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<example.net!bob@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<\"bob@example.net\"@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<bob@example.net@example.org>", Err(Say::RecipientSyntax)),
            ("RCPT TO:<bob@[127.0.0.1]>", Err(Say::RecipientLiteral)),
            ("RCPT TO:<bob@caf\u{e9}.example>", Ok("bob@xn--caf-dma.example")),
            ("RCPT TO:<bob％example.net@example.org>", Err(Say::RecipientSyntax)),
            ("RCPT TO:<|/bin/sh@example.net;id>", Err(Say::RecipientSyntax)),
        ] {
            assert_eq!(recipient(line), expected.map(str::to_owned), "{line}");
        }
    }

    #[test]
    fn a_password_on_the_auth_line_shows_in_no_debug() {
        let command = parse(b"AUTH PLAIN AGEAYg==").unwrap();
        assert!(!format!("{command:?}").contains("AGEAYg"));
    }

    #[test]
    fn chunks_and_foreign_logins() {
        for (line, octets, last) in
            [("BDAT 0", 0, false), ("bdat 10  last", 10, true), ("BDAT 99999999999999999999 LAST", u64::MAX, true)]
        {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Bdat(Bdat { octets, last })), "{line}");
        }
        let alice = || Xclient::Login(Address::parse("alice@example.org").unwrap());
        for (line, said) in [
            ("XCLIENT LOGIN=alice@example.org", alice()),
            ("xclient NAME=a.example ADDR=192.0.2.1 PORT=25 LOGIN=alice+40example.org PROTO=ESMTP", alice()),
            ("XCLIENT LOGIN=[UNAVAILABLE]", Xclient::Nobody),
            ("XCLIENT ADDR=192.0.2.1", Xclient::Silent),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Xclient(said)), "{line}");
        }
    }
}

//! Turns one command line into a [`Command`], or into what is wrong with it.

use super::auth::Mechanism;
use super::words::Say;
use crate::mail::{Address, BadAddress, BodyType};

/// A command of RFC 5321 §4.1.1, RFC 3207 or RFC 4954 whose syntax is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Ehlo(Helo),
    Helo(Helo),
    Mail(Mail),
    Rcpt(Recipient),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
    Auth { mechanism: Mechanism, initial: Option<Initial<'a>> },
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
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Mailbox(Address),
    /// `<postmaster>` without a domain: that of this host (RFC 5321 §4.5.1).
    Postmaster,
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
        // Its content would follow unasked, and be taken for commands.
        b"BDAT" => Err(Say::NoChunking),
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
    let from = match path {
        "" => None,
        path => Some(Address::parse(path).map_err(|bad| why_not(path, bad, Whose::Sender))?),
    };
    let mut mail = Mail { from, size: None, body: None, requires_tls: false };
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
            "SIZE" | "BODY" | "AUTH" | "REQUIRETLS" => return Err(Say::BadParameter),
            "SMTPUTF8" => return Err(Say::NotAscii),
            _ => return Err(Say::UnknownParameter),
        }
    }
    Ok(mail)
}

fn rcpt(argument: &[u8]) -> Result<Recipient, Say> {
    let text = text(argument)?;
    let (path, mut parameters) = path(text, "TO:").ok_or(Say::RecipientSyntax)?;
    if path.eq_ignore_ascii_case("postmaster") {
        return parameters.next().map_or(Ok(Recipient::Postmaster), |_| Err(Say::UnknownParameter));
    }
    let address = Address::parse(path).map_err(|bad| why_not(path, bad, Whose::Recipient))?;
    // What another server may send on to a third one (user%there@here, there!user@here, "user@there"@here): relaying by our name.
    if address.local().contains(['%', '!', '@']) {
        return Err(Say::RecipientRoute);
    }
    match parameters.next() {
        None => Ok(Recipient::Mailbox(address)),
        Some(_) => Err(Say::UnknownParameter),
    }
}

/// RFC 4954 §4.
fn auth(argument: &[u8]) -> Result<Command<'_>, Say> {
    let (name, initial) = match argument.iter().position(|&b| b == b' ') {
        Some(at) => (&argument[..at], Some(Initial(&argument[at + 1..]))),
        None => (argument, None),
    };
    if name.is_empty() {
        return Err(Say::Syntax);
    }
    let mechanism = Mechanism::parse(name).ok_or(Say::AuthMechanism)?;
    Ok(Command::Auth { mechanism, initial })
}

/// RFC 6531 §3.5 has the answer for addresses beyond ASCII; control characters have no place anywhere.
fn text(argument: &[u8]) -> Result<&str, Say> {
    match std::str::from_utf8(argument) {
        Ok(text) if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_control()) => Ok(text),
        Ok(text) if text.is_ascii() => Err(Say::Syntax),
        _ => Err(Say::NotAscii),
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
        (BadAddress::NotAscii, _) => Say::NotAscii,
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
            Command::Rcpt(Recipient::Mailbox(address)) => Ok(address.to_string()),
            Command::Rcpt(Recipient::Postmaster) => Ok("postmaster".to_owned()),
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
            (b"BDAT 10 LAST", Say::NoChunking),
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
            ("MAIL FROM:<a@example.org> SMTPUTF8", Err(Say::NotAscii)),
            ("MAIL FROM:<a@example.org> RET=HDRS", Err(Say::UnknownParameter)),
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
            ("RCPT TO:<bob@example.net> NOTIFY=NEVER", Err(Say::UnknownParameter)),
            ("RCPT TO:<postmaster> X=1", Err(Say::UnknownParameter)),
            ("RCPT TO:<@gate.example,@b.example:c@example.net>", Err(Say::RecipientRoute)),
            ("RCPT TO:<bob%example.net@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<example.net!bob@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<\"bob@example.net\"@example.org>", Err(Say::RecipientRoute)),
            ("RCPT TO:<bob@example.net@example.org>", Err(Say::RecipientSyntax)),
            ("RCPT TO:<bob@[127.0.0.1]>", Err(Say::RecipientLiteral)),
            ("RCPT TO:<bob@caf\u{e9}.example>", Err(Say::NotAscii)),
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
}

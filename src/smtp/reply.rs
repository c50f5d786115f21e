//! Turns outcomes into SMTP replies: text that no client can take for two lines, and a 2yz after DATA only for what is on disk.

use unicode_normalization::UnicodeNormalization;

/// One SMTP reply (RFC 5321 §4.2), with its enhanced status code where it has one (RFC 2034, RFC 3463). Its text is printable, and ASCII
/// unless it is written for a transaction with SMTPUTF8: whatever was foreign in it, no line of it can end early. Outside of this room only a [`Refusal`] or an [`Accepted`] can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// Subject and detail; the class is the code's first digit, as RFC 2034 §4 demands.
    enhanced: Option<(u16, u16)>,
    /// Never empty.
    lines: Vec<String>,
    /// The same in UTF-8; empty where that makes no difference.
    utf8: Vec<String>,
}

/// A reply that says no: 4yz (try again) or 5yz (do not). The only thing a [`super::session::Session`] takes for "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Reply);

/// A reply to DATA that says yes, 250.
///
/// After a 250 the client deletes its copy: from then on the message exists only here. So this type can be made from a
/// [`Durable`] value only, and the only such value is the receipt of a committed, fsynced transaction. There is no other way
/// to a 2yz after DATA: [`super::session::Session::submitted`] asks for this type, and replies cannot be written from outside.
///
/// ```compile_fail
/// postern::smtp::reply::Accepted::new((), "nothing was stored");
/// ```
/// ```compile_fail
/// fn forge(reply: postern::smtp::reply::Reply) -> postern::smtp::reply::Accepted {
///     postern::smtp::reply::Accepted(reply)
/// }
/// ```
#[derive(Debug)]
pub struct Accepted(Reply);

/// The proof that a message is on stable storage. Implemented by the store's receipt and by nothing else; a test holds this.
pub trait Durable {}

/// RFC 5321 §4.5.3.1.5: code, text and CRLF.
const LINE: usize = 512;
/// What stands before and after the text of a line at most: `550-5.123.123 ` and CRLF.
const FRAME: usize = 16;
/// Lines of one reply; more is cut off.
const LINES: usize = 20;

impl Refusal {
    /// `CODE` with the enhanced status `class.subject.detail`, whose class is that of the code. Clients show the first 60
    /// characters of `text`: the reference and the reason belong there.
    /// ```
    /// let refusal = postern::smtp::reply::Refusal::of::<550>(7, 1, "PST-7F3A2CQX9KMD NIR x12 vers gmail.com");
    /// assert_eq!(refusal.to_string(), "550 5.7.1 PST-7F3A2CQX9KMD NIR x12 vers gmail.com");
    /// ```
    /// A code that is no refusal does not compile:
    /// ```compile_fail
    /// postern::smtp::reply::Refusal::of::<250>(0, 0, "done");
    /// ```
    pub fn of<const CODE: u16>(subject: u16, detail: u16, text: &str) -> Refusal {
        const { assert!(CODE >= 400 && CODE <= 599, "a refusal is 4yz or 5yz") };
        Refusal(Reply::new(CODE, Some((subject, detail)), text))
    }

    /// As [`Refusal::of`], for a code that is known only when running; `None` unless it is 4yz or 5yz.
    pub fn new(code: u16, subject: u16, detail: u16, text: &str) -> Option<Refusal> {
        (400..600).contains(&code).then(|| Refusal(Reply::new(code, Some((subject, detail)), text)))
    }

    /// 4yz: the client keeps the message and tries again.
    pub fn is_temporary(&self) -> bool {
        self.0.code < 500
    }

    pub fn reply(&self) -> &Reply {
        &self.0
    }
}

impl Accepted {
    /// `250 2.0.0 text`. Takes the receipt, so that one commit answers one message.
    pub fn new(_receipt: impl Durable, text: &str) -> Accepted {
        Accepted(Reply::new(250, Some((0, 0)), text))
    }

    pub fn reply(&self) -> &Reply {
        &self.0
    }

    /// For tests of the dialogue, where there is no store.
    #[cfg(test)]
    pub(crate) fn in_a_test(text: &str) -> Accepted {
        Accepted(Reply::new(250, Some((0, 0)), text))
    }
}

impl Reply {
    /// Each `\n` of `text` begins a further line of the same reply; letters lose their accents, control characters become blanks.
    pub(super) fn new(code: u16, enhanced: Option<(u16, u16)>, text: &str) -> Reply {
        Reply::from_lines(code, enhanced, text.split('\n'))
    }

    pub(super) fn from_lines<'a>(code: u16, enhanced: Option<(u16, u16)>, texts: impl Iterator<Item = &'a str>) -> Reply {
        let (mut lines, mut utf8): (Vec<String>, Vec<String>) = Default::default();
        let mut differs = false;
        for text in texts {
            differs |= !text.is_ascii();
            wrap(&ascii(text), &mut lines);
            wrap(&printable(text), &mut utf8);
        }
        lines.truncate(LINES);
        utf8.truncate(LINES);
        if lines.is_empty() {
            lines.push(String::new());
        }
        if !differs {
            utf8.clear();
        }
        Reply { code, enhanced, lines, utf8 }
    }

    pub fn code(&self) -> u16 {
        self.code
    }

    /// `5.7.1`; empty where the reply has none.
    pub fn enhanced(&self) -> String {
        self.enhanced.map_or(String::new(), |(subject, detail)| format!("{}.{subject}.{detail}", self.code / 100))
    }

    /// The text of all lines, without codes.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Appends the reply as it goes on the wire.
    pub fn write_to(&self, wire: &mut Vec<u8>) {
        self.write_lines(&self.lines, wire);
    }

    /// The same with accents, for a client that asked for SMTPUTF8 (RFC 6531 §3.7.4.2).
    pub(super) fn write_utf8_to(&self, wire: &mut Vec<u8>) {
        self.write_lines(if self.utf8.is_empty() { &self.lines } else { &self.utf8 }, wire);
    }

    fn write_lines(&self, lines: &[String], wire: &mut Vec<u8>) {
        let enhanced = self.enhanced();
        for (i, line) in lines.iter().enumerate() {
            let mark = if i + 1 < lines.len() { '-' } else { ' ' };
            wire.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            if !enhanced.is_empty() {
                wire.extend_from_slice(enhanced.as_bytes());
                wire.push(b' ');
            }
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
    }
}

impl std::fmt::Display for Reply {
    /// In one line, as a log shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.code, self.enhanced(), self.text())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Accents are dropped, typographic signs become what a typewriter has, control characters blanks, the rest `?`: replies are
/// ASCII unless SMTPUTF8 was asked for (RFC 6531 §3.7.4), and a CR or LF in one would be a reply of the attacker's making.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd() {
        match c {
            ' '..='~' => out.push(c),
            '\u{300}'..='\u{36f}' => {}
            '\u{2018}' | '\u{2019}' | '\u{2032}' => out.push('\''),
            '\u{ab}' | '\u{bb}' | '\u{201c}' | '\u{201d}' => out.push('"'),
            '\u{2010}'..='\u{2015}' => out.push('-'),
            'œ' => out.push_str("oe"),
            'Œ' => out.push_str("OE"),
            'æ' => out.push_str("ae"),
            'Æ' => out.push_str("AE"),
            'ß' => out.push_str("ss"),
            c if c.is_control() => out.push(' '),
            _ => out.push('?'),
        }
    }
    out
}

/// What can be seen, in UTF-8: no control characters, no other kind of line end, nothing that turns the direction of writing.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFF}' => {
            ' '
        }
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    };
    text.nfc().map(shown).collect()
}

/// Cuts text into lines that fit, at blanks where there are any.
fn wrap(text: &str, lines: &mut Vec<String>) {
    let mut rest = text.trim();
    loop {
        let room = rest.floor_char_boundary(LINE - FRAME);
        if room == rest.len() || lines.len() >= LINES {
            lines.push(rest[..room].to_owned());
            return;
        }
        let cut = rest[..room].rfind(' ').filter(|&at| at > 0).unwrap_or(room);
        lines.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_stand_on_the_wire_with_code_and_enhanced_code() {
        for (code, enhanced, text, expected) in [
            (250, Some((1, 0)), "ok", "250 2.1.0 ok\r\n"),
            (354, None, "go ahead", "354 go ahead\r\n"),
            (550, Some((7, 1)), "no\nread this", "550-5.7.1 no\r\n550 5.7.1 read this\r\n"),
            (334, None, "", "334 \r\n"),
            (550, Some((7, 1)), "retenu à l’examen : « œuvre »…", "550 5.7.1 retenu a l'examen : \" oeuvre \"...\r\n"),
        ] {
            assert_eq!(wire(&Reply::new(code, enhanced, text)), expected);
        }
    }

    #[test]
    fn foreign_text_cannot_make_a_reply_of_its_own() {
        for text in [
            "no\r\n250 2.0.0 accepted",
            "no\r250 ok",
            "no\n250 ok",
            "no\u{85}250",
            "no\u{2028}250",
            "\0\u{1b}[31m",
            "\u{202e}",
            "字",
        ] {
            let wire = wire(&Refusal::of::<550>(7, 1, text).0);
            assert!(wire.ends_with("\r\n"));
            for line in wire.trim_end_matches("\r\n").split("\r\n") {
                assert!(line.starts_with("550"), "{line:?}");
                assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
            }
        }
    }

    #[test]
    fn accents_are_written_for_who_asked_for_utf8_and_nothing_else_is() {
        for (text, ascii, utf8) in [
            ("retenu à l’examen", "550 5.7.1 retenu a l'examen\r\n", "550 5.7.1 retenu à l’examen\r\n"),
            ("no\u{2028}250 ok", "550 5.7.1 no?250 ok\r\n", "550 5.7.1 no 250 ok\r\n"),
            ("a\u{202e}b\r\u{85}c", "550 5.7.1 a?b  c\r\n", "550 5.7.1 a b  c\r\n"),
            ("plain", "550 5.7.1 plain\r\n", "550 5.7.1 plain\r\n"),
        ] {
            let reply = Reply::new(550, Some((7, 1)), text);
            let mut wide = Vec::new();
            reply.write_utf8_to(&mut wide);
            assert_eq!((wire(&reply).as_str(), std::str::from_utf8(&wide).unwrap()), (ascii, utf8), "{text:?}");
        }
        let mut wide = Vec::new();
        Reply::new(550, Some((123, 123)), &"é".repeat(3_000)).write_utf8_to(&mut wide);
        assert!(wide.split_inclusive(|&b| b == b'\n').all(|line| line.len() <= 512));
    }

    #[test]
    fn no_line_is_longer_than_512_octets_and_no_reply_longer_than_20_lines() {
        for text in
            ["x".repeat(3_000), "word ".repeat(1_000), format!(" {}", "y".repeat(495)), "a\n".repeat(100), "z".repeat(60_000)]
        {
            let wire = wire(&Reply::new(550, Some((123, 123)), &text));
            assert!(wire.split_inclusive("\r\n").all(|line| line.len() <= 512));
            assert!(wire.matches("\r\n").count() <= LINES);
            assert_eq!(wire.matches("550 ").count(), 1, "one last line");
        }
    }

    #[test]
    fn a_refusal_is_4yz_or_5yz() {
        for code in [0, 200, 250, 354, 399, 600, 999] {
            assert!(Refusal::new(code, 0, 0, "x").is_none(), "{code}");
        }
        assert!(Refusal::new(451, 3, 0, "x").unwrap().is_temporary());
        assert_eq!(Refusal::new(550, 7, 1, "x").unwrap().reply().enhanced(), "5.7.1");
    }
}

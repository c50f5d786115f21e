//! Turns the octets of an upstream into answers (RFC 5321 §4.2), or into the finding that they are none.

/// One complete answer, all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 559.
    pub code: u16,
    /// RFC 3463, from the last line that carries one of the answer's own class.
    pub enhanced: Option<[u16; 3]>,
    /// What follows the code in each line: printable ASCII, everything above replaced by `?`.
    pub lines: Vec<String>,
}

/// What the first digit says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    GoOn,
    Later,
    Never,
}

/// Octets that are no answer: whoever speaks there does not speak SMTP, or no longer knows where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer makes no sense: {0}")]
pub struct Nonsense(pub &'static str);

/// RFC 5321 §4.5.3.1.5 allows 512 octets; some servers write explanations and links.
const LINE_LIMIT: usize = 2_048;
/// An EHLO answer has about fifteen lines.
const LINES_LIMIT: usize = 128;
/// What a report shows of an answer.
const SAID_LIMIT: usize = 200;

/// Answers out of a stream, however its octets are cut.
#[derive(Debug, Default)]
pub struct Answers {
    octets: Vec<u8>,
    lines: Vec<String>,
    code: Option<u16>,
}

impl Answers {
    pub fn take_in(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// True when nothing stands there beyond the answers already given out. Octets left over when TLS begins were sent by someone
    /// who could write into the clear stream (RFC 3207 §6, CVE-2021-38371 and its kind).
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.lines.is_empty()
    }

    /// The next complete answer; `None` asks for more octets. After [`Nonsense`] the connection is of no further use.
    pub fn take_out(&mut self) -> Result<Option<Answer>, Nonsense> {
        let mut taken = 0;
        let answer = loop {
            let rest = &self.octets[taken..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                if rest.len() > LINE_LIMIT {
                    return Err(Nonsense("a line without end"));
                }
                break None;
            };
            if end >= LINE_LIMIT {
                return Err(Nonsense("a line without end"));
            }
            let line = rest[..end].strip_suffix(b"\r").ok_or(Nonsense("a line that does not end in CRLF"))?;
            let (code, last, text) = line_parts(line)?;
            if *self.code.get_or_insert(code) != code {
                return Err(Nonsense("two codes in one answer"));
            }
            if self.lines.len() == LINES_LIMIT {
                return Err(Nonsense("an answer without end"));
            }
            self.lines.push(text);
            taken += end + 1;
            if last {
                self.code = None;
                break Some(Answer::new(code, std::mem::take(&mut self.lines)));
            }
        };
        self.octets.drain(..taken);
        Ok(answer)
    }
}

impl Answer {
    fn new(code: u16, lines: Vec<String>) -> Answer {
        let enhanced = lines.iter().rev().find_map(|line| enhanced(line)).filter(|[class, ..]| *class == code / 100);
        Answer { code, enhanced, lines }
    }

    pub fn kind(&self) -> Kind {
        match self.code / 100 {
            2 => Kind::Good,
            3 => Kind::GoOn,
            4 => Kind::Later,
            _ => Kind::Never,
        }
    }

    /// Code and text in one line of printable ASCII, at most 200 characters: for reports and logs.
    pub fn said(&self) -> String {
        let mut said = format!("{} {}", self.code, self.lines.join(" "));
        said.truncate(SAID_LIMIT);
        said.trim_end().to_owned()
    }
}

/// `Reply-code ( "-" / SP ) [ textstring ]` or a bare code. Controls are refused, octets above 127 only blurred: servers do write
/// their language, and no address or decision hangs on it.
fn line_parts(line: &[u8]) -> Result<(u16, bool, String), Nonsense> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9', rest @ ..] = line else {
        return Err(Nonsense("no code from 200 to 559 at the start of a line"));
    };
    let code = [a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return Err(Nonsense("neither a space nor a hyphen after the code")),
    };
    let text = text.iter().map(|&octet| match octet {
        b'\t' => Ok(' '),
        b' '..=b'~' => Ok(char::from(octet)),
        0x80.. => Ok('?'),
        _ => Err(Nonsense("a control character in the text")),
    });
    Ok((code, last, text.collect::<Result<String, Nonsense>>()?))
}

/// `class "." subject "." detail` (RFC 3463 §2) at the start of the text.
fn enhanced(text: &str) -> Option<[u16; 3]> {
    let word = text.split(' ').next()?;
    let mut numbers = word.split('.').map(|digits| {
        let right = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        right.then(|| digits.parse().ok()).flatten()
    });
    let code = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Vec<(u16, Vec<String>)>, Nonsense> {
        let mut answers = Answers::default();
        answers.take_in(octets);
        let mut all = Vec::new();
        while let Some(answer) = answers.take_out()? {
            all.push((answer.code, answer.lines));
        }
        Ok(all)
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let octets = b"220 gate\r\n250-gate\r\n250-SIZE 10\r\n250 \r\n354\r\n550-5.1.1 No\r\n550 5.1.1 such user\r\n";
        let whole = read(octets).unwrap();
        assert_eq!(whole.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [220, 250, 354, 550]);
        assert_eq!(whole[1].1, ["gate", "SIZE 10", ""]);
        for cut in 1..octets.len() {
            let mut answers = Answers::default();
            let mut all = Vec::new();
            for piece in octets.chunks(cut) {
                answers.take_in(piece);
                while let Some(answer) = answers.take_out().unwrap() {
                    all.push((answer.code, answer.lines));
                }
            }
            assert_eq!(all, whole, "cut every {cut}");
            assert!(answers.is_empty());
        }
    }

    #[test]
    fn what_is_no_answer_is_nonsense() {
        for octets in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"55 x\r\n",
            b"5500 x\r\n",
            b"550x\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
            b"560 x\r\n",
            b"550 x\n",
            b"550 a\rb\r\n",
            b"550 \0\r\n",
            b"550 \x1b[2J\r\n",
            b"250-a\r\n550 b\r\n",
            b" 250 x\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
        ] {
            assert!(read(octets).is_err(), "{:?}", String::from_utf8_lossy(octets));
        }
    }

    #[test]
    fn an_endless_answer_ends() {
        assert!(read(&[b'2'; 3_000]).is_err());
        assert!(read(&b"250-x\r\n".repeat(200)).is_err());
        assert_eq!(read(b"250-x\r\n250-y\r\n").unwrap(), []);
    }

    #[test]
    fn the_enhanced_code_counts_when_it_is_of_the_same_class() {
        for (octets, wanted) in [
            (&b"550 5.1.1 no\r\n"[..], Some([5, 1, 1])),
            (b"550 5.1.1\r\n", Some([5, 1, 1])),
            (b"550 4.1.1 no\r\n", None),
            (b"550 5.1 no\r\n", None),
            (b"550 5.1.1.1 no\r\n", None),
            (b"550 5.1.1000 no\r\n", None),
            (b"550 no\r\n", None),
        ] {
            let mut answers = Answers::default();
            answers.take_in(octets);
            assert_eq!(answers.take_out().unwrap().unwrap().enhanced, wanted);
        }
    }

    #[test]
    fn what_was_said_is_short_printable_ascii() {
        let mut answers = Answers::default();
        answers.take_in(format!("550-5.7.1 bo\u{ee}te\r\n550 {}\r\n", "x".repeat(500)).as_bytes());
        let said = answers.take_out().unwrap().unwrap().said();
        assert!(said.starts_with("550 5.7.1 bo??te xxx"), "{said}");
        assert_eq!(said.len(), 200);
    }
}

//! Turns a login and a password into an IMAP server's yes or no (RFC 3501, RFC 9051), and everything else into a sentence.

use super::mail_server::{ANSWER_OCTETS, Credentials, Verdict, plain};
use super::way::{Connection, Tls, Way};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Octets of one line, and lines of one answer.
const LINE_OCTETS: usize = 8 * 1024;
const MOST_LINES: usize = 100;

pub(super) async fn ask(way: &Way, credentials: &Credentials<'_>) -> Result<Verdict, String> {
    let tcp = way.reach().await?;
    let mut talk = match way.tls {
        Tls::FromTheStart => Imap::greeted(way.secure(tcp).await?).await?,
        Tls::None => Imap::greeted(Box::new(tcp) as Connection).await?,
        Tls::Started => {
            let mut talk = Imap::greeted(tcp).await?;
            if !talk.capabilities().await?.has("STARTTLS") {
                return Err("it does not offer STARTTLS".to_owned());
            }
            let tag = talk.say(b"STARTTLS").await?;
            if talk.ending(&tag).await?.0 != Ending::Ok {
                return Err("it does not start TLS".to_owned());
            }
            // RFC 9051 §11.1: what stands there already was said by somebody who can write into the clear stream.
            if !talk.stream.buffer().is_empty() {
                return Err("something was said between STARTTLS and TLS".to_owned());
            }
            Imap::over(way.secure(talk.stream.into_inner()).await?)
        }
    };
    let can = talk.capabilities().await?;
    if can.has("ID") {
        // Servers that make a network wait after failures must not take ours for the one who guesses; they believe whom they trust.
        let tag = talk.say(format!("ID (\"x-originating-ip\" \"{}\")", credentials.peer).as_bytes()).await?;
        talk.ending(&tag).await?;
    }
    let tag = if can.has("AUTH=PLAIN") {
        let tag = talk.say(b"AUTHENTICATE PLAIN").await?;
        match talk.go_on(&tag).await? {
            Some(ended) => return early(ended),
            None => talk.send(&[&plain(credentials), b"\r\n"]).await?,
        }
        tag
    } else if !can.has("LOGINDISABLED") {
        // Literals: nothing in them is read as anything but text.
        let tag = talk.say(format!("LOGIN {{{}}}", credentials.login.len()).as_bytes()).await?;
        if let Some(ended) = talk.go_on(&tag).await? {
            return early(ended);
        }
        talk.send(&[credentials.login.as_bytes(), format!(" {{{}}}\r\n", credentials.password.len()).as_bytes()]).await?;
        if let Some(ended) = talk.go_on(&tag).await? {
            return early(ended);
        }
        talk.send(&[credentials.password, b"\r\n"]).await?;
        tag
    } else {
        return Err("it takes no password (LOGINDISABLED, no AUTH=PLAIN)".to_owned());
    };
    let ended = verdict(talk.ending(&tag).await?);
    let _ = talk.say(b"LOGOUT").await;
    ended
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Ok,
    No,
    Bad,
}

/// RFC 5530 §3: what says nothing about the password.
const NOT_ABOUT_IT: [&str; 7] = ["UNAVAILABLE", "SERVERBUG", "CONTACTADMIN", "LIMIT", "INUSE", "PRIVACYREQUIRED", "CLIENTBUG"];

fn verdict((ending, text): (Ending, String)) -> Result<Verdict, String> {
    let code = text.strip_prefix('[').and_then(|rest| rest.split([']', ' ']).next()).unwrap_or_default().to_ascii_uppercase();
    match ending {
        Ending::Ok => Ok(Verdict::Right),
        Ending::No if NOT_ABOUT_IT.contains(&code.as_str()) => Err(format!("its answer was NO [{code}]")),
        Ending::No => Ok(Verdict::Wrong),
        Ending::Bad => Err("it does not understand the login".to_owned()),
    }
}

/// Before it has heard the password: a yes is none.
fn early(ended: (Ending, String)) -> Result<Verdict, String> {
    match verdict(ended)? {
        Verdict::Right => Err("it says yes before it has heard the password".to_owned()),
        Verdict::Wrong => Ok(Verdict::Wrong),
    }
}

struct Capabilities(Vec<String>);

impl Capabilities {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word.eq_ignore_ascii_case(name))
    }
}

struct Imap<S> {
    stream: BufReader<S>,
    commands: u8,
    read: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    fn over(stream: S) -> Imap<S> {
        Imap { stream: BufReader::new(stream), commands: 0, read: 0 }
    }

    /// Not by one who has let us in already (PREAUTH): it would say yes to every password.
    async fn greeted(stream: S) -> Result<Imap<S>, String> {
        let mut talk = Imap::over(stream);
        let greeting = talk.line().await?;
        match words(&greeting) {
            ("*", word, _) if word.eq_ignore_ascii_case("OK") => Ok(talk),
            ("*", word, _) if word.eq_ignore_ascii_case("BYE") => Err("it does not take connections now".to_owned()),
            _ => Err("its greeting is none of IMAP".to_owned()),
        }
    }

    async fn say(&mut self, command: &[u8]) -> Result<String, String> {
        self.commands += 1;
        let tag = format!("p{}", self.commands);
        self.send(&[tag.as_bytes(), b" ", command, b"\r\n"]).await?;
        Ok(tag)
    }

    async fn send(&mut self, parts: &[&[u8]]) -> Result<(), String> {
        let octets = Zeroizing::new(parts.concat());
        let sent = async {
            self.stream.write_all(&octets).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|_| "the connection was lost".to_owned())
    }

    async fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LINE_OCTETS as u64).read_until(b'\n', &mut line).await;
        let count = read.map_err(|_| "the connection was lost")?;
        self.read += count;
        if count == 0 {
            return Err("the connection was lost".to_owned());
        }
        if self.read > ANSWER_OCTETS {
            return Err("its answers do not end".to_owned());
        }
        let line = line.strip_suffix(b"\r\n").ok_or("its answer has a line without end")?;
        // A literal would hide lines in a line; none is due here.
        if line.ends_with(b"}") {
            return Err("its answer is one that is not understood here".to_owned());
        }
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    async fn capabilities(&mut self) -> Result<Capabilities, String> {
        let tag = self.say(b"CAPABILITY").await?;
        let mut known = Vec::new();
        for _ in 0..MOST_LINES {
            let line = self.line().await?;
            match words(&line) {
                ("*", word, rest) if word.eq_ignore_ascii_case("CAPABILITY") => {
                    known.extend(rest.split_ascii_whitespace().map(str::to_owned));
                }
                ("*", word, _) if word.eq_ignore_ascii_case("BYE") => return Err("it says goodbye".to_owned()),
                (named, word, _) if named == tag && word.eq_ignore_ascii_case("OK") => return Ok(Capabilities(known)),
                (named, ..) if named == tag => return Err("it does not say what it can do".to_owned()),
                _ => {}
            }
        }
        Err("its answers do not end".to_owned())
    }

    /// The tagged end of a command; goodbyes and continuations that nobody asked for are failures.
    async fn ending(&mut self, tag: &str) -> Result<(Ending, String), String> {
        self.go_on(tag).await?.ok_or_else(|| "it wants to hear more than there is to say".to_owned())
    }

    /// `None`: it waits for what comes next.
    async fn go_on(&mut self, tag: &str) -> Result<Option<(Ending, String)>, String> {
        for _ in 0..MOST_LINES {
            let line = self.line().await?;
            if line == "+" || line.starts_with("+ ") {
                return Ok(None);
            }
            let (named, word, rest) = words(&line);
            if named == "*" && word.eq_ignore_ascii_case("BYE") {
                return Err("it says goodbye".to_owned());
            }
            if named != tag {
                continue;
            }
            let ending = match word.to_ascii_uppercase().as_str() {
                "OK" => Ending::Ok,
                "NO" => Ending::No,
                "BAD" => Ending::Bad,
                _ => return Err("its answer is none of IMAP".to_owned()),
            };
            return Ok(Some((ending, rest.to_owned())));
        }
        Err("its answers do not end".to_owned())
    }
}

/// The first two words of a line, and the rest.
fn words(line: &str) -> (&str, &str, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (second, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    (first, second, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_password_is_a_no() {
        for (ending, text, expected) in [
            (Ending::Ok, "[CAPABILITY IMAP4rev1] Logged in", Some(Verdict::Right)),
            (Ending::No, "[AUTHENTICATIONFAILED] Authentication failed.", Some(Verdict::Wrong)),
            (Ending::No, "[EXPIRED] Password has expired", Some(Verdict::Wrong)),
            (Ending::No, "Login failed.", Some(Verdict::Wrong)),
            (Ending::No, "[UNAVAILABLE] Temporary authentication failure.", None),
            (Ending::No, "[unavailable]", None),
            (Ending::No, "[LIMIT 5] too many", None),
            (Ending::No, "[PRIVACYREQUIRED] no", None),
            (Ending::Bad, "Error in IMAP command", None),
        ] {
            assert_eq!(verdict((ending, text.to_owned())).ok(), expected, "{text}");
        }
    }
}

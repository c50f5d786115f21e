//! Turns a login and a password into an account by another mail server's judgement: its AUTH (RFC 4954) or its AUTHENTICATE (RFC 9051).
//!
//! Over verified TLS, or on this machine. What is neither a clear yes nor a clear no about this password is "cannot say".

use super::imap;
use super::memory::Memory;
use super::way::{Connection, Scheme, Tls, Trusted, Way};
use super::{Asker, PASSWORD_OCTETS, Typed, is_sayable, unavailable};
use crate::accounts::Account;
use crate::accounts::elsewhere::{MailServerLogin, SentLogin};
use crate::accounts::judge::{Answer, Judge, Judged};
use crate::mail::{Address, Attributes, Domain, Language};
use crate::smtp::dialogue::{self, Answers, Capabilities};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use zeroize::Zeroizing;

/// One server, under one or several addresses.
pub struct MailServer {
    settings: MailServerLogin,
    ways: Vec<(Way, Protocol)>,
    hostname: Domain,
    language: Language,
    memory: Memory<()>,
    good: AtomicUsize,
    at_once: Semaphore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Imap,
    Smtp,
}

/// What is asked.
pub(super) struct Credentials<'q> {
    pub login: &'q str,
    pub password: &'q [u8],
    /// Who asks us, for servers that count failures by network.
    pub peer: IpAddr,
}

/// What a server said of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
}

const SCHEMES: [Scheme; 4] = [
    Scheme { word: "imaps", port: 993, implicit: true },
    Scheme { word: "imap", port: 143, implicit: false },
    Scheme { word: "smtps", port: 465, implicit: true },
    Scheme { word: "smtp", port: 587, implicit: false },
];
/// Of [`SCHEMES`], those before are IMAP.
const FIRST_SMTP: usize = 2;
/// Conversations at once; further ones wait within their time.
const AT_ONCE: usize = 32;
/// Octets read of one server.
pub(super) const ANSWER_OCTETS: usize = 64 * 1024;

impl MailServer {
    /// Errors name the setting and say what to write.
    pub fn new(settings: MailServerLogin, asker: &Asker) -> Result<MailServer, String> {
        if settings.urls.is_empty() {
            return Err("urls is empty; write urls = [\"imaps://imap.example.org\"]".to_owned());
        }
        if settings.domains.is_empty() {
            return Err("domains is empty; write the domains of its logins: domains = [\"example.org\"]".to_owned());
        }
        if let Some(outside) = settings.domains.iter().find(|domain| !asker.inside.iter().any(|ours| domain.is_within(ours))) {
            return Err(format!("domains names {outside}, which is not inside; add it to [gate] inside, or leave it out"));
        }
        // A server that sees the local part alone lets marie of one domain in as marie of the other.
        if settings.login == SentLogin::Local && settings.domains.len() > 1 {
            return Err("login = \"local\" goes with one domain: two people may have one local part".to_owned());
        }
        for (key, seconds, most) in [("seconds", settings.seconds, 60), ("still_seconds", settings.still_seconds, 86_400)] {
            if !(1..=most).contains(&seconds) {
                return Err(format!("{key} = {seconds} does not work; write a number from 1 to {most}"));
            }
        }
        let trusted = Trusted { ca: settings.ca.as_deref(), clear: settings.clear };
        let way = |url: &String| {
            let (way, nth) = Way::parse(url, &SCHEMES, &trusted, asker.names.clone())?;
            Ok::<_, String>((way, if nth < FIRST_SMTP { Protocol::Imap } else { Protocol::Smtp }))
        };
        Ok(MailServer {
            ways: settings.urls.iter().map(way).collect::<Result<Vec<_>, _>>()?,
            hostname: asker.hostname.clone(),
            language: asker.language,
            memory: Memory::new(),
            good: AtomicUsize::new(0),
            at_once: Semaphore::new(AT_ONCE),
            settings,
        })
    }

    /// The address that a login stands for; `None`: that server's logins look otherwise. Only characters that no server gives a meaning of
    /// its own: `boss*admin` is the administrator as the boss to some, `%` and `!` are routes to others.
    fn address_of(&self, login: &str) -> Option<Address> {
        let typed = Typed::read(login, self.settings.domains.first())?;
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-' | b'+' | b'\'');
        if !typed.local.bytes().all(plain) {
            return None;
        }
        let address = Address::parse(&format!("{}@{}", typed.local, typed.domain)).ok()?;
        self.settings.domains.contains(address.domain()).then_some(address)
    }

    /// One server after the other, the one that answered last first, each with its share of the time.
    async fn ask(&self, credentials: &Credentials<'_>) -> Result<Verdict, String> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(self.settings.seconds);
        let turn = timeout_at(deadline, self.at_once.acquire()).await;
        let _turn = turn.map_err(|_| "too many logins at once")?.map_err(|_| "it is closed")?;
        let (first, count) = (self.good.load(Ordering::Relaxed), self.ways.len());
        let mut failures = Vec::new();
        for nth in 0..count {
            let at = (first + nth) % count;
            let (way, protocol) = &self.ways[at];
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let asked = async {
                match protocol {
                    Protocol::Imap => imap::ask(way, credentials).await,
                    Protocol::Smtp => self.ask_smtp(way, credentials).await,
                }
            };
            match timeout(left / (count - nth) as u32, asked).await {
                Ok(Ok(verdict)) => {
                    self.good.store(at, Ordering::Relaxed);
                    return Ok(verdict);
                }
                Ok(Err(why)) => failures.push(format!("{}: {why}", way.host)),
                Err(_) => failures.push(format!("{}: it did not answer in time", way.host)),
            }
        }
        Err(failures.join("; "))
    }

    async fn ask_smtp(&self, way: &Way, credentials: &Credentials<'_>) -> Result<Verdict, String> {
        let tcp = way.reach().await?;
        let mut talk = match way.tls {
            Tls::FromTheStart => {
                let mut talk = Smtp::over(way.secure(tcp).await?);
                talk.expect(220).await?;
                talk
            }
            Tls::None => {
                let mut talk = Smtp::over(Box::new(tcp) as Connection);
                talk.expect(220).await?;
                talk
            }
            Tls::Started => {
                let mut talk = Smtp::over(tcp);
                talk.expect(220).await?;
                if !talk.hello(&self.hostname).await?.starttls {
                    return Err("it does not offer STARTTLS".to_owned());
                }
                talk.say(b"STARTTLS").await?;
                talk.expect(220).await?;
                // RFC 3207 §6: what stands there already was said by somebody who can write into the clear stream.
                if !talk.answers.is_empty() {
                    return Err("something was said between STARTTLS and TLS".to_owned());
                }
                Smtp::over(way.secure(talk.stream).await?)
            }
        };
        let can = talk.hello(&self.hostname).await?;
        let answer = if can.auth_plain {
            talk.say(b"AUTH PLAIN").await?;
            talk.expect(334).await?;
            talk.say(&plain(credentials)).await?;
            talk.answer().await?
        } else if can.auth_login {
            talk.say(b"AUTH LOGIN").await?;
            talk.expect(334).await?;
            talk.say(STANDARD.encode(credentials.login).as_bytes()).await?;
            let asked = talk.answer().await?;
            match asked.code {
                334 => {
                    talk.say(Zeroizing::new(STANDARD.encode(credentials.password)).as_bytes()).await?;
                    talk.answer().await?
                }
                235 => return Err("it says yes before it has heard the password".to_owned()),
                _ => asked,
            }
        } else {
            return Err("it offers neither AUTH PLAIN nor AUTH LOGIN".to_owned());
        };
        let verdict = match answer.code {
            235 => Verdict::Right,
            // RFC 4954 §6; 525 is a closed account (RFC 5248, X.7.13).
            535 | 525 => Verdict::Wrong,
            code => return Err(format!("its answer to AUTH was {code}")),
        };
        let _ = talk.say(b"QUIT").await;
        Ok(verdict)
    }
}

/// RFC 4616, in base64: nobody else's name to act under.
pub(super) fn plain(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let message = Zeroizing::new([b"\0", credentials.login.as_bytes(), b"\0", credentials.password].concat());
    Zeroizing::new(STANDARD.encode(&*message).into_bytes())
}

/// Commands and answers over one connection.
struct Smtp<S> {
    stream: S,
    answers: Answers,
    read: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Smtp<S> {
    fn over(stream: S) -> Smtp<S> {
        Smtp { stream, answers: Answers::default(), read: 0 }
    }

    async fn say(&mut self, line: &[u8]) -> Result<(), String> {
        let octets = Zeroizing::new([line, b"\r\n"].concat());
        let sent = async {
            self.stream.write_all(&octets).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|_| "the connection was lost".to_owned())
    }

    async fn answer(&mut self) -> Result<dialogue::Answer, String> {
        let mut block = [0; 4096];
        loop {
            if let Some(answer) = self.answers.take_out().map_err(|why| why.to_string())? {
                return Ok(answer);
            }
            let count = self.stream.read(&mut block).await.unwrap_or(0);
            self.read += count;
            if count == 0 {
                return Err("the connection was lost".to_owned());
            }
            if self.read > ANSWER_OCTETS {
                return Err("its answers do not end".to_owned());
            }
            self.answers.take_in(&block[..count]);
        }
    }

    async fn expect(&mut self, code: u16) -> Result<(), String> {
        let answer = self.answer().await?;
        if answer.code == code { Ok(()) } else { Err(format!("it answered {} where {code} was due", answer.code)) }
    }

    async fn hello(&mut self, hostname: &Domain) -> Result<Capabilities, String> {
        self.say(format!("EHLO {hostname}").as_bytes()).await?;
        let answer = self.answer().await?;
        if answer.code == 250 { Ok(Capabilities::of(&answer)) } else { Err(format!("it answered {} to EHLO", answer.code)) }
    }
}

impl Judge for MailServer {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn password<'a>(&'a self, login: &'a str, password: &'a [u8], peer: IpAddr) -> Answer<'a> {
        Box::pin(async move {
            let Some(address) = self.address_of(login) else { return Judged::NotMine };
            if !is_sayable(password) || password.len() > PASSWORD_OCTETS {
                return Judged::Wrong;
            }
            let sent = match self.settings.login {
                SentLogin::Address => address.to_string(),
                SentLogin::Local => address.local().to_owned(),
            };
            match self.ask(&Credentials { login: &sent, password, peer }).await {
                Ok(Verdict::Right) => {
                    let account = Account {
                        owns: vec![address.clone()],
                        login: address,
                        names: Vec::new(),
                        language: self.language,
                        attributes: Attributes::default(),
                    };
                    self.memory.keep(&account, Duration::from_secs(self.settings.still_seconds), ());
                    Judged::Right(Box::new(account))
                }
                Ok(Verdict::Wrong) => Judged::Wrong,
                Err(why) => unavailable(&self.settings.name, &why),
            }
        })
    }

    fn token<'a>(&'a self, _login: Option<&'a str>, _token: &'a str, _peer: IpAddr) -> Answer<'a> {
        Box::pin(std::future::ready(Judged::NotMine))
    }

    /// Without a password nobody can be asked about again: what was right is believed for its time, then they log in anew.
    fn still<'a>(&'a self, login: &'a Address) -> Answer<'a> {
        let judged = match self.memory.of(login) {
            Some(known) if known.is_fresh() => Judged::Right(Box::new(known.account)),
            Some(_) => Judged::Wrong,
            None => Judged::NotMine,
        };
        Box::pin(std::future::ready(judged))
    }
}

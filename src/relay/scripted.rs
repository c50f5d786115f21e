//! Turns a script into a real SMTP server on loopback that answers, refuses, hangs, drops or babbles where it is told to.

use super::wire::Stream;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Banner,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    /// The n-th RCPT of a transaction, from 1.
    Rcpt(usize),
    Data,
    MidBody,
    Dot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Hang,
    Drop,
    /// These octets instead of the answer.
    Say(&'static str),
    /// An answer that never ends.
    Babble,
}

#[derive(Clone)]
pub struct Script {
    /// EHLO lines behind the greeting.
    pub offers: Vec<&'static str>,
    /// Where, what, and in how many connections from the first.
    pub fault: Option<(Place, Fault, usize)>,
    pub tls: Option<TlsAcceptor>,
    /// TLS from the first octet.
    pub implicit: bool,
    /// Recipients taken in one transaction; more get 452.
    pub takes: usize,
    /// Messages after which the server closes without a word.
    pub closes_after: usize,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            offers: vec!["PIPELINING", "8BITMIME", "SIZE 10000000"],
            fault: None,
            tls: None,
            implicit: false,
            takes: usize::MAX,
            closes_after: usize::MAX,
        }
    }
}

/// What the server saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub connections: usize,
    /// Commands, without CRLF.
    pub commands: Vec<String>,
    /// What arrived whole: recipients and the unstuffed message.
    pub messages: Vec<(Vec<String>, Vec<u8>)>,
}

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(script: Script) -> Server {
        Server::start_at(0, script).await
    }

    pub async fn start_at(port: u16, script: Script) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, script) = (Arc::<Mutex<Seen>>::default(), Arc::new(Mutex::new(script)));
        let (their_seen, their_script) = (seen.clone(), script.clone());
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let number = {
                    let mut seen = their_seen.lock().unwrap();
                    seen.connections += 1;
                    seen.connections
                };
                let session = Session { script: their_script.lock().unwrap().clone(), seen: their_seen.clone(), number };
                sessions.spawn(session.begin(tcp));
            }
        });
        Server { port, seen, script, task }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// For connections from now on.
    pub fn now(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Session {
    script: Script,
    seen: Arc<Mutex<Seen>>,
    number: usize,
}

/// `None` ends the connection.
type Goes = Option<()>;
type Line = BufReader<Box<dyn Stream>>;

impl Session {
    async fn begin(self, tcp: TcpStream) {
        let _ = self.session(tcp).await;
    }

    async fn session(&self, tcp: TcpStream) -> Goes {
        if self.script.implicit {
            let tls = self.script.tls.as_ref()?.accept(tcp).await.ok()?;
            let mut line: Line = BufReader::new(Box::new(tls));
            self.answer(&mut line, Place::Banner, "220 scripted\r\n").await?;
            return self.commands(&mut line, true).await;
        }
        // The clear part reads octet by octet off the socket, so that nothing is buffered away from TLS.
        let ahead = if self.script.tls.is_some() { 1 } else { 8192 };
        let mut line: Line = BufReader::with_capacity(ahead, Box::new(tcp));
        self.answer(&mut line, Place::Banner, "220 scripted\r\n").await?;
        self.commands(&mut line, false).await?;
        let tls = self.script.tls.as_ref()?.accept(line.into_inner()).await.ok()?;
        self.commands(&mut BufReader::new(Box::new(tls)), true).await
    }

    /// Until the end, or `Some` when TLS is to begin.
    async fn commands(&self, line: &mut Line, secured: bool) -> Goes {
        let (mut recipients, mut asked, mut messages) = (Vec::new(), 0, 0);
        loop {
            let command = self.read(line).await?;
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut offers = self.script.offers.clone();
                    offers.retain(|offer| *offer != "STARTTLS" || !secured);
                    let text: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                    self.answer(line, Place::Ehlo, &format!("250-scripted\r\n{text}250 HELP\r\n")).await?;
                }
                "STARTTLS" => {
                    self.answer(line, Place::StartTls, "220 go\r\n").await?;
                    return Some(());
                }
                "AUTH" => {
                    if command == "AUTH LOGIN" {
                        for prompt in ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"] {
                            line.write_all(prompt.as_bytes()).await.ok()?;
                            self.read(line).await?;
                        }
                    }
                    self.answer(line, Place::Auth, "235 2.7.0 welcome\r\n").await?;
                }
                "MAIL" => {
                    (recipients, asked) = (Vec::new(), 0);
                    self.answer(line, Place::Mail, "250 2.1.0 ok\r\n").await?;
                }
                "RCPT" => {
                    asked += 1;
                    let recipient = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    let refused =
                        recipient.strip_prefix("refuse").and_then(|rest| rest.get(..3)).map(|code| format!("{code} no\r\n"));
                    let answer = match refused {
                        Some(answer) => answer,
                        None if recipients.len() >= self.script.takes => "452 4.5.3 too many recipients\r\n".to_owned(),
                        None => "250 2.1.5 ok\r\n".to_owned(),
                    };
                    if answer.starts_with("250") {
                        recipients.push(recipient);
                    }
                    self.answer(line, Place::Rcpt(asked), &answer).await?;
                }
                "DATA" if recipients.is_empty() => line.write_all(b"554 5.5.1 no valid recipients\r\n").await.ok()?,
                "DATA" => {
                    self.answer(line, Place::Data, "354 go\r\n").await?;
                    if self.is_at(Place::Data)
                        && !matches!(self.script.fault, Some((_, Fault::Say(said), _)) if said.starts_with('3'))
                    {
                        continue;
                    }
                    let data = self.data(line).await?;
                    self.seen.lock().unwrap().messages.push((std::mem::take(&mut recipients), data));
                    self.answer(line, Place::Dot, "250 2.0.0 taken\r\n").await?;
                    messages += 1;
                    if messages == self.script.closes_after {
                        return None;
                    }
                }
                "QUIT" => {
                    line.write_all(b"221 bye\r\n").await.ok()?;
                    return None;
                }
                _ => line.write_all(b"250 ok\r\n").await.ok()?,
            }
            line.flush().await.ok()?;
        }
    }

    async fn read(&self, line: &mut Line) -> Option<String> {
        let mut octets = Vec::new();
        if line.read_until(b'\n', &mut octets).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8(octets).unwrap().strip_suffix("\r\n").expect("commands end in CRLF").to_owned();
        self.seen.lock().unwrap().commands.push(text.clone());
        Some(text)
    }

    async fn data(&self, line: &mut Line) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let mut octets = Vec::new();
            line.read_until(b'\n', &mut octets).await.ok()?;
            if octets == b".\r\n" {
                return Some(data);
            }
            if octets.is_empty() {
                return None;
            }
            if self.is_at(Place::MidBody) {
                self.answer(line, Place::MidBody, "").await?;
            }
            data.extend_from_slice(octets.strip_prefix(b".").unwrap_or(&octets));
        }
    }

    fn is_at(&self, place: Place) -> bool {
        self.script.fault.is_some_and(|(at, _, times)| at == place && self.number <= times)
    }

    async fn answer(&self, line: &mut Line, place: Place, usual: &str) -> Goes {
        let fault = self.script.fault.filter(|_| self.is_at(place)).map(|(_, fault, _)| fault);
        match fault {
            None => line.write_all(usual.as_bytes()).await.ok()?,
            Some(Fault::Say(other)) => line.write_all(other.as_bytes()).await.ok()?,
            Some(Fault::Drop) => return None,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Babble) => {
                line.write_all(&b"250-and another thing\r\n".repeat(1_000)).await.ok()?;
                line.flush().await.ok()?;
                std::future::pending().await
            }
        }
        line.flush().await.ok()
    }
}

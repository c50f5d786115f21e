//! A scripted upstream on loopback: turns what the gate relays into transactions and transcripts, and fails where it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where in a dialogue a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Banner,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    /// After the first line of the message.
    Body,
    /// The final dot has come; nothing is kept yet.
    Dot,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Says this line instead of the good answer.
    Say(&'static str),
    /// Says nothing for as long as the sink lives.
    Hang,
    /// Closes the connection.
    Drop,
    /// At [`Phase::Dot`]: keeps the message, then closes without the 250 ("lost ack").
    KeepThenDrop,
}

/// One thing that goes wrong, so many times.
#[derive(Clone, Debug)]
pub struct Fault {
    pub phase: Phase,
    pub act: Act,
    pub times: usize,
}

/// One message that the sink took with a 250.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Just before the 250 was written.
    pub at: Instant,
    /// As between the angle brackets.
    pub mail_from: String,
    pub mail_parameters: String,
    pub recipients: Vec<String>,
    /// Without dot-stuffing and the final dot.
    pub data: Vec<u8>,
}

pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    stop: AtomicBool,
    faults: Mutex<Vec<Fault>>,
    /// From RCPT on, no fault strikes what is for this recipient.
    spared: Mutex<Option<String>>,
    /// How often each phase was reached.
    reached: Mutex<Vec<(Phase, usize)>>,
    taken: Mutex<Vec<Transaction>>,
    /// One per connection, both directions.
    transcripts: Mutex<Vec<Vec<u8>>>,
    capabilities: &'static [&'static str],
}

pub const CAPABILITIES: &[&str] = &["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"];

impl Sink {
    pub fn start() -> Sink {
        Sink::listen("127.0.0.1:0".parse().expect("an address"), CAPABILITIES)
    }

    /// At a known address: an upstream that comes back.
    pub fn start_at(address: SocketAddr) -> Sink {
        Sink::listen(address, CAPABILITIES)
    }

    pub fn without_extensions() -> Sink {
        Sink::with_extensions(&[])
    }

    /// Offers these EHLO keywords.
    pub fn with_extensions(capabilities: &'static [&'static str]) -> Sink {
        Sink::listen("127.0.0.1:0".parse().expect("an address"), capabilities)
    }

    fn listen(address: SocketAddr, capabilities: &'static [&'static str]) -> Sink {
        let listener = TcpListener::bind(address).expect("a loopback port for the sink");
        let address = listener.local_addr().expect("the sink's address");
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            faults: Mutex::default(),
            spared: Mutex::default(),
            reached: Mutex::default(),
            taken: Mutex::default(),
            transcripts: Mutex::default(),
            capabilities,
        });
        let for_accept = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_accept.stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let shared = for_accept.clone();
                std::thread::spawn(move || {
                    let number = {
                        let mut transcripts = shared.transcripts.lock().expect("transcripts");
                        transcripts.push(Vec::new());
                        transcripts.len() - 1
                    };
                    // An error here is the gate's end of the line: a kill, or a time-out that is being tested.
                    let _ = Dialogue::new(stream, shared, number).and_then(Dialogue::run);
                });
            }
        });
        Sink { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn fail(&self, phase: Phase, act: Act, times: usize) {
        self.shared.faults.lock().expect("faults").push(Fault { phase, act, times });
    }

    /// From RCPT on, no fault strikes what is for this recipient: notices and reports, while messages fail.
    pub fn spare(&self, recipient: &str) {
        *self.shared.spared.lock().expect("spared") = Some(recipient.to_string());
    }

    pub fn heal(&self) {
        self.shared.faults.lock().expect("faults").clear();
    }

    /// How often a phase was reached, over all connections.
    pub fn seen(&self, phase: Phase) -> usize {
        let reached = self.shared.reached.lock().expect("reached");
        reached.iter().find(|(one, _)| *one == phase).map_or(0, |(_, count)| *count)
    }

    pub fn taken_count(&self) -> usize {
        self.shared.taken.lock().expect("taken").len()
    }

    pub fn taken(&self) -> Vec<Transaction> {
        self.shared.taken.lock().expect("taken").clone()
    }

    /// Waits until `count` transactions have been taken, and returns all.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Transaction> {
        let end = Instant::now() + limit;
        loop {
            let taken = self.taken();
            if taken.len() >= count {
                return taken;
            }
            assert!(Instant::now() < end, "{} of {count} messages after {limit:?}", taken.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Every octet of every connection, both directions.
    pub fn transcripts(&self) -> Vec<Vec<u8>> {
        self.shared.transcripts.lock().expect("transcripts").clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

struct Dialogue {
    reader: BufReader<TcpStream>,
    shared: Arc<Shared>,
    number: usize,
}

/// The dialogue is over: what the script wanted, or the peer left.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Over {
        Over
    }
}

impl Dialogue {
    fn new(stream: TcpStream, shared: Arc<Shared>, number: usize) -> Result<Dialogue, Over> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Dialogue { reader: BufReader::new(stream), shared, number })
    }

    fn run(mut self) -> Result<(), Over> {
        self.reply(Phase::Banner, "220 sink.example.net ESMTP")?;
        let mut from: Option<(String, String)> = None;
        let mut recipients: Vec<String> = Vec::new();
        loop {
            let line = self.line()?;
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            let verb = text.get(..4).unwrap_or(&text).to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut answer = String::from("250-sink.example.net");
                    for capability in self.shared.capabilities {
                        answer.push_str("\r\n250-");
                        answer.push_str(capability);
                    }
                    let last = answer.rfind("250-").expect("the first line");
                    answer.replace_range(last..last + 4, "250 ");
                    self.reply(Phase::Ehlo, &answer)?;
                }
                "HELO" => drop(self.reply(Phase::Ehlo, "250 sink.example.net")?),
                "MAIL" => {
                    let (address, parameters) = path(&text);
                    if self.reply(Phase::Mail, "250 2.1.0 ok")? {
                        from = Some((address, parameters));
                        recipients.clear();
                    }
                }
                "RCPT" => {
                    let (address, _) = path(&text);
                    if self.reply_about(Phase::Rcpt, std::slice::from_ref(&address), "250 2.1.5 ok")? {
                        recipients.push(address);
                    }
                }
                "DATA" if recipients.is_empty() => self.say("554 5.5.1 no valid recipients")?,
                "DATA" => {
                    if self.reply_about(Phase::Data, &recipients, "354 go on")? {
                        let data = self.data(&recipients)?;
                        let (mail_from, mail_parameters) = from.take().unwrap_or_default();
                        let recipients = std::mem::take(&mut recipients);
                        let act = self.fault(Phase::Dot, &recipients);
                        let keeps = matches!(act, None | Some(Act::KeepThenDrop));
                        if keeps {
                            let at = Instant::now();
                            let one = Transaction { at, mail_from, mail_parameters, recipients, data };
                            self.shared.taken.lock().expect("taken").push(one);
                        }
                        self.perform(act, "250 2.0.0 taken")?;
                    }
                }
                "RSET" => {
                    from = None;
                    recipients.clear();
                    self.say("250 2.0.0 ok")?;
                }
                "NOOP" => self.say("250 2.0.0 ok")?,
                "QUIT" => {
                    self.say("221 2.0.0 bye")?;
                    return Ok(());
                }
                _ => self.say("500 5.5.1 unknown")?,
            }
        }
    }

    fn fault(&self, phase: Phase, recipients: &[String]) -> Option<Act> {
        {
            let mut reached = self.shared.reached.lock().expect("reached");
            match reached.iter_mut().find(|(one, _)| *one == phase) {
                Some((_, count)) => *count += 1,
                None => reached.push((phase, 1)),
            }
        }
        let spared = self.shared.spared.lock().expect("spared").clone();
        if spared.is_some_and(|spared| recipients.contains(&spared)) {
            return None;
        }
        let mut faults = self.shared.faults.lock().expect("faults");
        let fault = faults.iter_mut().find(|fault| fault.phase == phase && fault.times > 0)?;
        fault.times -= 1;
        Some(fault.act.clone())
    }

    /// True when the good answer was given.
    fn reply(&mut self, phase: Phase, good: &str) -> Result<bool, Over> {
        self.reply_about(phase, &[], good)
    }

    fn reply_about(&mut self, phase: Phase, recipients: &[String], good: &str) -> Result<bool, Over> {
        let act = self.fault(phase, recipients);
        self.perform(act, good)
    }

    fn perform(&mut self, act: Option<Act>, good: &str) -> Result<bool, Over> {
        match act {
            None => {
                self.say(good)?;
                Ok(true)
            }
            Some(Act::Say(line)) => {
                self.say(line)?;
                Ok(false)
            }
            Some(Act::Drop | Act::KeepThenDrop) => Err(Over),
            Some(Act::Hang) => {
                while !self.shared.stop.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(Over)
            }
        }
    }

    fn say(&mut self, line: &str) -> Result<(), Over> {
        let octets = [line.as_bytes(), b"\r\n"].concat();
        self.remember(&octets);
        self.reader.get_mut().write_all(&octets)?;
        Ok(())
    }

    fn remember(&self, octets: &[u8]) {
        self.shared.transcripts.lock().expect("transcripts")[self.number].extend_from_slice(octets);
    }

    fn line(&mut self) -> Result<Vec<u8>, Over> {
        let mut line = Vec::new();
        (&mut self.reader).take(4 << 20).read_until(b'\n', &mut line)?;
        self.remember(&line);
        if line.ends_with(b"\n") { Ok(line) } else { Err(Over) }
    }

    /// RFC 5321 §4.5.2. A lone LF does not end a line here either.
    fn data(&mut self, recipients: &[String]) -> Result<Vec<u8>, Over> {
        let mut data = Vec::new();
        let mut first = true;
        loop {
            let at_line_start = data.is_empty() || data.ends_with(b"\r\n");
            let line = self.line()?;
            if first {
                first = false;
                let act = self.fault(Phase::Body, recipients);
                if act.is_some() {
                    self.perform(act, "")?;
                }
            }
            if at_line_start && line == b".\r\n" {
                return Ok(data);
            }
            data.extend_from_slice(if at_line_start && line.starts_with(b".") { &line[1..] } else { &line });
        }
    }
}

fn path(command: &str) -> (String, String) {
    let inside = command.split_once('<').map_or("", |(_, rest)| rest);
    let (address, parameters) = inside.split_once('>').unwrap_or((inside, ""));
    (address.to_string(), parameters.trim().to_string())
}

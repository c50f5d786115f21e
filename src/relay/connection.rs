//! Turns a smarthost's address into a connection that is greeted, secured and logged in, and copies into transactions over it.

use super::settings::{Login, Smarthost, Timeouts, Tls, WithoutRequiretls};
use super::tls::Client;
use super::wire::{Lost, Stream, Wire};
use crate::mail::{Address, Outgoing};
use crate::smtp::dialogue::{Afterwards, Answer, Capabilities, Kind, Outcome, Phase, Step, Transaction, Whose, stuffed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A connection on which the next thing to say is MAIL.
pub struct Connection {
    wire: Wire<Box<dyn Stream>>,
    capabilities: Capabilities,
    /// The smarthost proved its name by a certificate that we trust.
    pub verified: bool,
    without_requiretls: WithoutRequiretls,
    timeouts: Timeouts,
    /// Messages so far.
    pub messages: usize,
    pub last_used: Instant,
    needs_reset: bool,
}

/// Why there is no connection; every recipient of every copy waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreachable {
    pub why: String,
    pub whose: Whose,
}

/// What one transaction came to.
pub struct Sent {
    pub outcomes: Vec<(Address, Outcome)>,
    /// The connection may carry more.
    pub usable: bool,
    /// It broke before the first answer, as one does that the upstream closed while it lay idle: nothing can have been sent.
    pub untouched: bool,
}

impl Connection {
    /// `hostname` is what EHLO says of us (RFC 5321 §4.1.1.1).
    pub async fn open(smarthost: &Smarthost, client: &Client, hostname: &str) -> Result<Connection, Unreachable> {
        let patience = smarthost.timeouts;
        let tcp = connect(smarthost).await?;
        // Small commands must not wait for the answer to the ones before (Nagle's algorithm against delayed acknowledgements).
        tcp.set_nodelay(true).map_err(|why| upstream(format!("the connection broke: {}", why.kind())))?;
        if smarthost.implicit_tls {
            let (mut wire, verified) = secure(tcp, smarthost, client).await?;
            greeting(&mut wire, patience).await?;
            return Connection::begin(wire.boxed(), verified, smarthost, hostname).await;
        }
        let mut wire = Wire::new(tcp);
        greeting(&mut wire, patience).await?;
        if smarthost.tls == Tls::None {
            return Connection::begin(wire.boxed(), false, smarthost, hostname).await;
        }
        let capabilities = hello(&mut wire, patience, hostname).await?;
        match (capabilities.starttls, smarthost.tls) {
            (false, Tls::Required) => {
                let why = "the upstream does not offer STARTTLS, and [upstream] tls = \"required\" sends nothing without";
                Err(operator(why.to_owned()))
            }
            (false, _) => Connection::log_in(wire.boxed(), capabilities, false, smarthost).await,
            (true, _) => {
                let answer = wire.ask(b"STARTTLS\r\n", seconds(patience.command)).await.map_err(lost)?;
                if answer.code != 220 {
                    return Err(refused("STARTTLS", &answer));
                }
                let tcp = wire.into_inner().await.map_err(|why| match why {
                    Lost::Early(_) | Lost::Nonsense(_) => {
                        operator("octets came in clear behind the answer to STARTTLS: someone is in between".to_owned())
                    }
                    why => lost(why),
                })?;
                let (wire, verified) = secure(tcp, smarthost, client).await?;
                // What was said before TLS began is forgotten (RFC 3207 §4.2).
                Connection::begin(wire.boxed(), verified, smarthost, hostname).await
            }
        }
    }

    /// One transaction. Whatever happens, each recipient has an outcome afterwards.
    pub async fn send(&mut self, message: &Outgoing) -> Sent {
        let mut transaction = match Transaction::new(message, self.capabilities) {
            Ok(transaction) => transaction,
            Err(why) => {
                return Sent { outcomes: all_later(message, &operator(why.to_string())), usable: true, untouched: false };
            }
        };
        if message.requires_tls && !self.verified {
            let why = "a policy demands verified TLS for this message and the upstream has not proved its name: write tls = \"required\"";
            return Sent { outcomes: all_later(message, &operator(why.to_owned())), usable: true, untouched: false };
        }
        if message.requires_tls && !self.capabilities.requiretls {
            let outcomes = match self.without_requiretls {
                WithoutRequiretls::Send => None,
                WithoutRequiretls::Hold => {
                    let why = "verified TLS is demanded all the way for this message and the upstream does not offer REQUIRETLS (RFC 8689): \
                               write [upstream] without_requiretls = \"send\" if it goes on over TLS all the same";
                    Some(all_later(message, &operator(why.to_owned())))
                }
                WithoutRequiretls::Refuse => {
                    // RFC 8689 §7.
                    let said = "550 5.7.30 REQUIRETLS support required on the way to this recipient".to_owned();
                    let failed = || Outcome::Failed { said: said.clone() };
                    Some(message.recipients.iter().map(|recipient| (recipient.clone(), failed())).collect())
                }
            };
            if let Some(outcomes) = outcomes {
                return Sent { outcomes, usable: true, untouched: false };
            }
        }
        let mut untouched = true;
        if self.needs_reset {
            match self.wire.ask(b"RSET\r\n", seconds(self.timeouts.command)).await {
                Ok(answer) if answer.kind() == Kind::Good => self.needs_reset = false,
                Ok(answer) => transaction.broken(&format!("to RSET the upstream answered {}", answer.said())),
                Err(why) => transaction.broken(&why.to_string()),
            }
        }
        let afterwards = loop {
            let done = match transaction.step() {
                Step::Done(afterwards) => break afterwards,
                Step::Write(octets) => self.wire.write(&octets, seconds(self.timeouts.mail)).await,
                Step::WriteMessage => self.wire.write_pieces(stuffed(&message.raw), seconds(self.timeouts.data_block)).await,
                Step::Read(phase) => self.wire.read(self.patience(phase)).await.map(|answer| {
                    untouched = false;
                    transaction.answered(Ok(answer));
                }),
            };
            match done {
                Ok(()) => {}
                Err(Lost::Nonsense(why)) => {
                    untouched = false;
                    transaction.answered(Err(why));
                }
                Err(why) => transaction.broken(&why.to_string()),
            }
        };
        self.messages += 1;
        self.last_used = Instant::now();
        self.needs_reset = afterwards == Afterwards::Reset;
        let outcomes = transaction.outcomes().map(|(recipient, outcome)| (recipient.clone(), outcome)).collect();
        Sent { outcomes, usable: afterwards != Afterwards::Close, untouched: untouched && afterwards == Afterwards::Close }
    }

    /// Says goodbye without waiting long for the answer.
    pub async fn quit(mut self) {
        let _ = self.wire.ask(b"QUIT\r\n", Duration::from_secs(5)).await;
    }

    async fn begin(
        mut wire: Wire<Box<dyn Stream>>,
        verified: bool,
        smarthost: &Smarthost,
        hostname: &str,
    ) -> Result<Connection, Unreachable> {
        let capabilities = hello(&mut wire, smarthost.timeouts, hostname).await?;
        Connection::log_in(wire, capabilities, verified, smarthost).await
    }

    async fn log_in(
        mut wire: Wire<Box<dyn Stream>>,
        capabilities: Capabilities,
        verified: bool,
        smarthost: &Smarthost,
    ) -> Result<Connection, Unreachable> {
        if let Some(login) = &smarthost.login {
            if !verified && !smarthost.is_loopback() {
                return Err(operator("the password is not sent to an upstream that has not proved its name".to_owned()));
            }
            authenticate(&mut wire, capabilities, login, seconds(smarthost.timeouts.command)).await?;
        }
        Ok(Connection {
            wire,
            capabilities,
            verified,
            without_requiretls: smarthost.without_requiretls,
            timeouts: smarthost.timeouts,
            messages: 0,
            last_used: Instant::now(),
            needs_reset: false,
        })
    }

    fn patience(&self, phase: Phase) -> Duration {
        seconds(match phase {
            Phase::Mail => self.timeouts.mail,
            Phase::Recipient => self.timeouts.recipient,
            Phase::DataStart => self.timeouts.data_start,
            Phase::DataEnd => self.timeouts.data_end,
        })
    }
}

/// The same reason for every recipient.
pub fn all_later(message: &Outgoing, why: &Unreachable) -> Vec<(Address, Outcome)> {
    let outcome = || Outcome::Later { why: why.why.clone(), whose: why.whose };
    message.recipients.iter().map(|recipient| (recipient.clone(), outcome())).collect()
}

/// Tries each address of the name in turn (RFC 5321 §5.1).
async fn connect(smarthost: &Smarthost) -> Result<TcpStream, Unreachable> {
    let (host, port) = (smarthost.host.as_str(), smarthost.port);
    let patience = seconds(smarthost.timeouts.connect);
    let addresses = tokio::time::timeout(patience, tokio::net::lookup_host((host, port))).await;
    let addresses =
        addresses.ok().and_then(Result::ok).ok_or_else(|| upstream(format!("the name {host} has no address now")))?;
    let mut why = upstream(format!("the name {host} has no address now"));
    for address in addresses {
        match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(failed)) => why = upstream(format!("cannot connect to {host}:{port}: {}", failed.kind())),
            Err(_) => why = upstream(format!("cannot connect to {host}:{port}: no answer within {} s", patience.as_secs())),
        }
    }
    Err(why)
}

async fn secure(
    tcp: TcpStream,
    smarthost: &Smarthost,
    client: &Client,
) -> Result<(Wire<tokio_rustls::client::TlsStream<TcpStream>>, bool), Unreachable> {
    let handshake = client.connector.connect(smarthost.hostname.clone(), tcp);
    let tls = match tokio::time::timeout(seconds(smarthost.timeouts.connect), handshake).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(why)) => return Err(handshake_failed(smarthost, &why)),
        Err(_) => return Err(upstream("the upstream did not finish the TLS handshake".to_owned())),
    };
    let verified = client.is_verified(smarthost, tls.get_ref().1.peer_certificates());
    Ok((Wire::new(tls), verified))
}

/// A certificate that does not hold is for the operator to look at; anything else may pass.
fn handshake_failed(smarthost: &Smarthost, why: &std::io::Error) -> Unreachable {
    let rustls = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match rustls {
        Some(rustls::Error::InvalidCertificate(why)) => {
            operator(format!("the certificate of {} is not accepted: {why:?}", smarthost.host).chars().take(300).collect())
        }
        Some(why) => upstream(format!("the TLS handshake with {} failed: {why}", smarthost.host)),
        None => upstream(format!("the TLS handshake with {} failed: {}", smarthost.host, why.kind())),
    }
}

async fn greeting<S: Stream>(wire: &mut Wire<S>, patience: Timeouts) -> Result<(), Unreachable> {
    let answer = wire.read(seconds(patience.greeting)).await.map_err(lost)?;
    if answer.code == 220 { Ok(()) } else { Err(refused("the connection", &answer)) }
}

/// EHLO, and HELO for an upstream that knows only that (RFC 5321 §3.2).
async fn hello<S: Stream>(wire: &mut Wire<S>, patience: Timeouts, hostname: &str) -> Result<Capabilities, Unreachable> {
    let patience = seconds(patience.command);
    let answer = wire.ask(format!("EHLO {hostname}\r\n").as_bytes(), patience).await.map_err(lost)?;
    match (answer.kind(), answer.code) {
        (Kind::Good, _) => Ok(Capabilities::of(&answer)),
        (_, 500 | 502 | 504) => {
            let answer = wire.ask(format!("HELO {hostname}\r\n").as_bytes(), patience).await.map_err(lost)?;
            if answer.kind() == Kind::Good { Ok(Capabilities::default()) } else { Err(refused("HELO", &answer)) }
        }
        _ => Err(refused("EHLO", &answer)),
    }
}

/// RFC 4616 where offered, else LOGIN.
async fn authenticate(
    wire: &mut Wire<Box<dyn Stream>>,
    capabilities: Capabilities,
    login: &Login,
    patience: Duration,
) -> Result<(), Unreachable> {
    let password = read_password(login).await?;
    let line = |text: &[u8], before: &str| {
        let encoded = Zeroizing::new(STANDARD.encode(text));
        Zeroizing::new(format!("{before}{}\r\n", encoded.as_str()).into_bytes())
    };
    let answer = if capabilities.auth_plain {
        let response = Zeroizing::new([b"\0", login.user.as_bytes(), b"\0", password.as_bytes()].concat());
        wire.ask(&line(&response, "AUTH PLAIN "), patience).await.map_err(lost)?
    } else if capabilities.auth_login {
        let mut answer = wire.ask(b"AUTH LOGIN\r\n", patience).await.map_err(lost)?;
        for text in [login.user.as_bytes(), password.as_bytes()] {
            if answer.code != 334 {
                return Err(refused("AUTH LOGIN", &answer));
            }
            answer = wire.ask(&line(text, ""), patience).await.map_err(lost)?;
        }
        answer
    } else {
        return Err(operator("the upstream offers neither AUTH PLAIN nor LOGIN: leave out user and password_file".to_owned()));
    };
    if answer.code == 235 { Ok(()) } else { Err(refused("our login", &answer)) }
}

async fn read_password(login: &Login) -> Result<Zeroizing<String>, Unreachable> {
    let unreadable = |why| operator(format!("[upstream] password_file {}: {why}", login.password_file.display()));
    let text = tokio::fs::read_to_string(&login.password_file).await.map_err(|why| unreadable(why.kind().to_string()))?;
    let text = Zeroizing::new(text);
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() || first.contains('\0') {
        return Err(unreadable("holds no password on its first line".to_owned()));
    }
    Ok(Zeroizing::new(first.to_owned()))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn upstream(why: String) -> Unreachable {
    Unreachable { why, whose: Whose::Upstream }
}

fn operator(why: String) -> Unreachable {
    Unreachable { why, whose: Whose::Operator }
}

fn lost(why: Lost) -> Unreachable {
    upstream(why.to_string())
}

/// A 4yz passes; a 5yz before any message was named is about us.
fn refused(what: &str, answer: &Answer) -> Unreachable {
    let why = format!("the upstream refuses {what}: {}", answer.said());
    if answer.kind() == Kind::Later { upstream(why) } else { operator(why) }
}

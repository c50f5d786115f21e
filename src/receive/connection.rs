//! Turns one connection into its session: reads and writes what the dialogue asks for, and asks the gatekeeper its questions.

use super::door::{Hall, stopped};
use super::places::Share;
use super::settings::{Receive, TlsMode, seconds};
use super::wire::Wire;
use super::{Arrival, Gatekeeper};
use crate::mail::Identity;
use crate::smtp::session::{Action, Reading, Session, Transaction};
use crate::smtp::words::Say;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::{Zeroize, Zeroizing};

/// The dialogue with one client.
pub struct Connection<'a, G> {
    hall: &'a Hall<G>,
    peer: IpAddr,
    stopping: watch::Receiver<bool>,
    connected: Instant,
    /// Since when the client owes the end of a command.
    waiting: Instant,
    data: Option<Data>,
}

/// A message that is coming in or is being decided.
struct Data {
    began: Instant,
    share: Share,
}

/// What reading brought.
enum Came {
    Octets(usize),
    End,
    /// And why no more is waited for.
    Nothing(Say),
}

impl Data {
    /// A piece by `data_timeout`, and the whole not slower than `min_data_rate` (0: as slow as it likes).
    fn deadline(&self, settings: &Receive, now: Instant) -> Instant {
        let piece = now + seconds(settings.data_timeout);
        match self.share.octets().checked_div(settings.min_data_rate) {
            Some(due) => piece.min(self.began + SLOW_START + seconds(due)),
            None => piece,
        }
    }
}

/// One read: that of a TLS record.
const READ: usize = 16 * 1024;
/// Replies are written when the client is waited for, or when so many have come together.
const GATHERED: usize = 16 * 1024;
/// What clients that have not said who they are get for a command while places are scarce.
const SCARCE: Duration = Duration::from_secs(10);
/// How long a message may come in slowly before its rate counts.
const SLOW_START: Duration = Duration::from_secs(60);

impl<'a, G: Gatekeeper> Connection<'a, G> {
    pub fn new(hall: &'a Hall<G>, peer: IpAddr, stopping: watch::Receiver<bool>) -> Connection<'a, G> {
        let now = Instant::now();
        Connection { hall, peer, stopping, connected: now, waiting: now, data: None }
    }

    /// Talks until one side ends. An error is the network's or the client's, and nobody is left to tell.
    pub async fn converse(mut self, socket: TcpStream) -> io::Result<()> {
        // Replies are small and awaited: Nagle's algorithm would hold each back for 40 ms.
        socket.set_nodelay(true)?;
        let settings = &self.hall.settings;
        let mut wire = Wire::Clear(socket);
        if let (TlsMode::Implicit, Some(acceptor)) = (self.hall.listener.tls, &self.hall.tls) {
            wire = wire.secure(acceptor, seconds(settings.handshake_timeout)).await?;
        }
        let mut session = Session::new(self.hall.profile.clone());
        let mut buffer = Zeroizing::new(vec![0; READ]);
        loop {
            let action = session.advance();
            if session.output().len() >= GATHERED {
                self.write(&mut wire, &mut session).await?;
            }
            match action {
                Action::Read(reading) => {
                    self.write(&mut wire, &mut session).await?;
                    match self.read(&mut wire, &session, reading, &mut buffer).await? {
                        Came::Octets(count) => {
                            session.feed(&buffer[..count]);
                            if reading == Reading::Command {
                                // It may have been a password.
                                buffer[..count].zeroize();
                            }
                        }
                        Came::End => return Ok(()),
                        Came::Nothing(why) => session.stop(why),
                    }
                }
                Action::StartTls => {
                    self.write(&mut wire, &mut session).await?;
                    let Some(acceptor) = &self.hall.tls else { return Ok(()) };
                    wire = wire.secure(acceptor, seconds(settings.handshake_timeout)).await?;
                    session.tls_started();
                    self.waiting = Instant::now();
                }
                Action::LogIn(credentials) => {
                    let answer = self.hall.gatekeeper.log_in(&credentials.login, &credentials.password, self.peer).await;
                    session.logged_in(answer);
                }
                // A new message while there is no memory for it.
                Action::Sender(_) if self.hall.memory.is_scarce() => {
                    let Some(full) = Say::Full.refusal(session.language()) else { return Ok(()) };
                    session.answered(Err(full));
                }
                Action::Sender(mail_from) => {
                    let Some(who) = session.identity() else { return Ok(()) };
                    let answer = self.hall.gatekeeper.sender(who, session.language(), mail_from.as_ref()).await;
                    session.answered(answer);
                }
                Action::Recipient(recipient) => {
                    let Some(who) = session.identity() else { return Ok(()) };
                    let answer = self.hall.gatekeeper.recipient(who, session.language(), &recipient).await;
                    session.answered(answer);
                }
                Action::Submit(letter) => {
                    let Some(arrival) = self.arrival(letter, &session, &wire) else { return Ok(()) };
                    let answer = self.hall.gatekeeper.submit(arrival).await;
                    session.submitted(answer);
                }
                Action::Close => {
                    self.write(&mut wire, &mut session).await?;
                    wire.close(seconds(settings.write_timeout)).await;
                    return Ok(());
                }
            }
        }
    }

    /// The next octets. When the gate stops, commands are waited for no more; a message that is coming in may still end.
    async fn read(&mut self, wire: &mut Wire, session: &Session, reading: Reading, buffer: &mut [u8]) -> io::Result<Came> {
        let deadline = self.deadline(session, reading, Instant::now());
        let read = match reading {
            Reading::Data => wire.read(buffer, deadline).await,
            Reading::Command => tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return Ok(Came::Nothing(Say::Stopping)),
                read = wire.read(buffer, deadline) => read,
            },
        };
        let count = match read {
            Ok(0) => return Ok(Came::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Came::Nothing(Say::Idle)),
            Err(error) => return Err(error),
        };
        let room = self.data.as_mut().is_none_or(|data| data.share.grow(count as u64));
        Ok(if room { Came::Octets(count) } else { Came::Nothing(Say::Busy) })
    }

    /// Until when something must have come. A command has its time as a whole, however its octets are dealt out (slow-loris); a
    /// message has its time between two pieces, and a rate.
    fn deadline(&mut self, session: &Session, reading: Reading, now: Instant) -> Instant {
        let settings = &self.hall.settings;
        match reading {
            Reading::Command => {
                // Chunks that came behind their command in one piece count as any other octets of a message.
                match session.holds_content() {
                    true => drop(self.data.get_or_insert_with(|| Data { began: now, share: self.hall.memory.share() })),
                    false => self.data = None,
                }
                let deadline = self.waiting + seconds(settings.command_timeout);
                if session.identity().is_some() {
                    return deadline;
                }
                let login = self.connected + seconds(settings.login_timeout);
                let scarce = self.hall.places.are_scarce().then(|| self.waiting + SCARCE);
                deadline.min(login).min(scarce.unwrap_or(deadline))
            }
            Reading::Data => {
                let begin = || Data { began: now, share: self.hall.memory.share() };
                self.data.get_or_insert_with(begin).deadline(settings, now)
            }
        }
    }

    async fn write(&mut self, wire: &mut Wire, session: &mut Session) -> io::Result<()> {
        if !session.output().is_empty() {
            wire.write(session.output(), seconds(self.hall.settings.write_timeout)).await?;
            session.sent();
            self.waiting = Instant::now();
        }
        Ok(())
    }

    fn arrival(&self, letter: Transaction, session: &Session, wire: &Wire) -> Option<Arrival> {
        let identity = session.identity()?.clone();
        Some(Arrival {
            authenticated: matches!(identity, Identity::Account { .. }),
            identity,
            language: session.language(),
            mail_from: letter.mail_from,
            requires_tls: letter.requires_tls,
            recipients: letter.recipients,
            raw: letter.raw,
            transport: letter.transport,
            listener: self.hall.listener.name.clone(),
            helo: session.helo().to_owned(),
            peer: self.peer,
            tls: wire.tls(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::Memory;
    use super::*;

    #[test]
    fn a_message_may_pause_and_may_be_slow_but_not_for_ever() {
        let settings = Receive { data_timeout: 180, min_data_rate: 1_000, ..Receive::default() };
        let began = Instant::now();
        let left = |received, after| {
            let now = began + Duration::from_secs(after);
            let mut share = Memory::new(u64::MAX).share();
            share.grow(received);
            (Data { began, share }.deadline(&settings, now)).checked_duration_since(now).map_or(0, |left| left.as_secs())
        };
        assert_eq!(left(0, 0), 60, "nothing at all: the first minute");
        assert_eq!(left(10_000_000, 10), 180, "ahead of its rate: a pause of three minutes");
        assert_eq!(left(100_000, 159), 1, "100 s worth of octets and the first minute are nearly used up");
        assert_eq!(left(100_000, 200), 0, "too slow");
    }
}

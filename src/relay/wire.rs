//! Turns a stream into lines written and answers read, each within its time.

use crate::smtp::dialogue::{Answer, Answers, Nonsense};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};

/// What a connection runs over, in clear or in TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream on which commands go out and answers come in.
pub struct Wire<S: Stream> {
    stream: BufWriter<S>,
    answers: Answers,
}

/// Why a wire is of no further use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("the upstream did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the upstream closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
    /// With what was said, if it was an answer.
    #[error("the upstream spoke before it was asked: {0}")]
    Early(String),
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
}

/// Between a whole TLS record and what is worth a system call.
const BUFFER: usize = 16 << 10;
/// What has to get through within one `data_block` time, so that a slow line is not taken for a dead one.
const BLOCK: usize = 64 << 10;

impl<S: Stream> Wire<S> {
    pub fn new(stream: S) -> Wire<S> {
        Wire { stream: BufWriter::with_capacity(BUFFER, stream), answers: Answers::default() }
    }

    /// The stream below, for TLS to begin; refused when octets came behind the last answer, which nobody honest sends
    /// (RFC 3207 §6: response injection).
    pub async fn into_inner(mut self) -> Result<S, Lost> {
        self.quiet().await?;
        Ok(self.stream.into_inner())
    }

    /// Hides which kind of stream it is.
    pub fn boxed(self) -> Wire<Box<dyn Stream>>
    where
        S: 'static,
    {
        Wire {
            stream: BufWriter::with_capacity(BUFFER, Box::new(self.stream.into_inner()) as Box<dyn Stream>),
            answers: self.answers,
        }
    }

    /// Writes one or more commands and sends them off. All earlier answers have been read by then, so whatever else has come is
    /// none to what is written here: a server that is one answer ahead would have its "250" to the envelope taken for the message.
    pub async fn write(&mut self, octets: &[u8], patience: Duration) -> Result<(), Lost> {
        self.quiet().await?;
        within(patience, async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Writes pieces of a message through one buffer; large ones go past it, uncopied. The last piece, which ends the message, is
    /// not sent to one who has answered already.
    pub async fn write_pieces<'p>(&mut self, pieces: impl Iterator<Item = &'p [u8]>, patience: Duration) -> Result<(), Lost> {
        let mut pieces = pieces.peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                self.quiet().await?;
            }
            for block in piece.chunks(BLOCK) {
                within(patience, self.stream.write_all(block)).await?;
            }
        }
        within(patience, self.stream.flush()).await
    }

    /// Looks without waiting whether anything has come.
    async fn quiet(&mut self) -> Result<(), Lost> {
        if self.answers.is_empty() {
            let mut octets = [0; 512];
            let mut space = ReadBuf::new(&mut octets);
            let look = |context: &mut Context<'_>| Poll::Ready(Pin::new(&mut self.stream).poll_read(context, &mut space));
            match std::future::poll_fn(look).await {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(why)) => return Err(lost(&why)),
                Poll::Ready(Ok(())) if space.filled().is_empty() => return Err(Lost::Closed),
                Poll::Ready(Ok(())) => self.answers.take_in(space.filled()),
            }
        }
        let said = self.answers.take_out()?.map_or_else(String::new, |answer| answer.said());
        Err(Lost::Early(said))
    }

    /// Reads the next whole answer.
    pub async fn read(&mut self, patience: Duration) -> Result<Answer, Lost> {
        let reading = async {
            loop {
                if let Some(answer) = self.answers.take_out()? {
                    return Ok(answer);
                }
                let mut octets = [0; 4096];
                match self.stream.read(&mut octets).await {
                    Ok(0) => return Err(Lost::Closed),
                    Ok(count) => self.answers.take_in(&octets[..count]),
                    Err(why) => return Err(lost(&why)),
                }
            }
        };
        tokio::time::timeout(patience, reading).await.map_err(|_| Lost::Silent(patience))?
    }

    /// One command and its answer.
    pub async fn ask(&mut self, command: &[u8], patience: Duration) -> Result<Answer, Lost> {
        self.write(command, patience).await?;
        self.read(patience).await
    }
}

async fn within(patience: Duration, writing: impl Future<Output = std::io::Result<()>>) -> Result<(), Lost> {
    match tokio::time::timeout(patience, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(lost(&why)),
        Err(_) => Err(Lost::Silent(patience)),
    }
}

fn lost(why: &std::io::Error) -> Lost {
    match why.kind() {
        std::io::ErrorKind::UnexpectedEof => Lost::Closed,
        kind => Lost::Broken(kind),
    }
}

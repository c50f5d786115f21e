//! Turns a stream into lines written and answers read, each within its time.

use crate::smtp::dialogue::{Answer, Answers, Nonsense};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};

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

    /// The stream below; `None` when octets were read beyond the last answer, which nobody honest sends before TLS begins
    /// (RFC 3207 §6: response injection).
    pub fn into_inner(self) -> Option<S> {
        self.answers.is_empty().then(|| self.stream.into_inner())
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

    /// Writes one or more commands and sends them off.
    pub async fn write(&mut self, octets: &[u8], patience: Duration) -> Result<(), Lost> {
        within(patience, async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Writes pieces of a message through one buffer; large ones go past it, uncopied.
    pub async fn write_pieces<'p>(
        &mut self,
        pieces: impl Iterator<Item = &'p [u8]>,
        patience: Duration,
    ) -> Result<(), Lost> {
        for piece in pieces {
            for block in piece.chunks(BLOCK) {
                within(patience, self.stream.write_all(block)).await?;
            }
        }
        within(patience, self.stream.flush()).await
    }

    /// Reads the next whole answer.
    pub async fn read(&mut self, patience: Duration) -> Result<Answer, Lost> {
        let reading = async {
            loop {
                if let Some(answer) = self.answers.next()? {
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

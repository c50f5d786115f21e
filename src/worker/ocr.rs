//! Turns a picture into the text on it, through tesseract in a process that can read system files and nothing else.

use super::pool::Timed;
use crate::extract::{NotRead, Reason, Recognised};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A tesseract that is installed here.
pub struct Eyes {
    /// Ourselves, to be started first.
    program: PathBuf,
    tesseract: &'static Path,
    /// `fra+eng`, or the one of the two that is installed.
    pub languages: String,
}

/// Where distributions put the program, and its languages.
const PROGRAMS: [&str; 2] = ["/usr/bin/tesseract", "/usr/local/bin/tesseract"];
const LANGUAGES: [&str; 6] = [
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/usr/share/tesseract-ocr/tessdata",
];
/// Address space of tesseract: two languages and a page of 40 million pixels take half of it.
const MEMORY: u64 = 2 << 30;
/// The longest that one picture may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Octets of text of one picture; a densely printed page has ten thousand.
const TEXT: u64 = 1 << 20;

impl Eyes {
    /// `program` is the one with the hidden command `ocr-worker`.
    pub fn find(program: &Path) -> Option<Eyes> {
        let tesseract = PROGRAMS.into_iter().map(Path::new).find(|path| path.is_file())?;
        let installed = |language: &&str| {
            LANGUAGES.iter().any(|folder| Path::new(folder).join(format!("{language}.traineddata")).is_file())
        };
        let languages: Vec<&str> = ["fra", "eng"].into_iter().filter(installed).collect();
        let found = !languages.is_empty();
        found.then(|| Eyes { program: program.to_owned(), tesseract, languages: languages.join("+") })
    }

    /// The text on one picture. What is no picture for tesseract is unsupported, what takes too long is over budget.
    pub fn recognise(&self, picture: &[u8], left: Duration) -> Result<Recognised, NotRead> {
        let begun = Instant::now();
        let read = self.run(picture, begun + left.min(LONGEST));
        let milliseconds = begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        match read {
            Ok(text) => Ok(Recognised { text, milliseconds }),
            Err(why) => {
                let over = why.kind() == io::ErrorKind::TimedOut;
                tracing::debug!(%why, milliseconds, "the letters on a picture were not read");
                Err(NotRead { reason: if over { Reason::OverBudget } else { Reason::Unsupported }, milliseconds })
            }
        }
    }

    fn run(&self, picture: &[u8], until: Instant) -> io::Result<String> {
        let (ours, theirs) = UnixStream::pair()?;
        let seconds = LONGEST.as_secs() + 5;
        let mut command = Command::new(&self.program);
        command.args(["ocr-worker", "--memory", &MEMORY.to_string(), "--seconds", &seconds.to_string(), "--"]);
        command.arg(self.tesseract).args(["stdin", "stdout", "-l", &self.languages, "-c", "page_separator="]);
        command.current_dir("/").env_clear().stderr(Stdio::null());
        command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?))).stdout(Stdio::from(OwnedFd::from(theirs)));
        let mut child = Running(command.spawn()?);
        // The command holds the child's end of the socket: while it is open here, the end of the child would not be seen.
        drop(command);
        let mut channel = Timed { channel: &ours, until };
        channel.write_all(picture)?;
        ours.shutdown(Shutdown::Write)?;
        let mut text = Vec::new();
        channel.take(TEXT).read_to_end(&mut text)?;
        match child.wait_until(until)? {
            status if status.success() => String::from_utf8(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
            status => Err(io::Error::other(status.to_string())),
        }
    }
}

/// A process that ends with this.
struct Running(Child);

impl Running {
    fn wait_until(&mut self, until: Instant) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // It has closed its output already: what is left is its end.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

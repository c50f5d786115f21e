//! Turns files of foreign formats into texts, and pictures into letters, in processes that can do nothing else: their parsers crash,
//! hang and can be taken over, and none of that may reach the gate, which holds other people's mail.
//!
//! The processes are this same program with a hidden command ([`read_for_ever`], [`exec_confined`]). What they may still do stands in
//! `confine`; how they are started, asked and ended in `pool`; what is said to them in `wire`.

pub mod confine;
mod ocr;
mod pool;
mod wire;

pub use confine::Portion;

use crate::extract::{Limits, Ocr, Reader, read_foreign};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Why a gate that is set to read letters on pictures cannot.
#[derive(Debug, thiserror::Error)]
#[error(
    "ocr = \"required\", but tesseract with French or English is not installed; install tesseract-ocr and tesseract-ocr-fra, \
    or write ocr = \"auto\" under [reading]"
)]
pub struct NoOcr;

/// This very program, also when its file was replaced by a newer one meanwhile: both sides must speak the same.
const OURSELVES: &str = "/proc/self/exe";

/// A reader for as long as it is kept. Its processes are started when they are needed, and end with it.
pub fn open(limits: &Limits) -> Result<Reader, NoOcr> {
    open_with(Path::new(OURSELVES), limits)
}

/// The same with the processes of another copy of this program, for tests.
pub fn open_with(program: &Path, limits: &Limits) -> Result<Reader, NoOcr> {
    let eyes = match limits.ocr {
        Ocr::Off => None,
        Ocr::Auto | Ocr::Required => ocr::Eyes::find(program),
    };
    if eyes.is_none() && limits.ocr == Ocr::Required {
        return Err(NoOcr);
    }
    Ok(Reader::new(pool::Pool::new(program, limits, eyes)))
}

/// What `postern check` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Layers of confinement that this system lacks.
    pub lacks: Vec<String>,
    /// The languages in which letters on pictures are read; none without tesseract.
    pub languages: Option<String>,
}

/// Starts one process to see whether and how it is confined.
pub fn examine(limits: &Limits) -> io::Result<Examined> {
    let program = Path::new(OURSELVES);
    let languages = ocr::Eyes::find(program).map(|eyes| eyes.languages);
    Ok(Examined { lacks: pool::Pool::new(program, limits, None).examine()?, languages })
}

/// What the hidden command `worker` does: confines itself, says how well, and reads one file after the other from its standard input,
/// which is a socket, until nothing more comes.
pub fn read_for_ever(portion: Portion) -> io::Result<()> {
    // It has no one to talk to, and a panic's message may quote what was being read.
    std::panic::set_hook(Box::new(|_| {}));
    let mut channel = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let lacks = confine::reader(channel.as_raw_fd(), portion);
    wire::write_hello(&mut channel, &wire::Hello { lacks })?;
    while let Some((file, octets)) = wire::read_task(&mut channel)? {
        wire::write_answer(&mut channel, &read_foreign(&file, &octets))?;
    }
    Ok(())
}

/// What the hidden command `ocr-worker` does: becomes another program that reads standard input and writes standard output, and can do
/// nothing else. Comes back only when it could not.
pub fn exec_confined(program: &Path, arguments: &[String], portion: Portion) -> io::Error {
    confine::program(portion);
    // One thread: the gate reads several messages at once already.
    Command::new(program).args(arguments).env_clear().env("OMP_THREAD_LIMIT", "1").exec()
}

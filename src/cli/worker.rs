//! `postern worker` and `postern ocr-worker`: what the gate itself starts to read what others wrote. Hidden: a person has no use for them.

use super::{Done, Failure};
use crate::worker::{Portion, exec_confined, read_for_ever};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Example: none; the gate starts it with a socket as standard input")]
pub struct Worker {
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: none; the gate starts it with a picture as standard input")]
pub struct OcrWorker {
    #[command(flatten)]
    limits: Limits,
    /// What to become, with its arguments
    #[arg(last = true, required = true)]
    program: Vec<String>,
}

#[derive(Debug, Args)]
struct Limits {
    /// Octets of address space
    #[arg(long)]
    memory: u64,
    /// Seconds of processor time
    #[arg(long)]
    seconds: u64,
}

impl Limits {
    fn portion(&self) -> Portion {
        Portion { memory: self.memory, seconds: self.seconds }
    }
}

impl Worker {
    pub fn run(self) -> Done {
        Ok(read_for_ever(self.limits.portion())?)
    }
}

impl OcrWorker {
    pub fn run(self) -> Done {
        let (program, arguments) = self.program.split_first().ok_or(Failure::Failed)?;
        Err(exec_confined(&PathBuf::from(program), arguments, self.limits.portion()).into())
    }
}

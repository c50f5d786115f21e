//! Turns a file into an answer of one of a few confined processes: started on demand, used for many files, killed when one takes too
//! long, says nonsense or falls.

use super::ocr::Eyes;
use super::wire;
use crate::extract::{Foreign, ForeignFile, Limits, NotRead, Picture, ReadForeign, Reason, Recognised};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

/// Files that one process reads before it makes room for a fresh one: what it leaked, and who took it over, ends with it.
const FILES_EACH: u32 = 50;
/// Octets of a file after which a process is not used again: its heap stays as large as it was.
const LARGE_FILE: usize = 8 << 20;
/// How long a new process may take to say that it is ready, on a machine under load.
const START: Duration = Duration::from_secs(30);
/// How long after its time a file's reader may still be writing its answer.
const GRACE: Duration = Duration::from_millis(200);
/// Processes beyond one for each processor: a small file need not wait for the large ones.
const SPARE: usize = 2;

pub struct Pool {
    program: PathBuf,
    limits: Limits,
    most: usize,
    workers: Mutex<Workers>,
    /// Somebody gave a process back.
    back: Condvar,
    nursery: Sender<Birth>,
    eyes: Option<Eyes>,
    told: Once,
}

#[derive(Default)]
struct Workers {
    idle: Vec<Worker>,
    /// How many are lent out.
    lent: usize,
}

/// A process and the gate's end of its socket. It dies with this.
struct Worker {
    child: Child,
    channel: UnixStream,
    lacks: Vec<String>,
    files: u32,
    /// Time in which it was reading; the limit on its processor time is beyond what it can reach before it is too old.
    busy: Duration,
    large: bool,
}

struct Birth {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

impl Pool {
    pub fn new(program: &Path, limits: &Limits, eyes: Option<Eyes>) -> Pool {
        let processors = std::thread::available_parallelism().map_or(2, |count| count.get());
        Pool {
            program: program.to_owned(),
            limits: limits.clone(),
            most: processors + SPARE,
            workers: Mutex::default(),
            back: Condvar::new(),
            nursery: nursery(),
            eyes,
            told: Once::new(),
        }
    }

    /// Starts one process and gives what its confinement lacks.
    pub fn examine(&self) -> io::Result<Vec<String>> {
        Ok(self.start()?.lacks.clone())
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// An idle process or a new one; waits while all are lent out.
    fn borrow(&self) -> io::Result<Worker> {
        let mut workers = self.workers();
        while workers.lent >= self.most {
            workers = self.back.wait(workers).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        workers.lent += 1;
        while let Some(mut worker) = workers.idle.pop() {
            // One that died while nobody asked it anything (the kernel short of memory, an operator) is nobody's fault.
            if let Ok(None) = worker.child.try_wait() {
                return Ok(worker);
            }
        }
        drop(workers);
        self.start().inspect_err(|_| self.give_back(None))
    }

    fn give_back(&self, worker: Option<Worker>) {
        let seconds = Duration::from_secs(self.limits.seconds);
        let fit = worker.filter(|worker| worker.files < FILES_EACH && worker.busy < seconds && !worker.large);
        let mut workers = self.workers();
        workers.lent = workers.lent.saturating_sub(1);
        workers.idle.extend(fit);
        drop(workers);
        self.back.notify_one();
    }

    fn start(&self) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        // While it is not too old it has been busy for less than `seconds`, and one more file takes no longer than that again.
        let processor = self.limits.seconds.saturating_mul(2).saturating_add(10);
        command.args(["worker", "--memory", &self.limits.memory_octets.to_string(), "--seconds", &processor.to_string()]);
        command.current_dir("/").env_clear().arg0("postern-reader");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        let (answer, child) = channel();
        let gone = || io::Error::other("nobody starts processes any more");
        self.nursery.send(Birth { command, answer }).map_err(|_| gone())?;
        let child = child.recv().map_err(|_| gone())??;
        let mut worker = Worker { child, channel: ours, lacks: Vec::new(), files: 0, busy: Duration::ZERO, large: false };
        let hello = wire::read_hello(&mut Timed { channel: &worker.channel, until: Instant::now() + START })?;
        worker.lacks = hello.lacks;
        self.told.call_once(|| {
            if !worker.lacks.is_empty() {
                tracing::warn!(lacks = %worker.lacks.join(", "), "the processes that read attachments are confined, but this system lacks a part of it");
            }
        });
        Ok(worker)
    }
}

impl ReadForeign for Pool {
    fn read(&self, file: &ForeignFile, octets: &[u8]) -> Result<Foreign, NotRead> {
        let mut worker = self.borrow().map_err(|why| {
            tracing::error!(%why, "no process can be started to read attachments: they count as unreadable");
            NotRead { reason: Reason::Damaged, milliseconds: 0 }
        })?;
        let begun = Instant::now();
        let asked = worker.ask(file, octets, begun + Duration::from_millis(file.milliseconds));
        let took = begun.elapsed();
        let milliseconds = took.as_millis().try_into().unwrap_or(u64::MAX);
        worker.files += 1;
        worker.busy += took;
        worker.large |= octets.len() > LARGE_FILE;
        match asked {
            Ok(mut answer) => {
                self.give_back(Some(worker));
                answer.spent.milliseconds = milliseconds;
                Ok(answer)
            }
            Err(why) => {
                let (pid, end) = (worker.child.id(), worker.end());
                let over = why.kind() == io::ErrorKind::TimedOut;
                self.give_back(None);
                if over {
                    tracing::warn!(pid, milliseconds, "an attachment took too long to read: its reader was ended");
                } else {
                    tracing::warn!(pid, %end, "an attachment made its reader fall or say nonsense: it counts as damaged");
                }
                Err(NotRead { reason: if over { Reason::OverBudget } else { Reason::Damaged }, milliseconds })
            }
        }
    }

    fn recognises(&self) -> bool {
        self.eyes.is_some()
    }

    fn recognise(&self, picture: &Picture, milliseconds: u64) -> Result<Recognised, NotRead> {
        match &self.eyes {
            Some(eyes) => eyes.recognise(&picture.octets.0, Duration::from_millis(milliseconds)),
            None => Err(NotRead { reason: Reason::Unsupported, milliseconds: 0 }),
        }
    }
}

impl Worker {
    fn ask(&self, file: &ForeignFile, octets: &[u8], until: Instant) -> io::Result<Foreign> {
        let mut channel = io::BufWriter::new(Timed { channel: &self.channel, until });
        wire::write_task(&mut channel, file, octets)?;
        channel.flush()?;
        let answer = wire::read_answer(&mut Timed { channel: &self.channel, until: until + GRACE }, file)?;
        if answer.fits(file) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Kills it, unless it is dead already, and says how it ended.
    fn end(mut self) -> String {
        // It may be about to die by itself: the true reason tells an operator more.
        std::thread::sleep(Duration::from_millis(1));
        let by_itself = self.child.try_wait().ok().flatten();
        match by_itself {
            Some(status) => status.to_string(),
            None => "killed by the gate".to_owned(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts processes, all from one thread that lives as long as the pool: a process that dies with its parent dies, on Linux, with the
/// thread that started it (`prctl(2)`, PR_SET_PDEATHSIG).
fn nursery() -> Sender<Birth> {
    let (sender, births) = channel::<Birth>();
    let started = std::thread::Builder::new().name("nursery".into()).spawn(move || {
        while let Ok(Birth { mut command, answer }) = births.recv() {
            let _ = answer.send(command.spawn());
        }
    });
    if let Err(why) = started {
        tracing::error!(%why, "the thread that starts readers of attachments could not be started");
    }
    sender
}

/// A socket that gives up at a moment.
pub struct Timed<'x> {
    pub channel: &'x UnixStream,
    pub until: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

/// A socket whose time is over says that it would have to wait.
fn over(why: io::Error) -> io::Error {
    if why.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { why }
}

impl Read for Timed<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.channel.set_read_timeout(self.left()?)?;
        let mut channel = self.channel;
        channel.read(octets).map_err(over)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.channel.set_write_timeout(self.left()?)?;
        let mut channel = self.channel;
        channel.write(octets).map_err(over)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

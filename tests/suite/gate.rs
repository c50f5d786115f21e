//! The real gate, started in a folder of its own on free loopback ports, with everything bounded in time.

use super::client::{Client, Reply};
use super::sink::Sink;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const HOSTNAME: &str = "gate.example.org";
pub const ALICE: &str = "alice@example.org";
pub const PASSWORD: &str = "correct horse battery staple";

/// How long a start may take before a test calls it a failure: key generation included, on a loaded machine.
const START: Duration = Duration::from_secs(30);

/// What a test wants otherwise than the minimal configuration of CONTRACT.md.
#[derive(Default)]
pub struct Setup {
    /// The body of `[upstream]`; none: the built-in capture.
    pub upstream: Option<String>,
    /// Further tables, or further keys for `[gate]` when they come first.
    pub more: String,
    /// Files for `keys/recipients/`.
    pub keys: Vec<(String, Vec<u8>)>,
    /// A rules folder; none: the shipped one.
    pub rules: Option<PathBuf>,
    /// What its processes find in their environment.
    pub environment: Vec<(String, String)>,
}

pub struct Gate {
    folder: tempfile::TempDir,
    process: Option<Child>,
    listeners: BTreeMap<String, SocketAddr>,
    /// The data folder; a test may have it elsewhere.
    data: PathBuf,
    environment: Vec<(String, String)>,
    /// Both output streams, over all starts.
    log: Arc<Mutex<String>>,
}

impl Setup {
    pub fn towards(sink: &Sink) -> Setup {
        Setup::towards_address(sink.address())
    }

    pub fn towards_address(address: SocketAddr) -> Setup {
        Setup { upstream: Some(format!("address = \"{address}\"\ntls = \"none\"\n")), ..Setup::default() }
    }

    pub fn with_key(mut self, name: &str, octets: impl Into<Vec<u8>>) -> Setup {
        self.keys.push((name.to_string(), octets.into()));
        self
    }

    pub fn with(mut self, more: &str) -> Setup {
        self.more.push_str(more);
        self.more.push('\n');
        self
    }

    /// Writes the folder and adds alice, without starting.
    pub fn prepare(self) -> Gate {
        let folder = tempfile::tempdir().expect("a folder for the gate");
        let recipients = folder.path().join("keys/recipients");
        std::fs::create_dir_all(&recipients).expect("the keys folder");
        for (name, octets) in &self.keys {
            std::fs::write(recipients.join(name), octets).expect("a recipient's key");
        }
        let data = folder.path().join("data");
        let environment = self.environment;
        let gate = Gate { folder, process: None, listeners: BTreeMap::new(), data, environment, log: Arc::default() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let rules = self.rules.unwrap_or(shipped);
        let capture = format!("capture = {:?}\n", gate.path("outbox"));
        let config = format!(
            r#"[gate]
hostname = "{HOSTNAME}"
data = {data:?}
inside = ["example.org"]
rules = {rules:?}
keys = {keys:?}
language = "fr"

[[listener]]
name = "submission"
address = "127.0.0.1:0"
tls = "starttls"
auth = true

[[listener]]
name = "submissions"
address = "127.0.0.1:0"
tls = "implicit"
auth = true

[[listener]]
name = "relay"
address = "127.0.0.1:0"
tls = "none"
trusted = ["127.0.0.1/32"]
senders = ["example.org"]

[tls]
certificate = "auto"

[upstream]
{upstream}
{more}"#,
            data = gate.path("data"),
            keys = gate.path("keys"),
            upstream = self.upstream.unwrap_or(capture),
            more = self.more,
        );
        std::fs::write(gate.config(), config).expect("the configuration");
        gate.add_user(ALICE, PASSWORD);
        gate
    }

    pub fn start(self) -> Gate {
        let mut gate = self.prepare();
        gate.start();
        gate
    }
}

impl Gate {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration was changed to another data folder.
    pub fn use_data(&mut self, folder: &Path) {
        self.data = folder.to_path_buf();
    }

    pub fn config(&self) -> PathBuf {
        self.path("postern.toml")
    }

    /// `postern <arguments> --config …`, to its end.
    pub fn command(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = postern();
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .current_dir(self.folder.path())
            .envs(self.environment.clone());
        super::peers::run(&mut command, input, Duration::from_secs(60))
    }

    pub fn add_user(&self, login: &str, password: &str) {
        let output = self.command(&["user", "add", login, "--password-stdin"], format!("{password}\n").as_bytes());
        assert!(output.status.success(), "user add: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts and waits for the `ready` line.
    pub fn start(&mut self) {
        self.try_start().unwrap_or_else(|why| panic!("the gate did not start: {why}\n{}", self.log()));
    }

    pub fn try_start(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "one gate at a time");
        let mut command = postern();
        command.arg("serve").arg("--config").arg(self.config()).current_dir(self.folder.path()).envs(self.environment.clone());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (send, ready) = std::sync::mpsc::channel::<serde_json::Value>();
        follow(child.stderr.take().expect("its log"), self.log.clone(), |_| {});
        follow(child.stdout.take().expect("its output"), self.log.clone(), move |line| {
            if let Ok(event) = serde_json::from_str::<serde_json::Value>(line)
                && event["event"] == "ready"
            {
                let _ = send.send(event);
            }
        });
        self.process = Some(child);
        let event = match ready.recv_timeout(START) {
            Ok(event) => event,
            Err(_) => {
                self.kill();
                return Err("no ready line".to_string());
            }
        };
        self.listeners = event["listeners"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one["name"].as_str()?.to_string(), one["address"].as_str()?.parse().ok()?)))
            .collect();
        Ok(())
    }

    /// Kill -9: no warning, no cleaning up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        self.signal("TERM");
        let mut child = self.process.take()?;
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    pub fn signal(&self, name: &str) {
        let id = self.id().expect("a running gate");
        let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    pub fn listener(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("no listener {name} in {:?}", self.listeners))
    }

    /// The certificate that `[tls] certificate = "auto"` generated, as the PEM file a client can be told to believe.
    pub fn certificate(&self) -> PathBuf {
        let files = files_below(&self.data);
        let is_tls = |file: &&PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tls"));
        let certificates = files.iter().filter(is_tls).filter_map(|file| certificates_in(file));
        let believed = self.path("believed.pem");
        let found = certificates.reduce(|all, more| all + &more).unwrap_or_else(|| panic!("no TLS certificate in {files:?}"));
        std::fs::write(&believed, found).expect("the certificate to believe");
        believed
    }

    /// STARTTLS and AUTH as alice.
    pub fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    pub fn try_client(&self) -> std::io::Result<Client> {
        let mut client = Client::starttls(self.listener("submission"), &self.certificate(), HOSTNAME)?;
        let reply = client.log_in(ALICE, PASSWORD)?;
        if reply.is_good() { Ok(client) } else { Err(std::io::Error::other(format!("AUTH: {reply:?}"))) }
    }

    /// One message from alice over a connection of its own.
    pub fn submit(&self, recipients: &[&str], message: &[u8]) -> Reply {
        let mut client = self.client();
        let reply = client.send(ALICE, recipients, message).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        let _ = client.command("QUIT");
        reply
    }

    /// All that the running gate said on both streams, since the first start.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// The socket that officers' commands ask.
    pub fn control_socket(&self) -> PathBuf {
        self.data.join("control.sock")
    }

    /// Every file below the data folder, with its octets: for searching what must not be there.
    pub fn at_rest(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = files_below(&self.data);
        files.into_iter().filter_map(|file| std::fs::read(&file).ok().map(|octets| (file, octets))).collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the gate's output ---\n{}", self.log());
        }
    }
}

pub fn postern() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").env("LC_ALL", "C");
    command
}

/// Waits until `holds`, or fails saying what was waited for.
pub fn wait_until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "after {limit:?} still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A small text message from alice, CRLF throughout.
pub fn message(to: &str, subject: &str, body: &str) -> Vec<u8> {
    let id = subject.bytes().fold(0u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
    format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: Alice Martin <{ALICE}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\
         Message-ID: <{id:x}.{}@client.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The certificates of a PEM file, without the keys that may stand beside them; `None` when there are none.
pub fn certificates_in(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut found = String::new();
    let mut rest = text.as_str();
    while let Some(begin) = rest.find("-----BEGIN CERTIFICATE-----") {
        const END: &str = "-----END CERTIFICATE-----";
        let end = begin + rest[begin..].find(END)? + END.len();
        found.push_str(&rest[begin..end]);
        found.push('\n');
        rest = &rest[end..];
    }
    (!found.is_empty()).then_some(found)
}

pub fn contains(octets: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(octets, needle).is_some()
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn follow(stream: impl std::io::Read + Send + 'static, log: Arc<Mutex<String>>, mut each: impl FnMut(&str) + Send + 'static) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            log.lock().expect("the log").push_str(&text);
            each(text.trim_end());
            line.clear();
        }
    });
}

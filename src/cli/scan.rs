//! `postern scan`: what the rules find in messages, attachments, plain files and lines of text.

use super::progress::Progress;
use super::{Done, Failure, Format, report};
use crate::config::{laws, rules_folder};
use crate::detect::{self, RuleSet};
use crate::extract;
use crate::facts::{self, Fact, Known};
use crate::mail::{Address, Identity, Language, Origin, RawMessage, Reference, Submission, UnixTime};
use crate::mime::{self, Anomaly};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  postern scan message.eml payslips.zip folder/\n  postern scan --format json - < message.eml\n  \
    echo '{\"id\":\"1\",\"text\":\"NIR 1 85 05 78 006 084 91\"}' | postern scan --lines --format json"
)]
pub struct Scan {
    /// Messages (.eml), other files, folders; `-` reads a message from standard input
    #[arg(value_name = "PATH", required_unless_present = "lines")]
    paths: Vec<PathBuf>,
    /// Standard input is JSON lines {"id":…,"text":…}, each text a plain body
    #[arg(long, conflicts_with = "paths")]
    lines: bool,
    /// The folder of rules
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One input, looked at.
struct Seen {
    findings: detect::Findings,
    anomalies: Vec<Anomaly>,
    facts: BTreeSet<Fact>,
}

struct Scanner {
    rules: RuleSet,
    lists: Arc<BTreeMap<String, BTreeSet<String>>>,
    format: Format,
    reader: extract::Reader,
}

/// Octets of one file; what is larger could not be submitted either.
const FILE_LIMIT: u64 = 256 << 20;
/// Files of a folder from which on a bar is shown.
const WORTH_A_BAR: u64 = 20;

impl Scan {
    pub fn run(self) -> Done {
        let folder = rules_folder(self.rules.as_deref())?;
        let (rules, lists) = laws::load_rules(&folder)?;
        let reader = crate::worker::open(&extract::Limits::default())?;
        let scanner = Scanner { rules, lists, format: self.format, reader };
        if self.lines {
            return scanner.lines();
        }
        let mut all = Sum::default();
        for path in &self.paths {
            scanner.path(path, &mut all)?;
        }
        // For a person who scanned a folder; a program counts for itself.
        if self.format == Format::Text && all.inputs > 1 {
            eprintln!("{}", all.sentence());
        }
        Ok(())
    }
}

/// What a scan of several inputs came to.
#[derive(Default)]
struct Sum {
    inputs: usize,
    /// Inputs by their surest finding: low, medium, high.
    found: [usize; 3],
    unreadable: usize,
}

impl Sum {
    fn add(&mut self, seen: &Seen) {
        self.inputs += 1;
        self.unreadable += usize::from(!seen.findings.unreadable.is_empty());
        let surest = seen.findings.found.iter().map(|finding| finding.confidence).max();
        surest.into_iter().for_each(|confidence| self.found[confidence as usize] += 1);
    }

    fn sentence(&self) -> String {
        let ([low, medium, high], Sum { inputs, unreadable, .. }) = (self.found, self);
        format!(
            "{inputs} read: {high} with a finding at high, {medium} at medium, {low} at low; {unreadable} not wholly readable"
        )
    }
}

#[derive(serde::Deserialize)]
struct Line {
    id: serde_json::Value,
    text: String,
}

impl Scanner {
    fn lines(&self) -> Done {
        // Line by line, so that a program can ask and read in turn.
        let mut out = std::io::stdout().lock();
        for (n, line) in std::io::stdin().lock().lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).map_err(|error| {
                Failure::Wrong(format!("line {}: {error}; write {{\"id\":\"1\",\"text\":\"…\"}} on one line", n + 1))
            })?;
            let id = match &line.id {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let extracted = extract::extract_body(&line.text, &extract::Limits::default(), &self.reader);
            let seen =
                Seen { findings: detect::detect(&extracted, &self.rules), anomalies: Vec::new(), facts: BTreeSet::new() };
            self.print(&mut out, &id, &seen)?;
        }
        Ok(out.flush()?)
    }

    fn path(&self, path: &Path, all: &mut Sum) -> Done {
        let mut out = std::io::stdout().lock();
        if path == Path::new("-") {
            let mut octets = Vec::new();
            std::io::stdin().take(FILE_LIMIT).read_to_end(&mut octets)?;
            let seen = self.message(octets);
            all.add(&seen);
            return self.print(&mut out, "-", &seen);
        }
        let files = files_below(path)?;
        let mut progress = Progress::of(files.len() as u64, WORTH_A_BAR);
        for (n, file) in files.into_iter().enumerate() {
            progress.show(n as u64, n as u64);
            let mut octets = Vec::new();
            std::fs::File::open(&file)
                .and_then(|open| open.take(FILE_LIMIT).read_to_end(&mut octets))
                .map_err(|error| Failure::Wrong(format!("{}: {error}", file.display())))?;
            let is_message = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"));
            let seen = if is_message { self.message(octets) } else { self.file(&file, &octets) };
            all.add(&seen);
            progress.clear();
            self.print(&mut out, &file.display().to_string(), &seen)?;
        }
        Ok(())
    }

    fn message(&self, octets: Vec<u8>) -> Seen {
        let whole = octets.clone();
        let raw = match RawMessage::new(with_crlf(octets)) {
            Ok(raw) => raw,
            // No door would take it; what it holds can still be looked at.
            Err(_) => return self.file(Path::new("message.eml"), &whole),
        };
        let submission = as_submitted(raw);
        let parsed = match mime::parse(&submission.raw, &mime::Limits::default()) {
            Ok(parsed) => parsed,
            Err(malformed) => {
                let mut seen = self.file(Path::new("message.eml"), &whole);
                seen.anomalies.push(Anomaly { kind: "malformed", part: malformed.place });
                return seen;
            }
        };
        let extracted = extract::extract(&parsed, &extract::Limits::default(), &self.reader);
        let findings = detect::detect(&extracted, &self.rules);
        let inside = submission.sender().map(|sender| sender.domain().clone());
        let known = Known { inside: inside.into_iter().collect(), lists: self.lists.clone(), ..Known::default() };
        let facts = facts::gather(&submission, &parsed, &extracted, &findings, &known);
        let all = facts.of_recipients.into_iter().flat_map(|of| of.facts).chain(facts.of_message).collect();
        Seen { findings, anomalies: parsed.anomalies.clone(), facts: all }
    }

    fn file(&self, path: &Path, octets: &[u8]) -> Seen {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let extracted = extract::extract_file(&name, octets, &extract::Limits::default(), &self.reader);
        Seen { findings: detect::detect(&extracted, &self.rules), anomalies: Vec::new(), facts: BTreeSet::new() }
    }

    fn print(&self, out: &mut impl Write, id: &str, seen: &Seen) -> Done {
        let Seen { findings, anomalies, facts } = seen;
        match self.format {
            Format::Json => writeln!(out, "{}", report::scan_json(id, findings, anomalies, facts))?,
            Format::Text => write!(out, "{}", report::scan_text(id, findings, anomalies, facts))?,
        }
        Ok(())
    }
}

/// A message file as if its author had submitted it to those it names.
pub fn as_submitted(raw: RawMessage) -> Submission {
    let (from, recipients) = match mime::parse(&raw, &mime::Limits::default()) {
        Ok(parsed) => {
            let of = |name: &str| parsed.mailboxes(name).into_iter().filter_map(|mailbox| mailbox.address);
            let mut seen = BTreeSet::new();
            let to: Vec<Address> = of("To").chain(of("Cc")).filter(|address| seen.insert(address.to_string())).collect();
            (of("From").next(), to)
        }
        Err(_) => (None, Vec::new()),
    };
    let identity = match &from {
        Some(login) => Identity::Account {
            login: login.clone(),
            owns: vec![login.clone()],
            names: Vec::new(),
            attributes: Default::default(),
        },
        None => Identity::Gate,
    };
    Submission {
        reference: Reference::from_random([0; 8]),
        identity,
        mail_from: from,
        recipients,
        raw,
        origin: Origin::Inspection,
        received_at: UnixTime(0),
        language: Language::default(),
        requires_tls: false,
        transport: Default::default(),
    }
}

/// Files on disk often have LF line ends; on the wire they would have CRLF.
pub fn with_crlf(octets: Vec<u8>) -> Vec<u8> {
    let bare = memchr::memchr2_iter(b'\n', b'\r', &octets).any(|at| match octets[at] {
        b'\n' => at == 0 || octets[at - 1] != b'\r',
        _ => octets.get(at + 1) != Some(&b'\n'),
    });
    if !bare {
        return octets;
    }
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 40);
    let mut rest = &octets[..];
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\r\n");
        let pair = rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n');
        rest = &rest[at + if pair { 2 } else { 1 }..];
    }
    out.extend_from_slice(rest);
    out
}

/// A file itself, or every file below a folder, by name; hidden ones left out.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error: std::io::Error| Failure::Wrong(format!("{}: {error}", path.display()));
    if !std::fs::metadata(path).map_err(wrong)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let kind = entry.file_type().map_err(wrong)?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_becomes_crlf() {
        for (given, wanted) in [
            (&b"a\nb\n"[..], &b"a\r\nb\r\n"[..]),
            (b"a\r\nb", b"a\r\nb"),
            (b"a\rb\n\r\n", b"a\r\nb\r\n\r\n"),
            (b"\n", b"\r\n"),
            (b"", b""),
        ] {
            assert_eq!(with_crlf(given.to_vec()), wanted);
        }
    }
}

//! Turns paths (messages, mbox files, Maildirs, folders of any of these) into messages, one at a time: a mailbox of gigabytes costs
//! the memory of its largest message.

use crate::cli::Failure;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// One message as it was found.
pub struct Mail {
    /// The file's path, in a mailbox with `#` and its number in it, from 1.
    pub id: String,
    pub path: PathBuf,
    /// Empty when it is larger than [`MAIL_LIMIT`].
    pub octets: Vec<u8>,
    pub too_large: bool,
    /// Octets of the input that were read for it.
    pub read: u64,
}

/// What lies below the given paths.
#[derive(Default)]
pub struct Mailboxes {
    sources: Vec<Source>,
    /// Octets of all of them.
    pub octets: u64,
    /// Files that are neither a message nor a mailbox.
    pub skipped: u64,
}

struct Source {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Mbox,
}

/// Octets of one message; no gate would take a larger one (552).
pub const MAIL_LIMIT: usize = 64 << 20;
/// Folders in folders.
const DEPTH: usize = 32;
/// Octets by which a file without a telling name is recognised.
const BEGINNING: u64 = 256;

impl Mailboxes {
    /// Everything below `paths`, by name.
    pub fn below(paths: &[PathBuf]) -> Result<Mailboxes, Failure> {
        let mut all = Mailboxes::default();
        for path in paths {
            let wrong = |error: std::io::Error| Failure::Wrong(format!("{}: {error}", path.display()));
            if std::fs::metadata(path).map_err(wrong)?.is_dir() {
                all.folder(path, 0).map_err(wrong)?;
            } else {
                // Named by the caller: taken for a message unless it begins as a mailbox.
                let kind = kind_of(path, true).map_err(wrong)?;
                all.add(path, kind).map_err(wrong)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path, kind: Option<Kind>) -> std::io::Result<()> {
        match kind {
            Some(kind) => {
                self.octets += std::fs::metadata(path)?.len();
                self.sources.push(Source { path: path.to_owned(), kind });
            }
            None => self.skipped += 1,
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> std::io::Result<()> {
        if depth > DEPTH {
            return Ok(());
        }
        let is_maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                // Maildir++ hides its sub-folders behind a dot; messages under delivery (tmp) are nobody's yet.
                let hidden = name.starts_with('.') && !path.join("cur").is_dir();
                if !(hidden || is_maildir && name == "tmp") {
                    self.folder(&path, depth + 1)?;
                }
            } else if kind.is_file() && !name.starts_with('.') {
                let of_maildir = folder.ends_with("cur") || folder.ends_with("new");
                let named = of_maildir || name.to_ascii_lowercase().ends_with(".eml");
                // An index file of a mail server beside cur/ and new/ is no message.
                let kind = if is_maildir { None } else { kind_of(&path, named)? };
                self.add(&path, kind)?;
            }
        }
        Ok(())
    }

    /// Hands out one message after the other; a file that cannot be read any more is told to `unreadable` and left.
    pub fn each(&self, mut take: impl FnMut(Mail) -> ControlFlow<()>, mut unreadable: impl FnMut(&Path, std::io::Error)) {
        for Source { path, kind } in &self.sources {
            let ended = match kind {
                Kind::Message => message(path).map(&mut take),
                Kind::Mbox => mbox(path, &mut take),
            };
            match ended {
                Ok(ControlFlow::Break(())) => return,
                Ok(ControlFlow::Continue(())) => {}
                Err(why) => unreadable(path, why),
            }
        }
    }
}

/// By content: a mailbox begins with a `From ` line (RFC 4155), a message with a header field.
fn kind_of(path: &Path, named: bool) -> std::io::Result<Option<Kind>> {
    let mut beginning = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut beginning)?;
    if beginning.starts_with(b"From ") {
        return Ok(Some(Kind::Mbox));
    }
    let name = beginning.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
    let is_field = name > 0 && beginning.get(name) == Some(&b':') && beginning[..name].iter().any(u8::is_ascii_alphabetic);
    let known = ["received", "return-path", "from", "to", "date", "subject", "message-id", "mime-version", "delivered-to"];
    let begins_as_mail = is_field && {
        let word = String::from_utf8_lossy(&beginning[..name]).to_ascii_lowercase();
        known.contains(&word.as_str()) || word.starts_with("x-") || word.starts_with("dkim-") || word.starts_with("arc-")
    };
    Ok((named || begins_as_mail).then_some(Kind::Message))
}

fn message(path: &Path) -> std::io::Result<Mail> {
    let mut octets = Vec::new();
    File::open(path)?.take(MAIL_LIMIT as u64 + 1).read_to_end(&mut octets)?;
    let (read, too_large) = (octets.len() as u64, octets.len() > MAIL_LIMIT);
    if too_large {
        octets = Vec::new();
    }
    Ok(Mail { id: path.display().to_string(), path: path.to_owned(), octets, too_large, read })
}

/// Messages part where a line `From …` follows an empty line or begins the file; `>From` was `From` (mboxrd).
fn mbox(path: &Path, take: &mut impl FnMut(Mail) -> ControlFlow<()>) -> std::io::Result<ControlFlow<()>> {
    let mut lines = BufReader::with_capacity(1 << 16, File::open(path)?);
    let (mut number, mut line, mut octets, mut read) = (0u64, Vec::new(), Vec::new(), 0u64);
    let (mut too_large, mut after_empty, mut inside) = (false, true, false);
    let mut hand_out = |number: u64, octets: &mut Vec<u8>, read: &mut u64, too_large: &mut bool| {
        let mut octets = std::mem::take(octets);
        // The empty line before the next `From ` belongs to the mailbox.
        if octets.ends_with(b"\r\n\r\n") {
            octets.truncate(octets.len() - 2);
        } else if octets.ends_with(b"\n\n") {
            octets.truncate(octets.len() - 1);
        }
        let (read, too_large) = (std::mem::take(read), std::mem::take(too_large));
        take(Mail { id: format!("{}#{number}", path.display()), path: path.to_owned(), octets, too_large, read })
    };
    loop {
        line.clear();
        // A line without end must not fill the memory: it is read in pieces.
        let length = (&mut lines).take(1 << 20).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if after_empty && line.starts_with(b"From ") {
            if inside && hand_out(number, &mut octets, &mut read, &mut too_large).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            (inside, number) = (true, number + 1);
            after_empty = false;
            read += length as u64;
            continue;
        }
        after_empty = line == b"\n" || line == b"\r\n";
        read += length as u64;
        let quoted = line.iter().take_while(|byte| **byte == b'>').count();
        let text = if quoted > 0 && line[quoted..].starts_with(b"From ") { &line[1..] } else { &line[..] };
        if octets.len() + text.len() > MAIL_LIMIT {
            (too_large, octets) = (true, Vec::new());
        }
        if !too_large {
            octets.extend_from_slice(text);
        }
    }
    if inside { Ok(hand_out(number, &mut octets, &mut read, &mut too_large)) } else { Ok(ControlFlow::Continue(())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &Path) -> (Vec<(String, String)>, u64) {
        let boxes = Mailboxes::below(&[path.to_owned()]).ok().unwrap();
        let mut found = Vec::new();
        let mut read = 0;
        boxes.each(
            |mail| {
                let name = mail.id.rsplit('/').next().unwrap().to_owned();
                found.push((name, String::from_utf8(mail.octets).unwrap()));
                read += mail.read;
                ControlFlow::Continue(())
            },
            |path, why| panic!("{}: {why}", path.display()),
        );
        assert_eq!(read, boxes.octets, "the bar ends at 100 %");
        (found, boxes.skipped)
    }

    #[test]
    fn a_mailbox_parts_only_where_a_message_begins() {
        let folder = tempfile::tempdir().unwrap();
        let text = "From a@example.org Sat Nov 21 00:00:00 2026\nSubject: 1\n\nFrom here on\n>From there\n>>From far\n\n\
                    From b@example.org Sat Nov 21 00:00:01 2026\nSubject: 2\n\nbody\nFrom the middle\n";
        std::fs::write(folder.path().join("box"), text).unwrap();
        let (found, skipped) = all(&folder.path().join("box"));
        assert_eq!(skipped, 0);
        // "From here on" follows the empty line below the header: mboxrd writers quote it, so this one begins a message of its own.
        let texts: Vec<&str> = found.iter().map(|mail| mail.1.as_str()).collect();
        assert_eq!(texts, ["Subject: 1\n", "From there\n>From far\n", "Subject: 2\n\nbody\nFrom the middle\n"]);
        assert_eq!(found[2].0, "box#3");
    }

    #[test]
    fn a_maildir_gives_what_was_delivered_and_its_hidden_folders() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cur/1.host:2,S", "Subject: 1\n\nx"),
            ("new/2.host", "Subject: 2\n\nx"),
            ("tmp/3.host", "Subject: 3\n\nx"),
            (".Sent/cur/4.host", "Subject: 4\n\nx"),
            (".Sent/new/.keep", ""),
            (".git/config", "From: nobody\n"),
            ("dovecot-uidlist", "3 V1 N4\n"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (found, skipped) = all(folder.path());
        let names: Vec<&str> = found.iter().map(|mail| mail.0.as_str()).collect();
        assert_eq!((names, skipped), (vec!["4.host", "1.host:2,S", "2.host"], 1));
    }

    #[test]
    fn a_folder_gives_messages_and_mailboxes_and_counts_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a/1.eml", "anything"),
            ("a/2", "Received: by x\n\nx"),
            ("b.mbox", "From x\nSubject: 3\n\nx\n"),
            ("verdicts.csv", "a/1.eml,fr-nir,true\n"),
            ("notes.txt", "note: this is not mail"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (found, skipped) = all(folder.path());
        assert_eq!((found.len(), skipped), (3, 2), "{found:?}");
    }
}

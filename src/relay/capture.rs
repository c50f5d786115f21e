//! Turns copies into files of a Maildir: the built-in upstream for trying out and for tests.
//!
//! The message's octets stand in `new/` exactly as they would have gone out; the envelope stands beside, in `envelopes/`, under the
//! same name. A copy that is put there a second time, after a crash, finds its own file and makes no second one.

use crate::spool::Queued;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A Maildir (`tmp`, `new`, `cur`) with envelopes.
#[derive(Clone, Debug)]
pub struct Capture {
    folder: PathBuf,
}

const PARTS: [&str; 4] = ["tmp", "new", "cur", "envelopes"];

impl Capture {
    /// Makes the folders where they are missing.
    pub fn open(folder: &Path) -> io::Result<Capture> {
        for part in PARTS {
            fs::create_dir_all(folder.join(part))?;
        }
        sync_folder(folder)?;
        Ok(Capture { folder: folder.to_owned() })
    }

    /// Returns the file's name once message and envelope are on disk. Blocks.
    pub fn put(&self, copy: &Queued) -> io::Result<String> {
        // The reference is random, so that a new store that counts from one again does not meet an older one's files.
        let name = format!("{}.{}-{}.postern", copy.queued_at.0, copy.reference, copy.id);
        let envelope = self.folder.join("envelopes").join(format!("{name}.json"));
        if envelope.exists() && self.is_there(&name)? {
            return Ok(name);
        }
        let sender = copy.outgoing.mail_from.as_ref().map(ToString::to_string).unwrap_or_default();
        let recipients: Vec<String> = copy.outgoing.recipients.iter().map(ToString::to_string).collect();
        let line = serde_json::json!({
            "id": copy.id, "reference": copy.reference, "mail_from": sender, "recipients": recipients,
            "body": if copy.outgoing.raw.is_eight_bit() { "8BITMIME" } else { "7BIT" }, "requires_tls": copy.outgoing.requires_tls,
        });
        self.write(&format!("{name}.json"), format!("{line}\n").as_bytes(), &envelope)?;
        self.write(&name, copy.outgoing.raw.as_bytes(), &self.folder.join("new").join(&name))?;
        Ok(name)
    }

    /// tmp, fsync, rename, fsync: a file in its place is whole.
    fn write(&self, name: &str, octets: &[u8], place: &Path) -> io::Result<()> {
        let tmp = self.folder.join("tmp").join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&tmp)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&tmp, place)?;
        place.parent().map_or(Ok(()), sync_folder)
    }

    /// In `new`, or moved to `cur` by a reader, who adds flags behind a colon.
    fn is_there(&self, name: &str) -> io::Result<bool> {
        if self.folder.join("new").join(name).exists() {
            return Ok(true);
        }
        for entry in fs::read_dir(self.folder.join("cur"))? {
            let entry = entry?.file_name();
            if entry.to_string_lossy().split(':').next() == Some(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Address, Outgoing, Protection, RawMessage, Reference, UnixTime};

    fn copy(id: i64) -> Queued {
        let octets = b"Subject: x\r\n\r\n.\r\n\xe9 no final line end".to_vec();
        Queued {
            id,
            reference: Reference::from_random([7; 8]),
            outgoing: Outgoing {
                mail_from: None,
                recipients: vec![Address::parse("b@example.net").unwrap()],
                raw: RawMessage::new(octets).unwrap(),
                protection: Protection::None,
                requires_tls: false,
                transport: Default::default(),
            },
            queued_at: UnixTime(1_795_000_000),
            attempts: 0,
            delay_told: false,
        }
    }

    fn names(folder: &Path, part: &str) -> Vec<String> {
        let entries = fs::read_dir(folder.join(part)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_octets_are_exact_and_the_envelope_stands_beside() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::open(folder.path()).unwrap();
        let name = capture.put(&copy(1)).unwrap();
        assert_eq!(fs::read(folder.path().join("new").join(&name)).unwrap(), copy(1).outgoing.raw.as_bytes());
        let envelope = fs::read(folder.path().join("envelopes").join(format!("{name}.json"))).unwrap();
        let envelope: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
        assert_eq!(envelope["mail_from"], "");
        assert_eq!(envelope["recipients"], serde_json::json!(["b@example.net"]));
        assert_eq!(names(folder.path(), "tmp"), [""; 0]);
    }

    #[test]
    fn a_copy_put_twice_is_there_once_even_when_it_was_read_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::open(folder.path()).unwrap();
        let name = capture.put(&copy(1)).unwrap();
        assert_eq!(capture.put(&copy(1)).unwrap(), name);
        fs::rename(folder.path().join("new").join(&name), folder.path().join("cur").join(format!("{name}:2,S"))).unwrap();
        assert_eq!(capture.put(&copy(1)).unwrap(), name);
        assert_eq!(names(folder.path(), "new"), [""; 0]);
        capture.put(&copy(2)).unwrap();
        assert_eq!(names(folder.path(), "new").len(), 1);
    }

    #[test]
    fn an_envelope_without_message_is_what_a_crash_leaves_and_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::open(folder.path()).unwrap();
        let name = capture.put(&copy(1)).unwrap();
        fs::remove_file(folder.path().join("new").join(&name)).unwrap();
        capture.put(&copy(1)).unwrap();
        assert_eq!(names(folder.path(), "new"), [name]);
    }
}

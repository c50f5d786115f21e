//! Turns a file of a foreign format into a task for somebody else, and what that somebody answers into texts, after a check: parsers
//! of foreign formats crash, hang and are taken over, so they run where that harms nobody (see `worker`), and are not believed.

use super::reading::{File, Reading};
use super::*;
use std::sync::Arc;

/// Reads the files that need a foreign parser, and the letters on pictures. Given from outside, so that `extract` stays pure.
pub trait ReadForeign: Send + Sync {
    /// Reads one file and all that is inside it. `Err` when it could not be read at all; never a panic, never longer than
    /// [`ForeignFile::milliseconds`] by much.
    fn read(&self, file: &ForeignFile, octets: &[u8]) -> Result<Foreign, NotRead>;

    /// Whether it can tell letters on pictures at all.
    fn recognises(&self) -> bool;

    /// The text that stands on a picture, within so many milliseconds. [`Reason::Unsupported`] where nobody can.
    fn recognise(&self, picture: &Picture, milliseconds: u64) -> Result<Recognised, NotRead>;
}

/// Who reads foreign files.
#[derive(Clone)]
pub struct Reader(Arc<dyn ReadForeign>);

impl Reader {
    pub fn new(reader: impl ReadForeign + 'static) -> Reader {
        Reader(Arc::new(reader))
    }

    /// See [`Here`].
    pub fn here() -> Reader {
        Reader::new(Here)
    }
}

impl std::ops::Deref for Reader {
    type Target = dyn ReadForeign;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// One file to be read elsewhere, without its octets. It has no `Debug`: names and passwords are content.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct ForeignFile {
    /// Where it stands in the message; every place in the answer begins with it.
    pub place: String,
    /// As written, decoded; empty when there is none.
    pub name: String,
    /// The media type that its sender gave it, lower case, or empty.
    pub declared: String,
    pub charset: Option<String>,
    /// How deep it lies already, and inside how many disguises.
    pub depth: usize,
    pub unveiled: usize,
    /// What may still be spent.
    pub limits: Limits,
    /// Milliseconds that it may take.
    pub milliseconds: u64,
    /// Passwords told in the same message, likeliest first.
    pub passwords: Vec<String>,
}

/// What was in a foreign file. Groups count from 1, which is the file itself.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Foreign {
    pub extracted: Extracted,
    pub spent: Spent,
}

#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Spent {
    /// Octets unpacked.
    pub expanded: u64,
    pub files: usize,
    pub milliseconds: u64,
}

/// Why a file was not read at all, and how long the attempt took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRead {
    pub reason: Reason,
    pub milliseconds: u64,
}

/// What stands on a picture, and how long reading it took.
#[derive(Clone, Debug, Default)]
pub struct Recognised {
    pub text: String,
    pub milliseconds: u64,
}

/// Reads in this very process: inside the worker, and in tests of the library. No letters on pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Here;

impl ReadForeign for Here {
    fn read(&self, file: &ForeignFile, octets: &[u8]) -> Result<Foreign, NotRead> {
        Ok(read_foreign(file, octets))
    }

    fn recognises(&self) -> bool {
        false
    }

    fn recognise(&self, _: &Picture, _: u64) -> Result<Recognised, NotRead> {
        Err(NotRead { reason: Reason::Unsupported, milliseconds: 0 })
    }
}

/// What the worker does with one file.
pub fn read_foreign(file: &ForeignFile, octets: &[u8]) -> Foreign {
    let mut reading = Reading::inside(file);
    let group = reading.new_group();
    let inner = File {
        within: "",
        name: &file.name,
        declared: &file.declared,
        charset: file.charset.as_deref(),
        octets,
        depth: file.depth,
    };
    reading.file_at(inner, &file.place, group);
    reading.into_foreign()
}

/// Groups in one answer; each body, attachment and member of an archive is one.
const MOST_GROUPS: u32 = 1 << 20;

impl Foreign {
    /// Whether an answer can be the answer to this task: everything lies inside the file, every offset on a character, nothing is
    /// more than was allowed. Who took the worker over could otherwise make the gate itself break down, or speak of other parts.
    pub fn fits(&self, file: &ForeignFile) -> bool {
        let Extracted { texts, unreadable, files, opened, pictures } = &self.extracted;
        let inside = |place: &Place| {
            place.0.strip_prefix(file.place.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '>']))
        };
        let octets: usize = texts.iter().map(|text| text.content.len()).sum();
        let group = |group: u32| (1..=MOST_GROUPS).contains(&group);
        octets <= file.limits.text_octets
            && pictures.len() <= file.limits.pictures
            && texts.iter().all(|text| inside(&text.place) && group(text.group) && table_fits(text))
            && unreadable.iter().all(|one| inside(&one.part))
            && files.iter().all(|seen| inside(&seen.place))
            && opened.iter().all(inside)
            && pictures.iter().all(|picture| inside(&picture.place) && group(picture.group))
    }
}

fn table_fits(text: &Text) -> bool {
    let Some(table) = &text.table else { return true };
    let mut end = 0;
    table.cells.iter().all(|cell| {
        let follows = cell.start >= end && cell.start <= cell.end;
        end = cell.end;
        follows && text.content.get(cell.start as usize..cell.end as usize).is_some()
    })
}

/// What an attempt that came to nothing costs at least: else a message of five thousand files that each crash the worker would keep
/// it starting new ones for minutes.
const FAILURE_MILLISECONDS: u64 = 100;

/// A file to be handed over when all else of its message was read.
pub(super) struct Waiting {
    place: String,
    group: u32,
    name: String,
    declared: String,
    charset: Option<String>,
    octets: Vec<u8>,
    depth: usize,
    unveiled: usize,
}

impl Waiting {
    pub(super) fn new(file: &File, place: &str, group: u32, unveiled: usize) -> Waiting {
        Waiting {
            place: place.to_owned(),
            group,
            name: file.name.to_owned(),
            declared: file.declared.to_owned(),
            charset: file.charset.map(str::to_owned),
            octets: file.octets.to_vec(),
            depth: file.depth,
            unveiled,
        }
    }

    fn file(&self) -> File<'_> {
        File {
            within: "",
            name: &self.name,
            declared: &self.declared,
            charset: self.charset.as_deref(),
            octets: &self.octets,
            depth: self.depth,
        }
    }
}

impl Reading {
    /// Has a file read elsewhere, and takes in what comes back.
    pub(super) fn hand_over(&mut self, reader: &Reader, file: &Waiting) {
        let milliseconds = self.budget.milliseconds_left();
        if milliseconds == 0 || file.depth > self.budget.depth() || self.budget.files_left() == 0 {
            self.seen_at_a_glance(&file.place, &file.file());
            return self.unreadable(&file.place, Reason::OverBudget);
        }
        let task = ForeignFile {
            place: file.place.clone(),
            name: file.name.clone(),
            declared: file.declared.clone(),
            charset: file.charset.clone(),
            depth: file.depth,
            unveiled: file.unveiled,
            limits: self.budget.limits_left(self.pictures_left()),
            milliseconds,
            passwords: self.candidates(),
        };
        let (reason, spent) = match reader.read(&task, &file.octets) {
            Ok(answer) if answer.fits(&task) => return self.take_in(answer, file.group),
            Ok(answer) => (Reason::Damaged, answer.spent.milliseconds),
            Err(NotRead { reason, milliseconds }) => (reason, milliseconds),
        };
        self.budget.take_time(spent.max(FAILURE_MILLISECONDS));
        self.budget.file();
        self.seen_at_a_glance(&file.place, &file.file());
        self.unreadable(&file.place, reason);
    }

    /// Renumbers the groups: the answer's first is the file's own, all others are new here.
    fn take_in(&mut self, answer: Foreign, group: u32) {
        let Foreign { extracted, spent } = answer;
        self.budget.take(&spent);
        let base = self.last_group();
        let mut last = base;
        let mut ours = |theirs: u32| match theirs {
            1 => group,
            theirs => {
                last = last.max(base + theirs);
                base + theirs
            }
        };
        let texts: Vec<Text> = extracted.texts.into_iter().map(|text| Text { group: ours(text.group), ..text }).collect();
        let pictures: Vec<Picture> =
            extracted.pictures.into_iter().map(|picture| Picture { group: ours(picture.group), ..picture }).collect();
        self.groups_up_to(last);
        texts.iter().for_each(|text| self.budget.keep_text(text.content.len()));
        self.absorb(Extracted { texts, pictures, ..extracted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> ForeignFile {
        ForeignFile {
            place: "a.zip".into(),
            name: "a.zip".into(),
            declared: String::new(),
            charset: None,
            depth: 0,
            unveiled: 0,
            limits: Limits { text_octets: 100, ..Limits::default() },
            milliseconds: 1_000,
            passwords: Vec::new(),
        }
    }

    fn text(place: &str, group: u32, content: &str, cells: &[(u32, u32)]) -> Text {
        let cells = cells.iter().map(|(start, end)| Cell { start: *start, end: *end, column: 0 }).collect();
        let table = Some(Table { cells, headers: Vec::new() });
        Text { place: Place(place.into()), kind: TextKind::Attachment, group, content: content.into(), table }
    }

    #[test]
    fn an_answer_that_cannot_be_one_is_not_believed() {
        let fits = |text: Text| {
            let extracted = Extracted { texts: vec![text], ..Extracted::default() };
            Foreign { extracted, spent: Spent::default() }.fits(&task())
        };
        assert!(fits(text("a.zip > b", 1, "é x", &[(0, 2), (3, 4)])));
        for (why, wrong) in [
            ("another part", text("body", 1, "x", &[])),
            ("another file with a longer name", text("a.zipper", 1, "x", &[])),
            ("no group", text("a.zip", 0, "x", &[])),
            ("a group beyond all", text("a.zip", u32::MAX, "x", &[])),
            ("inside a letter", text("a.zip", 1, "é x", &[(1, 2)])),
            ("beyond the end", text("a.zip", 1, "x", &[(0, 2)])),
            ("turned round", text("a.zip", 1, "xyz", &[(2, 1)])),
            ("overlapping", text("a.zip", 1, "xyz", &[(0, 2), (1, 3)])),
            ("more than was allowed", text("a.zip", 1, &"x".repeat(101), &[])),
        ] {
            assert!(!fits(wrong), "{why}");
        }
    }

    #[test]
    fn what_is_not_believed_is_damaged_and_what_cannot_be_read_says_why() {
        struct Answers(Result<Foreign, NotRead>);
        impl ReadForeign for Answers {
            fn read(&self, _: &ForeignFile, _: &[u8]) -> Result<Foreign, NotRead> {
                self.0.clone()
            }
            fn recognises(&self) -> bool {
                false
            }
            fn recognise(&self, _: &Picture, _: u64) -> Result<Recognised, NotRead> {
                Err(NotRead { reason: Reason::Unsupported, milliseconds: 0 })
            }
        }
        let elsewhere = Extracted { texts: vec![text("body", 1, "x", &[])], ..Extracted::default() };
        for (answer, reason) in [
            (Ok(Foreign { extracted: elsewhere, spent: Spent::default() }), Reason::Damaged),
            (Err(NotRead { reason: Reason::Damaged, milliseconds: 5 }), Reason::Damaged),
            (Err(NotRead { reason: Reason::OverBudget, milliseconds: 20_000 }), Reason::OverBudget),
        ] {
            let out = extract_file("a.pdf", b"%PDF-1.7", &Limits::default(), &Reader::new(Answers(answer)));
            let unreadable = Unreadable { part: Place("a.pdf".into()), reason };
            assert_eq!(out.unreadable, [unreadable]);
            // Its name was read all the same, and policies on types of attachments still see it.
            assert_eq!(out.texts.len(), 1);
            assert_eq!((out.files[0].media_type.as_str(), out.files[0].kind), ("application/pdf", FileKind::Pdf));
        }
    }

    #[test]
    fn time_is_shared_by_the_files_of_a_message() {
        struct Slow(Arc<std::sync::Mutex<Vec<u64>>>);
        impl ReadForeign for Slow {
            fn read(&self, file: &ForeignFile, _: &[u8]) -> Result<Foreign, NotRead> {
                self.0.lock().unwrap().push(file.milliseconds);
                Err(NotRead { reason: Reason::Damaged, milliseconds: 900 })
            }
            fn recognises(&self) -> bool {
                false
            }
            fn recognise(&self, _: &Picture, _: u64) -> Result<Recognised, NotRead> {
                Err(NotRead { reason: Reason::Unsupported, milliseconds: 0 })
            }
        }
        let asked: Arc<std::sync::Mutex<Vec<u64>>> = Arc::default();
        let slow = Reader::new(Slow(asked.clone()));
        let part = "--b\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7\r\n";
        let mail = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(4));
        let raw = crate::mail::RawMessage::new(mail.into_bytes()).unwrap();
        let message = crate::mime::parse(&raw, &Default::default()).unwrap();
        let out = extract(&message, &Limits { seconds: 2, ..Limits::default() }, &slow);
        assert_eq!(*asked.lock().unwrap(), [2_000, 1_100, 200]);
        assert_eq!(out.unreadable.len(), 4);
        assert_eq!(out.unreadable[3].reason, Reason::OverBudget);
    }
}

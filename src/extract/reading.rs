//! Turns one file after the other into texts, by what each really is, and keeps the books: places, groups, names, budget.

use super::budget::Budget;
use super::foreign::Waiting;
use super::guard::guarded;
use super::passwords::Passwords;
use super::sniff::{self, Format};
use super::*;
use crate::mime;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Reading {
    out: Extracted,
    pub(super) budget: Budget,
    /// How often each place was given: two files with one name must be told apart.
    places: HashMap<String, usize>,
    group: u32,
    /// How many disguises deep it is reading.
    pub(super) unveiled: usize,
    /// Told in the message itself, likeliest first.
    pub(super) passwords: Passwords,
    /// Whether the part being read is shown inside the text of the mail, where signatures have their logos.
    pub(super) inline: bool,
    /// Who reads foreign files; none when that is ourselves, in the worker.
    reader: Option<Reader>,
    /// Foreign files found so far: a password that opens one may stand in a text behind it.
    waiting: Vec<Waiting>,
}

/// A file to be read: an attachment, a member of an archive, a file of its own.
#[derive(Clone, Copy)]
pub(super) struct File<'x> {
    /// The place of what contains it; empty at the top.
    pub within: &'x str,
    pub name: &'x str,
    /// The media type that its sender gave it, lower case, or empty.
    pub declared: &'x str,
    pub charset: Option<&'x str>,
    pub octets: &'x [u8],
    pub depth: usize,
}

impl Reading {
    pub(super) fn new(limits: &Limits, input: u64, reader: &Reader) -> Reading {
        let ocr = if reader.recognises() { limits.ocr } else { Ocr::Off };
        let limits = Limits { ocr, ..limits.clone() };
        Reading {
            out: Extracted::default(),
            budget: Budget::new(&limits, input),
            places: HashMap::new(),
            group: 0,
            unveiled: 0,
            passwords: Passwords::default(),
            inline: false,
            reader: Some(reader.clone()),
            waiting: Vec::new(),
        }
    }

    /// Of one file of a message, for somebody else who has read the rest.
    pub(super) fn inside(file: &ForeignFile) -> Reading {
        Reading {
            out: Extracted::default(),
            budget: Budget::new(&file.limits, 1),
            places: HashMap::new(),
            group: 0,
            unveiled: file.unveiled,
            passwords: Passwords::told(file.passwords.clone()),
            inline: false,
            reader: None,
            waiting: Vec::new(),
        }
    }

    pub(super) fn into_foreign(self) -> Foreign {
        Foreign { spent: self.budget.spent(), extracted: self.out }
    }

    pub(super) fn finish(mut self) -> Extracted {
        if let Some(reader) = self.reader.clone() {
            self.read_waiting(&reader);
            self.letters(&reader);
            // What was hidden in the letters on a picture.
            self.read_waiting(&reader);
        }
        self.out
    }

    /// What was read so far.
    pub(super) fn texts(&self) -> &[Text] {
        &self.out.texts
    }

    pub(super) fn note_opened(&mut self, place: &str) {
        self.out.opened.push(Place(Arc::from(place)));
    }

    fn read_waiting(&mut self, reader: &Reader) {
        for file in std::mem::take(&mut self.waiting) {
            self.hand_over(reader, &file);
        }
    }

    pub(super) fn last_group(&self) -> u32 {
        self.group
    }

    pub(super) fn groups_up_to(&mut self, group: u32) {
        self.group = self.group.max(group);
    }

    /// What was read elsewhere, with groups and places of this message already.
    pub(super) fn absorb(&mut self, mut read: Extracted) {
        self.out.texts.append(&mut read.texts);
        self.out.files.append(&mut read.files);
        self.out.opened.append(&mut read.opened);
        read.unreadable.into_iter().for_each(|one| self.unreadable(&one.part.0, one.reason));
        read.pictures.into_iter().for_each(|one| self.picture(&one.place.0, one.group, one.role, &one.octets.0));
    }

    pub(super) fn pictures(&self) -> &[Picture] {
        &self.out.pictures
    }

    pub(super) fn pictures_left(&self) -> usize {
        self.budget.pictures().saturating_sub(self.out.pictures.len())
    }

    pub(super) fn keep_picture(&mut self, picture: Picture) {
        self.out.pictures.push(picture);
    }

    pub(super) fn take_pictures(&mut self) -> Vec<Picture> {
        std::mem::take(&mut self.out.pictures)
    }

    /// Begins a new body or attachment: words in one are not near the values of another.
    pub(super) fn new_group(&mut self) -> u32 {
        self.group += 1;
        self.group
    }

    /// `within > name`, told apart from others of that name.
    pub(super) fn place(&mut self, within: &str, name: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let place = if within.is_empty() { name } else { format!("{within} > {name}") };
        let times = self.places.entry(place.clone()).or_insert(0);
        *times += 1;
        if *times == 1 { place } else { format!("{place} ({times})") }
    }

    pub(super) fn text(&mut self, place: &str, kind: TextKind, group: u32, content: impl Into<String>) {
        self.table(place, kind, group, content.into(), None);
    }

    pub(super) fn table(&mut self, place: &str, kind: TextKind, group: u32, mut content: String, table: Option<Table>) {
        if content.trim().is_empty() {
            return;
        }
        let mut table = table;
        let left = self.budget.text_left();
        if content.len() > left {
            let mut end = left;
            while !content.is_char_boundary(end) {
                end -= 1;
            }
            content.truncate(end);
            if let Some(table) = &mut table {
                table.cells.retain(|cell| cell.end as usize <= end);
            }
            self.unreadable(place, Reason::OverBudget);
        }
        self.budget.keep_text(content.len());
        if !content.is_empty() {
            match kind {
                TextKind::FileName => self.disguised_name(&content, place, group),
                _ => self.disguises(&content, place, kind, group, table.is_some()),
            }
            self.out.texts.push(Text { place: Place(Arc::from(place)), kind, group, content, table });
        }
    }

    pub(super) fn push(&mut self, text: Text) {
        self.out.texts.push(text);
    }

    pub(super) fn unreadable(&mut self, place: &str, reason: Reason) {
        let unreadable = Unreadable { part: Place(Arc::from(place)), reason };
        // One part may be damaged in many ways; a thousand broken parts need no thousand and first.
        if self.out.unreadable.len() < 1_000 && !self.out.unreadable.contains(&unreadable) {
            self.out.unreadable.push(unreadable);
        }
    }

    /// What could not be read elsewhere is still an attachment of some kind.
    pub(super) fn seen_at_a_glance(&mut self, place: &str, file: &File) {
        let (media_type, kind) = sniff::at_a_glance(file);
        self.seen(place, file, media_type, kind);
    }

    fn seen(&mut self, place: &str, file: &File, media_type: &str, kind: FileKind) {
        self.out.files.push(FileSeen {
            place: Place(Arc::from(place)),
            name: file.name.to_owned(),
            media_type: media_type.to_owned(),
            kind,
            size: file.octets.len() as u64,
            sealed_to: if kind == FileKind::SealedByClient { mime::sealed_to(file.octets) } else { Vec::new() },
        });
    }

    /// The name of a file or part is content too: people put numbers in names.
    pub(super) fn name(&mut self, place: &str, group: u32, name: &str) {
        if !name.is_empty() {
            self.text(place, TextKind::FileName, group, name);
        }
    }

    /// Reads a file by what it is.
    pub(super) fn file(&mut self, file: File) {
        let shown = if file.name.is_empty() { file.declared } else { file.name };
        let place = self.place(file.within, if shown.is_empty() { "unnamed" } else { shown });
        let group = self.new_group();
        self.name(&place, group, file.name);
        self.file_at(file, &place, group);
    }

    /// The same where the place and the names were told already.
    pub(super) fn file_at(&mut self, file: File, place: &str, group: u32) {
        if self.reader.is_some() && sniff::is_foreign(&file) {
            return self.waiting.push(Waiting::new(&file, place, group, self.unveiled));
        }
        if !self.budget.file() || file.depth > self.budget.depth() {
            self.seen(place, &file, "application/octet-stream", FileKind::Other);
            return self.unreadable(place, Reason::OverBudget);
        }
        let format = sniff::sniff(&file);
        let (media_type, kind) = sniff::describe(&format, &file);
        // Archives tell their own kind once they have been looked into.
        if !matches!(format, Format::Zip) {
            self.seen(place, &file, &media_type, kind);
        }
        let done = guarded(|| {
            self.read(&file, place, group, &format);
            // One file in two formats: who opens it as an archive finds what who opens it as a text does not.
            if !matches!(format, Format::Zip | Format::Message) && sniff::ends_as_zip(file.octets) {
                self.zip(&file, place, group);
            }
            self.archive_behind(&file, place, group, &format);
        });
        if done.is_none() {
            self.unreadable(place, Reason::Damaged);
        }
    }

    /// A program that unpacks itself, or a picture in front of an archive.
    fn archive_behind(&mut self, file: &File, place: &str, group: u32, format: &Format) {
        if !matches!(format, Format::Executable | Format::Image | Format::Unknown(_) | Format::Pdf | Format::Disc) {
            return;
        }
        if let Some(at) = archive::is_seven_zip(file.octets) {
            self.seven_zip(file, &file.octets[at..], place);
        }
        if let Some(at) = archive::is_rar(file.octets) {
            self.rar(file, &file.octets[at..], place, group);
        }
    }

    fn read(&mut self, file: &File, place: &str, group: u32, format: &Format) {
        match format {
            Format::Empty => {}
            // An image or a program that we cannot read is no reason to hold a mail: every signature has a logo. It stands in
            // `files`, and a policy may name `attachment_types`. Its comments, and what was put behind it, are text.
            Format::Image | Format::Executable => {
                self.text(place, TextKind::Alternative, group, super::plain::printable(file.octets));
                self.picture_comments(place, group, file.octets);
                if *format == Format::Image && !(self.inline && super::picture::is_signature(file.octets)) {
                    self.picture(place, group, PictureRole::Beside, file.octets);
                }
            }
            Format::Text => self.plain_file(file, place, group),
            Format::Html => {
                let text = mime::text_in_charset(file.octets, file.charset.or(super::html::declared_charset(file.octets))).0;
                self.html(&text, place, TextKind::Attachment, group);
            }
            Format::Xml => self.xml_file(file, place, group),
            Format::Rtf => self.rtf(file, place, group),
            Format::Pdf => self.pdf(file.octets, place, group, file.depth),
            Format::Zip => self.zip(file, place, group),
            Format::Compressed(codec) => self.compressed(file, place, group, *codec),
            Format::Tar => self.tar(file, place),
            Format::Ole => self.ole(file, place, group),
            Format::Tnef => self.tnef(file, place, group),
            Format::Ar => self.ar(file, place),
            Format::Cpio => self.cpio(file, place),
            Format::Disc => self.disc(file, place, group),
            Format::Cabinet => self.cabinet(file, place),
            Format::SevenZip => self.seven_zip(file, file.octets, place),
            Format::Rar => self.rar(file, file.octets, place, group),
            Format::Message => self.mail_file(file, place, group),
            Format::Cms => self.cms(file, place, group),
            Format::ArmoredOpenpgp => self.unreadable(place, Reason::ClientEncrypted),
            Format::Unknown(_) => self.unreadable(place, Reason::Unsupported),
        }
    }

    /// A zip archive tells what it is: office document or plain archive.
    pub(super) fn seen_archive(&mut self, place: &str, file: &File, media_type: &str, kind: FileKind) {
        self.seen(place, file, media_type, kind);
    }

    pub(super) fn seen_sealed(&mut self, place: &str, name: &str, media_type: &str, octets: &[u8]) {
        let file = File { within: "", name, declared: media_type, charset: None, octets, depth: 0 };
        self.seen(place, &file, media_type, FileKind::SealedByClient);
        self.unreadable(place, Reason::ClientEncrypted);
    }

    fn cms(&mut self, file: &File, place: &str, group: u32) {
        if mime::sealed_content(file.octets).is_some() {
            return self.unreadable(place, Reason::ClientEncrypted);
        }
        match mime::signed_content(file.octets) {
            // Opaque signed: what is signed is a MIME entity (RFC 8551 §3.5.2), or for a signed file the file itself.
            Some(content) if !content.is_empty() => {
                let entity = super::attached_mail::looks_like_entity(&content);
                let declared = if entity { "message/rfc822" } else { "" };
                let name = file.name.rsplit_once('.').map_or("", |(stem, _)| stem);
                let name = if name.is_empty() { "signed content" } else { name };
                self.file(File { within: place, name, declared, charset: None, octets: &content, depth: file.depth + 1 });
            }
            Some(_) => {}
            None => {
                // Certificates, detached signatures and the like; their printable text is all a reader could see.
                let text = super::plain::printable(file.octets);
                self.text(place, TextKind::Alternative, group, text);
                self.unreadable(place, Reason::Unsupported);
            }
        }
    }
}

//! Turns parts into the texts that a recipient could read. What cannot be read is a result with a reason, never an omission.

mod apart;
mod archive;
mod attached_mail;
mod budget;
mod cards;
mod cells;
mod compound;
mod disguise;
mod epub;
mod excel97;
mod foreign;
mod guard;
mod html;
mod layout;
mod leet;
mod mapi;
mod markup;
mod octets;
mod office;
mod office_lock;
mod ole;
mod ole_properties;
mod open_spreadsheet;
mod outlook_msg;
mod passwords;
mod pdf;
mod picture;
mod plain;
mod powerpoint97;
mod reading;
mod rich_text_packed;
mod rtf;
mod runs;
mod sniff;
mod spreadsheet;
mod style;
mod tnef;
mod vba;
mod word97;
mod wrapped;
mod xlsb;
mod xml;

pub use foreign::{Foreign, ForeignFile, Here, NotRead, ReadForeign, Reader, Recognised, Spent, read_foreign};
pub use picture::{Octets, Picture, PictureRole};

use crate::mime::{KeyName, ParsedMessage};

/// Reads all of a message: header fields, bodies, attachments and what is inside them. Never fails: what cannot be read stands in
/// [`Extracted::unreadable`], with the text before it in [`Extracted::texts`]. Files that need a foreign parser are handed to `reader`.
pub fn extract(message: &ParsedMessage, limits: &Limits, reader: &Reader) -> Extracted {
    let mut reading = reading::Reading::new(limits, message.raw.len() as u64, reader);
    reading.message(message, "", 0);
    reading.finish()
}

/// Reads one plain file by its content: a document, an archive, or a message (`.eml`).
pub fn extract_file(name: &str, octets: &[u8], limits: &Limits, reader: &Reader) -> Extracted {
    let mut reading = reading::Reading::new(limits, octets.len() as u64, reader);
    reading.file(reading::File { within: "", name, declared: "", charset: None, octets, depth: 0 });
    reading.finish()
}

/// Reads a text as the plain body of a message, with its second readings.
pub fn extract_body(text: &str, limits: &Limits, reader: &Reader) -> Extracted {
    let mut reading = reading::Reading::new(limits, text.len() as u64, reader);
    let group = reading.new_group();
    reading.text("body", TextKind::Body, group, text);
    reading.finish()
}

/// A text that is given as it is, as the plain body of a message.
pub fn extract_text(text: &str) -> Extracted {
    let content = text.to_owned();
    let text = Text { place: Place("body".into()), kind: TextKind::Body, group: 1, content, table: None };
    Extracted { texts: vec![text], ..Extracted::default() }
}

/// Where something was found, as an officer reads it: `payslips.zip > 03.pdf > page 2`. File names in it are content: it is
/// shown to reviewers and in `scan`, and masked by [`crate::detect`] where a rule matches in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub std::sync::Arc<str>);

impl serde::Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        Ok(Place(String::deserialize(deserializer)?.into()))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that could and could not be read of one message.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Extracted {
    pub texts: Vec<Text>,
    pub unreadable: Vec<Unreadable>,
    /// Every attachment and archive member, readable or not.
    pub files: Vec<FileSeen>,
    /// Locked files that a password told in the same message opened.
    pub opened: Vec<Place>,
    /// What may hold text that only eyes can read. Empty when all is done: by then the letters stand in `texts`.
    pub pictures: Vec<Picture>,
}

/// One run of text in reading order, as UTF-8.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Text {
    pub place: Place,
    pub kind: TextKind,
    /// Texts of one body or attachment share a number: words of one are near the values of another.
    pub group: u32,
    pub content: String,
    /// For tables: which cells the text is made of.
    pub table: Option<Table>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum TextKind {
    /// The Subject and other header fields a reader sees (with those hidden in MIME parts).
    Header,
    Body,
    Attachment,
    /// The name of a file or part.
    FileName,
    /// Document properties: title, author, custom labels, sensitivity labels; one `name: value` per line.
    Properties,
    /// A second reading of the same octets (ambiguous MIME, hidden HTML, undeclared charset).
    Alternative,
}

/// The cells of a table inside a [`Text`]: rows are lines, columns are separated by a tab.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// In text order.
    pub cells: Vec<Cell>,
    /// The header of each column, where the first rows name them; it counts as near every cell below it.
    pub headers: Vec<Option<String>>,
}

/// Byte offsets into [`Text::content`].
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct Cell {
    pub start: u32,
    pub end: u32,
    pub column: u32,
}

/// A part that was not, or not wholly, read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unreadable {
    pub part: Place,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Encrypted or password-protected.
    Password,
    /// Its own format says that it is broken.
    Damaged,
    /// A limit of [`Budget`] was reached.
    OverBudget,
    /// A format that is not read.
    Unsupported,
    /// S/MIME or OpenPGP by the sender's client, for whom [`FileSeen::sealed_to`] says. What is encrypted to the parties' own keys
    /// alone is taken out again where these are known ([`crate::facts`]).
    ClientEncrypted,
}

/// An attachment or a member of an archive.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct FileSeen {
    pub place: Place,
    /// The name as written, decoded; empty when there is none.
    pub name: String,
    /// By content, not by name: `application/pdf`.
    pub media_type: String,
    pub kind: FileKind,
    /// Octets.
    pub size: u64,
    /// Of what the client sealed: the keys that open it, by its own word.
    pub sealed_to: Vec<KeyName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum FileKind {
    Office,
    Pdf,
    Archive,
    Image,
    Text,
    Message,
    /// An S/MIME or OpenPGP message that the client encrypted.
    SealedByClient,
    Executable,
    Other,
}

/// What reading one message may cost; shared by all its parts and levels. Real output octets are counted, never declared sizes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Octets that decoding and unpacking may produce.
    pub expanded_octets: u64,
    /// Expanded octets per octet of input, once 10 MB are passed.
    pub ratio: u64,
    pub files: usize,
    /// Archives in archives, messages in messages.
    pub depth: usize,
    /// Octets of text handed to detection.
    pub text_octets: usize,
    /// Seconds that the files of one message that need a foreign parser may take together.
    pub seconds: u64,
    /// Octets of memory of the process that reads them.
    pub memory_octets: u64,
    pub ocr: Ocr,
    /// Pictures of one message on which letters are looked for, pixels of one, and seconds for all of them together.
    pub pictures: usize,
    pub picture_pixels: u64,
    pub ocr_seconds: u64,
}

impl Limits {
    /// Octets of memory below which the process that reads attachments cannot even begin.
    const LEAST_MEMORY: u64 = 256 << 20;
    const MOST_SECONDS: u64 = 600;

    /// What is wrong with them, each sentence beginning with the setting it is about.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, seconds) in [("seconds", self.seconds), ("ocr_seconds", self.ocr_seconds)] {
            if !(1..=Limits::MOST_SECONDS).contains(&seconds) {
                problems.push(format!("{name} = {seconds} is too small or too large; write 1 to {}", Limits::MOST_SECONDS));
            }
        }
        if self.memory_octets < Limits::LEAST_MEMORY {
            let (given, least) = (self.memory_octets, Limits::LEAST_MEMORY);
            problems.push(format!("memory_octets = {given} is too little to read anything; write at least {least}"));
        }
        problems
    }
}

/// Whether letters are looked for on pictures and scanned pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ocr {
    /// Where the program for it is installed.
    #[default]
    Auto,
    /// The gate does not start without it, and a picture of some size that could not be read counts as unreadable.
    Required,
    Off,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            expanded_octets: 256 << 20,
            ratio: 200,
            files: 10_000,
            depth: 10,
            text_octets: 32 << 20,
            seconds: 20,
            memory_octets: 1 << 30,
            ocr: Ocr::Auto,
            pictures: 20,
            picture_pixels: 40_000_000,
            ocr_seconds: 60,
        }
    }
}

#[cfg(test)]
mod tests;

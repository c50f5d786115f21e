//! Turns tasks and answers into frames on a socket and back: eight octets of length, then that many. Neither side believes the other's length.

use crate::extract::{Foreign, ForeignFile};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// The first thing a new worker says: what of its confinement holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What this kernel lacks, in words for an operator.
    pub lacks: Vec<String>,
}

/// Octets of a hello.
const HELLO: u64 = 4_096;
/// Octets of a task without the file's own: names, and a hundred passwords.
const TASK: u64 = 4 << 20;
/// Octets of a file; the doors and `scan` take none that is larger.
const FILE: u64 = 1 << 30;
/// What an answer may hold beside its texts: places, names and cells of tables, and the pictures.
const BESIDE_TEXTS: u64 = 192 << 20;

pub fn write_hello(to: &mut impl Write, hello: &Hello) -> io::Result<()> {
    write_frame(to, &encode(hello)?)
}

pub fn read_hello(from: &mut impl Read) -> io::Result<Hello> {
    decode(&read_frame(from, HELLO)?)
}

pub fn write_task(to: &mut impl Write, file: &ForeignFile, octets: &[u8]) -> io::Result<()> {
    write_frame(to, &encode(file)?)?;
    write_frame(to, octets)
}

/// `None` when nothing more will come.
pub fn read_task(from: &mut impl Read) -> io::Result<Option<(ForeignFile, Vec<u8>)>> {
    let task = match read_frame(from, TASK) {
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        task => decode(&task?)?,
    };
    Ok(Some((task, read_frame(from, FILE)?)))
}

pub fn write_answer(to: &mut impl Write, answer: &Foreign) -> io::Result<()> {
    write_frame(to, &encode(answer)?)
}

/// The answer to `file`; more octets than it can have are not even read.
pub fn read_answer(from: &mut impl Read, file: &ForeignFile) -> io::Result<Foreign> {
    let most = BESIDE_TEXTS + 2 * file.limits.text_octets as u64;
    decode(&read_frame(from, most)?)
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

fn decode<T: for<'x> Deserialize<'x>>(octets: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(octets) {
        Ok((value, [])) => Ok(value),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn write_frame(to: &mut impl Write, octets: &[u8]) -> io::Result<()> {
    to.write_all(&(octets.len() as u64).to_le_bytes())?;
    to.write_all(octets)
}

fn read_frame(from: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut octets = Vec::new();
    // Not reserved by the length that was said, but by what really comes.
    from.take(length).read_to_end(&mut octets)?;
    if octets.len() as u64 == length { Ok(octets) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Extracted, Limits, Octets, Picture, PictureRole, Place, Spent, Text, TextKind};

    fn file() -> ForeignFile {
        ForeignFile {
            place: "a.pdf".into(),
            name: "a.pdf".into(),
            declared: "application/pdf".into(),
            charset: None,
            depth: 1,
            unveiled: 0,
            limits: Limits { text_octets: 1_000, ..Limits::default() },
            milliseconds: 5,
            passwords: vec!["invented".into()],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut wire = Vec::new();
        write_task(&mut wire, &file(), b"octets").unwrap();
        let (read, octets) = read_task(&mut &wire[..]).unwrap().unwrap();
        assert_eq!((read.place, read.limits, octets), ("a.pdf".into(), file().limits, b"octets".to_vec()));
        assert!(read_task(&mut &b""[..]).unwrap().is_none());

        let text = Text {
            place: Place("a.pdf > page 1".into()),
            kind: TextKind::Attachment,
            group: 1,
            content: "été".into(),
            table: None,
        };
        let octets = Octets(vec![1, 2, 3]);
        let picture = Picture { place: text.place.clone(), group: 1, role: PictureRole::Page, octets: octets.clone() };
        let extracted = Extracted { texts: vec![text], pictures: vec![picture], ..Extracted::default() };
        let mut wire = Vec::new();
        write_answer(&mut wire, &Foreign { extracted, spent: Spent { expanded: 7, files: 1, milliseconds: 0 } }).unwrap();
        let answer = read_answer(&mut &wire[..], &file()).unwrap();
        assert_eq!(answer.extracted.texts[0].content, "été");
        assert!(answer.extracted.pictures[0].octets == octets && answer.fits(&file()));
    }

    /// Random octets, and every answer that was cut or changed in one place, are errors or answers, never a panic or a great reservation.
    #[test]
    fn nonsense_is_an_error() {
        assert!(read_answer(&mut &u64::MAX.to_le_bytes()[..], &file()).is_err());
        assert!(read_answer(&mut &[9, 0, 0, 0, 0, 0, 0, 0, 1][..], &file()).is_err());
        // A list of four thousand million texts in five octets.
        let mut wire = vec![5, 0, 0, 0, 0, 0, 0, 0];
        wire.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(read_answer(&mut &wire[..], &file()).is_err());
        let mut good = Vec::new();
        write_answer(&mut good, &crate::extract::read_foreign(&file(), b"%PDF-1.7 broken")).unwrap();
        for at in 8..good.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= change;
                let _ = read_answer(&mut &bad[..], &file()).map(|answer| answer.fits(&file()));
            }
            assert!(read_answer(&mut &good[..at], &file()).is_err());
        }
    }
}

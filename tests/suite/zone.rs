//! A name server for a few TXT records on a loopback address of its own, for verifiers that insist on asking one.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};

pub struct Zone {
    pub address: Ipv4Addr,
}

/// Reads zone-file lines such as `a._domainkey.example.org. 3600 IN TXT ( "v=DKIM1; " "p=…" )`, also broken over lines.
pub fn txt_records(text: &str) -> BTreeMap<String, String> {
    let mut records = BTreeMap::new();
    // A record begins on a line whose first word is the name; the strings up to the next such line are its value.
    let mut name = None::<String>;
    for line in text.lines().filter(|line| !line.trim_start().starts_with(';')) {
        let mut pieces = line.split('"');
        let before = pieces.next().unwrap_or("");
        if let Some(word) = before.split_whitespace().find(|word| word.contains("_domainkey")) {
            name = Some(word.trim_end_matches('.').to_ascii_lowercase());
        }
        if let Some(name) = &name {
            let value: String = pieces.step_by(2).collect();
            records.entry(name.clone()).or_insert_with(String::new).push_str(&value);
        }
    }
    records
}

impl Zone {
    /// Answers until the test's process ends. Port 53 needs root.
    pub fn serve(records: BTreeMap<String, String>) -> io::Result<Zone> {
        let id = std::process::id();
        let (socket, address) = (0..50u32)
            .find_map(|n| {
                let [_, a, b, c] = (id.wrapping_mul(64) + n).to_be_bytes();
                let address = Ipv4Addr::new(127, a | 1, b, c.clamp(1, 254));
                UdpSocket::bind((address, 53)).ok().map(|socket| (socket, address))
            })
            .ok_or(io::ErrorKind::PermissionDenied)?;
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..size], &records) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Zone { address })
    }
}

/// RFC 1035 §4.1: the question again, and one TXT record or NXDOMAIN.
fn answer(query: &[u8], records: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let size = usize::from(*query.get(at)?);
        at += 1;
        if size == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + size)?).to_ascii_lowercase());
        at += size;
    }
    let question = query.get(12..at + 4)?;
    let value = records.get(&labels.join("."));
    let mut answer = query[..2].to_vec();
    answer.extend_from_slice(if value.is_some() { &[0x85, 0x80] } else { &[0x85, 0x83] });
    answer.extend_from_slice(&[0, 1, 0, u8::from(value.is_some()), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if let Some(value) = value {
        let mut strings = Vec::new();
        for piece in value.as_bytes().chunks(255) {
            strings.push(piece.len() as u8);
            strings.extend_from_slice(piece);
        }
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        answer.extend_from_slice(&(strings.len() as u16).to_be_bytes());
        answer.extend_from_slice(&strings);
    }
    Some(answer)
}

#[test]
fn zone_file_lines_are_read_as_written() {
    let text = "; a comment with \"quotes\"\na._domainkey.example.org. IN TXT \"v=DKIM1; k=rsa; \" \"p=AB\"\n\
                b._domainkey.example.org.\t3600 IN TXT ( \"v=DKIM1;\"\n\t\" p=CD\" )\n";
    let records = txt_records(text);
    assert_eq!(records["a._domainkey.example.org"], "v=DKIM1; k=rsa; p=AB");
    assert_eq!(records["b._domainkey.example.org"], "v=DKIM1; p=CD");
}

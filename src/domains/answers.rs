//! Turns a stage's need to know into questions for whoever can ask, and their answers into what the stage reads.
//!
//! A judgement runs on the answers there are; what it asked for and did not find is noted, somebody asks, and it runs again until it asks for
//! nothing more. So that what is judged stays a pure function, and a zone written down in a test is judged like a real one.

use crate::dkim::tags::LONGEST;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Names in lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    Dns(String, Kind),
    /// An https address whose answer may be no redirect (RFC 8461 §3.3).
    Page(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Txt,
    Mx,
    A,
    Aaaa,
    Ptr,
    Cname,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Its strings in one piece.
    Txt(String),
    /// An empty host is the root: a null MX (RFC 7505).
    Mx(u16, String),
    Address(IpAddr),
    /// Of PTR and CNAME.
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Records(Vec<Data>),
    /// Of a page: its body.
    Page(String),
    /// The name is there, or may be, and has nothing of this kind.
    Nothing,
    NoSuchName,
    /// Nobody knows: not answered, broken, refused. In words for the operator.
    Failed(String),
}

/// What is found of one question, typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    Some(T),
    /// Proven: there is none.
    None {
        name_exists: bool,
    },
    Failed(String),
}

impl<T> Found<T> {
    pub fn some(self) -> Option<T> {
        match self {
            Found::Some(value) => Some(value),
            Found::None { .. } | Found::Failed(_) => None,
        }
    }
}

/// What is known so far.
#[derive(Debug, Default)]
pub struct Answers {
    known: BTreeMap<Question, Answer>,
    wanted: RefCell<BTreeSet<Question>>,
}

/// Records of one answer that are read; a name with more of them serves nobody.
const MOST_RECORDS: usize = 100;

impl Answers {
    pub fn insert(&mut self, question: Question, mut answer: Answer) {
        if let Answer::Records(records) = &mut answer {
            records.truncate(MOST_RECORDS);
            for data in records {
                if let Data::Txt(text) = data
                    && text.len() > LONGEST
                {
                    // One octet too many, so that whoever reads it sees that it is too long.
                    text.truncate((0..=LONGEST + 1).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
                }
            }
        }
        self.known.insert(question, answer);
    }

    /// What was asked for since the last call and is not known.
    pub fn take_wanted(&mut self) -> Vec<Question> {
        std::mem::take(self.wanted.get_mut()).into_iter().collect()
    }

    pub fn txt(&self, name: &str) -> Found<Vec<String>> {
        self.records(name, Kind::Txt, |data| match data {
            Data::Txt(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// By preference.
    pub fn mx(&self, name: &str) -> Found<Vec<(u16, String)>> {
        let found = self.records(name, Kind::Mx, |data| match data {
            Data::Mx(preference, host) => Some((*preference, host.clone())),
            _ => None,
        });
        match found {
            Found::Some(mut hosts) => {
                hosts.sort();
                Found::Some(hosts)
            }
            other => other,
        }
    }

    /// Of the family of `like`.
    pub fn addresses_like(&self, name: &str, like: IpAddr) -> Found<Vec<IpAddr>> {
        let kind = if like.is_ipv4() { Kind::A } else { Kind::Aaaa };
        self.records(name, kind, |data| match data {
            Data::Address(address) => Some(*address),
            _ => None,
        })
    }

    /// Of both families. Failed only where neither could be asked.
    pub fn addresses(&self, name: &str) -> Found<Vec<IpAddr>> {
        let v4 = self.addresses_like(name, IpAddr::from([0, 0, 0, 0]));
        let v6 = self.addresses_like(name, IpAddr::from([0u16; 8]));
        match (v4, v6) {
            (Found::Some(mut v4), Found::Some(v6)) => {
                v4.extend(v6);
                Found::Some(v4)
            }
            (Found::Some(one), _) | (_, Found::Some(one)) => Found::Some(one),
            (Found::Failed(why), _) | (_, Found::Failed(why)) => Found::Failed(why),
            (Found::None { name_exists: a }, Found::None { name_exists: b }) => Found::None { name_exists: a || b },
        }
    }

    pub fn names_of(&self, address: IpAddr) -> Found<Vec<String>> {
        self.names(&reverse_name(address), Kind::Ptr)
    }

    pub fn alias(&self, name: &str) -> Found<Vec<String>> {
        self.names(name, Kind::Cname)
    }

    pub fn page(&self, url: &str) -> Found<String> {
        match self.ask(Question::Page(url.to_owned())) {
            Some(Answer::Page(text)) => Found::Some(text.clone()),
            Some(Answer::Failed(why)) => Found::Failed(why.clone()),
            _ => Found::None { name_exists: true },
        }
    }

    fn names(&self, name: &str, kind: Kind) -> Found<Vec<String>> {
        self.records(name, kind, |data| match data {
            Data::Name(name) => Some(name.clone()),
            _ => None,
        })
    }

    fn records<T>(&self, name: &str, kind: Kind, read: impl Fn(&Data) -> Option<T>) -> Found<Vec<T>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match self.ask(Question::Dns(name, kind)) {
            Some(Answer::Records(records)) => {
                let read: Vec<T> = records.iter().filter_map(read).collect();
                if read.is_empty() { Found::None { name_exists: true } } else { Found::Some(read) }
            }
            Some(Answer::NoSuchName) => Found::None { name_exists: false },
            Some(Answer::Failed(why)) => Found::Failed(why.clone()),
            // Not known yet counts as nothing: the judgement is made again when it is.
            Some(Answer::Nothing | Answer::Page(_)) | None => Found::None { name_exists: true },
        }
    }

    fn ask(&self, question: Question) -> Option<&Answer> {
        let known = self.known.get(&question);
        if known.is_none() {
            self.wanted.borrow_mut().insert(question);
        }
        known
    }
}

/// Under which name an address has its PTR record (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> =
                v6.octets().iter().rev().map(|octet| format!("{:x}.{:x}", octet & 15, octet >> 4)).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}

#[cfg(test)]
pub(super) mod zone {
    //! A zone as a text: `name TYPE data`, one record a line; `name TYPE !` fails, and `https://… PAGE text|text` is a page.

    use super::*;

    /// Judges until nothing more is asked; what is not in the zone is not in DNS.
    pub fn judge<T>(zone: &str, judge: impl Fn(&Answers) -> T) -> T {
        let mut answers = Answers::default();
        for _ in 0..60 {
            let judged = judge(&answers);
            let wanted = answers.take_wanted();
            if wanted.is_empty() {
                return judged;
            }
            for question in wanted {
                let answer = answer(zone, &question);
                answers.insert(question, answer);
            }
        }
        panic!("it asks without end");
    }

    fn answer(zone: &str, question: &Question) -> Answer {
        let mut exists = false;
        let mut records = Vec::new();
        for line in zone.lines() {
            let mut words = line.trim().splitn(3, ' ');
            let (Some(name), Some(kind), Some(data)) = (words.next(), words.next(), words.next()) else { continue };
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let (asked, wanted) = match question {
                Question::Dns(asked, kind) => (asked, *kind),
                Question::Page(url) => {
                    if *url == name && kind == "PAGE" {
                        return Answer::Page(data.replace('|', "\n"));
                    }
                    continue;
                }
            };
            exists |= name == *asked || name.ends_with(&format!(".{asked}"));
            let data = data.trim();
            let kind = match kind {
                "TXT" => (Kind::Txt, Data::Txt(data.to_owned())),
                "MX" => {
                    let (preference, host) = data.split_once(' ').unwrap_or(("10", data));
                    (Kind::Mx, Data::Mx(preference.parse().unwrap(), host.trim_end_matches('.').to_owned()))
                }
                "A" => (Kind::A, data.parse().map_or(Data::Txt(String::new()), Data::Address)),
                "AAAA" => (Kind::Aaaa, data.parse().map_or(Data::Txt(String::new()), Data::Address)),
                "PTR" => (Kind::Ptr, Data::Name(data.trim_end_matches('.').to_owned())),
                "CNAME" => (Kind::Cname, Data::Name(data.trim_end_matches('.').to_owned())),
                _ => continue,
            };
            if name == *asked && kind.0 == wanted {
                if data == "!" {
                    return Answer::Failed("was not answered in time".into());
                }
                records.push(kind.1);
            }
        }
        match (records.is_empty(), exists, question) {
            (false, ..) => Answer::Records(records),
            (true, _, Question::Page(_)) => Answer::Failed("cannot be reached".into()),
            (true, true, _) => Answer::Nothing,
            (true, false, _) => Answer::NoSuchName,
        }
    }

    #[test]
    fn addresses_have_the_reverse_names_of_the_standards() {
        assert_eq!(reverse_name("192.0.2.10".parse().unwrap()), "10.2.0.192.in-addr.arpa");
        // RFC 3596 §2.5.
        assert_eq!(
            reverse_name("4321:0:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
    }
}

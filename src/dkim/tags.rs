//! Turns `v=DKIM1; k=rsa; p=…` into its tags (RFC 6376 §3.2), the form that DMARC, MTA-STS, TLSRPT and BIMI records share.

/// Octets of a record that are looked at. The longest that DNS can carry has 64 KiB; a key of 8192 bits needs 1.5 KB.
pub const LONGEST: usize = 16 * 1024;
/// Tags of one record.
const MOST_TAGS: usize = 64;

/// Names in lower case, values without the blanks around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// Why a text is no list of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTags {
    #[error("it is longer than a record can be")]
    TooLong,
    #[error("something between two semicolons is no tag=value")]
    NoTag,
    #[error("a tag stands in it twice")]
    Twice,
}

impl Tags {
    /// A semicolon at the end is allowed.
    pub fn parse(text: &str) -> Result<Tags, BadTags> {
        if text.len() > LONGEST {
            return Err(BadTags::TooLong);
        }
        let mut tags: Vec<(String, String)> = Vec::new();
        let mut pieces = text.split(';').peekable();
        while let Some(piece) = pieces.next() {
            if piece.trim().is_empty() && pieces.peek().is_none() {
                break;
            }
            let (name, value) = piece.split_once('=').ok_or(BadTags::NoTag)?;
            let name = name.trim();
            let right = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !right || tags.len() >= MOST_TAGS {
                return Err(BadTags::NoTag);
            }
            let name = name.to_ascii_lowercase();
            if tags.iter().any(|(other, _)| *other == name) {
                return Err(BadTags::Twice);
            }
            tags.push((name, value.trim().to_owned()));
        }
        Ok(Tags(tags))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether the first tag is this one with this very value: versions must stand first and match exactly.
    pub fn begins_with(&self, name: &str, value: &str) -> bool {
        self.0.first().is_some_and(|(first, said)| first == name && said == value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_parted_as_in_the_standard() {
        let tags = Tags::parse("v=DKIM1 ;k = rsa; P= AB CD=;").unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("v", "DKIM1"), ("k", "rsa"), ("p", "AB CD=")]);
        assert!(tags.begins_with("v", "DKIM1") && !tags.begins_with("v", "dkim1") && !tags.begins_with("k", "rsa"));
        for (text, why) in [
            ("v=DKIM1;;p=", BadTags::NoTag),
            ("v=DKIM1; nonsense", BadTags::NoTag),
            ("1=a", BadTags::NoTag),
            ("v=a; V=b", BadTags::Twice),
        ] {
            assert_eq!(Tags::parse(text), Err(why), "{text}");
        }
        assert_eq!(Tags::parse(&"a".repeat(10_000_000)), Err(BadTags::TooLong));
        let many: String = (0..100).map(|n| format!("t{n}=x;")).collect();
        assert_eq!(Tags::parse(&many), Err(BadTags::NoTag));
    }
}

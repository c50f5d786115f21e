//! What is wrong with a file, in one sentence that says where and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// One fault in a file that an operator or officer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// From 1; `None` when the fault is not in one line (a missing file, a missing section).
    pub line: Option<usize>,
    pub sentence: String,
}

impl Problem {
    pub fn in_file(file: &Path, sentence: impl Into<String>) -> Problem {
        Problem { file: file.to_owned(), line: None, sentence: sentence.into() }
    }

    pub fn at(file: &Path, line: usize, sentence: impl Into<String>) -> Problem {
        Problem { file: file.to_owned(), line: Some(line), sentence: sentence.into() }
    }
}

impl fmt::Display for Problem {
    /// `config.toml:12: there is no setting "adress"; did you mean "address"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{}: {}", self.file.display(), line, self.sentence),
            None => write!(f, "{}: {}", self.file.display(), self.sentence),
        }
    }
}

impl std::error::Error for Problem {}

/// Every problem on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

/// Where a setting stands in the text, so that what is only found wrong later can still name its line: the first line that
/// assigns `key` after the `nth` header (from 0) of `section`, e.g. `("[[listener]]", 1, "tls")`.
pub fn line_of(text: &str, section: &str, nth: usize, key: &str) -> Option<usize> {
    let mut headers = 0;
    let mut inside = section.is_empty();
    let mut header_line = None;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.split('#').next().unwrap_or("").trim() == section && {
                headers += 1;
                headers == nth + 1
            };
            if inside {
                header_line = Some(n + 1);
            }
        } else if inside && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return Some(n + 1);
        }
    }
    header_line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_in_its_own_section() {
        let text = "[gate]\nname = 1\n[[listener]]\nname = 2\n[[listener]] # second\n\nname = 3\n";
        assert_eq!(line_of(text, "[[listener]]", 1, "name"), Some(7));
        assert_eq!(line_of(text, "[[listener]]", 0, "name"), Some(4));
        assert_eq!(line_of(text, "[gate]", 0, "missing"), Some(1));
        assert_eq!(line_of(text, "[tls]", 0, "key"), None);
    }
}

//! Turns the answer to EHLO into what the upstream can do (RFC 5321 §4.1.1.1).

use super::answer::Answer;

/// Only what the gate makes use of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 1870: the keyword stands there, with or without a number.
    pub size: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 8689.
    pub requiretls: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 4954, mechanisms.
    pub auth_plain: bool,
    pub auth_login: bool,
}

impl Capabilities {
    /// From the lines below the first, which is the greeting. Keywords come in any case; unknown ones are passed over.
    pub fn of(ehlo: &Answer) -> Capabilities {
        let mut can = Capabilities::default();
        for line in ehlo.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => can.pipelining = true,
                "8BITMIME" => can.eight_bit_mime = true,
                "SIZE" => can.size = true,
                "STARTTLS" => can.starttls = true,
                "SMTPUTF8" => can.smtputf8 = true,
                "DSN" => can.dsn = true,
                "REQUIRETLS" => can.requiretls = true,
                "AUTH" => {
                    for mechanism in words {
                        can.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                        can.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        can
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answers;
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case_and_not_in_the_greeting() {
        let mut answers = Answers::default();
        answers.take_in(b"250-STARTTLS PIPELINING\r\n250-pipelining\r\n250-Size 1000\r\n250-X-NEW\r\n250-dsn\r\n250-SMTPUTF8\r\n250 auth LOGIN plain\r\n");
        let can = Capabilities::of(&answers.take_out().unwrap().unwrap());
        let wanted = Capabilities {
            pipelining: true,
            size: true,
            smtputf8: true,
            dsn: true,
            auth_plain: true,
            auth_login: true,
            ..Capabilities::default()
        };
        assert_eq!(can, wanted);
    }
}

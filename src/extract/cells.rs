//! Turns the number in a spreadsheet's cell and its format into what is to be searched: all digits, dates as dates, leading zeros.

use std::borrow::Cow;

/// How numbers of a style are shown, as far as it changes what a reader sees of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum NumberFormat {
    #[default]
    General,
    Date,
    /// `0#" "##" "##" "##" "##`: a telephone number loses its first zero in the file and has it on the screen. Letters and digits
    /// before the first place are shown too.
    Padded {
        digits: usize,
        prefix: String,
    },
}

/// Numbers longer than this are no telephone number.
const MOST_DIGITS: usize = 40;

impl NumberFormat {
    /// By its number among the built-in ones (ECMA-376 part 1 §18.8.30; the same in BIFF).
    pub(super) fn built_in(id: u32) -> NumberFormat {
        if matches!(id, 14..=22 | 45..=47) { NumberFormat::Date } else { NumberFormat::General }
    }

    /// By its code.
    pub(super) fn written(code: &str) -> NumberFormat {
        if is_date_format(code) {
            return NumberFormat::Date;
        }
        let (mut prefix, mut digits, mut counting) = (String::new(), 0usize, false);
        // Only what positive numbers get.
        let mut chars = code.chars();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                _ if quoted && !counting && digits == 0 => prefix.push(c),
                _ if quoted => {}
                ';' | '.' | '%' | 'E' | 'e' | '/' => break,
                '\\' => {
                    let literal = chars.next();
                    prefix.extend(literal.filter(|_| !counting));
                }
                '[' => drop(chars.by_ref().find(|c| *c == ']')),
                '_' | '*' => drop(chars.next()),
                '0' => {
                    counting = true;
                    digits += 1;
                }
                '#' | '?' if counting => digits += 1,
                _ => {}
            }
        }
        let prefix = if prefix.chars().any(char::is_alphanumeric) { prefix } else { String::new() };
        if prefix.is_empty() && digits < 2 {
            return NumberFormat::General;
        }
        NumberFormat::Padded { digits: digits.min(MOST_DIGITS), prefix }
    }
}

/// A number with all its digits, never `1.85E+14`; a date as year-month-day. A number too large for a date is given as it is,
/// whatever its format says: that would be the simplest way to hide it.
pub(super) fn number<'x>(value: &'x str, format: &NumberFormat, from_1904: bool) -> Cow<'x, str> {
    let scientific = value.contains(['e', 'E']);
    if *format == NumberFormat::General && !scientific {
        return value.into();
    }
    let parsed = value.parse::<f64>().ok().filter(|n| n.is_finite() && n.abs() < 1e22);
    match (parsed, format) {
        (Some(days), NumberFormat::Date) if (1.0..2_958_466.0).contains(&days) => {
            let days = if from_1904 { days + 1462.0 } else { days };
            let (year, month, day) = civil(days.floor() as i64 - 25_569);
            let seconds = ((days - days.floor()) * 86_400.0).round() as u64;
            match seconds {
                0 => format!("{year:04}-{month:02}-{day:02}").into(),
                s => format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", s / 3600, s / 60 % 60).into(),
            }
        }
        (Some(number), NumberFormat::Padded { digits, prefix }) if number >= 0.0 && number.fract() == 0.0 => {
            format!("{prefix}{number:0>digits$}").into()
        }
        (Some(number), _) if scientific => format!("{number}").into(),
        _ => value.into(),
    }
}

/// The same for a number that is one already.
pub(super) fn float(value: f64, format: &NumberFormat, from_1904: bool) -> String {
    number(&format!("{value}"), format, from_1904).into_owned()
}

/// A number in four octets (MS-XLS §2.5.217).
pub(super) fn compressed_number(raw: u32) -> f64 {
    let number = match raw & 2 {
        0 => f64::from_bits(u64::from(raw & !3) << 32),
        _ => f64::from((raw as i32) >> 2),
    };
    if raw & 1 == 0 { number } else { number / 100.0 }
}

fn is_date_format(code: &str) -> bool {
    let (mut quoted, mut bracket, mut date) = (false, false, false);
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '\\' | '_' | '*' => drop(chars.next()),
            '[' => bracket = true,
            ']' => bracket = false,
            _ if bracket => {}
            'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' => date = true,
            _ => {}
        }
    }
    date
}

/// Days since 1970-01-01 as year, month, day of the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_their_digits_and_dates_are_dates() {
        for (value, code, shown) in [
            ("185057800608491", "General", "185057800608491"),
            ("1.85057800608491E14", "General", "185057800608491"),
            ("4.111111111111111E+15", "dd/mm/yy", "4111111111111111"),
            ("0.5", "General", "0.5"),
            ("46347", "dd/mm/yyyy", "2026-11-21"),
            ("46347.75", "dd/mm/yyyy hh:mm", "2026-11-21 18:00"),
            ("61", "yyyy", "1900-03-01"),
            ("text", "General", "text"),
            ("185057800608491", "dd/mm/yyyy", "185057800608491"),
            ("612345678", "0#\" \"##\" \"##\" \"##\" \"##", "0612345678"),
            ("1000", "00000", "01000"),
            ("7630006000011234567890189", "\"FR\"0", "7630006000011234567890189"),
            ("123", "\"FR76 \"0000", "FR76 0123"),
            ("12.5", "0.00", "12.5"),
            ("7", "0.00\" mois\"", "7"),
            ("-7", "000", "-7"),
        ] {
            assert_eq!(number(value, &NumberFormat::written(code), false), shown, "{value} as {code}");
        }
        assert_eq!(number("44885", &NumberFormat::Date, true), "2026-11-21");
        assert!(is_date_format("dd/mm/yyyy") && !is_date_format("0.00\" mois\"") && !is_date_format("[Red]0"));
        assert_eq!(
            (compressed_number(0x3ff0_0000), compressed_number(4 << 2 | 2), compressed_number(450 << 2 | 3)),
            (1.0, 4.0, 4.5)
        );
    }
}

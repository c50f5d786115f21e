//! Turns the text of a distinguished name (RFC 4514) into its parts: what a group is called, and below what it lies.

/// Attribute type and value of each level, the lowest first; both lower case, because directories compare so. Of a level with several
/// values the first. `None`: it is no such name.
pub(super) fn parts(dn: &str) -> Option<Vec<(String, String)>> {
    let mut parts = Vec::new();
    let mut rest = dn.trim();
    while !rest.is_empty() {
        let (level, after) = cut(rest, &[',', ';']);
        let (first, _) = cut(level, &['+']);
        let (kind, value) = first.split_once('=')?;
        let kind = kind.trim().to_lowercase();
        if kind.is_empty() {
            return None;
        }
        parts.push((kind, unescape(value)?.to_lowercase()));
        match after {
            Some(after) if after.trim().is_empty() => return None,
            Some(after) => rest = after.trim_start(),
            None => break,
        }
    }
    (!parts.is_empty()).then_some(parts)
}

/// How a group is called in policies: the value of its lowest level, lower case. `None`: not below `base`, or no name.
pub(super) fn group_name(dn: &str, below: Option<&[(String, String)]>) -> Option<String> {
    let parts = parts(dn)?;
    let lies_below = below.is_none_or(|base| parts.len() > base.len() && parts.ends_with(base));
    let (_, name) = parts.into_iter().next()?;
    (lies_below && !name.is_empty()).then_some(name)
}

/// Up to the first of `ends` that is neither escaped nor quoted, and what follows it.
fn cut<'t>(text: &'t str, ends: &[char]) -> (&'t str, Option<&'t str>) {
    let (mut escaped, mut quoted) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c if ends.contains(&c) && !quoted => return (&text[..at], Some(&text[at + c.len_utf8()..])),
            _ => {}
        }
    }
    (text, None)
}

fn unescape(value: &str) -> Option<String> {
    let value = value.trim_start();
    // A blank at the end that is escaped belongs to it.
    let trimmed = value.trim_end();
    let value = if trimmed.ends_with('\\') && trimmed.len() < value.len() { &value[..trimmed.len() + 1] } else { trimmed };
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            octets.push(first);
            continue;
        }
        let pair = rest.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        match pair {
            Some(pair) => {
                octets.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
                rest = &rest[2..];
            }
            None => {
                let (&escaped, after) = rest.split_first()?;
                octets.push(escaped);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_called_by_its_lowest_level() {
        for (dn, name) in [
            ("cn=Payroll,ou=Groups,dc=example,dc=org", Some("payroll")),
            ("CN=Paie\\, Paris,OU=Groups,DC=example,DC=org", Some("paie, paris")),
            ("cn=Paie\\2C Paris , ou=Groups , dc=example , dc=org", Some("paie, paris")),
            ("cn=\"Paie, Paris\";ou=Groups", Some("paie, paris")),
            ("CN=Direction g\\C3\\A9n\\C3\\A9rale,DC=x", Some("direction générale")),
            ("CN=É,DC=x", Some("é")),
            ("cn=a+uid=b,dc=x", Some("a")),
            ("cn=a\\ ,dc=x", Some("a ")),
            ("payroll", None),
            ("", None),
            ("cn=,dc=x", None),
            ("cn=a,", None),
            ("cn=a\\", None),
            ("cn=\\ff,dc=x", None),
        ] {
            assert_eq!(group_name(dn, None).as_deref(), name, "{dn}");
        }
    }

    #[test]
    fn only_what_lies_below_counts_where_that_is_asked() {
        let base = parts("OU=Groups, DC=example,DC=org").unwrap();
        for (dn, counts) in [
            ("cn=a,ou=groups,dc=example,dc=org", true),
            ("cn=a,ou=sub,ou=Groups,dc=Example,dc=org", true),
            ("ou=groups,dc=example,dc=org", false),
            ("cn=a,ou=self-made,dc=example,dc=org", false),
            // An escaped comma is no level.
            ("cn=a\\,ou=groups\\,dc=example\\,dc=org", false),
        ] {
            assert_eq!(group_name(dn, Some(&base)).is_some(), counts, "{dn}");
        }
    }
}

//! Turns a `pkcs11:` URI (RFC 7512) into the name of one private key.

use std::fmt;

/// What is said of a key and its token; at least one of object and id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyName {
    /// Of the token: label, maker, model, serial number.
    pub token: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    /// Of the key: CKA_LABEL and CKA_ID.
    pub object: Option<String>,
    pub id: Option<Vec<u8>>,
}

/// Octets of a URI.
const LONGEST: usize = 1024;

impl KeyName {
    /// The error is a sentence for the operator.
    pub fn parse(uri: &str) -> Result<KeyName, &'static str> {
        const FORM: &str = "is no pkcs11: URI (RFC 7512); write pkcs11:token=LABEL;object=KEY or pkcs11:token=LABEL;id=%01";
        let rest = uri.trim().strip_prefix("pkcs11:").filter(|rest| rest.len() <= LONGEST).ok_or(FORM)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.split('&').any(|one| one.starts_with("pin-value=") || one.starts_with("pin-source=")) {
            return Err("names a PIN: take it out, and write it into the file of [pkcs11] pin_file");
        }
        let mut name = KeyName::default();
        for one in path.split(';').filter(|one| !one.is_empty()) {
            let (word, value) = one.split_once('=').ok_or(FORM)?;
            let octets = unescaped(value).ok_or(FORM)?;
            let text = || String::from_utf8(octets.clone()).map_err(|_| FORM);
            let place = match word {
                "token" => &mut name.token,
                "manufacturer" => &mut name.manufacturer,
                "model" => &mut name.model,
                "serial" => &mut name.serial,
                "object" => &mut name.object,
                "id" => {
                    // RFC 7512 §2.3: an attribute occurs once.
                    if name.id.replace(octets).is_some() {
                        return Err(FORM);
                    }
                    continue;
                }
                "type" if octets == b"private" => continue,
                "type" => return Err("does not name a private key; write type=private or leave it out"),
                // Where the library and its reader stand is not what the key is.
                _ if word.starts_with("library-") || word.starts_with("slot-") => continue,
                _ => return Err(FORM),
            };
            if place.replace(text()?).is_some() {
                return Err(FORM);
            }
        }
        if name.object.is_none() && name.id.is_none() {
            return Err("names no key; write pkcs11:token=LABEL;object=KEY or pkcs11:token=LABEL;id=%01");
        }
        Ok(name)
    }
}

/// As RFC 7512 writes it, what is not a letter or digit as `%XX`.
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
            ("object", &self.object),
        ];
        let texts = texts.into_iter().filter_map(|(word, text)| Some((word, text.as_ref()?.as_bytes().to_vec())));
        let all = texts.chain(self.id.iter().map(|id| ("id", id.clone())));
        let parts: Vec<String> = all.map(|(word, octets)| format!("{word}={}", escaped(&octets))).collect();
        write!(f, "pkcs11:{}", parts.join(";"))
    }
}

fn escaped(octets: &[u8]) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    octets.iter().map(|&octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") }).collect()
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&pair).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                u8::from_str_radix(digits, 16).ok()?
            }
            b' '..=b'~' => octet,
            _ => return None,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_private_key_and_no_pin() {
        let written = "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=12ab;token=postern;id=%01%fF;object=mail%3B1;type=private";
        let name = KeyName::parse(written).unwrap();
        assert_eq!((name.token.as_deref(), name.object.as_deref()), (Some("postern"), Some("mail;1")));
        assert_eq!((name.id.as_deref(), name.model.as_deref()), (Some(&[1, 255][..]), Some("SoftHSM v2")));
        assert_eq!(KeyName::parse(&name.to_string()), Ok(name));
        for (uri, expected) in [
            ("pkcs11:token=a", "names no key"),
            ("pkcs11:", "names no key"),
            ("http://example.org", "is no pkcs11: URI"),
            ("pkcs11:object=a;object=b", "is no pkcs11: URI"),
            ("pkcs11:id=%01;id=%02", "is no pkcs11: URI"),
            ("pkcs11:object=%4", "is no pkcs11: URI"),
            ("pkcs11:object=%+1", "is no pkcs11: URI"),
            ("pkcs11:object=%ff", "is no pkcs11: URI"),
            ("pkcs11:colour=red;object=a", "is no pkcs11: URI"),
            ("pkcs11:object=a;type=public", "does not name a private key"),
            ("pkcs11:object=a?pin-value=1234", "names a PIN"),
        ] {
            let why = KeyName::parse(uri).unwrap_err();
            assert!(why.starts_with(expected), "{uri}: {why}");
        }
    }
}

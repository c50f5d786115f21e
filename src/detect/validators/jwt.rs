//! Turns three parts with dots between into a verdict: is this a signed JSON web token?

use super::{Check, Strength, Validator, valid_if};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "jwt",
    about: (
        "jeton JWT : l'en-tête est du JSON avec « alg », le contenu du JSON",
        "JSON web token: the header is JSON with \"alg\", the claims are JSON",
    ),
    example: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsIm5hbWUiOiJNYXJpZSJ9.dGhpc2lzbm90YXJlYWxzaWduYXR1cmU",
    strength: Strength::AsWritten,
    check,
    length: None,
}];

/// RFC 7519 §3.1 and RFC 7515 §3.1: base64url of a JSON object, a dot, the same, a dot, the signature. In
/// `eyJhbGciOiJIUzI1NiJ9` stands `{"alg":"HS256"}`. Five parts are an encrypted one (RFC 7516 §3.1), whose header alone is JSON.
fn check(token: &[u8]) -> Check {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let object = |part: &[u8]| {
        let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&octets).ok()
    };
    let Some(header) = parts.first().and_then(|part| object(part)) else { return Check::Invalid };
    let signed = parts.len() == 3 && object(parts[1]).is_some() && !parts[2].is_empty();
    let sealed = parts.len() == 5 && header.contains_key("enc");
    valid_if(header.get("alg").is_some_and(serde_json::Value::is_string) && (signed || sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_must_be_json_and_the_header_must_name_an_algorithm() {
        for (token, valid) in [
            (VALIDATORS[0].example, true),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.", false),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.bm90IGpzb24.c2ln", false),
            ("eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiI0MiJ9.c2ln", false),
            ("eyJzdWIiOiI0MiJ9", false),
            ("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a2V5.aXY.dGV4dA.dGFn", true),
            ("...", false),
        ] {
            assert_eq!(check(token.as_bytes()) == Check::Valid, valid, "{token}");
        }
    }
}

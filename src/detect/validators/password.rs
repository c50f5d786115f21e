//! Turns what stands behind "password:" into a verdict: is it a password somebody chose, or a word, an address, a placeholder?

use super::{Check, Strength, Validator, entropy, valid_if};

pub(super) static VALIDATORS: [Validator; 2] = [GIVEN, TOLD];

const GIVEN: Validator = Validator {
    name: "given-password",
    about: (
        "mot de passe à sa place dans une commande ou une adresse : tout sauf un exemple",
        "a password in its place in a command or address: anything but a placeholder",
    ),
    example: "soleil",
    strength: Strength::AsWritten,
    check: given,
    length: None,
};

const TOLD: Validator = Validator {
    name: "told-password",
    about: (
        "mot de passe vraisemblable : au moins deux sortes de caractères, ni mot, ni adresse, ni exemple",
        "a plausible password: at least two kinds of characters, no word, no address, no placeholder",
    ),
    example: "Ete2026!",
    strength: Strength::AsWritten,
    check: told,
    length: None,
};

/// `postgres://app:soleil@db.example.org`: the place tells that it is a password, so any word will do but a placeholder.
fn given(written: &[u8]) -> Check {
    let word = trimmed(written);
    let usual = [&b"pass"[..], b"passwd", b"pwd", b"passe", b"mdp", b"user", b"username", b"token", b"xxx", b"...", b"secret"];
    valid_if(word.len() >= 4 && !is_hidden(word) && !usual.contains(&word.to_ascii_lowercase().as_slice()))
}

/// `Ete2026!` yes; `expire`, `https://…`, `********`, `marie@example.org`, `12/11/2026`, `rendez-vous` no.
fn told(written: &[u8]) -> Check {
    let word = trimmed(written);
    if !(4..=64).contains(&word.len()) || !word.is_ascii() {
        return Check::Invalid;
    }
    valid_if(!is_address(word) && !is_hidden(word) && !is_reference(word) && is_chosen(word))
}

/// Without the quotes and the punctuation of the sentence around it; a final "!" may belong to either and stays.
fn trimmed(written: &[u8]) -> &[u8] {
    let start = written.iter().position(|byte| !b"\"'`([{<*_".contains(byte)).unwrap_or(written.len());
    let written = &written[start..];
    let end = written.iter().rposition(|byte| !b"\"'`)]}>.,;:".contains(byte)).map_or(0, |last| last + 1);
    &written[..end]
}

fn is_address(word: &[u8]) -> bool {
    let text = String::from_utf8_lossy(word).to_ascii_lowercase();
    let scheme = text.contains("://") || text.starts_with("www.") || text.starts_with("mailto:") || text.starts_with("cid:");
    let host = |name: &str| {
        let labels: Vec<&str> = name.split('.').collect();
        let last = labels.last().copied().unwrap_or_default();
        labels.len() >= 2
            && last.len() >= 2
            && last.bytes().all(|byte| byte.is_ascii_lowercase())
            && labels.iter().all(|label| {
                !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            })
    };
    let at = text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && host(domain));
    let path = text.split(['/', '?', '#', ':']).next().is_some_and(host);
    scheme || at || path || (text.starts_with('/') && text[1..].contains('/'))
}

/// Stars, dots, `${NAME}`, `<password>`, `changeme`, a format's `%s`.
fn is_hidden(word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    let filled = |signs: &[u8]| word.iter().filter(|byte| signs.contains(byte)).count() * 2 > word.len();
    let exactly = [
        &b"password"[..],
        b"password1",
        b"motdepasse",
        b"mot-de-passe",
        b"mot_de_passe",
        b"changeme",
        b"change-me",
        b"secret",
        b"admin",
        b"azerty123...",
        b"p@ssw0rd...",
        b"null",
        b"none",
        b"true",
        b"false",
        b"your_password",
        b"yourpassword",
        b"votre_mot_de_passe",
        b"my_password",
        b"user_password",
    ];
    entropy::is_placeholder(word)
        || filled(b"*.x_#-?")
        || word.contains(&b'$') && (lower.starts_with(b"$") || lower.windows(2).any(|pair| pair == b"${"))
        || exactly.contains(&lower.as_slice())
        || lower.windows(2).any(|pair| pair == b"()" || pair == b"->" || pair == b"::")
        || lower.starts_with(b"os.")
        || lower.starts_with(b"env.")
        || lower.starts_with(b"process.env")
        || lower.starts_with(b"getenv")
}

/// Dates, hours, amounts, numbers of characters, versions.
fn is_reference(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let rest = word.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let signs = word.iter().all(|byte| byte.is_ascii_digit() || b"/.-:,h%+ ".contains(byte));
    (signs && !(rest == 0 && digits == word.len())) || (digits == word.len() && !(6..=12).contains(&digits))
}

fn is_chosen(word: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool| word.iter().filter(|byte| is(byte)).count();
    let (lower, upper, digits) = (count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase), count(u8::is_ascii_digit));
    let letters = lower + upper;
    if digits > 0 && letters > 0 {
        return !is_measure(word, digits, letters);
    }
    if digits > 0 {
        return true; // six to twelve digits, or digits and signs
    }
    let signs = word[..word.len() - 1].iter().filter(|byte| b"!@#$%^&*+=~?/\\|".contains(byte)).count();
    if signs > 0 && letters >= 3 {
        // "et/ou", "login/mot": a slash alone joins words.
        return word[..word.len() - 1].iter().any(|byte| b"!@#$%^&*+=~?".contains(byte));
    }
    let joined = word.iter().filter(|byte| b"-_.".contains(byte)).count();
    if joined >= 3 && word.len() >= 18 && upper <= joined + 1 {
        return true; // correct-horse-battery-staple
    }
    let inner = word.iter().skip(1).filter(|byte| byte.is_ascii_uppercase()).count();
    letters == word.len() && letters >= 8 && inner >= 1 && lower >= 3 && !is_product(word)
}

/// `12h`, `8car`, `90jours`, `V2`, `1er`, `x64`.
fn is_measure(word: &[u8], digits: usize, letters: usize) -> bool {
    let leading = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let units: [&[u8]; 16] = [
        b"h",
        b"j",
        b"jours",
        b"days",
        b"min",
        b"car",
        b"caracteres",
        b"characters",
        b"chars",
        b"ans",
        b"mois",
        b"er",
        b"eme",
        b"px",
        b"mo",
        b"h00",
    ];
    let unit = word[leading..].to_ascii_lowercase();
    (leading > 0 && leading + letters == word.len() && units.contains(&unit.as_slice()))
        || (digits + letters == word.len() && word.len() < 5)
}

fn is_product(word: &[u8]) -> bool {
    const PRODUCTS: [&[u8]; 22] = [
        b"keepass",
        b"keepassxc",
        b"lastpass",
        b"franceconnect",
        b"onedrive",
        b"linkedin",
        b"powerpoint",
        b"javascript",
        b"whatsapp",
        b"sharepoint",
        b"bitlocker",
        b"veracrypt",
        b"proconnect",
        b"agentconnect",
        b"youtube",
        b"openoffice",
        b"libreoffice",
        b"activedirectory",
        b"bitwarden",
        b"onenote",
        b"dashlane",
        b"mysecurite",
    ];
    PRODUCTS.contains(&word.to_ascii_lowercase().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_told_from_words_addresses_dates_and_placeholders() {
        for (word, valid) in [
            ("Ete2026!", true),
            ("4587B", true),
            ("hT7#kkq92x", true),
            ("Soleil!vert", true),
            ("SoleilVertBleu", true),
            ("\"Azerty123$\".", true),
            ("correct-horse-battery-staple", true),
            ("M@rseille", true),
            ("482913", true),
            ("Paris.2026", true),
            ("expire", false),
            ("Attention!", false),
            ("rendez-vous", false),
            ("c'est-a-dire", false),
            ("https://example.org/Reset1", false),
            ("portail2.example.org/x1", false),
            ("marie.dupont1@example.org", false),
            ("********", false),
            ("${DB_PASSWORD1}", false),
            ("<password1>", false),
            ("changeme", false),
            ("xxxxZZZZ1", false),
            ("12/11/2026", false),
            ("14h30", false),
            ("12", false),
            ("90jours", false),
            ("KeePassXC", false),
            ("et/ou", false),
            ("getPassword()", false),
        ] {
            assert_eq!(told(word.as_bytes()) == Check::Valid, valid, "{word}");
        }
    }

    #[test]
    fn in_its_place_any_word_is_a_password_but_a_placeholder() {
        for (word, valid) in [
            ("soleil", true),
            ("s3cr3t", true),
            ("password", false),
            ("PASS", false),
            ("${PASS}", false),
            ("<mdp>", false),
            ("***", false),
        ] {
            assert_eq!(given(word.as_bytes()) == Check::Valid, valid, "{word}");
        }
    }
}

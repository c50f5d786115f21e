//! In which language the person at the terminal is spoken to.

use crate::mail::Language;

/// That of the environment: French where `LC_ALL`, `LC_MESSAGES` or `LANG` (the first that is set) begins with `fr`.
pub fn here() -> Language {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find(|name| set(name)).and_then(|name| std::env::var(name).ok());
    if locale.is_some_and(|locale| locale.starts_with("fr")) { Language::Fr } else { Language::En }
}

/// The value of `--language`.
pub fn parse(text: &str) -> Result<Language, String> {
    match text {
        "fr" => Ok(Language::Fr),
        "en" => Ok(Language::En),
        _ => Err("write fr or en".into()),
    }
}

/// The one of two texts that is in this language.
pub fn say<'t>(language: Language, fr: &'t str, en: &'t str) -> &'t str {
    match language {
        Language::Fr => fr,
        Language::En => en,
    }
}

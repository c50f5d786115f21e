//! Turns a word that nobody knows into the known one its writer most likely meant.

/// More than these do not help a reader.
const SHOWN: usize = 24;
/// Letters that are compared; no word of ours is longer.
const COMPARED: usize = 64;

/// `did you mean "iban"?`, or the words there are.
pub fn suggestion<S: AsRef<str>>(written: &str, known: &[S]) -> String {
    match closest(written, known.iter().map(AsRef::as_ref)) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => {
            let words: Vec<&str> = known.iter().take(SHOWN).map(AsRef::as_ref).collect();
            let more = if known.len() > SHOWN { " …" } else { "" };
            format!("try: {}{more}", words.join(", "))
        }
    }
}

/// The known word that differs least, if it differs in at most a third of its letters or holds what was written.
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: String = written.to_lowercase().chars().take(COMPARED).collect();
    // Letters to insert, remove, change, or swap with a neighbour.
    let differs = |name: &str| match name.contains(&written) && written.len() > 2 {
        true => 1,
        false => strsim::osa_distance(&written, &name.chars().take(COMPARED).collect::<String>()),
    };
    let nearest = known.into_iter().map(|name| (differs(name), name)).min()?;
    (nearest.0 <= 1 + nearest.1.chars().count() / 4).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_answered_with_the_nearest() {
        let known = ["iban", "fr-nir", "card-pan"];
        for (written, said) in [
            ("fr-nri", "did you mean \"fr-nir\"?"),
            ("ibna", "did you mean \"iban\"?"),
            ("IBAN", "did you mean \"iban\"?"),
            ("nir", "did you mean \"fr-nir\"?"),
            ("passport", "try: iban, fr-nir, card-pan"),
        ] {
            assert_eq!(suggestion(written, &known), said, "{written}");
        }
        assert_eq!(suggestion::<&str>("x", &[]), "there are none");
        assert_eq!(closest("word", ["words", "regex", "shape"]), Some("words"));
    }
}

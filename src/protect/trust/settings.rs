//! What the operator decides about authorities and revocation: the table `[trust]`.

use std::path::PathBuf;

/// Whose certificates are believed. The files are read by the house; a stage reads none.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// PEM or DER files with certification authorities, or folders of such.
    pub anchors: Vec<PathBuf>,
    /// The same for those between; the ones in `keys/recipients/` are known without being named here.
    pub intermediates: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_path: Option<NeedsPath>,
    pub revocation: CheckRevocation,
    /// A folder of lists of revoked certificates, `*.crl` or `*.pem`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crls: Option<PathBuf>,
    /// Lists and responders named in certificates are asked over HTTP.
    pub fetch: bool,
    pub fetch_seconds: u64,
    /// What is fetched is renewed this much before it ends.
    pub renew_before_hours: u64,
}

/// Which certificates need a path to an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedsPath {
    /// All: those that the operator put into `keys/recipients/` too.
    Always,
    /// Those that a look-up brought; what the operator put into `keys/recipients/` is believed as it is.
    LookedUp,
    /// None.
    Never,
}

/// What is done about revoked certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckRevocation {
    /// Nothing.
    Off,
    /// One that is known to be revoked is refused; one of which nobody could tell is used.
    #[default]
    Soft,
    /// One is used only while it is known not to be revoked.
    Hard,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            anchors: Vec::new(),
            intermediates: Vec::new(),
            require_path: None,
            revocation: CheckRevocation::Soft,
            crls: None,
            fetch: true,
            fetch_seconds: 10,
            renew_before_hours: 12,
        }
    }
}

impl Settings {
    /// What contradicts itself, each with the key it stands at.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.anchors.is_empty() && self.require_path == Some(NeedsPath::Always) {
            let sentence =
                "require_path = \"always\" without anchors refuses every certificate; write anchors = [\"authorities/\"]";
            problems.push(("require_path", sentence.to_owned()));
        }
        if self.anchors.is_empty() && self.revocation == CheckRevocation::Hard {
            let sentence = "revocation = \"hard\" needs the authorities that revoke; write anchors = [\"authorities/\"], or revocation = \"soft\"";
            problems.push(("revocation", sentence.to_owned()));
        }
        if !(1..=300).contains(&self.fetch_seconds) {
            problems.push(("fetch_seconds", format!("fetch_seconds is {}; write 1 to 300", self.fetch_seconds)));
        }
        if self.renew_before_hours > 24 * 31 {
            problems.push(("renew_before_hours", format!("renew_before_hours is {}; write 0 to 744", self.renew_before_hours)));
        }
        problems
    }

    /// Without a word of the operator's: all as soon as there is an anchor, none before.
    pub fn needs_path(&self) -> NeedsPath {
        match self.require_path {
            Some(said) => said,
            None if self.anchors.is_empty() => NeedsPath::Never,
            None => NeedsPath::Always,
        }
    }
}

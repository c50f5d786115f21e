//! `[domains]`: what the records of our domains must say, as far as only the operator knows it.

use crate::mail::Address;
use std::net::IpAddr;

/// For `postern dns` and `postern check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The addresses from which our mail reaches the Internet; empty: those of the smarthost, which may send from others.
    pub sends_from: Vec<IpAddr>,
    /// SPF terms that the smarthost's operator asks for.
    pub spf: Vec<String>,
    /// Where others send reports about us; left out: postmaster of each domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports_to: Option<Address>,
}

impl Settings {
    /// What does not hold together: the setting's name, and what to write instead.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for term in &self.spf {
            let right = super::spf::Spf::parse(&format!("v=spf1 {term}"))
                .is_ok_and(|spf| spf.directives.len() == 1 && spf.all().is_none() && !term.contains(' '));
            if !right {
                let shown: String = term.chars().filter(|c| !c.is_control()).take(80).collect();
                problems.push(("spf", format!("\"{shown}\" is no term of SPF; write one like \"include:_spf.example.net\"")));
            }
        }
        problems
    }
}

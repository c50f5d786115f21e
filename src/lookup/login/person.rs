//! Turns a directory's entry into an account, or into why it may not log in.

use super::dn;
use crate::accounts::Account;
use crate::accounts::elsewhere::LdapLogin;
use crate::lookup::ldap::wire::Entry;
use crate::mail::{AccountKind, Address, Attributes, Domain, Language, UnixTime};
use std::collections::BTreeSet;

/// What is read of an entry beside the settings' own attributes. `pwdAccountLockedTime` and its kind are operational: they come only when
/// they are named (RFC 4511 §4.5.1.8).
const ATTRIBUTES: &[&str] = &[
    "displayName",
    "cn",
    "sn",
    "givenName",
    "preferredLanguage",
    "memberOf",
    "userAccountControl",
    "accountExpires",
    "shadowExpire",
    "pwdAccountLockedTime",
    "nsAccountLock",
    "loginDisabled",
    "zimbraAccountStatus",
];
/// Of one person; more is no person's.
const MOST_ADDRESSES: usize = 500;
const MOST_NAMES: usize = 16;

/// Why an entry is nobody who may log in. Whose fault it is stands in the log; outside it is "wrong" like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Disabled,
    Expired,
    Locked,
    /// No address of ours in any of the attributes.
    NoAddress,
}

/// What is asked of a person's entry.
pub(super) fn attributes(settings: &LdapLogin) -> Vec<String> {
    let own = settings.addresses.iter().chain(&settings.private).cloned();
    own.chain(ATTRIBUTES.iter().map(|name| (*name).to_owned())).collect()
}

/// The time of a directory's dates is ours: its server may lie behind a wrong clock too, and refuses by itself then.
pub(super) fn read(
    entry: &Entry,
    settings: &LdapLogin,
    inside: &[Domain],
    language: Language,
    now: UnixTime,
) -> Result<Account, Closed> {
    if let Some(closed) = closed(entry, now) {
        return Err(closed);
    }
    let (mut owns, mut private) = (Vec::new(), Vec::new());
    for name in settings.addresses.iter().chain(&settings.private) {
        let mut found: Vec<(bool, Address)> = values(entry, name).filter_map(address).collect();
        // Of proxyAddresses the one that begins with capitals is the first.
        found.sort_by_key(|(primary, _)| !primary);
        for (_, address) in found {
            let ours = inside.iter().any(|domain| address.domain().is_within(domain));
            let list = match (ours, settings.addresses.contains(name)) {
                (true, true) => &mut owns,
                // What is outside is nobody's to send from here, but it is theirs.
                (false, _) => &mut private,
                (true, false) => continue,
            };
            if !list.contains(&address) && list.len() < MOST_ADDRESSES {
                list.push(address);
            }
        }
    }
    let login = owns.first().cloned().ok_or(Closed::NoAddress)?;
    Ok(Account {
        login,
        owns,
        names: names(entry),
        language: values(entry, "preferredLanguage").find_map(language_of).unwrap_or(language),
        attributes: Attributes { kind: AccountKind::Person, private, groups: BTreeSet::new() },
    })
}

/// Names of the groups that an entry itself says it is in.
pub(super) fn member_of(entry: &Entry) -> impl Iterator<Item = String> {
    values(entry, "memberOf").map(str::to_owned)
}

/// The person with what is known of their groups.
pub(super) fn with_groups(mut account: Account, groups: BTreeSet<String>, settings: &LdapLogin) -> Account {
    account.attributes.kind = kind(&groups, &settings.service_groups);
    account.attributes.groups = groups;
    account
}

/// A service when it is in one of the groups of services.
pub(super) fn kind(groups: &BTreeSet<String>, of_services: &[String]) -> AccountKind {
    let is_service = of_services.iter().any(|name| groups.contains(&name.trim().to_lowercase()));
    if is_service { AccountKind::Service } else { AccountKind::Person }
}

/// The group's name where it counts.
pub(super) fn group(dn: &str, below: Option<&[(String, String)]>) -> Option<String> {
    dn::group_name(dn, below).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What a directory's own programs would refuse. A value that cannot be read is not taken for "open".
fn closed(entry: &Entry, now: UnixTime) -> Option<Closed> {
    for value in values(entry, "userAccountControl") {
        // MS-ADTS §2.2.16: ACCOUNTDISABLE is 2.
        if value.parse::<i64>().map_or(true, |bits| bits & 2 != 0) {
            return Some(Closed::Disabled);
        }
    }
    for value in values(entry, "accountExpires") {
        match value.parse::<i64>() {
            // Never (MS-ADA1 §2.3).
            Ok(0 | i64::MAX) => {}
            // Units of 100 nanoseconds since 1601.
            Ok(ticks) if ticks / 10_000_000 - 11_644_473_600 > now.0 => {}
            _ => return Some(Closed::Expired),
        }
    }
    for value in values(entry, "shadowExpire") {
        match value.parse::<i64>() {
            Ok(-1) => {}
            // Days since 1970 (RFC 2307 §2.3).
            Ok(day) if day > now.0.div_euclid(86_400) => {}
            _ => return Some(Closed::Expired),
        }
    }
    // Locked until somebody unlocks it (draft-behera-ldap-password-policy §5.3.3). Any other time may be over: the bind tells, and whoever
    // guesses wrong passwords must not end the sessions of the right one.
    if values(entry, "pwdAccountLockedTime").any(|value| value.starts_with("000001010000")) {
        return Some(Closed::Locked);
    }
    let is_true = |name| values(entry, name).any(|value| !value.eq_ignore_ascii_case("false"));
    if is_true("nsAccountLock") || is_true("loginDisabled") {
        return Some(Closed::Disabled);
    }
    let status = values(entry, "zimbraAccountStatus").find(|value| !value.eq_ignore_ascii_case("active"));
    status.map(|_| Closed::Disabled)
}

/// Attribute names have no case (RFC 4512 §2.5), and options behind `;` that do not matter here.
fn values<'e>(entry: &'e Entry, name: &str) -> impl Iterator<Item = &'e str> {
    let of_name = entry
        .attributes
        .iter()
        .filter(move |(written, _)| written.split(';').next().is_some_and(|bare| bare.eq_ignore_ascii_case(name)));
    of_name.flat_map(|(_, values)| values).filter_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
}

/// `marie@example.org`, `smtp:marie@example.org`, `SMTP:…` (true: the primary one), `Internet$marie@example.net` (RFC 4524 §2.10).
/// `X400:`, `sip:` and the like are none.
fn address(value: &str) -> Option<(bool, Address)> {
    let (primary, bare) = match value.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => (kind == "SMTP", rest),
        _ => (false, value.rsplit_once('$').map_or(value, |(_, rest)| rest)),
    };
    Address::parse(bare.trim()).ok().map(|address| (primary, address))
}

fn names(entry: &Entry) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let one = |name| values(entry, name).next().unwrap_or_default();
    let whole = format!("{} {}", one("givenName"), one("sn")).trim().to_owned();
    let listed = values(entry, "displayName").chain(values(entry, "cn")).map(str::to_owned);
    for name in listed.chain([whole]) {
        let shown = !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control);
        if shown && !names.contains(&name) && names.len() < MOST_NAMES {
            names.push(name);
        }
    }
    names
}

/// RFC 2798 §2.7: `fr-FR, en;q=0.8`.
fn language_of(value: &str) -> Option<Language> {
    match value.get(..2)?.to_ascii_lowercase().as_str() {
        "fr" => Some(Language::Fr),
        "en" => Some(Language::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn settings() -> LdapLogin {
        toml::from_str("urls = [\"ldaps://dc.example.org\"]\nbase = \"dc=example\"\nservice_groups = [\"Robots\"]").unwrap()
    }

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let octets = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Entry {
            dn: "cn=x".to_owned(),
            attributes: attributes.iter().map(|(name, values)| ((*name).to_owned(), octets(values))).collect(),
        }
    }

    fn person(attributes: &[(&str, &[&str])]) -> Result<Account, Closed> {
        let inside = [Domain::parse("example.org").unwrap()];
        read(&entry(attributes), &settings(), &inside, Language::Fr, NOW)
    }

    #[test]
    fn an_entry_of_active_directory_and_one_of_openldap_say_who_somebody_is() {
        let shown = |account: &Account| {
            let addresses = |list: &[Address]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            (
                account.login.to_string(),
                addresses(&account.owns),
                addresses(&account.attributes.private),
                account.names.join("|"),
            )
        };
        let microsoft = person(&[
            ("mail", &["Marie.Dupont@example.org"]),
            (
                "proxyAddresses",
                &["smtp:m.martin@example.org", "X400:c=FR;a= ;p=E;", "SMTP:marie.dupont@example.org", "sip:x@example.org"],
            ),
            ("displayName", &["DUPONT Marie"]),
            ("givenName", &["Marie"]),
            ("sn", &["Dupont"]),
            ("userAccountControl", &["66048"]),
            ("accountExpires", &["9223372036854775807"]),
            ("preferredLanguage", &["en-GB"]),
            ("memberOf", &["CN=Paie,DC=x"]),
        ]);
        let microsoft = microsoft.unwrap();
        let expected = (
            "Marie.Dupont@example.org".to_owned(),
            "Marie.Dupont@example.org m.martin@example.org".to_owned(),
            String::new(),
            "DUPONT Marie|Marie Dupont".to_owned(),
        );
        assert_eq!(shown(&microsoft), expected);
        assert_eq!(microsoft.language, Language::En);
        let primary = person(&[("proxyAddresses", &["smtp:b@example.org", "SMTP:a@example.org"])]).unwrap();
        assert_eq!(primary.login.to_string(), "a@example.org");
        let openldap = person(&[
            ("MAIL;lang-fr", &["jean@paris.example.org", "jean75@gmail.com", "no address"]),
            ("mailAlternateAddress", &["j@example.org"]),
            ("otherMailbox", &["Internet$jean@orange.fr", "jj@example.org"]),
            ("cn", &["Jean Petit", "Jean Le Petit"]),
        ]);
        let expected = (
            "jean@paris.example.org".to_owned(),
            "jean@paris.example.org j@example.org".to_owned(),
            "jean75@gmail.com jean@orange.fr".to_owned(),
            "Jean Petit|Jean Le Petit".to_owned(),
        );
        assert_eq!(shown(&openldap.unwrap()), expected);
    }

    #[test]
    fn who_is_closed_is_closed_in_every_dialect() {
        // 100 ns since 1601, for NOW and for a day later.
        let now = ((NOW.0 + 11_644_473_600) * 10_000_000).to_string();
        let later = ((NOW.0 + 86_400 + 11_644_473_600) * 10_000_000).to_string();
        let today = (NOW.0 / 86_400).to_string();
        let tomorrow = (NOW.0 / 86_400 + 1).to_string();
        for (name, value, expected) in [
            ("userAccountControl", "512", None),
            ("userAccountControl", "514", Some(Closed::Disabled)),
            ("userAccountControl", "x", Some(Closed::Disabled)),
            ("accountExpires", "0", None),
            ("accountExpires", now.as_str(), Some(Closed::Expired)),
            ("accountExpires", later.as_str(), None),
            ("accountExpires", "soon", Some(Closed::Expired)),
            ("shadowExpire", "-1", None),
            ("shadowExpire", today.as_str(), Some(Closed::Expired)),
            ("shadowExpire", tomorrow.as_str(), None),
            ("pwdAccountLockedTime", "000001010000Z", Some(Closed::Locked)),
            ("pwdAccountLockedTime", "20261122040000Z", None),
            ("nsAccountLock", "TRUE", Some(Closed::Disabled)),
            ("nsaccountlock", "false", None),
            ("loginDisabled", "TRUE", Some(Closed::Disabled)),
            ("zimbraAccountStatus", "active", None),
            ("zimbraAccountStatus", "locked", Some(Closed::Disabled)),
            ("mail", "x@example.net", None),
        ] {
            let read = person(&[("mail", &["marie@example.org"]), (name, &[value])]);
            assert_eq!(read.err(), expected, "{name}: {value}");
        }
        assert_eq!(person(&[("mail", &["x@example.net"])]).err(), Some(Closed::NoAddress));
    }

    #[test]
    fn a_service_is_known_by_its_group() {
        let account = person(&[("mail", &["scan@example.org"])]).unwrap();
        let grouped = |name: &str| with_groups(account.clone(), [name.to_owned()].into(), &settings()).attributes.kind;
        assert_eq!((grouped("robots"), grouped("paie")), (AccountKind::Service, AccountKind::Person));
    }
}

//! Turns a login and a password into an account by a directory: its entry is searched, then bound as (RFC 4511, RFC 4513 §5.1.3).

use super::conversation::{Conversation, Search, code};
use super::memory::Memory;
use super::person::{self, Closed};
use super::way::{Scheme, Trusted, Way};
use super::{Groups, PASSWORD_OCTETS, Typed, is_sayable, unavailable};
use crate::accounts::Account;
use crate::accounts::elsewhere::LdapLogin;
use crate::accounts::judge::{Answer, Judge, Judged};
use crate::lookup::ldap::read_password;
use crate::lookup::ldap::wire::{self, Entry, Scope};
use crate::lookup::names::Names;
use crate::mail::{Address, Domain, Language};
use crate::world::Clock;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use zeroize::Zeroizing;

/// One directory, under one or several addresses.
pub struct Directory {
    settings: LdapLogin,
    ways: Vec<Way>,
    password: Zeroizing<Vec<u8>>,
    groups_below: Option<Vec<(String, String)>>,
    inside: Arc<[Domain]>,
    language: Language,
    clock: Clock,
    /// Whom it let in, and under which name it holds them.
    memory: Memory<String>,
    of_recipients: Mutex<HashMap<Address, (Instant, BTreeSet<String>)>>,
    /// The address that answered last.
    good: AtomicUsize,
    at_once: Semaphore,
}

/// What one conversation is about.
enum Question<'q> {
    LogIn {
        typed: &'q Typed,
        password: &'q [u8],
    },
    /// Whether this entry still lets this login in.
    Again {
        dn: &'q str,
        login: &'q Address,
    },
    /// Whose address this is.
    Whose(&'q Address),
    GroupsOf(&'q [&'q Address]),
}

enum Said {
    Account { account: Box<Account>, dn: String },
    Wrong,
    Nobody,
    Groups(Vec<BTreeSet<String>>),
}

const SCHEMES: [Scheme; 2] =
    [Scheme { word: "ldaps", port: 636, implicit: true }, Scheme { word: "ldap", port: 389, implicit: false }];
/// Conversations at once; further ones wait within their time.
const AT_ONCE: usize = 32;
/// Entries asked for where one is expected: a second one is enough to know that the filter is too wide.
const TWO: u16 = 2;
/// Groups of one person, and searches for them, those of groups of groups included.
const MOST_GROUPS: usize = 1_000;
const MOST_SEARCHES: usize = 500;
/// Recipients whose groups are remembered.
const REMEMBERED: usize = 10_000;

impl Directory {
    /// Errors name the setting and say what to write.
    pub fn new(
        settings: LdapLogin,
        inside: Arc<[Domain]>,
        language: Language,
        names: &Names,
        clock: Clock,
    ) -> Result<Directory, String> {
        if settings.urls.is_empty() {
            return Err("urls is empty; write urls = [\"ldaps://ldap.example.org\"]".to_owned());
        }
        let trusted = Trusted { ca: settings.ca.as_deref(), clear: settings.clear };
        let ways = settings.urls.iter().map(|url| Way::parse(url, &SCHEMES, &trusted, names.clone()).map(|(way, _)| way));
        let ways = ways.collect::<Result<Vec<_>, _>>()?;
        let password = match (&settings.bind_dn, &settings.password_file) {
            (Some(dn), Some(_)) if dn.trim().is_empty() => {
                return Err("bind_dn is empty; leave it out, or write a name".to_owned());
            }
            (Some(_), Some(path)) => read_password(path)?,
            (None, Some(_)) => return Err("password_file goes with bind_dn".to_owned()),
            (Some(_), None) => return Err("bind_dn goes with password_file".to_owned()),
            (None, None) => Zeroizing::new(Vec::new()),
        };
        check_words(&settings)?;
        for (key, seconds) in [("seconds", settings.seconds), ("still_seconds", settings.still_seconds)] {
            if !(1..=3600).contains(&seconds) {
                return Err(format!("{key} = {seconds} does not work; write a number from 1 to 3600"));
            }
        }
        let below = |base: &String| {
            super::dn::parts(base).ok_or_else(|| {
                format!("groups_below = \"{base}\" is no name of an entry; write it like \"ou=groups,dc=example,dc=org\"")
            })
        };
        Ok(Directory {
            groups_below: settings.groups_below.as_ref().map(below).transpose()?,
            ways,
            password,
            inside,
            language,
            clock,
            memory: Memory::new(),
            of_recipients: Mutex::default(),
            good: AtomicUsize::new(0),
            at_once: Semaphore::new(AT_ONCE),
            settings,
        })
    }

    /// Whether it is asked for the groups of recipients.
    pub fn knows_recipients(&self) -> bool {
        self.settings.recipients
    }

    /// The groups of each address that it holds; others are left out. An error is no absence.
    pub async fn groups_of(&self, addresses: &[Address]) -> Result<BTreeMap<Address, BTreeSet<String>>, String> {
        let now = Instant::now();
        let mut known: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
        let mut unknown = Vec::new();
        {
            let remembered = self.of_recipients.lock().unwrap_or_else(PoisonError::into_inner);
            for address in addresses {
                match remembered.get(address).filter(|(until, _)| now < *until) {
                    Some((_, groups)) => drop(known.insert(address.clone(), groups.clone())),
                    None => unknown.push(address),
                }
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        let Said::Groups(groups) = self.ask(&Question::GroupsOf(&unknown)).await? else {
            return Err("its answer is about something else".to_owned());
        };
        let mut remembered = self.of_recipients.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + groups.len() > REMEMBERED {
            remembered.retain(|_, (until, _)| now < *until);
        }
        let until = now + Duration::from_secs(self.settings.still_seconds);
        for (address, groups) in unknown.into_iter().zip(groups) {
            if remembered.len() < REMEMBERED {
                remembered.insert(address.clone(), (until, groups.clone()));
            }
            known.insert(address.clone(), groups);
        }
        Ok(known)
    }

    /// One server after the other, the one that answered last first, each with its share of the time.
    async fn ask(&self, question: &Question<'_>) -> Result<Said, String> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(self.settings.seconds);
        let turn = timeout_at(deadline, self.at_once.acquire()).await;
        let _turn = turn.map_err(|_| "too many logins at once")?.map_err(|_| "it is closed")?;
        let (first, count) = (self.good.load(Ordering::Relaxed), self.ways.len());
        let mut failures = Vec::new();
        for nth in 0..count {
            let at = (first + nth) % count;
            let way = &self.ways[at];
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match timeout(left / (count - nth) as u32, self.converse(way, question)).await {
                Ok(Ok(said)) => {
                    self.good.store(at, Ordering::Relaxed);
                    return Ok(said);
                }
                Ok(Err(why)) => failures.push(format!("{}: {why}", way.host)),
                Err(_) => failures.push(format!("{}: it did not answer in time", way.host)),
            }
        }
        Err(failures.join("; "))
    }

    async fn converse(&self, way: &Way, question: &Question<'_>) -> Result<Said, String> {
        let mut talk = Conversation::begin(way).await?;
        let said = match question {
            Question::LogIn { typed, password } => self.log_in(&mut talk, typed, password).await?,
            Question::Again { dn, login } => {
                self.bind(&mut talk).await?;
                match self.entry_of(&mut talk, dn).await? {
                    Some(entry) => match self.account(&mut talk, &entry).await? {
                        // Another's now: the address moved.
                        Some(account) if account.login == **login => Said::Account { account, dn: entry.dn },
                        _ => Said::Wrong,
                    },
                    None => Said::Wrong,
                }
            }
            Question::Whose(address) => {
                self.bind(&mut talk).await?;
                match &self.search(&mut talk, &self.by_address(address)).await?[..] {
                    [] => Said::Nobody,
                    [entry] => match self.account(&mut talk, entry).await? {
                        Some(account) if account.owns.contains(address) => Said::Account { account, dn: entry.dn.clone() },
                        _ => Said::Wrong,
                    },
                    _ => self.several(),
                }
            }
            Question::GroupsOf(addresses) => {
                self.bind(&mut talk).await?;
                let mut all = Vec::with_capacity(addresses.len());
                for address in *addresses {
                    all.push(match &self.search(&mut talk, &self.by_address(address)).await?[..] {
                        [] => BTreeSet::new(),
                        [entry] => self.groups(&mut talk, entry, &Typed::from_address(address)).await?,
                        // Whose groups count? Nobody knows.
                        _ => return Err("several entries have the address of one recipient".to_owned()),
                    });
                }
                Said::Groups(all)
            }
        };
        talk.end().await;
        Ok(said)
    }

    async fn log_in(&self, talk: &mut Conversation, typed: &Typed, password: &[u8]) -> Result<Said, String> {
        if let Some(template) = &self.settings.dn {
            let dn = filled(template, typed, None, |text| ldap3::dn_escape(text.to_owned()).into_owned());
            if !self.is_right(talk, &dn, password).await? {
                return Ok(Said::Wrong);
            }
            // By whoever searches; without such a one, by themselves.
            self.bind(talk).await?;
            return match self.entry_of(talk, &dn).await? {
                Some(entry) => Ok(self.let_in(talk, &entry).await?),
                None => {
                    Err("the entry that was bound as cannot be read; write bind_dn, or let people read their own".to_owned())
                }
            };
        }
        self.bind(talk).await?;
        let filter = filled(&self.settings.filter, typed, None, filter_escape);
        match &self.search(talk, &filter).await?[..] {
            [] => {
                // The same steps as for somebody, so that the time does not tell who is here. Not with the password that was sent: it may
                // be right elsewhere.
                let nobody = format!("cn=nobody-of-postern,{}", self.settings.base);
                self.is_right(talk, &nobody, &vec![b'x'; password.len().max(1)]).await?;
                Ok(Said::Nobody)
            }
            [entry] => {
                if !self.is_right(talk, &entry.dn, password).await? {
                    return Ok(Said::Wrong);
                }
                self.bind(talk).await?;
                self.let_in(talk, entry).await
            }
            _ => Ok(self.several()),
        }
    }

    async fn let_in(&self, talk: &mut Conversation, entry: &Entry) -> Result<Said, String> {
        Ok(match self.account(talk, entry).await? {
            Some(account) => Said::Account { account, dn: entry.dn.clone() },
            None => Said::Wrong,
        })
    }

    fn several(&self) -> Said {
        tracing::warn!(
            judge = self.settings.name,
            "a login matches several entries of the directory; make its filter narrower"
        );
        Said::Wrong
    }

    /// As whoever searches.
    async fn bind(&self, talk: &mut Conversation) -> Result<(), String> {
        let Some(dn) = &self.settings.bind_dn else { return Ok(()) };
        match talk.bind(dn, &self.password).await? {
            code::SUCCESS => Ok(()),
            code::INVALID_CREDENTIALS => Err("bind_dn or its password is wrong".to_owned()),
            code => Err(format!("the bind of bind_dn ended with {code}")),
        }
    }

    /// What a bind's end says of a password. Whatever else it ends with says nothing about it.
    async fn is_right(&self, talk: &mut Conversation, dn: &str, password: &[u8]) -> Result<bool, String> {
        match talk.bind(dn, password).await? {
            code::SUCCESS => Ok(true),
            // 19 and 53 are what several servers answer for locked and closed accounts; 48: the entry has no password.
            code::INVALID_CREDENTIALS
            | code::NO_SUCH_OBJECT
            | code::INVALID_DN
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::CONSTRAINT
            | code::UNWILLING => Ok(false),
            code => Err(format!("a bind ended with {code}")),
        }
    }

    async fn search(&self, talk: &mut Conversation, filter: &str) -> Result<Vec<Entry>, String> {
        let attributes = person::attributes(&self.settings);
        let search = Search { base: &self.settings.base, scope: Scope::Subtree, filter, attributes: &attributes, entries: TWO };
        Ok(talk.search(&search).await?.entries)
    }

    async fn entry_of(&self, talk: &mut Conversation, dn: &str) -> Result<Option<Entry>, String> {
        let attributes = person::attributes(&self.settings);
        let search = Search { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes: &attributes, entries: 1 };
        Ok(talk.search(&search).await?.entries.into_iter().next())
    }

    /// `None`: closed, or without an address of ours.
    async fn account(&self, talk: &mut Conversation, entry: &Entry) -> Result<Option<Box<Account>>, String> {
        match person::read(entry, &self.settings, &self.inside, self.language, self.clock.now()) {
            Ok(account) => {
                let groups = self.groups(talk, entry, &Typed::from_address(&account.login)).await?;
                Ok(Some(Box::new(person::with_groups(account, groups, &self.settings))))
            }
            Err(closed) => {
                let why = match closed {
                    Closed::Disabled => "it is disabled",
                    Closed::Expired => "it has expired",
                    Closed::Locked => "it is locked",
                    Closed::NoAddress => "it has no address of ours; see addresses",
                };
                tracing::info!(judge = self.settings.name, why, "an entry of the directory is not let in");
                Ok(None)
            }
        }
    }

    /// The names of all groups that an entry is in. A limit that is hit is a failure: half the groups would decide wrongly.
    async fn groups(&self, talk: &mut Conversation, entry: &Entry, typed: &Typed) -> Result<BTreeSet<String>, String> {
        let settings = &self.settings;
        let mut waiting: VecDeque<String> = person::member_of(entry).collect();
        let mut seen: BTreeSet<String> = waiting.iter().map(|dn| dn.to_lowercase()).collect();
        let mut searches = 0;
        if settings.group_base.is_some() {
            for dn in self.groups_with(talk, &entry.dn, typed).await? {
                if seen.insert(dn.to_lowercase()) {
                    waiting.push_back(dn);
                }
            }
        }
        let mut names = BTreeSet::new();
        while let Some(dn) = waiting.pop_front() {
            if seen.len() > MOST_GROUPS {
                return Err(format!("somebody is in more than {MOST_GROUPS} groups"));
            }
            names.extend(person::group(&dn, self.groups_below.as_deref()));
            if !settings.nested {
                continue;
            }
            searches += 1;
            if searches > MOST_SEARCHES {
                return Err(format!("somebody's groups of groups need more than {MOST_SEARCHES} searches"));
            }
            let above: Vec<String> = match &settings.group_base {
                Some(_) => self.groups_with(talk, &dn, typed).await?,
                None => self.entry_of(talk, &dn).await?.iter().flat_map(person::member_of).collect(),
            };
            for dn in above {
                if seen.insert(dn.to_lowercase()) {
                    waiting.push_back(dn);
                }
            }
        }
        Ok(names)
    }

    async fn groups_with(&self, talk: &mut Conversation, dn: &str, typed: &Typed) -> Result<Vec<String>, String> {
        let Some(base) = &self.settings.group_base else { return Ok(Vec::new()) };
        let filter = filled(&self.settings.group_filter, typed, Some(dn), filter_escape);
        // RFC 4511 §4.5.1.8: no attributes, the name is enough.
        let attributes = ["1.1".to_owned()];
        let entries = MOST_GROUPS as u16;
        let search = Search { base, scope: Scope::Subtree, filter: &filter, attributes: &attributes, entries };
        let found = talk.search(&search).await?;
        if found.code == code::SIZE_LIMIT {
            return Err("somebody is in more groups than it gives out".to_owned());
        }
        Ok(found.entries.into_iter().map(|entry| entry.dn).collect())
    }

    fn by_address(&self, address: &Address) -> String {
        let escaped = filter_escape(&address.to_string());
        let one = |name: &String| match name.eq_ignore_ascii_case("proxyAddresses") {
            true => format!("({name}=smtp:{escaped})"),
            false => format!("({name}={escaped})"),
        };
        format!("(|{})", self.settings.addresses.iter().map(one).collect::<String>())
    }

    /// Kept, so that the next question about them costs nothing for a while.
    fn judged(&self, said: Result<Said, String>) -> Judged {
        match said {
            Ok(Said::Account { account, dn }) => {
                self.memory.keep(&account, Duration::from_secs(self.settings.still_seconds), dn);
                Judged::Right(account)
            }
            Ok(Said::Wrong) => Judged::Wrong,
            Ok(Said::Nobody) => Judged::NotMine,
            Ok(Said::Groups(_)) => unavailable(&self.settings.name, "its answer is about something else"),
            Err(why) => unavailable(&self.settings.name, &why),
        }
    }
}

impl Judge for Directory {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn password<'a>(&'a self, login: &'a str, password: &'a [u8], _peer: IpAddr) -> Answer<'a> {
        Box::pin(async move {
            let Some(typed) = Typed::read(login, self.settings.domain.as_ref()) else { return Judged::NotMine };
            // RFC 4513 §5.1.2, and what no client sends on purpose.
            if !is_sayable(password) || password.len() > PASSWORD_OCTETS {
                return Judged::Wrong;
            }
            self.judged(self.ask(&Question::LogIn { typed: &typed, password }).await)
        })
    }

    fn token<'a>(&'a self, _login: Option<&'a str>, _token: &'a str, _peer: IpAddr) -> Answer<'a> {
        Box::pin(std::future::ready(Judged::NotMine))
    }

    fn still<'a>(&'a self, login: &'a Address) -> Answer<'a> {
        Box::pin(async move {
            let remembered = self.memory.of(login);
            // With nobody to search, only who logs in can be asked about.
            let is_blind = self.settings.dn.is_some() && self.settings.bind_dn.is_none();
            let said = match &remembered {
                Some(known) if known.is_fresh() => return Judged::Right(Box::new(known.account.clone())),
                Some(_) if is_blind => Ok(Said::Wrong),
                None if is_blind => Ok(Said::Nobody),
                Some(known) => self.ask(&Question::Again { dn: &known.more, login }).await,
                None => self.ask(&Question::Whose(login)).await,
            };
            let judged = self.judged(said);
            if judged == Judged::Wrong {
                self.memory.forget(login);
            }
            judged
        })
    }
}

impl Groups for Directory {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn groups<'a>(&'a self, addresses: &'a [Address]) -> super::GroupsAnswer<'a> {
        Box::pin(self.groups_of(addresses))
    }
}

fn filter_escape(text: &str) -> String {
    ldap3::ldap_escape(text.to_owned()).into_owned()
}

/// The template with its words replaced, each escaped: `*` in a login would match everybody (RFC 4515 §3), a comma in it would make
/// another's name of a name (RFC 4514 §2.4).
fn filled(template: &str, typed: &Typed, dn: Option<&str>, escape: impl Fn(&str) -> String) -> String {
    let words = [
        ("{login}", typed.login.as_str()),
        ("{local}", typed.local.as_str()),
        ("{domain}", typed.domain.as_str()),
        ("{dn}", dn.unwrap_or_default()),
    ];
    let (mut out, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        let (before, word) = rest.split_at(at);
        out += before;
        rest = match words.iter().find(|(name, _)| word.starts_with(name)) {
            Some((name, value)) => {
                out += &escape(value);
                &word[name.len()..]
            }
            None => {
                out.push('{');
                &word[1..]
            }
        };
    }
    out + rest
}

fn check_words(settings: &LdapLogin) -> Result<(), String> {
    let names_somebody = |text: &str| text.contains("{login}") || text.contains("{local}");
    let sample = Typed { login: "a@b.example".into(), local: "a".into(), domain: "b.example".into() };
    let is_filter = |text: &str| {
        let filter = filled(text, &sample, Some("cn=a,dc=b"), filter_escape);
        wire::search(1, ("", Scope::Subtree), &filter, &[], 1, 1).is_some()
    };
    let example = "write it like \"(mail={login})\"";
    if !names_somebody(&settings.filter) {
        return Err(format!("filter has neither {{login}} nor {{local}}; {example}"));
    }
    if !is_filter(&settings.filter) {
        return Err(format!("filter = \"{}\" is no filter; {example}", settings.filter));
    }
    if let Some(dn) = &settings.dn
        && !(names_somebody(dn) && super::dn::parts(&filled(dn, &sample, None, str::to_owned)).is_some())
    {
        return Err(format!("dn = \"{dn}\" names nobody; write it like \"uid={{local}},ou=people,dc=example,dc=org\""));
    }
    let about_member = |text: &str| text.contains("{dn}") || names_somebody(text);
    if !about_member(&settings.group_filter) || !is_filter(&settings.group_filter) {
        let sentence = "is no filter for groups; write it like \"(member={dn})\"";
        return Err(format!("group_filter = \"{}\" {sentence}", settings.group_filter));
    }
    let is_name =
        |name: &&String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if let Some(wrong) = settings.addresses.iter().chain(&settings.private).find(|name| !is_name(name)) {
        return Err(format!("\"{wrong}\" is no attribute; write it like \"mail\""));
    }
    if settings.addresses.is_empty() {
        return Err("addresses is empty; write addresses = [\"mail\"]".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(login: &str) -> Typed {
        Typed::read(login, None).unwrap()
    }

    #[test]
    fn a_login_is_a_value_and_never_a_part_of_the_question() {
        for (login, filter, dn) in [
            ("marie@example.org", "(|(mail=marie@example.org)(uid=marie))", "uid=marie,dc=example,dc=org"),
            ("*", "(|(mail=\\2a)(uid=\\2a))", "uid=*,dc=example,dc=org"),
            ("x)(uid=*", "(|(mail=x\\29\\28uid=\\2a)(uid=x\\29\\28uid=\\2a))", "uid=x)(uid\\3d*,dc=example,dc=org"),
            ("a,dc=evil", "(|(mail=a,dc=evil)(uid=a,dc=evil))", "uid=a\\2cdc\\3devil,dc=example,dc=org"),
            ("{dn}", "(|(mail={dn})(uid={dn}))", "uid={dn},dc=example,dc=org"),
            ("{local}", "(|(mail={local})(uid={local}))", "uid={local},dc=example,dc=org"),
            ("a\\29", "(|(mail=a\\5c29)(uid=a\\5c29))", "uid=a\\5c29,dc=example,dc=org"),
        ] {
            let typed = read(login);
            let asked = filled("(|(mail={login})(uid={local}))", &typed, None, filter_escape);
            assert_eq!(asked, filter, "{login}");
            let escaped = |text: &str| ldap3::dn_escape(text.to_owned()).into_owned();
            let name = filled("uid={local},dc=example,dc=org", &typed, None, escaped);
            assert_eq!(name, dn, "{login}");
            assert_eq!(super::super::dn::parts(&name).unwrap().len(), 3, "{login}");
        }
    }

    #[tokio::test]
    async fn settings_that_cannot_work_say_what_to_write() {
        let base = "base = \"dc=example\"\n";
        let right = format!("urls = [\"ldaps://dc.example.org\"]\n{base}");
        for (more, sentence) in [
            ("", ""),
            ("group_base = \"dc=example\"\ngroup_filter = \"(member:1.2.840.113556.1.4.1941:={dn})\"", ""),
            ("group_base = \"dc=example\"\ngroup_filter = \"(&(objectClass=posixGroup)(memberUid={local}))\"", ""),
            ("filter = \"(mail=x)\"", "filter has neither"),
            ("filter = \"(mail={login}\"", "is no filter"),
            ("dn = \"uid=x,dc=example\"", "names nobody"),
            ("dn = \"{local}\"", "names nobody"),
            ("group_filter = \"(cn=all)\"", "is no filter for groups"),
            ("addresses = []", "addresses is empty"),
            ("addresses = [\"mail)(x=\"]", "is no attribute"),
            ("groups_below = \"groups\"", "is no name of an entry"),
            ("bind_dn = \"cn=x\"", "goes with password_file"),
            ("password_file = \"x\"", "goes with bind_dn"),
            ("seconds = 0", "seconds = 0 does not work"),
            ("clear = true", "clear = true does not go with ldaps://"),
        ] {
            let settings: LdapLogin = toml::from_str(&format!("{right}{more}")).unwrap();
            let names = Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap();
            let made = Directory::new(settings, Arc::new([]), Language::Fr, &names, Clock::system());
            match made.err() {
                None => assert_eq!(sentence, "", "{more}"),
                Some(why) => assert!(!sentence.is_empty() && why.contains(sentence), "{more}: {why}"),
            }
        }
    }
}

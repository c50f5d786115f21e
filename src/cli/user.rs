//! `postern user`: submission accounts, in the store.

use super::{ConfigFile, Done, Failure, Format, report};
use crate::accounts::Change;
use crate::config::Settings;
use crate::console::{Request, Secret};
use crate::mail::{AccountKind, Address, Attributes, Language};
use clap::{Args, Subcommand};
use std::io::Read;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern user list --config config.toml")]
pub enum User {
    /// Make an account that may send from its own address
    #[command(
        after_help = "Example:\n  printf '%s' \"$PASSWORD\" | postern user add alice@example.org --config config.toml --password-stdin"
    )]
    Add(Box<Add>),
    /// Set a new password; open sessions end
    #[command(after_help = "Example:\n  printf '%s' \"$PASSWORD\" | postern user passwd alice@example.org --password-stdin")]
    Passwd(Passwd),
    /// Change addresses, names, groups or kind of an account; open sessions have to log in again
    #[command(
        after_help = "Example:\n  postern user set alice@example.org --alias press@example.org --group payroll --no-group trainees"
    )]
    Set(Box<Set>),
    /// Put an account out of use at once, also in open sessions
    #[command(
        after_help = "Example:\n  postern user disable alice@example.org --because \"left on 1 December\" --config config.toml"
    )]
    Disable(Disable),
    /// Put an account into use again
    #[command(after_help = "Example:\n  postern user enable alice@example.org --because \"back from leave\"")]
    Enable(Disable),
    /// All accounts
    #[command(after_help = "Example:\n  postern user list --format json")]
    List(List),
    /// One account, with its app passwords
    #[command(after_help = "Example:\n  postern user show alice@example.org")]
    Show(Show),
    /// Random passwords for single programs that can do no better
    #[command(subcommand)]
    AppPassword(AppPassword),
}

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern user app-password add scanner@example.org --name \"scanner, 2nd floor\"")]
pub enum AppPassword {
    /// Make one; it is shown once
    #[command(after_help = "Example:\n  postern user app-password add scanner@example.org --name \"scanner, 2nd floor\"")]
    Add(Named),
    /// Those of an account, and the day each was used last
    #[command(after_help = "Example:\n  postern user app-password list scanner@example.org")]
    List(Show),
    /// End one at once, also in open sessions
    #[command(after_help = "Example:\n  postern user app-password revoke scanner@example.org --name \"scanner, 2nd floor\"")]
    Revoke(Named),
}

#[derive(Debug, Args)]
pub struct Add {
    /// The login: an address inside
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    /// Read the password from standard input: all of it but a final line end
    #[arg(long)]
    password_stdin: bool,
    /// A further address that this login may send from; can be repeated
    #[arg(long = "alias", value_name = "ADDRESS")]
    aliases: Vec<Address>,
    /// The person's name as it stands in From; can be repeated
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The language of replies and notices to this person
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// A shared mailbox, an application or a device, not a person
    #[arg(long)]
    service: bool,
    /// A mailbox of this person outside; can be repeated
    #[arg(long = "private", value_name = "ADDRESS")]
    private: Vec<Address>,
    /// A group that policies may name; can be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Take app passwords only from mail clients, not the main password
    #[arg(long)]
    app_passwords_only: bool,
    /// Why it is made, for `postern user show` and the audit
    #[arg(long, value_name = "REASON", default_value = "")]
    because: String,
}

#[derive(Debug, Args)]
pub struct Passwd {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    /// Read the password from standard input: all of it but a final line end
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub struct Set {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    /// A further address that this login may send from; can be repeated
    #[arg(long = "alias", value_name = "ADDRESS")]
    aliases: Vec<Address>,
    /// An address that it may not send from any more; can be repeated
    #[arg(long = "no-alias", value_name = "ADDRESS")]
    no_aliases: Vec<Address>,
    /// A further name of the person; can be repeated
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// A name that it has no more; can be repeated
    #[arg(long = "no-name", value_name = "NAME")]
    no_names: Vec<String>,
    /// A mailbox of this person outside; can be repeated
    #[arg(long = "private", value_name = "ADDRESS")]
    private: Vec<Address>,
    /// A mailbox that is this person's no more; can be repeated
    #[arg(long = "no-private", value_name = "ADDRESS")]
    no_private: Vec<Address>,
    /// A group that it joins; can be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A group that it leaves; can be repeated
    #[arg(long = "no-group", value_name = "NAME")]
    no_groups: Vec<String>,
    /// The language of replies and notices to this person
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// It is a shared mailbox, an application or a device
    #[arg(long, conflicts_with = "person")]
    service: bool,
    /// It is a person
    #[arg(long)]
    person: bool,
    /// Take app passwords only from mail clients, not the main password
    #[arg(long, conflicts_with = "main_password")]
    app_passwords_only: bool,
    /// Take the main password from mail clients again
    #[arg(long)]
    main_password: bool,
    /// Who decides, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Disable {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    /// Why, for `postern user show` and the audit
    #[arg(long, value_name = "REASON", default_value = "")]
    because: String,
    /// Who decides, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Named {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
    /// Which program it is for
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Who decides, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a list shows a person; a program gets everything.
const LISTED: &[&str] = &["login", "state", "names", "owns", "language", "kind", "groups", "note"];
const SHOWN: &[&str] = &[
    "login",
    "state",
    "note",
    "names",
    "owns",
    "private",
    "groups",
    "kind",
    "language",
    "created_at",
    "created_because",
    "disabled_at",
    "disabled_because",
    "password_at",
    "password_ends",
    "app_passwords_only",
    "app_passwords",
    "scram",
];
const APP_PASSWORDS: &[&str] = &["name", "app_password", "state", "created_at", "used_on"];

impl User {
    pub fn run(self) -> Done {
        let (file, format, columns, request) = match self {
            User::Add(add) => {
                let settings = Settings::load(&add.file.config)?;
                if !settings.is_inside(add.login.domain()) {
                    return Err(Failure::Wrong(format!(
                        "{} is not inside: write an address of {}, or add its domain to `inside` in {}",
                        add.login,
                        settings.inside.iter().map(|domain| domain.as_str()).collect::<Vec<_>>().join(", "),
                        add.file.config.display()
                    )));
                }
                let mut owns = vec![add.login.clone()];
                owns.extend(add.aliases);
                let password = password(add.password_stdin)?;
                let kind = if add.service { AccountKind::Service } else { AccountKind::Person };
                let attributes = Attributes { kind, private: add.private, groups: add.groups.into_iter().collect() };
                let request = Request::UserAdd {
                    login: add.login,
                    password,
                    owns,
                    names: add.names,
                    language: add.language,
                    attributes,
                    app_passwords_only: add.app_passwords_only,
                    because: add.because,
                };
                (add.file, Format::Text, LISTED, request)
            }
            User::Passwd(passwd) => {
                let password = password(passwd.password_stdin)?;
                (passwd.file, Format::Text, LISTED, Request::UserPassword { login: passwd.login, password })
            }
            User::Set(set) => {
                let (file, format, request) = set.request()?;
                (file, format, SHOWN, request)
            }
            User::Disable(disable) => {
                let by = super::quarantine::officer(disable.officer);
                let request = Request::UserDisable { login: disable.login, because: disable.because, by };
                (disable.file, Format::Text, LISTED, request)
            }
            User::Enable(enable) => {
                let by = super::quarantine::officer(enable.officer);
                let request = Request::UserEnable { login: enable.login, because: enable.because, by };
                (enable.file, Format::Text, LISTED, request)
            }
            User::List(list) => (list.file, list.format, LISTED, Request::UserList {}),
            User::Show(show) => (show.file, show.format, SHOWN, Request::UserShow { login: show.login }),
            User::AppPassword(AppPassword::Add(one)) => {
                let by = super::quarantine::officer(one.officer);
                let request = Request::AppPasswordAdd { login: one.login, name: one.name, by };
                (one.file, one.format, APP_PASSWORDS, request)
            }
            User::AppPassword(AppPassword::Revoke(one)) => {
                let by = super::quarantine::officer(one.officer);
                let request = Request::AppPasswordRevoke { login: one.login, name: one.name, by };
                (one.file, one.format, APP_PASSWORDS, request)
            }
            User::AppPassword(AppPassword::List(show)) => {
                (show.file, show.format, APP_PASSWORDS, Request::AppPasswordList { login: show.login })
            }
        };
        report::rows(super::ask_or_open(&file.config, request)?, format, columns)
    }
}

impl Set {
    fn request(self) -> Result<(ConfigFile, Format, Request), Failure> {
        let change = Change {
            add_owns: self.aliases,
            remove_owns: self.no_aliases,
            add_names: self.names,
            remove_names: self.no_names,
            add_private: self.private,
            remove_private: self.no_private,
            add_groups: self.groups,
            remove_groups: self.no_groups,
            language: self.language,
            kind: match (self.service, self.person) {
                (true, _) => Some(AccountKind::Service),
                (_, true) => Some(AccountKind::Person),
                _ => None,
            },
            app_passwords_only: match (self.app_passwords_only, self.main_password) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        };
        if change == Change::default() {
            return Err(Failure::Wrong(
                "nothing to change; write what, like --group payroll or --no-alias press@example.org".into(),
            ));
        }
        let by = super::quarantine::officer(self.officer);
        Ok((self.file, self.format, Request::UserSet { login: self.login, change: Box::new(change), by }))
    }
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "fr" => Ok(Language::Fr),
        "en" => Ok(Language::En),
        other => Err(format!("\"{other}\" is not a language here; write fr or en")),
    }
}

/// Passwords are never arguments: those stand in every process list and shell history.
fn password(from_stdin: bool) -> Result<Secret, Failure> {
    if !from_stdin {
        return Err(Failure::Wrong(
            "the password is read from standard input: printf '%s' \"$PASSWORD\" | postern user … --password-stdin".into(),
        ));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().take(4096).read_to_string(&mut text)?;
    let trimmed = text.strip_suffix('\n').unwrap_or(&text);
    let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
    if trimmed.is_empty() {
        return Err(Failure::Wrong("the password on standard input is empty".into()));
    }
    Ok(Secret(zeroize::Zeroizing::new(trimmed.to_owned())))
}

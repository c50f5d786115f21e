//! `postern user`: submission accounts, in the store.

use super::{ConfigFile, Done, Failure, Format, report};
use crate::config::Settings;
use crate::console::{Request, Secret};
use crate::mail::{Address, Language};
use clap::{Args, Subcommand};
use std::io::Read;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern user list --config config.toml")]
pub enum User {
    /// Make an account that may send from its own address
    #[command(
        after_help = "Example:\n  printf '%s' \"$PASSWORD\" | postern user add alice@example.org --config config.toml --password-stdin"
    )]
    Add(Add),
    /// Set a new password
    #[command(after_help = "Example:\n  printf '%s' \"$PASSWORD\" | postern user passwd alice@example.org --password-stdin")]
    Passwd(Passwd),
    /// Put an account out of use at once, also in open sessions
    #[command(after_help = "Example:\n  postern user disable alice@example.org --config config.toml")]
    Disable(Disable),
    /// All accounts
    #[command(after_help = "Example:\n  postern user list --format json")]
    List(List),
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
pub struct Disable {
    /// The login
    login: Address,
    #[command(flatten)]
    file: ConfigFile,
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

impl User {
    pub fn run(self) -> Done {
        let (file, format, request) = match self {
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
                (
                    add.file,
                    Format::Text,
                    Request::UserAdd { login: add.login, password, owns, names: add.names, language: add.language },
                )
            }
            User::Passwd(passwd) => {
                let password = password(passwd.password_stdin)?;
                (passwd.file, Format::Text, Request::UserPassword { login: passwd.login, password })
            }
            User::Disable(disable) => {
                let by = super::quarantine::officer(disable.officer);
                (disable.file, Format::Text, Request::UserDisable { login: disable.login, by })
            }
            User::List(list) => (list.file, list.format, Request::UserList {}),
        };
        report::rows(super::ask_or_open(&file.config, request)?, format, &["login", "state", "names", "owns", "language"])
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

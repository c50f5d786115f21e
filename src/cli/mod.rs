//! The command line: one file per command. Exit codes: 0 done, 1 a check or test failed, 2 the call or a file was wrong.

mod audit;
mod backtest;
mod check;
mod config;
mod demo;
mod dkim;
mod dns;
mod explain;
mod index;
mod keys;
mod language;
mod progress;
mod quarantine;
mod report;
mod rules;
mod scan;
mod serve;
mod spool;
mod user;
mod worker;

use crate::config::Settings;
use crate::console::{Answer, NotRunning, Request};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An outbound mail gate: what leaves by SMTP is inspected, then refused, held, encrypted end to end, or signed and relayed.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Example, without any preparation:\n  postern demo\n\nExit codes: 0 done, 1 a check or test failed, 2 the call or a file was wrong"
)]
struct Call {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a gate on loopback, submit the shipped samples, and show what became of each
    Demo(demo::Demo),
    /// Run the gate
    Serve(serve::Serve),
    /// Check configuration, rules, policies and keys
    Check(check::Check),
    /// Show what the rules find in messages and files
    Scan(scan::Scan),
    /// Show what would become of one message, and why; nothing is sent
    Explain(explain::Explain),
    /// Replay mail that was sent: what the rules would have decided, and what new rules would change
    Backtest(backtest::Backtest),
    /// Try, test, explain, compare and begin rules
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Certificates and OpenPGP keys of recipients
    #[command(subcommand)]
    Keys(keys::Keys),
    /// DKIM keys and their DNS records
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    /// What our domains must say in DNS (SPF, DKIM, DMARC, MTA-STS …), and whether they do
    Dns(dns::Dns),
    /// Submission accounts
    #[command(subcommand)]
    User(user::User),
    /// Held messages
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Copies that wait for the upstream
    #[command(subcommand)]
    Spool(spool::Spool),
    /// The audit and its chain
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The configuration file
    #[command(subcommand)]
    Config(config::Config),
    /// What the gate starts to read attachments: not for people
    #[command(hide = true)]
    Worker(worker::Worker),
    /// What the gate starts to read letters on pictures: not for people
    #[command(hide = true)]
    OcrWorker(worker::OcrWorker),
}

/// Which configuration file.
#[derive(Debug, Clone, Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
}

/// How results are printed on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Why a command ends without success.
#[derive(Debug)]
enum Failure {
    /// A check or a test failed; what is to be said has been said.
    Failed,
    /// The call or a file was wrong: one line each that says what to write instead.
    Wrong(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Wrong(error.to_string())
    }
}

type Done = Result<(), Failure>;

/// Runs what the rooms do asynchronously, for a command that does one thing.
fn wait_for<F: Future>(work: F) -> Result<F::Output, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// Asks the running gate or, when none is running on this data folder, opens the store for this one answer.
fn ask_or_open(config: &Path, request: Request) -> Result<Answer, Failure> {
    let settings = Settings::load(config)?;
    match crate::console::ask(&settings.control_socket(), &request) {
        Ok(answer) => Ok(answer),
        Err(NotRunning::Nobody(_)) => {
            let desk = crate::serve::open_desk(&settings)?;
            wait_for(desk.answer(request))
        }
        Err(broken) => Err(broken.into()),
    }
}

/// A panic's own message may quote what was being read (slicing a text inside a character prints the text): only its place is
/// told, and no matched value reaches a log that way.
fn tell_only_where_it_broke() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        eprintln!("postern broke down at {place}: a fault of the program, please report it");
    }));
}

/// Runs one command; the process ends with what comes back.
pub fn run() -> ExitCode {
    tell_only_where_it_broke();
    let call = match Call::try_parse() {
        Ok(call) => call,
        Err(help) => {
            // Help and version are answers, not errors; a wrong call is explained in one place by clap.
            let code = if help.use_stderr() { 2 } else { 0 };
            let _ = help.print();
            return ExitCode::from(code);
        }
    };
    let done = match call.command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Scan(scan) => scan.run(),
        Command::Explain(explain) => explain.run(),
        Command::Backtest(backtest) => backtest.run(),
        Command::Rules(rules) => rules.run(),
        Command::Keys(keys) => keys.run(),
        Command::Dkim(dkim) => dkim.run(),
        Command::Dns(dns) => dns.run(),
        Command::User(user) => user.run(),
        Command::Quarantine(quarantine) => quarantine.run(),
        Command::Spool(spool) => spool.run(),
        Command::Audit(audit) => audit.run(),
        Command::Config(config) => config.run(),
        Command::Worker(worker) => worker.run(),
        Command::OcrWorker(worker) => worker.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed) => ExitCode::from(1),
        // Whoever reads us has read enough (`| head`).
        Err(Failure::Wrong(sentence)) if sentence.starts_with("Broken pipe") => ExitCode::SUCCESS,
        Err(Failure::Wrong(sentence)) => {
            eprintln!("{sentence}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own: a hook is the whole process's.
    #[test]
    fn a_panic_tells_its_place_and_nothing_of_what_was_read() {
        const CHILD: &str = "POSTERN_TEST_PANICS";
        let secret = "né 1 85 05 78 006 084 91";
        if std::env::var_os(CHILD).is_some() {
            tell_only_where_it_broke();
            let inside_a_character = std::hint::black_box(2);
            println!("{}", &secret[inside_a_character..]);
            return;
        }
        let name = "cli::tests::a_panic_tells_its_place_and_nothing_of_what_was_read";
        let program = std::env::current_exe().unwrap();
        let output =
            std::process::Command::new(program).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && said.contains("broke down at src/cli/mod.rs"), "{said}");
        assert!(!said.contains("084"), "{said}");
    }
}

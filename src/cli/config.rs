//! `postern config`: the configuration file, with every setting explained.

use super::Done;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern config describe > config.toml")]
pub enum Config {
    /// Print a complete configuration file with its explanations
    #[command(after_help = "Example:\n  postern config describe > config.toml")]
    Describe,
}

impl Config {
    pub fn run(self) -> Done {
        match self {
            Config::Describe => print!("{}", crate::config::EXAMPLE),
        }
        Ok(())
    }
}

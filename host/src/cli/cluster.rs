//! `hostel cluster`: several hosts that find each other.

mod init;
mod join;
mod keys;
mod status;
mod token;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;

use super::text;

/// Make a cluster of several hosts, let hosts in, and look at it
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Two hosts on one machine:\n  hostel cluster init\n  hostel up --cluster cluster --node one\n  \
                  hostel up --cluster cluster --node two --peer 127.0.0.1:7947 --seed 127.0.0.1:7946 \\\n      \
                  --listen 127.0.0.1:8081 --admin 127.0.0.1:9091 --data data-two\n\n\
                  A host on another machine: a token is made here, and used there.\n  \
                  hostel cluster token --node three --seed 10.0.0.1:7946 > three.token\n  \
                  hostel cluster join - < three.token\n  \
                  hostel up --cluster cluster --peer 10.0.0.3:7946"
)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Token(token::TokenArgs),
    Join(join::JoinArgs),
    Status(status::StatusArgs),
    Keys(keys::KeysArgs),
}

/// The folder that is meant when none is named.
const DEFAULT_DIR: &str = "cluster";

/// # Errors
/// Those of the subcommands.
pub(super) fn run(args: &ClusterArgs) -> anyhow::Result<()> {
    match &args.command {
        Command::Init(args) => init::run(args),
        Command::Token(args) => token::run(args),
        Command::Join(args) => join::run(args),
        Command::Status(args) => status::run(args),
        Command::Keys(args) => keys::run(args),
    }
}

/// A path as it can be typed again.
fn shown(dir: &Path) -> String {
    let text = dir.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_typed_again() {
        for (path, text) in [("cluster", "cluster"), ("/etc/a b", "'/etc/a b'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(shown(Path::new(path)), text);
        }
    }
}

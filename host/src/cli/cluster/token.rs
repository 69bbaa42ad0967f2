//! `hostel cluster token`: lets a node in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::bail;

use super::{DEFAULT_DIR, shown, text, unix_s};
use crate::peer::NodeName;
use crate::peer::pki::{self, Issuing};

const DAY_S: u64 = 24 * 3600;

/// Make a token with which a host can join the cluster
///
/// The token alone goes to standard output. It is a secret like a password, and stays one after it was
/// used: whoever has it can be that node until it expires. It is also how certificates are renewed: join
/// again, with a new token for the same name, before the old one expires.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  hostel cluster token --node two --seed 10.0.0.1:7946 > two.token\n  \
                  hostel cluster token --node two --seed 10.0.0.1:7946 | ssh two hostel cluster join -\n  \
                  hostel cluster token /etc/hostel/cluster --node ci --valid 1"
)]
pub(super) struct TokenArgs {
    /// The folder that `hostel cluster init` made
    #[arg(value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// The node's name: lower-case letters, digits and dashes; each node has its own
    #[arg(long, value_name = "NAME")]
    node: NodeName,
    /// Days until the node's certificate, and with it the token, expires
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    valid: u32,
    /// Where the node finds others to begin with; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_parser = seed)]
    seed: Vec<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &TokenArgs) -> anyhow::Result<()> {
    let dir = shown(&args.dir);
    if !args.dir.join("ca.key").exists() {
        bail!("{dir} has no ca.key; tokens are made where `hostel cluster init {dir}` was run");
    }
    let valid = Duration::from_secs(u64::from(args.valid) * DAY_S);
    let expires = SystemTime::now() + valid;
    let token = pki::issue(&args.dir, Issuing { node: args.node.clone(), valid, seeds: args.seed.clone() })?;
    if args.json {
        let report = serde_json::json!({
            "cluster": token.identity.cluster.as_str(),
            "node": token.identity.node.as_str(),
            "expires_unix_s": unix_s(expires),
            "seeds": token.seeds,
            "token": token.to_string(),
        });
        text::say(&format!("{report:#}\n"));
        return Ok(());
    }
    text::say(&format!("{token}\n"));
    eprintln!(
        "a token for the node `{}` of the cluster `{}`, good for {} days; it is a secret until then, also when it was used",
        token.identity.node, token.identity.cluster, args.valid
    );
    if token.seeds.is_empty() {
        eprintln!("it names no seeds: `hostel up` will need `--seed HOST:PORT`, the address of any other node");
    }
    eprintln!("on the node, with the token on standard input: hostel cluster join -");
    Ok(())
}

/// Checks the form; whether anybody is there only shows when the node starts.
fn seed(text: &str) -> Result<String, String> {
    let wrong = || "a seed is HOST:PORT, such as 10.0.0.1:7946, [fd00::1]:7946 or hosts.internal:7946".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fine = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            (1..=253).contains(&host.len()) && host.chars().all(allowed)
        }
    };
    if !fine || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_hosts_with_ports() {
        for text in ["10.0.0.1:7946", "[fd00::1]:7946", "hosts.internal:1", "a_b-c:65535"] {
            assert_eq!(seed(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "a",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "fd00::1:7946",
            "[fd00::1]",
            "[x]:1",
            "a b:1",
            "a\n:1",
            "a:1\n",
        ] {
            assert!(seed(text).is_err(), "{text:?}");
        }
    }
}

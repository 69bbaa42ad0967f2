//! `hostel cluster join`: makes a node's folder from a token.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use super::{DEFAULT_DIR, shown, text, unix_s};
use crate::peer::pki::{self, Token};
use crate::peer::{Credentials, PeerIdentity};

/// The most that is read of standard input, in bytes. A token has less than 64 KiB.
const INPUT_BYTES_MAX: u64 = 128 << 10;

/// Make this host a node of a cluster, with a token
///
/// Nobody is asked: the token has everything in it. Joining again with a new token for the same node
/// renews its certificate; a running host notices. Run it as the user that the host runs as, since nobody
/// else may read the files.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  hostel cluster join - < two.token\n  \
                  hostel cluster join --dir /etc/hostel/cluster - < two.token\n\n\
                  A token on the command line is in the list of processes, and in the shell's history;\n\
                  with `-` it is not."
)]
pub(super) struct JoinArgs {
    /// The token, or - to read it from standard input
    #[arg(value_name = "TOKEN|-")]
    token: String,
    /// The folder to make
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &JoinArgs) -> anyhow::Result<()> {
    let token = if args.token == "-" { Token::parse(&read_input()?)? } else { Token::parse(&args.token)? };
    let expires = pki::verify(&token)?;
    spare_others(&args.dir, &token.identity)?;
    pki::check_cluster(&args.dir, &token)?;
    let renewed = args.dir.join("node.pem").exists();
    pki::join(&args.dir, &token)?;
    let PeerIdentity { cluster, node } = &token.identity;
    if args.json {
        let report = serde_json::json!({
            "cluster": cluster.as_str(),
            "node": node.as_str(),
            "dir": args.dir.display().to_string(),
            "expires_unix_s": unix_s(expires),
            "seeds": token.seeds,
            "renewed": renewed,
        });
        text::say(&format!("{report:#}\n"));
        return Ok(());
    }
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    let did = if renewed { "has a new certificate for" } else { "is the folder of" };
    text::say(&format!(
        "{} {did} the node `{node}` of the cluster `{cluster}`; its certificate expires in {}\n\n{}",
        shown(&args.dir),
        text::duration(left.as_secs()),
        next(&args.dir, node.as_str(), renewed, &seeds_of(&args.dir))
    ));
    Ok(())
}

/// What to do now. Where the node's seeds are on this machine, so is the node, beside hosts that have the usual ports.
fn next(dir: &Path, node: &str, renewed: bool, seeds: &[String]) -> String {
    let folder = shown(dir);
    let here = |seed: &String| seed.parse().ok().map(|seed: SocketAddr| seed.ip()).filter(IpAddr::is_loopback);
    let here: Option<Vec<IpAddr>> = seeds.iter().map(here).collect();
    let mut command = format!("hostel up --cluster {folder}");
    if let Some(ip) = here.as_deref().and_then(<[_]>::first) {
        let peer = SocketAddr::new(*ip, 7947);
        command.push_str(&format!(
            " --peer {peer} \\\n      --listen 127.0.0.1:8081 --admin 127.0.0.1:9091 --data data-{node}"
        ));
    } else {
        command.push_str(" --peer ADDRESS:7946");
    }
    if seeds.is_empty() {
        command.push_str(" --seed HOST:PORT");
    }
    let mut text = match renewed {
        true => format!("a running host notices within seconds; otherwise:\n  {command}\n"),
        false => format!("next:\n  {command}\n"),
    };
    if command.contains(" ADDRESS:") {
        text.push_str("where ADDRESS is this machine's, as the other nodes reach it (UDP and TCP)\n");
    }
    match seeds {
        [] => text.push_str("and HOST:PORT what any other node has as its --peer\n"),
        seeds => text.push_str(&format!("it asks first: {} ({folder}/seeds)\n", seeds.join(", "))),
    }
    text
}

/// The seeds in the folder: those of the token, or those it had.
fn seeds_of(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("seeds")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(text::harmless).collect()
}

fn read_input() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.context("cannot read the token from standard input")?;
    if text.trim().is_empty() {
        bail!("there is no token on standard input");
    }
    Ok(text)
}

/// Another node's folder is not replaced by mistake. One whose credentials are of no use may be.
fn spare_others(dir: &Path, identity: &PeerIdentity) -> anyhow::Result<()> {
    let Ok(credentials) = Credentials::load(dir) else { return Ok(()) };
    let is = credentials.identity();
    if is != *identity {
        bail!(
            "{} is the folder of the node `{}` of the cluster `{}`, and the token is for `{}` of `{}`; name another folder \
             with --dir, or remove this one first",
            shown(dir),
            is.node,
            is.cluster,
            identity.node,
            identity.cluster
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_next_has_the_folder_the_ports_and_the_seeds() {
        let dir = Path::new("/etc/a b");
        let seeds = |seeds: &[&str]| seeds.iter().map(ToString::to_string).collect::<Vec<_>>();
        let elsewhere = next(dir, "two", false, &seeds(&["10.0.0.1:7946", "db.internal:7946"]));
        assert_eq!(
            elsewhere,
            "next:\n  hostel up --cluster '/etc/a b' --peer ADDRESS:7946\n\
             where ADDRESS is this machine's, as the other nodes reach it (UDP and TCP)\n\
             it asks first: 10.0.0.1:7946, db.internal:7946 ('/etc/a b'/seeds)\n"
        );
        for (seed, peer) in [("127.0.0.1:7946", "127.0.0.1:7947"), ("[::1]:7946", "[::1]:7947")] {
            let here = next(Path::new("two"), "two", false, &seeds(&[seed]));
            assert!(here.contains(&format!("--peer {peer}")) && here.contains("--data data-two\n"), "{here}");
        }
        let nobody = next(dir, "two", false, &[]);
        assert!(nobody.contains("--peer ADDRESS:7946 --seed HOST:PORT\n"), "{nobody}");
        assert!(next(dir, "two", true, &seeds(&["a:1"])).starts_with("a running host notices within seconds"));
    }
}

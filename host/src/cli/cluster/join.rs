//! `hostel cluster join`: makes a node's folder from a token.

use std::io::Read;
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
    pki::join(&args.dir, &token)?;
    let PeerIdentity { cluster, node } = &token.identity;
    if args.json {
        let report = serde_json::json!({
            "cluster": cluster.as_str(),
            "node": node.as_str(),
            "dir": args.dir.display().to_string(),
            "expires_unix_s": unix_s(expires),
            "seeds": token.seeds,
        });
        text::say(&format!("{report:#}\n"));
        return Ok(());
    }
    let dir = shown(&args.dir);
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    let seeds = if token.seeds.is_empty() { " --seed HOST:PORT" } else { "" };
    text::say(&format!(
        "{dir} is the folder of the node `{node}` of the cluster `{cluster}`; its certificate expires in {}\n\n\
         next:\n  hostel up --cluster {dir}{seeds}\n",
        text::duration(left.as_secs())
    ));
    Ok(())
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

//! `hostel cluster init`: a CA and a first key.

use std::path::PathBuf;

use super::{DEFAULT_DIR, shown, text};
use crate::peer::{ClusterName, pki};

/// Make a cluster: its certificate authority and its first gossip key
///
/// Done once, on one machine. Whoever can read the folder can let hosts in: keep it safe, and keep a copy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hostel cluster init\n  hostel cluster init /etc/hostel/cluster --name shop")]
pub(super) struct InitArgs {
    /// The folder to make
    #[arg(value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// The cluster's name: lower-case letters, digits and dashes
    #[arg(long, value_name = "NAME", default_value = "hostel")]
    name: ClusterName,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InitArgs) -> anyhow::Result<()> {
    pki::init(&args.dir, &args.name)?;
    if args.json {
        let report = serde_json::json!({ "cluster": args.name.as_str(), "dir": args.dir.display().to_string() });
        text::say(&format!("{report:#}\n"));
        return Ok(());
    }
    let dir = shown(&args.dir);
    text::say(&format!(
        "the cluster `{name}` is in {dir}:\n\
         \x20 ca.pem       its certificate, which all nodes get\n\
         \x20 ca.key       secret: whoever has it can let nodes in\n\
         \x20 gossip.keys  secret: what nodes say to each other is sealed with it\n\n\
         next, a host on this machine:\n\
         \x20 hostel up --cluster {dir} --node one\n\
         or, where hosts on other machines reach it:\n\
         \x20 hostel up --cluster {dir} --node one --peer ADDRESS-OF-ONE:7946\n\
         and a token for each of those:\n\
         \x20 hostel cluster token {dir} --node two --seed ADDRESS-OF-ONE:7946\n",
        name = args.name,
    ));
    Ok(())
}

//! `hostel up`: run a host.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::build::{self, Options};
use super::text;
use crate::app::{self, Announcement, Flags, Selected};
use crate::modules::Deployments;
use crate::observe::log;
use crate::observe::metrics::Metrics;

/// Serve the modules in a directory, and swap them as they change
#[derive(Debug, clap::Args)]
#[command(after_help = "Settings come from flags, then HOSTEL_* variables, then the file, then defaults.\n\n\
                        Examples:\n  hostel up\n  hostel up --build\n  hostel up --modules /srv/modules --listen 0.0.0.0:80")]
pub(super) struct UpArgs {
    /// Build the crates in the directory of modules first
    #[arg(long)]
    build: bool,
    /// Directory of modules [default: modules]
    #[arg(long, value_name = "DIR")]
    modules: Option<String>,
    /// Configuration file [default: hostel.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where calls come in [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Certificate for those calls, PEM; with it they come over TLS, without it in plain text
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Where health, metrics and status are [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// Directory for everything that is kept [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Serve only these services of the directory, separated by commas
    #[arg(long, value_name = "SERVICE", value_delimiter = ',')]
    only: Vec<String>,
    /// Be a node of the cluster whose certificates are in this folder (see `hostel cluster`)
    #[arg(long, value_name = "DIR", help_heading = "Cluster")]
    cluster: Option<String>,
    /// This node's name; needed beside the CA, where a node issues itself a certificate
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    node: Option<String>,
    /// Where other nodes reach this one, UDP and TCP [default: 127.0.0.1:7946]
    #[arg(long, value_name = "ADDR", help_heading = "Cluster")]
    peer: Option<String>,
    /// What other nodes are told to send to, if it is not what --peer says
    #[arg(long, value_name = "ADDR", help_heading = "Cluster")]
    advertise: Option<String>,
    /// A node to ask first; may be given several times
    #[arg(long = "seed", value_name = "HOST:PORT", help_heading = "Cluster")]
    seeds: Vec<String>,
    /// Where this node is; calls prefer nodes of the same zone
    #[arg(long, value_name = "ZONE", help_heading = "Cluster")]
    zone: Option<String>,
    /// How log lines look: auto, json or pretty
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Write the addresses to this file, as JSON, when the host is ready
    #[arg(long, value_name = "FILE")]
    announce: Option<PathBuf>,
}

pub(super) fn run(args: &UpArgs) -> anyhow::Result<()> {
    let loaded = app::load(&Flags {
        config: args.config.clone(),
        listen: args.listen.clone(),
        tls_cert: args.tls_cert.clone(),
        tls_key: args.tls_key.clone(),
        admin: args.admin.clone(),
        modules: args.modules.clone(),
        data: args.data.clone(),
        log_format: args.log_format.clone(),
        only: args.only.clone(),
        cluster: args.cluster.clone(),
        node: args.node.clone(),
        zone: args.zone.clone(),
        peer: args.peer.clone(),
        advertise: args.advertise.clone(),
        seeds: args.seeds.clone(),
    })?;
    let config = loaded.config.clone();
    if args.build {
        let dir = &config.modules.dir;
        // The services' sources are in the directory of modules, or the current directory is one service's.
        let sources_inside = dir.join("Cargo.toml").is_file();
        let what = if sources_inside { vec![dir.to_string_lossy().into_owned()] } else { Vec::new() };
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let built = build::build(&Options { what, out: Some(dir.clone()), ..Options::default() })?;
        text::say(&format!("{}\n", build::summary(&built)));
    }
    if let Some(path) = &args.announce {
        // One of an earlier run would be taken for this one's; and nobody should wait for what cannot come.
        let _ = std::fs::remove_file(path);
        std::fs::write(path, "")
            .and_then(|()| std::fs::remove_file(path))
            .with_context(|| format!("cannot write to {}, which --announce names", path.display()))?;
    }
    let guard = log::init(&config.log).context("cannot set up logging")?;
    for warning in loaded.warnings() {
        tracing::warn!("{warning}");
    }
    let metrics = Metrics::new(app::build_info());
    metrics.register_counter_fn(
        "hostel_log_lines_dropped",
        "Lines of the host's log dropped because writing could not keep up",
        guard.lines_dropped_fn(),
    );
    let looked_at = config.clone();
    app::run(config, metrics, |announcement, deployments| {
        let (dir, selected) = (&looked_at.modules.dir, app::selected(&looked_at));
        text::say(&banner(announcement, deployments, dir, &selected));
        if let Some(path) = &args.announce
            && let Err(error) = announcement.write(path)
        {
            tracing::error!(path = %path.display(), %error, "cannot write the addresses");
        }
    })?;
    Ok(())
}

/// What people see when the host is ready.
fn banner(announcement: Announcement, deployments: &Deployments, dir: &Path, selected: &Selected) -> String {
    let edge = announcement.edge_url();
    let table = deployments.table();
    let mut banner = format!("\nedge    {edge}\nadmin   http://{}\n", announcement.admin);
    if let Some(peer) = announcement.peer {
        banner.push_str(&format!("peer    {peer}\n"));
    }
    banner.push('\n');
    let mut rows = vec![["SERVICE".to_owned(), "VERSION".into(), "DOOR".into(), "ROUTE".into()]];
    for (service, route) in table.describe_routes() {
        let Some(deployed) = table.iter().find(|deployed| deployed.service().as_str() == service) else { continue };
        rows.push([service, deployed.version().to_string(), deployed.pool().door().as_str().to_owned(), route]);
    }
    let missing = selected.missing.as_ref().map(|missing| format!("{missing}\n"));
    if rows.len() == 1 {
        banner.push_str(&missing.unwrap_or_else(|| nothing(dir, &selected.served)));
        banner.push('\n');
        return banner;
    }
    banner.push_str(&text::table(&rows));
    if let Some(missing) = missing {
        banner.push_str(&format!("\n{missing}"));
    }
    let named = table.iter().find_map(|deployed| deployed.manifest().example.clone());
    let by_default = || {
        let reachable = table.iter().find(|deployed| deployed.manifest().routes.is_empty())?;
        Some(format!("/{}/", reachable.service()))
    };
    if let Some(path) = named.or_else(by_default) {
        banner.push_str(&format!("\ntry     curl {edge}{path}\n"));
    }
    banner.push('\n');
    banner
}

/// Why nothing serves, when nothing is missing.
fn nothing(dir: &Path, failed: &[String]) -> String {
    let dir = dir.display();
    match failed {
        [] => format!("no modules yet: copy a .wasm component into {dir}\n"),
        failed => format!("nothing serves: {} in {dir} cannot; see the log, or `hostel check`\n", failed.join(", ")),
    }
}

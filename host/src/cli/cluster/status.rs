//! `hostel cluster status`: who is there, as one host sees it.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::{text, unix_s};
use crate::admin::{self, ClusterReport, LinkReport, MemberReport, ServedReport};
use crate::config::address;

/// Services that are named in a row; of more, only the number is said.
const SERVES_LEN_MAX: usize = 4;
/// From when on it is said that a certificate has to be renewed, in seconds.
const RENEW_S: u64 = 7 * 24 * 3600;

/// Show the cluster as a running host sees it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "States: alive; suspect (somebody got no answer from it; still a member, and may object); down (it left, or \
                  did not object; shown for an hour).\n\n\
                  Examples:\n  hostel cluster status\n  hostel cluster status --admin 127.0.0.1:9091\n  \
                  hostel cluster status --json"
)]
pub(super) struct StatusArgs {
    /// The host's admin address
    #[arg(long, value_name = "ADDR", default_value_t = admin::Settings::default().listen, value_parser = address::parse)]
    admin: SocketAddr,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(admin::fetch_cluster(args.admin))?;
    if args.json {
        text::say(&(serde_json::to_string_pretty(&report)? + "\n"));
    } else {
        text::say(&human(&report, unix_s(SystemTime::now())));
    }
    Ok(())
}

fn human(report: &ClusterReport, now_s: u64) -> String {
    let node = &report.node;
    let mut out = format!(
        "node {} of the cluster {}, {}, {}\n",
        text::harmless(&node.name),
        text::harmless(&report.cluster),
        health(node.health),
        certificate(node.certificate_expires_unix_s, now_s)
    );
    out.push_str(&format!("{}\n\n", others(&report.members)));
    let header = ["NODE", "STATE", "AGE", "ZONE", "ADDRESS", "SERVES", "SUSPECTED BY", "LINK"];
    let own = [
        format!("{} (this)", text::harmless(&node.name)),
        "alive".to_owned(),
        "-".to_owned(),
        or_dash(&node.zone),
        address(node.gossip, node.peer),
        serves(&node.services),
        "-".to_owned(),
        "-".to_owned(),
    ];
    // By name; of several starts of one node, the one that is there comes before those that are not.
    let mut rows: Vec<_> = report
        .members
        .iter()
        .map(|member| ((member.name.as_str(), member.state == "down", member.id.as_str()), row(member)))
        .collect();
    rows.push(((&node.name, false, &node.id), own));
    rows.sort_by_key(|(by, _)| *by);
    let mut table = vec![header.map(String::from)];
    table.extend(rows.into_iter().map(|(_, row)| row));
    out.push_str(&text::table(&table));
    out.push_str(&troubles(report, now_s));
    out
}

fn health(health: u32) -> String {
    match health {
        0 => "well".to_owned(),
        _ => format!("health {health} (0 is well): it may itself be why others seem slow"),
    }
}

fn certificate(expires_s: u64, now_s: u64) -> String {
    match expires_s.checked_sub(now_s) {
        Some(left) => format!("certificate expires in {}", text::duration(left)),
        None => format!("certificate expired {} ago", text::duration(now_s - expires_s)),
    }
}

/// `3 other nodes: 2 alive, 1 suspect`.
fn others(members: &[MemberReport]) -> String {
    if members.is_empty() {
        return "no other nodes known; if there should be, look at the seeds and at the log".to_owned();
    }
    let counted: Vec<String> = ["alive", "suspect", "down"]
        .into_iter()
        .map(|state| (state, members.iter().filter(|member| member.state == state).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let nodes = if members.len() == 1 { "node" } else { "nodes" };
    format!("{} other {nodes}: {}", members.len(), counted.join(", "))
}

fn row(member: &MemberReport) -> [String; 8] {
    let suspected_by = member.suspected_by.as_ref().map(|by| by.name.as_ref().unwrap_or(&by.id));
    [
        text::harmless(&member.name),
        text::harmless(&member.state),
        text::duration(member.age_s),
        or_dash(&member.zone),
        address(member.gossip, member.peer),
        serves(&member.services),
        suspected_by.map_or_else(|| "-".to_owned(), |by| text::harmless(by)),
        link(member.link.as_ref(), member.reachable || member.state == "down"),
    ]
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text::harmless(text) }
}

/// Gossip and links usually share address and port.
fn address(gossip: SocketAddr, peer: SocketAddr) -> String {
    if gossip == peer { peer.to_string() } else { format!("{peer} (gossip {gossip})") }
}

fn serves(services: &[ServedReport]) -> String {
    if services.is_empty() {
        return "-".to_owned();
    }
    let one = |served: &ServedReport| {
        let state = if served.state == "ready" { String::new() } else { format!(" ({})", served.state) };
        text::harmless(&format!("{} {}{state}", served.service, served.version))
    };
    // To say that one is left out takes as much room as the one.
    let named = if services.len() == SERVES_LEN_MAX + 1 { services.len() } else { SERVES_LEN_MAX };
    let mut list: Vec<String> = services.iter().take(named).map(one).collect();
    if let Some(more) = services.len().checked_sub(named).filter(|more| *more > 0) {
        list.push(format!("and {more} more"));
    }
    list.join(", ")
}

fn link(link: Option<&LinkReport>, reachable: bool) -> String {
    let mut text = match link {
        None => "-".to_owned(),
        Some(link) if link.failures > 0 => {
            let times = if link.failures == 1 { "once".to_owned() } else { format!("{} times", link.failures) };
            let open = if link.connections > 0 { format!("{} open, ", link.connections) } else { String::new() };
            let why = link.last_error.as_deref().map(|why| format!(": {}", text::harmless(why))).unwrap_or_default();
            let what = if link.state == "refused" { "refused" } else { "failed" };
            format!("{open}{what} {times}{why}")
        }
        Some(link) => format!("{} open, {} in flight", link.connections, link.in_flight),
    };
    if !reachable && link.is_none_or(|link| link.failures == 0) {
        text.push_str(" (not reachable)");
    }
    text
}

/// What an operator should know of, below the table.
fn troubles(report: &ClusterReport, now_s: u64) -> String {
    let mut lines = Vec::new();
    let expires_s = report.node.certificate_expires_unix_s;
    if expires_s < now_s.saturating_add(RENEW_S) {
        let node = text::harmless(&report.node.name);
        lines.push(format!(
            "the certificate has to be renewed: `hostel cluster token --node {node}` where the CA is, `hostel cluster join -` here"
        ));
    }
    for member in &report.members {
        if let Some(link) = member.link.as_ref().filter(|link| link.state == "refused" && member.state != "down") {
            let (node, why) = (text::harmless(&member.name), link.last_error.as_deref().unwrap_or_default());
            lines.push(format!("{node} gets no calls from here, whatever its state: {}", text::harmless(why)));
        }
    }
    if report.server.refused > 0 {
        let last = report.server.last_refusal.as_deref().map(|why| format!("; the last: {}", text::harmless(why)));
        lines.push(format!("{} incoming connections were refused{}", report.server.refused, last.unwrap_or_default()));
    }
    let counters = &report.counters;
    if counters.packets_foreign > 0 {
        lines.push(format!(
            "{} packets of gossip could not be decrypted: another key, another cluster, or garbage",
            counters.packets_foreign
        ));
    }
    if counters.packets_clock > 0 {
        lines.push(format!("{} packets were refused for their time: clocks differ too much", counters.packets_clock));
    }
    if lines.is_empty() { String::new() } else { format!("\n{}\n", lines.join("\n")) }
}

#[cfg(test)]
mod tests;

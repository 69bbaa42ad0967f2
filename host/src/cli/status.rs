//! `hostel status`: what a running host is doing.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::text;
use crate::admin::{self, CalledService, ModuleReport, Report};
use crate::config::address;

/// Show what a running host serves
#[derive(Debug, clap::Args)]
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
    let report = runtime.block_on(admin::fetch_status(args.admin))?;
    if args.json {
        text::say(&(serde_json::to_string_pretty(&report)? + "\n"));
    } else {
        text::say(&human(&report, SystemTime::now()));
    }
    Ok(())
}

fn human(report: &Report, now: SystemTime) -> String {
    let host = &report.host;
    let now_s = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let age = |since: u64| text::duration(now_s.saturating_sub(since));
    let mut out = format!(
        "hostel {} ({}), wasmtime {}, pid {}, {}, up {}, edge {}\n\n",
        host.version,
        host.revision,
        host.engine,
        host.pid,
        report.readiness,
        age(host.started_unix_s),
        host.edge_url
    );
    if report.services.is_empty() {
        out.push_str("no modules\n");
        out.push_str(&endpoints(report));
        return out;
    }
    let mut rows =
        vec![["SERVICE", "VERSION", "STATE", "AGE", "DOOR", "INSTANCES", "CALLS", "QUEUED"].map(String::from)];
    rows.extend(report.services.iter().map(|service| row(service, &age)));
    out.push_str(&text::table(&rows));
    out.push_str(&endpoints(report));
    for service in &report.services {
        if let Some(error) = &service.error {
            out.push_str(&format!("\n{error}"));
            if let Some(version) = &service.version {
                out.push_str(&format!("\n  version {version}, which was there before, goes on serving"));
            }
            out.push('\n');
        }
    }
    out
}

fn row(service: &ModuleReport, age: &dyn Fn(u64) -> String) -> [String; 8] {
    let dash = || "-".to_owned();
    [
        service.name.clone(),
        service.version.clone().unwrap_or_else(dash),
        match (&*service.state, service.serving) {
            ("failed", true) => "serving old, new failed".to_owned(),
            (state, _) => state.to_owned(),
        },
        service.since_unix_s.map_or_else(dash, age),
        service.door.as_ref().map_or_else(dash, ToString::to_string),
        service.instances.to_string(),
        service.in_flight.to_string(),
        service.queued.to_string(),
    ]
}

/// Where calls go, as far as there is a choice or something is wrong.
fn endpoints(report: &Report) -> String {
    let is_plain = |service: &&CalledService| match &*service.endpoints {
        [only] => only.node.is_none() && only.breaker == "closed" && only.ejected_s.is_none(),
        _ => false,
    };
    let mut rows = vec![["CALLED", "AT", "STATE", "CALLS", "TOTAL", "FAILED", "LATENCY"].map(String::from)];
    for service in report.called.iter().filter(|service| !is_plain(service)) {
        for endpoint in &service.endpoints {
            let state = match endpoint.ejected_s {
                Some(left) if endpoint.breaker == "closed" => format!("ejected {left:.0} s"),
                _ if endpoint.breaker == "closed" => "healthy".to_owned(),
                _ => format!("breaker {}", endpoint.breaker),
            };
            rows.push([
                service.service.clone(),
                endpoint.node.clone().unwrap_or_else(|| "here".to_owned()),
                state,
                endpoint.in_flight.to_string(),
                endpoint.calls.to_string(),
                endpoint.failures.to_string(),
                endpoint.latency_ms.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.2} ms")),
            ]);
        }
    }
    if rows.len() == 1 { String::new() } else { format!("\n{}", text::table(&rows)) }
}

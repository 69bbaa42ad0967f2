//! The row `hop`: a `GET` to a front that calls a greeter in another process, over mutual TLS.
//!
//! Natively these are an axum server and a tonic server. With Hostel they are two hosts of one cluster: the first has the
//! front, the second the greeter, and neither has both.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::bench::{self, Bench};
use crate::load::{self, Load};
use crate::prepare::remove_dir;
use crate::record::{Record, Table, compared, plain};
use crate::requests::sequence;
use crate::server::{Host, Member, REQUEST_MAX, Server};
use crate::stats::Latency;
use crate::work::{FRONT_HOST, Side, Work};
use crate::{http, tls};

static TABLE: Table = Table {
    title: "GET to A, which makes a unary gRPC call to B in another process, over mutual TLS (TLS 1.3); the targets are \
            at most 1.30 of native's p50 on one connection, and at least 0.80 of its requests/s with 32",
    of: "native",
    columns: &[
        compared("p50 µs, 1 connection"),
        plain("p99 µs"),
        compared("requests/s, 32 connections"),
        compared("CPU µs"),
        compared("µs per call in a loop"),
    ],
};

/// So many requests are under way when throughput is measured.
const AT_ONCE: usize = 32;

/// How long two hosts may take to find each other and what they serve.
const FOUND_MAX: Duration = Duration::from_secs(60);

/// How long new servers are warmed up: the hosts find each other's services first, and may optimise code.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn measure(bench: &Bench<'_>, round: usize, side: Side, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let server = match side {
        Side::Native => native(bench)?,
        _ => hosts(bench, side)?,
    };
    found(&server)?;
    let requests = [http::request(FRONT_HOST, Work::Via.path())];
    let load = bench.load(&server, &requests, Work::EXPECT.as_bytes());
    let many = Load { connections: AT_ONCE, ..load.clone() };
    load::run(&Load { warm_up: Duration::ZERO, measure: WARM_UP, ..many.clone() }, || Ok(()))?;
    let alone = bench.run(&Load { connections: 1, ..load }, &server)?;
    let latency = Latency::of(alone.nanos()).context("nothing was answered")?;
    let many = bench.run(&many, &server)?;
    let call_us = sequence(&server, bench.time() / 2)?;
    bench.say(round, &format!("hop, {}: p50 {:.1} µs, {:.0}/s at {AT_ONCE}", side.name(), latency.p50, many.rate()));
    let values = [latency.p50, latency.p99, many.rate(), bench::cpu_us(&many), call_us];
    records.push(Record::new(round, &TABLE, side.name(), &values).to(Side::Native.name()));
    server.stop()
}

fn native(bench: &Bench<'_>) -> anyhow::Result<Server> {
    let dir = bench.files.data.join("hop-native");
    if !dir.exists() {
        std::fs::create_dir_all(&dir)?;
        tls::make(&dir)?;
    }
    bench.place.native(Some(&dir))
}

/// A host with the front, and one with the greeter, that know each other.
fn hosts(bench: &Bench<'_>, side: Side) -> anyhow::Result<Server> {
    let modules = if side == Side::Lean { &bench.files.lean } else { &bench.files.standard };
    let cluster = cluster(bench)?;
    let (front_peer, greeter_peer) = free_ports()?;
    let (front, greeter) = ("bench-front", "bench-greeter");
    let start = |name: &str, only: &str, peer, seed| {
        let data = bench.files.data.join(format!("hop-{}-{name}", side.name().replace(' ', "-")));
        let member = Member { cluster: &cluster, name, peer, seed, only };
        let host = Host { modules, data: &data, config: None, member: Some(member) };
        if !data.exists() {
            // As all hosts that are measured, these find their modules in their caches.
            let server = bench.place.host(host)?;
            server.optimised()?;
            server.stop()?;
        }
        bench.place.host(host)
    };
    let greeter = start("two", greeter, greeter_peer, None)?;
    Ok(start("one", front, front_peer, Some(greeter_peer))?.and(greeter))
}

/// The folder with the cluster's CA.
fn cluster(bench: &Bench<'_>) -> anyhow::Result<PathBuf> {
    let dir = bench.files.data.join("hop-cluster");
    if dir.join("ca.pem").exists() {
        return Ok(dir);
    }
    remove_dir(&dir)?;
    let status =
        Command::new(bench.place.hostel).args(["cluster", "init"]).arg(&dir).stdout(std::io::stderr()).status();
    let status = status.context("cannot run hostel")?;
    anyhow::ensure!(status.success(), "hostel cluster init {} failed: {status}", dir.display());
    Ok(dir)
}

/// Two that nobody listens on. Members have to know each other's before either is there.
fn free_ports() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok((one.local_addr()?, other.local_addr()?))
}

/// Waits until the front reaches the greeter.
fn found(server: &Server) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let (status, body) = http::get(server.edge, FRONT_HOST, Work::Via.path(), REQUEST_MAX)?;
        if status == 200 && body == Work::EXPECT {
            return Ok(());
        }
        anyhow::ensure!(begin.elapsed() < FOUND_MAX, "the front does not reach the greeter: {status} {body:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::connection::Expect;
    use crate::native::{Serve, serve};
    use crate::pace::Pace;

    /// Serves until the tests end, and says where.
    fn started(announce: &Path, make: impl FnOnce(PathBuf) -> Serve) -> SocketAddr {
        let serving = make(announce.to_owned());
        std::thread::spawn(move || serve(serving).unwrap());
        let begin = Instant::now();
        loop {
            if let Ok(text) = std::fs::read(announce) {
                let said: serde_json::Value = serde_json::from_slice(&text).unwrap();
                return said["edge"].as_str().unwrap().parse().unwrap();
            }
            assert!(begin.elapsed() < FOUND_MAX, "{} was never written", announce.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn native_processes_hop_with_certificates_and_not_without() {
        let dir = std::env::temp_dir().join(format!("hostel-bench-{}", std::process::id()));
        remove_dir(&dir).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        tls::make(&dir).unwrap();
        let tls = Some(dir.clone());
        let greeter = started(&dir.join("greeter"), |announce| Serve::NativeGreeter { tls: tls.clone(), announce });
        let front =
            |name: &str, tls| started(&dir.join(name), |announce| Serve::NativeFront { greeter, tls, announce });
        let get = |at| http::get(at, FRONT_HOST, Work::Via.path(), REQUEST_MAX).unwrap();
        let with = front("with", tls.clone());
        assert_eq!(get(with), (200, Work::EXPECT.to_owned()));
        assert_eq!(get(front("without", None)).0, 502);
        // As it is measured, for a moment.
        let requests = [http::request(FRONT_HOST, Work::Via.path())];
        for connections in [1, AT_ONCE] {
            let load = Load {
                addr: with,
                requests: &requests,
                expect: Expect::Body(Work::EXPECT.as_bytes()),
                pace: Pace::Full,
                connections,
                threads: 1,
                spin: false,
                warm_up: Duration::from_millis(50),
                measure: Duration::from_millis(200),
            };
            let outcome = load::run(&load, || Ok(())).unwrap();
            let latency = Latency::of(outcome.nanos()).unwrap();
            println!("{connections} connections: {:.0}/s, p50 {:.1} µs", outcome.rate(), latency.p50);
        }
        remove_dir(&dir).unwrap();
    }
}

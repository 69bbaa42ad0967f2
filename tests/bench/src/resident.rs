//! The rows `memory`: what is resident, and what instances and waiting calls add to it.

use std::time::Duration;

use crate::bench::Bench;
use crate::http::Client;
use crate::prepare::BURST_FRONTS;
use crate::record::{Record, Table, plain};
use crate::server::{REQUEST_MAX, Server};
use crate::work::Side;

static RESIDENT: Table =
    Table { title: "Resident memory, idle", of: "native", columns: &[plain("MiB"), plain("of which own, MiB")] };

pub(crate) static EACH: Table =
    Table { title: "Resident memory that is added by each", of: "", columns: &[plain("KiB")] };

/// Calls that wait at the same time: a service takes 1024 by default. Those before count for nothing: what an allocator
/// has left over goes to them.
const WAITING: usize = 800;
const WAITING_FIRST: usize = 200;

/// As many instances as a service has at most by default. Those of the first service count for nothing either.
const INSTANCES: usize = 64;

/// What a moment of rest is, after which memory is looked at.
const REST: Duration = Duration::from_millis(500);

pub(crate) fn measure(bench: &Bench<'_>, round: usize, side: Side, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let files = bench.files;
    let mut idle = |row: &str, server: &Server| {
        std::thread::sleep(REST);
        let memory = server.memory()?;
        records.push(Record::new(round, &RESIDENT, row, &[memory.resident, memory.own]));
        anyhow::Ok(())
    };
    let server = match side {
        Side::Native | Side::Wasmtime => {
            let server = bench.start(side)?;
            idle("native axum and tonic, two processes", &server)?;
            server
        }
        Side::Lean => {
            let empty = bench.host(&files.empty, None)?;
            idle("host without modules", &empty)?;
            empty.stop()?;
            let two = bench.host(&files.stream_lean, None)?;
            idle("host with two modules, lean door", &two)?;
            two.stop()?;
            bench.host(&files.memory_lean, None)?
        }
        Side::Standard => {
            let two = bench.host(&files.stream_standard, None)?;
            idle("host with two modules, standard door", &two)?;
            two.stop()?;
            bench.host(&files.memory_standard, None)?
        }
    };
    let name = |side: Side| format!("call that waits, {}", side.name());
    // In this order: what a thousand connections took is given back little by little.
    if side != Side::Native {
        let each = instances(&server)?;
        let row = format!("warm instance, {}", side.name());
        bench.say(round, &format!("{row}: {each:.0} KiB"));
        records.push(Record::new(round, &EACH, row, &[each]));
    }
    let each = waiting(&server)?;
    bench.say(round, &format!("{}: {each:.1} KiB", name(side)));
    records.push(Record::new(round, &EACH, name(side), &[each]));
    server.stop()
}

/// What a call takes while it waits, in KiB, on a connection that is there already.
fn waiting(server: &Server) -> anyhow::Result<f64> {
    let host = "wait-front.localhost";
    let mut clients = connect(server, WAITING_FIRST + WAITING, host)?;
    let (first, rest) = clients.split_at_mut(WAITING_FIRST);
    for client in first.iter_mut() {
        client.send(host, "/sleep/4000")?;
    }
    std::thread::sleep(REST);
    let before = server.memory()?.resident;
    for client in rest.iter_mut() {
        client.send(host, "/sleep/2500")?;
    }
    std::thread::sleep(REST * 2);
    let during = server.memory()?.resident;
    for client in &mut clients {
        let (status, body) = client.receive()?;
        anyhow::ensure!(status == 200, "a call that waits: {status} {body:?}");
    }
    Ok((during - before) * 1024.0 / WAITING as f64)
}

/// What an instance takes that has served a call and has none, in KiB.
fn instances(server: &Server) -> anyhow::Result<f64> {
    let mut clients = connect(server, INSTANCES, "bench-front.localhost")?;
    let mut burst = |name: &str| {
        let host = format!("{name}.localhost");
        for client in &mut clients {
            client.send(&host, "/sleep/300")?;
        }
        for client in &mut clients {
            let (status, body) = client.receive()?;
            anyhow::ensure!(status == 200, "a call of many: {status} {body:?}");
        }
        anyhow::Ok(())
    };
    let [first, rest @ ..] = BURST_FRONTS;
    // More than once, because an allocator gives back what it has left over when it is used again later.
    for _ in 0..3 {
        burst(first)?;
        std::thread::sleep(REST);
    }
    let (before, few) = (server.memory()?.resident, server.instances()?);
    for name in rest {
        burst(name)?;
    }
    std::thread::sleep(REST);
    let (after, many) = (server.memory()?.resident, server.instances()?);
    anyhow::ensure!(many > few, "{INSTANCES} calls at once made no instances");
    Ok((after - before) * 1024.0 / (many - few) as f64)
}

/// Connections that have been used once.
fn connect(server: &Server, count: usize, host: &str) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(server.edge, REQUEST_MAX)?;
        let (status, body) = client.get(host, "/hello/world")?;
        anyhow::ensure!(status == 200, "a connection's first request: {status} {body:?}");
        clients.push(client);
    }
    Ok(clients)
}

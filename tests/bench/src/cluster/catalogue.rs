//! The catalogue of one node in a cluster with many services.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hostel::call::ServiceName;
use hostel::cluster::catalogue::delta::Delta;
use hostel::cluster::catalogue::{Service, ServiceState, Table};
use hostel::cluster::simulation::full;
use hostel::cluster::{Node, NodeId, Settings};

use super::{resident_mib, row};

const LOOKUPS: u32 = 1_000_000;
const ANSWERS: u32 = 20;

/// The time this thread has had a core: others may be busy too.
#[derive(Clone, Copy)]
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Self(Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0)))
    }

    fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

fn offers(services: u32) -> anyhow::Result<Vec<Service>> {
    let offer = |at: u32| {
        let service = ServiceName::new(&format!("service-{at:03}"))?;
        let digest = u64::from(at).to_be_bytes();
        Ok(Service { service, version: Arc::from("1.0.0"), digest, weight: 100, state: ServiceState::Ready })
    };
    (0..services).map(offer).collect()
}

fn node(at: u32) -> anyhow::Result<Arc<Node>> {
    let address = std::net::SocketAddr::new(std::net::Ipv4Addr::from((10 << 24) + at).into(), 7_946);
    Ok(Arc::new(Node::new(id(at), &format!("node-{at}"), address, address, "zone-a")?))
}

fn id(at: u32) -> NodeId {
    NodeId::from_u128(u128::from(at) + 1)
}

pub(crate) fn run(nodes: u32, services: u32) -> anyhow::Result<()> {
    println!("catalogue: {nodes} nodes with {services} services each");
    let settings = Settings { entries_max: 10_000_000, ..Settings::default() };
    let offers = offers(services)?;
    let record = |at: u32| {
        let mut owner = Table::new(node(at)?, &settings);
        let delta = owner.publish(Duration::ZERO, offers.clone())?.context("nothing is published")?;
        anyhow::Ok(delta.encode())
    };
    let records: Vec<_> = (0..nodes).map(record).collect::<Result<_, _>>()?;
    row("one node's record", format!("{} bytes", records.first().map_or(0, Vec::len)));
    let (before, begin) = (resident_mib(), Cpu::now());
    let mut table = Table::new(node(nodes)?, &settings);
    for (at, record) in (0..).zip(&records) {
        table.up(&node(at)?);
        table.apply(Duration::ZERO, Delta::decode(record)?, id(at));
    }
    table.show();
    row("all records are learnt in", millis(begin.elapsed()));
    row("and take", format!("{:.0} MiB", resident_mib() - before));

    let mut owner = Table::new(node(0)?, &settings);
    owner.publish(Duration::ZERO, offers.clone())?;
    let mut changed = offers.clone();
    if let Some(first) = changed.first_mut() {
        first.state = ServiceState::Draining;
    }
    let change = owner.publish(Duration::ZERO, changed)?.context("nothing has changed")?;
    row("a change of one service is", format!("{} bytes", change.encode().len()));
    let reader = table.reader();
    let held = reader.snapshot();
    let begin = Cpu::now();
    table.apply(Duration::ZERO, change, id(0));
    table.show();
    row("applied and shown to readers in", millis(begin.elapsed()));
    let begin = Cpu::now();
    table.down(Duration::ZERO, id(1), false);
    table.show();
    row("a node goes: shown to readers in", millis(begin.elapsed()));
    drop(held);

    let names: Vec<String> = (0..services).map(|at| format!("service-{at:03}")).collect();
    let (begin, mut seen) = (Cpu::now(), 0);
    for name in names.iter().cycle().take(LOOKUPS as usize) {
        seen += reader.load().service(name).map_or(0, |endpoints| endpoints.list().len());
    }
    let each = begin.elapsed().as_nanos() / u128::from(LOOKUPS);
    anyhow::ensure!(seen > 0, "nothing was found");
    row("one look-up", format!("{each} ns"));
    drop((table, records));
    exchange(nodes, &offers)
}

/// What the driver's task is busy with when somebody joins.
fn exchange(nodes: u32, offers: &[Service]) -> anyhow::Result<()> {
    let mut cluster = full(nodes, offers)?;
    let mut slowest = Duration::ZERO;
    for push in &cluster.pushes {
        let begin = Cpu::now();
        cluster.core.answer(cluster.now, push)?;
        while cluster.core.next_action().is_some() {}
        slowest = slowest.max(begin.elapsed());
    }
    let largest = cluster.pushes.iter().map(|push| push.len()).max().unwrap_or(0);
    row(&format!("a message of {} KiB is applied within", largest >> 10), millis(slowest));
    let (mut bytes, mut slowest, begin) = (0, Duration::ZERO, Cpu::now());
    for _ in 0..ANSWERS {
        let begin = Cpu::now();
        bytes = cluster.core.answer(cluster.now, &cluster.request)?.len();
        slowest = slowest.max(begin.elapsed());
    }
    let (mean, slowest) = (millis(begin.elapsed() / ANSWERS), millis(slowest));
    row(&format!("an answer of {} KiB is made in", bytes >> 10), format!("{mean}, {slowest} at most"));
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

//! Membership and the spreading of changes, in a whole cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hostel::call::ServiceName;
use hostel::cluster::catalogue::{Service, ServiceState};
use hostel::cluster::simulation::{Link, Simulation, Spec};

use super::{resident_mib, row};

const SECOND: Duration = Duration::from_secs(1);
/// One in so many nodes crashes.
const CRASHES_EVERY: usize = 20;
/// How often it is looked whether a change has arrived.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(nodes: u32, loss: f64, seed: u64) -> anyhow::Result<()> {
    let begin = Instant::now();
    println!("membership: {nodes} nodes, {:.0} % of packets lost, seed {seed}", loss * 100.0);
    let nodes = nodes as usize;
    let link = Link { loss, delay_max: Duration::from_millis(20), ..Link::default() };
    let mut simulation = Simulation::new(seed, link);
    for at in 0..nodes {
        simulation.add(Spec::default())?;
        // All of them within two seconds.
        if at % 20 == 19 {
            simulation.run_for(40 * SECOND / u32::try_from(nodes)?);
        }
    }
    let all: Vec<usize> = (0..nodes).collect();
    simulation.run_until(300 * SECOND, |s| s.agree(&all)).context("the nodes have not found each other in 300 s")?;
    row("complete views everywhere, after the first start", seconds(simulation.now().mono));
    simulation.run_for(30 * SECOND);
    traffic(&mut simulation, nodes);
    row("false deaths so far", simulation.wronged().len());
    change(&mut simulation, nodes)?;
    let (dead, rest): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| *at % CRASHES_EVERY == 7);
    for at in &dead {
        simulation.kill(*at);
    }
    let noticed = simulation.run_until(120 * SECOND, |s| s.agree(&rest));
    let noticed = noticed.map_or("not within 120 s".to_owned(), seconds);
    row(&format!("{} nodes crash: noticed everywhere after", dead.len()), noticed);
    row("false deaths in all", simulation.wronged().len());
    row("largest packet", format!("{} bytes", simulation.traffic().packet_bytes_max));
    let (time, virtual_time) = (begin.elapsed().as_secs(), simulation.now().mono.as_secs());
    row("simulating took", format!("{time} s for {virtual_time} s, {:.0} MiB", resident_mib()));
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn traffic(simulation: &mut Simulation, nodes: usize) {
    let before = simulation.traffic();
    simulation.run_for(60 * SECOND);
    let after = simulation.traffic();
    let rate = |bytes: u64| format!("{:.0} bytes a second", bytes as f64 / nodes as f64 / 60.0);
    row("each node sends by gossip, at rest", rate(after.bytes - before.bytes));
    row("and by exchange", rate(after.exchange_bytes - before.exchange_bytes));
}

/// One node's service drains: how long others go on to take it for ready.
fn change(simulation: &mut Simulation, nodes: usize) -> anyhow::Result<()> {
    let shown = |s: &Simulation, at: usize, state| {
        let core = s.core(at)?;
        let snapshot = core.reader().snapshot();
        let endpoint = snapshot.service("orders")?.list().first()?;
        (endpoint.offer.state == state).then_some(())
    };
    let arrived = |s: &Simulation, state| (1..nodes).filter(|at| shown(s, *at, state).is_some()).count();
    let publish = |simulation: &mut Simulation, state| {
        let service = ServiceName::new("orders")?;
        let offer = Service { service, version: Arc::from("1.0.0"), digest: [1; 8], weight: 100, state };
        simulation.with(0, |core, now| core.publish(now, vec![offer])).context("node 0 is there")??;
        anyhow::Ok(())
    };
    publish(simulation, ServiceState::Ready)?;
    let known = simulation.run_until(120 * SECOND, |s| arrived(s, ServiceState::Ready) == nodes - 1);
    known.context("a service is not known everywhere in 120 s")?;
    // Until nobody passes that on any more.
    simulation.run_for(15 * SECOND);
    let (before, quiet) = (simulation.traffic().bytes, 10);
    simulation.run_for(quiet * SECOND);
    let rest = simulation.traffic().bytes - before;
    publish(simulation, ServiceState::Draining)?;
    let (before, begin) = (simulation.traffic().bytes, simulation.now().mono);
    let (mut half, mut most, mut last) = (None, None, None);
    while last.is_none() && simulation.now().mono - begin < 120 * SECOND {
        simulation.run_for(LOOK);
        let passed = simulation.now().mono - begin;
        let count = arrived(simulation, ServiceState::Draining);
        for (mark, share) in [(&mut half, 0.5), (&mut most, 0.99), (&mut last, 1.0)] {
            if mark.is_none() && count as f64 >= share * (nodes - 1) as f64 {
                *mark = Some(passed);
            }
        }
    }
    let shown = |mark: Option<Duration>| mark.map_or("never".to_owned(), |mark| format!("{:.2} s", mark.as_secs_f64()));
    let window = format!("{} half, {} 99 %, {} all", shown(half), shown(most), shown(last));
    row("a service drains: known to others after (stale routes)", window);
    simulation.run_for((quiet * SECOND).saturating_sub(simulation.now().mono - begin));
    let spread = (simulation.traffic().bytes - before).saturating_sub(rest);
    row("bytes to spread that, all nodes together", format!("{} KiB more than at rest", spread >> 10));
    Ok(())
}

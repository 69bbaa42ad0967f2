//! Packets that somebody sends who means no good: to a node of a running cluster, from one seed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand10::rngs::SmallRng;
use rand10::{RngExt, SeedableRng};

use super::{Link, Simulation, SimulationError, Spec};

/// Genuine packets kept, to be played again and damaged.
const KEPT: usize = 256;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub packets: u64,
    pub foreign: u64,
    pub replayed: u64,
    pub malformed: u64,
    /// Whether the cluster's members are the same as before.
    pub undisturbed: bool,
    pub declared_down: usize,
    pub rejoins: u64,
}

/// Sends `packets` packets (random, cut off, damaged, played again, too large) to node 0 of a cluster of five, a
/// thousand in each tenth of a second, while the cluster goes on.
///
/// # Errors
/// [`SimulationError`] never, in effect.
pub fn hostile(seed: u64, packets: u64) -> Result<Report, SimulationError> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut simulation = Simulation::new(seed, Link::default());
    for _ in 0..5 {
        simulation.add(Spec::default())?;
    }
    simulation.run_for(Duration::from_secs(10));
    simulation.overhear(KEPT);
    simulation.run_for(Duration::from_secs(20));
    let mut left = packets;
    while left > 0 {
        for _ in 0..left.min(1_000) {
            let packet = packet(&mut simulation, &mut rng);
            simulation.with(0, |core, now| _ = core.on_packet(now, &packet));
        }
        left -= left.min(1_000);
        simulation.run_for(Duration::from_millis(100));
    }
    simulation.run_for(Duration::from_secs(10));
    let count = |counter: fn(&crate::cluster::Counters) -> &std::sync::atomic::AtomicU64, at: usize| {
        simulation.core(at).map_or(0, |core| counter(&core.counters()).load(Ordering::Relaxed))
    };
    Ok(Report {
        packets,
        foreign: count(|c| &c.packets_foreign, 0),
        replayed: count(|c| &c.packets_replayed, 0) + count(|c| &c.packets_clock, 0),
        malformed: count(|c| &c.malformed, 0),
        undisturbed: simulation.agree(&[0, 1, 2, 3, 4]),
        declared_down: simulation.wronged().len(),
        rejoins: (0..5).map(|at| count(|c| &c.rejoins, at)).sum(),
    })
}

fn packet(simulation: &mut Simulation, rng: &mut SmallRng) -> Vec<u8> {
    let random = |rng: &mut SmallRng, most: usize| -> Vec<u8> {
        let size = rng.random_range(0..=most);
        (0..size).map(|_| rng.random()).collect()
    };
    let overheard = simulation.overheard();
    let Some(genuine) = overheard.get(rng.random_range(0..overheard.len().max(1))) else { return random(rng, 1_400) };
    let mut genuine = genuine.clone();
    let at = rng.random_range(0..genuine.len().max(1));
    match rng.random_range(0..6) {
        0 => random(rng, 1_400),
        1 => random(rng, 60_000),
        2 => {
            genuine.truncate(at);
            genuine
        }
        3 => {
            if let Some(byte) = genuine.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
            genuine
        }
        4 => genuine,
        _ => {
            // The right beginning, so that it comes as far as the cryptography.
            genuine.truncate(30);
            genuine.extend(random(rng, 1_300));
            genuine
        }
    }
}

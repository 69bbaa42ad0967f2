//! Hostile input in bulk, from outside and from somebody with the key: nothing panics, no table grows beyond its bound,
//! and the node works when it is over.
//!
//! Ordinarily 100,000 packets and 20,000 exchange messages of each kind; a million with `HOSTEL_TEST_MILLION=1`, when the memory of the process is
//! looked at too, so nothing else should run in it:
//!
//! ```text
//! HOSTEL_TEST_MILLION=1 cargo test -p hostel --lib cluster::core::tests::hostile -- --test-threads 1 --nocapture
//! ```

use super::*;
use crate::cluster::core::{Core, Now};
use crate::cluster::exchange::{Batch, ExchangeError, MESSAGE_BYTES_MAX};
use crate::cluster::seal::PACKET_BYTES_MAX;
use crate::cluster::swim::news::BACKLOG_MAX;
use bytes::Bytes;
use rand10::Rng;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const NODES: usize = 4;
const MEMBERS_MAX: usize = 200;
const ENTRIES_MAX: usize = 1_000;
const SERVICES_MAX: usize = 50;
/// By how many bytes the process may have grown after a million messages.
const GROWTH_MAX: usize = 48 << 20;

type Make = fn(&mut SmallRng, &[Vec<u8>]) -> Vec<u8>;

/// Rounds of a thousand messages.
const PACKETS: usize = 100;
const EXCHANGES: usize = 20;

fn million() -> bool {
    std::env::var_os("HOSTEL_TEST_MILLION").is_some()
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// A cluster that has found itself, with small tables.
fn formed() -> Simulation {
    let settings = Settings {
        members_max: MEMBERS_MAX,
        entries_max: ENTRIES_MAX,
        services_per_node_max: SERVICES_MAX,
        ..Settings::default()
    };
    let mut simulation = Simulation::new(17, Link::default());
    for _ in 0..NODES {
        simulation.add(Spec { settings: settings.clone(), ..Spec::default() }).unwrap();
    }
    simulation.overhear(400);
    for at in 1..NODES {
        simulation.with(at, |core, now| core.publish(now, offers(10))).unwrap().unwrap();
    }
    simulation.run_for(60 * SECOND);
    assert!(simulation.agree(&[0, 1, 2, 3]));
    simulation
}

fn within_bounds(core: &Core) {
    let state = core.shared.lock();
    let [records, presences, entries, texts] = state.catalogue.sizes();
    let sizes = [
        ("members", core.swim.iter_membership_state().len(), MEMBERS_MAX),
        ("times of members", core.since.len(), 2 * MEMBERS_MAX),
        ("unreachable", core.unreachable.len(), MEMBERS_MAX),
        ("actions", core.actions.len(), 0),
        ("timers", core.timers.len(), 10 * MEMBERS_MAX),
        ("news of members", core.swim.updates_backlog(), 2 * MEMBERS_MAX),
        ("news of services", core.swim.custom_broadcast_backlog(), BACKLOG_MAX + 1),
        ("windows", core.sealer.senders(), 2 * MEMBERS_MAX),
        ("suspicions", state.suspicions.len(), MEMBERS_MAX),
        ("descriptions", state.nodes.len(), 2 * MEMBERS_MAX),
        ("records", records, 2 * MEMBERS_MAX),
        ("presences", presences, MEMBERS_MAX),
        ("entries", entries, ENTRIES_MAX + 3 * SERVICES_MAX * MEMBERS_MAX),
        ("wanted", state.catalogue.wanted().len(), MEMBERS_MAX),
        ("texts", texts, ENTRIES_MAX + 2),
    ];
    for (what, size, bound) in sizes {
        assert!(size <= bound, "{size} {what}, at most {bound} should be");
    }
}

/// Has `attack` act on node 0, a thousand times in each tenth of a second, while the cluster goes on. Returns how long
/// one time took, on average.
fn bulk(what: &str, rounds: usize, simulation: &mut Simulation, mut attack: impl FnMut(&mut Core, Now, &mut SmallRng)) {
    let mut rng = SmallRng::seed_from_u64(8);
    let rounds = if million() { 1_000 } else { rounds };
    // What is kept at all is kept by then.
    let mut resident = None;
    let begin = Instant::now();
    for round in 0..rounds {
        for _ in 0..1_000 {
            simulation.with(0, |core, now| attack(core, now, &mut rng));
        }
        simulation.run_for(Duration::from_millis(100));
        within_bounds(simulation.core(0).unwrap());
        if round == rounds / 10 {
            resident = Some(resident_bytes());
        }
    }
    let growth = resident_bytes().saturating_sub(resident.unwrap());
    eprintln!("{what}: {} messages in {:?}, grown by {} KiB", rounds * 1_000, begin.elapsed(), growth >> 10);
    assert!(!million() || growth < GROWTH_MAX, "{what}: grown by {growth} bytes");
}

/// The cluster is whole again soon, and what is published in it arrives.
fn works(what: &str, simulation: &mut Simulation, within: Duration) {
    let took = simulation.run_until(within, |s| s.agree(&[0, 1, 2, 3]));
    assert!(took.is_some(), "{what}: node 0 sees {:?}", simulation.core(0).unwrap().status(simulation.now()));
    // What somebody made up about others' records is found out when those hear of it.
    simulation.run_for(within / 10);
    for at in [0, 1] {
        simulation.with(at, |core, now| core.publish(now, offers(12 + at))).unwrap().unwrap();
    }
    // Of nodes 1, 2 and 3; of 0, 2 and 3; of 0, 1 and 3; of 0, 1 and 2.
    let all = [13 + 10 + 10, 12 + 10 + 10, 12 + 13 + 10, 12 + 13 + 10];
    let took = simulation.run_until(60 * SECOND, |s| (0..NODES).all(|at| seen(s, at) == all[at]));
    let sees: Vec<_> = (0..NODES).map(|at| seen(simulation, at)).collect();
    assert!(took.is_some(), "{what}: they see {sees:?}");
}

fn count(simulation: &Simulation, counter: fn(&crate::cluster::Counters) -> &AtomicU64) -> u64 {
    (0..NODES).map(|at| counter(&simulation.core(at).unwrap().counters()).load(Ordering::Relaxed)).sum()
}

fn any(rng: &mut SmallRng, least: usize, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(least..=most)];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn one(rng: &mut SmallRng, genuine: &[Vec<u8>]) -> Vec<u8> {
    genuine[rng.random_range(0..genuine.len())].clone()
}

fn truncated(rng: &mut SmallRng, genuine: &[Vec<u8>]) -> Vec<u8> {
    let mut message = one(rng, genuine);
    message.truncate(rng.random_range(0..message.len()));
    message
}

fn flipped(rng: &mut SmallRng, genuine: &[Vec<u8>]) -> Vec<u8> {
    let mut message = one(rng, genuine);
    let at = rng.random_range(0..message.len());
    message[at] ^= 1 << rng.random_range(0..8);
    message
}

/// Up to four bytes become others.
fn mutated(rng: &mut SmallRng, genuine: &[Vec<u8>]) -> Vec<u8> {
    let mut message = one(rng, genuine);
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..message.len());
        message[at] = rng.random();
    }
    message
}

#[test]
fn packets_from_outside_change_nothing() {
    let kinds: [(&str, Make); 5] = [
        ("random packets", |rng, _| any(rng, 0, PACKET_BYTES_MAX)),
        ("truncated packets", truncated),
        ("packets with a bit flipped", flipped),
        ("replayed packets", one),
        ("oversize packets", |rng, genuine| {
            let mut packet = vec![7; rng.random_range(PACKET_BYTES_MAX + 1..65_507)];
            let genuine = one(rng, genuine);
            packet[..genuine.len()].copy_from_slice(&genuine);
            packet
        }),
    ];
    for (what, make) in kinds {
        let mut simulation = formed();
        let genuine = simulation.overheard().to_vec();
        let refused = |s: &Simulation| {
            count(s, |c| &c.packets_foreign) + count(s, |c| &c.packets_replayed) + count(s, |c| &c.packets_clock)
        };
        let before = refused(&simulation);
        let mut sent = 0;
        bulk(what, PACKETS, &mut simulation, |core, now, rng| {
            sent += 1;
            core.on_packet(now, &make(rng, &genuine));
        });
        assert_eq!(refused(&simulation) - before, sent, "{what}");
        assert_eq!((count(&simulation, |c| &c.malformed), count(&simulation, |c| &c.rejoins)), (0, 0), "{what}");
        assert_eq!(simulation.wronged(), [], "{what}");
        works(what, &mut simulation, Duration::ZERO);
    }
}

/// Whoever has the key can lie about anything, but not for longer than it goes on.
#[test]
fn nonsense_below_a_valid_seal_is_survived() {
    let kinds: [(&str, Make); 4] = [
        ("sealed random bytes", |rng, _| any(rng, 0, PACKET_BYTES_MAX - crate::cluster::seal::OVERHEAD_BYTES)),
        ("sealed truncated messages", truncated),
        ("sealed mutated messages", mutated),
        ("messages sealed anew", one),
    ];
    for (what, make) in kinds {
        let mut simulation = formed();
        let now = simulation.now().unix_ms;
        let sealer = |id: u128| {
            let keys = Keyring::new(&Spec::default().secret, &[]).unwrap();
            Sealer::new(keys, "hostel", NodeId::from_u128(id), 300_000, 1_000)
        };
        let mut reader = sealer(1);
        let open = |packet: &Vec<u8>| {
            let mut content = Vec::new();
            reader.open(now, packet, &mut content).ok().map(|_| content)
        };
        let genuine: Vec<_> = simulation.overheard().to_vec().iter().filter_map(open).collect();
        assert!(genuine.len() > 100);
        let mut liars: Vec<(u128, Sealer)> = (100..116).map(|id| (id, sealer(id))).collect();
        bulk(what, PACKETS, &mut simulation, |core, now, rng| {
            let mut content = make(rng, &genuine);
            let at = rng.random_range(0..liars.len());
            if rng.random_ratio(1, 100) {
                let id = rng.random();
                liars[at] = (id, sealer(id));
            }
            let (id, sealer) = &mut liars[at];
            // The sender's id is where the seal says it is, so that the message is not refused for that alone; and half
            // of the senders do not claim an address that somebody has.
            if let Some(bytes) = content.get_mut(7..23) {
                bytes.copy_from_slice(&id.to_be_bytes());
            }
            if let Some(bytes) = content.get_mut(24..28).filter(|_| *id & 1 == 0) {
                bytes.copy_from_slice(&(0x0b00_0000 | (*id as u32 & 0xffff)).to_be_bytes());
            }
            core.on_packet(now, &sealer.seal(now.unix_ms, &content).unwrap());
        });
        works(what, &mut simulation, 3_600 * SECOND);
    }
}

/// Genuine messages of each sort, from node 1 to node 0.
fn exchanged(simulation: &mut Simulation) -> Vec<Vec<u8>> {
    let identity = |s: &Simulation, at| s.core(at).unwrap().swim.identity().clone();
    let item = |id: &crate::cluster::swim::Identity, synced| Item { id: id.id(), epoch: id.epoch(), synced };
    let known: Vec<_> = (0..NODES).map(|at| identity(simulation, at)).collect();
    let sender = known[1].clone();
    let summary = |only, items| Message::Summary(Summary { sender: sender.clone(), down: None, only, items }).encode();
    let nothing = summary(false, Vec::new());
    let some = summary(true, vec![item(&known[2], 3), item(&known[3], 99)]);
    let all = summary(false, known.iter().map(|id| item(id, 5)).collect());
    // What node 1 answers is what node 0 gets, and a push is much the same.
    let mut messages = vec![nothing.to_vec(), some.to_vec(), all.to_vec(), Message::Done.encode().to_vec()];
    for request in [&nothing, &some, &all] {
        let answer = simulation.with(1, |core, now| core.answer(now, request)).unwrap().unwrap();
        let decoded = Message::decode(&answer, &mut simulation.core(0).unwrap().shared.lock()).unwrap();
        let Message::Answer(content) = decoded else { panic!("{decoded:?}") };
        let Batch { members, records } = content.batch;
        messages.push(answer.to_vec());
        messages.push(Message::Push { sender: sender.clone(), batch: Batch { members, records } }.encode().to_vec());
    }
    messages
}

const EXCHANGED: [(&str, Make); 6] = [
    ("random", |rng, _| any(rng, 0, 4_000)),
    ("truncated", truncated),
    ("with a bit flipped", flipped),
    ("mutated", mutated),
    ("replayed", one),
    ("oversize", one),
];

static OVERSIZE: [u8; MESSAGE_BYTES_MAX + 1] = [0; MESSAGE_BYTES_MAX + 1];

/// What comes over the link: too much, or what is made of genuine messages.
fn message(kind: &str, make: Make, rng: &mut SmallRng, genuine: &[Vec<u8>]) -> Bytes {
    if kind == "oversize" { Bytes::from_static(&OVERSIZE) } else { make(rng, genuine).into() }
}

#[test]
fn requests_to_exchange_are_survived() {
    for (kind, make) in EXCHANGED {
        let mut simulation = formed();
        let genuine = exchanged(&mut simulation);
        bulk(&format!("requests, {kind}"), EXCHANGES, &mut simulation, |core, now, rng| {
            if let Ok(answer) = core.answer(now, &message(kind, make, rng, &genuine)) {
                assert!(answer.len() <= MESSAGE_BYTES_MAX);
            }
        });
        works(kind, &mut simulation, 3_600 * SECOND);
    }
}

#[test]
fn answers_in_an_exchange_are_survived() {
    for (kind, make) in EXCHANGED {
        let mut simulation = formed();
        let genuine = exchanged(&mut simulation);
        let from = simulation.core(1).unwrap().me().id();
        bulk(&format!("answers, {kind}"), EXCHANGES, &mut simulation, |core, now, rng| {
            core.await_answer(now, from);
            let reply = match rng.random_ratio(1, 100) {
                true => Err(ExchangeError::Unreachable("gone".to_owned())),
                false => Ok(message(kind, make, rng, &genuine)),
            };
            core.on_exchanged(now, from, reply);
        });
        works(kind, &mut simulation, 3_600 * SECOND);
    }
}

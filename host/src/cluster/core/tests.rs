mod bounds;
mod hostile;

use crate::call::ServiceName;
use crate::cluster::catalogue::{Service, ServiceState};
use crate::cluster::exchange::{Item, Message, Summary};
use crate::cluster::node::NodeId;
use crate::cluster::seal::{Keyring, Sealer};
use crate::cluster::settings::Settings;
use crate::cluster::simulation::{Link, Simulation, Spec, hostile};
use rand10::rngs::SmallRng;
use rand10::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn offers(count: usize) -> Vec<Service> {
    let offer = |at| Service {
        service: ServiceName::new(&format!("service-{at}")).unwrap(),
        version: Arc::from("v1"),
        digest: [1; 8],
        weight: 100,
        state: ServiceState::Ready,
    };
    (0..count).map(offer).collect()
}

fn cluster(nodes: usize, link: Link) -> Simulation {
    let mut simulation = Simulation::new(5, link);
    for _ in 0..nodes {
        simulation.add(Spec::default()).unwrap();
    }
    simulation
}

/// How many endpoints node `at` sees.
fn seen(simulation: &Simulation, at: usize) -> usize {
    simulation.core(at).unwrap().reader().load().len()
}

#[test]
fn what_is_published_is_seen_everywhere_soon_by_gossip_alone() {
    let link = Link { loss: 0.05, ..Link::default() };
    let mut simulation = cluster(20, link);
    simulation.run_for(20 * SECOND);
    let before = simulation.traffic().exchanges;
    simulation.with(7, |core, now| core.publish(now, offers(30))).unwrap().unwrap();
    let everywhere = |s: &Simulation| (0..20).all(|at| at == 7 || seen(s, at) == 30);
    let took = simulation.run_until(20 * SECOND, everywhere).unwrap();
    assert!(took <= 3 * SECOND, "{took:?}");
    let exchanges = simulation.traffic().exchanges - before;
    assert!(exchanges <= 10, "{exchanges} exchanges: gossip should have done it");
}

#[test]
fn a_large_record_is_fetched_and_a_late_comer_learns_everything() {
    let mut simulation = cluster(8, Link::default());
    simulation.run_for(10 * SECOND);
    simulation.with(3, |core, now| core.publish(now, offers(900))).unwrap().unwrap();
    simulation.run_until(20 * SECOND, |s| (0..8).all(|at| at == 3 || seen(s, at) == 900)).unwrap();
    let late = simulation.add(Spec::default()).unwrap();
    let took = simulation.run_until(20 * SECOND, |s| seen(s, late) == 900).unwrap();
    assert!(took <= 8 * SECOND, "{took:?}");
    assert!(simulation.traffic().packet_bytes_max <= 1_400);
}

#[test]
fn a_node_that_comes_asks_at_once_and_knows_when_it_has_learnt_everything() {
    let mut simulation = cluster(8, Link::default());
    let acquainted = |s: &Simulation, at: usize| s.core(at).unwrap().status(s.now()).acquainted;
    assert!(!acquainted(&simulation, 0), "it knows nobody");
    simulation.run_for(10 * SECOND);
    assert!((0..8).all(|at| acquainted(&simulation, at)));
    simulation.with(3, |core, now| core.publish(now, offers(30))).unwrap().unwrap();
    simulation.run_for(10 * SECOND);
    let late = simulation.add(Spec::default()).unwrap();
    let mut early = false;
    let took = simulation.run_until(10 * SECOND, |s| {
        early |= acquainted(s, late) && seen(s, late) < 30;
        acquainted(s, late)
    });
    assert!(!early, "it did not know everything");
    // Packets to a seed and back, and an exchange; nothing that is waited for.
    assert!(took.unwrap() <= Duration::from_millis(100), "{took:?}");
}

#[test]
fn entries_of_a_suspect_stay_and_those_of_the_dead_go_and_come_back_after_a_partition() {
    let mut simulation = cluster(5, Link::default());
    simulation.run_for(10 * SECOND);
    simulation.with(1, |core, now| core.publish(now, offers(3))).unwrap().unwrap();
    simulation.run_until(10 * SECOND, |s| seen(s, 4) == 3).unwrap();
    simulation.network().part(&[0, 1]);
    simulation.run_for(Duration::from_millis(2_500));
    assert_eq!(seen(&simulation, 4), 3, "nobody is dead yet");
    simulation.run_until(30 * SECOND, |s| seen(s, 4) == 0).unwrap();
    simulation.with(1, |core, now| core.publish(now, offers(4))).unwrap().unwrap();
    simulation.network().heal();
    simulation.run_until(60 * SECOND, |s| (2..5).all(|at| seen(s, at) == 4) && seen(s, 0) == 4).unwrap();
}

#[test]
fn an_unreachable_node_is_marked_until_it_is_heard_from() {
    let mut simulation = cluster(3, Link::default());
    simulation.run_for(10 * SECOND);
    let id = simulation.core(1).unwrap().me().id();
    let reachable = |s: &Simulation| s.core(0).unwrap().reader().load().node(id).map(|node| node.is_reachable());
    simulation.with(0, |core, now| core.report_unreachable(now, id));
    assert_eq!(reachable(&simulation), Some(false));
    let took = simulation.run_until(5 * SECOND, |s| reachable(s) == Some(true)).unwrap();
    assert!(took <= SECOND, "{took:?}");
    simulation.kill(1);
    simulation.with(0, |core, now| core.report_unreachable(now, id));
    simulation.run_for(SECOND);
    assert_eq!(reachable(&simulation), Some(false));
    simulation.run_until(10 * SECOND, |s| reachable(s).is_none()).unwrap();
}

#[test]
fn a_seed_decides_everything() {
    let run = || {
        let mut simulation = cluster(10, Link { loss: 0.1, ..Link::default() });
        simulation.run_for(20 * SECOND);
        simulation.traffic()
    };
    assert_eq!(run(), run());
}

#[test]
fn hostile_packets_disturb_nothing() {
    let report = hostile(3, 20_000).unwrap();
    assert!(report.undisturbed, "{report:?}");
    assert_eq!((report.declared_down, report.rejoins, report.malformed), (0, 0, 0), "{report:?}");
    assert!(report.foreign > 10_000 && report.replayed > 2_000, "{report:?}");
}

/// Whoever has the key can lie about anything; but no bytes may panic or take memory without bound.
#[test]
fn nonsense_from_somebody_with_the_key_neither_panics_nor_grows_memory() {
    let settings = Settings { members_max: 100, ..Settings::default() };
    let mut simulation = Simulation::new(6, Link::default());
    for _ in 0..4 {
        simulation.add(Spec { settings: settings.clone(), ..Spec::default() }).unwrap();
    }
    simulation.overhear(200);
    for at in 1..4 {
        simulation.with(at, |core, now| core.publish(now, offers(10))).unwrap().unwrap();
    }
    simulation.run_for(20 * SECOND);
    let sealer = |id: u128| {
        let keys = Keyring::new(&Spec::default().secret, &[]).unwrap();
        Sealer::new(keys, "hostel", NodeId::from_u128(id), 300_000, 100)
    };
    let now = simulation.now().unix_ms;
    let mut reader = sealer(1);
    let open = |packet: &Vec<u8>| {
        let mut content = Vec::new();
        reader.open(now, packet, &mut content).ok().map(|_| content)
    };
    let contents: Vec<Vec<u8>> = simulation.overheard().to_vec().iter().filter_map(open).collect();
    assert!(contents.len() > 50);
    let mut rng = SmallRng::seed_from_u64(8);
    for _ in 0..10_000 {
        let mut content = contents[rng.random_range(0..contents.len())].clone();
        let id: u128 = rng.random();
        // The sender's id is where the seal says it is, so the packet is not refused for that alone.
        if let Some(bytes) = content.get_mut(7..23) {
            bytes.copy_from_slice(&id.to_be_bytes());
        }
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..content.len());
            content[at] = rng.random();
        }
        if rng.random_bool(0.1) {
            content.truncate(rng.random_range(0..content.len()));
        }
        let now = simulation.now();
        let packet = sealer(id).seal(now.unix_ms, &content).unwrap();
        simulation.with(0, |core, now| _ = core.on_packet(now, &packet));
        simulation.with(0, |core, now| {
            while core.next_timer().is_some_and(|due| due <= now.mono) {
                core.on_timer(now)
            }
        });
    }
    simulation.run_for(SECOND);
    let core = simulation.core(0).unwrap();
    assert!(core.sealer.senders() <= 200);
    assert!(core.swim.custom_broadcast_backlog() <= crate::cluster::swim::news::BACKLOG_MAX + 1);
    assert!(core.shared.lock().nodes.len() <= 200);
    assert!(core.shared.lock().suspicions.len() <= 100);
}

#[test]
fn whoever_is_said_to_be_down_in_an_exchange_can_object_unless_it_is() {
    let mut simulation = cluster(4, Link::default());
    simulation.run_for(10 * SECOND);
    let core = simulation.core(1).unwrap();
    let down = [Item { id: core.me().id(), epoch: u64::MAX, synced: 0 }];
    simulation.with(0, |core, now| core.suspect(now, &down));
    let status = simulation.core(0).unwrap().status(simulation.now());
    assert_eq!(status.members[0].state, super::MemberState::Suspect);
    simulation.run_for(10 * SECOND);
    assert_eq!(simulation.wronged(), []);
    assert!(simulation.agree(&[0, 1, 2, 3]));
    simulation.kill(1);
    simulation.with(0, |core, now| core.suspect(now, &down));
    let took = simulation.run_until(10 * SECOND, |s| s.agree(&[0, 2, 3])).unwrap();
    assert!(took <= 4 * SECOND, "{took:?}");
}

#[test]
fn damaged_exchange_messages_are_refused_or_make_some_sense() {
    let mut simulation = cluster(3, Link::default());
    simulation.with(1, |core, now| core.publish(now, offers(20))).unwrap().unwrap();
    simulation.run_for(10 * SECOND);
    let begin = Message::Summary(Summary {
        sender: simulation.core(0).unwrap().swim.identity().clone(),
        down: Some(0),
        only: false,
        items: vec![Item { id: NodeId::from_u128(3), epoch: 1, synced: 2 }],
    });
    let request = begin.encode();
    let answer = simulation.with(1, |core, now| core.answer(now, &request)).unwrap().unwrap();
    for message in [&request, &answer] {
        let decoded = Message::decode(message, &mut simulation.core(2).unwrap().shared.lock()).unwrap();
        assert_eq!(decoded.encode(), *message);
        for end in 0..message.len() {
            assert!(Message::decode(&message[..end], &mut simulation.core(2).unwrap().shared.lock()).is_err());
        }
    }
    let mut rng = SmallRng::seed_from_u64(9);
    for _ in 0..2_000 {
        let mut bytes = if rng.random_bool(0.5) { request.to_vec() } else { answer.to_vec() };
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(2..bytes.len());
            bytes[at] = rng.random();
        }
        let _ = simulation.with(2, |core, now| core.answer(now, &bytes));
        let _ = Message::decode(&bytes, &mut simulation.core(2).unwrap().shared.lock());
    }
    let large = vec![1; crate::cluster::exchange::MESSAGE_BYTES_MAX + 1];
    assert!(simulation.with(2, |core, now| core.answer(now, &large)).unwrap().is_err());
}

#[test]
fn status_says_who_is_there_in_what_state_and_who_suspects_whom() {
    let mut simulation = cluster(5, Link::default());
    simulation.run_for(10 * SECOND);
    let killed = simulation.core(2).unwrap().me().id();
    simulation.kill(2);
    let state = |s: &Simulation| {
        let status = s.core(0).unwrap().status(s.now());
        status.members.into_iter().find(|member| member.node.id() == killed).unwrap()
    };
    assert_eq!(state(&simulation).state, super::MemberState::Alive);
    assert!(state(&simulation).age >= 5 * SECOND);
    simulation.run_until(10 * SECOND, |s| state(s).state == super::MemberState::Suspect).unwrap();
    let by = state(&simulation).suspected_by.expect("somebody suspects it");
    assert!((0..5).filter_map(|at| simulation.core(at)).any(|core| core.me().id() == by));
    simulation.run_until(10 * SECOND, |s| state(s).state == super::MemberState::Down).unwrap();
    assert_eq!(state(&simulation).suspected_by, None);
    assert!(state(&simulation).age < SECOND);
}

#[test]
fn who_joins_a_cluster_with_many_services_learns_them_in_small_pieces_at_once() {
    let settings = Settings { join_retry_ms: 100, ..Settings::default() };
    let mut simulation = Simulation::new(23, Link::default());
    for _ in 0..12 {
        simulation.add(Spec { settings: settings.clone(), ..Spec::default() }).unwrap();
    }
    simulation.run_for(10 * SECOND);
    for at in 0..12 {
        simulation.with(at, |core, now| core.publish(now, offers(1_000))).unwrap().unwrap();
    }
    simulation.run_until(120 * SECOND, |s| (0..12).all(|at| seen(s, at) == 11_000)).unwrap();
    let request = Message::Summary(Summary {
        sender: simulation.core(1).unwrap().swim.identity().clone(),
        down: None,
        only: false,
        items: Vec::new(),
    });
    let answer = simulation.with(0, |core, now| core.answer(now, &request.encode())).unwrap().unwrap();
    assert!(answer.len() < 300 << 10, "{} bytes", answer.len());
    let (late, begin) = (simulation.add(Spec { settings, ..Spec::default() }).unwrap(), simulation.now().mono);
    simulation.run_until(30 * SECOND, |s| seen(s, late) > 0).unwrap();
    let first = simulation.now().mono - begin;
    simulation.run_until(30 * SECOND, |s| seen(s, late) == 12_000).unwrap();
    let all = simulation.now().mono - begin;
    assert!(all - first < 2 * SECOND, "first after {first:?}, all after {all:?}");
}

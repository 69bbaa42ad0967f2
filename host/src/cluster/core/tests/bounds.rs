//! What a node keeps is bounded, whatever those say who have the key.

use super::*;
use crate::cluster::core::Core;
use crate::cluster::exchange::{Batch, MESSAGE_BYTES_MAX};
use crate::cluster::node::Node;
use crate::cluster::swim::Identity;
use crate::cluster::swim::codec::put_full;
use crate::cluster::wire::{put_address, put_id, put_varint};
use foca::{Member, State};
use std::net::SocketAddr;

fn fake(id: u128, at: u32) -> Identity {
    let address = SocketAddr::new(std::net::Ipv4Addr::from(0x0b00_0000 + at).into(), 7_946);
    Identity::new(Arc::new(Node::new(NodeId::from_u128(id), "fake", address, address, "").unwrap()), 1)
}

/// Node 0 of three that know each other, with room for 50.
fn small() -> Simulation {
    let settings = Settings { members_max: 50, down_retain_ms: 60_000, tombstone_ms: 60_000, ..Settings::default() };
    let mut simulation = Simulation::new(21, Link::default());
    for _ in 0..3 {
        simulation.add(Spec { settings: settings.clone(), ..Spec::default() }).unwrap();
    }
    simulation.run_for(10 * SECOND);
    simulation
}

/// Somebody with the key, who says what it likes.
struct Liar {
    me: Identity,
    sealer: Sealer,
}

impl Liar {
    fn new(me: Identity) -> Self {
        let keys = Keyring::new(&Spec::default().secret, &[]).unwrap();
        Self { sealer: Sealer::new(keys, "hostel", me.id(), 300_000, 100), me }
    }

    /// Tells node 0 by gossip that `members` are as they are given.
    fn gossip(&mut self, simulation: &mut Simulation, members: &[(Identity, u8)]) {
        let mut content = vec![8];
        put_full(&mut content, &self.me);
        content.extend_from_slice(&0_u16.to_be_bytes());
        let to = simulation.core(0).unwrap().swim.identity();
        put_varint(&mut content, to.epoch());
        put_id(&mut content, to.id());
        put_address(&mut content, to.address());
        content.extend_from_slice(&u16::try_from(members.len()).unwrap().to_be_bytes());
        for (id, state) in members {
            content.push(*state);
            put_full(&mut content, id);
            content.push(0);
            if *state == 1 {
                put_id(&mut content, self.me.id());
            }
        }
        let packet = self.sealer.seal(simulation.now().unix_ms, &content).unwrap();
        simulation.with(0, |core, now| _ = core.on_packet(now, &packet));
    }
}

fn known(core: &Core) -> usize {
    core.swim.iter_membership_state().len()
}

#[test]
fn no_more_members_are_known_than_there_is_room_for() {
    let mut simulation = small();
    let mut liar = Liar::new(fake(999, 999));
    // Members that members speak of.
    for round in 0..20_u32 {
        let members: Vec<_> =
            (0..10).map(|at| (fake(u128::from(1_000 + round * 10 + at), round * 10 + at), 0)).collect();
        liar.gossip(&mut simulation, &members);
        assert!(known(simulation.core(0).unwrap()) <= 50);
    }
    let refused = |s: &Simulation| {
        let counters = s.core(0).unwrap().counters();
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        (read(&counters.members_refused), read(&counters.malformed))
    };
    let (members, malformed) = refused(&simulation);
    assert!(members >= 100 && malformed == 0, "{members} {malformed}");
    // Members that come in an exchange.
    let members = (0..100).map(|at| (fake(u128::from(5_000 + at), 5_000 + at), 0)).collect();
    let batch = Batch { members, records: Vec::new() };
    let push = Message::Push { sender: fake(999, 999), batch }.encode();
    simulation.with(0, |core, now| core.answer(now, &push)).unwrap().unwrap();
    assert!(known(simulation.core(0).unwrap()) <= 50);
    // Those that are not there are found to be down, and go when room is needed; the real ones have stayed.
    simulation.run_until(300 * SECOND, |s| s.agree(&[0, 1, 2])).unwrap();
}

#[test]
fn a_node_has_one_address_as_long_as_it_has_one_id() {
    let mut simulation = small();
    let before = known(simulation.core(0).unwrap());
    let real = simulation.core(1).unwrap().me().id().as_u128();
    let mine = simulation.core(0).unwrap().me().id().as_u128();
    let mut liar = Liar::new(fake(999, 999));
    for at in 0..20 {
        liar.gossip(&mut simulation, &[(fake(real, 100 + at), 0), (fake(mine, 200 + at), 1)]);
    }
    // As if it were node 1, and had sent so much that nothing is taken for a replay.
    let mut double = Liar::new(fake(real, 300));
    for _ in 0..300 {
        double.sealer.seal(simulation.now().unix_ms, b"").unwrap();
    }
    double.gossip(&mut simulation, &[]);
    assert_eq!(known(simulation.core(0).unwrap()), before + 1, "only 999 is new");
    assert!(simulation.core(0).unwrap().is_member(NodeId::from_u128(real)));
}

#[test]
fn deaths_arm_no_timers_and_are_forgotten_in_time() {
    let mut simulation = small();
    let mut liar = Liar::new(fake(999, 999));
    let timers = simulation.core(0).unwrap().timers.len();
    for epoch in 2..2_000 {
        let node = fake(7_000, 1).node().clone();
        liar.gossip(&mut simulation, &[(Identity::new(node, epoch), 2)]);
    }
    let core = simulation.core(0).unwrap();
    assert!(core.timers.len() < timers + 100, "{} timers", core.timers.len());
    let down = |core: &Core| core.swim.iter_membership_state().any(|member| member.id().id().as_u128() == 7_000);
    assert!(down(core));
    simulation.run_for(50 * SECOND);
    assert!(down(simulation.core(0).unwrap()), "too early");
    simulation.run_for(60 * SECOND);
    assert!(!down(simulation.core(0).unwrap()), "too late");
}

#[test]
fn a_node_whose_connections_fail_again_and_again_is_asked_at_one_rate() {
    let mut simulation = small();
    let id = simulation.core(1).unwrap().me().id();
    // Gossip passes and connections do not: the mark goes each time the node is heard from, and comes right back.
    for _ in 0..1_000 {
        simulation.with(0, |core, now| core.report_unreachable(now, id));
        simulation.run_for(Duration::from_millis(50));
    }
    let before = simulation.traffic().packets;
    for _ in 0..200 {
        simulation.with(0, |core, now| core.report_unreachable(now, id));
        simulation.run_for(Duration::from_millis(50));
    }
    let packets = simulation.traffic().packets - before;
    // Each question makes an answer; three nodes at rest send some six packets a second.
    assert!(packets < 10 * (6 + 2 * 6), "{packets} packets in ten seconds");
    simulation.run_until(5 * SECOND, |s| s.core(0).unwrap().reader().load().node(id).unwrap().is_reachable()).unwrap();
}

#[test]
fn an_answer_is_no_larger_than_messages_may_be() {
    let mut simulation = small();
    let items = (0..150_000).map(|at| Item { id: NodeId::from_u128(1_000_000 + at), epoch: 1, synced: 1 }).collect();
    let summary = Message::Summary(Summary { sender: fake(999, 999), down: None, only: false, items }).encode();
    assert!(summary.len() <= MESSAGE_BYTES_MAX);
    let answer = simulation.with(0, |core, now| core.answer(now, &summary)).unwrap().unwrap();
    assert!(answer.len() <= MESSAGE_BYTES_MAX, "{} bytes", answer.len());
    let decoded = Message::decode(&answer, &mut simulation.core(0).unwrap().shared.lock()).unwrap();
    let Message::Answer(answer) = decoded else { panic!("{decoded:?}") };
    assert!(answer.more && answer.batch.members.len() == 2, "there is room for what is known");
    assert!(simulation.core(0).unwrap().swim.iter_members().map(Member::state).all(|state| state == State::Alive));
}

/// As many as a node may publish, all replaced by others: there are more for a moment, and tombstones are dropped early.
#[test]
fn a_record_at_its_limits_that_is_replaced_again_and_again_arrives_complete() {
    let settings = Settings { services_per_node_max: 40, ..Settings::default() };
    let mut simulation = Simulation::new(22, Link::default());
    for _ in 0..3 {
        simulation.add(Spec { settings: settings.clone(), ..Spec::default() }).unwrap();
    }
    simulation.run_for(10 * SECOND);
    for round in 0..6 {
        let mut offers = offers(40);
        for offer in &mut offers {
            offer.version = Arc::from(format!("{round}-{}", "v".repeat(40)));
        }
        simulation.with(1, |core, now| core.publish(now, offers)).unwrap().unwrap();
        let current = |s: &Simulation, at: usize| {
            let snapshot = s.core(at).unwrap().reader().snapshot();
            let of_round = |version: &str| version.starts_with(&format!("{round}-"));
            let all = snapshot.services().flat_map(|(_, endpoints)| endpoints.list());
            all.filter(|endpoint| of_round(&endpoint.offer.version)).count()
        };
        let complete = |s: &Simulation| [0, 2].iter().all(|at| seen(s, *at) == 40 && current(s, *at) == 40);
        assert!(simulation.run_until(20 * SECOND, complete).is_some(), "round {round}: {}", seen(&simulation, 0));
        simulation.run_for(5 * SECOND);
        assert!(complete(&simulation), "round {round}: {}", seen(&simulation, 0));
    }
}

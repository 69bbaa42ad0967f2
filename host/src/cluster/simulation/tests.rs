use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(nodes: usize, seed: u64, link: Link) -> Simulation {
    let mut simulation = Simulation::new(seed, link);
    for _ in 0..nodes {
        simulation.add(Spec::default()).unwrap();
    }
    simulation
}

/// A cluster that has found itself.
fn formed(nodes: usize, seed: u64, link: Link) -> Simulation {
    let mut simulation = cluster(nodes, seed, link);
    let all: Vec<_> = (0..nodes).collect();
    let took = simulation.run_until(30 * SECOND, |s| s.agree(&all));
    assert!(took.is_some(), "{nodes} nodes did not find each other");
    simulation.run_for(5 * SECOND);
    simulation
}

fn lossy(loss: f64) -> Link {
    Link { loss, duplicated: 0.01, delay_max: Duration::from_millis(20), ..Link::default() }
}

#[test]
fn nodes_find_each_other_through_one_seed() {
    for nodes in [2, 3, 5, 8] {
        let mut simulation = cluster(nodes, 1, Link::default());
        let all: Vec<_> = (0..nodes).collect();
        let took = simulation.run_until(30 * SECOND, |s| s.agree(&all)).unwrap();
        assert!(took < 6 * SECOND, "{nodes} nodes took {took:?}");
    }
}

#[test]
fn a_killed_node_is_out_of_everybodys_membership_within_8_seconds() {
    for (nodes, seeds) in [(2, 8), (3, 8), (5, 24), (8, 8)] {
        for seed in 0..seeds {
            let mut simulation = formed(nodes, seed, Link::default());
            simulation.kill(1);
            let rest: Vec<_> = (0..nodes).filter(|at| *at != 1).collect();
            let took = simulation.run_until(20 * SECOND, |s| s.agree(&rest)).unwrap();
            assert!(took <= 8 * SECOND, "{nodes} nodes, seed {seed}: {took:?}");
            assert_eq!(simulation.wronged(), []);
        }
    }
}

#[test]
fn a_node_back_under_its_old_address_replaces_its_ghost() {
    let mut simulation = formed(5, 3, Link::default());
    let ghost = simulation.core(2).unwrap().me().id();
    simulation.kill(2);
    simulation.run_for(SECOND);
    assert!(simulation.core(0).unwrap().is_member(ghost), "nobody has noticed yet");
    simulation.start(2).unwrap();
    let took = simulation.run_until(10 * SECOND, |s| s.agree(&[0, 1, 2, 3, 4])).unwrap();
    assert!(took <= 3 * SECOND, "{took:?}");
    assert!(!simulation.core(0).unwrap().is_member(ghost));
    assert_eq!(simulation.wronged(), []);
}

#[test]
fn a_tenth_of_all_packets_lost_kills_nobody() {
    let mut simulation = formed(5, 4, lossy(0.1));
    simulation.run_for(600 * SECOND);
    assert_eq!(simulation.wronged(), []);
    let count = |counter: fn(&crate::cluster::Counters) -> &std::sync::atomic::AtomicU64| -> u64 {
        let counters = (0..5).map(|at| simulation.core(at).unwrap().counters());
        counters.map(|counters| counter(&counters).load(std::sync::atomic::Ordering::Relaxed)).sum()
    };
    assert!(count(|counters| &counters.refutations) > 0, "nobody was ever suspected");
    assert_eq!(count(|counters| &counters.rejoins), 0, "a refuted suspicion was taken for a death");
    assert!(simulation.agree(&[0, 1, 2, 3, 4]));
}

#[test]
fn two_halves_find_each_other_again() {
    for seed in 0..4 {
        let mut simulation = formed(5, seed, Link::default());
        simulation.network().part(&[0, 1]);
        let parted = simulation.run_until(60 * SECOND, |s| s.agree(&[0, 1]) && s.agree(&[2, 3, 4]));
        assert!(parted.is_some(), "they never noticed, seed {seed}");
        simulation.run_for(60 * SECOND);
        simulation.network().heal();
        let took = simulation.run_until(120 * SECOND, |s| s.agree(&[0, 1, 2, 3, 4]));
        assert!(took.is_some_and(|took| took < 40 * SECOND), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_one_way_cut_between_two_nodes_kills_nobody() {
    let mut simulation = formed(5, 6, Link::default());
    simulation.network().cut(1, 2);
    simulation.run_for(120 * SECOND);
    assert_eq!(simulation.wronged(), []);
    assert!(simulation.agree(&[0, 1, 2, 3, 4]));
}

#[test]
fn a_deaf_node_takes_nobody_along_and_comes_back() {
    for seed in 0..6 {
        let mut simulation = formed(5, seed, Link::default());
        for from in [0, 2, 3, 4] {
            simulation.network().cut(from, 1);
        }
        simulation.run_for(60 * SECOND);
        let others = [0, 2, 3, 4];
        assert!(simulation.agree(&others), "seed {seed}");
        let wronged = simulation.wronged().iter().filter(|(by, whom, _)| *by != 1 && *whom != 1).count();
        assert_eq!(wronged, 0, "seed {seed}: {:?}", simulation.wronged());
        simulation.network().heal();
        let took = simulation.run_until(60 * SECOND, |s| s.agree(&[0, 1, 2, 3, 4]));
        assert!(took.is_some(), "seed {seed}");
    }
}

#[test]
fn a_frozen_node_goes_and_comes_back_and_condemns_nobody() {
    for seed in 0..4 {
        let mut simulation = formed(5, seed, Link::default());
        simulation.freeze(3);
        let gone = simulation.run_until(20 * SECOND, |s| s.agree(&[0, 1, 2, 4])).unwrap();
        assert!(gone <= 9 * SECOND, "{gone:?}");
        simulation.run_for(20 * SECOND);
        simulation.thaw(3);
        let took = simulation.run_until(30 * SECOND, |s| s.agree(&[0, 1, 2, 3, 4])).unwrap();
        assert!(took <= 15 * SECOND, "{took:?}");
        let wronged = simulation.wronged().iter().filter(|(_, whom, _)| *whom != 3).count();
        assert_eq!(wronged, 0, "{:?}", simulation.wronged());
    }
}

#[test]
fn a_slow_node_takes_no_healthy_one_along() {
    let mut simulation = formed(8, 9, Link::default());
    simulation.network().slow(2, Duration::from_millis(1_500));
    simulation.run_for(180 * SECOND);
    let wronged: Vec<_> = simulation.wronged().iter().filter(|(_, whom, _)| *whom != 2).collect();
    assert_eq!(wronged, Vec::<&(usize, usize, Duration)>::new());
    simulation.network().heal();
    simulation.run_until(60 * SECOND, |s| s.agree(&[0, 1, 2, 3, 4, 5, 6, 7])).unwrap();
}

#[test]
fn clusters_with_other_keys_or_names_do_not_see_each_other() {
    let mut simulation = Simulation::new(11, Link::default());
    let key = Spec { secret: Secret::from_bytes([8; 32]), ..Spec::default() };
    let name = Spec { settings: Settings { name: "other".to_owned(), ..Settings::default() }, ..Spec::default() };
    // Everybody has a node of the first cluster for a seed, and one of its own.
    for at in 0..9 {
        let spec = match at % 3 {
            0 => Spec::default(),
            1 => Spec { seeds: vec![0, 1], ..key.clone() },
            _ => Spec { seeds: vec![0, 2], ..name.clone() },
        };
        simulation.add(spec).unwrap();
    }
    simulation.run_for(60 * SECOND);
    for cluster in [[0, 3, 6], [1, 4, 7], [2, 5, 8]] {
        assert!(simulation.agree(&cluster), "{cluster:?}");
    }
    assert_eq!(simulation.wronged(), []);
    let foreign = &simulation.core(0).unwrap().counters().packets_foreign;
    assert!(foreign.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn a_graceful_leave_is_known_at_once_and_wrongs_nobody() {
    let mut simulation = formed(5, 12, Link::default());
    simulation.with(4, |core, now| core.leave(now));
    let took = simulation.run_until(10 * SECOND, |s| s.agree(&[0, 1, 2, 3])).unwrap();
    assert!(took <= 2 * SECOND, "{took:?}");
    simulation.run_for(60 * SECOND);
    assert!(simulation.has_left(4));
    assert!(simulation.agree(&[0, 1, 2, 3]), "it came back");
}

#[test]
fn a_hundred_nodes_with_loss_agree_notice_crashes_and_kill_nobody() {
    let mut simulation = cluster(100, 13, lossy(0.05));
    let all: Vec<_> = (0..100).collect();
    simulation.run_until(60 * SECOND, |s| s.agree(&all)).unwrap();
    simulation.run_for(60 * SECOND);
    assert_eq!(simulation.wronged(), []);
    for at in 90..95 {
        simulation.kill(at);
    }
    let rest: Vec<_> = all.iter().copied().filter(|at| !(90..95).contains(at)).collect();
    simulation.run_until(30 * SECOND, |s| s.agree(&rest)).unwrap();
    assert_eq!(simulation.wronged(), []);
    assert!(simulation.traffic().packet_bytes_max <= 1_400);
}

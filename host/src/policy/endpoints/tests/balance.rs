//! Where calls go, over many of them.

use std::collections::{BTreeMap, BinaryHeap};

use super::*;
use crate::policy::settings::BalanceSettings;

/// An endpoint's behaviour: how long it takes, and how often of a hundred calls it fails at once instead.
type Behaviour = (Duration, u32);

/// One call at a time every `gap`, each taking as long as its endpoint takes; where they went.
fn simulate(world: &mut World, gap: Duration, calls: u32, of: impl Fn(u32) -> Behaviour) -> BTreeMap<u32, u32> {
    let mut went = BTreeMap::new();
    let mut ends: BinaryHeap<std::cmp::Reverse<(Instant, u32)>> = BinaryHeap::new();
    let mut out: BTreeMap<u32, (Picked<u32>, Outcome)> = BTreeMap::new();
    for call in 0..calls {
        world.now += gap;
        while let Some(std::cmp::Reverse((end, id))) = ends.peek().copied().filter(|next| next.0.0 <= world.now) {
            ends.pop();
            let (mut picked, outcome) = out.remove(&id).unwrap();
            picked.record(end, outcome);
        }
        let Ok(picked) = world.pick() else { continue };
        *went.entry(*picked.key()).or_default() += 1;
        let (took, failing) = of(*picked.key());
        let failed = world.rng.random_range(0..100) < failing;
        let (took, outcome) = if failed { (Duration::ZERO, UNAVAILABLE) } else { (took, Outcome::Success) };
        ends.push(std::cmp::Reverse((world.now + took, call)));
        out.insert(call, (picked, outcome));
    }
    for (mut picked, outcome) in out.into_values() {
        picked.record(world.now, outcome);
    }
    went
}

fn lenient() -> Settings {
    let outlier = OutlierSettings { enabled: false, ..OutlierSettings::default() };
    Settings { outlier, ..no_breaker() }
}

#[test]
fn equals_share_evenly_with_and_without_load() {
    for gap in [ms(20), Duration::from_micros(500)] {
        let mut world = World::remote(4, Settings::default());
        let went = simulate(&mut world, gap, 4_000, |_| (ms(10), 0));
        assert!(went.len() == 4 && went.values().all(|calls| (800..1_200).contains(calls)), "{gap:?}: {went:?}");
    }
}

#[test]
fn shares_follow_the_weights_with_and_without_load() {
    for gap in [ms(20), Duration::from_micros(500)] {
        let mut world = World::remote(0, Settings::default());
        let since = world.now - secs(60);
        let of = |weight| Attributes { locality: Locality::Zone, weight, since, version: 0 };
        world.endpoints.update(world.now, [(1, of(1)), (2, of(3))]);
        let went = simulate(&mut world, gap, 4_000, |_| (ms(10), 0));
        assert!((750..1_300).contains(&went[&1]), "{gap:?}: {went:?}");
    }
}

#[test]
fn the_slow_one_gets_less() {
    let mut world = World::remote(3, Settings::default());
    let went = simulate(&mut world, ms(1), 6_000, |key| (ms(if key == 0 { 100 } else { 10 }), 0));
    assert!(went[&0] < 600, "{went:?}");
    assert!(went[&0] > 10, "but is not forgotten: {went:?}");
}

#[test]
fn failing_fast_attracts_no_calls() {
    for failing in [50, 100] {
        let mut world = World::remote(3, lenient());
        let went =
            simulate(&mut world, Duration::from_micros(500), 6_000, |key| (ms(10), if key == 0 { failing } else { 0 }));
        assert!(went[&0] < 2_000, "{failing} %: {went:?}");
    }
}

#[test]
fn a_fresh_endpoint_is_not_flooded() {
    let settings = BalanceSettings { slow_start_ms: 0, ..BalanceSettings::default() };
    let mut world = World::remote(3, Settings { balance: settings, ..Settings::default() });
    simulate(&mut world, ms(1), 1_000, |_| (ms(10), 0));
    world.update(&[(0, Locality::Zone), (1, Locality::Zone), (2, Locality::Zone), (9, Locality::Zone)]);
    let burst: Vec<_> = (0..100).map(|_| world.pick().unwrap()).collect();
    let fresh = burst.iter().filter(|picked| *picked.key() == 9).count();
    assert!((15..=35).contains(&fresh), "{fresh} of 100");
}

#[test]
fn a_new_endpoint_begins_slowly() {
    let mut world = World::remote(2, Settings::default());
    let settled = Attributes { locality: Locality::Zone, weight: 1, since: world.now - secs(60), version: 0 };
    let new = Attributes { since: world.now, ..settled };
    world.endpoints.update(world.now, [(0, settled), (1, settled), (9, new)]);
    let share = |went: &BTreeMap<u32, u32>| went.get(&9).copied().unwrap_or_default();
    let first = simulate(&mut world, ms(1), 1_000, |_| (ms(1), 0));
    assert!((10..110).contains(&share(&first)), "{first:?}");
    world.now += secs(10);
    let later = simulate(&mut world, ms(1), 1_000, |_| (ms(1), 0));
    assert!((250..420).contains(&share(&later)), "{later:?}");
}

#[test]
fn where_all_are_new_they_share_evenly() {
    let mut world = World::remote(0, Settings::default());
    let new = Attributes { locality: Locality::Zone, weight: 1, since: world.now, version: 0 };
    world.endpoints.update(world.now, [(0, new), (1, new), (2, new)]);
    let went = simulate(&mut world, ms(1), 900, |_| (ms(5), 0));
    assert!(went.values().all(|calls| (230..370).contains(calls)), "{went:?}");
}

const EVERYWHERE: [(u32, Locality); 5] = [
    (0, Locality::Local),
    (1, Locality::Zone),
    (2, Locality::Zone),
    (3, Locality::Elsewhere),
    (4, Locality::Elsewhere),
];

#[test]
fn the_nearest_that_can_takes_the_call() {
    let mut world = World::new(&EVERYWHERE, Settings::default());
    assert_eq!(world.goes_to(50), [0]);
    world.fail(0, 5);
    assert_eq!(world.goes_to(50), [1, 2], "the breaker is open here");
    world.fail(1, 5);
    assert_eq!(world.goes_to(50), [2]);
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    assert_eq!(world.goes_to(50), [3, 4]);
    world.now += secs(30);
    assert_eq!(world.call(Outcome::Success), Ok(0), "it is back");
}

#[test]
fn a_full_local_endpoint_spills_over_and_gets_calls_again() {
    let limits = LimitSettings { endpoint_calls_max: 3, ..LimitSettings::default() };
    let mut world = World::new(&EVERYWHERE, Settings { limits, ..Settings::default() });
    let held: Vec<_> = (0..9).map(|_| world.pick().unwrap()).collect();
    let mut keys: Vec<u32> = held.iter().map(|picked| *picked.key()).collect();
    assert_eq!(keys[..3], [0, 0, 0]);
    keys.sort_unstable();
    assert_eq!(keys, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    drop(held);
    assert_eq!(world.goes_to(10), [0]);
}

#[test]
fn a_refusal_here_is_remembered_for_a_moment() {
    let mut world = World::new(&EVERYWHERE, Settings::default());
    assert_eq!(world.call(Outcome::Rejected), Ok(0));
    assert_eq!(world.goes_to(20), [1, 2]);
    world.now += ms(50);
    assert_eq!(world.goes_to(20), [0]);
    let request = PickRequest { hash: None, tried: &[], deadline: world.now + secs(1), local_is_full: true };
    assert_ne!(*world.endpoints.pick(world.now, &mut world.rng, &request).unwrap().key(), 0);
    let mut alone = World::new(&[(0, Locality::Local)], Settings::default());
    assert_eq!(alone.call(Outcome::Rejected), Ok(0));
    assert_eq!(alone.call(Outcome::Success), Ok(0), "with nobody else it has to answer itself");
}

#[test]
fn an_ejected_local_endpoint_is_passed_over() {
    let mut world = World::new(&EVERYWHERE, no_breaker());
    world.fail(0, 5);
    assert_eq!(world.goes_to(20), [1, 2]);
}

#[test]
fn a_key_stays_with_its_endpoint_wherever_that_is() {
    let mut world = World::new(&EVERYWHERE, Settings::default());
    let mut owners = BTreeMap::new();
    for round in 0..3 {
        for hash in (0..200u64).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let key = *world.pick_with(Some(hash), &[]).unwrap().key();
            assert_eq!(*owners.entry(hash).or_insert(key), key, "round {round}");
        }
        world.now += secs(1);
    }
    let mut used: Vec<u32> = owners.into_values().collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used, [0, 1, 2, 3, 4]);
}

#[test]
fn a_hot_key_spreads_no_further_than_the_bound_asks() {
    let mut world = World::remote(4, Settings::default());
    let mut held = Vec::new();
    for calls in 1..=40u32 {
        held.push(world.pick_with(Some(99), &[]).unwrap());
        for key in 0..4 {
            let most = (f64::from(calls) * 1.25 / 4.0).ceil() as u32;
            assert!(world.of(key).in_flight <= most, "{calls} calls");
        }
    }
    let owner = *world.pick_with(Some(99), &[]).unwrap().key();
    assert!(world.of(owner).in_flight >= 11, "the owner has as many as it may");
}

#[test]
fn without_the_owner_its_keys_go_to_others_evenly() {
    let mut world = World::remote(4, Settings::default());
    let owner = *world.pick_with(Some(99), &[]).unwrap().key();
    for _ in 0..5 {
        world.pick_with(Some(99), &[]).unwrap().record(world.now, UNAVAILABLE);
    }
    let held: Vec<_> = (0..30).map(|_| world.pick_with(Some(99), &[]).unwrap()).collect();
    assert!(held.iter().all(|picked| *picked.key() != owner));
    assert!((0..4).all(|key| world.of(key).in_flight <= 11));
}

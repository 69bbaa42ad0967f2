mod balance;
mod random;
mod versions;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::policy::breaker::BreakerState;
use crate::policy::outcome::{Failure, Outcome};
use crate::policy::settings::{BreakerSettings, LimitSettings, OutlierSettings};

const UNAVAILABLE: Outcome = Outcome::Failure(Failure::Unavailable);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Endpoints, a clock and dice.
struct World {
    endpoints: Endpoints<u32>,
    now: Instant,
    rng: SmallRng,
}

impl World {
    /// Endpoints with these keys, all settled.
    fn new(members: &[(u32, Locality)], settings: Settings) -> Self {
        assert_eq!(settings.validate(), Ok(()));
        let now = Instant::now() + secs(3_600);
        let endpoints = Endpoints::new(now, Arc::new(settings));
        let world = Self { endpoints, now, rng: SmallRng::seed_from_u64(11) };
        world.update(members);
        world
    }

    fn remote(count: u32, settings: Settings) -> Self {
        let members: Vec<_> = (0..count).map(|key| (key, Locality::Zone)).collect();
        Self::new(&members, settings)
    }

    fn update(&self, members: &[(u32, Locality)]) {
        let since = self.now - secs(3_600);
        let of = |(key, locality): &(u32, Locality)| {
            (*key, Attributes { locality: *locality, weight: 1, since, version: 0 })
        };
        self.endpoints.update(self.now, members.iter().map(of));
    }

    fn pick_with(&mut self, hash: Option<u64>, tried: &[u32]) -> Result<Picked<u32>, NoEndpoint> {
        let request = PickRequest { hash, tried, deadline: self.now + secs(10), local_is_full: false };
        self.endpoints.pick(self.now, &mut self.rng, &request)
    }

    fn pick(&mut self) -> Result<Picked<u32>, NoEndpoint> {
        self.pick_with(None, &[])
    }

    /// A call that takes a millisecond and ends like this; where it went.
    fn call(&mut self, outcome: Outcome) -> Result<u32, NoEndpoint> {
        let mut picked = self.pick()?;
        self.now += ms(1);
        picked.record(self.now, outcome);
        Ok(*picked.key())
    }

    /// Calls until `key` has failed so often in a row, the others being well.
    fn fail(&mut self, key: u32, times: u32) {
        let mut failed = 0;
        while failed < times {
            let mut picked = self.pick().unwrap();
            let outcome = if *picked.key() == key { UNAVAILABLE } else { Outcome::Success };
            failed += u32::from(*picked.key() == key);
            picked.record(self.now, outcome);
            self.now += ms(1);
        }
    }

    fn of(&self, key: u32) -> EndpointSnapshot<u32> {
        self.endpoints.snapshot(self.now).endpoints.into_iter().find(|endpoint| endpoint.key == key).unwrap()
    }

    fn goes_to(&mut self, calls: usize) -> Vec<u32> {
        let mut keys: Vec<u32> = (0..calls).map(|_| self.call(Outcome::Success).unwrap()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

fn no_breaker() -> Settings {
    Settings { breaker: BreakerSettings { enabled: false, ..BreakerSettings::default() }, ..Settings::default() }
}

#[test]
fn five_failures_open_the_only_endpoint_and_one_probe_closes_it() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing);
    assert_eq!((world.of(1).opens, world.of(1).picks, world.of(1).failures), (1, 5, 5));
    world.now += secs(30);
    let mut probe = world.pick().unwrap();
    assert!(probe.is_probe());
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing);
    assert!(!world.endpoints.has_other(world.now, &[]));
    probe.record(world.now, Outcome::Success);
    assert!(!world.pick().unwrap().is_probe());
    assert_eq!(world.of(1).breaker, BreakerState::Closed);
    assert_eq!(world.endpoints.snapshot(world.now).failing, 2);
}

#[test]
fn nobody_elses_fault_opens_nothing() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    let late = Outcome::Failure(Failure::Deadline);
    for outcome in [Outcome::Cancelled, Outcome::CallerFault, Outcome::Rejected, Outcome::Throttled, late] {
        for _ in 0..10 {
            world.call(outcome).unwrap();
        }
    }
    assert_eq!(world.of(1).failures, 0);
    for _ in 0..5 {
        let mut picked = world.pick().unwrap();
        world.now += ms(1_000);
        picked.record(world.now, late);
    }
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing, "it had time enough");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_place() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    world.now += secs(30);
    drop(world.pick().unwrap());
    world.now = world.now.max(Instant::now());
    assert!(world.pick().unwrap().is_probe());
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 0);
}

#[test]
fn the_head_of_a_stream_closes_the_breaker_and_its_end_counts() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    world.now += secs(30);
    let mut stream = world.pick().unwrap();
    stream.head(world.now + ms(3));
    assert_eq!(world.of(1).breaker, BreakerState::Closed);
    for _ in 0..5 {
        let mut stream = world.pick().unwrap();
        stream.head(world.now);
        stream.record(world.now, UNAVAILABLE);
        stream.record(world.now, Outcome::Success);
    }
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 1, "the first stream is still there");
    drop(stream);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 0);
}

#[test]
fn who_fails_in_a_row_leaves_the_balance_and_comes_back() {
    let mut world = World::remote(5, no_breaker());
    world.fail(2, 5);
    let until = world.of(2).ejected_until.unwrap();
    assert_eq!(world.goes_to(200), [0, 1, 3, 4]);
    world.now = until;
    assert_eq!(world.goes_to(200), [0, 1, 2, 3, 4]);
    world.fail(2, 5);
    assert!(world.of(2).ejected_until.unwrap() - world.now > secs(59), "twice as long");
    assert_eq!(world.of(2).ejections, 2);
}

#[test]
fn who_cannot_be_reached_is_avoided_at_once_as_long_as_there_are_others() {
    let unreached = Outcome::Failure(Failure::Unreached);
    let mut world = World::remote(3, Settings::default());
    let gone = world.call(unreached).unwrap();
    let held: Vec<_> = (0..60).map(|_| world.pick().unwrap()).collect();
    assert!(held.iter().all(|picked| *picked.key() != gone));
    drop(held);
    world.now += secs(10);
    assert!(world.goes_to(200).contains(&gone), "after a moment it may be back");
    let mut alone = World::remote(1, Settings::default());
    for _ in 0..5 {
        alone.call(unreached).unwrap();
    }
    assert_eq!(alone.pick().unwrap_err(), NoEndpoint::Failing);
}

#[test]
fn at_most_half_are_ejected() {
    let mut world = World::remote(5, no_breaker());
    for _ in 0..500 {
        let _ = world.call(UNAVAILABLE);
    }
    let ejected = |world: &World| (0..5).filter(|key| world.of(*key).ejected_until.is_some()).count();
    assert_eq!(ejected(&world), 2);
    let members: Vec<_> = (0..5).filter(|key| world.of(*key).ejected_until.is_some()).collect();
    world.update(&[(members[0], Locality::Zone), (members[1], Locality::Zone)]);
    let left = members.iter().filter(|key| world.of(**key).ejected_until.is_some()).count();
    assert_eq!(left, 1, "of two, one is taken back");
}

#[test]
fn with_too_few_healthy_ejections_are_ignored() {
    let outlier = OutlierSettings { ejected_percent_max: 80, ..OutlierSettings::default() };
    let mut world = World::remote(5, Settings { outlier, ..no_breaker() });
    world.fail(0, 5);
    world.fail(1, 5);
    assert_eq!(world.goes_to(200), [2, 3, 4]);
    world.fail(2, 5);
    assert!(world.endpoints.snapshot(world.now).panics);
    // Until then the balance holds against them that they failed.
    world.now += secs(10);
    assert!((0..3).all(|key| world.of(key).ejected_until.is_some()));
    assert_eq!(world.goes_to(300), [0, 1, 2, 3, 4]);
    world.now += secs(40);
    assert!(!world.endpoints.snapshot(world.now).panics);
}

#[test]
fn what_was_tried_is_avoided_as_long_as_there_is_another() {
    let mut world = World::remote(3, Settings::default());
    for _ in 0..50 {
        assert_eq!(*world.pick_with(None, &[0, 2]).unwrap().key(), 1);
        assert_ne!(*world.pick_with(Some(7), &[0]).unwrap().key(), 0);
    }
    assert!(world.endpoints.has_other(world.now, &[0, 2]));
    assert!(!world.endpoints.has_other(world.now, &[0, 1, 2]));
    assert!(world.pick_with(None, &[0, 1, 2]).is_ok());
    assert_eq!(world.endpoints.budget().left(world.now, &Settings::default().retry), 10, "retries are no calls");
    for _ in 0..50 {
        world.call(Outcome::Success).unwrap();
    }
    assert_eq!(world.endpoints.budget().left(world.now, &Settings::default().retry), 20);
}

#[test]
fn who_stays_or_comes_back_soon_keeps_its_state() {
    let mut world = World::remote(2, Settings::default());
    world.fail(1, 5);
    world.update(&[(0, Locality::Zone), (1, Locality::Zone), (2, Locality::Zone)]);
    assert!(matches!(world.of(1).breaker, BreakerState::Open { .. }), "it stayed");
    world.update(&[(0, Locality::Zone)]);
    assert_eq!(world.goes_to(20), [0]);
    world.now += secs(20);
    world.update(&[(0, Locality::Zone), (1, Locality::Zone)]);
    assert_eq!(world.of(1).opens, 1, "it came back");
    world.update(&[(0, Locality::Zone)]);
    world.now += secs(60);
    world.update(&[(0, Locality::Zone), (1, Locality::Zone)]);
    assert_eq!(world.of(1).opens, 0, "after a minute it is another");
}

#[test]
fn who_is_gone_is_not_ejected_in_place_of_others() {
    let mut world = World::remote(3, no_breaker());
    let held: Vec<_> = (0..5).map(|_| world.pick_with(None, &[0, 1]).unwrap()).collect();
    world.update(&[(0, Locality::Zone), (1, Locality::Zone)]);
    for mut picked in held {
        picked.record(world.now, UNAVAILABLE);
    }
    world.fail(0, 5);
    assert!(world.of(0).ejected_until.is_some());
}

#[test]
fn not_everybody_is_remembered() {
    let world = World::remote(3_000, Settings::default());
    world.update(&[]);
    assert!(world.endpoints.registry().departed.len() <= REMEMBERED_MAX);
    assert!(world.endpoints.is_empty());
}

#[test]
fn the_last_of_equal_keys_counts_and_who_has_no_weight_gets_no_calls() {
    let mut world = World::remote(1, Settings::default());
    let since = world.now;
    let of = |locality, weight| Attributes { locality, weight, since, version: 0 };
    world
        .endpoints
        .update(world.now, [(1, of(Locality::Zone, 1)), (2, of(Locality::Local, 0)), (1, of(Locality::Local, 5))]);
    assert_eq!(world.of(1).attributes, of(Locality::Local, 5));
    assert_eq!(world.goes_to(20), [1]);
    world.endpoints.update(world.now, [(2, of(Locality::Local, 0))]);
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Empty);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 0);
}

#[test]
fn limits_hold_and_places_come_back() {
    let limits = LimitSettings { calls_max: 5, endpoint_calls_max: 2 };
    let mut world = World::remote(3, Settings { limits, ..Settings::default() });
    let held: Vec<_> = (0..5).map(|_| world.pick().unwrap()).collect();
    assert!((0..3).all(|key| world.of(key).in_flight <= 2));
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Saturated);
    drop(held);
    world.update(&[(0, Locality::Zone)]);
    let held: Vec<_> = (0..2).map(|_| world.pick().unwrap()).collect();
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Saturated);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 2, "who was refused holds nothing");
    drop(held);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 0);
    assert_eq!(world.endpoints.snapshot(world.now).saturated, 2);
}

#[test]
fn who_would_be_late_is_refused_or_goes_elsewhere() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    for _ in 0..32 {
        let mut picked = world.pick().unwrap();
        world.now += ms(500);
        picked.record(world.now, Outcome::Success);
    }
    let held: Vec<_> = (0..8).map(|_| world.pick().unwrap()).collect();
    let hurried = |world: &mut World| {
        let request = PickRequest { hash: None, tried: &[], deadline: world.now + ms(100), local_is_full: false };
        world.endpoints.pick(world.now, &mut world.rng, &request)
    };
    assert_eq!(hurried(&mut world).unwrap_err(), NoEndpoint::Shed);
    assert!(world.pick().is_ok(), "who has time waits");
    world.update(&[(1, Locality::Local), (2, Locality::Zone)]);
    assert_eq!(*hurried(&mut world).unwrap().key(), 2);
    assert_eq!(world.endpoints.snapshot(world.now).shed, 1);
    drop(held);
}

#[test]
fn new_settings_count_at_once() {
    let mut world = World::remote(1, Settings::default());
    let limits = LimitSettings { endpoint_calls_max: 1, ..LimitSettings::default() };
    world.endpoints.configure(world.now, Arc::new(Settings { limits, ..Settings::default() }));
    let _held = world.pick().unwrap();
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Saturated);
}

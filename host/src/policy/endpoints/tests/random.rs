//! Whatever happens in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Pick(Option<u64>),
    End(usize, u8),
    Members(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..4_000).prop_map(Step::Wait),
        6 => proptest::option::weighted(0.3, 0u64..20).prop_map(Step::Pick),
        8 => (any::<usize>(), 0u8..10).prop_map(|(which, how)| Step::End(which, how)),
        1 => (1u8..=255).prop_map(Step::Members),
    ]
}

fn outcome(how: u8) -> Outcome {
    match how {
        0 => Outcome::Success,
        1 => Outcome::Cancelled,
        2 => Outcome::Failure(Failure::Deadline),
        3 => Outcome::Rejected,
        _ => UNAVAILABLE,
    }
}

/// The keys whose bit is set; the first is local.
fn members(bits: u8) -> Vec<(u32, Locality)> {
    let locality = |key| if key == 0 { Locality::Local } else { Locality::Zone };
    (0..8).filter(|key| bits & (1 << key) != 0).map(|key| (key, locality(key))).collect()
}

fn check(world: &World, out: &[(Picked<u32>, Instant)], settings: &Settings) -> Result<(), TestCaseError> {
    let snapshot = world.endpoints.snapshot(world.now);
    let ejected = snapshot.endpoints.iter().filter(|endpoint| endpoint.ejected_until.is_some()).count();
    prop_assert!(ejected <= settings.outlier.ejected_max(snapshot.endpoints.len()), "{} ejected", ejected);
    prop_assert_eq!(snapshot.in_flight as usize, out.len());
    for endpoint in &snapshot.endpoints {
        let own = out.iter().filter(|(picked, _)| *picked.key() == endpoint.key);
        prop_assert_eq!(endpoint.in_flight as usize, own.clone().count());
        let probes =
            own.filter(|(picked, began)| picked.is_probe() && world.now < *began + settings.breaker.probe_lost());
        prop_assert!(probes.count() <= 1);
        prop_assert!(endpoint.successes > 0.0 && endpoint.successes <= 1.0);
    }
    Ok(())
}

proptest! {
    /// Never more than half are ejected, never are two probes of one endpoint under way, nothing is lost of what is
    /// under way, and who is open or ejected gets no call.
    #[test]
    fn what_must_hold_holds(steps in proptest::collection::vec(step(), 1..400)) {
        let settings = Settings {
            limits: LimitSettings { calls_max: 40, endpoint_calls_max: 12 },
            ..Settings::default()
        };
        let mut world = World::new(&members(0b1111), settings.clone());
        let mut out: Vec<(Picked<u32>, Instant)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(wait) => world.now += ms(wait),
                Step::Members(bits) => world.update(&members(bits)),
                Step::Pick(hash) => {
                    let before = world.endpoints.snapshot(world.now);
                    let Ok(picked) = world.pick_with(hash, &[]) else { continue };
                    let was = before.endpoints.iter().find(|endpoint| endpoint.key == *picked.key()).unwrap();
                    prop_assert!(before.panics || was.ejected_until.is_none());
                    if let BreakerState::Open { until } = was.breaker {
                        prop_assert!(world.now >= until && picked.is_probe());
                    }
                    prop_assert!(was.in_flight < 12 && before.in_flight < 40);
                    out.push((picked, world.now));
                }
                Step::End(which, how) if !out.is_empty() => {
                    let (mut picked, _) = out.swap_remove(which % out.len());
                    picked.record(world.now, outcome(how));
                }
                Step::End(..) => {}
            }
            check(&world, &out, &settings)?;
        }
    }

    /// Hashed calls never exceed the bound while everybody is well, whatever the weights.
    #[test]
    fn bounded_load_keeps_its_bound(
        weights in proptest::collection::vec(1u32..8, 1..7),
        steps in proptest::collection::vec((0u64..6, proptest::option::of(any::<usize>())), 1..200),
    ) {
        let mut world = World::remote(0, Settings::default());
        let since = world.now - secs(60);
        let of = |weight: &u32| Attributes { locality: Locality::Zone, weight: *weight, since, version: 0 };
        world.endpoints.update(world.now, (0..).zip(weights.iter().map(of)));
        let total: u32 = weights.iter().sum();
        let mut out = Vec::new();
        for (hash, end) in steps {
            if let Some(which) = end.filter(|_| !out.is_empty()) {
                let mut picked: Picked<u32> = out.swap_remove(which % out.len());
                picked.record(world.now, Outcome::Success);
                continue;
            }
            let picked = world.pick_with(Some(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)), &[]).unwrap();
            let key = *picked.key();
            out.push(picked);
            let most = (out.len() as f64 * f64::from(weights[key as usize]) * 1.25 / f64::from(total)).ceil();
            prop_assert!(f64::from(world.of(key).in_flight) <= most);
        }
    }
}

/// Threads that pick, report and change the members at once: no place is lost, none is given back twice.
#[test]
fn threads_lose_no_places() {
    let world = World::new(&members(0xff), Settings::default());
    let endpoints = &world.endpoints;
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            scope.spawn(move || {
                let mut rng = SmallRng::seed_from_u64(thread);
                for n in 0..3_000u32 {
                    let now = Instant::now();
                    let hash = (n % 5 == 0).then_some(u64::from(n));
                    let request = PickRequest { hash, tried: &[], deadline: now + secs(1), local_is_full: n % 7 == 0 };
                    if let Ok(mut picked) = endpoints.pick(now, &mut rng, &request) {
                        picked.record(now, outcome((n % 11) as u8 % 10));
                    }
                }
            });
        }
        scope.spawn(|| {
            for bits in (1..=255).chain(1..=255) {
                world.update(&members(bits));
            }
        });
    });
    let snapshot = world.endpoints.snapshot(Instant::now());
    assert_eq!(snapshot.in_flight, 0);
    assert!(snapshot.endpoints.iter().all(|endpoint| endpoint.in_flight == 0));
}

use super::*;

/// What replaces a version that failed is not held responsible, and what is still under way in the old one says nothing
/// about it.
#[test]
fn a_new_version_begins_with_a_closed_breaker() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    let mut late: Vec<_> = (0..5).map(|_| world.pick().unwrap()).collect();
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing);
    let member = |version| {
        let since = world.now - secs(3_600);
        (1, Attributes { locality: Locality::Local, weight: 1, since, version })
    };
    let (same, next) = (member(0), member(1));
    world.endpoints.update(world.now, [same]);
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing, "it is the same one");
    world.endpoints.update(world.now, [next]);
    assert_eq!(world.call(Outcome::Success), Ok(1));
    late.iter_mut().for_each(|late| late.record(world.now, UNAVAILABLE));
    assert_eq!(world.call(Outcome::Success), Ok(1));
    assert_eq!((world.of(1).breaker, world.of(1).opens), (BreakerState::Closed, 1));
    assert_eq!((world.of(1).picks, world.of(1).failures), (12, 5), "what is counted goes on");
    drop(late);
    assert_eq!(world.endpoints.snapshot(world.now).in_flight, 0);
}

/// A new version of an endpoint that was ejected takes part at once.
#[test]
fn a_new_version_is_not_ejected() {
    let mut world = World::remote(3, no_breaker());
    world.fail(1, 5);
    assert!(world.of(1).ejected_until.is_some());
    let since = world.now - secs(3_600);
    let member = |key| (key, Attributes { locality: Locality::Zone, weight: 1, since, version: u64::from(key == 1) });
    world.endpoints.update(world.now, (0..3).map(member));
    assert_eq!(world.of(1).ejected_until, None);
    assert_eq!(world.goes_to(100), [0, 1, 2]);
    // There is room for the ejection of another one.
    world.fail(2, 5);
    assert!(world.of(2).ejected_until.is_some());
}

/// Only calls that were sent to nobody are counted as refused.
#[test]
fn a_call_that_cannot_be_sent_again_is_not_refused() {
    let mut world = World::new(&[(1, Locality::Local)], Settings::default());
    for _ in 0..5 {
        world.call(UNAVAILABLE).unwrap();
    }
    assert_eq!(world.pick_with(None, &[1]).unwrap_err(), NoEndpoint::Failing);
    assert_eq!(world.endpoints.snapshot(world.now).failing, 0);
    assert_eq!(world.pick().unwrap_err(), NoEndpoint::Failing);
    assert_eq!(world.endpoints.snapshot(world.now).failing, 1);
}

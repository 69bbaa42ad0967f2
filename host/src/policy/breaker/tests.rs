use proptest::prelude::*;

use super::*;

fn settings() -> BreakerSettings {
    BreakerSettings::default()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets a call in and reports `verdict` at once.
fn call(breaker: &mut Breaker, now: Instant, verdict: Verdict, settings: &BreakerSettings) {
    let ticket = breaker.admit(now, settings).unwrap();
    breaker.record(now, ticket, verdict, settings);
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..5 {
        call(&mut breaker, now, Verdict::Fails, &settings());
    }
    breaker
}

#[test]
fn the_fifth_failure_in_a_row_trips_and_not_the_fourth() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        call(&mut breaker, now, Verdict::Fails, &settings());
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    call(&mut breaker, now, Verdict::Works, &settings());
    for _ in 0..4 {
        call(&mut breaker, now, Verdict::Fails, &settings());
        call(&mut breaker, now, Verdict::Unknown, &settings());
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    call(&mut breaker, now, Verdict::Fails, &settings());
    assert_eq!(breaker.state(), BreakerState::Open { until: now + secs(30) });
    assert_eq!(breaker.opens(), 1);
}

#[test]
fn after_thirty_seconds_exactly_one_probe_is_let_in() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let soon = now + secs(30) - Duration::from_nanos(1);
    assert_eq!(breaker.admit(soon, &settings()).unwrap_err(), now + secs(30));
    let then = now + secs(30);
    let probe = breaker.admit(then, &settings()).unwrap();
    assert!(probe.is_probe());
    assert!(breaker.admit(then, &settings()).is_err());
    breaker.record(then, probe, Verdict::Works, &settings());
    assert!(!breaker.admit(then, &settings()).unwrap().is_probe());
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_probe_that_fails_opens_again_and_one_that_says_nothing_leaves_its_place() {
    let now = Instant::now() + secs(30);
    let mut breaker = opened(now - secs(30));
    let probe = breaker.admit(now, &settings()).unwrap();
    breaker.record(now, probe, Verdict::Unknown, &settings());
    let probe = breaker.admit(now, &settings()).unwrap();
    assert!(probe.is_probe());
    breaker.record(now, probe, Verdict::Fails, &settings());
    assert_eq!(breaker.state(), BreakerState::Open { until: now + secs(30) });
    assert_eq!(breaker.opens(), 2);
}

#[test]
fn a_lost_probe_is_replaced_and_ignored_when_it_returns() {
    let now = Instant::now() + secs(30);
    let mut breaker = opened(now - secs(30));
    let lost = breaker.admit(now, &settings()).unwrap();
    let later = now + settings().probe_lost();
    let probe = breaker.admit(later, &settings()).unwrap();
    assert!(probe.is_probe());
    breaker.record(later, lost, Verdict::Works, &settings());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.record(later, probe, Verdict::Fails, &settings());
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
}

#[test]
fn late_results_of_an_older_generation_are_ignored() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    let early: Vec<Ticket> = (0..10).map(|_| breaker.admit(now, &settings()).unwrap()).collect();
    for ticket in &early[..5] {
        breaker.record(now, *ticket, Verdict::Fails, &settings());
    }
    breaker.record(now, early[5], Verdict::Works, &settings());
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    let probe = breaker.admit(now + secs(30), &settings()).unwrap();
    breaker.record(now + secs(30), probe, Verdict::Works, &settings());
    for ticket in &early {
        breaker.record(now + secs(31), *ticket, Verdict::Fails, &settings());
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_steady_half_of_failures_trips_by_rate_only() {
    let now = Instant::now();
    let by_rate = BreakerSettings { error_percent: 50, window_calls_min: 20, ..settings() };
    let mut breaker = Breaker::default();
    let mut plain = Breaker::default();
    for n in 0..19 {
        let verdict = if n % 2 == 0 { Verdict::Fails } else { Verdict::Works };
        call(&mut breaker, now, verdict, &by_rate);
        call(&mut plain, now, verdict, &settings());
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "too few calls to judge");
    call(&mut breaker, now, Verdict::Works, &by_rate);
    call(&mut breaker, now, Verdict::Fails, &by_rate);
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    assert_eq!(plain.state(), BreakerState::Closed);
}

#[test]
fn the_window_forgets() {
    let now = Instant::now();
    let by_rate = BreakerSettings { error_percent: 50, window_calls_min: 20, failures: 1_000, ..settings() };
    let mut breaker = Breaker::default();
    for n in 0..100 {
        call(&mut breaker, now + secs(n), Verdict::Fails, &by_rate);
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "ten calls in ten seconds are too few");
}

#[test]
fn a_sign_of_life_closes_by_the_probe_and_ends_no_row_of_failures() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..5 {
        let ticket = breaker.admit(now, &settings()).unwrap();
        breaker.alive(ticket);
        breaker.record(now, ticket, Verdict::Fails, &settings());
    }
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    let probe = breaker.admit(now + secs(30), &settings()).unwrap();
    breaker.alive(probe);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn short_time_outs_and_cancellations_say_nothing() {
    let late = Outcome::Failure(Failure::Deadline);
    let least = settings().deadline_min();
    assert_eq!(Verdict::of(late, least - Duration::from_millis(1), &settings()), Verdict::Unknown);
    assert_eq!(Verdict::of(late, least, &settings()), Verdict::Fails);
    for outcome in [Outcome::Cancelled, Outcome::Rejected, Outcome::CallerFault] {
        assert_eq!(Verdict::of(outcome, secs(1), &settings()), Verdict::Unknown);
    }
    for failure in [Failure::Unreached, Failure::Unavailable] {
        assert_eq!(Verdict::of(Outcome::Failure(failure), Duration::ZERO, &settings()), Verdict::Fails);
    }
    for failure in [Failure::Internal, Failure::Trap] {
        assert_eq!(Verdict::of(Outcome::Failure(failure), Duration::ZERO, &settings()), Verdict::Errs);
    }
}

/// Or whoever finds a request that traps could close a service to everybody.
#[test]
fn errors_that_are_answered_open_it_only_when_they_are_to() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..100 {
        call(&mut breaker, now, Verdict::Errs, &settings());
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    let mut open = opened(now);
    call(&mut open, now + secs(30), Verdict::Errs, &settings());
    assert_eq!(open.state(), BreakerState::Closed, "it answers again");

    let counting = BreakerSettings { errors: true, ..settings() };
    for _ in 0..5 {
        call(&mut breaker, now, Verdict::Errs, &counting);
    }
    assert_eq!(breaker.state(), BreakerState::Open { until: now + secs(30) });
    call(&mut breaker, now + secs(30), Verdict::Errs, &counting);
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));

    let by_rate = BreakerSettings { error_percent: 50, window_calls_min: 10, ..settings() };
    let mut breaker = Breaker::default();
    for _ in 0..10 {
        call(&mut breaker, now, Verdict::Errs, &by_rate);
    }
    assert!(matches!(breaker.state(), BreakerState::Open { .. }), "who asks for a rate of errors means all of them");
}

#[test]
fn switched_off_it_lets_all_in() {
    let off = BreakerSettings { enabled: false, ..settings() };
    let now = Instant::now();
    let mut breaker = opened(now);
    assert!(breaker.admit(now, &off).is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Call,
    Report(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..20_000).prop_map(Step::Wait),
        Just(Step::Call),
        Just(Step::Call),
        (any::<usize>(), 0u8..8).prop_map(|(which, verdict)| Step::Report(which, verdict)),
    ]
}

proptest! {
    /// Whatever happens in whatever order, two probes are never under way unless the first is lost, and never is a
    /// call let in within the open time.
    #[test]
    fn never_two_probes(steps in proptest::collection::vec(step(), 1..300)) {
        let settings = settings();
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        let mut out: Vec<(Ticket, Instant)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Call => {
                    let before = breaker.state();
                    let Ok(ticket) = breaker.admit(now, &settings) else {
                        prop_assert!(before != BreakerState::Closed);
                        continue;
                    };
                    if let BreakerState::Open { until } = before {
                        prop_assert!(now >= until && ticket.is_probe());
                    }
                    if ticket.is_probe() {
                        let live = out.iter().filter(|(other, began)| {
                            other.is_probe() && now < *began + settings.probe_lost()
                        });
                        prop_assert_eq!(live.count(), 0);
                    }
                    out.push((ticket, now));
                }
                Step::Report(which, verdict) if !out.is_empty() => {
                    let (ticket, _) = out.swap_remove(which % out.len());
                    let verdict = match verdict { 0 => Verdict::Works, 1 => Verdict::Unknown, _ => Verdict::Fails };
                    breaker.record(now, ticket, verdict, &settings);
                }
                Step::Report(..) => {}
            }
        }
    }
}

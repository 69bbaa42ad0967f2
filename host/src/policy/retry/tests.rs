use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::call::{Body, ErrorKind, Side};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn trap() -> Result<Response, CallError> {
    Err(CallError::new(ErrorKind::Trap, Side::Callee, "trapped"))
}

fn unreached() -> Result<Response, CallError> {
    Err(CallError::unavailable("full"))
}

fn status(code: u16, header: Option<(&'static str, &'static str)>) -> Result<Response, CallError> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    Ok(response)
}

/// What is decided after one failed attempt of a fresh call with a fresh budget.
fn decide(idempotent: bool, answer: &Result<Response, CallError>, elsewhere: bool) -> Result<Duration, GiveUp> {
    let now = Instant::now();
    let settings = RetrySettings::default();
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut retries, budget) = (Retries::new(idempotent), Budget::new(now));
    retries.after(now, answer, Deadline::after(secs(10)), elsewhere, &settings, &budget, &mut rng)
}

#[test]
fn methods_keys_and_declarations_make_calls_idempotent() {
    let none = HeaderMap::new();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE] {
        assert!(is_idempotent(&method, &none, None), "{method}");
        assert!(!is_idempotent(&method, &none, Some(false)), "{method}");
    }
    for method in [Method::POST, Method::PATCH, Method::CONNECT] {
        assert!(!is_idempotent(&method, &none, None), "{method}");
        assert!(is_idempotent(&method, &none, Some(true)), "{method}");
    }
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", http::HeaderValue::from_static(""));
    assert!(!is_idempotent(&Method::POST, &headers, None));
    headers.insert("idempotency-key", http::HeaderValue::from_static("8e03978e"));
    assert!(is_idempotent(&Method::POST, &headers, None));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_repeated_only_when_that_is_harmless() {
    for answer in [trap(), Err(CallError::timeout("late")), status(503, None), status(502, None)] {
        assert!(decide(true, &answer, true).is_ok());
        assert_eq!(decide(false, &answer, true), Err(GiveUp::NotIdempotent));
    }
    assert_eq!(decide(true, &status(500, None), true), Err(GiveUp::Answered));
    assert_eq!(decide(true, &status(200, None), true), Err(GiveUp::Answered));
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_a_guest_goes_to_another_at_once_whatever_the_method() {
    assert_eq!(decide(false, &unreached(), true), Ok(Duration::ZERO));
    assert_eq!(decide(true, &unreached(), false), Err(GiveUp::NobodyElse));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_is_believed() {
    assert_eq!(decide(true, &status(503, Some(("retry-after", "1"))), true), Ok(secs(1)));
    assert_eq!(decide(true, &status(503, Some(("retry-after", "60"))), true), Err(GiveUp::ToldNotTo));
    let mut pushed = status(200, Some(("grpc-retry-pushback-ms", "-1"))).unwrap();
    pushed.headers_mut().insert("grpc-status", http::HeaderValue::from_static("14"));
    assert_eq!(decide(true, &Ok(pushed), true), Err(GiveUp::ToldNotTo));
}

#[tokio::test(start_paused = true)]
async fn at_most_two() {
    let now = Instant::now();
    let settings = RetrySettings::default();
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut retries, budget) = (Retries::new(true), Budget::new(now));
    let mut next = || retries.after(now, &trap(), Deadline::after(secs(10)), true, &settings, &budget, &mut rng);
    assert!(next().is_ok() && next().is_ok());
    assert_eq!(next(), Err(GiveUp::UsedUp));
    assert_eq!(retries.made(), 2);
    assert_eq!(budget.totals(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_without_room_costs_no_budget() {
    let now = Instant::now();
    let settings = RetrySettings::default();
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut retries, budget) = (Retries::new(true), Budget::new(now));
    let soon = Deadline::after(Duration::from_millis(4));
    assert_eq!(retries.after(now, &unreached(), soon, true, &settings, &budget, &mut rng), Err(GiveUp::TooLate));
    let told = status(503, Some(("retry-after", "1")));
    let late = Deadline::after(Duration::from_millis(1_004));
    assert_eq!(retries.after(now, &told, late, true, &settings, &budget, &mut rng), Err(GiveUp::TooLate));
    assert_eq!(budget.totals(), (0, 0));
    let enough = Deadline::after(Duration::from_millis(1_005));
    assert_eq!(retries.after(now, &told, enough, true, &settings, &budget, &mut rng), Ok(secs(1)));
}

#[tokio::test(start_paused = true)]
async fn without_budget_there_is_no_retry() {
    let now = Instant::now();
    let settings = RetrySettings::default();
    let mut rng = SmallRng::seed_from_u64(3);
    let budget = Budget::new(now);
    while budget.withdraw(now, &settings) {}
    let mut retries = Retries::new(true);
    let deadline = Deadline::after(secs(10));
    assert_eq!(retries.after(now, &trap(), deadline, true, &settings, &budget, &mut rng), Err(GiveUp::Budget));
    assert_eq!(retries.made(), 0);
}

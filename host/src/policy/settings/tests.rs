use std::time::Duration;

use super::*;

#[test]
fn defaults_make_sense_and_are_those_of_the_design() {
    let settings = Settings::default();
    assert_eq!(settings.validate(), Ok(()));
    assert_eq!(RouteSettings::default().validate(), Ok(()));
    assert_eq!(toml::from_str::<Settings>("").unwrap(), settings);
    assert_eq!((settings.retry.retries_max, settings.retry.body_bytes_max), (2, 65_536));
    assert_eq!((settings.retry.budget_percent, settings.retry.budget_floor_per_s), (20, 10));
    assert_eq!((settings.breaker.failures, settings.breaker.open_ms), (5, 30_000));
    assert_eq!((settings.outlier.ejection_ms, settings.outlier.ejected_percent_max), (30_000, 50));
}

#[test]
fn what_is_written_is_read_and_what_is_unknown_is_refused() {
    let text =
        "timeout_ms = 800\nbreaker = { failures = 3 }\nbalance.hash = \"header:X-User\"\nretry.idempotent = true";
    let settings: Settings = toml::from_str(text).unwrap();
    assert_eq!(settings.validate(), Ok(()));
    assert_eq!(settings.breaker, BreakerSettings { failures: 3, ..BreakerSettings::default() });
    let read: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
    assert_eq!(read, settings);
    for text in ["brakers = {}", "breaker.failure = 3", "retry.max = 1", "balance.hash = \"body\"", "limits.calls = 1"]
    {
        assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
    }
    for text in ["breaker = {}", "retry.budget_percent = 5", "hash = \"header:\"", "outlier = {}"] {
        assert!(toml::from_str::<RouteSettings>(text).is_err(), "{text}");
    }
}

#[test]
fn values_out_of_range_name_their_key() {
    for (text, key) in [
        ("timeout_ms = 0", "timeout_ms"),
        ("retry.retries_max = 3", "retry.retries_max"),
        ("retry.body_bytes_max = 65537", "retry.body_bytes_max"),
        ("retry = { backoff_ms = 300 }", "retry.backoff_ms_max"),
        ("retry.budget_percent = 101", "retry.budget_percent"),
        ("breaker.failures = 0", "breaker.failures"),
        ("breaker.error_percent = 101", "breaker.error_percent"),
        ("breaker.probe_lost_ms = 0", "breaker.probe_lost_ms"),
        ("outlier.ejection_ms = 400000", "outlier.ejection_ms_max"),
        ("outlier.ejected_percent_max = 101", "outlier.ejected_percent_max"),
        ("outlier.unreached_ms = 60001", "outlier.unreached_ms"),
        ("limits.calls_max = 0", "limits.calls_max"),
        ("limits.endpoint_calls_max = 0", "limits.endpoint_calls_max"),
        ("shed.in_flight_min = 0", "shed.in_flight_min"),
        ("balance.load_bound_percent = 100", "balance.load_bound_percent"),
        ("balance.slow_start_percent = 0", "balance.slow_start_percent"),
        ("locality.saturated_ms = 60001", "locality.saturated_ms"),
    ] {
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.validate().unwrap_err().key, key, "{text}");
    }
    let route: RouteSettings = toml::from_str("retry.retries_max = 3").unwrap();
    assert_eq!(route.validate().unwrap_err().to_string(), "`retry.retries_max`: must be from 0 to 2, and is 3");
}

#[test]
fn a_route_overrides_its_service() {
    let service: Settings =
        toml::from_str("timeout_ms = 500\nbalance.hash = \"cookie:session\"\nretry.backoff_ms = 7").unwrap();
    let plain = service.per_call(&RouteSettings::default());
    assert_eq!(plain.timeout, Some(Duration::from_millis(500)));
    assert_eq!(plain.hash, service.balance.hash);
    let route = "timeout_ms = 2000\nhash = \"off\"\nretry = { retries_max = 0, idempotent = true }";
    let call = service.per_call(&toml::from_str(route).unwrap());
    assert_eq!(call.timeout, Some(Duration::from_millis(500)), "a route cannot extend the time");
    assert_eq!(call.hash, None);
    assert_eq!((call.retry.retries_max, call.retry.idempotent, call.retry.backoff_ms), (0, Some(true), 7));
    let by: RouteSettings = toml::from_str("hash = \"source-address\"").unwrap();
    assert_eq!(service.per_call(&by).hash, Some(HashKey::SourceAddress));
}

#[test]
fn never_more_than_the_share_and_never_the_last() {
    let outlier = OutlierSettings::default();
    for (members, most) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        assert_eq!(outlier.ejected_max(members), most, "{members}");
    }
    let all = OutlierSettings { ejected_percent_max: 100, ..outlier };
    assert_eq!((all.ejected_max(1), all.ejected_max(3)), (0, 2));
    assert_eq!(OutlierSettings { eject_last: true, ..all }.ejected_max(1), 1);
}

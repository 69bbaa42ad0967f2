use std::time::Duration;

use super::*;

fn metrics() -> Metrics {
    Metrics::new(BuildInfo { version: "0.1.0", revision: "abc\"d", engine: "wasmtime 48" })
}

fn name(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[track_caller]
fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
}

#[test]
fn calls_are_counted_under_their_labels() {
    let metrics = metrics();
    let calls = metrics.calls(&name("orders"), &name("1.2.0"), &name("/orders/{id}"), Locality::Local);
    let again = metrics.calls(&name("orders"), &name("1.2.0"), &name("/orders/{id}"), Locality::Local);
    calls.record(200, None, Duration::from_micros(100));
    again.record(200, None, Duration::from_secs(11));
    again.record(200, Some(14), Duration::from_millis(1));
    let guard = calls.begin();
    metrics.unrouted().record(404, None, Duration::from_micros(5));
    let text = metrics.encode();
    let labels = "service=\"orders\",version=\"1.2.0\",route=\"/orders/{id}\"";
    assert_has(&text, &format!("hostel_calls_total{{{labels},code=\"200\",locality=\"local\"}} 2"));
    assert_has(&text, &format!("hostel_calls_total{{{labels},code=\"UNAVAILABLE\",locality=\"local\"}} 1"));
    assert_has(&text, "hostel_calls_total{service=\"\",version=\"\",route=\"\",code=\"404\",locality=\"none\"} 1");
    let bucket = |le: &str, count: u64| {
        let labels = "service=\"orders\",route=\"/orders/{id}\",locality=\"local\"";
        // The bound is written before the other labels.
        let line = format!("hostel_call_duration_seconds_bucket{{le=\"{le}\",{labels}}} {count}");
        assert_has(&text, &line);
    };
    bucket("0.0001", 1);
    bucket("0.0005", 1);
    bucket("0.001", 2);
    bucket("10.0", 2);
    bucket("+Inf", 3);
    assert_has(&text, "hostel_calls_in_flight{service=\"orders\"} 1");
    drop(guard);
    assert_has(&metrics.encode(), "hostel_calls_in_flight{service=\"orders\"} 0");
}

#[test]
fn services_modules_and_the_process_are_shown() {
    let metrics = metrics();
    let orders = metrics.service(&name("orders"));
    orders.instance_started(Duration::from_micros(15));
    orders.instance_started(Duration::from_micros(15));
    orders.instance_ended(EndReason::Trap);
    orders.swap(SwapResult::Failed);
    orders.queue_rejected();
    orders.log_lines_dropped(7);
    metrics.set_modules(&[("serving", 3), ("failed", 1)]);
    metrics.set_modules(&[("serving", 4)]);
    let own = prometheus_client::metrics::counter::Counter::<u64>::default();
    metrics.register("hostel_own", "Another module's", own.clone());
    own.inc();
    metrics.register_counter_fn("hostel_read", "Read on demand", || 42);
    let text = metrics.encode();
    for line in [
        "hostel_instances{service=\"orders\"} 1",
        "hostel_instances_started_total{service=\"orders\"} 2",
        "hostel_instance_start_seconds_total{service=\"orders\"} 0.00003",
        "hostel_instances_ended_total{service=\"orders\",reason=\"trap\"} 1",
        "hostel_instances_ended_total{service=\"orders\",reason=\"idle\"} 0",
        "hostel_module_swaps_total{service=\"orders\",result=\"failed\"} 1",
        "hostel_queue_rejected_total{service=\"orders\"} 1",
        "hostel_guest_log_lines_dropped_total{service=\"orders\"} 7",
        "hostel_modules{state=\"serving\"} 4",
        "hostel_modules{state=\"failed\"} 0",
        "hostel_own_total 1",
        "hostel_read_total 42",
        "hostel_build_info{version=\"0.1.0\",revision=\"abc\\\"d\",engine=\"wasmtime 48\"} 1",
        "# TYPE process_cpu_seconds counter",
        "# EOF",
    ] {
        assert_has(&text, line);
    }
}

#[test]
fn retired_counters_go_after_a_while_and_come_back_when_used() {
    let metrics = metrics();
    let (orders, route) = (name("orders"), name("/"));
    let gone = name("/gone");
    metrics.calls(&orders, &name("a"), &gone, Locality::Local);
    for version in ["a", "b"] {
        let calls = metrics.calls(&orders, &name(version), &route, Locality::Local);
        calls.record(200, None, Duration::ZERO);
    }
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    metrics.table.retire_version("orders", "a", start);
    metrics.table.sweep(after(599));
    assert!(metrics.encode().contains("version=\"a\""));
    metrics.calls(&orders, &name("a"), &route, Locality::Local);
    metrics.table.sweep(after(10_000));
    assert!(metrics.encode().contains("version=\"a\""));
    metrics.table.retire_version("orders", "a", start);
    metrics.table.sweep(after(600));
    let text = metrics.encode();
    assert!(!text.contains("version=\"a\"") && text.contains("version=\"b\""));
    assert!(!text.contains("/gone") && text.contains("route=\"/\""));
    metrics.table.retire_service("orders", start);
    metrics.table.sweep(after(600));
    assert!(!metrics.encode().contains("orders"));
    metrics.table.retire_service("unknown", start);
}

#[test]
fn every_label_has_a_bound() {
    let metrics = metrics();
    let count = |needle: &str| metrics.encode().lines().filter(|line| line.contains(needle)).count();
    let record = |service: &str, version: &str, route: &str| {
        let calls = metrics.calls(&name(service), &name(version), &name(route), Locality::Local);
        calls.record(200, None, Duration::ZERO);
    };
    (0..300).for_each(|n| record("orders", "1", &format!("/{n}")));
    assert_eq!(count("hostel_calls_total{service=\"orders\""), 201);
    assert_eq!(count("route=\"other\",code=\"200\",locality=\"local\"} 100"), 1);
    record("orders", "1", "/7");
    assert_eq!(count("route=\"/7\",code=\"200\",locality=\"local\"} 2"), 1);

    (0..15).for_each(|n| record("users", &format!("{n}"), "/"));
    metrics.retire_version("users", "3");
    metrics.retire_version("users", "2");
    (15..20).for_each(|n| record("users", &format!("{n}"), "/"));
    assert_eq!(count("hostel_calls_total{service=\"users\",version=\"3\""), 0);
    assert_eq!(count("hostel_calls_total{service=\"users\",version=\"2\""), 0);
    assert_eq!(count("hostel_calls_total{service=\"users\",version=\"other\""), 1);
    assert_eq!(count("hostel_calls_total{service=\"users\""), 17);

    (0..1100).for_each(|n| record(&format!("s{n}"), "1", "/"));
    assert_eq!(count("hostel_instances{"), 1001);
    assert_eq!(count("hostel_calls_total{service=\"other\""), 1);
}

#[test]
fn counts_are_not_lost_between_threads() {
    let metrics = metrics();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let calls = metrics.calls(&name("orders"), &name("1"), &name("/"), Locality::Local);
                for _ in 0..1000 {
                    let _guard = calls.begin();
                    calls.record(200, None, Duration::from_micros(1));
                }
            });
        }
    });
    let text = metrics.encode();
    let labels = "service=\"orders\",version=\"1\",route=\"/\",code=\"200\",locality=\"local\"";
    assert_has(&text, &format!("hostel_calls_total{{{labels}}} 4000"));
    assert_has(&text, "hostel_calls_in_flight{service=\"orders\"} 0");
}

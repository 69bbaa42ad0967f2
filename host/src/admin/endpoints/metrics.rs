//! Endpoints and policies in metrics.
//!
//! Services are as many as have been called. Of single endpoints only those of services with few of them are shown, so
//! that a thousand nodes with hundreds of services each do not become a million time series; of the others, how many are
//! in which state.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::CalledService;
use crate::admin::out::Out;
use crate::router::Router;

/// Services with more endpoints are shown by state only.
const SINGLE_MAX: usize = 8;
/// Services that are shown at all; a host that calls more has them in its status.
const SERVICES_MAX: usize = 1_000;

/// Collects what is known of the endpoints of the services that have been called.
pub(in crate::admin) struct EndpointMetrics(Router);

impl EndpointMetrics {
    pub(in crate::admin) fn new(router: Router) -> Self {
        Self(router)
    }
}

impl fmt::Debug for EndpointMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointMetrics").finish_non_exhaustive()
    }
}

/// What a call from here finds an endpoint to be.
const STATES: [&str; 3] = ["healthy", "ejected", "broken"];

impl Collector for EndpointMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let called: Vec<_> = self.0.snapshot().iter().take(SERVICES_MAX).map(CalledService::new).collect();
        let mut out = Out::new(&mut encoder);
        states(&mut out, &called)?;
        for (name, help, count) in COUNTERS {
            let counts = called.iter().map(|service| ([("service", &*service.service)], count(service)));
            out.counter_family(name, help, counts)?;
        }
        let refused = called.iter().flat_map(|service| {
            let reasons = [("shed", service.shed), ("saturated", service.saturated), ("failing", service.failing)];
            reasons.map(|(reason, count)| ([("service", &*service.service), ("reason", reason)], count))
        });
        let help = "Calls that were sent to no endpoint, by reason";
        out.counter_family("hostel_calls_refused", help, refused)?;
        single(&mut out, &called)
    }
}

type Count = fn(&CalledService) -> u64;

const COUNTERS: [(&str, &str, Count); 2] = [
    ("hostel_retries", "Calls that were sent again", |service| service.retries),
    ("hostel_retries_refused", "Retries not made because too many calls were retried", |service| {
        service.retries_refused
    }),
];

fn states(out: &mut Out<'_, '_>, called: &[CalledService]) -> fmt::Result {
    let counts = called.iter().flat_map(|service| {
        let in_state = |wanted: &str| service.endpoints.iter().filter(|endpoint| state(endpoint) == wanted).count();
        STATES.map(|wanted| ([("service", &*service.service), ("state", wanted)], in_state(wanted) as u64))
    });
    out.gauge_family("hostel_endpoints", "Endpoints of services that this host calls, by state", counts)
}

fn state(endpoint: &super::EndpointReport) -> &'static str {
    match (&*endpoint.breaker, endpoint.ejected_s) {
        ("closed", None) => "healthy",
        ("closed", Some(_)) => "ejected",
        _ => "broken",
    }
}

fn single(out: &mut Out<'_, '_>, called: &[CalledService]) -> fmt::Result {
    let few = || called.iter().filter(|service| service.endpoints.len() <= SINGLE_MAX);
    let all = || {
        few().flat_map(|service| {
            service.endpoints.iter().map(|endpoint| {
                let node = endpoint.node.as_deref().unwrap_or_default();
                ([("service", &*service.service), ("node", node)], endpoint)
            })
        })
    };
    let help = "Calls under way at an endpoint; the node is empty for this host";
    out.gauge_family(
        "hostel_endpoint_calls_in_flight",
        help,
        all().map(|(labels, endpoint)| (labels, f64::from(endpoint.in_flight))),
    )?;
    let help = "The latency by which an endpoint is balanced";
    let latency =
        |(labels, endpoint): ([(_, _); 2], &super::EndpointReport)| Some((labels, endpoint.latency_ms? / 1e3));
    out.gauge_family("hostel_endpoint_latency_seconds", help, all().filter_map(latency))?;
    out.counter_family(
        "hostel_endpoint_calls",
        "Calls sent to an endpoint",
        all().map(|(labels, endpoint)| (labels, endpoint.calls)),
    )?;
    out.counter_family(
        "hostel_endpoint_failures",
        "Calls that failed at an endpoint",
        all().map(|(labels, endpoint)| (labels, endpoint.failures)),
    )?;
    out.counter_family(
        "hostel_endpoint_ejections",
        "How often an endpoint was ejected for failing more often than others",
        all().map(|(labels, endpoint)| (labels, endpoint.ejections)),
    )?;
    out.counter_family(
        "hostel_endpoint_breaker_opens",
        "How often the breaker of an endpoint opened",
        all().map(|(labels, endpoint)| (labels, endpoint.breaker_opens)),
    )
}

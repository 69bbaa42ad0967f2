//! What the host says of itself on its admin port.

use std::time::Duration;

use serde_json::Value;

use super::host::Host;
use super::http::Client;
use super::reply::Reply;
use super::wait::eventually;

impl Host {
    pub async fn admin_get(&self, path: &str) -> Reply {
        let url = format!("http://{}{path}", self.admin);
        Client::h1(self.admin).get(&url).await
    }

    pub async fn status(&self) -> Value {
        self.admin_get("/api/v1/status").await.expect(200).json()
    }

    /// What the status says of one service, if it says anything.
    pub async fn service(&self, name: &str) -> Option<Value> {
        let status = self.status().await;
        let services = status["services"].as_array();
        let services = services.unwrap_or_else(|| panic!("no services in {status}"));
        let found = services.iter().find(|service| service["name"] == name);
        found.cloned()
    }

    /// Waits until the status of a service, or its absence (null), is as wanted.
    pub async fn service_is(&self, name: &str, what: &str, want: impl Fn(&Value) -> bool) -> Value {
        self.service_gets(name, what, Duration::from_secs(30), want).await
    }

    async fn service_gets(&self, name: &str, what: &str, within: Duration, want: impl Fn(&Value) -> bool) -> Value {
        let what = format!("the status of {name}: {what}");
        eventually(&what, within, async || {
            let service = self.service(name).await.unwrap_or_default();
            if want(&service) { Ok(service) } else { Err(service.to_string()) }
        })
        .await
    }

    /// Waits until a service runs optimised code, which is kept for the next start. The compiler gets only what other tests
    /// leave over, for half a minute at least.
    pub async fn runs_optimised(&self, service: &str) -> Value {
        let optimised = |service: &Value| service["code"] == "optimised";
        self.service_gets(service, "it runs optimised code", Duration::from_secs(180), optimised).await
    }

    /// Waits until so many calls of a service are under way.
    pub async fn in_flight(&self, service: &str, calls: u32) {
        let what = format!("{calls} calls of {service} are under way");
        eventually(&what, Duration::from_secs(10), async || {
            let metrics = self.metrics().await;
            let now = metrics.sum("hostel_calls_in_flight", &[("service", service)]);
            let wanted = now == f64::from(calls);
            wanted.then_some(()).ok_or_else(|| now.to_string())
        })
        .await;
    }

    pub async fn metrics(&self) -> Metrics {
        let reply = self.admin_get("/metrics").await.expect(200);
        Metrics { text: reply.text() }
    }
}

/// All metrics at one moment.
pub struct Metrics {
    pub text: String,
}

impl Metrics {
    /// The sum of all series of this name that have all of these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.text.lines().filter(|line| {
            let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            named && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        });
        let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }
}

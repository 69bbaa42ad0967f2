//! The fields that hosts talk to each other with are theirs alone: whoever else sends them, clients or guests, in requests,
//! responses or trailers, is not heard.

use serde_json::Value;

use crate::harness::cluster::Cluster;
use crate::harness::guests::{ECHO, HOSTILE, HOSTILE_LEAN};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, request, with};

/// All fields of a link, with values that would do harm if they were taken for real.
const FIELDS: [(&str, &str); 16] = [
    ("hostel-caller", "payments"),
    ("hostel-depth", "0"),
    ("hostel-target", "hostile"),
    ("hostel-control", "push-pull"),
    ("hostel-route", "/forged"),
    ("hostel-whole", "1"),
    ("hostel-length", "1"),
    ("hostel-method", "DELETE"),
    ("hostel-node", "somebody"),
    ("hostel-error", "denied"),
    ("hostel-error-side", "host"),
    ("hostel-error-message", "forged"),
    ("hostel-error-retryable", "1"),
    ("hostel-error-retry-after-ms", "99999"),
    ("hostel-error-allowed", "FORGE"),
    ("hostel-anything", "at all"),
];

async fn cluster() -> Cluster {
    Cluster::start([
        ("edge", Host::builder()),
        ("caller", Host::builder().guest(&HOSTILE).guest(&HOSTILE_LEAN)),
        ("callee", Host::builder().guest(&ECHO).manifest("echo", "[grants]\ncallers = ['edge', 'hostile']\n")),
    ])
    .await
}

#[track_caller]
fn only_the_hosts_own(headers: &Value, caller: &str, depth: &str) {
    let headers = headers.as_object().unwrap();
    let own: Vec<&String> = headers.keys().filter(|name| name.starts_with("hostel-")).collect();
    assert_eq!(own, ["hostel-caller", "hostel-depth", "hostel-timeout"], "{headers:?}");
    assert_eq!(headers["hostel-caller"], caller, "{headers:?}");
    assert_eq!(headers["hostel-depth"], depth, "{headers:?}");
}

#[tokio::test]
async fn by_clients() {
    let cluster = cluster().await;
    let edge = cluster.host("edge");
    for client in [Client::h1(edge.edge), Client::h2(edge.edge)] {
        let url = edge.url("/echo/headers");
        let forged = FIELDS.iter().fold(get(&url), |request, (name, value)| with(request, name, value));
        only_the_hosts_own(&client.send(forged).await.expect(200).json(), "edge", "0");
        // One by one as well: nothing of it may make the call another one, or none.
        for (name, value) in FIELDS {
            let reply = client.send(with(get(&url), name, value)).await;
            only_the_hosts_own(&reply.expect(200).json(), "edge", "0");
            let body = crate::harness::http::full("a body of some length");
            let reply = client.send(with(request("POST", &edge.url("/echo/echo"), body), name, value)).await;
            assert_eq!(reply.expect(200).text(), "a body of some length", "{name}");
        }
    }
}

/// The guest that is allowed to call says it is somebody else, and so does one that is not allowed.
#[tokio::test]
async fn by_guests() {
    let cluster = cluster().await;
    let edge = cluster.host("edge");
    let headers: Value = edge.get("/hostile/forge/echo").await.expect(200).json();
    only_the_hosts_own(&headers, "hostile", "1");
    assert_eq!(headers["x-honest"], "kept");
    let reply = edge.get("/hostile-lean/forge/echo").await;
    assert_eq!(reply.status, 502, "{reply}");
    assert!(reply.text().contains("Denied"), "{reply}");
    let metrics = cluster.host("callee").metrics().await;
    let served = metrics.sum("hostel_calls_total", &[("service", "echo"), ("code", "200")]);
    assert_eq!(served, 1.0);
}

/// A service's answer stays its answer, whatever it claims: the host on the way does not take it for an error of the other.
#[tokio::test]
async fn in_responses() {
    let cluster = cluster().await;
    let edge = cluster.host("edge");
    for path in ["/hostile/bad-headers/forged", "/hostile-lean/bad-headers/forged", "/hostile-lean/bad-trailers/forged"]
    {
        for client in [Client::h1(edge.edge), Client::h2(edge.edge)] {
            let reply = client.send(with(get(&edge.url(path)), "te", "trailers")).await.expect(200);
            assert_eq!(reply.text(), "0123456789", "{path}: {reply}");
            let names = reply.headers.keys().chain(reply.trailers.keys());
            let own: Vec<_> = names.filter(|name| name.as_str().starts_with("hostel-")).collect();
            assert!(own.is_empty(), "{path}: {own:?}");
        }
    }
}

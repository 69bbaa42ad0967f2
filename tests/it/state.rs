//! Key-value storage: what was acknowledged lasts, what runs at the same time loses nothing, and nobody sees or fills
//! what is another's.

mod crash;

use futures::future::join_all;

use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{empty, full, request};
use crate::harness::reply::Reply;

/// One call after the other on each instance, and so many instances that they run side by side.
const SPREAD: &str = "[instances]\nmax = 8\nconcurrency = 1\n";

impl Host {
    /// Writes a value; `service` has the routes of `echo`.
    async fn put(&self, service: &str, bucket: &str, key: &str, value: impl Into<bytes::Bytes>) -> Reply {
        let url = self.url(&format!("/{service}/kv/{bucket}/{key}"));
        self.http.send(request("PUT", &url, full(value))).await
    }

    async fn value(&self, service: &str, bucket: &str, key: &str) -> Option<String> {
        let reply = self.get(&format!("/{service}/kv/{bucket}/{key}")).await;
        match reply.status {
            404 => None,
            _ => Some(reply.expect(200).text()),
        }
    }

    async fn keys(&self, service: &str, bucket: &str) -> Vec<String> {
        self.get(&format!("/{service}/kv/{bucket}")).await.expect(200).json()
    }

    async fn delete(&self, service: &str, bucket: &str, key: &str) -> Reply {
        let url = self.url(&format!("/{service}/kv/{bucket}/{key}"));
        self.http.send(request("DELETE", &url, empty())).await
    }
}

#[tokio::test]
async fn values_are_kept_listed_and_deleted() {
    let host = Host::with(&[&ECHO]).await;
    assert_eq!(host.value("echo", "b", "k").await, None);
    host.put("echo", "b", "k", "one").await.expect(204);
    host.put("echo", "b", "k", "two").await.expect(204);
    host.put("echo", "b", "empty", "").await.expect(204);
    host.put("echo", "c", "k", "another bucket").await.expect(204);
    assert_eq!(host.value("echo", "b", "k").await.as_deref(), Some("two"));
    assert_eq!(host.value("echo", "b", "empty").await.as_deref(), Some(""));
    assert_eq!(host.value("echo", "c", "k").await.as_deref(), Some("another bucket"));
    assert_eq!(host.keys("echo", "b").await, ["empty", "k"]);
    let exists = host.get("/echo/kv/b/empty/exists").await.expect(200);
    assert_eq!(exists.text(), "true");
    host.delete("echo", "b", "k").await.expect(204);
    host.delete("echo", "b", "k").await.expect(204);
    assert_eq!(host.value("echo", "b", "k").await, None);
    assert_eq!(host.keys("echo", "b").await, ["empty"]);
    assert_eq!(host.keys("echo", "unknown").await, [""; 0]);
}

#[tokio::test]
async fn many_at_once_are_written_and_found() {
    let host = Host::with(&[&ECHO]).await;
    let pairs: serde_json::Map<_, _> =
        (0..500).map(|number| (format!("key-{number:04}"), number.to_string().into())).collect();
    let request = request("POST", &host.url("/echo/kv/b"), full(serde_json::to_vec(&pairs).unwrap()));
    let request = crate::harness::http::with(request, "content-type", "application/json");
    let found: Vec<String> = host.http.send(request).await.expect(200).json();
    assert_eq!(found.len(), 500);
    // More keys than one page of a listing has.
    let writes = (0..1000).map(|number| {
        let host = &host;
        async move { host.put("echo", "b", &format!("more-{number:04}"), "x").await.expect(204) }
    });
    join_all(writes).await;
    let keys = host.keys("echo", "b").await;
    assert_eq!(keys.len(), 1500);
    assert!(keys.is_sorted());
}

#[tokio::test]
async fn concurrent_increments_lose_nothing() {
    let host = Host::builder().guest(&ECHO).manifest("echo", SPREAD).start().await;
    let clients = (0..50).map(|_| {
        let host = &host;
        async move {
            let mut last = 0;
            for _ in 0..40 {
                let reply = host.post("/echo/kv/b/counter/add/1", "").await.expect(200);
                let now: u64 = reply.text().parse().unwrap();
                assert!(now > last, "{now} after {last}");
                last = now;
            }
        }
    });
    join_all(clients).await;
    let reply = host.post("/echo/kv/b/counter/add/0", "").await.expect(200);
    assert_eq!(reply.text(), "2000");
    let metrics = host.metrics().await;
    let instances = metrics.sum("hostel_instances_started_total", &[("service", "echo")]);
    assert!(instances > 1.0, "all of it ran in one instance");
}

#[tokio::test]
async fn compare_and_swap_loses_no_update() {
    let host = Host::builder().guest(&ECHO).manifest("echo", SPREAD).start().await;
    let clients = (0..20_u8).map(|client| {
        let host = &host;
        async move {
            for _ in 0..10 {
                let letter = char::from(b'a' + client).to_string();
                host.post("/echo/kv/b/letters/append", letter).await.expect(200);
            }
        }
    });
    join_all(clients).await;
    let letters = host.value("echo", "b", "letters").await.unwrap();
    assert_eq!(letters.len(), 200);
    for client in 0..20 {
        let letter = char::from(b'a' + client);
        let count = letters.chars().filter(|c| *c == letter).count();
        assert_eq!(count, 10, "{letter} in {letters}");
    }
    let race = host.post("/echo/kv/b/race/race", "").await.expect(200);
    assert_eq!(race.text(), "lost to theirs, then won");
    assert_eq!(host.value("echo", "b", "race").await.as_deref(), Some("ours at last"));
}

#[tokio::test]
async fn each_service_has_a_space_of_its_own() {
    let host = Host::builder().guest_as("first", &ECHO).guest_as("second", &ECHO).start().await;
    host.put("first", "b", "k", "of the first").await.expect(204);
    assert_eq!(host.value("second", "b", "k").await, None);
    assert_eq!(host.keys("second", "b").await, [""; 0]);
    host.put("second", "b", "k", "of the second").await.expect(204);
    host.delete("second", "b", "k").await.expect(204);
    assert_eq!(host.value("first", "b", "k").await.as_deref(), Some("of the first"));
}

#[tokio::test]
async fn a_new_version_finds_what_the_old_one_wrote() {
    let host = Host::builder().guest(&ECHO).manifest("echo", "version = '1'").start().await;
    host.put("echo", "b", "k", "kept").await.expect(204);
    host.install_manifest("echo", "version = '2'");
    host.service_is("echo", "version 2", |service| service["version"] == "2").await;
    assert_eq!(host.value("echo", "b", "k").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn quotas_are_enforced_and_deleting_makes_room() {
    let limits = "[limits]\nkv_keys_max = 5\nkv_value_bytes_max = 1000\nkv_bytes_max = 3000\n";
    let host = Host::builder().guest(&ECHO).manifest("echo", limits).guest_as("other", &ECHO).start().await;
    let refused = async |bucket: &str, key: &str, len: usize| {
        let reply = host.put("echo", bucket, key, vec![b'x'; len]).await;
        assert_eq!(reply.status, 500, "{key}: {reply}");
        assert_eq!(host.value("echo", bucket, key).await, None);
    };
    // One value.
    refused("b", "large", 1001).await;
    host.put("echo", "b", "k0", vec![b'x'; 1000]).await.expect(204);
    // All together.
    host.put("echo", "b", "k1", vec![b'x'; 1000]).await.expect(204);
    refused("b", "k2", 1000).await;
    host.delete("echo", "b", "k1").await.expect(204);
    host.put("echo", "b", "k2", vec![b'x'; 1000]).await.expect(204);
    // Keys, in all buckets.
    for key in ["k3", "k4", "k5"] {
        host.put("echo", "c", key, "x").await.expect(204);
    }
    refused("d", "k6", 1).await;
    host.put("echo", "c", "k5", "another value of a key that is there").await.expect(204);
    host.delete("echo", "c", "k3").await.expect(204);
    host.put("echo", "d", "k6", "x").await.expect(204);
    // Nobody else pays for it.
    host.put("other", "b", "large", vec![b'x'; 100_000]).await.expect(204);
}

use super::super::fixture::{deployed, platform};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_says_what_others_need_to_know() {
    let platform = platform();
    let manifest = "[policy]\ntimeout_ms = 500\n[[route]]\npath = '/a'";
    let version = deployed(&platform, "orders", manifest).await;
    assert_eq!(version.policy().timeout_ms, Some(500));
    assert_eq!(version.treatment().timeout, Some(Duration::from_millis(500)));
    assert_eq!(version.method_idempotent("/shop.Orders/Get"), None);
    let told = Description::decode(version.service(), version.description()).unwrap();
    assert_eq!((told.routes.len(), told.policy.timeout_ms), (1, Some(500)));

    let again = deployed(&platform, "orders", manifest).await;
    assert_eq!(again.digest8(), version.digest8());
    // What is nobody else's business changes nothing.
    let limited = deployed(&platform, "orders", &format!("{manifest}\n[limits]\nwall_ms = 1000")).await;
    assert_eq!(limited.digest8(), version.digest8());
    let other = deployed(&platform, "orders", "[policy]\ntimeout_ms = 501\n[[route]]\npath = '/a'").await;
    assert_ne!(other.digest8(), version.digest8());
    for version in [version, again, limited, other] {
        version.pool().kill();
    }
}

#[test]
fn components_and_descriptions_have_digests() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_eq!(digest8(&a, b"x"), digest8(&a, b"x"));
    assert_ne!(digest8(&a, b"x"), digest8(&b, b"x"));
    assert_ne!(digest8(&a, b"x"), digest8(&a, b"y"));
}

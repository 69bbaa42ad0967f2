//! `hostel cluster`: making clusters, letting nodes in, rotating keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::builder::command;
use crate::harness::command::{Output, hostel, run};
use crate::harness::host::Host;

/// `hostel cluster` with arguments.
async fn cluster(dir: &Path, arguments: &[&str]) -> Output {
    hostel(dir, &[&["cluster"], arguments].concat()).await
}

/// The same, with a file as standard input.
async fn cluster_reading(dir: &Path, file: &str, arguments: &[&str]) -> Output {
    let hostel = command(dir);
    let mut shell = Command::new("sh");
    shell.current_dir(dir).args(["-c", &format!("exec \"$0\" cluster \"$@\" < {file}")]);
    shell.arg(hostel.get_program()).args(arguments);
    run(&mut shell, Duration::from_secs(60)).await
}

async fn json(dir: &Path, arguments: &[&str]) -> Value {
    let output = cluster(dir, &[arguments, &["--json"]].concat()).await.expect(0);
    serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}: {output}"))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).permissions().mode() & 0o777
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_cluster_is_made_once_and_says_what_is_next() {
    let dir = tempfile::tempdir().unwrap();
    let output = cluster(dir.path(), &["init"]).await.expect(0);
    for part in
        ["`hostel`", "hostel up --cluster cluster --node one", "hostel cluster token cluster --node two", "secret"]
    {
        assert!(output.out.contains(part), "`{part}` is not in {output}");
    }
    let made = dir.path().join("cluster");
    assert_eq!((mode(&made.join("ca.key")), mode(&made.join("gossip.keys"))), (0o600, 0o600));
    assert!(made.join("ca.pem").exists());
    // A second one would lock out the nodes of the first.
    cluster(dir.path(), &["init"]).await.expect_one_line(1, &["cluster/ca.key", "exists"]);
    let report = json(dir.path(), &["init", "other one", "--name", "shop"]).await;
    assert_eq!((&report["cluster"], &report["dir"]), (&"shop".into(), &"other one".into()));
    let output = cluster(dir.path(), &["init", "x", "--name", ""]).await.expect(2);
    assert!(output.err.contains("the name of the cluster is empty") && output.err.contains("1 to 63"), "{output}");
    let output = cluster(dir.path(), &["init", "x", "--name", "Shop_1"]).await.expect(2);
    assert!(output.err.contains("cannot name a cluster") && !dir.path().join("x").exists(), "{output}");
    fs::write(dir.path().join("file"), "").unwrap();
    cluster(dir.path(), &["init", "file"]).await.expect_one_line(1, &["file"]);
}

#[tokio::test]
async fn a_token_alone_is_printed_and_makes_a_node() {
    let dir = tempfile::tempdir().unwrap();
    cluster(dir.path(), &["init", "ca", "--name", "shop"]).await.expect(0);
    let arguments = ["token", "ca", "--node", "two", "--seed", "10.0.0.1:7946", "--seed", "hosts.internal:7946"];
    let output = cluster(dir.path(), &arguments).await.expect(0);
    assert!(output.out.starts_with("hostel-token-1.") && !output.out.contains(char::is_whitespace), "{output}");
    assert!(output.err.contains("secret") && output.err.contains("30 days"), "{output}");
    let token = output.out;

    // From standard input, with a line end.
    fs::write(dir.path().join("two.token"), format!("{token}\n")).unwrap();
    let joined = cluster_reading(dir.path(), "two.token", &["join", "-"]).await.expect(0);
    for part in [
        "`two`",
        "`shop`",
        "29 d 23 h",
        "hostel up --cluster cluster --peer ADDRESS:7946\n",
        "10.0.0.1:7946, hosts.internal:7946 (cluster/seeds)",
    ] {
        assert!(joined.out.contains(part), "`{part}` is not in {joined}");
    }
    let node = dir.path().join("cluster");
    let read = |file: &str| fs::read_to_string(node.join(file)).unwrap();
    assert_eq!(read("seeds"), "10.0.0.1:7946\nhosts.internal:7946\n");
    assert_eq!((mode(&node.join("node.pem")), mode(&node.join("gossip.keys"))), (0o600, 0o600));
    assert_eq!(read("gossip.keys"), fs::read_to_string(dir.path().join("ca/gossip.keys")).unwrap());
    assert!(!joined.out.contains("PRIVATE") && !joined.err.contains("PRIVATE"), "{joined}");

    // As an argument; and what scripts read.
    let report = json(dir.path(), &["join", &token, "--dir", "elsewhere"]).await;
    assert_eq!(
        (&report["cluster"], &report["node"], &report["dir"]),
        (&"shop".into(), &"two".into(), &"elsewhere".into())
    );
    assert_eq!(report["seeds"].as_array().map(Vec::len), Some(2));
    let made = json(dir.path(), &["token", "ca", "--node", "two", "--valid", "1"]).await;
    let expires = made["expires_unix_s"].as_u64().unwrap();
    assert!(expires.abs_diff(now_s() + 24 * 3600) < 60, "{made}");

    // A renewal replaces the certificate and keeps the seeds it does not name.
    let before = read("node.pem");
    let renewal = made["token"].as_str().unwrap();
    let joined = cluster(dir.path(), &["join", renewal]).await.expect(0);
    for part in ["has a new certificate", "23 h 59 min", "a running host notices", "10.0.0.1:7946"] {
        assert!(joined.out.contains(part), "`{part}` is not in {joined}");
    }
    assert!(read("node.pem") != before && read("seeds").contains("10.0.0.1:7946"));
}

#[tokio::test]
async fn tokens_that_cannot_be_made() {
    let dir = tempfile::tempdir().unwrap();
    cluster(dir.path(), &["token", "--node", "two"])
        .await
        .expect_one_line(1, &["ca.key", "hostel cluster init cluster"]);
    cluster(dir.path(), &["init"]).await.expect(0);
    for (arguments, word) in [
        (&["token"][..], "--node"),
        (&["token", "--node", "Two"], "cannot name a node"),
        (&["token", "--node", "two", "--valid", "0"], "--valid"),
        (&["token", "--node", "two", "--valid", "99999"], "--valid"),
        (&["token", "--node", "two", "--seed", "10.0.0.1"], "HOST:PORT"),
        (&["token", "--node", "two", "--seed", "a b:1"], "HOST:PORT"),
    ] {
        let output = cluster(dir.path(), arguments).await.expect(2);
        assert!(output.err.contains(word) && output.out.is_empty(), "{arguments:?}: {output}");
    }
    // A node's folder is not the CA's, even if it holds the same certificate.
    let token = cluster(dir.path(), &["token", "--node", "two"]).await.expect(0);
    assert!(token.err.contains("no seeds") && token.err.contains("--seed"), "{token}");
    cluster(dir.path(), &["join", &token.out, "--dir", "node"]).await.expect(0);
    cluster(dir.path(), &["token", "node", "--node", "three"]).await.expect_one_line(1, &["node has no ca.key"]);
    let key = dir.path().join("cluster/ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    cluster(dir.path(), &["token", "--node", "two"]).await.expect_one_line(1, &["cluster/ca.key", "chmod 600"]);
}

#[tokio::test]
async fn tokens_that_are_none_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    cluster(dir.path(), &["init", "ca"]).await.expect(0);
    let token = cluster(dir.path(), &["token", "ca", "--node", "two"]).await.expect(0).out;
    let cut = &token[..token.len() - 9];
    for (text, words) in [
        ("secret-password", &["no join token", "does not begin with"][..]),
        (cut, &["no join token", "copied as a whole"]),
    ] {
        let output = cluster(dir.path(), &["join", text]).await.expect_one_line(1, words);
        assert!(!output.err.contains(text), "what may be a secret is not repeated: {output}");
    }
    cluster(dir.path(), &["join"]).await.expect(2);
    cluster(dir.path(), &["join", "-"]).await.expect_one_line(1, &["no token on standard input"]);
    fs::write(dir.path().join("huge"), vec![b'x'; 1 << 20]).unwrap();
    cluster_reading(dir.path(), "huge", &["join", "-"]).await.expect_one_line(1, &["too long"]);
    assert!(!dir.path().join("cluster").exists());

    // Neither the CA's folder nor that of another node is overwritten.
    cluster(dir.path(), &["join", &token, "--dir", "ca"]).await.expect_one_line(1, &["ca:", "CA"]);
    cluster(dir.path(), &["join", &token]).await.expect(0);
    let before = fs::read(dir.path().join("cluster/node.pem")).unwrap();
    let three = cluster(dir.path(), &["token", "ca", "--node", "three"]).await.expect(0).out;
    cluster(dir.path(), &["join", &three]).await.expect_one_line(1, &["`two`", "`three`", "--dir"]);
    assert_eq!(fs::read(dir.path().join("cluster/node.pem")).unwrap(), before);
    assert!(!dir.path().join("ca/node.pem").exists());
}

#[tokio::test]
async fn keys_are_rotated_in_three_steps_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["cluster/gossip.keys", "no folder of a cluster", "hostel cluster init cluster"];
    cluster(dir.path(), &["keys", "list"]).await.expect_one_line(1, &words);
    cluster(dir.path(), &["init"]).await.expect(0);
    let file = dir.path().join("cluster/gossip.keys");
    let keys = || fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let old = keys().remove(0);
    let listed = json(dir.path(), &["keys", "list"]).await;
    let print = listed[0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["encrypts"]), (Some(1), &true.into()));
    cluster(dir.path(), &["keys", "promote"]).await.expect_one_line(1, &["nothing to promote", "add a new one first"]);
    let unchanged = cluster(dir.path(), &["keys", "drop"]).await.expect(0);
    assert!(unchanged.out.contains("nothing has changed") && !unchanged.out.contains("next:"), "{unchanged}");

    let added = cluster(dir.path(), &["keys", "add"]).await.expect(0);
    assert!(added.out.contains(&print) && added.out.contains("hostel cluster keys promote cluster"), "{added}");
    assert_eq!((keys().len(), &keys()[0], mode(&file)), (2, &old, 0o600));
    let new = keys().remove(1);
    let promoted = cluster(dir.path(), &["keys", "promote", "cluster"]).await.expect(0);
    assert!(promoted.out.contains("hostel cluster keys drop cluster"), "{promoted}");
    assert_eq!(keys(), [new.clone(), old.clone()]);
    let dropped = cluster(dir.path(), &["keys", "drop"]).await.expect(0);
    assert_eq!((keys(), mode(&file)), (vec![new.clone()], 0o600));
    assert!(!dropped.out.contains(&print), "{dropped}");
    for output in [added, promoted, dropped] {
        assert!(!output.out.contains(&old) && !output.out.contains(&new), "{output}");
    }
    let help = cluster(dir.path(), &["keys", "--help"]).await.expect(0);
    for part in ["1. hostel cluster keys add", "2. hostel cluster keys promote", "3. hostel cluster keys drop", "0600"]
    {
        assert!(help.out.contains(part), "`{part}` is not in {help}");
    }
    cluster(dir.path(), &["keys"]).await.expect(2);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    cluster(dir.path(), &["keys", "add"]).await.expect_one_line(1, &["chmod 600"]);
}

#[tokio::test]
async fn a_host_in_no_cluster_has_no_cluster_to_show() {
    let host = Host::start().await;
    let admin = host.admin.to_string();
    let dir = std::env::temp_dir();
    for json in [&[][..], &["--json"]] {
        let output = cluster(&dir, &[&["status", "--admin", &admin], json].concat()).await;
        let output = output.expect_one_line(1, &["in no cluster", "hostel up --cluster", &admin]);
        assert!(output.out.is_empty(), "{output}");
    }
    let reply = host.admin_get("/api/v1/cluster").await.expect(404);
    assert!(reply.text().contains("in no cluster"), "{reply}");
    let index = host.admin_get("/").await.expect(200);
    assert!(index.text().contains("/api/v1/cluster"), "{index}");
    assert!(!host.metrics().await.text.contains("hostel_cluster"));
    drop(host);
    cluster(&dir, &["status", "--admin", &admin]).await.expect_one_line(1, &["no host answers", &admin]);
}

//! What goes wrong at the start is one clear line, and an exit code that tells what kind of mistake it was: 2 for the
//! command line, 64 for the configuration, 1 for everything else.

use std::path::Path;
use std::time::Duration;

use crate::harness::builder::command;
use crate::harness::command::{Output, hostel, run};
use crate::harness::host::Host;
use crate::harness::tiny::answering;
use crate::harness::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

/// `hostel up` in an empty folder, with free ports unless the environment says otherwise.
async fn up(dir: &Path, environment: &[(&str, &str)]) -> Output {
    let _ = std::fs::create_dir(dir.join("modules"));
    let mut command = command(dir);
    command.arg("up").env("HOSTEL_EDGE_LISTEN", "127.0.0.1:0").env("HOSTEL_ADMIN_LISTEN", "127.0.0.1:0");
    command.envs(environment.iter().copied());
    run(&mut command, SOON).await
}

#[tokio::test]
async fn a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, purpose) in [("HOSTEL_EDGE_LISTEN", "edge"), ("HOSTEL_ADMIN_LISTEN", "admin")] {
        let dir = tempfile::tempdir().unwrap();
        let output = up(dir.path(), &[(variable, &address)]).await;
        output.expect_one_line(1, &[&address, purpose, "in use"]);
    }
}

#[tokio::test]
async fn a_bad_command_line() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["up", "--no-such-flag"][..],
        &["no-such-command"],
        &["up", "--modules"],
        &[],
        &["inspect"],
        &["new", "-t", "no-such-template", "x"],
        &["new", "Not-A-Name"],
        &["status", "--admin", "nonsense"],
    ] {
        let output = hostel(dir.path(), arguments).await;
        assert_eq!(output.code, 2, "{arguments:?}: {output}");
        assert!(!output.err.is_empty() && !output.err.contains("panicked"), "{arguments:?}: {output}");
    }
}

#[tokio::test]
async fn a_bad_configuration() {
    for (toml, words) in [
        ("[edge]\nlisten = 5\n", &["hostel.toml:2", "listen"][..]),
        ("[edge]\n\ncolour = 'red'\n", &["hostel.toml:3", "colour"]),
        ("[edges]\n", &["hostel.toml:1", "edges"]),
        ("[edge\n", &["hostel.toml:1"]),
        ("[edge]\nheader_timeout_ms = 0\n", &["hostel.toml:2", "header_timeout_ms"]),
        ("[modules]\ndrain_ms = -1\n", &["hostel.toml:2", "drain_ms"]),
        ("[log]\nfilter = 'inof'\n", &["hostel.toml:2", "filter"]),
        ("[engine]\ntick_ms = 1000\n", &["hostel.toml:2", "tick_ms"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hostel.toml"), toml).unwrap();
        up(dir.path(), &[]).await.expect_one_line(64, words);
    }
}

#[tokio::test]
async fn bad_values_of_flags_and_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("HOSTEL_EDGE_LISTEN", "nonsense"),
        ("HOSTEL_EDGE_HEADER_TIMEOUT_MS", "soon"),
        ("HOSTEL_MODULES_DRAIN_MS", "99999999999"),
    ] {
        up(dir.path(), &[(name, value)]).await.expect_one_line(64, &[name]);
    }
    let output = hostel(dir.path(), &["up", "--listen", "nonsense"]).await;
    output.expect_one_line(64, &["--listen"]);
    let output = hostel(dir.path(), &["up", "--admin", "host.example:9090"]).await;
    output.expect_one_line(64, &["--admin", "such as 127.0.0.1:8080", "localhost:8080"]);
    // Something that is taken shows that `localhost` is an address.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = format!("localhost:{}", taken.local_addr().unwrap().port());
    let output = hostel(dir.path(), &["up", "--listen", &local]).await;
    output.expect_one_line(1, &["cannot listen on 127.0.0.1:", "in use"]);
    hostel(dir.path(), &["status", "--admin", "localhost:1"])
        .await
        .expect_one_line(1, &["no host answers", "127.0.0.1:1"]);
    let output = hostel(dir.path(), &["up", "--log-format", "loud"]).await;
    output.expect_one_line(64, &["--log-format"]);
}

#[tokio::test]
async fn what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = up(dir.path(), &[("HOSTEL_MODULES_DIR", "elsewhere")]).await;
    output.expect_one_line(1, &["directory of modules", "elsewhere"]);
    let output = hostel(dir.path(), &["up", "--config", "missing.toml"]).await;
    output.expect_one_line(64, &["missing.toml"]);
    // A file where the data should be.
    std::fs::write(dir.path().join("data"), "a file").unwrap();
    up(dir.path(), &[]).await.expect_one_line(1, &["data"]);
}

/// Two hosts with the same data would ruin it.
#[tokio::test]
async fn data_that_another_host_uses() {
    let host = Host::start().await;
    let dir = tempfile::tempdir().unwrap();
    let data = host.data();
    let output = up(dir.path(), &[("HOSTEL_DATA_DIR", data.to_str().unwrap())]).await;
    output.expect_one_line(1, &["another"]);
    // The first one does not mind.
    host.admin_get("/readyz").await.expect(200);
}

#[tokio::test]
async fn what_the_host_says_at_the_start() {
    let host = Host::builder().guest(&crate::harness::guests::ECHO).start().await;
    let words = [
        format!("edge    http://{}", host.edge),
        format!("admin   http://{}", host.admin),
        "echo".to_owned(),
        "1.0.0".to_owned(),
        "/echo/{*rest}".to_owned(),
    ];
    eventually("it says where it listens and what it serves", SOON, async || {
        let said = host.process.out.all().join("\n");
        let missing = words.iter().find(|word| !said.contains(*word));
        missing.map_or(Ok(()), |word| Err(format!("`{word}` is not in {said}")))
    })
    .await;
}

/// Whoever mistypes a name has to see it where they look, and what they could have meant.
#[tokio::test]
async fn what_was_selected_and_is_not_there() {
    for (only, served) in [("nosuch", None), ("nosuch,one", Some("one"))] {
        let builder = Host::builder().module("one", &answering("one")).module("two", &answering("two"));
        let host = builder.arguments(&["--only", only]).start().await;
        let said = eventually("it says what is missing", SOON, async || {
            let said = host.process.out.all().join("\n");
            if said.contains("names nosuch") { Ok(said) } else { Err(said) }
        })
        .await;
        assert!(said.contains("but one, two") && !said.contains("no modules yet"), "{said}");
        assert_eq!(said.contains("/one/"), served.is_some(), "{said}");
        let warned = host.logs("it is in the log", |event| event.field("name") == "nosuch").await;
        assert_eq!(warned.field("there"), "one, two", "{warned:?}");
    }
    let host = Host::builder().module("broken", b"not wasm").start().await;
    eventually("it says what is wrong", SOON, async || {
        let said = host.process.out.all().join("\n");
        if said.contains("nothing serves: broken in") && said.contains("hostel check") { Ok(()) } else { Err(said) }
    })
    .await;
}

/// The folder that `--cluster` names has to be one.
#[tokio::test]
async fn folders_that_are_no_clusters() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["modules", "empty", "ca"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let up = ["up", "--listen", "localhost:0", "--admin", "localhost:0", "--peer", "localhost:0", "--cluster"];
    let output = hostel(dir.path(), &[&up[..], &["empty"]].concat()).await;
    output.expect_one_line(1, &["empty/node.pem", "no folder of a cluster", "hostel cluster join --dir empty"]);
    hostel(dir.path(), &["cluster", "init", "ca"]).await.expect(0);
    let output = hostel(dir.path(), &[&up[..], &["ca"]].concat()).await;
    output.expect_one_line(1, &["--node NAME", "the name of the node is empty", "1 to 63 of a-z"]);
    std::fs::remove_file(dir.path().join("ca/ca.key")).unwrap();
    let output = hostel(dir.path(), &[&up[..], &["ca"]].concat()).await;
    output.expect_one_line(1, &["ca/node.pem", "issued no certificate", "hostel cluster token"]);
}

#[tokio::test]
async fn versions_and_help() {
    let dir = tempfile::tempdir().unwrap();
    let version = hostel(dir.path(), &["--version"]).await.expect(0);
    let words: Vec<&str> = version.out.split_whitespace().collect();
    assert_eq!(words[0], "hostel", "{version}");
    assert!(version.out.contains("revision ") && version.out.contains("wasmtime 48."), "{version}");
    for (arguments, words) in [
        (&["--help"][..], &["up", "new", "build", "inspect", "check", "status"][..]),
        (&["up", "--help"], &["--build", "--modules", "--config", "--listen", "--admin", "--data", "--log-format"]),
        (&["new", "--help"], &["--template"]),
    ] {
        let help = hostel(dir.path(), arguments).await.expect(0);
        for word in words {
            assert!(help.out.contains(word), "`{word}` is not in {help}");
        }
    }
}

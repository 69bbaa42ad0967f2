use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: BuildArgs,
}

#[test]
fn the_command_line_is_understood() {
    let parse = |words: &[&str]| Cli::try_parse_from([&["build"], words].concat());
    let args = parse(&["orders", "users", "-o", "out", "--portable"]).unwrap().args;
    assert_eq!(args.what, ["orders", "users"]);
    assert_eq!(args.out.as_deref(), Some(Path::new("out")));
    assert!(args.portable && !args.debug);
    assert_eq!(parse(&["--nope"]).unwrap_err().exit_code(), 2);
}

fn built(name: &str, change: Change) -> Built {
    Built {
        name: name.to_owned(),
        path: Path::new("modules").join(format!("{name}.wasm")),
        size: 2048,
        digest: Digest::of(b"abc"),
        doors: vec![Door::Lean, Door::Http03],
        change,
        elapsed: Duration::from_millis(1250),
    }
}

#[test]
fn the_summary_has_a_line_for_each_module() {
    let text = summary(&[built("orders", Change::Written), built("a", Change::Unchanged)]);
    assert_eq!(
        text,
        "orders  lean, http-0.3  2.0 KiB  ba7816bf8f01  1.2 s  modules/orders.wasm\n\
         a       lean, http-0.3  2.0 KiB  ba7816bf8f01  1.2 s  modules/a.wasm (unchanged)\n"
    );
}

#[test]
fn json_has_the_same() {
    let text = json(&[built("orders", Change::Written)]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!([{
            "name": "orders",
            "path": "modules/orders.wasm",
            "size": 2048,
            "digest": Digest::of(b"abc").to_string(),
            "doors": ["lean", "http-0.3"],
            "changed": true,
            "elapsed_ms": 1250,
        }])
    );
}

#[test]
fn paths_are_shown_plain() {
    for (path, shown) in [("./modules", "modules"), (".", "."), ("/a/./b", "/a/b")] {
        assert_eq!(plain(Path::new(path)), Path::new(shown));
    }
}

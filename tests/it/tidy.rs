//! The rules of the house that a machine can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::guests;
use crate::harness::paths::root;

/// The modules of the host, lowest layer first. A module may name modules of strictly lower layers, and itself.
const LAYERS: [&[&str]; 9] = [
    &["call"],
    &["config", "observe"],
    &["policy", "store", "engine", "cluster", "peer", "transcode"],
    &["modules", "bus", "saga"],
    &["router"],
    &["capability"],
    &["edge", "admin"],
    &["app"],
    &["cli"],
];

/// Files that may be longer than others, with how long. It may only shrink.
const LONG_FILES: [(&str, usize); 0] = [];
const LINES_MAX: usize = 400;

/// Files with one of these endings in a folder, at any depth, with their text. What cargo makes is left out.
fn files(folder: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let root = root();
    let mut folders = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)) {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {folder}");
    found.sort();
    found
}

fn ours() -> Vec<(PathBuf, String)> {
    ["host", "guest-sdk", "modules", "tests"].iter().flat_map(|folder| files(folder, &["rs"])).collect()
}

/// Which module of the host a file belongs to; none for `main.rs` and `lib.rs`.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix("host/src").ok()?.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first).to_owned();
    (name != "main" && name != "lib").then_some(name)
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` is in no layer; design.md, section 3"))
}

/// The first names after `crate::` in a text, those in braces included.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        // `$crate::` in a macro is some other crate's.
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(first_word(&item));
                        item.clear();
                    }
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            names.insert(first_word(&item));
        } else {
            names.insert(first_word(rest));
        }
    }
    names.remove("");
    names
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Without comments, so that prose may name what code may not.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn paths_are_read_as_they_are_meant() {
    let text = "use crate::call::{A, B};\nuse crate::{edge, engine::{X, Y}, modules};\nfn f() { crate::store::g() }";
    let expected = ["call", "edge", "engine", "modules", "store"];
    assert_eq!(named(text).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn modules_name_only_lower_layers() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in files("host/src", &["rs"]) {
        let Some(from) = module(&path) else { continue };
        seen.insert(from.clone());
        for to in named(&code(&text)) {
            let known = LAYERS.iter().any(|modules| modules.contains(&&*to));
            // Macros at the crate's root would be named the same way; there are none.
            assert!(known, "{}: `crate::{to}` is in no layer", path.display());
            if to != from && layer(&to) >= layer(&from) {
                wrong.push(format!("{}: `{from}` names `{to}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.len() >= 10, "{seen:?}");
}

/// What only some may know of: which crates, and the modules of the host that may name them.
#[test]
fn crates_are_named_only_where_they_belong() {
    let rules: [(&[&str], &[&str]); 3] = [
        (&["wasmtime", "wasmtime_wasi", "wasmtime_wasi_http", "wasmtime_wasi_config"], &["engine", "capability"]),
        (&["hyper", "hyper_util", "hyper_rustls"], &["edge", "peer", "admin", "capability"]),
        (&["redb"], &["store"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in files("host/src", &["rs"]) {
        let text = code(&text);
        for (crates, allowed) in rules {
            let may = module(&path).is_some_and(|module| allowed.contains(&&*module));
            for name in crates.iter().filter(|_| !may) {
                let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
                let path_of_crate = format!("{name}::");
                let used = text.match_indices(&path_of_crate).any(|(at, _)| !word(text[..at].chars().next_back()));
                if used {
                    wrong.push(format!("{} names {name}", path.display()));
                }
            }
        }
        let hyper_in_capability = module(&path).is_some_and(|module| module == "capability")
            && !path.ends_with("egress.rs")
            && text.contains("hyper::");
        if hyper_in_capability {
            wrong.push(format!("{} names hyper, as only egress may", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_of_a_size_to_be_read() {
    let mut wrong = Vec::new();
    for (path, text) in ours() {
        let lines = text.lines().count();
        let name = path.to_string_lossy().replace('\\', "/");
        let most = LONG_FILES.iter().find(|(file, _)| *file == name).map_or(LINES_MAX, |(_, most)| *most);
        if lines > most {
            wrong.push(format!("{name}: {lines} lines, at most {most}"));
        }
        assert!(path.file_name().is_none_or(|name| name != "mod.rs"), "{name}: foo.rs, not foo/mod.rs");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_for_later_and_every_exception_has_a_reason() {
    // Written so that this file does not find itself.
    let later = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let mut wrong = Vec::new();
    for (path, text) in ours() {
        for (number, line) in text.lines().enumerate() {
            let at = || format!("{}:{}: {}", path.display(), number + 1, line.trim());
            if later.iter().any(|word| line.contains(word)) {
                wrong.push(at());
            }
        }
        for (start, attribute) in attributes(&text, &["allow(", "expect("]) {
            if !attribute.contains("reason") {
                let number = text[..start].lines().count();
                wrong.push(format!("{}:{number}: without a reason: {attribute}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Attributes that begin with one of these words, conditional ones included.
fn attributes<'t>(text: &'t str, words: &[&str]) -> Vec<(usize, &'t str)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices('#') {
        let rest = &text[start..];
        let Some(inner) = rest.strip_prefix("#[").or_else(|| rest.strip_prefix("#![")) else { continue };
        let mut depth = 1;
        let end = inner.char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            (depth == 0).then_some(at)
        });
        let inner = &inner[..end.unwrap_or(inner.len())];
        let conditional = inner.starts_with("cfg_attr(");
        let wanted = |word: &&str| inner.starts_with(word) || conditional && inner.contains(&format!(" {word}"));
        if words.iter().any(wanted) {
            found.push((start, inner));
        }
    }
    found
}

/// With the rule in `main` that nothing may be unused: a guest without a constant fails here, and one whose constant no
/// test uses does not compile. The guests of the benchmark are claimed by the benchmark.
#[test]
fn every_guest_is_claimed() {
    let folders = fs::read_dir(root().join("tests/guests")).unwrap().map(|entry| entry.unwrap().path());
    let guests = folders.filter(|path| path.join("Cargo.toml").exists() || path.join("build.sh").exists());
    let there: BTreeSet<String> = guests.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let benchmark = files("tests/bench", &["rs"]);
    let benched = |name: &str| benchmark.iter().any(|(_, text)| text.contains(&format!("\"{name}\"")));
    let claimed = |name: &str| guests::NAMES.contains(&name) || benched(name);
    let unclaimed: Vec<&String> = there.iter().filter(|name| !claimed(name)).collect();
    assert!(unclaimed.is_empty(), "no test runs {unclaimed:?}");
    let missing: Vec<&&str> = guests::NAMES.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "no folder for {missing:?}");
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut wrong = Vec::new();
    for (path, text) in ours() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            let is_unsafe = line.contains(concat!("unsafe", " {")) || line.contains(concat!("unsafe", " impl"));
            let said = lines[..number].iter().rev().take(6).any(|line| line.contains("// SAFETY:"));
            if is_unsafe && !said {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

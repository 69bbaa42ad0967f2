//! Components of a few hundred bytes, made from the texts in `tests/guests/bad`: they compile in a moment.

use std::path::PathBuf;

use super::paths::root;

/// The folder of components that are wrong in one way each.
pub fn bad_folder() -> PathBuf {
    root().join("tests/guests/bad")
}

/// A component from a text in `tests/guests/bad`.
pub fn bad(name: &str) -> Vec<u8> {
    compile(&read(name))
}

/// A component with the lean door that answers every call with 200 and this text, of at most 900 bytes.
pub fn answering(text: &str) -> Vec<u8> {
    const DATA: &str = r#"(data (i32.const 64) "ok")"#;
    const LENGTH: &str = "(i32.store offset=16 (i32.const 0) (i32.const 2))";
    assert!(text.len() <= 900 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" -.".contains(&b)));
    let source = read("control-lean");
    assert!(source.contains(DATA) && source.contains(LENGTH));
    let data = format!(r#"(data (i32.const 64) "{text}")"#);
    let length = format!("(i32.store offset=16 (i32.const 0) (i32.const {}))", text.len());
    compile(&source.replace(DATA, &data).replace(LENGTH, &length))
}

fn read(name: &str) -> String {
    let file = bad_folder().join(format!("{name}.wat"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn compile(source: &str) -> Vec<u8> {
    wat::parse_str(source).expect("the text of a component")
}

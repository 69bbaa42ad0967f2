//! Schemas for the tests of documents.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Options, Part, document};
use crate::transcode::json::JsonOptions;
use crate::transcode::schema::Schema;

/// Compiles a file among those of the tests.
pub(super) fn compile(folder: &Path, file: &str) -> Schema {
    let ours = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/openapi/proto"));
    let mut compiler = protox::Compiler::new([folder, ours]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(file).unwrap();
    Schema::decode(&compiler.encode_file_descriptor_set()).unwrap()
}

/// The schema of `tests/openapi/proto/depot.proto`.
pub(super) fn depot() -> Schema {
    compile(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/openapi/proto")), "depot.proto")
}

/// A schema of some text, which may import `google/api/annotations.proto`.
pub(super) fn schema(text: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("syntax = \"proto3\";\nimport \"google/api/annotations.proto\";\n{text}");
    fs::write(folder.path().join("test.proto"), text).unwrap();
    compile(folder.path(), "test.proto")
}

/// A part with nothing special about it.
pub(super) fn part<'a>(service: &'a str, schema: &'a Schema) -> Part<'a> {
    Part { service, schema, json: JsonOptions::default(), prefix: "" }
}

/// The document of one service.
pub(super) fn of(schema: &Schema) -> Value {
    document(&[part("depot", schema)], &Options::default())
}

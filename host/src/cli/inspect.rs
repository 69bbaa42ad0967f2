//! `hostel inspect`: what a module is and what it needs, without running it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::text;
use crate::modules::inspect::{GrpcMethod, Idempotency, Inspection, MODULE_BYTES_MAX, inspect};
use crate::modules::manifest::{self, Manifest};

/// Show what a module is: doors, imports, gRPC services, manifest
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// The component, for example modules/orders.wasm
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Prints what the file is. `offered` says for a name such as `wasi:io/streams@0.2.6` whether the host has it.
///
/// # Errors
/// When the file cannot be read or is not a component. A manifest that is not valid is part of the answer.
pub(super) fn run(args: &InspectArgs, offered: &dyn Fn(&str) -> bool) -> anyhow::Result<()> {
    let report = report(&args.file, offered)?;
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { human(&report) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The names of the fields are an interface: scripts read them.
#[derive(Serialize)]
struct Report {
    file: String,
    /// Absent when the manifest is not valid, which `manifest_error` then explains.
    service: Option<String>,
    version: Option<String>,
    /// `embedded`, `none`, or the path of the file beside the module.
    manifest: String,
    manifest_error: Option<String>,
    digest: String,
    size: usize,
    doors: Vec<&'static str>,
    wasi_versions: Vec<String>,
    imports: Vec<Import>,
    exports: Vec<String>,
    grpc_services: Vec<Service>,
    languages: Vec<String>,
    tools: Vec<String>,
}

#[derive(Serialize)]
struct Import {
    name: String,
    offered: bool,
}

#[derive(Serialize)]
struct Service {
    name: String,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    name: String,
    client_streaming: bool,
    server_streaming: bool,
    /// `unknown`, `no_side_effects` or `idempotent`.
    idempotency: &'static str,
}

fn report(file: &Path, offered: &dyn Fn(&str) -> bool) -> anyhow::Result<Report> {
    let shown = file.display().to_string();
    let length = fs::metadata(file).with_context(|| shown.clone())?.len();
    // Checked before reading, so that a mistaken path to something huge is not loaded first.
    anyhow::ensure!(
        usize::try_from(length).is_ok_and(|length| length <= MODULE_BYTES_MAX),
        "{shown}: the file has {length} bytes, at most {MODULE_BYTES_MAX} are taken"
    );
    let bytes = fs::read(file).with_context(|| shown.clone())?;
    let seen = inspect(&bytes).with_context(|| shown.clone())?;
    let (source, manifest) = manifest(file, &seen)?;
    let (manifest, manifest_error) = match manifest {
        Ok(manifest) => (Some(manifest), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let version = |manifest: &Manifest| match &manifest.version {
        Some(version) => version.to_string(),
        None => seen.digest.short(),
    };
    Ok(Report {
        file: shown,
        service: manifest.as_ref().map(|manifest| manifest.name.to_string()),
        version: manifest.as_ref().map(version),
        manifest: source,
        manifest_error,
        digest: seen.digest.to_string(),
        size: seen.size,
        doors: seen.doors.iter().map(|door| door.as_str()).collect(),
        wasi_versions: seen.wasi_versions.into_iter().collect(),
        imports: seen.imports.into_iter().map(|name| Import { offered: offered(&name), name }).collect(),
        exports: seen.exports,
        grpc_services: seen
            .services
            .into_iter()
            .map(|service| Service { name: service.name, methods: service.methods.into_iter().map(method).collect() })
            .collect(),
        languages: seen.languages.into_iter().collect(),
        tools: seen.tools.into_iter().collect(),
    })
}

fn method(method: GrpcMethod) -> Method {
    Method {
        name: method.name,
        client_streaming: method.client_streaming,
        server_streaming: method.server_streaming,
        idempotency: match method.idempotency {
            Idempotency::Unknown => "unknown",
            Idempotency::NoSideEffects => "no_side_effects",
            Idempotency::Idempotent => "idempotent",
        },
    }
}

/// Where the manifest that counts is from, and the manifest: the file beside the module wins over the embedded one.
fn manifest(file: &Path, seen: &Inspection) -> anyhow::Result<(String, Result<Manifest, manifest::Error>)> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let beside = file.with_extension("toml");
    let shown = beside.display().to_string();
    match fs::read_to_string(&beside) {
        Ok(text) => {
            let manifest = Manifest::parse(&text, &shown, stem);
            return Ok((shown, manifest));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(shown),
    }
    let (source, text, origin) = match &seen.manifest {
        Some(text) => {
            let origin = format!("manifest embedded in {}", file.display());
            ("embedded", text.as_str(), origin)
        }
        None => ("none", "", file.display().to_string()),
    };
    Ok((source.to_owned(), Manifest::parse(text, &origin, stem)))
}

fn human(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: &str| rows.push([name.to_owned(), text::harmless(value)]);
    row("file", &report.file);
    for (label, value) in [("service", &report.service), ("version", &report.version)] {
        if let Some(value) = value {
            row(label, value);
        }
    }
    row("manifest", &report.manifest);
    if let Some(error) = &report.manifest_error {
        row("problem", error);
    }
    row("digest", &report.digest);
    row("size", &text::size(report.size));
    row("doors", &or_none(&report.doors.join(", ")));
    row("wasi", &or_none(&report.wasi_versions.join(", ")));
    row("language", &or_none(&report.languages.join(", ")));
    // What stands in brackets is a commit or an address.
    let tools = report.tools.iter().map(|tool| tool.split(" (").next().unwrap_or_default());
    row("tools", &or_none(&tools.collect::<Vec<_>>().join(", ")));
    let mut label = "exports";
    for export in &report.exports {
        row(label, export);
        label = "";
    }
    label = "imports";
    for import in &report.imports {
        let mark = if import.offered { "" } else { "  (not offered by this host)" };
        row(label, &format!("{}{mark}", import.name));
        label = "";
    }
    for service in &report.grpc_services {
        row("grpc", &service.name);
        for method in &service.methods {
            let streams = match (method.client_streaming, method.server_streaming) {
                (false, false) => "",
                (true, false) => "  client streaming",
                (false, true) => "  server streaming",
                (true, true) => "  bidirectional streaming",
            };
            row("", &format!("  {}{streams}", method.name));
        }
    }
    text::table(&rows)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none" } else { text }.to_owned()
}

#[cfg(test)]
mod tests;

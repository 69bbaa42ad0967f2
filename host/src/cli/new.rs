//! `hostel new`: a project to start from.
//!
//! Templates and the guest SDK are inside the binary, so it works without a network and gives the SDK that fits
//! this host.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::text;
use super::usage::usage;
use crate::call::ServiceName;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Where the SDK goes inside a new project.
const SDK_FOLDER: &str = "vendor/hostel-sdk";

/// Stored manifests have this ending, so that cargo does not take a template for a package.
const TEMPLATE_ENDING: &str = ".tmpl";

/// Keywords, those to come, and crates of Rust itself.
const RUST_WORDS: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum \
                          extern false final fn for gen if impl in let loop macro match mod move mut override priv \
                          proc-macro pub ref return self static std struct super test trait true try type typeof \
                          union unsafe unsized use virtual where while yield";

/// What `--list` says of the templates.
const ABOUT: [(&str, &str); 2] = [
    ("grpc-rust", "gRPC service in Rust: tonic, unary and streaming, with its .proto file"),
    ("http-rust", "HTTP/JSON service in Rust: an axum router with storage"),
];

/// Create a service from a template
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hostel new -t http-rust orders && cd orders && hostel up --build")]
pub(super) struct NewArgs {
    /// The template; --list shows them
    #[arg(short, long, value_name = "TEMPLATE", default_value = "http-rust", value_parser = templates())]
    template: String,
    /// The service's name: lower-case letters, digits and dashes
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    /// The folder to create [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// List the templates
    #[arg(long, conflicts_with_all = ["name", "dir"])]
    list: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

fn templates() -> clap::builder::PossibleValuesParser {
    embedded::TEMPLATES.iter().map(|(name, _)| *name).into()
}

/// # Errors
/// When the name cannot be used, the folder is not empty, or a file cannot be written.
pub(super) fn run(args: &NewArgs) -> anyhow::Result<()> {
    let output = match &args.name {
        Some(name) if !args.list => create_from(args, name)?,
        _ => list(args.json)?,
    };
    io::stdout().write_all(output.as_bytes())?;
    Ok(())
}

fn list(json: bool) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Template {
        name: &'static str,
        about: &'static str,
    }
    let templates: Vec<Template> =
        embedded::TEMPLATES.iter().map(|(name, _)| Template { name, about: about(name) }).collect();
    if json {
        return Ok(serde_json::to_string_pretty(&templates)? + "\n");
    }
    let row = |template: &Template| [template.name.to_owned(), template.about.to_owned()];
    Ok(text::table(&templates.iter().map(row).collect::<Vec<_>>()))
}

fn about(template: &str) -> &'static str {
    let found = ABOUT.iter().find(|(name, _)| *name == template);
    found.map_or("", |(_, about)| about)
}

fn create_from(args: &NewArgs, name: &str) -> anyhow::Result<String> {
    let name = ServiceName::new(name).map_err(|error| usage(error.to_string()))?;
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => PathBuf::from(name.as_str()),
    };
    create(&args.template, &name, &dir)?;
    if args.json {
        #[derive(Serialize)]
        struct Created<'a> {
            name: &'a str,
            template: &'a str,
            dir: String,
        }
        let created = Created { name: name.as_str(), template: &args.template, dir: dir.display().to_string() };
        return Ok(serde_json::to_string_pretty(&created)? + "\n");
    }
    let dir = dir.display();
    Ok(format!(
        "created {name} in {dir}\n\nnext:\n  cd {dir}\n  hostel up --build\n  curl http://127.0.0.1:8080/{name}/\n"
    ))
}

/// Writes a project of `template` called `name` to `dir`, which must be absent or empty.
///
/// # Errors
/// When the name cannot be used, the folder is not empty, or a file cannot be written.
pub(super) fn create(template: &str, name: &ServiceName, dir: &Path) -> anyhow::Result<()> {
    let (_, files) = embedded::TEMPLATES
        .iter()
        .find(|(candidate, _)| *candidate == template)
        .ok_or_else(|| usage(format!("there is no template `{template}`")))?;
    let mut project: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for (path, content) in *files {
        let content = fill(content, name);
        if *path == "Cargo.toml.tmpl" {
            check_package_name(name, &content)?;
        }
        let path = path.strip_suffix(TEMPLATE_ENDING).unwrap_or(path);
        project.push((path.into(), content));
    }
    for (path, content) in embedded::SDK {
        project.push((Path::new(SDK_FOLDER).join(path), content.to_vec()));
    }
    check_folder(dir)?;
    for (path, content) in project {
        let path = dir.join(path);
        write_new(&path, &content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Fills in the name. Files that are not text stay as they are.
fn fill(content: &[u8], name: &ServiceName) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text
            .replace("{{name}}", name.as_str())
            .replace("{{name_snake}}", &name.as_str().replace('-', "_"))
            .into_bytes(),
        Err(_) => content.to_vec(),
    }
}

/// A crate's name must be usable as an identifier, and differ from those of its dependencies.
fn check_package_name(name: &ServiceName, manifest: &[u8]) -> anyhow::Result<()> {
    let name = name.as_str();
    if RUST_WORDS.split_ascii_whitespace().any(|word| word == name) {
        return Err(usage(format!("`{name}` means something to Rust and cannot name a crate")));
    }
    let manifest: toml::Table = toml::from_str(std::str::from_utf8(manifest)?)?;
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
    for dependency in tables.flat_map(|table| table.keys()) {
        if dependency == name {
            return Err(usage(format!("`{name}` is a crate the template depends on; choose another name")));
        }
    }
    Ok(())
}

fn check_folder(dir: &Path) -> anyhow::Result<()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(usage(format!("{} exists and is not empty", dir.display()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(usage(format!("{} is not a folder", dir.display())))
        }
        Err(error) => Err(error).context(dir.display().to_string()),
    }
}

/// Fails when the file exists, whoever made it since the folder was found empty.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create_new(path)?.write_all(content)
}

#[cfg(test)]
mod tests;

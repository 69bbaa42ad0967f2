//! What a host is started with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::alone::{Token, together};
use super::guests::Guest;
use super::host::Host;
use super::install;
use super::network::Place as NetworkPlace;
use super::paths::{binary, scratch};
use super::process::Process;

/// A host that is not started yet, or could be started again: folders of its own, free ports, and what a test adds.
#[derive(Clone)]
pub struct Builder {
    place: Arc<Place>,
    config: Option<String>,
    log_format: &'static str,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    member: Option<Member>,
    network: Option<NetworkPlace>,
    address: Option<IpAddr>,
    ready_within: Duration,
}

/// A place in a cluster.
#[derive(Clone)]
pub struct Member {
    /// The folder with the key of the cluster's CA.
    pub ca: PathBuf,
    /// What the node is called.
    pub name: String,
    /// Where it takes gossip and links.
    pub listen: SocketAddr,
    /// Where others do.
    pub seeds: Vec<SocketAddr>,
}

/// Removed with the last host that uses it.
struct Place {
    _token: Arc<Token>,
    dir: TempDir,
}

impl Default for Builder {
    fn default() -> Self {
        let token = together();
        let dir = tempfile::tempdir().expect("a folder for a host");
        for name in ["modules", "data"] {
            std::fs::create_dir(dir.path().join(name)).expect("folders for a host");
        }
        Self {
            place: Arc::new(Place { _token: token, dir }),
            config: None,
            log_format: "json",
            environment: Vec::new(),
            arguments: Vec::new(),
            member: None,
            network: None,
            address: None,
            ready_within: Duration::from_secs(60),
        }
    }
}

impl Builder {
    pub fn dir(&self) -> &Path {
        self.place.dir.path()
    }

    pub fn modules(&self) -> PathBuf {
        self.dir().join("modules")
    }

    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Where the host says which ports it got.
    pub fn announce(&self) -> PathBuf {
        self.dir().join("announce.json")
    }

    /// Puts a guest into the folder of modules, under its own name.
    pub fn guest(self, guest: &Guest) -> Self {
        self.guest_as(guest.name, guest)
    }

    pub fn guest_as(self, name: &str, guest: &Guest) -> Self {
        let bytes = guest.bytes();
        self.module(name, &bytes)
    }

    /// Puts a component into the folder of modules.
    pub fn module(self, name: &str, wasm: &[u8]) -> Self {
        install::replace(&self.modules().join(format!("{name}.wasm")), wasm);
        self
    }

    /// Puts a manifest beside a module.
    pub fn manifest(self, name: &str, toml: &str) -> Self {
        let file = self.modules().join(format!("{name}.toml"));
        install::replace(&file, toml.as_bytes());
        self
    }

    /// The text of `hostel.toml`.
    pub fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    /// `json` unless a test is about the others.
    pub fn log_format(mut self, format: &'static str) -> Self {
        self.log_format = format;
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// More arguments of `hostel up`.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Makes the host a node of a cluster.
    pub fn member(mut self, member: Member) -> Self {
        self.member = Some(member);
        self
    }

    /// Puts the host into a network of the test's own, with all its ports.
    pub fn network(mut self, place: NetworkPlace) -> Self {
        self.network = Some(place);
        self
    }

    /// Puts all ports of the host on an address of this machine.
    pub fn at(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The host's address, if it is not the one that all have by default.
    pub fn address(&self) -> Option<IpAddr> {
        self.network.as_ref().map(|place| place.address).or(self.address)
    }

    /// What the host is called in a cluster, for messages.
    pub fn label(&self) -> &str {
        self.member.as_ref().map_or("the host", |member| &member.name)
    }

    /// For modules that take long to compile.
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// Starts the host and waits until it is ready.
    pub async fn start(self) -> Host {
        let process = self.spawn();
        let limit = self.ready_within;
        Host::ready(self, process, limit).await
    }

    /// Starts the program and does not wait for anything.
    pub fn spawn(&self) -> Process {
        let dir = self.dir();
        // What an earlier host in this folder announced is not true any more.
        let _ = std::fs::remove_file(self.announce());
        let mut command = match &self.network {
            None => command(dir),
            Some(place) => quiet(place.command(binary()), dir),
        };
        command.arg("up");
        command.arg("--modules").arg(self.modules());
        command.arg("--data").arg(self.data());
        let any = SocketAddr::new(self.address().unwrap_or(Ipv4Addr::LOCALHOST.into()), 0).to_string();
        command.args(["--listen", &any, "--admin", &any]);
        command.args(["--log-format", self.log_format]);
        command.arg("--announce").arg(self.announce());
        if let Some(toml) = &self.config {
            let file = dir.join("hostel.toml");
            std::fs::write(&file, toml).expect("hostel.toml can be written");
            command.arg("--config").arg(file);
        }
        if let Some(member) = &self.member {
            command.arg("--cluster").arg(&member.ca);
            command.args(["--node", &member.name, "--peer", &member.listen.to_string()]);
            for seed in &member.seeds {
                command.arg("--seed").arg(seed.to_string());
            }
        }
        command.args(&self.arguments);
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        Process::spawn(&mut command)
    }
}

/// The program, in a folder, with nothing of this process's environment that would configure it.
pub fn command(dir: &Path) -> Command {
    quiet(Command::new(binary()), dir)
}

fn quiet(mut command: Command, dir: &Path) -> Command {
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOSTEL_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    // The same guests are run by many tests, and need to be compiled only once.
    command.env("HOSTEL_ENGINE_CACHE_DIR", scratch().join("cache"));
    command
}

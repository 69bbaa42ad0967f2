//! A host that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::builder::Builder;
use super::guests::Guest;
use super::http::Client;
use super::install;
use super::logs::{Event, Logs};
use super::process::Process;
use super::reply::Reply;
use super::wait::eventually;

/// How soon a change in the folder of modules must have taken effect for a test not to fail. Tests that measure it
/// have limits of their own.
pub const DEPLOYED_WITHIN: Duration = Duration::from_secs(30);

pub struct Host {
    builder: Builder,
    pub process: Process,
    pub edge: SocketAddr,
    pub admin: SocketAddr,
    /// What the host says the edge's URL is.
    pub edge_url: String,
    /// Where other nodes reach it, if it is in a cluster.
    pub peer: Option<SocketAddr>,
    /// Over HTTP/1.1.
    pub http: Client,
    pub logs: Logs,
}

impl Host {
    /// A host without modules.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    /// A host with these guests, each under its own name.
    pub async fn with(guests: &[&Guest]) -> Self {
        let builder = Builder::default();
        guests.iter().fold(builder, |builder, guest| builder.guest(guest)).start().await
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until `process` says that it is ready.
    pub(super) async fn ready(builder: Builder, mut process: Process, limit: Duration) -> Self {
        let announce = builder.announce();
        let announced = eventually("the host is ready", limit, async || {
            if let Some(status) = process.ended() {
                let written = (process.out.all(), process.err.all());
                panic!("the host ended with {status}: {written:#?}");
            }
            let text = std::fs::read_to_string(&announce);
            let text = text.map_err(|_| format!("{:#?}", process.err.all()))?;
            serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
        })
        .await;
        let address = |name: &str| -> SocketAddr {
            let text = announced[name].as_str().unwrap_or_default();
            let address = text.parse();
            address.unwrap_or_else(|_| panic!("no address `{name}` in {announced}"))
        };
        let (edge, admin) = (address("edge"), address("admin"));
        let edge_url = announced["edge_url"].as_str().unwrap_or_default().to_owned();
        let peer = announced["peer"].is_string().then(|| address("peer"));
        Self {
            builder,
            edge,
            admin,
            edge_url,
            peer,
            http: Client::h1(edge),
            logs: Logs::new(process.err.clone()),
            process,
        }
    }

    /// A URL of the edge.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge)
    }

    /// `GET` of a path at the edge, over HTTP/1.1.
    pub async fn get(&self, path: &str) -> Reply {
        self.http.get(&self.url(path)).await
    }

    pub async fn post(&self, path: &str, body: impl Into<bytes::Bytes>) -> Reply {
        self.http.post(&self.url(path), body).await
    }

    pub fn modules(&self) -> PathBuf {
        self.builder.modules()
    }

    pub fn data(&self) -> PathBuf {
        self.builder.data()
    }

    pub fn module_file(&self, name: &str) -> PathBuf {
        self.modules().join(format!("{name}.wasm"))
    }

    /// Puts a component into the folder of modules in one step.
    pub fn install(&self, name: &str, wasm: &[u8]) {
        install::replace(&self.module_file(name), wasm);
    }

    /// Puts a manifest beside a module in one step.
    pub fn install_manifest(&self, name: &str, toml: &str) {
        let file = self.modules().join(format!("{name}.toml"));
        install::replace(&file, toml.as_bytes());
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.module_file(name)).expect("the module is there");
    }

    /// Waits until `GET path` answers with `status` and a body that contains `text`.
    pub async fn answers(&self, path: &str, status: u16, text: &str) {
        let what = format!("GET {path} answers {status} `{text}`");
        eventually(&what, DEPLOYED_WITHIN, async || {
            let reply = self.get(path).await;
            let wanted = reply.status == status && reply.text().contains(text);
            wanted.then_some(()).ok_or_else(|| reply.to_string())
        })
        .await;
    }

    /// Waits for a line in the log.
    pub async fn logs(&self, what: &str, want: impl FnMut(&Event) -> bool) -> Event {
        self.logs.wait_for(what, DEPLOYED_WITHIN, want).await
    }

    /// Asks the host to stop, and waits until it has. All it wrote is there afterwards.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        let limit = Duration::from_secs(20);
        self.process.end("the host stops", limit).await
    }

    /// What to start it again with: the same folders, other ports. It has to have ended.
    pub fn again(&self) -> Builder {
        self.builder.clone()
    }
}

/// What a failing test needs to be understood.
impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.process.err.all();
            eprintln!("--- the log of {}, {} lines:", self.builder.label(), lines.len());
            for line in &lines[lines.len().saturating_sub(80)..] {
                eprintln!("{line}");
            }
        }
    }
}

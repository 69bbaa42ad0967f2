//! The processes that are measured: starting them, and reading what they have used.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::cores::Cores;
use crate::cpu::seconds;
use crate::http;
use crate::memory::Memory;

/// How long a server may take until it serves: on a busy machine a cold compile takes seconds, and a host may have a
/// thousand modules to compile.
const START_MAX: Duration = Duration::from_secs(3600);

/// How long a request may take that is made once.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(60);

/// What `wasmtime serve` says on standard error when it is ready.
const WASMTIME_READY: &str = "Serving HTTP on http://";

/// One or more processes that serve together. Dropping it kills them.
pub(crate) struct Server {
    children: Vec<Child>,
    pub(crate) edge: SocketAddr,
    /// The admin port of a host.
    pub(crate) admin: Option<SocketAddr>,
    /// Where the 0.2 component is, when it has a process of its own.
    other: Option<SocketAddr>,
    started: Instant,
}

/// What a server writes when it is ready.
#[derive(Deserialize)]
struct Announcement {
    edge: SocketAddr,
    admin: Option<SocketAddr>,
}

/// As much of a host's status as is needed.
#[derive(Deserialize)]
struct Status {
    services: Vec<ServiceStatus>,
}

#[derive(Deserialize)]
struct ServiceStatus {
    instances: u64,
    /// None of a module that does not serve.
    code: Option<String>,
}

/// How a server says that it is ready.
enum Sign<'a> {
    Announcement(&'a Path),
    /// A line in its log.
    Log(&'a Path),
}

/// Where servers are started from and write to.
pub(crate) struct Place<'a> {
    pub(crate) cores: &'a Cores,
    /// The host's program.
    pub(crate) hostel: &'a Path,
    /// For logs and announcements.
    pub(crate) dir: &'a Path,
    /// What servers are run by, such as an instrument: a program and its first arguments.
    pub(crate) under: &'a [String],
}

/// What a host is started with.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) modules: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) config: Option<&'a Path>,
    pub(crate) member: Option<Member<'a>>,
}

/// What makes a host one of a cluster.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// The folder that `hostel cluster init` made.
    pub(crate) cluster: &'a Path,
    /// The node's name.
    pub(crate) name: &'a str,
    /// Where it listens for the others.
    pub(crate) peer: SocketAddr,
    /// Where another one listens.
    pub(crate) seed: Option<SocketAddr>,
    /// The service that it serves, of all in the folder of modules.
    pub(crate) only: &'a str,
}

impl Place<'_> {
    /// Starts a host.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(crate) fn host(&self, host: Host<'_>) -> anyhow::Result<Server> {
        let mut command = self.command(self.hostel);
        command.arg("up").arg("--modules").arg(host.modules).arg("--data").arg(host.data);
        if let Some(config) = host.config {
            command.arg("--config").arg(config);
        }
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--log-format", "json"]);
        let Some(member) = host.member else {
            return self.start_announcing("host", command);
        };
        command.arg("--cluster").arg(member.cluster).args(["--node", member.name, "--only", member.only]);
        command.arg("--peer").arg(member.peer.to_string());
        if let Some(seed) = member.seed {
            command.arg("--seed").arg(seed.to_string());
        }
        self.start_announcing(&format!("host-{}", member.name), command)
    }

    /// Starts the native greeter and the native front that calls it, over mutual TLS if there are certificates.
    ///
    /// # Errors
    ///
    /// When they do not get ready.
    pub(crate) fn native(&self, tls: Option<&Path>) -> anyhow::Result<Server> {
        let mut command = self.command(&std::env::current_exe()?);
        command.arg("native-greeter");
        if let Some(dir) = tls {
            command.arg("--tls").arg(dir);
        }
        let greeter = self.start_announcing("native-greeter", command)?;
        Ok(self.native_front(greeter.edge, tls)?.and(greeter))
    }

    /// Starts the native greeter alone.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(crate) fn native_greeter(&self) -> anyhow::Result<Server> {
        let mut command = self.command(&std::env::current_exe()?);
        command.arg("native-greeter");
        self.start_announcing("native-greeter", command)
    }

    /// Starts the native front alone.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(crate) fn native_front(&self, greeter: SocketAddr, tls: Option<&Path>) -> anyhow::Result<Server> {
        let mut command = self.command(&std::env::current_exe()?);
        command.arg("native-front").arg("--greeter").arg(greeter.to_string());
        if let Some(dir) = tls {
            command.arg("--tls").arg(dir);
        }
        self.start_announcing("native-front", command)
    }

    /// Starts two `wasmtime serve`, which serve one component each: one for 0.3, one for 0.2, as they do by default.
    ///
    /// # Errors
    ///
    /// When they do not get ready.
    pub(crate) fn wasmtime(&self, wasmtime: &Path, p3: &Path, p2: &Path) -> anyhow::Result<Server> {
        let start = |name: &str, options: &[&str], component: &Path| {
            let mut command = self.command(wasmtime);
            command.args(["serve", "--addr", "127.0.0.1:0"]).args(options).arg(component);
            let log = self.dir.join(format!("{name}.log"));
            self.start(name, command, &Sign::Log(&log))
        };
        let mut other = start("wasmtime-p2", &["-S", "cli"], p2)?;
        let options = ["-S", "cli,p3,keyvalue,config", "-W", "component-model-async=y"];
        let mut server = start("wasmtime-p3", &options, p3)?;
        server.other = Some(other.edge);
        server.children.append(&mut other.children);
        Ok(server)
    }

    fn command(&self, program: &Path) -> Command {
        match self.under.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }

    fn start_announcing(&self, name: &str, mut command: Command) -> anyhow::Result<Server> {
        let announce = self.dir.join(format!("{name}.announce.json"));
        if announce.exists() {
            fs::remove_file(&announce)?;
        }
        command.arg("--announce").arg(&announce);
        self.start(name, command, &Sign::Announcement(&announce))
    }

    fn start(&self, name: &str, mut command: Command, sign: &Sign<'_>) -> anyhow::Result<Server> {
        let log = self.dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        command.stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let child = self
            .cores
            .spawn_server(&mut command)
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { children: vec![child], edge: nowhere, admin: None, other: None, started };
        let announcement =
            server.ready(sign).with_context(|| format!("the {name} did not start; its log is {}", log.display()))?;
        (server.edge, server.admin) = (announcement.edge, announcement.admin);
        Ok(server)
    }
}

impl Sign<'_> {
    /// `None` while the server is not ready. A file that is not whole is looked at again.
    fn read(&self) -> Option<Announcement> {
        match self {
            Self::Announcement(path) => serde_json::from_slice(&fs::read(path).ok()?).ok(),
            Self::Log(path) => {
                let text = fs::read_to_string(path).ok()?;
                let (_, rest) = text.split_once(WASMTIME_READY)?;
                let (edge, _) = rest.split_once('/')?;
                Some(Announcement { edge: edge.parse().ok()?, admin: None })
            }
        }
    }
}

impl Server {
    /// Waits until it is ready.
    fn ready(&mut self, sign: &Sign<'_>) -> anyhow::Result<Announcement> {
        loop {
            if let Some(announcement) = sign.read() {
                return Ok(announcement);
            }
            for child in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    bail!("it ended: {status}");
                }
            }
            anyhow::ensure!(self.started.elapsed() < START_MAX, "it was not ready in time");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Both as one, which is asked where this one is.
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        self.children.append(&mut other.children);
        self
    }

    /// Where the component of 0.2 is served.
    pub(crate) fn other(&self) -> SocketAddr {
        self.other.unwrap_or(self.edge)
    }

    /// How many instances this host has, of all services together.
    ///
    /// # Errors
    ///
    /// When it is no host, or does not say.
    pub(crate) fn instances(&self) -> anyhow::Result<u64> {
        Ok(self.status()?.services.iter().map(|service| service.instances).sum())
    }

    /// Waits until all services of this host run optimised code. Only that is kept for its next start.
    ///
    /// # Errors
    ///
    /// When it is no host, or does not say.
    pub(crate) fn optimised(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.status()?.services.iter().any(|service| service.code.as_deref() == Some("baseline")) {
            anyhow::ensure!(begin.elapsed() < START_MAX, "it was not optimised in time");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn status(&self) -> anyhow::Result<Status> {
        let admin = self.admin.context("a server without an admin port")?;
        let (status, body) = http::get(admin, "localhost", "/api/v1/status", REQUEST_MAX)?;
        anyhow::ensure!(status == 200, "the status answers {status}");
        Ok(serde_json::from_str(&body)?)
    }

    /// The memory of all processes.
    ///
    /// # Errors
    ///
    /// When a process is gone.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        self.children.iter().map(|child| Memory::exact(child.id())).sum()
    }

    /// The memory of all processes, quickly.
    ///
    /// # Errors
    ///
    /// When a process is gone.
    pub(crate) fn memory_now(&self) -> anyhow::Result<Memory> {
        self.children.iter().map(|child| Memory::quick(child.id())).sum()
    }

    /// The processes' numbers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// The time from the start of the process to the end of the first response to this request.
    ///
    /// # Errors
    ///
    /// When the response is none of those expected.
    pub(crate) fn first_response(
        &self,
        host: &str,
        path: &str,
        expect: (u16, Option<&str>),
    ) -> anyhow::Result<Duration> {
        let (status, body) = http::get(self.edge, host, path, REQUEST_MAX)?;
        let elapsed = self.started.elapsed();
        let as_expected = status == expect.0 && expect.1.is_none_or(|expect| expect == body);
        anyhow::ensure!(as_expected, "GET {path}: {status} {body:?} instead of {expect:?}");
        Ok(elapsed)
    }

    /// CPU time used so far, in seconds, by all processes, in user mode and in the kernel.
    ///
    /// # Errors
    ///
    /// When a process is gone.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let mut ticks = 0;
        for child in &self.children {
            let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).context("a server is gone")?;
            // The name, in parentheses, may contain anything. User time is the 14th field, system time the 15th.
            let (_, fields) = text.rsplit_once(')').context("/proc/PID/stat has no name")?;
            for field in fields.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(seconds(ticks))
    }

    /// Asks the processes to end, and waits until they are gone.
    ///
    /// # Errors
    ///
    /// When one cannot be asked, or does not end.
    pub(crate) fn terminate(mut self, within: Duration) -> anyhow::Result<()> {
        let begin = Instant::now();
        for child in &mut self.children {
            let pid = rustix::process::Pid::from_child(child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            while child.try_wait()?.is_none() {
                anyhow::ensure!(begin.elapsed() < within, "a server does not end");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.children.clear();
        Ok(())
    }

    /// Stops the processes and waits until they are gone.
    ///
    /// # Errors
    ///
    /// When they cannot be stopped.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        for mut child in self.children.drain(..) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            // On the way out of an error; that one is shown.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! The processes that are measured: starting them, and reading what they and others have used.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::cores::Cores;
use crate::http;

/// How long a server may take until it serves: on a busy machine a cold compile takes seconds.
const START_MAX: Duration = Duration::from_secs(60);

/// One or more processes that serve together. Dropping it kills them.
pub(crate) struct Server {
    children: Vec<Child>,
    pub(crate) edge: SocketAddr,
    started: Instant,
}

/// What a server writes when it is ready.
#[derive(Deserialize)]
struct Announcement {
    edge: SocketAddr,
}

/// Where servers are started from and write to.
pub(crate) struct Place<'a> {
    pub(crate) cores: &'a Cores,
    /// For logs and announcements.
    pub(crate) dir: &'a Path,
}

impl Place<'_> {
    /// Starts a host with the modules in a folder, its data in another.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(crate) fn host(&self, hostel: &Path, modules: &Path, data: &Path) -> anyhow::Result<Server> {
        let mut command = Command::new(hostel);
        command.arg("up").arg("--modules").arg(modules).arg("--data").arg(data);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--log-format", "json"]);
        self.start("host", command)
    }

    /// Starts the native greeter and the native front that calls it.
    ///
    /// # Errors
    ///
    /// When they do not get ready.
    pub(crate) fn native(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("native-greeter");
        let mut greeter = self.start("native-greeter", command)?;
        let mut front = self.native_front(greeter.edge)?;
        front.children.append(&mut greeter.children);
        Ok(front)
    }

    /// Starts the native front alone.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(crate) fn native_front(&self, greeter: SocketAddr) -> anyhow::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("native-front").arg("--greeter").arg(greeter.to_string());
        self.start("native-front", command)
    }

    fn start(&self, name: &str, mut command: Command) -> anyhow::Result<Server> {
        let announce = self.dir.join(format!("{name}.announce.json"));
        if announce.exists() {
            fs::remove_file(&announce)?;
        }
        let log = self.dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        command.arg("--announce").arg(&announce);
        command.stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let child = self
            .cores
            .spawn_server(&mut command)
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server = Server { children: vec![child], edge: SocketAddr::from(([127, 0, 0, 1], 0)), started };
        server.edge = server
            .ready(&announce)
            .with_context(|| format!("the {name} did not start; its log is {}", log.display()))?;
        Ok(server)
    }
}

impl Server {
    /// Waits for the announcement.
    fn ready(&mut self, announce: &PathBuf) -> anyhow::Result<SocketAddr> {
        loop {
            // A file that is there but not whole is looked at again.
            if let Ok(text) = fs::read(announce)
                && let Ok(announcement) = serde_json::from_slice::<Announcement>(&text)
            {
                return Ok(announcement.edge);
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
        let (status, body) = http::get(self.edge, host, path, START_MAX)?;
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

/// CPU time in seconds, read at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cpu {
    /// Of the servers that are measured.
    pub(crate) server: f64,
    /// Of this process.
    pub(crate) client: f64,
    /// Of everybody else on the machine.
    pub(crate) others: f64,
    /// What the hypervisor gave to other machines.
    pub(crate) stolen: f64,
}

impl Cpu {
    /// # Errors
    ///
    /// When a server is gone, or `/proc` is not as expected.
    pub(crate) fn read(server: &Server) -> anyhow::Result<Self> {
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let client = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
        let server = server.cpu()?;
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let mut fields = line.split_whitespace().skip(1).map(str::parse::<u64>);
        let mut next = || anyhow::Ok(seconds(fields.next().context("/proc/stat is short")??));
        let [user, nice, system] = [next()?, next()?, next()?];
        let [_idle, _iowait, _irq, _softirq] = [next()?, next()?, next()?, next()?];
        Ok(Self { server, client, others: user + nice + system - server - client, stolen: next()? })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            client: self.client - before.client,
            // The clocks tick at different moments.
            others: (self.others - before.others).max(0.0),
            stolen: self.stolen - before.stolen,
        }
    }
}

/// From the ticks in which `/proc` counts.
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

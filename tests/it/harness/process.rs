//! A program that runs: its output as lines, signals, and its end. Dropping it kills it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::eventually;

/// What a program wrote so far, line by line.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn from(&self, start: usize) -> Vec<String> {
        self.0.lock().unwrap()[start..].to_vec()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn collect(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                let text = String::from_utf8_lossy(&line);
                lines.0.lock().unwrap().push(text.trim_end().to_owned());
                line.clear();
            }
        })
    }
}

pub struct Process {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    pub out: Lines,
    pub err: Lines,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, err) = (Lines::default(), Lines::default());
        let readers =
            vec![out.collect(child.stdout.take().expect("piped")), err.collect(child.stderr.take().expect("piped"))];
        Self { child, readers, out, err }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        let pid = Pid::from_raw(pid).expect("a process id is not zero");
        kill_process(pid, signal).expect("the process is there to be signalled");
    }

    /// Waits until it stands still, which it does a moment after it was told to: each of its threads by itself.
    pub fn stands_still(&self) {
        let stopped = |thread: std::fs::DirEntry| {
            // The state follows the name, which is in parentheses.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        let threads = format!("/proc/{}/task", self.child.id());
        let begun = std::time::Instant::now();
        while !std::fs::read_dir(&threads).expect("it runs").flatten().all(stopped) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it goes on running");
            std::thread::yield_now();
        }
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end; afterwards all it wrote is in `out` and `err`.
    pub async fn end(&mut self, what: &str, limit: Duration) -> ExitStatus {
        let status = eventually(what, limit, async || self.ended().ok_or_else(|| "it still runs".to_owned())).await;
        self.read_out();
        status
    }

    /// Ends it the hard way, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.read_out();
    }

    fn read_out(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Commands that run to their end.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::builder::command;
use super::process::Process;

pub struct Output {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `hostel` with arguments.
pub async fn hostel(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = command(dir);
    run(command.args(arguments), Duration::from_secs(60)).await
}

/// Runs any program.
pub async fn run(command: &mut Command, limit: Duration) -> Output {
    let what = format!("{command:?}");
    let mut process = Process::spawn(command);
    finish(&what, &mut process, limit).await
}

/// Waits for the end of a program.
pub async fn finish(what: &str, process: &mut Process, limit: Duration) -> Output {
    let status = process.end(what, limit).await;
    let code = status.code();
    Output {
        code: code.unwrap_or_else(|| panic!("{what} was ended by a signal: {status}")),
        out: process.out.all().join("\n"),
        err: process.err.all().join("\n"),
    }
}

impl Output {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Fails unless the program gave up with this code and one line that contains all of these words.
    #[track_caller]
    pub fn expect_one_line(self, code: i32, words: &[&str]) -> Self {
        let this = self.expect(code);
        let lines: Vec<&str> = this.err.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1, "{this}");
        for word in words {
            assert!(lines[0].contains(word), "`{word}` is not in: {this}");
        }
        this
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, out, err } = self;
        write!(f, "code {code}\n--- out\n{out}\n--- err\n{err}")
    }
}

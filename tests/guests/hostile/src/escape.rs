//! Attempts to reach what a service was not given. Each is reported as `refused` or `ALLOWED`; the status is 200 when
//! all were refused and 500 when one was allowed.

use crate::reply::{self, Answer};
use std::fmt::Debug;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket as TcpSocket3, UdpSocket as UdpSocket3,
};

#[derive(Default)]
struct Report {
    lines: String,
    allowed: bool,
}

impl Report {
    fn attempt<T, E: Debug>(&mut self, what: &str, outcome: Result<T, E>) {
        match outcome {
            Err(error) => self.lines += &format!("refused {what}: {error:?}\n"),
            Ok(_) => {
                self.allowed = true;
                self.lines += &format!("ALLOWED {what}\n");
            }
        }
    }

    /// For interfaces that hand out what there is: an empty list is a refusal.
    fn inventory(&mut self, what: &str, found: &[String]) {
        let outcome = if found.is_empty() { Err("none") } else { Ok(()) };
        self.attempt(&format!("{what} {found:?}"), outcome);
    }

    fn answer(self) -> Answer {
        reply::text(if self.allowed { 500 } else { 200 }, self.lines)
    }
}

pub fn files() -> Answer {
    let mut report = Report::default();
    report.attempt("read /etc/passwd", fs::read("/etc/passwd"));
    report.attempt("read Cargo.toml", fs::read("Cargo.toml"));
    report.attempt("read ../Cargo.toml", fs::read("../Cargo.toml"));
    report.attempt("list /", fs::read_dir("/"));
    report.attempt("list .", fs::read_dir("."));
    report.attempt("write /tmp/hostile", fs::write("/tmp/hostile", "was here"));
    report.attempt("write hostile.txt", fs::write("hostile.txt", "was here"));
    report.attempt("make a directory", fs::create_dir("hostile"));
    report.attempt("read /proc/self/environ", fs::read("/proc/self/environ"));
    let names: Vec<String> =
        wasip3::filesystem::preopens::get_directories().into_iter().map(|(_, name)| name).collect();
    report.inventory("preopened directories", &names);
    report.answer()
}

pub fn environment() -> Answer {
    let mut report = Report::default();
    let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    report.inventory("environment", &variables);
    let arguments: Vec<String> = std::env::args().collect();
    report.inventory("arguments", &arguments);
    let cwd: Vec<String> = wasip3::cli::environment::get_initial_cwd().into_iter().collect();
    report.inventory("working directory", &cwd);
    report.answer()
}

/// Reads the host's own standard input, should it have been passed on. Without end of file this waits.
pub fn stdin() -> Answer {
    let mut report = Report::default();
    let outcome = match std::io::stdin().read(&mut [0]) {
        Ok(0) => Err("end of file".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    report.attempt("read standard input", outcome);
    report.answer()
}

/// Tries sockets of both WASI versions. `address` is an IPv4 address and port that somebody listens on.
pub async fn network(address: &str) -> Answer {
    let Ok(SocketAddr::V4(address)) = address.parse() else {
        return reply::text(400, format!("{address} is not an IPv4 address and port"));
    };
    let mut report = Report::default();
    report.attempt("0.2 connect by TCP", TcpStream::connect(address));
    report.attempt("0.2 listen on TCP", TcpListener::bind("127.0.0.1:0"));
    report.attempt("0.2 send by UDP", UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", address)));
    report.attempt("0.2 resolve a name", ("localhost", 80).to_socket_addrs());

    let ip = address.ip().octets();
    let to = |port| IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (ip[0], ip[1], ip[2], ip[3]) });
    report.attempt(
        "0.3 connect by TCP",
        match TcpSocket3::create(IpAddressFamily::Ipv4) {
            Ok(socket) => socket.connect(to(address.port())).await,
            Err(error) => Err(error),
        },
    );
    report.attempt(
        "0.3 listen on TCP",
        TcpSocket3::create(IpAddressFamily::Ipv4).and_then(|socket| {
            socket.bind(to(0))?;
            socket.listen().map(drop)
        }),
    );
    report.attempt(
        "0.3 send by UDP",
        match UdpSocket3::create(IpAddressFamily::Ipv4) {
            Ok(socket) => socket.send(b"x".to_vec(), Some(to(address.port()))).await,
            Err(error) => Err(error),
        },
    );
    report.attempt("0.3 resolve a name", resolve_addresses("localhost".to_owned()).await);
    report.answer()
}

//! A network of the test's own, to break: each place in it is a network namespace with one address, all of them are on one
//! bridge, and so is the test itself. What is dropped between two places is dropped where it arrives, so the sender learns
//! nothing, as with a real wire; between the test and a place nothing ever is.
//!
//! It takes the rights of root and the programs `ip` (iproute2) and `nft` (nftables); who has them not gets no network, and
//! is told why.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// Dropping it removes everything that was made for it. Hosts in it have to be dropped before.
pub struct Network {
    /// In the names of all that was made, and in nobody else's.
    tag: String,
    /// The first three bytes of all addresses.
    prefix: [u8; 3],
    places: usize,
}

/// One place in a network, for one host.
#[derive(Clone)]
pub struct Place {
    namespace: String,
    pub address: IpAddr,
}

impl Place {
    /// A command that runs a program here. It is the process that is started, and not a child of it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }
}

impl Network {
    /// A network with so many places. When it cannot be had, says why beside the output of tests, and gives none: the test
    /// is skipped.
    pub fn new(places: usize) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // 198.18.0.0/15 is for tests of networks, and not used on the Internet. Source: RFC 2544.
        let [.., high, low] = process.wrapping_mul(7).wrapping_add(number.into()).to_be_bytes();
        let network = Self { tag: format!("ht{process:x}n{number}"), prefix: [198, 18 | (high & 1), low], places };
        match network.make() {
            Ok(()) => Some(network),
            Err(why) => {
                let test = std::thread::current().name().unwrap_or_default().to_owned();
                // Not by `eprintln`, which nobody sees of a test that passes.
                let _ = writeln!(std::io::stderr(), "test {test} is skipped, for want of a network to break: {why}");
                None
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("it takes root".to_owned());
        }
        let (tag, hub) = (&self.tag, self.hub());
        let mut script = format!(
            "netns add {hub}\n\
             link add {tag} type veth peer name test netns {hub}\n\
             addr add {}/24 dev {tag}\n\
             link set {tag} up\n",
            self.host_address(0)
        );
        for place in 1..=self.places {
            let name = self.namespace(place);
            script +=
                &format!("netns add {name}\nlink add wire netns {name} type veth peer name p{place} netns {hub}\n");
        }
        run("ip", &["-batch", "-"], &script)?;
        let mut script = "link add hub type bridge\nlink set hub up\nlink set test master hub up\n".to_owned();
        for place in 1..=self.places {
            script += &format!("link set p{place} master hub up\n");
        }
        run("ip", &["-n", &hub, "-batch", "-"], &script)?;
        for place in 1..=self.places {
            let name = self.namespace(place);
            let address = self.host_address(place);
            let script = format!("link set lo up\naddr add {address}/24 dev wire\nlink set wire up\n");
            run("ip", &["-n", &name, "-batch", "-"], &script)?;
            self.rules(place, "add table ip broken\nadd chain ip broken in { type filter hook input priority 0; }\n")?;
        }
        // The kernel may lack what only some tests need.
        self.rules(1, "add rule ip broken in numgen random mod 100 < 10 drop\nflush chain ip broken in\n")
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.tag)
    }

    fn namespace(&self, place: usize) -> String {
        assert!((1..=self.places).contains(&place), "there is no place {place}");
        format!("{}-{place}", self.tag)
    }

    /// The address of a place; 0 is the test itself.
    fn host_address(&self, place: usize) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, u8::try_from(place + 1).expect("a small network"))
    }

    /// A place for one host; they are counted from 1.
    pub fn place(&self, place: usize) -> Place {
        Place { namespace: self.namespace(place), address: self.host_address(place).into() }
    }

    /// From now on, what one place sends to another does not arrive there. The other direction is as it was.
    pub fn cut(&self, from: usize, to: usize) {
        let rule = format!("add rule ip broken in ip saddr {} drop\n", self.host_address(from));
        self.change(to, &rule);
    }

    /// From now on, of what a place sends to other places, and of what they send to it, so many percent do not arrive.
    pub fn lose(&self, place: usize, percent: u8) {
        for other in (1..=self.places).filter(|other| *other != place) {
            for (from, to) in [(place, other), (other, place)] {
                let from = self.host_address(from);
                self.change(
                    to,
                    &format!("add rule ip broken in ip saddr {from} numgen random mod 100 < {percent} drop\n"),
                );
            }
        }
    }

    /// From now on everything arrives.
    pub fn heal(&self) {
        for place in 1..=self.places {
            self.change(place, "flush chain ip broken in\n");
        }
    }

    fn change(&self, place: usize, rules: &str) {
        self.rules(place, rules).expect("what could be done once can be done again");
    }

    fn rules(&self, place: usize, rules: &str) -> Result<(), String> {
        run("ip", &["netns", "exec", &self.namespace(place), "nft", "-f", "-"], rules)
    }
}

/// Wires go with the namespaces at their ends.
impl Drop for Network {
    fn drop(&mut self) {
        let places = (1..=self.places).map(|place| self.namespace(place));
        for namespace in places.chain([self.hub()]) {
            // What was not made is not there; what else may go wrong must not hide why a test failed.
            let _ = run("ip", &["netns", "del", &namespace], "");
        }
    }
}

/// Runs a program that reads what to do; says what went wrong.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| format!("`{program} {}`: {error}", arguments.join(" "));
    let mut child = command.spawn().map_err(failed)?;
    // It may end before it has read everything, and says why.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}`: {}: {}", arguments.join(" "), output.status, said.trim()))
}

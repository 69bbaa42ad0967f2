//! A steady load: so many requests a second, each begun when it is due, whatever became of those before it. It goes to the
//! edges of several hosts, by way of a balancer as there is one in front of every cluster: it asks each host at `/readyz`
//! whether it takes requests, and sends none to those that do not.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::host::Host;
use super::http::{Client, full, get, request};

/// How often hosts are asked whether they are ready: a fifth of the time that a host without services takes to leave.
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// How long an answer may take that is not a failure. The limit of a call is ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often requests are begun that are due.
const TICK: Duration = Duration::from_millis(5);

/// Requests a second. A cluster is to hold 2,000, and is tested with that by `HOSTEL_TEST_RATE=2000`, on a machine that can
/// do it: five hosts, none of them optimised, and all their clients take some milliseconds of processor time for a request.
/// This much is held by two cores that are busy with other work.
const RATE: u32 = 200;

fn rate() -> u32 {
    std::env::var("HOSTEL_TEST_RATE").map_or(RATE, |rate| rate.parse().expect("HOSTEL_TEST_RATE is a number"))
}

/// A kind of request, with the only answer that is not a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub method: &'static str,
    pub path: &'static str,
    pub answer: &'static str,
}

impl Kind {
    /// A request that may be sent twice.
    pub const fn get(path: &'static str, answer: &'static str) -> Self {
        Self { method: "GET", path, answer }
    }

    /// A request that may not.
    pub const fn post(path: &'static str, answer: &'static str) -> Self {
        Self { method: "POST", path, answer }
    }
}

/// The hosts that requests go to.
#[derive(Clone, Default)]
pub struct Balancer(Arc<Mutex<BTreeMap<String, Backend>>>);

struct Backend {
    client: Client,
    edge: SocketAddr,
    admin: SocketAddr,
    ready: bool,
}

impl Balancer {
    /// Sends requests to a host as well, as long as it is ready. It takes the place of an earlier start of it.
    pub fn add(&self, name: &str, host: &Host) {
        let backend = Backend { client: Client::h1(host.edge), edge: host.edge, admin: host.admin, ready: true };
        self.backends().insert(name.to_owned(), backend);
    }

    fn backends(&self) -> MutexGuard<'_, BTreeMap<String, Backend>> {
        self.0.lock().unwrap()
    }

    fn pick(&self, number: u64) -> Option<(String, Client, SocketAddr)> {
        let backends = self.backends();
        let ready: Vec<_> = backends.iter().filter(|(_, backend)| backend.ready).collect();
        let (name, backend) = ready.get(usize::try_from(number).ok()? % ready.len().max(1))?;
        Some(((*name).clone(), backend.client.clone(), backend.edge))
    }

    async fn watch(self) {
        loop {
            let asked: Vec<SocketAddr> = self.backends().values().map(|backend| backend.admin).collect();
            let answers = join_all(asked.into_iter().map(async |admin| {
                let (client, url) = (Client::h1(admin), format!("http://{admin}/readyz"));
                let answer = timeout(Duration::from_secs(2), client.try_send(get(&url))).await;
                (admin, answer.is_ok_and(|answer| answer.is_ok_and(|reply| reply.status == 200)))
            }))
            .await;
            for backend in self.backends().values_mut() {
                if let Some((_, ready)) = answers.iter().find(|(admin, _)| *admin == backend.admin) {
                    backend.ready = *ready;
                }
            }
            sleep(ASKED_EVERY).await;
        }
    }
}

/// A load under way.
pub struct Steady {
    shared: Arc<Shared>,
    begun: Instant,
    driver: JoinHandle<()>,
    watcher: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    under_way: TaskTracker,
    log: Mutex<Outcome>,
}

/// What became of requests.
#[derive(Default)]
pub struct Outcome {
    pub answered: Vec<Answered>,
    pub lost: Vec<Lost>,
    in_flight: BTreeMap<Kind, u64>,
}

#[derive(Clone)]
pub struct Answered {
    pub kind: Kind,
    pub begun: Instant,
    pub took: Duration,
}

#[derive(Clone)]
pub struct Lost {
    pub kind: Kind,
    pub begun: Instant,
    pub took: Duration,
    /// To whose edge it was sent, and what came of it.
    pub what: String,
}

impl Steady {
    /// Begins to send requests of these kinds in turn.
    pub fn start(balancer: &Balancer, kinds: &'static [Kind]) -> Self {
        Self::at(rate(), balancer, kinds)
    }

    /// Begins to send so many requests a second.
    pub fn at(rate: u32, balancer: &Balancer, kinds: &'static [Kind]) -> Self {
        let shared = Arc::new(Shared::default());
        let driver = tokio::spawn(drive(rate, shared.clone(), balancer.clone(), kinds));
        let watcher = tokio::spawn(balancer.clone().watch());
        Self { shared, begun: Instant::now(), driver, watcher }
    }

    fn log(&self) -> MutexGuard<'_, Outcome> {
        self.shared.log.lock().unwrap()
    }

    /// How many requests with a method are under way.
    pub fn in_flight(&self, method: &str) -> u64 {
        self.log().in_flight.iter().filter(|(kind, _)| kind.method == method).map(|(_, count)| count).sum()
    }

    /// Lets it go on for a while.
    pub async fn goes_on(&self, time: Duration) {
        sleep(time).await;
    }

    /// Begins no more requests, and waits for those under way.
    pub async fn stop(mut self) -> Outcome {
        let lasted = self.begun.elapsed();
        self.driver.abort();
        let _ = (&mut self.driver).await;
        self.shared.under_way.close();
        self.shared.under_way.wait().await;
        self.watcher.abort();
        let outcome = std::mem::take(&mut *self.shared.log.lock().unwrap());
        let all = outcome.answered.len() + outcome.lost.len();
        eprintln!(
            "{all} requests in {lasted:?}, {} lost; half of them took {:?} at most, 99 % {:?}, all {:?}",
            outcome.lost.len(),
            outcome.percentile(50.0),
            outcome.percentile(99.0),
            outcome.percentile(100.0),
        );
        outcome
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.driver.abort();
        self.watcher.abort();
    }
}

async fn drive(rate: u32, shared: Arc<Shared>, balancer: Balancer, kinds: &'static [Kind]) {
    let mut number = 0_u64;
    let mut due = 0.0;
    let mut last = Instant::now();
    loop {
        sleep(TICK).await;
        let now = Instant::now();
        // Who was not given a processor for long does not make up for it all at once: that would be no steady load.
        due += (now - last).as_secs_f64().min(0.1) * f64::from(rate);
        last = now;
        while due >= 1.0 {
            due -= 1.0;
            let turn = usize::try_from(number).expect("a number") % kinds.len();
            // Each kind goes to all hosts, even when there are as many hosts as kinds.
            let backend = balancer.pick(number / kinds.len() as u64 + number);
            shared.under_way.spawn(one(shared.clone(), backend, kinds[turn]));
            number += 1;
        }
    }
}

async fn one(shared: Arc<Shared>, backend: Option<(String, Client, SocketAddr)>, kind: Kind) {
    let begun = Instant::now();
    *shared.log.lock().unwrap().in_flight.entry(kind).or_default() += 1;
    let outcome = match backend {
        None => Err("no host is ready".to_owned()),
        Some((name, client, edge)) => send(&client, edge, kind).await.map_err(|what| format!("at {name}: {what}")),
    };
    let took = begun.elapsed();
    let mut log = shared.log.lock().unwrap();
    *log.in_flight.entry(kind).or_default() -= 1;
    match outcome {
        Ok(()) => log.answered.push(Answered { kind, begun, took }),
        Err(what) => log.lost.push(Lost { kind, begun, took, what }),
    }
}

async fn send(client: &Client, edge: SocketAddr, kind: Kind) -> Result<(), String> {
    let url = format!("http://{edge}{}", kind.path);
    let sent = match kind.method {
        "GET" => get(&url),
        method => request(method, &url, full("a body")),
    };
    let reply = timeout(PATIENCE, client.try_send(sent)).await.map_err(|_| format!("nothing in {PATIENCE:?}"))?;
    let reply = reply.map_err(|error| error.to_string())?;
    let right = reply.status == 200 && reply.text() == kind.answer;
    right.then_some(()).ok_or_else(|| reply.to_string())
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {:?} ago, after {:?}", self.kind.method, self.kind.path, self.begun.elapsed(), self.took)
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: Kind { method, path, .. }, begun, took, what } = self;
        write!(f, "{method} {path}, {:?} ago, after {took:?}: {what}", begun.elapsed())
    }
}

impl Outcome {
    /// The time that `percent` of the answers did not exceed.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut times: Vec<_> = self.answered.iter().map(|answered| answered.took).collect();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or_default()
    }

    /// Requests with a method that were lost.
    pub fn lost(&self, method: &str) -> Vec<&Lost> {
        self.lost.iter().filter(|lost| lost.kind.method == method).collect()
    }

    #[track_caller]
    pub fn expect_nothing_lost(&self) {
        let first: Vec<_> = self.lost.iter().take(20).collect();
        assert!(self.lost.is_empty(), "{} lost, {} answered: {first:#?}", self.lost.len(), self.answered.len());
        assert!(!self.answered.is_empty(), "nothing was sent");
    }
}

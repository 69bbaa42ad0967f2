//! Runs a [`Core`] on tokio: one task, which belongs on a runtime that no guest runs on.

mod search;
mod seeds;
mod strangers;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::catalogue::{PublishError, Reader, Service};
use super::core::{Action, Core, Notice, Now, Status};
use super::counters::Counters;
use super::exchange::{Exchange, ExchangeError, Request};
use super::node::{Node, NodeId};
use super::seal::{Keyring, PACKET_BYTES_MAX, Sealer};
use super::settings::Settings;
use super::transport::Transport;
use crate::config::Invalid;
use crate::observe::seldom::Seldom;
use search::Search;
use seeds::Found;
use strangers::Strangers;

/// Commands that wait for the task.
const COMMANDS_LEN: usize = 256;
/// Notices that a slow listener may be behind; it is told how many it missed.
const NOTICES_LEN: usize = 1_024;
/// How long an exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The node is not running any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node has left the cluster")]
pub struct Stopped;

enum Command {
    Publish(Vec<Service>, oneshot::Sender<Result<(), PublishError>>),
    WithdrawAll(oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
    Status(oneshot::Sender<Status>),
    Answer(Bytes, oneshot::Sender<Result<Bytes, ExchangeError>>),
    Unreachable(NodeId),
    SetKeys(Keyring),
}

enum Done {
    Exchanged(NodeId, Result<Bytes, ExchangeError>),
    Seeds(Found),
}

/// A running node. Clones are the same node; when the last is dropped, it stops without a word.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Notice>,
    changes: watch::Receiver<u64>,
    reader: Reader,
    counters: Arc<Counters>,
    me: Arc<Node>,
}

/// Starts a node on `runtime`. It joins whatever cluster its seeds belong to, and tries for ever.
///
/// `seed` decides what is left to chance (whom to probe, when to exchange); it has nothing to do with secrets.
///
/// # Errors
///
/// [`Invalid`] when the settings make no sense.
pub fn start<T: Transport>(
    runtime: &tokio::runtime::Handle,
    settings: Settings,
    me: Arc<Node>,
    keys: Keyring,
    transport: T,
    exchange: Arc<dyn Exchange>,
    seed: u64,
) -> Result<Handle, Invalid> {
    settings.validate()?;
    let clock = Clock { begin: Instant::now() };
    let senders_max = 2 * settings.members_max;
    let sealer = Sealer::new(keys, &settings.name, me.id(), settings.clock_skew_ms, senders_max);
    let core = Core::new(settings.clone(), Arc::clone(&me), sealer, seed, clock.now());
    let (commands, inbox) = mpsc::channel(COMMANDS_LEN);
    let (notices, _) = broadcast::channel(NOTICES_LEN);
    let (reader, counters) = (core.reader(), core.counters());
    let (revision, changes) = watch::channel(reader.load().revision());
    let (done, finished) = mpsc::channel(16);
    let driver = Driver {
        core,
        clock,
        settings,
        transport,
        exchange,
        notices: notices.clone(),
        reader: reader.clone(),
        revision,
        done,
        finished,
        leaving: Vec::new(),
        unresolved: Arc::default(),
        search: Search::default(),
        strangers: Strangers::default(),
    };
    runtime.spawn(driver.run(inbox));
    Ok(Handle { commands, notices, changes, reader, counters, me })
}

impl Handle {
    /// This node.
    #[must_use]
    pub fn me(&self) -> &Arc<Node> {
        &self.me
    }

    /// Where the catalogue is read.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What happens to the membership from now on. Who falls behind gets an error that says by how much.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// The revision of the catalogue, whenever it has become another, and an error when the node runs no more. A new
    /// receiver counts as behind if anything has changed since the node was started. Failed connections are no change
    /// of the catalogue: see [`Reader::reachability`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    async fn ask<R>(&self, command: impl FnOnce(oneshot::Sender<R>) -> Command) -> Result<R, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Makes `services` what this node serves. An empty set is refused while it serves any: see
    /// [`Handle::withdraw_all`].
    ///
    /// # Errors
    /// [`Stopped`]; inside, [`PublishError`], and then what it served before still holds.
    pub async fn publish(&self, services: Vec<Service>) -> Result<Result<(), PublishError>, Stopped> {
        self.ask(|reply| Command::Publish(services, reply)).await
    }

    /// Withdraws all that this node serves.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn withdraw_all(&self) -> Result<(), Stopped> {
        self.ask(Command::WithdrawAll).await
    }

    /// Leaves: publishes all as draining, waits for that to spread, says good-bye. Returns when that is done.
    ///
    /// # Errors
    /// [`Stopped`] when it had left before.
    pub async fn leave(&self) -> Result<(), Stopped> {
        self.ask(Command::Leave).await
    }

    /// The membership as it is seen from here.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn status(&self) -> Result<Status, Stopped> {
        self.ask(Command::Status).await
    }

    /// Answers an exchange message that came over a peer link.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn answer(&self, request: Bytes) -> Result<Bytes, ExchangeError> {
        self.ask(|reply| Command::Answer(request, reply)).await.unwrap_or(Err(ExchangeError::Stopped))
    }

    /// A connection to `node` failed. All readers see it at once, without waiting for anything; the node is asked for a
    /// sign of life, and the mark goes when one comes.
    pub fn report_unreachable(&self, node: NodeId) {
        if let Some(presence) = self.reader.load().node(node) {
            presence.set_reachable(false);
            // If there is no room, the next packet from the node does the same.
            let _ = self.commands.try_send(Command::Unreachable(node));
        }
    }

    /// Uses other keys from now on.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn set_keys(&self, keys: Keyring) -> Result<(), Stopped> {
        self.commands.send(Command::SetKeys(keys)).await.map_err(|_| Stopped)
    }
}

#[derive(Clone, Copy)]
struct Clock {
    begin: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.begin.elapsed(), unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }
}

struct Driver<T> {
    core: Core,
    clock: Clock,
    settings: Settings,
    transport: T,
    exchange: Arc<dyn Exchange>,
    notices: broadcast::Sender<Notice>,
    reader: Reader,
    revision: watch::Sender<u64>,
    done: mpsc::Sender<Done>,
    finished: mpsc::Receiver<Done>,
    leaving: Vec<oneshot::Sender<()>>,
    /// Seeds that could not be resolved, as far as the log has told.
    unresolved: Arc<Seldom>,
    search: Search,
    strangers: Strangers,
}

impl<T: Transport> Driver<T> {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        // One more than a packet may have, so that larger ones show.
        let mut buffer = vec![0; PACKET_BYTES_MAX + 1];
        loop {
            self.tell_revision();
            if self.act().await {
                return;
            }
            let due = self.core.next_timer().map(|due| self.clock.begin + due);
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(done) = self.finished.recv() => match done {
                    Done::Exchanged(with, reply) => self.core.on_exchanged(self.clock.now(), with, reply),
                    Done::Seeds(seeds) => self.seek(seeds),
                },
                received = self.transport.receive(&mut buffer) => match received {
                    Ok((size, from)) => {
                        let packet = buffer.get(..size).unwrap_or_default();
                        if let Some(error) = self.core.on_packet(self.clock.now(), packet) {
                            self.strangers.refused(from, error);
                        }
                    }
                    // An earlier packet could not be delivered, or memory is short. Not to be tried in a circle.
                    Err(error) => {
                        tracing::debug!(%error, "cannot receive gossip");
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                },
                () = wait_until(due) => self.core.on_timer(self.clock.now()),
            }
        }
    }

    fn seek(&mut self, seeds: Found) {
        if self.core.members() > 0 {
            self.search.found();
        } else if self.leaving.is_empty() {
            self.search.seeking(self.core.me().gossip(), &seeds, &self.exchange);
        }
        self.core.on_seeds(self.clock.now(), seeds.addresses);
    }

    fn tell_revision(&self) {
        let now = self.reader.load().revision();
        self.revision.send_if_modified(|told| std::mem::replace(told, now) != now);
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        // Whoever asked may have gone away; that is no reason not to do it.
        match command {
            Command::Publish(services, reply) => drop(reply.send(self.core.publish(now, services))),
            Command::WithdrawAll(reply) => {
                self.core.withdraw_all(now);
                let _ = reply.send(());
            }
            Command::Leave(reply) => {
                self.leaving.push(reply);
                self.core.leave(now);
            }
            Command::Status(reply) => drop(reply.send(self.core.status(now))),
            Command::Answer(request, reply) => drop(reply.send(self.core.answer(now, &request))),
            Command::Unreachable(node) => self.core.report_unreachable(now, node),
            Command::SetKeys(keys) => self.core.set_keys(keys),
        }
    }

    /// Does what the core wants done. Returns whether the node has left.
    async fn act(&mut self) -> bool {
        while let Some(action) = self.core.next_action() {
            match action {
                Action::Send { to, packet } => {
                    if let Err(error) = self.transport.send(to, &packet).await {
                        tracing::debug!(%to, %error, "cannot send gossip");
                    }
                }
                Action::Resolve => {
                    let (settings, done, told) = (self.settings.clone(), self.done.clone(), self.unresolved.clone());
                    tokio::spawn(async move {
                        let seeds = seeds::resolve(&settings, &told).await;
                        let _ = done.send(Done::Seeds(seeds)).await;
                    });
                }
                Action::Exchange(Request { with, bytes }) => {
                    let (answer, done) = (self.exchange.exchange(&with, bytes), self.done.clone());
                    tokio::spawn(async move {
                        let late = |_| Err(ExchangeError::Unreachable("no answer in time".to_owned()));
                        let reply = tokio::time::timeout(EXCHANGE_TIMEOUT, answer).await.unwrap_or_else(late);
                        let _ = done.send(Done::Exchanged(with.id(), reply)).await;
                    });
                }
                // Nobody may be listening.
                Action::Notice(notice) => drop(self.notices.send(notice)),
                Action::Left => {
                    for reply in self.leaving.drain(..) {
                        let _ = reply.send(());
                    }
                    return true;
                }
            }
        }
        false
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

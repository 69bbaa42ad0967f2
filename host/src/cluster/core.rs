//! The protocol without the world: packets, timers, commands and the time go in, [`Action`]s come out.
//!
//! There is no clock, socket, task or system randomness in here (but for the nonces of sealed packets, which nothing
//! depends on), so a thousand nodes run in one thread in virtual time, and a seed says what happens. The caller arms
//! one timer for [`Core::next_timer`], and takes all actions after each call.

mod exchanging;
mod membership;
mod seeking;
mod serving;
mod status;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use foca::{AccumulatingRuntime, Foca, PeriodicParams};
use rand10::rngs::SmallRng;
use rand10::{RngExt, SeedableRng};

use self::exchanging::Exchanging;
use self::timers::{Task, Timers};
use super::catalogue::{Reader, Table};
use super::counters::Counters;
use super::exchange::Request;
use super::node::{Node, NodeId};
use super::seal::{OVERHEAD_BYTES, SealError, Sealer};
use super::settings::Settings;
use super::swim::codec::Codec;
use super::swim::health::Health;
use super::swim::news::Handler;
use super::swim::{Identity, Shared};

pub use self::status::{MemberState, MemberStatus, Status};

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since some moment that stays the same. Never goes back.
    pub mono: Duration,
    /// Milliseconds since 1970, as the system's clock has them.
    pub unix_ms: u64,
}

/// What the caller is to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a packet, once, without waiting.
    Send { to: SocketAddr, packet: Vec<u8> },
    /// Find out the seeds' addresses and hand them to [`Core::on_seeds`].
    Resolve,
    /// Ask a node over the peer link and hand the answer to [`Core::on_exchanged`].
    Exchange(Request),
    /// Tell whoever is interested.
    Notice(Notice),
    /// The node has left; nothing more will come.
    Left,
}

/// What happened to the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    MemberUp(Arc<Node>),
    MemberDown(Arc<Node>),
    /// Others held this node for down, and it made itself known anew.
    Rejoined,
}

/// How far this node is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Member,
    Draining,
    Left,
}

/// One node's part in the protocol.
pub struct Core {
    settings: Settings,
    me: Arc<Node>,
    swim: Foca<Identity, Codec, SmallRng, Handler>,
    effects: AccumulatingRuntime<Identity>,
    shared: Shared,
    reader: Reader,
    sealer: Sealer,
    timers: Timers,
    actions: VecDeque<Action>,
    rng: SmallRng,
    health: Health,
    failed_probe: Option<NodeId>,
    /// What makes foca's timers valid; it changes when foca loses or changes its footing.
    swim_token: foca::TimerToken,
    refuted: Duration,
    tuned_for: usize,
    exchanging: Exchanging,
    /// Since when members are what they are, by id.
    since: HashMap<NodeId, Duration>,
    /// Since when nodes are said to be unreachable.
    unreachable: HashMap<NodeId, serving::Failed>,
    seeking: u32,
    phase: Phase,
    scratch: Vec<u8>,
    counters: Arc<Counters>,
}

impl Core {
    /// A node that knows nobody yet. `settings` have been validated; `seed` decides all that is left to chance.
    #[must_use]
    pub fn new(settings: Settings, me: Arc<Node>, sealer: Sealer, seed: u64, now: Now) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let identity = Identity::new(Arc::clone(&me), now.unix_ms);
        let table = Table::new(Arc::clone(&me), &settings);
        let reader = table.reader();
        let shared = Shared::new(table, identity.clone(), settings.members_max);
        let config = swim_config(&settings, 1);
        let (codec, handler) = (Codec::new(shared.clone()), Handler(shared.clone()));
        let swim = Foca::with_custom_broadcast(identity, config, rng.fork(), codec, handler);
        let mut core = Self {
            me,
            swim,
            effects: AccumulatingRuntime::new(),
            shared,
            reader,
            sealer,
            timers: Timers::default(),
            actions: VecDeque::new(),
            rng,
            health: Health::default(),
            failed_probe: None,
            swim_token: 0,
            refuted: Duration::ZERO,
            tuned_for: 1,
            exchanging: Exchanging::default(),
            since: HashMap::new(),
            unreachable: HashMap::new(),
            seeking: 0,
            phase: Phase::Member,
            scratch: Vec::new(),
            counters: Arc::default(),
            settings,
        };
        core.timers.push(now.mono, Task::Seek);
        core.after(now, core.settings.exchange_ms, Task::Exchange);
        core.after(now, exchanging::CHECK_MS, Task::Check);
        core.after(now, core.settings.tombstone_ms / 8, Task::Expire);
        core.tell_record(0);
        core
    }

    /// Where the catalogue is read.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> &Arc<Node> {
        &self.me
    }

    /// Keys to use from now on.
    pub fn set_keys(&mut self, keys: super::seal::Keyring) {
        self.sealer.set_keys(keys);
    }

    /// When [`Core::on_timer`] is to be called.
    #[must_use]
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// The next thing to do. To be asked until there is none, after each call.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A packet came in, from wherever: the seal says from whom. Returns why it was refused, if it was.
    pub fn on_packet(&mut self, now: Now, packet: &[u8]) -> Option<SealError> {
        Counters::add(&self.counters.packets_received, 1);
        Counters::add(&self.counters.bytes_received, packet.len() as u64);
        if self.phase == Phase::Left {
            return None;
        }
        let mut content = std::mem::take(&mut self.scratch);
        let opened = self.sealer.open(now.unix_ms, packet, &mut content);
        match opened {
            Ok(sender) => self.on_content(now, sender, &content),
            Err(error) => self.counters.rejected(error),
        }
        self.scratch = content;
        opened.err()
    }

    fn on_content(&mut self, now: Now, sender: NodeId, content: &[u8]) {
        self.shared.lock().sender = sender;
        let understood = self.run(now, |swim, effects| swim.handle_data(content, effects));
        let refused = std::mem::take(&mut self.shared.lock().refused);
        Counters::add(&self.counters.members_refused, refused);
        if !understood && refused == 0 {
            Counters::add(&self.counters.malformed, 1);
        }
        self.heard_from(now, sender);
        self.refute(now);
        self.settle();
    }

    /// It is [`Core::next_timer`] or later.
    pub fn on_timer(&mut self, now: Now) {
        let late = self.next_timer().map_or(Duration::ZERO, |due| now.mono.saturating_sub(due));
        if late > Duration::from_millis(self.settings.probe_ms / 2) && self.phase == Phase::Member {
            // This process was stopped, or starved. Answers may wait unread, so nobody is to be condemned for the time
            // that passed: it is taken as not passed, and they get a moment to be read.
            self.health.worsen();
            Counters::add(&self.counters.late, 1);
            self.timers.shift(late + Duration::from_millis(self.settings.ack_ms));
            return;
        }
        while let Some(task) = self.timers.pop(now.mono) {
            self.perform(now, task);
        }
        self.settle();
    }

    fn perform(&mut self, now: Now, task: Task) {
        match task {
            Task::Swim(timer, put_off) => self.swim_timer(now, timer, put_off),
            Task::Seek => self.seek(now),
            Task::Exchange => self.exchange_with_anybody(now),
            Task::Check => self.check(now),
            Task::Nudge(id, begun) => self.nudge(now, id, begun),
            Task::Leave => self.depart(now),
            Task::Farewell(left) => self.farewell(now, left),
            Task::Expire => self.expire(now),
        }
    }

    fn swim_timer(&mut self, now: Now, timer: foca::Timer<Identity>, put_off: u32) {
        match timer {
            _ if self.phase == Phase::Left => {}
            // foca 2.0.0 tells the member that it is down even when it has refuted the suspicion in the meantime.
            foca::Timer::ChangeSuspectToDown { ref member_id, incarnation, .. }
                if !self.still_suspect(member_id, incarnation) => {}
            foca::Timer::ChangeSuspectToDown { .. } if put_off < self.health.score() => {
                // Not well enough to condemn others: see `health`.
                let wait = self.settings.suspect_after(self.swim.num_members());
                self.timers.push(now.mono + wait, Task::Swim(timer, put_off + 1));
            }
            foca::Timer::ProbeRandomMember(_) => {
                self.failed_probe = None;
                self.run(now, |swim, effects| swim.handle_timer(timer, effects));
                self.health.probed(self.failed_probe);
            }
            _ => {
                self.run(now, |swim, effects| swim.handle_timer(timer, effects));
            }
        }
    }

    fn still_suspect(&self, id: &Identity, incarnation: foca::Incarnation) -> bool {
        self.swim.iter_members().any(|member| {
            member.id() == id && member.incarnation() == incarnation && member.state() == foca::State::Suspect
        })
    }

    /// Schedules `task` for about `ms` milliseconds from now: half as much to one and a half times as much.
    fn after(&mut self, now: Now, ms: u64, task: Task) {
        let wait = self.jitter(ms);
        self.timers.push(now.mono + wait, task);
    }

    fn jitter(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(ms / 2..=ms + ms / 2))
    }

    /// Lets foca do something, and does what follows from it. Returns whether it went well.
    fn run<F>(&mut self, now: Now, act: F) -> bool
    where
        F: FnOnce(
            &mut Foca<Identity, Codec, SmallRng, Handler>,
            &mut AccumulatingRuntime<Identity>,
        ) -> Result<(), foca::Error>,
    {
        {
            let mut state = self.shared.lock();
            state.now = now.mono;
            state.backlog = self.swim.custom_broadcast_backlog();
            state.room = self.settings.members_max.saturating_sub(self.swim.iter_membership_state().len());
        }
        let result = act(&mut self.swim, &mut self.effects);
        while let Some(notification) = self.effects.to_notify() {
            self.notified(now, notification);
        }
        while let Some((to, content)) = self.effects.to_send() {
            self.send(now, to.address(), &content);
        }
        while let Some((wait, timer)) = self.effects.to_schedule() {
            if let foca::Timer::ProbeRandomMember(token) = &timer {
                self.swim_token = *token;
            }
            let factor = match &timer {
                foca::Timer::ProbeRandomMember(_) | foca::Timer::SendIndirectProbe { .. } => self.health.factor(),
                foca::Timer::ChangeSuspectToDown { member_id, .. } => {
                    self.failed_probe = Some(member_id.id());
                    1
                }
                _ => 1,
            };
            self.timers.push(now.mono + wait * factor, Task::Swim(timer, 0));
        }
        result.is_ok()
    }

    fn send(&mut self, now: Now, to: SocketAddr, content: &[u8]) {
        // It cannot fail: foca keeps to the size it was given.
        let Ok(packet) = self.sealer.seal(now.unix_ms, content) else { return };
        Counters::add(&self.counters.packets_sent, 1);
        Counters::add(&self.counters.bytes_sent, packet.len() as u64);
        self.actions.push_back(Action::Send { to, packet });
    }

    /// What is to be done after anything has happened.
    fn settle(&mut self) {
        let members = self.swim.num_members() + 1;
        if members.abs_diff(self.tuned_for) * 10 > self.tuned_for {
            self.tuned_for = members;
            // It cannot fail: only what may change does.
            let _ = self.swim.set_config(swim_config(&self.settings, members));
        }
        self.shared.lock().catalogue.show();
    }
}

fn swim_config(settings: &Settings, members: usize) -> foca::Config {
    let count = |value: usize| NonZeroUsize::new(value).unwrap_or(NonZeroUsize::MIN);
    foca::Config {
        probe_period: Duration::from_millis(settings.probe_ms),
        probe_rtt: Duration::from_millis(settings.ack_ms),
        num_indirect_probes: count(settings.indirect_probes),
        max_transmissions: NonZeroU8::new(settings.transmissions(members)).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: settings.suspect_after(members),
        // foca would arm a timer each time it hears of a death, for that long. `Core::expire` does it without.
        remove_down_after: None,
        max_packet_size: count(settings.packet_bytes_max - OVERHEAD_BYTES),
        notify_down_members: true,
        periodic_announce: Some(PeriodicParams { frequency: Duration::from_secs(30), num_members: count(1) }),
        // Our own search scales with the size of the cluster: see `seeking`.
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams {
            frequency: Duration::from_millis(settings.gossip_ms),
            num_members: count(settings.gossip_fanout),
        }),
    }
}

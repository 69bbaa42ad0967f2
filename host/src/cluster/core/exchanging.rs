//! Exchange of full state: with whom, when, and what is said. The messages are in
//! [`exchange`](crate::cluster::exchange).
//!
//! Each node exchanges with a random member every 30 s or so. When it knows that it lacks something (a member whose
//! record it has not got, changes beyond a gap, a hint that there is something to fetch) it asks sooner, and only about
//! that, as long as it is not much.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use foca::{Member, State};
use rand10::seq::IteratorRandom;

use super::timers::Task;
use super::{Action, Core, Now, Phase};
use crate::cluster::catalogue::table::Applied;
use crate::cluster::counters::Counters;
use crate::cluster::exchange::{Answer, Batch, ExchangeError, Item, MESSAGE_BYTES_MAX, Message, Request, Summary};
use crate::cluster::node::NodeId;
use crate::cluster::swim::Identity;

/// How often to look whether anything is lacking.
pub(super) const CHECK_MS: u64 = 500;
/// How long an answer may take before another exchange is begun.
const ANSWER_MS: u64 = 15_000;
/// The shortest time between something being found to be lacking and asking for it: gossip may still bring it.
const URGENT_MS: u64 = 1_000;
/// Time-outs double this many times.
const DOUBLINGS_MAX: u32 = 5;
/// If no more nodes than this are lacking, only they are asked about.
const ONLY_MAX: usize = 32;
/// Most members learnt in one exchange that are still passed on by gossip.
const GOSSIP_MAX: usize = 32;
/// About as much as is told at a time, in bytes: a task that also answers probes reads it and writes it. Applying 3 MiB
/// with 100,000 entries took a fifth of a second, this takes a tenth of that.
const BATCH_BYTES: usize = 256 << 10;
/// Most members that are told at a time.
const BATCH_MEMBERS: usize = 1_000;
/// Room for what is counted only roughly.
const SLACK_BYTES: usize = 64 << 10;
/// More than a member takes at most.
const MEMBER_BYTES: usize = 168;
/// More than an item of a summary takes at most.
const ITEM_BYTES: usize = 40;
/// Most nodes of an answer that are asked for or said to be down: half of a message.
const ITEMS_MAX: usize = MESSAGE_BYTES_MAX / 2 / ITEM_BYTES;

/// The state of this node's own exchanges.
#[derive(Debug, Default)]
pub(super) struct Exchanging {
    /// With whom one is under way, and until when it is waited for.
    with: Option<(NodeId, Duration)>,
    /// When to ask for what is lacking.
    urgent_at: Option<Duration>,
    attempts: u32,
    lacking: usize,
    /// Somebody has told this node all that it did not know.
    acquainted: bool,
    /// When to ask for that again, and how often it was asked for.
    greet_at: Duration,
    greetings: u32,
}

impl Exchanging {
    pub(super) fn is_acquainted(&self) -> bool {
        self.acquainted
    }
}

impl Core {
    pub(super) fn exchange_with_anybody(&mut self, now: Now) {
        self.after(now, self.settings.exchange_ms, Task::Exchange);
        self.ask_anybody(now);
    }

    /// A node that has come asks for everything as soon as it knows somebody: it serves nobody well until it has learnt
    /// what there is.
    pub(super) fn get_acquainted(&mut self, now: Now) {
        let exchanging = &self.exchanging;
        if exchanging.acquainted || now.mono < exchanging.greet_at || self.swim.num_members() == 0 {
            return;
        }
        let wait = self.jitter(URGENT_MS << self.exchanging.greetings);
        self.exchanging.greetings = (self.exchanging.greetings + 1).min(DOUBLINGS_MAX);
        self.exchanging.greet_at = now.mono + wait;
        self.ask_anybody(now);
    }

    fn ask_anybody(&mut self, now: Now) {
        let with = self.swim.iter_members().map(Member::id).choose(&mut self.rng).cloned();
        if let Some(with) = with {
            self.begin(now, &with, None);
        }
    }

    pub(super) fn check(&mut self, now: Now) {
        self.after(now, CHECK_MS, Task::Check);
        self.make_room(now);
        self.reassert();
        self.get_acquainted(now);
        let state = self.shared.lock();
        let lacking = state.catalogue.wanted().len();
        let one = state.catalogue.wanted().iter().choose(&mut self.rng).map(|(id, via)| (*id, *via));
        let only: Vec<NodeId> = state.catalogue.wanted().keys().take(ONLY_MAX).copied().collect();
        drop(state);
        let Some((id, via)) = one else {
            self.exchanging.urgent_at = None;
            self.exchanging.attempts = 0;
            return;
        };
        let Some(at) = self.exchanging.urgent_at else {
            self.exchanging.lacking = lacking;
            self.exchanging.urgent_at = Some(now.mono + self.jitter(URGENT_MS));
            return;
        };
        if now.mono < at || self.exchanging.with.is_some_and(|(_, until)| now.mono < until) {
            return;
        }
        // Progress keeps the pace, the lack of it slows down.
        let progress = lacking < self.exchanging.lacking;
        self.exchanging.attempts = if progress { 0 } else { (self.exchanging.attempts + 1).min(DOUBLINGS_MAX) };
        self.exchanging.lacking = lacking;
        self.exchanging.urgent_at = Some(now.mono + self.jitter(URGENT_MS << self.exchanging.attempts));
        // Who told of it has it; else somebody else may, which spares the owner being asked by all; else the owner.
        let preferred = via.filter(|_| self.exchanging.attempts < 2);
        let anybody = preferred.is_none() && lacking <= ONLY_MAX && self.exchanging.attempts.is_multiple_of(2);
        let target = preferred.unwrap_or(id);
        let with = self
            .swim
            .iter_members()
            .map(Member::id)
            .filter(|member| anybody || member.id() == target)
            .choose(&mut self.rng)
            .cloned();
        if let Some(with) = with {
            self.begin(now, &with, (lacking <= ONLY_MAX).then_some(only));
        }
    }

    #[cfg(test)]
    pub(super) fn await_answer(&mut self, now: Now, from: NodeId) {
        self.exchanging.with = Some((from, now.mono + Duration::from_millis(ANSWER_MS)));
    }

    fn begin(&mut self, now: Now, with: &Identity, only: Option<Vec<NodeId>>) {
        if self.phase == Phase::Left || self.exchanging.with.is_some_and(|(_, until)| now.mono < until) {
            return;
        }
        self.exchanging.with = Some((with.id(), now.mono + Duration::from_millis(ANSWER_MS)));
        Counters::add(&self.counters.exchanges, 1);
        let down = self.held_for_down(with);
        let state = self.shared.lock();
        let item = |id: &Identity| Item { id: id.id(), epoch: id.epoch(), synced: state.catalogue.synced(id.id()) };
        let mut items: Vec<_> = self.swim.iter_members().map(|member| item(member.id())).collect();
        if let Some(only) = &only {
            items.retain(|item| only.contains(&item.id));
        } else {
            items.push(item(self.swim.identity()));
        }
        drop(state);
        let sender = self.swim.identity().clone();
        let summary = Message::Summary(Summary { sender, down, only: only.is_some(), items });
        self.ask(with, &summary);
    }

    fn ask(&mut self, with: &Identity, message: &Message) {
        let bytes = message.encode();
        Counters::add(&self.counters.exchange_bytes, bytes.len() as u64);
        self.actions.push_back(Action::Exchange(Request { with: with.node().clone(), bytes }));
    }

    /// The epoch in which this node holds `id` for down, if it does.
    fn held_for_down(&self, id: &Identity) -> Option<u64> {
        let down = |member: &&Member<Identity>| {
            member.state() == State::Down && member.id().id() == id.id() && member.id().epoch() >= id.epoch()
        };
        self.swim.iter_membership_state().find(down).map(|member| member.id().epoch())
    }

    /// What `with` answered to an [`Action::Exchange`].
    pub fn on_exchanged(&mut self, now: Now, with: NodeId, reply: Result<Bytes, ExchangeError>) {
        let awaited = self.exchanging.with.take_if(|(id, _)| *id == with).is_some();
        if !awaited || self.phase == Phase::Left {
            return;
        }
        let message = reply.and_then(|bytes| {
            Counters::add(&self.counters.exchange_bytes, bytes.len() as u64);
            Ok(Message::decode(&bytes, &mut self.shared.lock())?)
        });
        match message {
            Ok(Message::Answer(answer)) if answer.sender.id() == with => self.on_answer(now, answer),
            Ok(Message::Done) => {}
            _ => Counters::add(&self.counters.exchanges_failed, 1),
        }
        self.settle();
    }

    fn on_answer(&mut self, now: Now, answer: Answer) {
        let Answer { sender, down, batch, downs, wants, more } = answer;
        self.exchanging.acquainted |= !more;
        self.believe_being_down(now, down);
        let news = self.take(now, &sender, batch);
        self.suspect(now, &downs);
        if !wants.is_empty() {
            let (batch, _) = self.gather(&wants, 0, true);
            let message = Message::Push { sender: self.swim.identity().clone(), batch };
            self.exchanging.with = Some((sender.id(), now.mono + Duration::from_millis(ANSWER_MS)));
            self.ask(&sender, &message);
        }
        if more && news {
            // The rest at once: a node that has just come has much to learn. If a push is under way, soon.
            self.exchanging.urgent_at = Some(now.mono);
            self.exchanging.attempts = 0;
            self.begin(now, &sender, None);
        }
    }

    fn believe_being_down(&mut self, now: Now, down: Option<u64>) {
        if down.is_some_and(|epoch| epoch >= self.swim.identity().epoch()) {
            let me = Member::down(self.swim.identity().clone());
            self.run(now, |swim, effects| swim.apply_many(std::iter::once(me), true, effects));
        }
    }

    /// Somebody holds `downs` for down. If they are, this node has missed it; if they are not, they can object: after a
    /// partition, each half holds the other for down.
    pub(super) fn suspect(&mut self, now: Now, downs: &[Item]) {
        let epochs: HashMap<NodeId, u64> = downs.iter().map(|item| (item.id, item.epoch)).collect();
        let suspects: Vec<_> = self
            .swim
            .iter_members()
            .filter(|member| {
                let epoch = epochs.get(&member.id().id());
                epoch.is_some_and(|epoch| *epoch >= member.id().epoch())
            })
            .map(|member| Member::new(member.id().clone(), member.incarnation(), State::Suspect))
            .collect();
        let wait = self.settings.suspect_after(self.swim.num_members());
        for suspect in &suspects {
            let (member_id, incarnation) = (suspect.id().clone(), suspect.incarnation());
            let timer = foca::Timer::ChangeSuspectToDown { member_id, incarnation, token: self.swim_token };
            self.timers.push(now.mono + wait, Task::Swim(timer, 0));
        }
        self.run(now, |swim, effects| swim.apply_many(suspects.into_iter(), true, effects));
    }

    /// Returns whether anything was new.
    fn take(&mut self, now: Now, sender: &Identity, batch: Batch) -> bool {
        let before = self.swim.num_members();
        let mut state = self.shared.lock();
        state.room = self.settings.members_max.saturating_sub(self.swim.iter_membership_state().len());
        let mut fresh = Vec::new();
        for (id, incarnation) in batch.members {
            if state.admits(&id) {
                fresh.push(Member::new(id, incarnation, State::Alive));
            }
        }
        Counters::add(&self.counters.members_refused, std::mem::take(&mut state.refused));
        drop(state);
        // Who learns the members of a whole cluster knows nothing that the cluster does not.
        let gossip = fresh.len() <= GOSSIP_MAX && fresh.len() <= self.swim.num_members();
        self.run(now, |swim, effects| swim.apply_many(fresh.into_iter(), gossip, effects));
        let mut news = self.swim.num_members() > before;
        let mut state = self.shared.lock();
        for delta in batch.records {
            // Whoever answers begins where the question said this node is.
            if state.catalogue.follows(&delta) {
                news |= state.catalogue.apply(now.mono, delta, sender.id()) == Applied::News;
            }
        }
        news
    }

    /// Answers a message that another node sent over the peer link.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`], or [`ExchangeError::Stopped`] after this node has left.
    pub fn answer(&mut self, now: Now, request: &[u8]) -> Result<Bytes, ExchangeError> {
        if self.phase == Phase::Left {
            return Err(ExchangeError::Stopped);
        }
        let message = Message::decode(request, &mut self.shared.lock())?;
        let reply = match message {
            Message::Summary(summary) => {
                self.believe_being_down(now, summary.down);
                self.answer_summary(&summary)
            }
            Message::Push { sender, batch } => {
                self.take(now, &sender, batch);
                Message::Done
            }
            Message::Answer(_) | Message::Done => {
                return Err(ExchangeError::Malformed(crate::cluster::wire::WireError::Kind));
            }
        };
        self.settle();
        Ok(reply.encode())
    }

    fn answer_summary(&self, summary: &Summary) -> Message {
        let known: HashMap<NodeId, &Item> = summary.items.iter().map(|item| (item.id, item)).collect();
        let mut state = self.shared.lock();
        let (mut wants, mut downs) = (Vec::new(), Vec::new());
        let mut mine: HashMap<NodeId, u64> = HashMap::new();
        for member in self.swim.iter_membership_state() {
            let id = member.id();
            let active = member.state() != State::Down;
            mine.insert(id.id(), id.epoch());
            let Some(item) = known.get(&id.id()) else { continue };
            let synced = state.catalogue.synced(id.id());
            if !active && item.epoch <= id.epoch() && item.id != summary.sender.id() {
                downs.push(Item { id: id.id(), epoch: id.epoch(), synced: 0 });
            }
            if item.epoch > id.epoch() || (active && item.synced > synced) {
                wants.push(Item { id: id.id(), epoch: id.epoch(), synced });
            }
        }
        let me = self.swim.identity();
        for item in &summary.items {
            if item.id == me.id() {
                state.catalogue.contest(item.synced);
            } else if !mine.contains_key(&item.id) {
                wants.push(Item { id: item.id, epoch: 0, synced: 0 });
            }
        }
        drop(state);
        let crowded = wants.len() + downs.len() > ITEMS_MAX;
        downs.truncate(ITEMS_MAX);
        wants.truncate(ITEMS_MAX - downs.len());
        let reserved = (wants.len() + downs.len()) * ITEM_BYTES;
        let (batch, left_out) = self.gather(&summary.items, reserved, summary.only);
        Message::Answer(Answer {
            sender: me.clone(),
            down: self.held_for_down(&summary.sender),
            batch,
            downs,
            wants,
            more: left_out || crowded,
        })
    }

    /// What somebody lacks who knows `items`; of nothing but these, if `only`. Also whether anything was left out.
    fn gather(&self, items: &[Item], reserved: usize, only: bool) -> (Batch, bool) {
        let known: HashMap<NodeId, &Item> = items.iter().map(|item| (item.id, item)).collect();
        let state = self.shared.lock();
        let mut batch = Batch::default();
        let room = MESSAGE_BYTES_MAX - SLACK_BYTES - BATCH_MEMBERS * MEMBER_BYTES - reserved;
        let mut bytes = 0;
        let mut more = false;
        let me = Member::alive(self.swim.identity().clone());
        let active = || self.swim.iter_members().chain(std::iter::once(&me));
        // Members first: records of those who are none are not taken.
        for member in active() {
            let id = member.id();
            let item = known.get(&id.id());
            let newer = item.map_or(!only, |item| item.epoch < id.epoch());
            if !newer || id.id() == me.id().id() {
                continue;
            }
            if batch.members.len() >= BATCH_MEMBERS {
                more = true;
                break;
            }
            batch.members.push((id.clone(), member.incarnation()));
        }
        let mut scratch = Vec::new();
        for member in active() {
            let id = member.id().id();
            let item = known.get(&id);
            if only && item.is_none() {
                continue;
            }
            let Some(delta) = state.catalogue.since(id, item.map_or(0, |item| item.synced)) else { continue };
            scratch.clear();
            delta.put(&mut scratch);
            bytes += scratch.len();
            // One record at least, however large it is.
            if bytes > if batch.records.is_empty() { room } else { BATCH_BYTES } {
                more = true;
                break;
            }
            batch.records.push(delta);
        }
        (batch, more)
    }
}

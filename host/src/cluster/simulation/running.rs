//! One thing after the other.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::Bytes;

use super::{Happening, Simulation, What, address, index};
use crate::cluster::core::{Action, Core, Notice};
use crate::cluster::exchange::ExchangeError;

impl Simulation {
    pub(super) fn push(&mut self, wait: Duration, what: What) {
        self.order += 1;
        self.queue.push(Reverse(Happening { at: self.now + wait, order: self.order, what }));
    }

    pub(super) fn step(&mut self) {
        let Some(Reverse(Happening { at, what, .. })) = self.queue.pop() else { return };
        self.now = at;
        let to = match &what {
            What::Packet { to, .. } | What::Request { to, .. } | What::Reply { to, .. } => *to,
            What::Timer(to) | What::Resolve(to) => *to,
        };
        let now = self.now();
        let Some(place) = self.places.get_mut(to) else { return };
        if place.frozen {
            if !matches!(what, What::Timer(_)) && place.inbox.len() < 200 {
                place.inbox.push(what);
            }
            return;
        }
        let Some(core) = place.core.as_mut() else {
            if let What::Request { from, to, .. } = what {
                self.refuse(from, to);
            }
            return;
        };
        match what {
            What::Packet { packet, .. } => _ = core.on_packet(now, &packet),
            What::Timer(_) => {
                place.armed = place.armed.filter(|armed| *armed > now.mono);
                if core.next_timer().is_some_and(|due| due <= now.mono) {
                    core.on_timer(now);
                }
            }
            What::Resolve(_) => {
                let seeds = place.spec.seeds.iter().map(|seed| address(*seed)).collect();
                core.on_seeds(now, seeds);
            }
            What::Request { from, bytes, .. } => {
                let (reply, with) = (core.answer(now, &bytes), core.me().id());
                self.traffic.exchange_bytes += (bytes.len() + reply.as_ref().map_or(0, Bytes::len)) as u64;
                match self.network.passes(to, from) {
                    true => {
                        let wait = self.network.delay(to, from);
                        self.push(wait, What::Reply { to: from, with, reply });
                    }
                    false => self.refuse(from, to),
                }
            }
            What::Reply { with, reply, .. } => core.on_exchanged(now, with, reply),
        }
        self.serve(to);
    }

    /// A connection that does not come about.
    fn refuse(&mut self, from: usize, to: usize) {
        let Some(with) = self.core(to).map(|core| core.me().id()) else { return };
        let reply = Err(ExchangeError::Unreachable("cut".to_owned()));
        self.push(Duration::from_secs(3), What::Reply { to: from, with, reply });
    }

    /// Does what a core wants done.
    pub(super) fn serve(&mut self, at: usize) {
        loop {
            let Some(core) = self.places.get_mut(at).and_then(|place| place.core.as_mut()) else { return };
            let Some(action) = core.next_action() else { break };
            self.act(at, action);
        }
        let Some(place) = self.places.get_mut(at) else { return };
        let next = place.core.as_ref().and_then(Core::next_timer);
        if let Some(due) = next
            && place.armed.is_none_or(|armed| due < armed)
        {
            place.armed = Some(due);
            self.push(due.saturating_sub(self.now), What::Timer(at));
        }
    }

    fn act(&mut self, at: usize, action: Action) {
        match action {
            Action::Send { to, packet } => {
                self.traffic.packets += 1;
                self.traffic.bytes += packet.len() as u64;
                self.traffic.packet_bytes_max = self.traffic.packet_bytes_max.max(packet.len());
                let Some(to) = index(to).filter(|to| *to < self.places.len()) else { return };
                if to == 0 && self.overheard.len() < self.overhear_len {
                    self.overheard.push(packet.clone());
                }
                for wait in self.network.deliveries(at, to) {
                    self.push(wait, What::Packet { to, packet: packet.clone() });
                }
            }
            Action::Resolve => self.push(Duration::from_millis(1), What::Resolve(at)),
            Action::Exchange(request) => {
                self.traffic.exchanges += 1;
                let Some(to) = self.by_id.get(&request.with.id()).copied() else { return };
                if self.network.passes(at, to) {
                    let wait = self.network.delay(at, to);
                    self.push(wait, What::Request { from: at, to, bytes: request.bytes });
                } else {
                    self.refuse(at, to);
                }
            }
            Action::Notice(Notice::MemberDown(node)) => {
                let Some(whom) = self.by_id.get(&node.id()).copied() else { return };
                let Some(place) = self.places.get(whom) else { return };
                let runs = place.core.as_ref().is_some_and(|core| core.me().id() == node.id());
                if runs && !place.frozen && !place.left {
                    self.wronged.push((at, whom, self.now));
                }
            }
            Action::Notice(_) => {}
            Action::Left => {
                if let Some(place) = self.places.get_mut(at) {
                    place.left = true;
                }
            }
        }
    }
}

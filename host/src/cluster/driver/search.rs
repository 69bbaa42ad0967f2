//! A search for others that finds nobody, in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::seeds::Found;
use crate::cluster::exchange::Exchange;
use crate::observe::seldom::Seldom;

/// How long nobody may answer until that is told: other nodes may be starting too.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many seeds are looked at more closely.
const EXPLAINED_MAX: usize = 4;

/// What is told under, since there is only one search.
const NOBODY: &str = "nobody";

/// Since when nobody answers.
#[derive(Default)]
pub(super) struct Search {
    since: Option<Instant>,
    seldom: Seldom,
}

impl Search {
    /// Somebody is known.
    pub(super) fn found(&mut self) {
        if self.since.take().is_some() && self.seldom.forget(NOBODY) {
            tracing::info!("the cluster has been found");
        }
    }

    /// The seeds are asked now, and nobody is known. Returns whether that should be told.
    fn asks(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        now >= since + PATIENCE && self.seldom.may_say(NOBODY)
    }

    /// The seeds are asked now, by the node at `me`, and nobody is known. Tells of it when that has been so for a while.
    pub(super) fn seeking(&mut self, me: SocketAddr, found: &Found, exchange: &Arc<dyn Exchange>) {
        let others: Vec<SocketAddr> = found.addresses.iter().copied().filter(|seed| *seed != me).collect();
        // Who has no seeds but itself is the first one. Names that stand for nothing are told of elsewhere.
        if others.is_empty() || !self.asks(Instant::now()) {
            return;
        }
        let (seeds, exchange) = (found.names.join(", "), exchange.clone());
        tokio::spawn(async move {
            let looking = others.iter().take(EXPLAINED_MAX).map(|seed| exchange.explain(*seed));
            let found = futures::future::join_all(looking).await;
            let found: Vec<String> =
                others.iter().zip(found).filter_map(|(seed, why)| Some(format!("{seed}: {}", why?))).collect();
            tracing::warn!(
                seeds,
                asked = ?others,
                found = found.join("; "),
                "no seed answers, and this node is alone: they do not run, or a firewall keeps packets (UDP) away, or they have \
                 another gossip key or cluster name. It goes on looking; this is told at most once a minute"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_nobody_answers_is_told_after_a_while_and_seldom() {
        let mut search = Search::default();
        let mut told = Vec::new();
        let begin = Instant::now();
        for _ in 0..150 {
            if search.asks(Instant::now()) {
                told.push(begin.elapsed().as_secs());
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, [5, 65, 125]);
        search.found();
        assert!(!search.asks(Instant::now()), "others may be starting too");
        tokio::time::advance(PATIENCE).await;
        assert!(search.asks(Instant::now()), "it is another search");
    }
}

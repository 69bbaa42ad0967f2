//! Which endpoints of a service are not well: so that no more than a share are ejected, and all are asked when too few
//! are left.

use tokio::time::Instant;

use crate::policy::settings::OutlierSettings;

/// The endpoints that are ejected or whose breaker is open. There are as many entries as that at most.
#[derive(Clone, Debug, Default)]
pub struct Health {
    members: usize,
    troubled: Vec<Trouble>,
}

#[derive(Clone, Debug)]
struct Trouble {
    id: u64,
    ejected_until: Option<Instant>,
    open_until: Option<Instant>,
}

impl Health {
    /// Begins anew for this many endpoints.
    pub fn reset(&mut self, members: usize) {
        self.members = members;
        self.troubled.clear();
    }

    /// Whether one more endpoint may be ejected.
    pub fn may_eject(&mut self, now: Instant, settings: &OutlierSettings) -> bool {
        self.forget(now);
        let ejected = self.troubled.iter().filter(|trouble| trouble.ejected_until.is_some_and(|until| now < until));
        ejected.count() < settings.ejected_max(self.members)
    }

    /// An endpoint is ejected until then.
    pub fn ejected(&mut self, id: u64, until: Instant) {
        self.of(id).ejected_until = Some(until);
    }

    /// An endpoint's breaker is open until then, or has closed.
    pub fn open(&mut self, id: u64, until: Option<Instant>) {
        if until.is_some() || self.troubled.iter().any(|trouble| trouble.id == id) {
            self.of(id).open_until = until;
        }
    }

    /// Whether fewer endpoints than the settings ask for are healthy, neither ejected nor with an open breaker.
    pub fn panics(&mut self, now: Instant, settings: &OutlierSettings) -> bool {
        self.forget(now);
        let healthy = self.members.saturating_sub(self.troubled.len());
        healthy.saturating_mul(100) < self.members.saturating_mul(settings.panic_percent as usize)
    }

    /// The next instant at which somebody gets well by itself; `None` when all are.
    pub fn next_change(&self) -> Option<Instant> {
        self.troubled.iter().filter_map(|trouble| trouble.ejected_until.max(trouble.open_until)).min()
    }

    fn of(&mut self, id: u64) -> &mut Trouble {
        let place = self.troubled.iter().position(|trouble| trouble.id == id);
        if place.is_none() {
            self.troubled.push(Trouble { id, ejected_until: None, open_until: None });
        }
        let place = place.unwrap_or(self.troubled.len() - 1);
        // Either found or pushed just now; indexing says so without a case that cannot happen.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made above")]
        &mut self.troubled[place]
    }

    fn forget(&mut self, now: Instant) {
        self.troubled.retain(|trouble| trouble.ejected_until.max(trouble.open_until).is_some_and(|until| now < until));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_than_half_and_never_the_last() {
        let settings = OutlierSettings::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(30);
        let mut health = Health::default();
        health.reset(5);
        for id in 0..2 {
            assert!(health.may_eject(now, &settings));
            health.ejected(id, later);
        }
        assert!(!health.may_eject(now, &settings));
        assert!(health.may_eject(later, &settings), "the others are back");
        health.reset(1);
        assert!(!health.may_eject(now, &settings));
    }

    #[test]
    fn with_too_few_healthy_it_panics() {
        let settings = OutlierSettings::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(30);
        let mut health = Health::default();
        health.reset(4);
        health.ejected(0, later);
        health.open(0, Some(later));
        health.open(1, Some(later));
        assert!(!health.panics(now, &settings), "half are healthy");
        health.open(2, Some(later));
        assert!(health.panics(now, &settings));
        assert_eq!(health.next_change(), Some(later));
        health.open(2, None);
        health.open(3, None);
        assert!(!health.panics(now, &settings));
        assert!(!health.panics(later, &settings));
        assert_eq!(health.next_change(), None);
        health.reset(0);
        assert!(!health.panics(now, &settings));
    }
}

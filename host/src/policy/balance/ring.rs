//! A ring for consistent hashing: a key belongs to the endpoint whose point follows it, and when an endpoint leaves,
//! only its keys move.
//!
//! With bounded load an endpoint that has more than its share of calls under way is passed over for the next one on the
//! ring. That is why this is not the crate hashring: it tells the owner of a key (`get`), or collects several in a new
//! vector (`get_with_replicas`), but has no way to go on from one point to the next until somebody has room.
//!
//! Nearness does not count here: all nodes have to send a key to the same endpoint, whichever is near to them.
//!
//! All endpoints have as many points, whatever their weights, and no place depends on who else is there. Weights count
//! in the bound. So weights can change without moving keys.
//!
//! Source: Karger et al., Consistent Hashing and Random Trees, 1997; Mirrokni, Thorup, Zadimoghaddam, Consistent
//! Hashing with Bounded Loads, 2017.

use std::hash::Hash;

use super::hash_key::{mixed, stable};

/// Points of each endpoint.
pub const POINTS: u64 = 160;
/// Points that are looked at for one key. Who has found nobody by then takes the least loaded.
const LOOKED_AT_MAX: usize = 1_024;

/// The points of all endpoints, in order. Built once for each change of membership.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Where, and whose: the place of the endpoint in the list the ring was built from.
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// Of the endpoints with these keys, which all nodes must hash alike: derive `Hash`, and have no addresses of
    /// memory in them.
    pub fn new<'k, K: Hash + 'k>(keys: impl IntoIterator<Item = &'k K>) -> Self {
        let mut points: Vec<(u64, u32)> = Vec::new();
        for (place, key) in (0u32..).zip(keys) {
            let own = stable(key);
            points.extend((0..POINTS).map(|n| (mixed(own ^ mixed(n)), place)));
        }
        points.sort_unstable();
        Self { points }
    }

    /// The places of endpoints in the order in which they are asked for a key with this hash. The owner is first; an
    /// endpoint may come up more than once.
    pub fn from(&self, hash: u64) -> impl Iterator<Item = usize> + '_ {
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).take(LOOKED_AT_MAX).map(|(_, place)| *place as usize)
    }

    /// Whether it has no points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// How many calls under way an endpoint may have, the one to be placed included: its share of all of them times the
/// bound, rounded up. `in_flight` is how many there are without the one to be placed.
pub fn capacity(in_flight: u64, weight: u32, weights: u64, bound_percent: u32) -> u32 {
    let calls = u128::from(in_flight) + 1;
    let share = calls * u128::from(weight) * u128::from(bound_percent);
    u32::try_from(share.div_ceil(u128::from(weights.max(1)) * 100)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(ring: &Ring, keys: &[u32], hash: u64) -> u32 {
        keys[ring.from(hash).next().unwrap()]
    }

    #[test]
    fn keys_are_spread_evenly() {
        let keys: Vec<u32> = (0..10).collect();
        let ring = Ring::new(&keys);
        let mut owned = [0u32; 10];
        for key in 0u64..20_000 {
            owned[owner(&ring, &keys, stable(&key)) as usize] += 1;
        }
        assert!(owned.iter().all(|owned| (1_400..2_700).contains(owned)), "{owned:?}");
    }

    #[test]
    fn the_bound_is_a_share_rounded_up() {
        assert_eq!(capacity(0, 1, 4, 125), 1);
        assert_eq!(capacity(7, 1, 4, 125), 3);
        assert_eq!(capacity(7, 2, 4, 125), 5);
        assert_eq!(capacity(u64::MAX, u32::MAX, 1, 10_000), u32::MAX);
        assert_eq!(capacity(3, 1, 0, 125), 5);
    }

    #[test]
    fn an_empty_ring_has_nobody() {
        let ring = Ring::new::<u32>(&[]);
        assert!(ring.is_empty());
        assert_eq!(ring.from(7).next(), None);
    }

    proptest! {
        /// Only the keys of the endpoint that leaves move, and those are about one in n.
        #[test]
        fn leaving_moves_only_its_own_keys(n in 2u32..30, leaving in any::<u32>(), salt in any::<u32>()) {
            let keys: Vec<u32> = (0..n).map(|key| key ^ salt).collect();
            let gone = keys[(leaving % n) as usize];
            let rest: Vec<u32> = keys.iter().copied().filter(|key| *key != gone).collect();
            let (before, after) = (Ring::new(&keys), Ring::new(&rest));
            let mut moved = 0;
            for key in 0u64..3_000 {
                let hash = stable(&key);
                let (was, is) = (owner(&before, &keys, hash), owner(&after, &rest, hash));
                if was == gone { moved += 1 } else { prop_assert_eq!(was, is) }
            }
            prop_assert!(moved <= 3_000 * 17 / (10 * n), "{} of {} moved", moved, n);
        }

        /// The order of the list does not matter: all nodes agree.
        #[test]
        fn the_order_of_endpoints_does_not_matter(mut keys in proptest::collection::vec(any::<u32>(), 1..20)) {
            keys.sort_unstable();
            keys.dedup();
            let backwards: Vec<u32> = keys.iter().rev().copied().collect();
            let (one, other) = (Ring::new(&keys), Ring::new(&backwards));
            for key in 0u64..200 {
                let hash = stable(&key);
                prop_assert_eq!(owner(&one, &keys, hash), owner(&other, &backwards, hash));
            }
        }
    }
}

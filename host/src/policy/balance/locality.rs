//! Nearness: the endpoint in this process first, then those of the same zone, then the rest.
//!
//! A call goes further only when nobody nearer can take it: saturated, its breaker open, or ejected. How far a call
//! goes is decided for each call, so it comes back as soon as there is room again.

use crate::policy::settings::LocalitySettings;

/// Where an endpoint is, as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locality {
    /// In this process.
    Local,
    /// On another node of this node's zone.
    Zone,
    /// On a node of another zone.
    Elsewhere,
}

impl Locality {
    /// The word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Zone => "zone",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// Endpoints of a lower tier are asked first.
    pub(crate) fn tier(self, settings: &LocalitySettings) -> u8 {
        match self {
            Self::Local if settings.local_first => 0,
            Self::Elsewhere if settings.zone_first => 2,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_is_first_unless_it_does_not_count() {
        let tiers = |settings: &LocalitySettings| {
            [Locality::Local, Locality::Zone, Locality::Elsewhere].map(|locality| locality.tier(settings))
        };
        let default = LocalitySettings::default();
        assert_eq!(tiers(&default), [0, 1, 2]);
        assert_eq!(tiers(&LocalitySettings { local_first: false, ..default.clone() }), [1, 1, 2]);
        assert_eq!(tiers(&LocalitySettings { zone_first: false, ..default.clone() }), [0, 1, 1]);
        assert_eq!(tiers(&LocalitySettings { local_first: false, zone_first: false, ..default }), [1, 1, 1]);
    }
}

//! UTC timestamps, which are all the calendar a log needs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant shown as RFC 3339 in UTC with milliseconds; with `{:#}` as the time of day alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(Duration);

impl Timestamp {
    pub(super) fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let milliseconds = self.0.subsec_millis();
        if f.alternate() {
            return write!(f, "{hour:02}:{minute:02}:{second:02}.{milliseconds:03}");
        }
        let (year, month, day) = date(seconds / 86400);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Years are taken to begin in March, so that the leap day is the last of its year and months need no table. Source:
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // From 0000-03-01, the first day of a span of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days together, as have the next five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_in_utc() {
        let show = |seconds, millis: u32| Timestamp(Duration::new(seconds, millis * 1_000_000)).to_string();
        assert_eq!(show(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(show(951_782_399, 999), "2000-02-28T23:59:59.999Z");
        assert_eq!(show(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(show(1_709_251_199, 5), "2024-02-29T23:59:59.005Z");
        assert_eq!(show(1_767_225_599, 0), "2025-12-31T23:59:59.000Z");
        assert_eq!(show(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
        assert_eq!(format!("{:#}", Timestamp(Duration::from_millis(86_399_042))), "23:59:59.042");
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = date(0);
        for days in 1..200_000 {
            let next = date(days);
            assert!(next > last && (1..=12).contains(&next.1) && (1..=31).contains(&next.2), "{next:?}");
            last = next;
        }
    }
}

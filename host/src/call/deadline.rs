//! Deadlines: absolute inside the process, relative on the wire.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// The instant after which nobody waits for a call any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The longest time-out the wire grammar can say: eight digits of hours would overflow a clock, a year does not.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

impl Deadline {
    /// The deadline `timeout` from now; time-outs beyond a year count as a year.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(TIMEOUT_MAX))
    }

    /// The instant itself, for timers.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The time that is left; zero when the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the deadline has passed.
    pub fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// Reads a time-out in the grammar of `grpc-timeout`: one to eight digits and a unit of
    /// `H`, `M`, `S`, `m`, `u` or `n`. `hostel-timeout` uses the same.
    ///
    /// Source: the gRPC over HTTP/2 protocol description, "Timeout".
    ///
    /// # Errors
    ///
    /// When the text is anything else.
    pub fn parse_timeout(text: &str) -> Result<Duration, ParseTimeoutError> {
        let unit_at = text.len().checked_sub(1).ok_or(ParseTimeoutError)?;
        let (digits, unit) = text.split_at_checked(unit_at).ok_or(ParseTimeoutError)?;
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseTimeoutError);
        }
        let amount: u64 = digits.parse().map_err(|_| ParseTimeoutError)?;
        Ok(match unit {
            "H" => Duration::from_secs(amount * 3600),
            "M" => Duration::from_secs(amount * 60),
            "S" => Duration::from_secs(amount),
            "m" => Duration::from_millis(amount),
            "u" => Duration::from_micros(amount),
            "n" => Duration::from_nanos(amount),
            _ => return Err(ParseTimeoutError),
        })
    }

    /// What is left, in the grammar of [`Deadline::parse_timeout`], rounded up to the unit so that a remainder never
    /// reads as zero while there is time.
    pub fn format_remaining(self) -> String {
        format_timeout(self.remaining())
    }
}

fn format_timeout(left: Duration) -> String {
    const DIGITS_MAX: u128 = 99_999_999;
    let nanos = left.as_nanos();
    for (unit, nanos_per_unit) in [("u", 1_000u128), ("m", 1_000_000), ("S", 1_000_000_000)] {
        let amount = nanos.div_ceil(nanos_per_unit);
        if amount <= DIGITS_MAX {
            return format!("{amount}{unit}");
        }
    }
    format!("{DIGITS_MAX}S")
}

/// The text is not a time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimeoutError;

impl fmt::Display for ParseTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time-out is one to eight digits and a unit of H, M, S, m, u or n")
    }
}

impl std::error::Error for ParseTimeoutError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_reads() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(Deadline::parse_timeout(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1", "m", "123456789m", "-1S", "+1S", "1.5S", "1s", "1mm", " 1m", "1é"] {
            assert_eq!(Deadline::parse_timeout(text), Err(ParseTimeoutError), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_within_its_unit() {
        for nanos in [0u64, 1, 999, 1_000, 1_500_000, 99_999_999_000, 100_000_000_000, u64::MAX / 2] {
            let left = Duration::from_nanos(nanos);
            let read = Deadline::parse_timeout(&format_timeout(left)).unwrap();
            assert!(read >= left || left > Duration::from_secs(99_999_998), "{nanos}: {read:?} < {left:?}");
        }
    }
}

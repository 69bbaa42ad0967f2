//! Deadlines: absolute inside the process, relative on the wire.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::fields::Decimal;

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
    pub fn format_remaining(self) -> TimeoutText {
        TimeoutText::new(self.remaining())
    }
}

/// A time-out as it is written: up to eight digits and a unit.
pub struct TimeoutText {
    text: [u8; 11],
    length: usize,
}

impl TimeoutText {
    fn new(left: Duration) -> Self {
        const DIGITS_MAX: u64 = 99_999_999;
        let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let units = [(b'u', 1_000), (b'm', 1_000_000), (b'S', 1_000_000_000)];
        let fits = units.iter().map(|(unit, nanos_per_unit)| (*unit, nanos.div_ceil(*nanos_per_unit)));
        let (unit, amount) = fits.into_iter().find(|(_, amount)| *amount <= DIGITS_MAX).unwrap_or((b'S', DIGITS_MAX));
        let digits = Decimal::new(u32::try_from(amount).unwrap_or(u32::MAX));
        let mut text = [0; 11];
        let mut length = 0;
        for (place, byte) in text.iter_mut().zip(digits.as_bytes().iter().chain([&unit])) {
            *place = *byte;
            length += 1;
        }
        Self { text, length }
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
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
            let text = TimeoutText::new(left);
            let read = Deadline::parse_timeout(std::str::from_utf8(text.as_bytes()).unwrap()).unwrap();
            assert!(read >= left || left > Duration::from_secs(99_999_998), "{nanos}: {read:?} < {left:?}");
        }
    }
}

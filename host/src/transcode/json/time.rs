//! Timestamps and durations as text.
//!
//! Source: RFC 3339, with the restrictions of the ProtoJSON format: capital `T` and `Z`, the years 1 to 9999, nanoseconds.

use std::io::Write;

const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// 0001-01-01T00:00:00Z
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z
const SECONDS_MAX: i64 = 253_402_300_799;
/// About 10,000 years.
const DURATION_SECONDS_MAX: i64 = 315_576_000_000;

const TIMESTAMPS: &str = "a timestamp from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z";
const DURATIONS: &str = "a duration from -315576000000s to 315576000000s, its parts of one sign";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// It is not written like one.
    Form,
    /// It is outside of this.
    Range(&'static str),
}

/// Seconds since 1970 and nanoseconds.
pub(super) fn parse_timestamp(text: &str) -> Result<(i64, i32), Invalid> {
    let mut scanner = Scanner(text.as_bytes());
    let (seconds, nanos) = scanner.timestamp().ok_or(Invalid::Form)?;
    if !scanner.0.is_empty() {
        return Err(Invalid::Form);
    }
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
        return Err(Invalid::Range(TIMESTAMPS));
    }
    Ok((seconds, nanos))
}

/// Seconds and nanoseconds, of one sign.
pub(super) fn parse_duration(text: &str) -> Result<(i64, i32), Invalid> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = magnitude
        .strip_suffix('s')
        .ok_or(Invalid::Form)?
        .split_at(magnitude.bytes().position(|byte| !byte.is_ascii_digit()).ok_or(Invalid::Form)?);
    if whole.is_empty() {
        return Err(Invalid::Form);
    }
    let mut scanner = Scanner(fraction.as_bytes());
    let nanos = scanner.fraction().ok_or(Invalid::Form)?;
    if !scanner.0.is_empty() {
        return Err(Invalid::Form);
    }
    let seconds: i64 = whole.parse().map_err(|_| Invalid::Range(DURATIONS))?;
    if seconds > DURATION_SECONDS_MAX {
        return Err(Invalid::Range(DURATIONS));
    }
    Ok((sign * seconds, i32::try_from(sign).unwrap_or_default() * nanos))
}

/// Appends a timestamp, in UTC.
pub(super) fn write_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) || !(0..NANOS_PER_SECOND).contains(&nanos) {
        return Err(TIMESTAMPS);
    }
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a vector does not fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    write_fraction(nanos, out);
    out.push(b'Z');
    Ok(())
}

/// Appends a duration.
pub(super) fn write_duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let is_mixed = (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0);
    if seconds.unsigned_abs() > DURATION_SECONDS_MAX.unsigned_abs()
        || nanos.unsigned_abs() >= NANOS_PER_SECOND.unsigned_abs()
        || is_mixed
    {
        return Err(DURATIONS);
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    let _ = write!(out, "{}", seconds.unsigned_abs());
    write_fraction(nanos.abs(), out);
    out.push(b's');
    Ok(())
}

/// Three, six or nine digits, or nothing.
fn write_fraction(nanos: i32, out: &mut Vec<u8>) {
    let _ = match nanos {
        0 => Ok(()),
        _ if nanos % 1_000_000 == 0 => write!(out, ".{:03}", nanos / 1_000_000),
        _ if nanos % 1000 == 0 => write!(out, ".{:06}", nanos / 1000),
        _ => write!(out, ".{nanos:09}"),
    };
}

struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn timestamp(&mut self) -> Option<(i64, i32)> {
        let year = self.number(4)?;
        self.literal(b'-')?;
        let month = self.number(2).filter(|month| (1..=12).contains(month))?;
        self.literal(b'-')?;
        let day = self.number(2).filter(|day| (1..=days_in(year, month)).contains(day))?;
        self.literal(b'T')?;
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        self.literal(b':')?;
        let minute = self.number(2).filter(|minute| *minute < 60)?;
        self.literal(b':')?;
        let second = self.number(2).filter(|second| *second < 60)?;
        let nanos = self.fraction()?;
        let offset = self.offset()?;
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Some((seconds, nanos))
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.byte()? {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.number(2).filter(|hours| *hours < 24)?;
        self.literal(b':')?;
        let minutes = self.number(2).filter(|minutes| *minutes < 60)?;
        Some(sign * (hours * 3600 + minutes * 60))
    }

    /// What follows a point, in nanoseconds; zero where there is none.
    fn fraction(&mut self) -> Option<i32> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        self.byte();
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let missing = u32::try_from(9 - count).ok()?;
        i32::try_from(self.number(count)? * 10_i64.pow(missing)).ok()
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
    }

    fn literal(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + is_leap(year) as i64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that a leap day is the last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The reverse: year, month and day.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar_there_and_back() {
        let (first, last) = (SECONDS_MIN / 86_400, SECONDS_MAX / 86_400);
        let mut expected = (1, 1, 1);
        for day in first..=last {
            assert_eq!(date(day), expected);
            let (year, month, of_month) = expected;
            assert_eq!(days(year, month, of_month), day);
            expected = if of_month < days_in(year, month) {
                (year, month, of_month + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn nothing_else_is_a_duration() {
        for text in [
            "",
            "s",
            "1",
            "-s",
            "1.s",
            ".5s",
            "+1s",
            "--1s",
            "1 s",
            " 1s",
            "1S",
            "1ms",
            "1.0000000001s",
            "1e3s",
            "1.5",
            "ä",
        ] {
            assert_eq!(parse_duration(text), Err(Invalid::Form), "{text}");
        }
    }
}

//! Numbers in decimal notation, read exactly: `1.0` and `1e3` are integers, `9007199254740993` stays what it is.

/// The longest number of 64 bits has 20 digits.
const DIGITS_MAX: usize = 20;

/// How long the number is that a text begins with, by the grammar of JSON.
pub(super) fn prefix(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match (digits(at), bytes.get(at)) {
        (0, _) => return None,
        (_, Some(b'0')) => 1,
        (count, _) => count,
    };
    if bytes.get(at) == Some(&b'.') {
        at += match digits(at + 1) {
            0 => return None,
            count => 1 + count,
        };
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at += match digits(at + 1 + sign) {
            0 => return None,
            count => 1 + sign + count,
        };
    }
    Some(at)
}

/// Whether a text is a number of JSON and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    prefix(text) == Some(text.len())
}

/// The integer that a number is.
///
/// # Errors
/// What it is instead.
pub(super) fn integer(number: &str) -> Result<i128, &'static str> {
    if let Ok(value) = number.parse::<i64>() {
        return Ok(value.into());
    }
    let (sign, magnitude) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number),
    };
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // The digits, without the zeros around them, and how far the point is behind the last one.
    let digits = || whole.bytes().chain(fraction.bytes());
    let Some(first) = digits().position(|digit| digit != b'0') else { return Ok(0) };
    let last = digits().enumerate().filter(|(_, digit)| *digit != b'0').last().map_or(first, |(index, _)| index);
    let misfit = |is_small: bool| if is_small { "a number with a fraction" } else { "a number out of range" };
    let exponent: i64 = exponent.parse().map_err(|_| misfit(exponent.starts_with('-')))?;
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX);
    let behind = i64::try_from(last + 1).unwrap_or(i64::MAX);
    let scale = exponent.saturating_add(point).saturating_sub(behind);
    let scale = u32::try_from(scale).map_err(|_| misfit(scale < 0))?;
    let count = last + 1 - first;
    if count + usize::try_from(scale).unwrap_or(usize::MAX).min(DIGITS_MAX) > DIGITS_MAX {
        return Err("a number out of range");
    }
    let value = digits().skip(first).take(count).fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    Ok(sign * value * 10_i128.pow(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_by_the_grammar() {
        for number in ["0", "-0", "1", "10", "1.5", "-1.50", "1e3", "1E+3", "1e-3", "0.0", "0e0"] {
            assert!(is_number(number), "{number}");
        }
        for other in
            ["", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", " 1", "1 ", "0x1", "1_0", "NaN", "Infinity", "--1"]
        {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn integers_are_read_exactly() {
        for (number, expected) in [
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e999999999999999999999", 0),
            ("1.0", 1),
            ("1e3", 1000),
            ("-12.50e1", -125),
            ("100000e-5", 1),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX.into()),
            ("1844674407370955161.5e1", u64::MAX.into()),
            ("0.00000000000000000018446744073709551615e38", u64::MAX.into()),
        ] {
            assert_eq!(integer(number), Ok(expected), "{number}");
        }
        for number in ["0.5", "1e-1", "1.5e0", "1e-99999999999999999999", "100000e-6"] {
            assert_eq!(integer(number), Err("a number with a fraction"), "{number}");
        }
        for number in ["1e21", "1e99999999999999999999", "123456789012345678901", "1e4294967297"] {
            assert_eq!(integer(number), Err("a number out of range"), "{number}");
        }
    }
}

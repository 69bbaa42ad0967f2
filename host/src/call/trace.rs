//! Trace context as it travels in the header `traceparent`.
//!
//! Source: W3C Trace Context, <https://www.w3.org/TR/trace-context/>. `tracestate` is carried by others as the
//! opaque header it is.

use std::cell::RefCell;
use std::fmt;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Length in bytes of a version 00 header: `00-{32 hex}-{16 hex}-{2 hex}`.
pub(super) const TRACEPARENT_LEN: usize = 55;

/// The flag of traces that should be recorded.
const SAMPLED: u8 = 0b01;
/// The flag that says the trace id is random in its lower seven bytes (level 2 of the specification).
const RANDOM: u8 = 0b10;

/// The 16 bytes that name a trace; shown as 32 lower-case hexadecimal digits. Never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The 8 bytes that name one step of a trace; shown as 16 lower-case hexadecimal digits. Never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id as bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// The id as bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

/// Where in which trace a call is: 25 bytes, copied freely.
///
/// `Display` writes the trace id, which is what people search for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
}

impl TraceContext {
    /// A new sampled trace with random ids.
    pub fn new_root() -> Self {
        let (high, low) = random(|rng| (rng.random::<u64>(), rng.random_range(1..=u64::MAX)));
        let id = (u128::from(high) << 64) | u128::from(low);
        Self { trace_id: TraceId(id.to_be_bytes()), span_id: new_span_id(), flags: SAMPLED }
    }

    /// The same trace and flags with a new random span id: what goes out with a call made on behalf of this one.
    pub fn child(&self) -> Self {
        Self { span_id: new_span_id(), ..*self }
    }

    /// Reads the value of a `traceparent` header, or `None` when it is malformed; the specification then wants a
    /// new trace, see [`TraceContext::new_root`].
    ///
    /// Version 00 is read strictly. Of a higher version the part known to version 00 is taken, if what follows it
    /// begins with a dash. Upper-case digits, ids of zero and version ff are malformed. Flags without a meaning are
    /// dropped.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (known, rest) = header.split_at_checked(TRACEPARENT_LEN)?;
        let (version, known) = hex_field::<1>(known)?;
        let (trace_id, known) = hex_field::<16>(after_dash(known)?)?;
        let (span_id, known) = hex_field::<8>(after_dash(known)?)?;
        let ([flags], _) = hex_field::<1>(after_dash(known)?)?;
        let ends_well = match version {
            [0] => rest.is_empty(),
            [0xff] => false,
            _ => rest.is_empty() || rest.first() == Some(&b'-'),
        };
        if !ends_well || trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        // Only the sampled flag is sure to mean the same in versions to come.
        let meaningful = if version == [0] { SAMPLED | RANDOM } else { SAMPLED };
        Some(Self { trace_id: TraceId(trace_id), span_id: SpanId(span_id), flags: flags & meaningful })
    }

    /// The value of a `traceparent` header, in ASCII, version 00.
    pub fn to_traceparent(&self) -> [u8; TRACEPARENT_LEN] {
        let trace_id = u128::from_be_bytes(self.trace_id.0);
        let span_id = u64::from_be_bytes(self.span_id.0);
        let mut text = [0; TRACEPARENT_LEN];
        let rest = put(&mut text, *b"00-");
        let rest = put(rest, hex::<16>((trace_id >> 64) as u64));
        let rest = put(rest, hex::<16>(trace_id as u64));
        let rest = put(rest, *b"-");
        let rest = put(rest, hex::<16>(span_id));
        let rest = put(rest, *b"-");
        put(rest, hex::<2>(u64::from(self.flags)));
        text
    }

    /// The trace that the call belongs to.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// This step of the trace.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the caller may have recorded the trace, and so wants it recorded here.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace_id.fmt(f)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn new_span_id() -> SpanId {
    SpanId(random(|rng| rng.random_range(1..=u64::MAX)).to_be_bytes())
}

/// Draws from this thread's generator, which asks the operating system for a seed once. Ids must be unlikely to
/// meet, not hard to guess.
fn random<T>(draw: impl FnOnce(&mut SmallRng) -> T) -> T {
    thread_local! {
        static RNG: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
    }
    RNG.with_borrow_mut(draw)
}

fn after_dash(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"-")
}

/// The `N` bytes that the first `2 * N` digits of `text` stand for, and what follows them.
fn hex_field<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = (digit(high)? << 4) | digit(low)?;
    }
    Some((bytes, rest))
}

/// Lower case only: the specification calls anything else malformed.
fn digit(ascii: u8) -> Option<u8> {
    match ascii {
        b'0'..=b'9' => Some(ascii - b'0'),
        b'a'..=b'f' => Some(ascii - b'a' + 10),
        _ => None,
    }
}

/// The lowest `N` hexadecimal digits of `number`.
fn hex<const N: usize>(number: u64) -> [u8; N] {
    std::array::from_fn(|at| {
        let digit = (number >> (4 * (N - 1 - at))) as u8 & 0x0f;
        // Without a branch, so that the compiler does all digits at once.
        digit + b'0' + u8::from(digit > 9) * (b'a' - b'0' - 10)
    })
}

/// Writes `part` at the beginning of `text`, which has room for it, and returns what is behind it.
fn put<const N: usize>(text: &mut [u8], part: [u8; N]) -> &mut [u8] {
    let Some((place, rest)) = text.split_first_chunk_mut() else {
        return &mut [];
    };
    *place = part;
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(context.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled());
        assert_eq!(context.to_traceparent(), GOOD.as_bytes());
        assert_eq!(format!("{context:?}"), GOOD);
    }

    #[test]
    fn a_higher_version_is_read_as_far_as_it_is_known() {
        let tail = &GOOD[2..];
        for header in [format!("01{tail}"), format!("cc{tail}-"), format!("fe{tail}-what-ever")] {
            let context = TraceContext::parse(header.as_bytes()).unwrap();
            assert_eq!(context.to_traceparent(), GOOD.as_bytes(), "{header}");
        }
        let flags = TraceContext::parse(GOOD.replace("00-4", "01-4").replace("-01", "-ff").as_bytes());
        assert_eq!(flags.unwrap().flags, SAMPLED);
    }

    #[test]
    fn malformed_headers_are_refused() {
        let tail = &GOOD[2..];
        let malformed = [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-"),
            format!("{GOOD}-00"),
            format!(" {GOOD}"),
            format!("ff{tail}"),
            format!("cc{tail}0"),
            format!("0{tail}0"),
            GOOD.to_uppercase(),
            GOOD.replace("4736-", "4736_"),
            GOOD.replace("-01", "-0g"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace("4bf", "4é"),
        ];
        for header in malformed {
            assert_eq!(TraceContext::parse(header.as_bytes()), None, "{header}");
        }
    }

    #[test]
    fn a_child_keeps_its_trace_and_has_a_span_of_its_own() {
        let root = TraceContext::new_root();
        let child = root.child();
        assert_eq!(root.trace_id(), child.trace_id());
        assert_ne!(root.span_id(), child.span_id());
        assert_ne!(root.trace_id(), TraceContext::new_root().trace_id());
        assert!(root.is_sampled() && child.is_sampled());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in 0..4u8) {
            let context = TraceContext {
                trace_id: TraceId(trace.to_be_bytes()),
                span_id: SpanId(span.to_be_bytes()),
                flags,
            };
            prop_assert_eq!(TraceContext::parse(&context.to_traceparent()), Some(context));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(TraceContext::parse(&bytes), None);
        }

        #[test]
        fn a_changed_byte_is_refused_or_read_as_itself(at in 0..55usize, byte: u8) {
            let mut header = GOOD.as_bytes().to_vec();
            header[at] = byte;
            if let Some(context) = TraceContext::parse(&header) {
                let written = context.to_traceparent();
                prop_assert_eq!(&written[3..53], &header[3..53]);
            }
        }
    }
}

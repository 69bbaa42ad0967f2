//! Which compression both sides know.

use super::Encoding;

/// A weight in thousandths.
type Weight = u16;

const WEIGHT_MAX: Weight = 1000;

/// The encoding for an answer to a client that says what it reads: the lists of `grpc-accept-encoding` and
/// `connect-accept-encoding`, or `Accept-Encoding` with its weights. Several values are several headers of the name.
///
/// The heaviest wins, and of several the first of `offered`. What the client does not name it does not read, except
/// [`Encoding::Identity`], which is also the answer when nothing else is left: a client that forbids even that gets it
/// rather than nothing.
///
/// Source: RFC 9110, section 12.5.3.
pub fn negotiate<'a>(accept: impl IntoIterator<Item = &'a str>, offered: &[Encoding]) -> Encoding {
    let mut weights = Weights::default();
    for value in accept {
        value.split(',').for_each(|item| weights.add(item));
    }
    let mut best = (Encoding::Identity, weights.of_identity());
    // From the last to the first, so that of equals the first is left.
    for encoding in offered.iter().rev().copied().filter(|encoding| *encoding != Encoding::Identity) {
        let weight = weights.of(encoding);
        if weight > 0 && weight >= best.1 {
            best = (encoding, weight);
        }
    }
    best.0
}

/// What the client says of each.
#[derive(Default)]
struct Weights {
    identity: Option<Weight>,
    gzip: Option<Weight>,
    zstd: Option<Weight>,
    others: Option<Weight>,
}

impl Weights {
    fn add(&mut self, item: &str) {
        let mut parts = item.split(';').map(str::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let mut weight = WEIGHT_MAX;
        for part in parts {
            match parse_weight(part) {
                Some(said) => weight = said,
                // Whatever it means, it is not what was offered.
                None => return,
            }
        }
        let slot = match Encoding::from_name(name) {
            Some(Encoding::Identity) => &mut self.identity,
            Some(Encoding::Gzip) => &mut self.gzip,
            Some(Encoding::Zstd) => &mut self.zstd,
            None if name == "*" => &mut self.others,
            None => return,
        };
        // The first counts, should a name be there twice.
        slot.get_or_insert(weight);
    }

    fn of(&self, encoding: Encoding) -> Weight {
        let named = match encoding {
            Encoding::Identity => self.identity,
            Encoding::Gzip => self.gzip,
            Encoding::Zstd => self.zstd,
        };
        named.or(self.others).unwrap_or(0)
    }

    /// Not to be named does not forbid it, but everything that is named is liked better.
    fn of_identity(&self) -> Weight {
        self.identity.unwrap_or(0)
    }
}

/// `q=0.5` in thousandths.
///
/// Source: RFC 9110, section 12.4.2.
fn parse_weight(text: &str) -> Option<Weight> {
    let (name, value) = text.split_once('=')?;
    if !name.trim_ascii_end().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, decimals) = match value.trim_ascii_start().split_once('.') {
        Some((whole, decimals)) => (whole, decimals),
        None => (value.trim_ascii_start(), ""),
    };
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Weight = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(WEIGHT_MAX),
        _ => None,
    }
}

//! A request's path, taken apart without allocating.

use super::template::SEGMENTS_MAX;

/// Starts that are kept at either end. Templates reach no further: before `**` they count from the front, after it from
/// the back.
const KEPT: usize = SEGMENTS_MAX + 1;

/// A path and where its segments are.
pub(super) struct Path<'p> {
    /// Without the slash at its beginning.
    text: &'p str,
    count: usize,
    /// Where the first segments begin.
    front: [usize; KEPT],
    /// Where the last segments begin, the last one first. Unused if the front has all.
    back: [usize; KEPT],
}

impl<'p> Path<'p> {
    /// Takes apart the text after the first slash. `/` has no segments, and `/a/` has two: `a` and an empty one.
    pub(super) fn new(text: &'p str) -> Self {
        let mut path = Self { text, count: 0, front: [0; KEPT], back: [0; KEPT] };
        if text.is_empty() {
            return path;
        }
        let starts = std::iter::once(0).chain(text.match_indices('/').map(|(at, _)| at + 1));
        for start in starts {
            if let Some(kept) = path.front.get_mut(path.count) {
                *kept = start;
            }
            path.count += 1;
        }
        if path.count > KEPT {
            let starts = text.rmatch_indices('/').map(|(at, _)| at + 1);
            path.back.iter_mut().zip(starts).for_each(|(kept, start)| *kept = start);
        }
        path
    }

    /// How many segments there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// One segment, as it is in the path. Only those near one of the ends are known.
    pub(super) fn segment(&self, at: usize) -> &'p str {
        self.segments(at, at + 1)
    }

    /// Segments and the slashes between them, as they are in the path.
    pub(super) fn segments(&self, from: usize, to: usize) -> &'p str {
        if from >= to || to > self.count {
            return "";
        }
        self.text.get(self.start(from)..self.start(to) - 1).unwrap_or_default()
    }

    /// Where a segment begins; one past the last begins where it would.
    fn start(&self, at: usize) -> usize {
        if at == self.count {
            return self.text.len() + 1;
        }
        let kept = self.front.get(at).or_else(|| self.back.get(self.count - 1 - at));
        kept.copied().unwrap_or(self.text.len() + 1)
    }
}

/// Splits a path into what is before the verb, and the verb: what follows the last colon of the last segment.
pub(super) fn split_verb(text: &str) -> Option<(&str, &str)> {
    let (before, verb) = text.rsplit_once(':')?;
    (!verb.is_empty() && !verb.contains('/')).then_some((before, verb))
}

//! Which frames of HTTP/2 pass, as far as a connection's keeper has to know.
//!
//! The library that speaks HTTP/2 bounds what clients make it keep. It does not bound how many frames they send that ask
//! for nothing and cost an answer each: SETTINGS, PING, PRIORITY. And it does not tell whether a client is in the middle
//! of a request's head. Both can be seen from the heads of frames, so these are read here, nothing else.
//!
//! Source: RFC 9113, sections 3.4, 4.1 and 6.

use std::time::Duration;

use tokio::time::Instant;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_LEN: u8 = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    kind: u8,
    flags: u8,
}

/// Takes the heads of frames out of bytes that pass.
#[derive(Default)]
struct Heads {
    /// The bytes of a head so far, the last one lowest.
    head: u128,
    head_len: u8,
    payload_left: usize,
}

impl Heads {
    fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Head)) {
        loop {
            let skipped = bytes.len().min(self.payload_left);
            self.payload_left -= skipped;
            bytes = bytes.split_at(skipped).1;
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.head = self.head << 8 | u128::from(*byte);
            self.head_len += 1;
            if self.head_len == HEAD_LEN {
                let [.., a, b, c, kind, flags, _, _, _, _] = self.head.to_be_bytes();
                self.payload_left = u32::from_be_bytes([0, a, b, c]) as usize;
                (self.head, self.head_len) = (0, 0);
                each(Head { kind, flags });
            }
        }
    }

    /// Whether a frame has begun and not ended.
    fn is_inside(&self) -> bool {
        self.head_len > 0 || self.payload_left > 0
    }
}

/// What a connection turned out to speak.
enum Spoken {
    /// So many bytes were those with which HTTP/2 begins.
    Undecided(usize),
    Http1,
    Http2,
}

/// Frames that ask for nothing. A client may send some at once, some more each second, and some for each frame that it is
/// sent: those who measure the line by PING do so with each.
const IDLE_FRAMES_AT_ONCE: u32 = 1_000;
const IDLE_FRAMES_EVERY: Duration = Duration::from_millis(10);
const IDLE_FRAMES_PER_ANSWER: u32 = 2;

/// Both directions of a connection.
pub(super) struct Frames {
    spoken: Spoken,
    /// Whether HTTP/2 was agreed on beforehand; the host then speaks first.
    is_agreed: bool,
    incoming: Heads,
    outgoing: Heads,
    /// Whether HTTP/2 is still to be opened by a first frame, the client's settings.
    is_opening: bool,
    /// Whether headers are to be continued.
    in_headers: bool,
    idle_frames_left: u32,
    earned_since: Instant,
}

impl Frames {
    /// `is_agreed` when it is known that HTTP/2 will be spoken; else that is seen from how the client begins.
    pub(super) fn new(is_agreed: bool) -> Self {
        Self {
            spoken: Spoken::Undecided(0),
            is_agreed,
            incoming: Heads::default(),
            outgoing: Heads::default(),
            is_opening: true,
            in_headers: false,
            idle_frames_left: IDLE_FRAMES_AT_ONCE,
            earned_since: Instant::now(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.spoken, Spoken::Http2)
    }

    /// Whether the client is in the middle of something that has to go on: the beginning of HTTP/2, a frame, headers.
    /// Over HTTP/1.1 that is not known here, and any byte may begin a request.
    pub(super) fn awaits_more(&self) -> bool {
        !self.is_http2() || self.is_opening || self.in_headers || self.incoming.is_inside()
    }

    /// Bytes from the client. False when it sends too many frames that ask for nothing.
    pub(super) fn received(&mut self, bytes: &[u8], now: Instant) -> bool {
        let Some(bytes) = self.after_preface(bytes) else { return true };
        let mut idle = 0_u32;
        self.incoming.feed(bytes, |head| {
            self.is_opening = false;
            match head.kind {
                HEADERS | CONTINUATION => self.in_headers = head.flags & END_HEADERS == 0,
                // How much of these there may be is bounded where streams are known.
                DATA | RST_STREAM | WINDOW_UPDATE | GOAWAY => {}
                _ => idle = idle.saturating_add(1),
            }
        });
        if idle > self.idle_frames_left {
            let earned = now.duration_since(self.earned_since).as_millis() / IDLE_FRAMES_EVERY.as_millis();
            self.earned_since = now;
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
        match self.idle_frames_left.checked_sub(idle) {
            Some(left) => {
                self.idle_frames_left = left;
                true
            }
            None => false,
        }
    }

    /// Bytes to the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if !self.is_agreed && !self.is_http2() {
            return;
        }
        let mut answers = 0_u32;
        self.outgoing.feed(bytes, |head| answers += u32::from(matches!(head.kind, DATA | HEADERS)));
        self.earn(answers.saturating_mul(IDLE_FRAMES_PER_ANSWER));
    }

    fn earn(&mut self, frames: u32) {
        self.idle_frames_left = self.idle_frames_left.saturating_add(frames).min(IDLE_FRAMES_AT_ONCE);
    }

    /// What follows the preface of HTTP/2, if it is HTTP/2.
    fn after_preface<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let seen = match self.spoken {
            Spoken::Http2 => return Some(bytes),
            Spoken::Http1 => return None,
            Spoken::Undecided(seen) => seen,
        };
        let expected = PREFACE.get(seen..).unwrap_or_default();
        let (begin, rest) = bytes.split_at(bytes.len().min(expected.len()));
        if !expected.starts_with(begin) {
            self.spoken = Spoken::Http1;
            return None;
        }
        let seen = seen + begin.len();
        self.spoken = if seen == PREFACE.len() { Spoken::Http2 } else { Spoken::Undecided(seen) };
        self.is_http2().then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], &vec![b'x'; payload]].concat()
    }

    fn http2() -> Frames {
        let mut frames = Frames::new(false);
        assert!(frames.received(&[PREFACE, &frame(4, 0, 6)].concat(), Instant::now()));
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn heads_are_found_however_bytes_are_cut() {
        let bytes: Vec<u8> = [frame(DATA, 1, 0), frame(HEADERS, 4, 70_000), frame(6, 0, 8)].concat();
        for size in [1, 2, 7, 9, 10, 1_000, 1_000_000] {
            let (mut heads, mut found) = (Heads::default(), Vec::new());
            for piece in bytes.chunks(size) {
                heads.feed(piece, |head| found.push((head.kind, head.flags)));
            }
            assert_eq!(found, [(DATA, 1), (HEADERS, 4), (6, 0)], "pieces of {size}");
            assert!(!heads.is_inside());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn versions_are_told_apart() {
        for size in [1, 5, 100] {
            let mut frames = Frames::new(false);
            for piece in PREFACE.chunks(size) {
                assert!(!frames.is_http2());
                assert!(frames.received(piece, Instant::now()) && frames.awaits_more());
            }
            assert!(frames.is_http2() && frames.awaits_more(), "settings have to follow");
            assert!(frames.received(&frame(4, 0, 0), Instant::now()));
            assert!(!frames.awaits_more());
        }
        let mut frames = Frames::new(false);
        frames.received(b"PRI", Instant::now());
        frames.received(b"NT / HTTP/1.1\r\n", Instant::now());
        frames.received(PREFACE, Instant::now());
        assert!(!frames.is_http2() && frames.awaits_more());
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_do_not_end_are_awaited_and_other_frames_are_not() {
        let mut frames = http2();
        for (piece, awaits) in [
            (frame(WINDOW_UPDATE, 0, 4), false),
            (frame(6, 1, 8), false),
            (frame(HEADERS, 0, 10), true),
            (frame(CONTINUATION, 0, 10), true),
            (frame(CONTINUATION, END_HEADERS, 10), false),
            (frame(HEADERS, END_HEADERS, 10)[..12].to_vec(), true),
        ] {
            assert!(frames.received(&piece, Instant::now()));
            assert_eq!(frames.awaits_more(), awaits, "{piece:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_frames_that_ask_for_nothing_are_told() {
        for kind in [2, 4, 6, 200] {
            let mut frames = http2();
            let sent = (0..2_000).take_while(|_| frames.received(&frame(kind, 0, 8), Instant::now())).count();
            assert_eq!(sent, IDLE_FRAMES_AT_ONCE as usize - 1, "the first settings count too");
        }
        let mut frames = http2();
        for _ in 0..5_000 {
            assert!(frames.received(&frame(6, 0, 8), Instant::now()), "as fast as one may for ever");
            tokio::time::advance(IDLE_FRAMES_EVERY).await;
        }
        let mut frames = http2();
        for _ in 0..5_000 {
            frames.sent(&frame(DATA, 0, 24));
            assert!(frames.received(&frame(6, 0, 8), Instant::now()), "one for each answer");
        }
        let mut frames = http2();
        let both = [frame(4, 1, 0), frame(6, 1, 8)].concat();
        let answered = (0..5_000).take_while(|_| {
            frames.sent(&both);
            frames.received(&frame(6, 0, 8), Instant::now())
        });
        assert!(answered.count() < 1_000, "acknowledgements are no answers");
    }
}

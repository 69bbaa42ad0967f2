//! gRPC's frames: messages with their lengths in front.
//!
//! gRPC, gRPC-Web and Connect share the head of five bytes: one of flags, four of the length, big end first. What the
//! flags may be differs, see [`Dialect`]. Bytes go in as they come and frames come out; a payload that lies within one
//! chunk is a slice of it and is not copied.
//!
//! Source: gRPC over HTTP/2, "Length-Prefixed-Message"; the gRPC-Web protocol; the Connect protocol, "Enveloped-Message".

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::compression::{self, CompressionError, Encoding};
use crate::call::grpc::Code;

/// The flag of a payload that is compressed, in every dialect.
pub const COMPRESSED: u8 = 0x01;
/// The flag of Connect's end of stream.
pub const END_STREAM: u8 = 0x02;
/// The flag of gRPC-Web's trailers.
pub const TRAILERS: u8 = 0x80;

/// Bytes of flags and length.
pub const HEAD_BYTES: usize = 5;

/// The largest frame that is not a message but ends a stream, in bytes.
pub const END_BYTES_MAX: usize = 64 * 1024;

/// Chunks below this many bytes are copied together when others wait before them: a reference to each would cost more
/// than the bytes.
const CHUNK_BYTES_MIN: usize = 1024;

/// What messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The largest message in bytes, as it is sent and after decompression.
    pub message_bytes_max: usize,
}

impl Default for FrameLimits {
    /// 4 MiB, as gRPC libraries have it.
    fn default() -> Self {
        Self { message_bytes_max: 4 * 1024 * 1024 }
    }
}

/// Which flags there may be. Requests are [`Dialect::Grpc`] in all protocols: only responses end with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Messages, compressed or not.
    Grpc,
    /// Messages, and trailers as the last frame.
    Web,
    /// Messages, and the end of the stream as the last frame.
    Connect,
}

impl Dialect {
    /// The flag of the last frame.
    fn end(self) -> u8 {
        match self {
            Self::Grpc => 0,
            Self::Web => TRAILERS,
            Self::Connect => END_STREAM,
        }
    }
}

/// Why bytes are no frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The flags mean nothing in this protocol.
    #[error("a message has the flags {flags:#04x}, which mean nothing here")]
    Flags {
        /// As they were.
        flags: u8,
    },
    /// A message is larger than what is taken.
    #[error("a message has {length} bytes; at most {max} are taken")]
    TooLarge {
        /// As its head says.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end within a frame.
    #[error("the body ends in the middle of a message: {missing} or more bytes are missing")]
    CutOff {
        /// How many bytes were still to come, at least.
        missing: usize,
    },
    /// There is something after the frame that ends the stream.
    #[error("the body goes on after its end")]
    AfterEnd,
    /// A message says it is compressed, but the headers do not say how.
    #[error("a message is compressed, but the headers name no compression")]
    NotNegotiated,
    /// A message cannot be decompressed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

impl FrameError {
    /// The status for a client that sent that. Of a service it is an answer that is none.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Compression(error) => error.code(),
            Self::Flags { .. } | Self::CutOff { .. } | Self::AfterEnd | Self::NotNegotiated => Code::InvalidArgument,
        }
    }
}

/// A frame as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// The flags, all of which the dialect knows.
    pub flags: u8,
    /// The payload, compressed if the flags say so.
    pub payload: Bytes,
}

impl RawFrame {
    /// Whether the payload is compressed.
    pub fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// Whether it ends the stream: it holds trailers, or Connect's end of stream, and not a message.
    pub fn is_end(&self) -> bool {
        self.flags & (TRAILERS | END_STREAM) != 0
    }

    /// The payload, decompressed by the encoding that the headers name where the flags say that it is compressed.
    ///
    /// # Errors
    ///
    /// When it is not what the flags say, or would be larger than `max` bytes.
    pub fn open(self, encoding: Encoding, max: usize) -> Result<Bytes, FrameError> {
        match (self.is_compressed(), encoding) {
            (false, _) => Ok(self.payload),
            (true, Encoding::Identity) => Err(FrameError::NotNegotiated),
            (true, encoding) => Ok(compression::decompress(encoding, &self.payload, max)?),
        }
    }
}

/// Takes a stream of bytes apart into frames.
///
/// It holds at most one incomplete frame and whatever was pushed and not yet taken: take all frames after each push.
#[derive(Debug)]
pub struct Decoder {
    dialect: Dialect,
    limits: FrameLimits,
    /// Chunks as they were pushed, none empty.
    chunks: VecDeque<Bytes>,
    /// Small chunks that came after them, in one piece.
    tail: BytesMut,
    /// Bytes in `chunks` and `tail`.
    held: usize,
    /// The flags and length of the frame whose payload comes next.
    head: Option<(u8, usize)>,
    ended: bool,
    /// What was wrong: after it nothing can be told apart any more.
    failed: Option<FrameError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(dialect: Dialect, limits: FrameLimits) -> Self {
        Self {
            dialect,
            limits,
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            held: 0,
            head: None,
            ended: false,
            failed: None,
        }
    }

    /// Adds the bytes that came next.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() || self.failed.is_some() {
            return;
        }
        self.held += chunk.len();
        if self.held > chunk.len() && chunk.len() < CHUNK_BYTES_MIN {
            self.tail.extend_from_slice(&chunk);
        } else {
            self.settle();
            self.chunks.push_back(chunk);
        }
    }

    /// The next frame, when all of it is there.
    ///
    /// # Errors
    ///
    /// When the bytes are no frames, or a frame would be too large, which shows before its payload has come. After an
    /// error there is nothing but the same error.
    // Not an iterator: its end is not the end of the frames.
    #[expect(clippy::should_implement_trait, reason = "an iterator's end would be final, this one's is not")]
    pub fn next(&mut self) -> Result<Option<RawFrame>, FrameError> {
        let result = match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.step(),
        };
        if let Err(error) = &result
            && self.failed.is_none()
        {
            self.failed = Some(error.clone());
            (self.chunks, self.tail, self.held) = (VecDeque::new(), BytesMut::new(), 0);
        }
        result
    }

    fn step(&mut self) -> Result<Option<RawFrame>, FrameError> {
        let (flags, length) = match self.head {
            Some(head) => head,
            None if self.ended && self.held > 0 => return Err(FrameError::AfterEnd),
            None if self.held < HEAD_BYTES => {
                // The flags alone may tell that this is something else.
                self.first().map_or(Ok(()), |flags| self.check(flags))?;
                return Ok(None);
            }
            None => {
                let head = self.read_head()?;
                *self.head.insert(head)
            }
        };
        if self.held < length {
            return Ok(None);
        }
        self.head = None;
        let frame = RawFrame { flags, payload: self.take(length) };
        self.ended = frame.is_end();
        Ok(Some(frame))
    }

    /// That the stream may end here.
    ///
    /// # Errors
    ///
    /// When a frame is cut off, or whatever was wrong before.
    pub fn finish(&self) -> Result<(), FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let missing = match self.head {
            Some((_, length)) => length.saturating_sub(self.held),
            None if self.held == 0 => return Ok(()),
            None => HEAD_BYTES.saturating_sub(self.held),
        };
        Err(FrameError::CutOff { missing })
    }

    /// Whether a frame that ends the stream has been taken.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn first(&self) -> Option<u8> {
        self.chunks.front().map_or(self.tail.first(), |chunk| chunk.first()).copied()
    }

    fn check(&self, flags: u8) -> Result<(), FrameError> {
        let known = COMPRESSED | self.dialect.end();
        if flags & !known == 0 { Ok(()) } else { Err(FrameError::Flags { flags }) }
    }

    fn read_head(&mut self) -> Result<(u8, usize), FrameError> {
        let head = self.take(HEAD_BYTES);
        let (flags, length) = match *head {
            [flags, a, b, c, d] => (flags, u32::from_be_bytes([a, b, c, d])),
            // There are five bytes: that was asked before.
            _ => (0, 0),
        };
        self.check(flags)?;
        let is_end = flags & self.dialect.end() != 0;
        let max = if is_end { END_BYTES_MAX } else { self.limits.message_bytes_max };
        match usize::try_from(length) {
            Ok(length) if length <= max => Ok((flags, length)),
            length => Err(FrameError::TooLarge { length: length.unwrap_or(usize::MAX), max }),
        }
    }

    /// The next `count` bytes, of which the caller knows that they are held.
    fn take(&mut self, count: usize) -> Bytes {
        if self.chunks.is_empty() {
            self.settle();
        }
        self.held = self.held.saturating_sub(count);
        if let Some(taken) = self.take_at_once(count) {
            return taken;
        }
        let mut taken = BytesMut::with_capacity(count);
        while taken.len() < count {
            if self.chunks.is_empty() {
                self.settle();
            }
            let wanted = count - taken.len();
            let Some(piece) = self.chunks.front().map(|chunk| chunk.len().min(wanted)) else { break };
            taken.extend_from_slice(&self.take_at_once(piece).unwrap_or_default());
        }
        taken.freeze()
    }

    /// The next `count` bytes when they are all in the first chunk.
    fn take_at_once(&mut self, count: usize) -> Option<Bytes> {
        if count == 0 {
            return Some(Bytes::new());
        }
        let chunk = self.chunks.front_mut().filter(|chunk| chunk.len() >= count)?;
        if chunk.len() == count { self.chunks.pop_front() } else { Some(chunk.split_to(count)) }
    }

    /// Puts the small chunks behind the others.
    fn settle(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
    }
}

/// The head of a frame, for those who send the payload without copying it. A length beyond what four bytes can say
/// reads as the largest they can; [`FrameLimits`] are far below.
pub fn head(flags: u8, length: usize) -> [u8; HEAD_BYTES] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [flags, a, b, c, d]
}

/// Writes a frame.
pub fn encode(flags: u8, payload: &[u8], out: &mut BytesMut) {
    out.reserve(HEAD_BYTES + payload.len());
    out.extend_from_slice(&head(flags, payload.len()));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests;

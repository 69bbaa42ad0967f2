//! Compressing and decompressing messages and bodies, within limits.
//!
//! gzip and zstd, by the names they have in `grpc-encoding`, `content-encoding` and `connect-content-encoding`. What comes
//! in is hostile: decompression stops as soon as there is more than may be.

mod negotiate;
mod stream;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

pub use negotiate::negotiate;
pub use stream::Compressor;

use crate::call::grpc::Code;

/// Messages are compressed while somebody waits: little time for most of what there is to gain.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// The logarithm of the largest window that a sender of zstd may ask the reader to keep: 8 MiB.
///
/// Source: RFC 9659, section 3.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How many gzip members or zstd frames one input may consist of: each costs time, whatever little it holds.
const PARTS_MAX: usize = 1024;

const BUFFER_BYTES: usize = 8 * 1024;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// They are not.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Why bytes cannot be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// They are not what the encoding's name says.
    #[error("not valid {}: {reason}", .encoding.name())]
    Corrupt {
        /// What they should be.
        encoding: Encoding,
        /// What is wrong.
        reason: String,
    },
    /// There would be more than may be.
    #[error("decompressed, it has more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// Nobody here knows this encoding.
    #[error("unknown compression `{0}`; {known} are known", known = Encoding::NAMES)]
    Unknown(String),
    /// Compressing failed, which takes no more than a lack of memory.
    #[error("compressing to {} failed: {reason}", .encoding.name())]
    Failed {
        /// Into what.
        encoding: Encoding,
        /// What the library says.
        reason: String,
    },
}

impl CompressionError {
    /// The status for whoever sent that.
    pub fn code(&self) -> Code {
        match self {
            Self::Corrupt { .. } => Code::InvalidArgument,
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Unknown(_) => Code::Unimplemented,
            Self::Failed { .. } => Code::Internal,
        }
    }
}

impl Encoding {
    /// All names, for `grpc-accept-encoding`, `accept-encoding` and `connect-accept-encoding`.
    pub const NAMES: &str = "identity, gzip, zstd";

    /// What is offered to clients, the best first.
    pub const OFFERED: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// The name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The encoding of this name, whatever its case.
    ///
    /// Source: RFC 9110, section 8.4.1; `x-gzip` is an old name of `gzip`.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match () {
            () if is("identity") => Some(Self::Identity),
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }

    /// What the header of a message says: nothing, or nothing in it, is no compression.
    ///
    /// # Errors
    ///
    /// When it names something unknown, or more than one encoding, which nobody does.
    pub fn of_header(value: Option<&str>) -> Result<Self, CompressionError> {
        match value.map(str::trim_ascii) {
            None | Some("") => Ok(Self::Identity),
            Some(name) => Self::from_name(name).ok_or_else(|| CompressionError::Unknown(shown(name))),
        }
    }
}

/// A name from outside, fit for a message.
fn shown(name: &str) -> String {
    name.chars().take(32).flat_map(char::escape_debug).collect()
}

/// Compresses `data` at once.
///
/// # Errors
///
/// When the library has no memory for it.
pub fn compress(encoding: Encoding, data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let result = match encoding {
        Encoding::Identity => Ok(data.to_vec()),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 2 + 32), Compression::new(GZIP_LEVEL));
            encoder.write_all(data).and_then(|()| encoder.finish())
        }
        Encoding::Zstd => zstd::bulk::compress(data, ZSTD_LEVEL),
    };
    result.map_err(|error| failed(encoding, &error))
}

fn failed(encoding: Encoding, error: &std::io::Error) -> CompressionError {
    CompressionError::Failed { encoding, reason: error.to_string() }
}

/// Decompresses all of `data`. No bytes are no bytes in every encoding: Connect wants it so, and elsewhere it does no harm.
///
/// It takes memory for `max` bytes at most, besides what a decoder keeps for itself: 8 MiB for zstd, and less than 100 KiB
/// for gzip.
///
/// # Errors
///
/// When it is not of this encoding up to its end, or would be more than `max` bytes.
pub fn decompress(encoding: Encoding, data: &[u8], max: usize) -> Result<Bytes, CompressionError> {
    let mut out = Vec::new();
    let mut rest = data;
    let corrupt = |reason: String| CompressionError::Corrupt { encoding, reason };
    for _ in 0..PARTS_MAX {
        if rest.is_empty() {
            return Ok(out.into());
        }
        match encoding {
            Encoding::Identity => {
                append(&mut out, rest, max)?;
                rest = &[];
            }
            Encoding::Gzip => {
                let mut decoder = GzDecoder::new(rest);
                read(&mut decoder, encoding, &mut out, max)?;
                rest = decoder.into_inner();
            }
            Encoding::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(rest).map_err(|error| corrupt(error.to_string()))?;
                let limited = decoder.window_log_max(ZSTD_WINDOW_LOG_MAX);
                limited.map_err(|error| corrupt(error.to_string()))?;
                let mut decoder = decoder.single_frame();
                read(&mut decoder, encoding, &mut out, max)?;
                rest = decoder.finish();
            }
        }
    }
    if rest.is_empty() { Ok(out.into()) } else { Err(corrupt(format!("more than {PARTS_MAX} parts"))) }
}

fn read(from: &mut impl Read, encoding: Encoding, out: &mut Vec<u8>, max: usize) -> Result<(), CompressionError> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => append(out, buffer.get(..count).unwrap_or_default(), max)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CompressionError::Corrupt { encoding, reason: error.to_string() }),
        }
    }
}

/// Appends within the limit. The capacity doubles, but not beyond the limit.
fn append(out: &mut Vec<u8>, piece: &[u8], max: usize) -> Result<(), CompressionError> {
    let length = out.len().saturating_add(piece.len());
    if length > max {
        return Err(CompressionError::TooLarge { max });
    }
    if length > out.capacity() {
        out.reserve_exact(out.capacity().saturating_mul(2).clamp(length, max) - out.len());
    }
    out.extend_from_slice(piece);
    Ok(())
}

//! Compressing a body that comes over time.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;

use super::{CompressionError, Encoding, GZIP_LEVEL, ZSTD_LEVEL, failed};

/// The logarithm of the window of a stream, 128 KiB. Streams may be many and stay for long, and each holds its window and
/// tables of that size.
const WINDOW_LOG: u32 = 17;

/// Compresses a body piece by piece. After [`Compressor::flush`] the reader can read everything that was pushed, so a
/// message leaves at once; after [`Compressor::finish`] the body is complete.
pub struct Compressor(Kind);

enum Kind {
    Identity(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    /// A compressor at the start of a body.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub fn new(encoding: Encoding) -> Result<Self, CompressionError> {
        let kind = match encoding {
            Encoding::Identity => Kind::Identity(Vec::new()),
            Encoding::Gzip => Kind::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)
                    .map_err(|error| failed(encoding, &error))?;
                let limited = encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG));
                limited.map_err(|error| failed(encoding, &error))?;
                Kind::Zstd(encoder)
            }
        };
        Ok(Self(kind))
    }

    /// Into what.
    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Kind::Identity(_) => Encoding::Identity,
            Kind::Gzip(_) => Encoding::Gzip,
            Kind::Zstd(_) => Encoding::Zstd,
        }
    }

    /// Adds what comes next.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub fn push(&mut self, data: &[u8]) -> Result<(), CompressionError> {
        let encoding = self.encoding();
        let result = match &mut self.0 {
            Kind::Identity(out) => out.write_all(data),
            Kind::Gzip(encoder) => encoder.write_all(data),
            Kind::Zstd(encoder) => encoder.write_all(data),
        };
        result.map_err(|error| failed(encoding, &error))
    }

    /// Everything pushed since the last time, compressed so that the reader needs nothing more to read it.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub fn flush(&mut self) -> Result<Bytes, CompressionError> {
        let encoding = self.encoding();
        let result = match &mut self.0 {
            Kind::Identity(_) => Ok(()),
            Kind::Gzip(encoder) => encoder.flush(),
            Kind::Zstd(encoder) => encoder.flush(),
        };
        result.map_err(|error| failed(encoding, &error))?;
        Ok(self.take())
    }

    /// What has been compressed so far, which need not be everything that was pushed: for large bodies, so that they do
    /// not pile up.
    pub fn take(&mut self) -> Bytes {
        let out = match &mut self.0 {
            Kind::Identity(out) => out,
            Kind::Gzip(encoder) => encoder.get_mut(),
            Kind::Zstd(encoder) => encoder.get_mut(),
        };
        std::mem::take(out).into()
    }

    /// The rest, up to the end of the body.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub fn finish(self) -> Result<Bytes, CompressionError> {
        let encoding = self.encoding();
        let result = match self.0 {
            Kind::Identity(out) => Ok(out),
            Kind::Gzip(encoder) => encoder.finish(),
            Kind::Zstd(encoder) => encoder.finish(),
        };
        result.map(Bytes::from).map_err(|error| failed(encoding, &error))
    }
}

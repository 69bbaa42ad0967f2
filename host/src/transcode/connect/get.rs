//! Calls without side effects as GET requests, with the message in the query.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::RequestError;
use crate::transcode::compression::{self, Encoding};
use crate::transcode::content::Codec;

/// The base64 of URLs, with padding or without.
///
/// Source: RFC 4648, section 5.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the query of a GET request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetQuery {
    /// How the message is written.
    pub codec: Codec,
    /// How it was compressed, and so what the client reads if it does not say.
    pub compression: Encoding,
    /// The message, decompressed.
    pub message: Bytes,
}

/// What of a query belongs to the protocol, still encoded.
#[derive(Default)]
struct Parameters<'q> {
    connect: Option<&'q str>,
    encoding: Option<&'q str>,
    message: Option<&'q str>,
    base64: Option<&'q str>,
    compression: Option<&'q str>,
}

impl<'q> Parameters<'q> {
    fn read(query: &'q str) -> Result<Self, RequestError> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, slot) = match name {
                "connect" => ("connect", &mut parameters.connect),
                "encoding" => ("encoding", &mut parameters.encoding),
                "message" => ("message", &mut parameters.message),
                "base64" => ("base64", &mut parameters.base64),
                "compression" => ("compression", &mut parameters.compression),
                // Whatever else there is, is allowed.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(RequestError::Twice(name));
            }
        }
        Ok(parameters)
    }
}

impl GetQuery {
    /// Whether a query may be one of Connect: it has a message and its encoding. `connect=v1` alone would tell, but need
    /// not be there.
    pub fn is_one(query: &str) -> bool {
        let has = |wanted: &str| query.split('&').any(|pair| pair.split('=').next() == Some(wanted));
        has("message") && has("encoding")
    }

    /// Reads a query, with a message of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// When it lacks something, says something twice, or a value is not what it should be.
    pub fn parse(query: &str, max: usize) -> Result<Self, RequestError> {
        let parameters = Parameters::read(query)?;
        if text("connect", parameters.connect)?.is_some_and(|version| version != "v1") {
            return Err(RequestError::QueryVersion);
        }
        let encoding = text("encoding", parameters.encoding)?.ok_or(RequestError::Missing("encoding"))?;
        let codec = Codec::from_name(&encoding)
            .ok_or_else(|| RequestError::Codec(encoding.chars().take(32).flat_map(char::escape_debug).collect()))?;
        let compression = Encoding::of_header(text("compression", parameters.compression)?.as_deref())?;
        let message = parameters.message.ok_or(RequestError::Missing("message"))?;
        let message = decoded("message", message)?;
        // Any other value says nothing.
        let message = match text("base64", parameters.base64)?.as_deref() {
            Some("1") => BASE64.decode(message.as_ref()).map_err(|_| RequestError::Base64)?,
            _ => message.into_owned(),
        };
        Ok(Self { codec, compression, message: compression::decompress(compression, &message, max)? })
    }
}

/// A value of a query that is text.
fn text(name: &'static str, value: Option<&str>) -> Result<Option<String>, RequestError> {
    let decoded = value.map(|value| decoded(name, value)).transpose()?;
    Ok(decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A value of a query as it was meant, in which a plus sign is a space.
fn decoded<'q>(name: &'static str, value: &'q str) -> Result<Cow<'q, [u8]>, RequestError> {
    if !value.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(value.as_bytes()));
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                value.ok_or(RequestError::Percent(name))?
            }
            other => other,
        });
    }
    Ok(Cow::Owned(out))
}

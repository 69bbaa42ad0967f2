//! What the content type of a request tells: which protocol it is, and how its messages are written.

use http::HeaderValue;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// protobuf's bytes.
    Proto,
    /// protobuf's JSON.
    Json,
}

impl Codec {
    /// The name in content types and in Connect's queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }

    /// The codec of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Proto, Self::Json].into_iter().find(|codec| codec.name() == name)
    }
}

/// A protocol with its codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// gRPC.
    Grpc(Codec),
    /// gRPC-Web.
    Web {
        /// How messages are written.
        codec: Codec,
        /// Whether the body is base64.
        text: bool,
    },
    /// A streaming call in Connect.
    ConnectStream(Codec),
    /// One message as it is: a unary call in Connect, or JSON over HTTP.
    Unary(Codec),
}

/// All of them with their names.
const NAMES: [(&str, ContentType); 13] = [
    ("application/grpc", ContentType::Grpc(Codec::Proto)),
    ("application/grpc+proto", ContentType::Grpc(Codec::Proto)),
    ("application/grpc+json", ContentType::Grpc(Codec::Json)),
    ("application/grpc-web", ContentType::Web { codec: Codec::Proto, text: false }),
    ("application/grpc-web+proto", ContentType::Web { codec: Codec::Proto, text: false }),
    ("application/grpc-web+json", ContentType::Web { codec: Codec::Json, text: false }),
    ("application/grpc-web-text", ContentType::Web { codec: Codec::Proto, text: true }),
    ("application/grpc-web-text+proto", ContentType::Web { codec: Codec::Proto, text: true }),
    ("application/grpc-web-text+json", ContentType::Web { codec: Codec::Json, text: true }),
    ("application/connect+proto", ContentType::ConnectStream(Codec::Proto)),
    ("application/connect+json", ContentType::ConnectStream(Codec::Json)),
    ("application/proto", ContentType::Unary(Codec::Proto)),
    ("application/json", ContentType::Unary(Codec::Json)),
];

impl ContentType {
    /// Reads the value of `content-type`. Parameters say nothing, but for a `charset` that is not UTF-8: JSON in that is
    /// none of these.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim_ascii);
        let name = parts.next()?;
        let (_, found) = NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let other_charset = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_ascii().trim_matches('"');
            name.trim_ascii().eq_ignore_ascii_case("charset")
                && !["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
        };
        if found.codec() == Codec::Json && parts.any(other_charset) { None } else { Some(found) }
    }

    /// How messages are written.
    pub fn codec(self) -> Codec {
        match self {
            Self::Grpc(codec) | Self::Web { codec, .. } | Self::ConnectStream(codec) | Self::Unary(codec) => codec,
        }
    }

    /// The name for responses. Where several mean the same it is the one that says most, but gRPC's own, which is
    /// the plain `application/grpc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc(Codec::Proto) => "application/grpc",
            Self::Grpc(Codec::Json) => "application/grpc+json",
            Self::Web { codec: Codec::Proto, text: false } => "application/grpc-web+proto",
            Self::Web { codec: Codec::Json, text: false } => "application/grpc-web+json",
            Self::Web { codec: Codec::Proto, text: true } => "application/grpc-web-text+proto",
            Self::Web { codec: Codec::Json, text: true } => "application/grpc-web-text+json",
            Self::ConnectStream(Codec::Proto) => "application/connect+proto",
            Self::ConnectStream(Codec::Json) => "application/connect+json",
            Self::Unary(Codec::Proto) => "application/proto",
            Self::Unary(Codec::Json) => "application/json",
        }
    }

    /// [`ContentType::name`] as a header's value.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (name, content) in NAMES {
            assert_eq!(ContentType::parse(name), Some(content));
            assert_eq!(ContentType::parse(content.name()), Some(content));
            assert_eq!(content.header(), content.name());
            assert_eq!(ContentType::parse(&name.to_uppercase()), Some(content));
        }
    }

    #[test]
    fn parameters_say_little() {
        for value in
            ["application/json;charset=utf-8", "application/json ; Charset=\"UTF-8\" ", "application/json; x=y;"]
        {
            assert_eq!(ContentType::parse(value), Some(ContentType::Unary(Codec::Json)), "{value}");
        }
        assert_eq!(ContentType::parse("application/json; charset=latin1"), None);
        assert_eq!(ContentType::parse("application/grpc; charset=latin1"), Some(ContentType::Grpc(Codec::Proto)));
    }

    #[test]
    fn others_are_none() {
        for value in ["", ";", "application/grpc+thrift", "application/grpcx", "text/plain", "application/problem+json"]
        {
            assert_eq!(ContentType::parse(value), None, "{value}");
        }
        assert_eq!((Codec::from_name("json"), Codec::from_name("JSON")), (Some(Codec::Json), None));
    }
}

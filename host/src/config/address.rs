//! Addresses to listen on, or to ask, as people write them.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de::Error};

/// An address and a port. `localhost` is 127.0.0.1, without asking anybody (RFC 6761, section 6.3, lets it be any loopback
/// address); other names are not looked up, since what they stand for may change while somebody listens there.
///
/// # Errors
///
/// A sentence that says what an address looks like.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    let local = || text.strip_prefix("localhost:")?.parse().ok().map(|port: u16| (Ipv4Addr::LOCALHOST, port).into());
    text.parse().ok().or_else(local).ok_or_else(|| {
        "must be an address and a port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080; other names are not looked up"
            .to_owned()
    })
}

/// The same, of a setting.
///
/// # Errors
///
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers_or_localhost() {
        for (text, address) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("localhost:0", "127.0.0.1:0"),
        ] {
            assert_eq!(parse(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "localhost", "localhost:", "localhost:65536", "127.0.0.1", "::1:80", "example.org:80", ":80"] {
            assert!(parse(text).unwrap_err().contains("such as 127.0.0.1:8080"), "{text}");
        }
    }
}

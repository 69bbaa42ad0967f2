//! What a call is hashed by, so that calls that belong together go to the same endpoint.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};

/// The part of a call that is hashed: in text `header:NAME`, `cookie:NAME` or `source-address`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HashKey {
    /// The first value of this header.
    Header(HeaderName),
    /// The value of this cookie; names of cookies are case-sensitive.
    Cookie(String),
    /// The address the call came from. Of an IPv6 address only the first 64 bits, the network, count: hosts change the
    /// rest at will.
    SourceAddress,
}

impl HashKey {
    /// The hash of what the call has there. It is the same on all nodes. `None` when it has nothing, and then it goes
    /// where it is served soonest.
    pub fn hash(&self, headers: &HeaderMap, source: Option<IpAddr>) -> Option<u64> {
        match self {
            Self::Header(name) => {
                let value = headers.get(name).map(http::HeaderValue::as_bytes)?;
                (!value.is_empty()).then(|| stable(value))
            }
            Self::Cookie(name) => cookie(headers, name).map(stable),
            Self::SourceAddress => Some(match source?.to_canonical() {
                IpAddr::V4(address) => stable(&address.octets()[..]),
                IpAddr::V6(address) => stable(address.octets().first_chunk::<8>()?.as_slice()),
            }),
        }
    }
}

/// The value of a cookie, without the quotes it may be in. HTTP/2 may split cookies over several fields.
///
/// Source: RFC 6265, section 4.2.1; RFC 9113, section 8.2.3.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let value = pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")))?;
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (!bare.is_empty()).then_some(bare)
}

/// A hash that every node and every release computes alike, as the standard library's does not promise to. It is
/// FNV-1a, and because that spreads short keys badly over its upper bits, the finaliser of SplitMix64.
///
/// Source: Fowler, Noll, Vo, RFC 9923; D. Stafford, "Better bit mixing", mix 13.
pub fn stable<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    value.hash(&mut hasher);
    mixed(hasher.finish())
}

/// The finaliser alone.
pub(super) fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl TryFrom<String> for HashKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "source-address" {
            return Ok(Self::SourceAddress);
        }
        match text.split_once(':') {
            Some(("header", name)) => {
                name.parse().map(Self::Header).map_err(|_| format!("`{}` is no header", name.escape_debug()))
            }
            // The names that RFC 6265 allows are those that headers may have.
            Some(("cookie", name)) if name.parse::<HeaderName>().is_ok() => Ok(Self::Cookie(name.to_owned())),
            Some(("cookie", name)) => Err(format!("`{}` cannot name a cookie", name.escape_debug())),
            _ => Err("must be `header:NAME`, `cookie:NAME` or `source-address`".to_owned()),
        }
    }
}

impl From<HashKey> for String {
    fn from(key: HashKey) -> Self {
        match key {
            HashKey::Header(name) => format!("header:{name}"),
            HashKey::Cookie(name) => format!("cookie:{name}"),
            HashKey::SourceAddress => "source-address".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    fn key(text: &str) -> HashKey {
        HashKey::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_header_is_hashed_whatever_else_there_is() {
        let key = key("header:X-User");
        let ann = key.hash(&headers(&[("x-user", "ann"), ("x-other", "1")]), None);
        assert_eq!(ann, key.hash(&headers(&[("x-user", "ann")]), None));
        assert_ne!(ann, key.hash(&headers(&[("x-user", "bob")]), None));
        assert_eq!(key.hash(&headers(&[("x-other", "ann")]), None), None);
        assert_eq!(key.hash(&headers(&[("x-user", "")]), None), None);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let key = key("cookie:sid");
        let wanted = key.hash(&headers(&[("cookie", "sid=7")]), None);
        assert!(wanted.is_some());
        for same in ["a=1; sid=7", "sid=\"7\";b=2", "xsid=9; sid=7", "sidx=9;sid=7; SID=8"] {
            assert_eq!(key.hash(&headers(&[("cookie", same)]), None), wanted, "{same}");
        }
        assert_eq!(key.hash(&headers(&[("cookie", "a=1"), ("cookie", "sid=7")]), None), wanted);
        for none in ["", "sid", "sid=", "SID=7", "xsid=7", "a=sid=7"] {
            assert_eq!(key.hash(&headers(&[("cookie", none)]), None), None, "{none}");
        }
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let of = |text: &str| HashKey::SourceAddress.hash(&HeaderMap::new(), Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(HashKey::SourceAddress.hash(&HeaderMap::new(), None), None);
    }

    #[test]
    fn texts_are_read_and_written_and_nonsense_is_refused() {
        for text in ["header:x-user", "cookie:SID", "source-address"] {
            assert_eq!(String::from(key(text)), text);
        }
        for text in ["", "header", "header:", "header:a b", "cookie:", "cookie:a;b", "path", "source-address:x"] {
            assert!(HashKey::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    /// Nodes of different releases must agree.
    #[test]
    fn the_hash_never_changes() {
        // From an implementation apart from this one.
        assert_eq!(stable(&7u64), 0xae253598b337821e);
        assert_eq!(stable(&b"ann"[..]), 0x67d6f83bf6348237);
    }
}

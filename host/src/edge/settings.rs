//! The section `[edge]`: how calls come in from outside.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Invalid, in_range};

/// The section `[edge]`. Durations are in milliseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port for HTTP/1.1 and HTTP/2; port 0 takes a free one. Without a certificate it speaks plain text (HTTP/2
    /// by prior knowledge), with one nothing but TLS.
    #[serde(deserialize_with = "crate::config::address::deserialize")]
    pub listen: SocketAddr,
    /// The server's certificate and those between it and its root, PEM. Empty is no TLS.
    pub tls_cert: PathBuf,
    /// The certificate's private key, PEM, not encrypted.
    pub tls_key: PathBuf,
    /// From the first byte of a connection or request until its head is complete; also how long a TLS handshake may take.
    pub header_timeout_ms: u64,
    /// How long a connection may have no request.
    pub idle_timeout_ms: u64,
    /// How long an HTTP/2 client may say nothing until it is asked for a sign of life.
    pub keepalive_interval_ms: u64,
    /// How long that sign may take until the connection is closed.
    pub keepalive_timeout_ms: u64,
    /// How old a connection gets, more or less a tenth, until its client is asked to take a new one; 0 is for ever.
    pub connection_age_max_ms: u64,
    /// How long requests on such a connection may take to end.
    pub connection_age_grace_ms: u64,
    /// How long a request's body may stand still.
    pub body_idle_timeout_ms: u64,
    /// All headers of a request together. At least 8192, below which HTTP/1.1 cannot be read.
    pub headers_bytes_max: u32,
    /// Headers of a request.
    pub headers_max: u16,
    /// Connections open at once; more wait to be accepted.
    pub connections_max: u32,
    /// The cap on how long a call may take, whatever its client asks for.
    pub request_timeout_ms: u64,
    /// The largest message that is read to be turned into another form, in bytes: after decompression, and of streams each.
    pub message_bytes_max: u32,
    /// Such messages of all requests together, in bytes, until their calls are over.
    pub buffered_bytes_max: u64,
    /// Whether gRPC reflection tells everybody what the modules describe.
    pub reflection: bool,
    /// Whether `/openapi.json` and the page `/openapi` do.
    pub openapi: bool,
    /// Requests in flight on one HTTP/2 connection.
    pub h2_streams_max: u32,
    /// Requests to the host `NAME.<domain>` go to the service `NAME`.
    pub domain: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            header_timeout_ms: 5_000,
            idle_timeout_ms: 60_000,
            keepalive_interval_ms: 20_000,
            keepalive_timeout_ms: 20_000,
            connection_age_max_ms: 1_800_000,
            connection_age_grace_ms: 30_000,
            body_idle_timeout_ms: 10_000,
            headers_bytes_max: 32_768,
            headers_max: 100,
            connections_max: 10_000,
            request_timeout_ms: 10_000,
            message_bytes_max: 4 << 20,
            buffered_bytes_max: 256 << 20,
            reflection: true,
            openapi: true,
            h2_streams_max: 256,
            domain: "localhost".to_owned(),
        }
    }
}

impl Settings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        match (self.tls_cert.as_os_str().is_empty(), self.tls_key.as_os_str().is_empty()) {
            (false, true) => {
                return Err(Invalid::new("tls_key", "must name the file with the key of `tls_cert`"));
            }
            (true, false) => {
                return Err(Invalid::new("tls_cert", "must name the file with the certificate of `tls_key`"));
            }
            _ => {}
        }
        in_range("header_timeout_ms", self.header_timeout_ms, 1..=600_000)?;
        in_range("idle_timeout_ms", self.idle_timeout_ms, 1..=86_400_000)?;
        in_range("keepalive_interval_ms", self.keepalive_interval_ms, 50..=3_600_000)?;
        in_range("keepalive_timeout_ms", self.keepalive_timeout_ms, 50..=3_600_000)?;
        in_range("connection_age_max_ms", self.connection_age_max_ms, 0..=604_800_000)?;
        in_range("connection_age_grace_ms", self.connection_age_grace_ms, 1..=86_400_000)?;
        in_range("body_idle_timeout_ms", self.body_idle_timeout_ms, 1..=3_600_000)?;
        in_range("headers_bytes_max", self.headers_bytes_max.into(), 8_192..=1_048_576)?;
        in_range("headers_max", self.headers_max.into(), 1..=1_000)?;
        in_range("connections_max", self.connections_max.into(), 1..=1_000_000)?;
        in_range("request_timeout_ms", self.request_timeout_ms, 1..=86_400_000)?;
        in_range("message_bytes_max", self.message_bytes_max.into(), 1_024..=(256 << 20))?;
        in_range("buffered_bytes_max", self.buffered_bytes_max, (1 << 20)..=(1 << 40))?;
        in_range("h2_streams_max", self.h2_streams_max.into(), 1..=10_000)?;
        if !is_domain(&self.domain) {
            return Err(Invalid::new("domain", "must be a host name in lower case, without a port"));
        }
        Ok(())
    }

    /// Whether the listener speaks TLS.
    pub fn has_tls(&self) -> bool {
        !self.tls_cert.as_os_str().is_empty()
    }

    /// [`Settings::keepalive_interval_ms`].
    pub fn keepalive_interval(&self) -> Duration {
        Duration::from_millis(self.keepalive_interval_ms)
    }

    /// [`Settings::keepalive_timeout_ms`].
    pub fn keepalive_timeout(&self) -> Duration {
        Duration::from_millis(self.keepalive_timeout_ms)
    }

    /// [`Settings::connection_age_max_ms`]; none if connections live for ever.
    pub fn connection_age_max(&self) -> Option<Duration> {
        (self.connection_age_max_ms > 0).then(|| Duration::from_millis(self.connection_age_max_ms))
    }

    /// [`Settings::connection_age_grace_ms`].
    pub fn connection_age_grace(&self) -> Duration {
        Duration::from_millis(self.connection_age_grace_ms)
    }

    /// [`Settings::header_timeout_ms`].
    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    /// [`Settings::idle_timeout_ms`].
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// [`Settings::body_idle_timeout_ms`].
    pub fn body_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.body_idle_timeout_ms)
    }

    /// [`Settings::request_timeout_ms`].
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

/// RFC 1123, section 2.1. Lower case, so that it is compared as it is.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let letters = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense() {
        assert_eq!(Settings::default().validate(), Ok(()));
    }

    #[test]
    fn what_makes_no_sense_names_its_key() {
        let key = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.validate().unwrap_err().key
        };
        assert_eq!(key(|s| s.header_timeout_ms = 0), "header_timeout_ms");
        assert_eq!(key(|s| s.headers_bytes_max = 8_191), "headers_bytes_max");
        assert_eq!(key(|s| s.connections_max = 0), "connections_max");
        assert_eq!(key(|s| s.domain = String::new()), "domain");
        assert_eq!(key(|s| s.keepalive_timeout_ms = 0), "keepalive_timeout_ms");
        assert_eq!(key(|s| s.connection_age_grace_ms = 0), "connection_age_grace_ms");
        assert_eq!(key(|s| s.tls_cert = "cert.pem".into()), "tls_key");
        assert_eq!(key(|s| s.tls_key = "key.pem".into()), "tls_cert");
    }

    #[test]
    fn domains_are_host_names() {
        assert!(["localhost", "a.b-c.example", "x1"].into_iter().all(is_domain));
        let bad = ["", ".", "a..b", "-a", "a-", "A", "a:80", "a b", "é", ".a"];
        assert!(!bad.into_iter().any(is_domain));
        assert!(!is_domain(&"a".repeat(64)) && !is_domain(&["a"; 130].join(".")));
    }
}

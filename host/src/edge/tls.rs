//! TLS for clients: one certificate for the whole edge, read again when its files change.
//!
//! Versions 1.2 and 1.3; ALPN offers HTTP/2 and HTTP/1.1, without which no client would speak HTTP/2, and so gRPC, over TLS.
//! The files are compared every two seconds, by their contents, because editors rename, Kubernetes switches links, and
//! others overwrite. New connections use what is new; what cannot be used changes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::Settings;

/// In the order in which they are taken when a client has both.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 256 << 10;
/// Between two looks at the files.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{key}` in [edge]: cannot read {}: {source}", .file.display())]
    File {
        /// The setting that names it.
        key: &'static str,
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{key}` in [edge]: {}: {reason}", .file.display())]
    Content {
        /// The setting that names it.
        key: &'static str,
        /// Which.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Each is good, but not together.
    #[error(
        "`tls_cert` and `tls_key` in [edge]: the key in {} is not that of the first certificate in {}; the server's own \
         certificate has to come first, those between it and its root after it", .key.display(), .cert.display()
    )]
    Mismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

/// The edge's certificate and key.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    /// As they were at the start.
    first: Pem,
    config: ArcSwap<ServerConfig>,
}

/// What was in the files.
#[derive(Clone, PartialEq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads certificate and key; none when the settings name none.
    ///
    /// # Errors
    ///
    /// [`TlsError`] about the first thing that is wrong.
    pub fn load(settings: &Settings) -> Result<Option<Arc<Self>>, TlsError> {
        if !settings.has_tls() {
            return Ok(None);
        }
        let (cert, key) = (settings.tls_cert.clone(), settings.tls_key.clone());
        let first = read(&cert, &key)?;
        let config = configure(&cert, &key, &first)?;
        Ok(Some(Arc::new(Self { cert, key, first, config: ArcSwap::from_pointee(config) })))
    }

    /// Follows the files until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut settled = Ok(self.first.clone());
        let mut last = settled.clone();
        loop {
            let tls = self.clone();
            let found =
                tokio::task::spawn_blocking(move || read(&tls.cert, &tls.key).map_err(|error| error.to_string()));
            let found = found.await.unwrap_or_else(|error| Err(error.to_string()));
            // Two files cannot be replaced at once, nor written in one step: what looks the same twice is meant.
            if found == last && found != settled {
                self.take(&found);
                settled.clone_from(&found);
            }
            last = found;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn take(&self, found: &Result<Pem, String>) {
        let configured = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|pem| configure(&self.cert, &self.key, pem).map_err(|error| error.to_string()));
        match configured {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!(file = %self.cert.display(), "a new certificate: new connections use it");
            }
            Err(error) => tracing::warn!(error, "the new certificate cannot be used; the last good one stays"),
        }
    }

    /// Goes through the server's side of a handshake, which may take for ever.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }
}

fn read(cert: &Path, key: &Path) -> Result<Pem, TlsError> {
    let read = |setting, file: &Path| {
        read_bounded(file).map_err(|source| TlsError::File { key: setting, file: file.to_owned(), source })
    };
    Ok(Pem { cert: read("tls_cert", cert)?, key: read("tls_key", key)? })
}

fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn configure(cert: &Path, key: &Path, pem: &Pem) -> Result<ServerConfig, TlsError> {
    let bad_cert = |reason: String| TlsError::Content { key: "tls_cert", file: cert.to_owned(), reason };
    let bad_key = |reason: String| TlsError::Content { key: "tls_key", file: key.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem.cert)
        .collect::<Result<_, _>>()
        .map_err(|error| bad_cert(format!("it cannot be read as PEM: {error}")))?;
    if chain.is_empty() {
        return Err(bad_cert("there is no certificate in it (PEM, `BEGIN CERTIFICATE`)".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(&pem.key, b"BEGIN ENCRYPTED PRIVATE KEY") => bad_key(
            "the key is encrypted, and there is nobody to ask for its password; write it without one".to_owned(),
        ),
        pem::Error::NoItemsFound => bad_key("there is no private key in it (PEM, `BEGIN PRIVATE KEY`)".to_owned()),
        error => bad_key(format!("it cannot be read as PEM: {error}")),
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    if let Err(error) = provider.key_provider.load_private_key(private.clone_key()) {
        return Err(bad_key(format!("the key cannot be used: {error}")));
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() },
            error => bad_cert(format!("the certificate cannot be used: {error}")),
        })?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests;

//! Certificates, and clients that trust one of them and no other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http::Body;
use super::wait::{LONG, within};

/// A certificate for `localhost` that is its own root, and its key.
pub struct Certificate {
    pub cert_pem: String,
    pub key_pem: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let cert = params.self_signed(&key).expect("a certificate");
        Self { cert_pem: cert.pem(), key_pem: key.serialize_pem(), der: cert.der().clone() }
    }

    /// Where [`Certificate::write`] puts certificate and key.
    pub fn files(dir: &Path) -> (PathBuf, PathBuf) {
        (dir.join("cert.pem"), dir.join("key.pem"))
    }

    pub fn write(&self, dir: &Path) {
        let (cert, key) = Self::files(dir);
        std::fs::write(cert, &self.cert_pem).expect("a certificate can be written");
        std::fs::write(key, &self.key_pem).expect("a key can be written");
    }

    /// What makes a host that has its files in `dir` use them.
    pub fn config(dir: &Path) -> String {
        let (cert, key) = Self::files(dir);
        format!("[edge]\ntls_cert = {cert:?}\ntls_key = {key:?}\n")
    }

    /// A client's side of a handshake; `alpn` is what it offers.
    pub async fn connect(&self, address: SocketAddr, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_by(address, alpn, rustls::ALL_VERSIONS).await
    }

    pub async fn connect_by(
        &self,
        address: SocketAddr,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("a name");
        within("a TLS handshake", LONG, TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// Sends one request over a connection of its own, by the version of HTTP that was agreed on.
    pub async fn send(&self, address: SocketAddr, alpn: &[&str], request: Request<Body>) -> Response<Incoming> {
        let stream = self.connect(address, alpn).await.expect("a handshake");
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let sending = async {
            if is_http2 {
                let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
                let (mut sender, connection) = opened.expect("HTTP/2");
                tokio::spawn(connection);
                sender.send_request(request).await
            } else {
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
                tokio::spawn(connection);
                sender.send_request(request).await
            }
        };
        within("a response", LONG, sending).await.expect("a response")
    }
}

/// The whole body, and the trailers.
pub async fn whole(response: Response<Incoming>) -> (Bytes, http::HeaderMap) {
    let collected = within("a body", LONG, response.into_body().collect()).await.expect("a body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    (collected.to_bytes(), trailers)
}

//! Mutual TLS between nodes: who may link, and who is there.
//!
//! A node's certificate is signed by its cluster's CA and names the node three times: as the URI
//! `hostel://CLUSTER/node/NAME`, which is its identity; as the DNS name `NAME.node.CLUSTER.hostel`, which is what rustls
//! compares when the name is known; and as `node.CLUSTER.hostel`, which all nodes have, for seeds whose name is not known
//! yet. So the stock verifiers of rustls do all of the verifying. TLS 1.3 only, and no resumption: each connection
//! proves both sides anew.

mod naming;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use futures::future::BoxFuture;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::client::LinkError;
use super::pki::{self, PkiError};
use super::{ClusterName, Connected, Dial, NodeName, PeerIdentity};

const ALPN: &[u8] = b"h2";

/// A node's certificate, its key and the CA it trusts, read from a folder and read again when told so.
pub struct Credentials {
    dir: PathBuf,
    loaded: RwLock<Arc<Loaded>>,
    generation: AtomicU64,
}

struct Loaded {
    identity: PeerIdentity,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    not_after: SystemTime,
}

impl Credentials {
    /// Reads the credentials that `hostel cluster join` (or `init`) put into `dir`.
    ///
    /// # Errors
    ///
    /// [`PkiError`] about the first thing that is wrong: missing files, keys that others can read, certificates that have
    /// expired, or are not this cluster's.
    pub fn load(dir: &Path) -> Result<Arc<Self>, PkiError> {
        let loaded = Arc::new(Loaded::read(dir)?);
        Ok(Arc::new(Self { dir: dir.to_owned(), loaded: RwLock::new(loaded), generation: AtomicU64::new(0) }))
    }

    /// Reads them again. New connections use them, and those there are get replaced. When it fails, what was there stays.
    ///
    /// # Errors
    ///
    /// As [`Credentials::load`]; also when they are those of another node.
    pub fn reload(&self) -> Result<(), PkiError> {
        let loaded = Loaded::read(&self.dir)?;
        if loaded.identity != self.identity() {
            return Err(PkiError::OtherNode { is: self.identity().node, found: loaded.identity.node });
        }
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who this node is.
    pub fn identity(&self) -> PeerIdentity {
        self.loaded().identity.clone()
    }

    /// When the certificate expires.
    pub fn not_after(&self) -> SystemTime {
        self.loaded().not_after
    }

    /// Goes through the server's side of a handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<Connected, Refusal> {
        let loaded = self.loaded();
        let accepted = TlsAcceptor::from(loaded.server.clone()).accept(stream).await;
        let stream = accepted.map_err(|error| Refusal {
            reason: refusal(&error).unwrap_or_else(|| error.to_string()),
            of_node: is_about_certificates(&error),
        })?;
        let (_, connection) = stream.get_ref();
        let peer = verified(connection.peer_certificates(), connection.alpn_protocol(), &loaded.identity.cluster)
            .map_err(|reason| Refusal { reason, of_node: true })?;
        Ok(Connected { io: Box::new(stream), peer })
    }
}

/// Why a connection did not become a link.
pub(super) struct Refusal {
    /// What is wrong, and what to do, for people.
    pub(super) reason: String,
    /// Whether who connected is a node, by all appearances: one of another cluster, or with a certificate that is no good.
    pub(super) of_node: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, of_node: false }
    }
}

impl Loaded {
    fn read(dir: &Path) -> Result<Self, PkiError> {
        let files = pki::read_node(dir)?;
        let identity =
            identity_of(&files.chain).map_err(|reason| PkiError::Certificate { file: files.file.clone(), reason })?;
        let bad = |reason: String| PkiError::Certificate { file: files.file.clone(), reason };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in &files.roots {
            roots.add(root.clone()).map_err(|error| {
                let reason = format!("a certificate in it cannot be used: {error}");
                PkiError::Certificate { file: dir.join("ca.pem"), reason }
            })?;
        }
        let roots = Arc::new(roots);
        let own_name = server_name(&identity.cluster, Some(&identity.node)).map_err(bad)?;
        let not_after = pki::check_own(&files, &roots, &provider, &own_name)?;
        let server = server_config(&files, roots.clone(), provider.clone()).map_err(bad)?;
        let client = client_config(&files, roots, provider).map_err(bad)?;
        Ok(Self { identity, server: Arc::new(server), client: Arc::new(client), not_after })
    }
}

fn server_config(
    files: &pki::NodeFiles,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| format!("the CA certificate cannot be used: {error}"))?;
    let verifier = Arc::new(naming::Clients(verifier));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            builder.with_client_cert_verifier(verifier).with_single_cert(files.chain.clone(), files.key.clone_key())
        })
        .map_err(|error| format!("certificate and key cannot be used: {error}"))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    files: &pki::NodeFiles,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| format!("the CA certificate cannot be used: {error}"))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            let verifier = Arc::new(naming::Servers(verifier));
            let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
            builder.with_client_auth_cert(files.chain.clone(), files.key.clone_key())
        })
        .map_err(|error| format!("certificate and key cannot be used: {error}"))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The DNS name in a node's certificate, or that of all of a cluster's nodes.
pub(super) fn dns_name(cluster: &ClusterName, node: Option<&NodeName>) -> String {
    // No node's name has a dot, so no node can be called by the name of all.
    match node {
        Some(node) => format!("{node}.node.{cluster}.hostel"),
        None => format!("node.{cluster}.hostel"),
    }
}

pub(super) fn server_name(cluster: &ClusterName, node: Option<&NodeName>) -> Result<ServerName<'static>, String> {
    ServerName::try_from(dns_name(cluster, node)).map_err(|error| format!("no certificate can carry its name: {error}"))
}

/// The identity in a node's certificate.
pub(super) fn identity_of(chain: &[CertificateDer<'_>]) -> Result<PeerIdentity, String> {
    let certificate = chain.first().ok_or("there is no certificate")?;
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut uris = parsed.valid_uri_names().filter_map(pki::parse_identity);
    match (uris.next(), uris.next()) {
        (Some(identity), None) => Ok(identity),
        _ => Err("it names no node of a Hostel cluster (one URI hostel://CLUSTER/node/NAME)".to_owned()),
    }
}

fn verified(
    chain: Option<&[CertificateDer<'static>]>,
    alpn: Option<&[u8]>,
    cluster: &ClusterName,
) -> Result<PeerIdentity, String> {
    if alpn != Some(ALPN) {
        return Err("the other end does not offer HTTP/2 (ALPN h2), so it is no Hostel node".to_owned());
    }
    let peer = identity_of(chain.unwrap_or_default()).map_err(|reason| format!("the peer's certificate: {reason}"))?;
    if peer.cluster != *cluster {
        let PeerIdentity { cluster: other, node } = peer;
        return Err(format!(
            "the peer is `{node}` of the cluster `{other}`, and this node belongs to `{cluster}`; check the addresses of \
             the seeds, or join this node anew with a token of the other cluster"
        ));
    }
    Ok(peer)
}

/// Connects over TCP with mutual TLS.
pub struct TlsDialer(Arc<Credentials>);

impl TlsDialer {
    /// With the credentials as they are when a connection is made.
    pub fn new(credentials: Arc<Credentials>) -> Self {
        Self(credentials)
    }
}

impl Dial for TlsDialer {
    fn dial(
        &self,
        address: SocketAddr,
        expected: Option<&NodeName>,
    ) -> BoxFuture<'static, Result<Connected, LinkError>> {
        let loaded = self.0.loaded();
        let expected = expected.cloned();
        Box::pin(async move {
            let refused = |reason| LinkError::Refused { address, reason };
            let name = server_name(&loaded.identity.cluster, expected.as_ref()).map_err(refused)?;
            let connect = |source| LinkError::Connect { address, source };
            let stream = TcpStream::connect(address).await.map_err(connect)?;
            stream.set_nodelay(true).map_err(connect)?;
            let connected = TlsConnector::from(loaded.client.clone()).connect(name, stream).await;
            let stream = connected.map_err(|error| match refusal(&error) {
                Some(reason) => refused(reason),
                None => connect(error),
            })?;
            let (_, connection) = stream.get_ref();
            let peer = verified(connection.peer_certificates(), connection.alpn_protocol(), &loaded.identity.cluster)
                .map_err(refused)?;
            Ok(Connected { io: Box::new(stream), peer })
        })
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }
}

/// What is wrong and what to do, when TLS is why an operation failed.
pub(super) fn refusal(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => of_certificate(reason),
        rustls::Error::NoCertificatesPresented => {
            "the peer shows no certificate; only nodes that joined the cluster may link".to_owned()
        }
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::InvalidMessage(_) => "the other end does not speak TLS, so it is no Hostel node".to_owned(),
        other => format!("TLS failed: {other}"),
    })
}

/// Whether both ends speak TLS, and do not agree on certificates.
fn is_about_certificates(error: &io::Error) -> bool {
    use AlertDescription as A;
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match error {
        Some(rustls::Error::InvalidCertificate(_)) => true,
        Some(rustls::Error::AlertReceived(alert)) => {
            matches!(
                alert,
                A::CertificateExpired | A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError
            )
        }
        _ => false,
    }
}

fn of_certificate(reason: &CertificateError) -> String {
    use CertificateError as E;
    match reason {
        E::Other(other) if other.0.is::<naming::Foreign>() => {
            format!("{}: it belongs to another cluster, or to none; join it with a token of this one (`hostel cluster token`)", other.0)
        }
        E::Expired | E::ExpiredContext { .. } => {
            "the peer's certificate has expired; issue a new one (`hostel cluster token`), or set the clocks right".to_owned()
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the peer's certificate is not valid yet; set the clocks right".to_owned()
        }
        E::UnknownIssuer | E::BadSignature => {
            "the peer's certificate is not signed by this cluster's CA: it belongs to another cluster, or to none; join it \
             with a token of this one (`hostel cluster token`)"
                .to_owned()
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the peer has a certificate of this cluster, but is another node than the one expected; two nodes may have \
             swapped addresses, or been given the wrong token"
                .to_owned()
        }
        other => format!("the peer's certificate is refused: {other}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateExpired => {
            "the peer refuses this node's certificate as expired; issue a new one (`hostel cluster token`), or set the clocks \
             right"
                .to_owned()
        }
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError => {
            "the peer refuses this node's certificate: the two belong to different clusters; join this node anew with a token \
             of that one"
                .to_owned()
        }
        A::CertificateRequired => "the peer asks for a certificate, and this node has shown none".to_owned(),
        A::NoApplicationProtocol => "the other end does not speak HTTP/2, so it is no Hostel node".to_owned(),
        other => format!("the peer refuses the connection: {other:?}"),
    }
}

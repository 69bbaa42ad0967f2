//! Making the CA and certificates of nodes.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rand::TryRngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::files::{read_bounded, read_secret, write_new};
use super::token::encode_key;
use super::{GossipKey, PkiError, Seeds, Token, cluster_uri, gossip_keys, node_uri, parse_cluster};
use crate::peer::{ClusterName, NodeName, PeerIdentity, tls};

/// How long a CA is good for: ten years. Replacing it means a new `ca.pem` everywhere.
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How far clocks may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Makes a cluster in `dir`, which is created: `ca.pem`, `ca.key`, `gossip.keys`.
///
/// # Errors
///
/// [`PkiError::Exists`] when there is one already, or what writing fails with.
pub fn init(dir: &Path, cluster: &ClusterName) -> Result<(), PkiError> {
    let at = |source| PkiError::File { file: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(at)?;
    for name in ["ca.key", "ca.pem", "gossip.keys"] {
        let file = dir.join(name);
        if file.exists() {
            return Err(PkiError::Exists(file));
        }
    }
    let key = KeyPair::generate().map_err(failed)?;
    let now = SystemTime::now();
    let mut params = ca_params(cluster)?;
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + CA_LIFE).into();
    let certificate = params.self_signed(&key).map_err(failed)?;
    write_new(&dir.join("ca.key"), key.serialize_pem().as_bytes(), true)?;
    write_new(&dir.join("gossip.keys"), format!("{}\n", encode_key(&new_gossip_key()?)).as_bytes(), true)?;
    // Last: with it, the cluster is there.
    write_new(&dir.join("ca.pem"), certificate.pem().as_bytes(), false)
}

/// What a certificate is made for.
pub struct Issuing {
    /// The node's name. A name that is in use makes two nodes that look the same.
    pub node: NodeName,
    /// How long the certificate, and with it the token, is good for.
    pub valid: Duration,
    /// Where the node finds the others: `HOST:PORT` each.
    pub seeds: Seeds,
}

/// Makes a token for a node, by the CA in `dir`.
///
/// # Errors
///
/// [`PkiError`] when there is no CA, others can read its key, or the certificate would not be good for anything.
pub fn issue(dir: &Path, issuing: Issuing) -> Result<Token, PkiError> {
    if issuing.valid > CA_LIFE {
        return Err(PkiError::Issue("it would be good for more than ten years; ask for less".to_owned()));
    }
    let ca_file = dir.join("ca.pem");
    let ca_pem = read_bounded(&ca_file)?;
    let cluster = cluster_of(&ca_pem).map_err(|reason| PkiError::Certificate { file: ca_file, reason })?;
    let ca_key = KeyPair::from_pem(&read_secret(&dir.join("ca.key"))?).map_err(failed)?;
    let issuer = Issuer::new(ca_params(&cluster)?, ca_key);
    let identity = PeerIdentity { cluster, node: issuing.node };
    let key = KeyPair::generate().map_err(failed)?;
    let now = SystemTime::now();
    let params = node_params(&identity, now - CLOCK_SKEW, now + issuing.valid)?;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    Ok(Token {
        node_pem: format!("{}{}", key.serialize_pem(), certificate.pem()),
        ca_pem,
        gossip_keys: gossip_keys(dir)?,
        seeds: issuing.seeds,
        identity,
    })
}

fn ca_params(cluster: &ClusterName) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, format!("{cluster} (Hostel cluster CA)"));
    params.subject_alt_names = vec![SanType::URI(cluster_uri(cluster).try_into().map_err(failed)?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

pub(in crate::peer) fn node_params(
    identity: &PeerIdentity,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, identity.node.as_str());
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![
        SanType::URI(node_uri(identity).try_into().map_err(failed)?),
        SanType::DnsName(tls::dns_name(&identity.cluster, Some(&identity.node)).try_into().map_err(failed)?),
        SanType::DnsName(tls::dns_name(&identity.cluster, None).try_into().map_err(failed)?),
    ];
    Ok(params)
}

/// The cluster that a CA's certificate names.
pub(super) fn cluster_of(ca_pem: &str) -> Result<ClusterName, String> {
    let certificate =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|error| format!("no certificate: {error}"))?;
    let parsed =
        webpki::EndEntityCert::try_from(&certificate).map_err(|error| format!("it cannot be read: {error}"))?;
    let cluster = parsed.valid_uri_names().find_map(parse_cluster);
    cluster.ok_or_else(|| "it names no Hostel cluster (a URI hostel://CLUSTER)".to_owned())
}

pub(super) fn new_gossip_key() -> Result<GossipKey, PkiError> {
    let mut key = GossipKey::default();
    rand::rngs::OsRng.try_fill_bytes(&mut key).map_err(failed)?;
    Ok(key)
}

fn failed(error: impl std::fmt::Display) -> PkiError {
    PkiError::Issue(error.to_string())
}

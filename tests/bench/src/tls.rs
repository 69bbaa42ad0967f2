//! Mutual TLS of the native servers: one CA, and one certificate that both have.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The name in the certificate.
const NAME: &str = "node.bench.internal";

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node.key";

/// Makes a CA and a certificate for a run.
///
/// # Errors
///
/// When they cannot be made or written.
pub(crate) fn make(dir: &Path) -> anyhow::Result<()> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (ca_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let certificate = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &Issuer::new(ca, ca_key))?;
    let files = [(CA, ca_certificate.pem()), (CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())];
    for (name, text) in files {
        let file = dir.join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn read(dir: &Path) -> anyhow::Result<(Certificate, Identity)> {
    let read = |name: &str| {
        let file = dir.join(name);
        fs::read(&file).with_context(|| file.display().to_string())
    };
    Ok((Certificate::from_pem(read(CA)?), Identity::from_pem(read(CERTIFICATE)?, read(KEY)?)))
}

/// A server that takes those with a certificate by the CA in `dir`.
///
/// # Errors
///
/// When the files cannot be read.
pub(crate) fn server(dir: &Path) -> anyhow::Result<ServerTlsConfig> {
    let (ca, identity) = read(dir)?;
    Ok(ServerTlsConfig::new().identity(identity).client_ca_root(ca))
}

/// A client that shows its certificate, and takes servers with one.
///
/// # Errors
///
/// When the files cannot be read.
pub(crate) fn client(dir: &Path) -> anyhow::Result<ClientTlsConfig> {
    let (ca, identity) = read(dir)?;
    Ok(ClientTlsConfig::new().ca_certificate(ca).identity(identity).domain_name(NAME))
}

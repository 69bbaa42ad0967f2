//! Whose a refused certificate claims to be, for the log.
//!
//! The verifiers of rustls say only that an issuer is not known. Whoever has started a node with the wrong folder wants to
//! know which node that was. So these hand everything to the stock verifiers and, when those refuse a certificate for its
//! issuer, refuse it too, with the name that is in it. Nothing that they refuse is ever taken.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};

use super::identity_of;
use crate::peer::PeerIdentity;

/// A certificate whose issuer is not this cluster's CA, and whose it says it is. Nothing of that is proven.
#[derive(Debug)]
pub(super) struct Foreign(pub(super) PeerIdentity);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate of `{}` of the cluster `{}` is not signed by this cluster's CA",
            self.0.node, self.0.cluster
        )
    }
}

impl std::error::Error for Foreign {}

fn named<T>(verified: Result<T, Error>, certificate: &CertificateDer<'_>) -> Result<T, Error> {
    use CertificateError as E;
    verified.map_err(|error| match error {
        Error::InvalidCertificate(E::UnknownIssuer | E::BadSignature) => {
            match identity_of(std::slice::from_ref(certificate)) {
                Ok(identity) => Error::InvalidCertificate(E::Other(OtherError(Arc::new(Foreign(identity))))),
                Err(_) => error,
            }
        }
        other => other,
    })
}

/// Verifies the certificates of servers.
#[derive(Debug)]
pub(super) struct Servers(pub(super) Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        named(self.0.verify_server_cert(end_entity, intermediates, name, ocsp, now), end_entity)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.0.root_hint_subjects()
    }
}

/// Verifies the certificates of clients.
#[derive(Debug)]
pub(super) struct Clients(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        named(self.0.verify_client_cert(end_entity, intermediates, now), end_entity)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}

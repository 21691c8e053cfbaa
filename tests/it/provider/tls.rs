//! Throw-away certificates for a provider on this machine: a root, and what it signs.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// What is wrong with the certificate that a provider shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    Expired,
    OtherName,
}

/// A provider's TLS, the root that signed it, and a client certificate of the same root.
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// PEM of the root.
    pub root: String,
    /// PEM of a client certificate.
    pub client: String,
    /// PEM of its key.
    pub client_key: String,
}

impl Tls {
    /// A provider's TLS that asks nobody for a certificate.
    pub fn new(flaw: Flaw) -> Tls {
        Tls::with(flaw, false)
    }

    /// One that speaks only to clients with a certificate of its root.
    pub fn mutual() -> Tls {
        Tls::with(Flaw::None, true)
    }

    fn with(flaw: Flaw, mutual: bool) -> Tls {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kibble test root");
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let name = if flaw == Flaw::OtherName { "elsewhere.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if flaw == Flaw::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let server = params.signed_by(&key, &root).unwrap();
        let client_key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
        let client = client.signed_by(&client_key, &root).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match mutual {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from(root.der().to_vec())).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = builder.with_single_cert(vec![CertificateDer::from(server.der().to_vec())], key).unwrap();
        Tls { config: Arc::new(config), root: root.pem(), client: client.pem(), client_key: client_key.serialize_pem() }
    }
}

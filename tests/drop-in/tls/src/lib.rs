//! tokio-rustls, tokio-tungstenite and quinn on the drop-in, over loopback and with a certificate made on the spot.

#![cfg(test)]

mod quic;
mod tcp;

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What a server and its clients need to trust each other.
struct Configs {
    client: ClientConfig,
    server: ServerConfig,
}

/// A certificate for `localhost` that has signed itself.
fn configs() -> Configs {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();

    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Configs {
        client: client.with_root_certificates(roots).with_no_client_auth(),
        server: server
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap(),
    }
}

/// A client that trusts nobody.
fn distrustful() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    client
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

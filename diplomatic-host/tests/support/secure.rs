//! A client that speaks TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use diplomatic::standard::calls::UserRequest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::account::Account;
use super::{clock, soon};

/// Shakes hands, trusting one certificate in PEM alone.
pub(crate) async fn shake_hands(address: SocketAddr, name: &str, trusted: &[u8]) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.ok()
}

/// Makes an account, and returns the whole answer.
pub(crate) async fn register(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let request = Account::new(1).request(clock(), &UserRequest);
    let header =
        format!("POST /user HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", request.len());
    stream.write_all(&[header.as_bytes(), &request].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

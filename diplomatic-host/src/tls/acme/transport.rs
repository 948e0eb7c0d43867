//! Requests to the authority: HTTPS over the TLS that the host has anyway.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Limited;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read: a chain of certificates takes some kilobytes.
const LONGEST: usize = 1 << 20;

/// A client that makes a connection for each request: there are a dozen in some weeks.
#[derive(Debug, Clone)]
pub(super) struct Https(pub(super) Arc<ClientConfig>);

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        Box::pin(async move {
            let to = request.uri().to_string();
            let failed = |said: &dyn StdError| Error::Other(format!("{to} did not answer ({said})").into());
            match timeout(PATIENCE, send(connector, request)).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(failed(&*error)),
                Err(elapsed) => Err(failed(&elapsed)),
            }
        })
    }
}

async fn send(
    connector: TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Box<dyn StdError + Send + Sync>> {
    let uri = request.uri().clone();
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("an authority's addresses begin with https://".into());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(443))).await?;
    let stream = connector.connect(ServerName::try_from(host.to_owned())?, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the authority broke");
        }
    });
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(io::Error::other)?;
    let response = sender.send_request(request).await?;
    Ok(BytesResponse::from(response.map(|body| Limited::new(body, LONGEST))))
}

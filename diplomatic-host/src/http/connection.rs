//! One connection: HTTP/1.1 with timeouts.

use std::convert::Infallible;
use std::pin::pin;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer;
use super::patience::Patient;
use crate::app::{App, Seat};
use crate::metrics::Now;

/// The most that a request's line and headers may take, and what is read of a body at a time: strangers have it, too.
const BUFFER: usize = 32 << 10;

/// Serves a connection until one side closes it, or the server shuts down and what was accepted is answered.
pub(crate) async fn serve_connection(app: App, seat: Seat, stream: TcpStream) {
    // Small answers must not wait for the acknowledgement of the ones before.
    let _ = stream.set_nodelay(true);
    let _counted = app.metrics.hold(Now::Connections);
    let Some(tls) = &app.tls else { return serve_stream(app, seat, stream).await };
    match timeout(app.limits.header, tls.accept(stream)).await {
        Ok(Ok(Some(stream))) => serve_stream(app, seat, stream).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_stream<T>(app: App, seat: Seat, stream: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Patient::new(stream, app.limits.idle));
    let service = service_fn(|request: Request<Incoming>| {
        let (app, seat) = (app.clone(), seat.clone());
        async { Ok::<_, Infallible>(answer(app, Some(seat), request.map(Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.limits.header)
        .max_buf_size(BUFFER)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.closed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
}

//! Calls over HTTP, with `fetch`.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use js_sys::{Reflect, Uint8Array};
use tokio::sync::mpsc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, Request, RequestCache, RequestCredentials, RequestInit,
    RequestMode, RequestRedirect, Response, ResponseType, WorkerGlobalScope,
};

use crate::client::address::Address;
use crate::client::network::{HttpEvent, refusal};
use crate::standard::Timestamp;
use crate::standard::calls::Call;
use crate::sync::Failure;

/// Sends a request, and hands on what comes.
pub(super) async fn post(
    address: &Address,
    headers: &HeaderMap,
    call: Call,
    body: &[u8],
    events: &mpsc::Sender<HttpEvent>,
) -> Result<(), Failure> {
    let url = address.call(call);
    let abort = AbortOnDrop(AbortController::new().map_err(|error| failure(&error))?);
    let request = request(url.as_str(), address, headers, body, &abort.0).map_err(|error| failure(&error))?;
    let response: Response = fetched(&request).await.map_err(|error| failure(&error))?;
    if response.type_() == ResponseType::Opaqueredirect {
        // A browser does not tell where it leads.
        return Err(Failure::Redirected { status: 307, target: "another address".into() });
    }
    if let Some(failure) = refusal::of_head(response.status(), &told(&response), &url, call.path(), Timestamp::now()) {
        return Err(failure);
    }
    let Some(stream) = response.body() else { return Ok(()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().dyn_into().map_err(|_| Failure::Cut)?;
    while let Some(bytes) = next_chunk(&reader).await.map_err(|_| Failure::Cut)? {
        if events.send(HttpEvent::Chunk(bytes)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Aborts a request that is given up. This does nothing to one that has ended.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(
    url: &str,
    address: &Address,
    extra: &HeaderMap,
    body: &[u8],
    abort: &AbortController,
) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    if let Some(credentials) = address.credentials() {
        headers.set(AUTHORIZATION.as_str(), credentials.to_str().unwrap_or_default())?;
    }
    for (name, value) in extra {
        headers.set(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&Uint8Array::from(body));
    init.set_mode(RequestMode::Cors);
    // Cookies are none of the host's business.
    init.set_credentials(RequestCredentials::Omit);
    init.set_cache(RequestCache::NoStore);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&abort.signal()));
    Request::new_with_str_and_init(url, &init)
}

async fn fetched(request: &Request) -> Result<Response, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    JsFuture::from(scope.fetch_with_request(request)).await?.dyn_into()
}

async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Vec<u8>>, JsValue> {
    let read = JsFuture::from(reader.read()).await?;
    if Reflect::get(&read, &"done".into())?.is_truthy() {
        return Ok(None);
    }
    let bytes: Uint8Array = Reflect::get(&read, &"value".into())?.dyn_into()?;
    Ok(Some(bytes.to_vec()))
}

/// Returns the headers that matter, of those that the browser shows.
fn told(response: &Response) -> HeaderMap {
    let told = |name: HeaderName| {
        let value = response.headers().get(name.as_str()).ok().flatten()?;
        Some((name, HeaderValue::from_str(&value).ok()?))
    };
    [LOCATION, RETRY_AFTER].into_iter().filter_map(told).collect()
}

/// A browser does not tell why there is no answer.
fn failure(error: &JsValue) -> Failure {
    tracing::debug!(?error, "a request failed");
    Failure::Unreachable
}

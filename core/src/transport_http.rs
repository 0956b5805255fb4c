//! The transport over HTTP: one connection pool, HTTP/2 where the service offers it, nothing repeated and no
//! redirect followed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, USER_AGENT as USER_AGENT_HEADER};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use url::Url;

use crate::config::ClientOptions;
use crate::error::Error;
use crate::tls;
use crate::transport::{Request, RequestBody, Response, Transport, TransportError};

/// What the product calls itself in `User-Agent`.
pub const USER_AGENT: &str = concat!("multi-upload/", env!("CARGO_PKG_VERSION"));

/// Time for DNS, connect and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the idle time of usual servers and proxies, so that a connection is rarely closed as it is taken.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Speaks HTTP to one address with one key.
pub(crate) struct HttpTransport {
    client: reqwest::Client,
    /// Without the slash at the end.
    base: String,
    authorization: HeaderValue,
}

impl HttpTransport {
    /// Checks the settings and makes the pool; nothing is connected yet.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, Error> {
        let url = check_url(&options.url)?;
        let authorization = check_key(&options.api_key)?;
        let config = if url.scheme() == "https" {
            let mut config = tls::client_config().as_ref().clone();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            config
        } else {
            tls::no_roots()
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| {
                config_error("the HTTP client could not be made".to_owned()).with_source(error)
            })?;
        Ok(Self {
            client,
            base: url.as_str().trim_end_matches('/').to_owned(),
            authorization,
        })
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        // Ids are encoded and the base was checked, so this holds; if not, nothing was sent.
        let url = Url::parse(&format!("{}{}", self.base, request.path))
            .map_err(|error| TransportError::Connect(error.to_string()))?;
        let mut outgoing = reqwest::Request::new(request.method, url);
        *outgoing.headers_mut() = request.headers;
        let headers = outgoing.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(USER_AGENT_HEADER, HeaderValue::from_static(USER_AGENT));
        match request.body {
            RequestBody::Empty => {}
            RequestBody::Bytes(bytes) => *outgoing.body_mut() = Some(bytes.into()),
            RequestBody::Stream(body) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.length()));
                *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(body.open()));
            }
        }
        let mut answer = self
            .client
            .execute(outgoing)
            .await
            .map_err(|error| of_reqwest(&error))?;
        Ok(Response {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body: read(answer).await?,
        })
    }
}

/// Reads the body up to the limit. A body of one piece is not copied.
async fn read(mut answer: reqwest::Response) -> Result<Bytes, TransportError> {
    let mut next = async || answer.chunk().await.map_err(|error| of_reqwest(&error));
    let Some(first) = next().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next().await? else {
        return Ok(first);
    };
    let mut body = BytesMut::from(first);
    body.extend_from_slice(&second);
    while let Some(chunk) = next().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(TransportError::Cut(format!(
                "it is larger than {} MiB",
                MAX_ANSWER / 1024 / 1024
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Sorts an error by what may have left this machine. The address is left out of the text: it may hold searches.
fn of_reqwest(error: &reqwest::Error) -> TransportError {
    let mut cause: &(dyn StdError + 'static) = error;
    let mut tls = false;
    while let Some(inner) = inner(cause) {
        cause = inner;
        tls |= cause.is::<rustls::Error>();
    }
    let text = if std::ptr::addr_eq(cause, error) {
        // reqwest's own text may hold the address.
        "the request failed".to_owned()
    } else {
        cause.to_string()
    };
    if error.is_connect() {
        if tls {
            TransportError::Tls(text)
        } else if error.is_timeout() {
            TransportError::Connect(format!(
                "no connection within {} s",
                CONNECT_TIMEOUT.as_secs()
            ))
        } else {
            TransportError::Connect(text)
        }
    } else {
        TransportError::Cut(text)
    }
}

/// The error underneath. What an I/O error wraps is not its `source`, which is one deeper.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    }
}

fn config_error(detail: String) -> Error {
    Error::new(ErrorCode::ConfigInvalid, detail)
}

/// The address of the service.
fn check_url(text: &str) -> Result<Url, Error> {
    let wrong = |what: &str| {
        Error::from(
            ErrorInfo::new(
                ErrorCode::ConfigInvalid,
                format!("the address of the service {what}"),
            )
            .with_remedy(
                "Set MULTI_UPLOAD_URL (or `url`) to an address such as `https://uploads.example.com` or `http://127.0.0.1:8787`.",
            ),
        )
    };
    if text.trim().is_empty() {
        return Err(wrong("is not set"));
    }
    let url = Url::parse(text.trim()).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "must not hold a user name or password; the key goes into `api_key`",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not hold a query or a fragment"));
    }
    Ok(url)
}

/// The key as a header that no log shows.
fn check_key(key: &str) -> Result<HeaderValue, Error> {
    let wrong = |what: &str| {
        Error::from(
            ErrorInfo::new(ErrorCode::ConfigInvalid, format!("the API key {what}")).with_remedy(
                "Set MULTI_UPLOAD_API_KEY (or `api_key`) to a key that `multi-upload keys create` printed.",
            ),
        )
    };
    let key = key.trim();
    if key.is_empty() {
        return Err(wrong("is not set"));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("holds characters that no key has"));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .map_err(|_| wrong("holds characters that no key has"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_named_without_the_key() {
        let cases = [
            ("", "mu_live_topsecret", "is not set"),
            ("uploads.example.com", "mu_live_topsecret", "is not a URL"),
            ("ftp://h", "mu_live_topsecret", "http:// or https://"),
            ("http://user:topsecret@h", "k", "user name"),
            ("http://h?key=topsecret", "k", "query"),
            ("http://h", "", "API key is not set"),
            ("http://h", "mu_live_topsecret\nX: y", "characters"),
        ];
        for (url, key, expected) in cases {
            let error = HttpTransport::new(&ClientOptions::new(url, key)).expect_err(url);
            let text = format!("{error} {error:?}");
            assert_eq!(error.code(), "CONFIG_INVALID");
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("topsecret"), "{text}");
        }
    }

    #[test]
    fn a_path_before_v1_and_a_slash_at_the_end_are_allowed() {
        let transport = HttpTransport::new(&ClientOptions::new("https://h/multi/", "mu_test_x"))
            .expect("the settings are right");
        assert_eq!(transport.base, "https://h/multi");
        assert!(!format!("{transport:?}").contains("mu_test_x"));
    }
}

//! The one way out to addresses that users give: media to fetch, webhooks to call.
//!
//! Such an address may name a host of the inner network, whatever its spelling, and its name may resolve to another address
//! the next time. So the gate resolves itself, every answer must be globally routable, and the connector connects to exactly
//! what was judged: there is no second lookup. Proxies of the environment are not used, bodies are counted and timed, and
//! nothing is unpacked.

mod address;
mod body;
mod resolve;
#[cfg(test)]
mod tests;
mod url;

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ::url::Url;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT as AGENT,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use multi_upload_core::USER_AGENT;
use multi_upload_core::tls;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use tokio::time::{Instant, timeout_at};

use self::url::{Rules, check};
pub(crate) use body::FetchLimits;
use resolve::{Judge, Lookup, Refused, Shared, System};

/// Redirects that a fetch follows.
const HOPS: usize = 3;
/// Time for lookup, connection and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// Idle connections are kept for the next delivery to the same receiver.
const IDLE: Duration = Duration::from_secs(30);
/// How much of a receiver's answer is kept.
const EXCERPT: usize = 1_024;

/// The gate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    judge: Arc<Judge>,
    /// Made at first use: reading the system's roots takes milliseconds.
    client: OnceLock<reqwest::Client>,
}

/// A body on its way in.
pub(crate) struct Fetched {
    /// As the sender said; to be checked by content.
    pub(crate) content_type: Option<String>,
    /// As the sender said; the limits hold whatever it is.
    pub(crate) length: Option<u64>,
    /// Ends with an error when a limit is passed.
    pub(crate) body: BoxStream<'static, io::Result<Bytes>>,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched")
            .field("content_type", &self.content_type)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    /// HTTP status.
    pub(crate) status: u16,
    /// How long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The beginning of its body, as text, up to 1 KiB.
    pub(crate) excerpt: String,
}

impl Gate {
    /// A gate that asks the system's resolver. With `allow_private` every address and port passes: development and tests.
    pub(crate) fn new(allow_private: bool) -> Self {
        let rules = Rules {
            private: allow_private,
            any_port: allow_private,
        };
        Self::with_judge(Judge {
            lookup: Arc::new(System) as Arc<dyn Lookup>,
            rules,
            #[cfg(test)]
            stand_in: None,
        })
    }

    fn with_judge(judge: Judge) -> Self {
        Self(Arc::new(Inner {
            judge: Arc::new(judge),
            client: OnceLock::new(),
        }))
    }

    /// Reads an address and checks what can be checked without a lookup: scheme, port, no user name, no private IP.
    ///
    /// # Errors
    /// `URL_NOT_ALLOWED`.
    pub(crate) fn parse(&self, text: &str) -> Result<Url, ErrorInfo> {
        let url = Url::parse(text)
            .map_err(|error| self::url::refuse(format!("this is not an address: {error}")))?;
        check(&url, self.0.judge.rules)?;
        Ok(url)
    }

    /// Fetches a file. Follows up to 3 redirects, each judged anew, none from https to http; sends no credentials.
    ///
    /// # Errors
    /// `URL_NOT_ALLOWED` for an address that must not be called, `MEDIA_TOO_LARGE` for an announced length beyond the limit,
    /// `MEDIA_FETCH_FAILED` for everything else. Errors while reading come out of the body.
    pub(crate) async fn get(&self, url: &Url, limits: FetchLimits) -> Result<Fetched, ErrorInfo> {
        let deadline = Instant::now() + limits.total;
        let mut url = url.clone();
        for _ in 0..=HOPS {
            check(&url, self.0.judge.rules)?;
            let request = self
                .client()
                .get(url.clone())
                .header(ACCEPT, HeaderValue::from_static("*/*"))
                // A packed body would hide its size.
                .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
                .header(AGENT, HeaderValue::from_static(USER_AGENT));
            let answer = timeout_at(deadline, request.send())
                .await
                .map_err(|_| fetch_failed("it did not answer in time"))?
                .map_err(|error| of_reqwest(&error))?;
            if !answer.status().is_redirection() {
                return accept(answer, limits, deadline);
            }
            url = next_hop(&url, &answer)?;
        }
        Err(fetch_failed(&format!(
            "it redirects more than {HOPS} times"
        )))
    }

    /// Calls a webhook: no redirect, nothing repeated. `within` bounds everything.
    ///
    /// # Errors
    /// `URL_NOT_ALLOWED` or `MEDIA_FETCH_FAILED`-like details as plain text: the caller notes them as a failed delivery.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<Posted, ErrorInfo> {
        check(url, self.0.judge.rules)?;
        let deadline = Instant::now() + within;
        let request = self
            .client()
            .post(url.clone())
            .header(AGENT, HeaderValue::from_static(USER_AGENT))
            .headers(headers)
            .body(body);
        let mut answer = timeout_at(deadline, request.send())
            .await
            .map_err(|_| {
                ErrorInfo::new(
                    ErrorCode::Timeout,
                    format!("no answer within {} s", within.as_secs()),
                )
            })?
            .map_err(|error| of_reqwest(&error))?;
        let mut excerpt = Vec::new();
        // The status decides; a body that is cut or never ends changes nothing.
        while excerpt.len() < EXCERPT {
            match timeout_at(deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    let room = EXCERPT - excerpt.len();
                    excerpt.extend_from_slice(piece.get(..room).unwrap_or(&piece));
                }
                _ => break,
            }
        }
        Ok(Posted {
            status: answer.status().as_u16(),
            retry_after: multi_upload_core::retry_after(answer.headers(), SystemTime::now()),
            excerpt: String::from_utf8_lossy(&excerpt).into_owned(),
        })
    }

    fn client(&self) -> &reqwest::Client {
        self.0.client.get_or_init(|| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls::client_config().as_ref().clone())
                .dns_resolver(Shared(Arc::clone(&self.0.judge)))
                .no_proxy()
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(2)
                .build()
                .expect("settings that are always the same can be used")
        })
    }
}

/// Where a redirect leads.
fn next_hop(from: &Url, answer: &reqwest::Response) -> Result<Url, ErrorInfo> {
    let location = text(answer.headers(), &LOCATION)
        .ok_or_else(|| fetch_failed("it redirects without saying where to"))?;
    let next = from
        .join(&location)
        .map_err(|_| fetch_failed("it redirects to something that is no address"))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(self::url::refuse(
            "it redirects from https to an address that is not encrypted".to_owned(),
        ));
    }
    Ok(next)
}

fn accept(
    answer: reqwest::Response,
    limits: FetchLimits,
    deadline: Instant,
) -> Result<Fetched, ErrorInfo> {
    if answer.status() != StatusCode::OK {
        return Err(fetch_failed(&format!(
            "it answers with HTTP status {}",
            answer.status().as_u16()
        )));
    }
    if let Some(packed) = text(answer.headers(), &CONTENT_ENCODING)
        && !packed.eq_ignore_ascii_case("identity")
    {
        return Err(fetch_failed(&format!(
            "it sends the file packed ({packed:.20}), which was not asked for"
        )));
    }
    let length = answer.content_length();
    if let Some(length) = length
        && length > limits.max_bytes
    {
        return Err(ErrorInfo::new(
            ErrorCode::MediaTooLarge,
            format!(
                "the file has {length} bytes; at most {} are allowed",
                limits.max_bytes
            ),
        ));
    }
    Ok(Fetched {
        content_type: text(answer.headers(), &CONTENT_TYPE),
        length,
        body: body::bounded(
            answer
                .bytes_stream()
                .map_err(|error| io::Error::other(describe(&error)))
                .boxed(),
            limits,
            deadline,
        ),
    })
}

fn text(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned)
}

fn fetch_failed(detail: &str) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::MediaFetchFailed,
        format!("the address could not be fetched: {detail}"),
    )
}

/// The error and its causes, the outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn of_reqwest(error: &reqwest::Error) -> ErrorInfo {
    match causes(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
        Some(refused) => self::url::refuse(refused.0.clone()),
        None => fetch_failed(&describe(error)),
    }
}

/// Never the whole text of the error: it names the address with its query.
fn describe(error: &reqwest::Error) -> String {
    let last = causes(error)
        .last()
        .filter(|last| !last.is::<reqwest::Error>())
        .map(ToString::to_string);
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request failed"
    };
    last.map_or_else(|| what.to_owned(), |last| format!("{what} ({last:.200})"))
}

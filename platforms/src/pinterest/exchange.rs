//! A call on a connection of its own, over whatever [`Outside`] there is: how every call but the commit goes in a
//! simulation. Elsewhere they share the pool of one client.

use std::time::Duration;

use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use url::Position;

use super::api::{self, Broken};
use crate::Outside;

pub(super) async fn exchange(
    outside: &dyn Outside,
    request: reqwest::Request,
) -> Result<reqwest::Response, Broken> {
    let limit = request.timeout().copied().unwrap_or(Duration::MAX);
    timeout(limit, once(outside, request))
        .await
        .unwrap_or(Err(Broken::TimedOut))
}

async fn once(
    outside: &dyn Outside,
    mut request: reqwest::Request,
) -> Result<reqwest::Response, Broken> {
    let body = request.body_mut().take();
    let url = request.url();
    let (Some(host), Some(port), "http") =
        (url.host_str(), url.port_or_known_default(), url.scheme())
    else {
        return Err(Broken::NotSent("only plain HTTP is simulated".to_owned()));
    };
    let stream = timeout(api::CONNECT_LIMIT, outside.connect(host, port))
        .await
        .map_err(|_| Broken::NotSent("no connection in time".to_owned()))?
        .map_err(Broken::NotSent)?;
    let (mut sender, line) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Broken::NotSent(error.to_string()))?;
    let mut copy = Request::new(body.unwrap_or_default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = url[Position::BeforePath..Position::AfterQuery]
        .parse()
        .map_err(|_| Broken::NotSent("the path cannot be sent".to_owned()))?;
    let headers = copy.headers_mut();
    headers.clone_from(request.headers());
    headers.insert(USER_AGENT, HeaderValue::from_static(api::USER_AGENT));
    if let Ok(name) = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort]) {
        headers.insert(HOST, name);
    }
    let mut talk = std::pin::pin!(async {
        let (head, body) = sender.send_request(copy).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    });
    let answer: Result<_, hyper::Error> = tokio::select! {
        biased;
        answer = &mut talk => answer,
        _ = line => talk.await,
    };
    answer
        .map(reqwest::Response::from)
        .map_err(|error| Broken::Cut(error.to_string()))
}

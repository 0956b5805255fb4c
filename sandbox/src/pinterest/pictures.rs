//! Looking at pictures: fetched from loopback addresses, taken as they are from others.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::draft::{Slot, Source};
use crate::answer::ApiError;
use crate::state::Picture;

/// The largest image that Pinterest takes, in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 3;

/// The picture of one slot.
pub(crate) async fn look(slot: &Slot, min_side: usize) -> Result<Picture, ApiError> {
    let mut picture = match &slot.source {
        // What nobody has seen gets the size that Pinterest recommends.
        Source::KeyFrame => Picture {
            width: 1_000,
            height: 1_500,
            ..Picture::default()
        },
        Source::Data(bytes) => measure(bytes, min_side)?,
        Source::Url(url) => by_url(url, min_side).await?,
    };
    picture.title.clone_from(&slot.title);
    picture.description.clone_from(&slot.description);
    picture.link.clone_from(&slot.link);
    Ok(picture)
}

async fn by_url(address: &str, min_side: usize) -> Result<Picture, ApiError> {
    let url = Url::parse(address).map_err(|_| not_fetched())?;
    let mut picture = match place(&url) {
        Place::Nowhere => return Err(not_fetched()),
        Place::Elsewhere => Picture {
            width: 1_000,
            height: 1_500,
            ..Picture::default()
        },
        Place::Loopback => {
            let bytes = tokio::time::timeout(TIMEOUT, fetch(url))
                .await
                .ok()
                .flatten()
                .ok_or_else(not_fetched)?;
            measure(&bytes, min_side)?
        }
    };
    picture.url = Some(address.to_owned());
    Ok(picture)
}

enum Place {
    /// This machine: really fetched.
    Loopback,
    /// Hosts under `.invalid` never answer.
    Nowhere,
    /// The rest of the network, which a fake leaves alone.
    Elsewhere,
}

fn place(url: &Url) -> Place {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "invalid" || name.ends_with(".invalid") {
                return Place::Nowhere;
            }
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => return Place::Nowhere,
    };
    if is_loopback {
        Place::Loopback
    } else {
        Place::Elsewhere
    }
}

/// The content behind a loopback address; plain HTTP only. `None` for everything that is not a 200.
async fn fetch(mut url: Url) -> Option<Vec<u8>> {
    for _ in 0..=MAX_REDIRECTS {
        if url.scheme() != "http" || !matches!(place(&url), Place::Loopback) {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(_) => "localhost".to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let stream = TcpStream::connect((host, url.port_or_known_default()?))
            .await
            .ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let connection = tokio::spawn(connection);
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let request = axum::http::Request::get(path)
            .header(
                "host",
                url[url::Position::BeforeHost..url::Position::AfterPort].to_owned(),
            )
            .header("user-agent", "Pinterestbot/1.0 (sandbox)")
            .body(Body::empty())
            .ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        if status.is_redirection() {
            let location = response
                .headers()
                .get("location")?
                .to_str()
                .ok()?
                .to_owned();
            connection.abort();
            url = url.join(&location).ok()?;
            continue;
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        connection.abort();
        return (status == 200).then_some(body.ok()?.to_bytes().to_vec());
    }
    None
}

/// What identifies an image, once it is one: JPEG, PNG or WebP by its content, complete, and large enough.
fn measure(bytes: &[u8], min_side: usize) -> Result<Picture, ApiError> {
    let size = imagesize::blob_size(bytes).map_err(|_| broken())?;
    let is_complete = match imagesize::image_type(bytes) {
        Ok(imagesize::ImageType::Jpeg) => has(bytes, &[0xff, 0xd9]),
        Ok(imagesize::ImageType::Png) => has(bytes, b"IEND"),
        Ok(imagesize::ImageType::Webp) => true,
        _ => false,
    };
    if !is_complete || bytes.len() > MAX_BYTES {
        return Err(broken());
    }
    if size.width < min_side || size.height < min_side {
        return Err(ApiError::new(
            403,
            233,
            "Sorry, this image is too small. Try one with more pixels.",
        ));
    }
    Ok(Picture {
        width: size.width,
        height: size.height,
        sha256: Some(hex(&Sha256::digest(bytes))),
        bytes: Some(bytes.len() as u64),
        ..Picture::default()
    })
}

/// Looks from the end, where the marker of a complete file is.
fn has(bytes: &[u8], marker: &[u8]) -> bool {
    bytes
        .windows(marker.len())
        .rev()
        .any(|window| window == marker)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn broken() -> ApiError {
    ApiError::new(403, 235, "Sorry, this image is broken. Try another one.")
}

fn not_fetched() -> ApiError {
    ApiError::new(400, 1, "Sorry we could not fetch the image.")
}

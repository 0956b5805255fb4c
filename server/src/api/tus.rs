//! `/v1/media`: resumable uploads by tus 1.0, with its extensions creation, creation-with-upload,
//! expiration and termination. Images up to 20 MB.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use multi_upload_wire::{ErrorCode, Media, MediaKind};

use super::auth::Caller;
use super::body::discard;
use super::problem::{Answer, Problem};
use crate::clock::rfc3339;
use crate::media::{AppendError, MAX_IMAGE_BYTES, refusals};
use crate::state::App;
use crate::store::MediaRow;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination";
const OFFSET_OCTET_STREAM: &str = "application/offset+octet-stream";

/// Says what this tus server can do.
#[utoipa::path(
    options, path = "/v1/media", tag = "media", operation_id = "media_options", security(()),
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension` and `Tus-Max-Size`."))
)]
pub(crate) async fn options() -> Response {
    let mut response = with_version(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(TUS_MAX_SIZE, HeaderValue::from(MAX_IMAGE_BYTES));
    response
}

/// Begins a file; the body may bring its first piece or all of it.
#[utoipa::path(
    post, path = "/v1/media", tag = "media", operation_id = "create_media",
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Length" = u64, Header, description = "Size of the whole file in bytes, at most 20 MiB.")
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream", description = "Nothing, or the first piece."),
    responses(
        (status = 201, description = "Begun, or complete.", headers(
            ("Location" = String, description = "`/v1/media/{id}`"),
            ("Upload-Offset" = u64, description = "How much of it has arrived."),
            ("Upload-Expires" = String, description = "Until when the rest may follow.")
        )),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (length, brings_bytes) = match announced(&headers) {
        Ok(announced) => announced,
        Err(problem) => {
            discard(&headers, body).await;
            return Err(problem);
        }
    };
    let mut row = app.media.create(&caller.owner, length).await?;
    if brings_bytes {
        match app
            .media
            .append(&caller.owner, &row.id, 0, body.into_data_stream())
            .await
        {
            Ok(after) => row = after,
            // The file exists; the caller goes on where it ends.
            Err(AppendError::Cut { offset }) => row.offset = offset,
            Err(error) => return Err(problem(&row.id, error)),
        }
    }
    let mut response = with_version(StatusCode::CREATED);
    let location = format!("/v1/media/{}", row.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    progress(&mut response, &row);
    Ok(response)
}

/// The length of a new file, and whether the request brings bytes of it.
fn announced(headers: &HeaderMap) -> Result<(u64, bool), Problem> {
    require_version(headers)?;
    if headers.contains_key("upload-defer-length") {
        return Err(header(
            "Upload-Defer-Length",
            "a length that follows later is not supported; send Upload-Length",
        ));
    }
    let length = number(headers, &UPLOAD_LENGTH)?;
    if length == 0 {
        return Err(header("Upload-Length", "the file is empty"));
    }
    if length > MAX_IMAGE_BYTES {
        return Err(Problem::new(
            ErrorCode::MediaTooLarge,
            format!("{length} bytes; an image may have at most {MAX_IMAGE_BYTES}"),
        ));
    }
    let brings_bytes = is_piece(headers);
    if !brings_bytes && number_or_none(headers, &CONTENT_LENGTH)?.is_some_and(|n| n > 0) {
        return Err(wrong_type(headers));
    }
    Ok((length, brings_bytes))
}

/// How much of a file has arrived.
#[utoipa::path(
    head, path = "/v1/media/{id}", tag = "media", operation_id = "get_media_offset",
    params(
        ("id" = String, Path, description = "`md_…`"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`")
    ),
    responses(
        (status = 200, description = "`Upload-Offset`, `Upload-Length` and `Upload-Expires`."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn offset(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    require_version(&headers)?;
    let row = find(&app, &caller, &id).await?;
    let mut response = with_version(StatusCode::OK);
    response
        .headers_mut()
        .insert(UPLOAD_LENGTH, HeaderValue::from(row.length));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    progress(&mut response, &row);
    Ok(response)
}

/// Adds a piece of a file.
#[utoipa::path(
    patch, path = "/v1/media/{id}", tag = "media", operation_id = "append_media",
    params(
        ("id" = String, Path, description = "`md_…`"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins: where the file ends.")
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "`Upload-Offset` says how much has arrived; at the full length the file is ready."),
        (status = 409, description = "The piece does not begin where the file ends.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn append(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let offset = match piece_offset(&headers) {
        Ok(offset) => offset,
        Err(problem) => {
            discard(&headers, body).await;
            return Err(problem);
        }
    };
    let row = app
        .media
        .append(&caller.owner, &id, offset, body.into_data_stream())
        .await
        .map_err(|error| problem(&id, error))?;
    let mut response = with_version(StatusCode::NO_CONTENT);
    progress(&mut response, &row);
    Ok(response)
}

/// Where a piece begins.
fn piece_offset(headers: &HeaderMap) -> Result<u64, Problem> {
    require_version(headers)?;
    if !is_piece(headers) {
        return Err(wrong_type(headers));
    }
    number(headers, &UPLOAD_OFFSET)
}

/// Removes a file.
#[utoipa::path(
    delete, path = "/v1/media/{id}", tag = "media", operation_id = "delete_media",
    params(
        ("id" = String, Path, description = "`md_…`"),
        ("Tus-Resumable" = Option<String>, Header, description = "`1.0.0`")
    ),
    responses(
        (status = 204, description = "Gone. Uploads that still need it will fail."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    if headers.contains_key(TUS_RESUMABLE) {
        require_version(&headers)?;
    }
    let was_there = app
        .media
        .delete(&caller.owner, &id)
        .await
        .map_err(|error| problem(&id, error))?;
    if was_there {
        Ok(with_version(StatusCode::NO_CONTENT))
    } else {
        Err(not_found(&id))
    }
}

/// Reads the facts of a file.
#[utoipa::path(
    get, path = "/v1/media/{id}", tag = "media", operation_id = "get_media",
    params(("id" = String, Path, description = "`md_…`")),
    responses(
        (status = 200, description = "Type by content, pixels, hash, and what a platform would refuse.", body = Media),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Media>> {
    let row = find(&app, &caller, &id).await?;
    let refused = refusals(&row, app.platforms.all());
    Ok(Json(Media {
        status: if row.ready { "ready" } else { "uploading" }.to_owned(),
        kind: row.ready.then_some(MediaKind::Image),
        content_type: row.content_type,
        bytes: row.length,
        width: row.width,
        height: row.height,
        sha256: row.sha256,
        created_at: rfc3339(row.created_at),
        expires_at: row.expires_at.map(rfc3339),
        refusals: refused,
        id: row.id,
    }))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<MediaRow, Problem> {
    app.media
        .get(&caller.owner, id)
        .await?
        .ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Problem {
    let shown: String = id.chars().take(100).collect();
    Problem::not_found("file", &shown)
}

fn with_version(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response
        .headers_mut()
        .insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

fn progress(response: &mut Response, row: &MediaRow) {
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(row.offset));
    if let Some(value) = row.expires_at.and_then(http_date) {
        headers.insert(UPLOAD_EXPIRES, value);
    }
}

/// `Tue, 24 Nov 2026 10:00:00 GMT`, as tus wants it.
fn http_date(at: crate::store::Millis) -> Option<HeaderValue> {
    let at = Timestamp::from_millisecond(at).ok()?;
    let text = rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

fn require_version(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(TUS_RESUMABLE)
        .and_then(|value| value.to_str().ok());
    if given == Some(VERSION) {
        return Ok(());
    }
    Err(header(
        "Tus-Resumable",
        "files are uploaded by the tus protocol: send `Tus-Resumable: 1.0.0`",
    )
    .with_status(StatusCode::PRECONDITION_FAILED)
    .with_header(TUS_VERSION, HeaderValue::from_static(VERSION)))
}

fn is_piece(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .eq_ignore_ascii_case(OFFSET_OCTET_STREAM.as_bytes())
    })
}

fn wrong_type(headers: &HeaderMap) -> Problem {
    let given = headers.get(CONTENT_TYPE).map_or_else(
        || "missing".to_owned(),
        |value| format!("{:?}", String::from_utf8_lossy(value.as_bytes())),
    );
    Problem::new(
        ErrorCode::ContentTypeUnsupported,
        format!("the content type is {given}; a piece of a file is {OFFSET_OCTET_STREAM}"),
    )
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    number_or_none(headers, name)?.ok_or_else(|| header(name.as_str(), "the header is missing"))
}

fn number_or_none(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| header(name.as_str(), "the header must be a whole number"))
}

/// A header that is wrong.
fn header(name: &str, detail: &str) -> Problem {
    Problem::field(name, "invalid", format!("{name}: {detail}"))
        .with_status(StatusCode::BAD_REQUEST)
}

fn problem(id: &str, error: AppendError) -> Problem {
    match error {
        AppendError::NotFound => not_found(id),
        AppendError::WrongOffset { expected } => Problem::new(
            ErrorCode::StateConflict,
            format!("the file ends at {expected}: send the piece that begins there"),
        )
        .with_header(UPLOAD_OFFSET, HeaderValue::from(expected)),
        AppendError::Busy => Problem::new(
            ErrorCode::StateConflict,
            "another request is writing to this file",
        ),
        AppendError::TooLong => Problem::new(
            ErrorCode::MediaTooLarge,
            "the body goes beyond the announced Upload-Length",
        ),
        AppendError::Cut { offset } => header(
            "body",
            &format!("it broke off; the file ends at {offset} now"),
        ),
        AppendError::Failed(info) => (*info).into(),
    }
}

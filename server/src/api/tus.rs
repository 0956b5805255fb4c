//! `/v1/media`: resumable uploads by tus 1.0, with its extensions creation, creation-with-upload, creation-defer-length,
//! checksum, expiration and termination.
//!
//! An `Idempotency-Key` makes the creation safe to repeat, in another process too: the same key finds the same file, however far it is.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use multi_upload_wire::{ErrorCode, ErrorInfo, Media};

use super::auth::Caller;
use super::body::discard;
use super::problem::{Answer, Problem};
use super::uploads::{IDEMPOTENCY_REPLAYED, key_of};
use crate::clock::rfc3339;
use crate::media::{ALGORITHMS, AppendError, Checksum, MAX_BYTES, NewFile, Piece, refusals};
use crate::state::App;
use crate::store::MediaRow;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination";
/// Longest `Upload-Metadata`, in bytes.
const MAX_METADATA: usize = 4 * 1024;
/// The piece is not what its checksum says, as tus has it.
const CHECKSUM_MISMATCH: u16 = 460;
const OFFSET_OCTET_STREAM: &str = "application/offset+octet-stream";

/// Says what this tus server can do.
#[utoipa::path(
    options, path = "/v1/media", tag = "media", operation_id = "media_options", security(()),
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Checksum-Algorithm` and `Tus-Max-Size`."))
)]
pub(crate) async fn options() -> Response {
    let mut response = with_version(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(TUS_MAX_SIZE, HeaderValue::from(MAX_BYTES));
    headers.insert(TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS));
    response
}

/// Begins a file; the body may bring its first piece or all of it.
#[utoipa::path(
    post, path = "/v1/media", tag = "media", operation_id = "create_media",
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Length" = Option<u64>, Header, description = "Size of the whole file in bytes: at most 20 MiB for an image, 2 GiB for a video."),
        ("Upload-Defer-Length" = Option<String>, Header, description = "`1` instead of the size, which then comes with a later piece."),
        ("Upload-Metadata" = Option<String>, Header, description = "Kept and given back."),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1 BASE64` or `sha256 BASE64` of the body. Then all of it is kept or nothing."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key finds the same file, however far it is.")
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
    let (file, checksum) = match announced(&headers) {
        Ok(announced) => announced,
        Err(problem) => {
            discard(&headers, body).await;
            return Err(problem);
        }
    };
    let (mut row, is_known) = match app.media.begin(&caller.owner, file).await {
        Ok(begun) => begun,
        Err(info) => {
            discard(&headers, body).await;
            return Err(info.into());
        }
    };
    if is_known && !row.ready {
        // An earlier request may still be writing.
        let settled = app.media.settled(&caller.owner, &row.id).await;
        row = settled
            .map_err(|error| problem(&row.id, error))?
            .ok_or_else(|| not_found(&row.id))?;
    }
    if row.ready {
        discard(&headers, body).await;
    } else if is_piece(&headers) {
        let piece = Piece {
            offset: row.offset,
            length: None,
            checksum,
        };
        let body = without_first(body.into_data_stream(), row.offset);
        match app.media.append(&caller.owner, &row.id, piece, body).await {
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
    if is_known {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    progress(&mut response, &row);
    Ok(response)
}

/// A body without the bytes that came before.
fn without_first<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    bytes: u64,
) -> impl Stream<Item = Result<Bytes, E>> {
    let mut skip = usize::try_from(bytes).unwrap_or(usize::MAX);
    body.map(move |piece| {
        piece.map(|mut piece| {
            let here = skip.min(piece.len());
            skip -= here;
            piece.split_off(here)
        })
    })
}

/// What the headers say of a new file and of the body that comes with it.
fn announced(headers: &HeaderMap) -> Result<(NewFile, Option<Checksum>), Problem> {
    require_version(headers)?;
    let length = match (
        number_or_none(headers, &UPLOAD_LENGTH)?,
        headers.get(&UPLOAD_DEFER_LENGTH),
    ) {
        (Some(0), None) => return Err(header("Upload-Length", "the file is empty")),
        (Some(length), None) => Some(length),
        (None, Some(word)) if word == "1" => None,
        (_, Some(_)) => {
            return Err(header(
                "Upload-Defer-Length",
                "it must be 1 and stand alone, without Upload-Length",
            ));
        }
        (None, None) => return Err(header("Upload-Length", "the header is missing")),
    };
    if !is_piece(headers) && number_or_none(headers, &CONTENT_LENGTH)?.is_some_and(|n| n > 0) {
        return Err(wrong_type(headers));
    }
    let file = NewFile {
        length,
        key: key_of(headers)?,
        metadata: metadata(headers)?,
    };
    Ok((file, checksum(headers)?))
}

/// `Upload-Metadata`: pairs of a name and a base64 value.
fn metadata(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&UPLOAD_METADATA) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_METADATA);
    let is_pair = |pair: &str| {
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        !name.is_empty() && STANDARD.decode(value).is_ok()
    };
    match text {
        Some("") => Ok(None),
        Some(text) if text.split(',').all(|pair| is_pair(pair.trim())) => Ok(Some(text.to_owned())),
        _ => Err(header(
            "Upload-Metadata",
            "it must be pairs of a name and a base64 value, separated by commas, at most 4 KiB",
        )),
    }
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(value) = headers.get(&UPLOAD_CHECKSUM) else {
        return Ok(None);
    };
    let checksum = value.to_str().ok().and_then(Checksum::parse);
    checksum.map(Some).ok_or_else(|| {
        header(
            "Upload-Checksum",
            &format!("it must be one of {ALGORITHMS}, a space and the sum in base64"),
        )
    })
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
    let headers = response.headers_mut();
    if row.length > 0 {
        headers.insert(UPLOAD_LENGTH, HeaderValue::from(row.length));
    } else {
        headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1"));
    }
    if let Some(metadata) = &row.metadata
        && let Ok(value) = HeaderValue::from_str(metadata)
    {
        headers.insert(UPLOAD_METADATA, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    progress(&mut response, &row);
    Ok(response)
}

/// Adds a piece of a file.
#[utoipa::path(
    patch, path = "/v1/media/{id}", tag = "media", operation_id = "append_media",
    params(
        ("id" = String, Path, description = "`md_…`"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins: where the file ends."),
        ("Upload-Length" = Option<u64>, Header, description = "The size of the whole file, if it was not known before."),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1 BASE64` or `sha256 BASE64` of the body. Then all of it is kept or nothing.")
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
    let piece = match piece(&headers) {
        Ok(piece) => piece,
        Err(problem) => {
            discard(&headers, body).await;
            return Err(problem);
        }
    };
    let row = app
        .media
        .append(&caller.owner, &id, piece, body.into_data_stream())
        .await
        .map_err(|error| problem(&id, error))?;
    let mut response = with_version(StatusCode::NO_CONTENT);
    progress(&mut response, &row);
    Ok(response)
}

/// What the headers say of a piece.
fn piece(headers: &HeaderMap) -> Result<Piece, Problem> {
    require_version(headers)?;
    if !is_piece(headers) {
        return Err(wrong_type(headers));
    }
    Ok(Piece {
        offset: number(headers, &UPLOAD_OFFSET)?,
        length: number_or_none(headers, &UPLOAD_LENGTH)?,
        checksum: checksum(headers)?,
    })
}

/// `PATCH` and `DELETE` for callers that can only `POST`: `X-HTTP-Method-Override` says which.
pub(crate) async fn overridden(
    state: State<App>,
    caller: Caller,
    id: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let method = headers.get(&METHOD_OVERRIDE).map(HeaderValue::as_bytes);
    match method {
        Some(b"PATCH") => append(state, caller, id, headers, body).await,
        Some(b"DELETE") => remove(state, caller, id, headers).await,
        _ => {
            discard(&headers, body).await;
            Err(Problem::new(
                ErrorCode::MethodNotAllowed,
                "a file takes POST only with the header X-HTTP-Method-Override: PATCH or DELETE",
            ))
        }
    }
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
    let row = app
        .media
        .look(&caller.owner, &id)
        .await
        .map_err(|error| problem(&id, error))?
        .ok_or_else(|| not_found(&id))?;
    let refused = refusals(&row, app.platforms.all());
    let facts = row.facts.as_ref();
    Ok(Json(Media {
        status: if row.ready { "ready" } else { "uploading" }.to_owned(),
        kind: facts.map(|facts| facts.kind),
        content_type: facts.map(|facts| facts.content_type.clone()),
        bytes: row.length.max(row.offset),
        width: facts.map(|facts| facts.width),
        height: facts.map(|facts| facts.height),
        rotation: facts.map(|facts| facts.rotation),
        duration_ms: facts.and_then(|facts| facts.duration_ms),
        video_codec: facts.and_then(|facts| facts.video_codec.clone()),
        audio_codec: facts.and_then(|facts| facts.audio_codec.clone()),
        sha256: row.sha256,
        created_at: rfc3339(row.created_at),
        expires_at: Some(rfc3339(row.expires_at)),
        refusals: refused,
        id: row.id,
    }))
}

/// A file as it is once nobody writes to it any more.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<MediaRow, Problem> {
    app.media
        .settled(&caller.owner, id)
        .await
        .map_err(|error| problem(id, error))?
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
    if let Some(value) = http_date(row.expires_at) {
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
        AppendError::WrongLength { length: 0 } => header(
            "Upload-Length",
            "it must be at least what has arrived and at most what is taken",
        ),
        AppendError::WrongLength { length } => {
            header("Upload-Length", &format!("the file has {length} bytes"))
        }
        AppendError::Busy => ErrorInfo::new(
            ErrorCode::Overloaded,
            "an earlier request is still writing to this file",
        )
        .with_retry_after_ms(1_000)
        .into(),
        AppendError::ChecksumMismatch => {
            let mismatch = header(
                "Upload-Checksum",
                "the body has another; nothing of it was kept",
            );
            match StatusCode::from_u16(CHECKSUM_MISMATCH) {
                Ok(status) => mismatch.with_status(status),
                Err(_) => mismatch,
            }
        }
        AppendError::TooLong => Problem::new(
            ErrorCode::MediaTooLarge,
            "the body goes beyond the announced Upload-Length or the largest size that is taken",
        ),
        AppendError::Cut { offset } => header(
            "body",
            &format!("it broke off; the file ends at {offset} now"),
        ),
        AppendError::Failed(info) => (*info).into(),
    }
}

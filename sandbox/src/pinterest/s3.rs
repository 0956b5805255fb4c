//! The bucket behind `upload_url`: a form POST, as strict as the real one, at constant memory.

use axum::body::Body;
use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::pictures::hex;
use crate::answer::Answer;
use crate::sandbox::Sandbox;
use crate::state::Upload;

/// The largest video, in bytes.
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Form fields are small.
const MAX_FIELD: usize = 20 * 1024;

/// An error in the words of S3.
struct Refusal(u16, &'static str, String);

/// Takes an upload. The eight parameters come first, in any order and unchanged, and the field `file` comes last.
pub(crate) async fn receive(sandbox: &Sandbox, headers: &HeaderMap, body: Body) -> Answer {
    match store(sandbox, headers, body).await {
        Ok(()) => Answer::empty(204),
        Err(Refusal(status, code, message)) => Answer::xml(
            status,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message></Error>",
                message.replace('&', "&amp;").replace('<', "&lt;")
            ),
        ),
    }
}

async fn store(sandbox: &Sandbox, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
    if headers.contains_key("authorization") {
        let message =
            "Only one auth mechanism allowed; send the form without an Authorization header.";
        return Err(Refusal(400, "InvalidArgument", message.to_owned()));
    }
    if !headers.contains_key("content-length") {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(Refusal(411, "MissingContentLength", message.to_owned()));
    }
    let content_type = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Refusal(
            412,
            "PreconditionFailed",
            "Bucket POST must be of the enclosure-type multipart/form-data".to_owned(),
        )
    })?;
    let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
    let mut fields: Vec<(String, String)> = Vec::new();
    loop {
        let mut field = form.next_field().await.map_err(malformed)?.ok_or_else(|| {
            Refusal(
                400,
                "InvalidArgument",
                "POST requires exactly one file upload per request.".to_owned(),
            )
        })?;
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let media_id = check(sandbox, &fields)?;
            let upload = digest(&mut field).await?;
            drop(field);
            if form.next_field().await.map_err(malformed)?.is_some() {
                return Err(Refusal(
                    400,
                    "InvalidArgument",
                    "The field file has to be the last one.".to_owned(),
                ));
            }
            return keep(sandbox, &media_id, upload);
        }
        let mut value = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(malformed)? {
            value.extend_from_slice(&piece);
            if value.len() > MAX_FIELD {
                return Err(Refusal(
                    400,
                    "MaxPostPreDataLengthExceeded",
                    format!("The field {name} is too long."),
                ));
            }
        }
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
}

/// The registration that these fields repeat exactly.
fn check(sandbox: &Sandbox, fields: &[(String, String)]) -> Result<String, Refusal> {
    let denied = |message: String| {
        Refusal(
            403,
            "AccessDenied",
            format!("Invalid according to Policy: {message}"),
        )
    };
    let (state, now_ms) = (sandbox.state(), sandbox.now_ms());
    let value = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    };
    let key = value("key").ok_or_else(|| {
        Refusal(
            400,
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.".to_owned(),
        )
    })?;
    let media = state.media.iter().find(|media| {
        media
            .parameters
            .iter()
            .any(|(name, known)| name == "key" && known == key)
    });
    let media =
        media.ok_or_else(|| denied("Policy Condition failed: [\"eq\", \"$key\"]".to_owned()))?;
    for (name, expected) in &media.parameters {
        match value(name) {
            None => return Err(denied(format!("Missing input field: {name}"))),
            Some(given) if given != expected && name == "x-amz-signature" => {
                let message = "The request signature we calculated does not match the signature you provided.";
                return Err(Refusal(403, "SignatureDoesNotMatch", message.to_owned()));
            }
            Some(given) if given != expected => {
                return Err(denied(format!(
                    "Policy Condition failed: [\"eq\", \"${name}\"]"
                )));
            }
            Some(_) => {}
        }
    }
    let is_known = |name: &str| media.parameters.iter().any(|(known, _)| known == name);
    if let Some((name, _)) = fields.iter().find(|(name, _)| !is_known(name)) {
        return Err(denied(format!("Extra input fields: {name}")));
    }
    if fields.len() > media.parameters.len() {
        return Err(denied("a field is there twice".to_owned()));
    }
    if now_ms >= media.expires_ms {
        return Err(denied("Policy expired.".to_owned()));
    }
    Ok(media.id.clone())
}

/// SHA-256, length and kind of the file, piece by piece.
async fn digest(field: &mut multer::Field<'_>) -> Result<Upload, Refusal> {
    let (mut hash, mut bytes, mut head) = (Sha256::new(), 0_u64, Vec::new());
    while let Some(piece) = field.chunk().await.map_err(malformed)? {
        bytes += piece.len() as u64;
        if bytes > MAX_BYTES {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(Refusal(400, "EntityTooLarge", message.to_owned()));
        }
        hash.update(&piece);
        if head.len() < 8 {
            head.extend(piece.iter().take(8 - head.len()));
        }
    }
    Ok(Upload {
        done_ms: 0,
        sha256: hex(&hash.finalize()),
        bytes,
        looks_like_video: head.get(4..8) == Some(b"ftyp"),
    })
}

fn keep(sandbox: &Sandbox, media_id: &str, upload: Upload) -> Result<(), Refusal> {
    let now_ms = sandbox.now_ms();
    let mut state = sandbox.state();
    let media = state.media.iter_mut().find(|media| media.id == media_id);
    let media = media.ok_or_else(|| Refusal(404, "NoSuchKey", "The upload is gone.".to_owned()))?;
    media.upload = Some(Upload {
        done_ms: now_ms,
        ..upload
    });
    Ok(())
}

fn malformed(error: multer::Error) -> Refusal {
    Refusal(
        400,
        "MalformedPOSTRequest",
        format!("The body is not well-formed multipart/form-data: {error}"),
    )
}

//! Video uploads: registration, state, and whether a pin may use them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::fields;
use super::pages::Page;
use super::{Call, Caller};
use crate::answer::{Answer, ApiError};
use crate::clock::rfc3339;
use crate::options::MediaOutcome;
use crate::state::{Media, State};

pub(crate) fn register(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let fields = fields::object(&call.body)?;
    match fields::required(&fields, "media_type")? {
        "video" => {}
        other => {
            return Err(ApiError::invalid(format_args!(
                "'{other}' is not one of ['video']"
            )));
        }
    }
    let media = Media {
        seq: state.next_seq(),
        id: state.random.id(),
        owner: caller.user.clone(),
        parameters: parameters(state, now_ms),
        expires_ms: now_ms + state.switches.media_form_ms,
        upload: None,
    };
    let answer = json!({
        "media_id": media.id,
        "media_type": "video",
        "upload_url": format!("{}/s3/pinterest-media-upload/", call.base),
        "upload_parameters": media.parameters.iter().cloned().map(|(name, value)| (name, Value::String(value)))
            .collect::<serde_json::Map<_, _>>(),
    });
    state.media.push(media);
    Ok(Answer::json(201, &answer))
}

/// The eight fields of a signed form; the values look like those of AWS and mean nothing.
fn parameters(state: &mut State, now_ms: u64) -> Vec<(String, String)> {
    let stamp = rfc3339(now_ms).replace(['-', ':'], "");
    let day = stamp.get(..8).unwrap_or_default().to_owned();
    let form_ms = state.switches.media_form_ms;
    let random = &mut state.random;
    let key = format!("uploads/{}/{}", random.hex(2), random.hex(32));
    let credential = format!(
        "ASIASANDBOX{}/{day}/us-east-1/s3/aws4_request",
        random.hex(9).to_uppercase()
    );
    let policy = json!({
        "expiration": rfc3339(now_ms + form_ms),
        "conditions": [{"key": key}, {"x-amz-credential": credential}],
    });
    [
        ("x-amz-date", stamp),
        ("x-amz-signature", random.hex(64)),
        ("x-amz-security-token", random.hex(120)),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("key", key),
        ("policy", STANDARD.encode(policy.to_string())),
        ("x-amz-credential", credential),
        ("Content-Type", "multipart/form-data".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

pub(crate) fn list(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let page = Page::parse(&call.query)?;
    let media = state
        .media
        .iter()
        .filter(|media| media.owner == caller.user)
        .map(|media| (state.place(media.seq, true), media));
    Ok(Answer::json(
        200,
        &page.of(media, |media| show(state, now_ms, media)),
    ))
}

pub(crate) fn get(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let media = own(state, caller, call.param(0))?;
    Ok(Answer::json(200, &show(state, now_ms, media)))
}

fn own<'a>(state: &'a State, caller: &Caller, id: &str) -> Result<&'a Media, ApiError> {
    let media = state
        .media
        .iter()
        .find(|media| media.id == id && media.owner == caller.user);
    media.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::new(404, 404, "Media upload not found.")
}

fn show(state: &State, now_ms: u64, media: &Media) -> Value {
    json!({"media_id": media.id, "media_type": "video", "status": status(state, now_ms, media)})
}

fn status(state: &State, now_ms: u64, media: &Media) -> &'static str {
    let Some(upload) = &media.upload else {
        return "registered";
    };
    let switches = &state.switches;
    if now_ms < upload.done_ms + switches.media_processing_ms {
        return "processing";
    }
    match switches.media_outcome {
        MediaOutcome::Stuck => "processing",
        MediaOutcome::ByContent if upload.looks_like_video => "succeeded",
        MediaOutcome::ByContent | MediaOutcome::Failed => "failed",
    }
}

/// A video that is not processed yet does not exist for a pin.
pub(crate) fn check_usable(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    id: &str,
) -> Result<(), ApiError> {
    let media = own(state, caller, id)?;
    if status(state, now_ms, media) == "succeeded" {
        Ok(())
    } else {
        Err(not_found())
    }
}

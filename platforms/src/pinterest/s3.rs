//! The form POST to the bucket that Pinterest names: fields in the given order, the file last, streamed, its length
//! known. Nothing of Pinterest's own goes with it, above all no token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::Value;
use url::Url;

use super::api::{self, Api, Broken};
use super::redact;
use crate::{FailureClass, Pieces, PlatformError};

/// Longest time in which not one byte leaves, and longest wait for the answer after the last one.
const SILENCE: Duration = Duration::from_secs(60);
/// An answer of the bucket is a short XML text.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Signed forms are short; anything longer is not one.
const FIELD_LIMIT: usize = 20 * 1024;

/// A signed form, good for one upload within its time. `Debug` shows none of it: its fields are keys.
pub(super) struct Form {
    url: Url,
    fields: Vec<(String, String)>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

/// Why an upload failed.
#[derive(Debug)]
pub(super) enum SendError {
    /// The form is too old or was spoilt: a new registration is needed.
    Expired(PlatformError),
    /// Anything else.
    Failed(PlatformError),
}

impl Form {
    /// The form of a registration, or what is wrong with it. Over TLS, unless Pinterest itself is reached without.
    pub(super) fn read(registration: &Value, base: &Url) -> Result<Self, &'static str> {
        let url = registration
            .get("upload_url")
            .and_then(Value::as_str)
            .and_then(|url| Url::parse(url).ok())
            .ok_or("it names no address for the file")?;
        if !(url.scheme() == "https" || (url.scheme() == "http" && base.scheme() == "http")) {
            return Err("the address for the file is not an https address");
        }
        let fields = registration
            .get("upload_parameters")
            .and_then(Value::as_object)
            .ok_or("it holds no fields for the file's form")?;
        let mut form = Self {
            url,
            fields: Vec::with_capacity(fields.len()),
        };
        for (name, value) in fields {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let is_plain = |c: char| !c.is_control() && c != '"';
            if name == "file" || !name.chars().all(is_plain) || value.len() > FIELD_LIMIT {
                return Err("a field of the file's form cannot be sent");
            }
            form.fields.push((name.clone(), value));
        }
        Ok(form)
    }

    /// What stands before the file's first byte.
    fn head(&self, boundary: &str, file_name: &str, file_type: &str) -> Bytes {
        let mut head = String::with_capacity(4_096);
        for (name, value) in &self.fields {
            head.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: {file_type}\r\n\r\n"
        ));
        head.into()
    }

    /// Sends the file. Its pieces are held one at a time.
    pub(super) async fn send(
        &self,
        api: &Api,
        pieces: Pieces,
        file_name: &str,
        file_type: &str,
    ) -> Result<(), SendError> {
        let boundary = boundary(api);
        let head = self.head(&boundary, file_name, file_type);
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let length = head.len() as u64 + pieces.length + tail.len() as u64;
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let body = stream::iter([Ok(head)])
            .chain(pieces.stream)
            .chain(stream::iter([Ok(tail)]))
            .inspect(move |piece| {
                if let Ok(piece) = piece {
                    counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            });
        let mut request = reqwest::Request::new(Method::POST, self.url.clone());
        let kind = format!("multipart/form-data; boundary={boundary}");
        if let Ok(kind) = HeaderValue::try_from(kind) {
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
        *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
        let response = tokio::select! {
            response = api.execute(request) => response,
            () = silence(&sent) => {
                return Err(SendError::Failed(cut(&format!("nothing moved for {} s", SILENCE.as_secs()))));
            }
        };
        let response = response.map_err(|broken| {
            SendError::Failed(match broken {
                Broken::NotSent(reason) => api::not_sent(&reason),
                Broken::TimedOut => cut("no answer in time"),
                Broken::Cut(reason) => cut(&reason),
            })
        })?;
        answer(response).await
    }
}

/// Ends when nothing has been taken for too long.
async fn silence(sent: &AtomicU64) {
    let mut before = None;
    loop {
        let now = sent.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(SILENCE).await;
    }
}

/// Random, so that no file holds it.
fn boundary(api: &Api) -> String {
    let words: Vec<u64> = (0..3).map(|_| api.random().to_bits()).collect();
    format!("multi-upload-{:x}{:x}{:x}", words[0], words[1], words[2])
}

async fn answer(mut response: reqwest::Response) -> Result<(), SendError> {
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(());
    }
    let mut text = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        text.extend_from_slice(&part);
        if text.len() > ANSWER_LIMIT {
            break;
        }
    }
    Err(meaning(status, &String::from_utf8_lossy(&text)))
}

/// What a refusal of the bucket means.
fn meaning(status: u16, text: &str) -> SendError {
    let code = element(text, "Code").unwrap_or_default();
    let message = element(text, "Message").unwrap_or_default();
    let said = redact::clean(&format!("{status} {code} {message}"));
    let error = |class, error_code, detail: String| {
        let mut failure = api::no_answer();
        failure.http_status = Some(status);
        failure.code = (!code.is_empty()).then(|| redact::clean(code));
        failure.message = (!message.is_empty()).then(|| redact::clean(message));
        PlatformError::new(
            class,
            ErrorInfo::new(error_code, detail).with_platform(failure),
        )
    };
    match (status, code) {
        (400, "EntityTooLarge") => SendError::Failed(error(
            FailureClass::Rejected,
            ErrorCode::MediaTooLarge,
            format!("Pinterest's storage does not take a video of this size: {said}."),
        )),
        // An old form, a spoilt one, a clock that is off: a new registration settles each of them.
        (400 | 403 | 404 | 410, _) => SendError::Expired(error(
            FailureClass::Unavailable,
            ErrorCode::PlatformUnavailable,
            format!("Pinterest's storage did not take the video: {said}."),
        )),
        _ => SendError::Failed(error(
            FailureClass::Unavailable,
            ErrorCode::PlatformUnavailable,
            format!("Pinterest's storage did not take the video: {said}."),
        )),
    }
}

/// The text of the first element of a name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

fn cut(reason: &str) -> PlatformError {
    PlatformError::new(
        FailureClass::Unavailable,
        ErrorInfo::new(
            ErrorCode::PlatformUnavailable,
            format!(
                "The upload of the video to Pinterest's storage was cut: {reason}. It begins anew."
            ),
        )
        .with_platform(api::no_answer()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use serde_json::json;

    use super::*;

    fn base() -> Url {
        Url::parse("https://api.pinterest.com/v5").unwrap()
    }

    #[test]
    fn a_form_keeps_its_fields_in_order_and_puts_the_file_last() {
        let form = Form::read(
            &json!({"upload_url": "https://b.example/", "upload_parameters": {
                "x-amz-date": "20260101", "key": "uploads/1", "Content-Type": "multipart/form-data"
            }}),
            &base(),
        )
        .unwrap();
        let head = form.head("B", "video.mp4", "video/mp4");
        assert_eq!(
            std::str::from_utf8(&head).unwrap(),
            "--B\r\nContent-Disposition: form-data; name=\"x-amz-date\"\r\n\r\n20260101\r\n\
             --B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nuploads/1\r\n\
             --B\r\nContent-Disposition: form-data; name=\"Content-Type\"\r\n\r\nmultipart/form-data\r\n\
             --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"video.mp4\"\r\nContent-Type: video/mp4\r\n\r\n"
        );
        assert!(!format!("{form:?}").contains("uploads/1"));
    }

    #[test]
    fn what_is_no_form_is_not_sent_to() {
        for registration in [
            json!({}),
            json!({"upload_url": "https://b.example/"}),
            json!({"upload_url": "http://b.example/", "upload_parameters": {}}),
            json!({"upload_url": "ftp://b.example/", "upload_parameters": {}}),
            json!({"upload_url": "https://b.example/", "upload_parameters": {"a\"\r\n": "1"}}),
            json!({"upload_url": "https://b.example/", "upload_parameters": {"file": "1"}}),
        ] {
            assert!(
                Form::read(&registration, &base()).is_err(),
                "{registration}"
            );
        }
    }

    #[test]
    fn refusals_say_whether_a_new_registration_helps() {
        let xml = |code: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>No &amp; no</Message></Error>"
            )
        };
        assert!(matches!(
            meaning(403, &xml("AccessDenied")),
            SendError::Expired(_)
        ));
        assert!(matches!(
            meaning(400, &xml("ExpiredToken")),
            SendError::Expired(_)
        ));
        let SendError::Failed(error) = meaning(400, &xml("EntityTooLarge")) else {
            panic!("failed")
        };
        assert_eq!(error.class, FailureClass::Rejected);
        assert!(error.info.is(ErrorCode::MediaTooLarge));
        for status in [307, 500, 503] {
            let SendError::Failed(error) = meaning(status, "<html>") else {
                panic!("failed")
            };
            assert_eq!(error.class, FailureClass::Unavailable);
            assert_eq!(error.info.platform.unwrap().http_status, Some(status));
        }
    }
}

//! *Prepare* for a video: fetch it where it has an address, register it, send it to the bucket, and ask until Pinterest
//! has processed it.
//!
//! Every step is kept before the next one: a crash repeats none that Pinterest can tell of. The signed form is not
//! kept, it is a key; so an upload that was not finished begins with a new registration, and the old one, which no pin
//! uses, means nothing.
//!
//! One media id serves one pin. Whether Pinterest takes it for several is documented nowhere.

use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::Api;
use super::check::Report;
use super::check_media::MediaChoices;
use super::pins::{MediaSource, base64};
use super::s3::{Form, SendError};
use super::{classify, fields, misfit};
use crate::{
    ContentMedia, Cover, FailureClass, Pause, PlatformError, Source, StoredFile, Workshop,
};

/// New registrations in one call, when the bucket refuses the form.
const REGISTRATIONS: u32 = 3;
/// Longest time between two questions whether it is processed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After so many questions, about two hours, nobody waits any more.
const MOST_POLLS: u32 = 250;
/// After a crash it may take a moment until Pinterest knows what its storage has.
const DOUBT_WAIT: Duration = Duration::from_secs(5);
/// Times that a registration without a file, or an id that is not known, is asked for again.
const DOUBTS: u32 = 2;

const PROCESSING: &str = "Pinterest is processing the video";
const UNSURE: &str = "Pinterest does not know yet whether it has the video";

/// What is kept between steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// The file of a video that was given by address.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<StoredFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Upload>,
}

/// A registration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Upload {
    media_id: String,
    /// The bucket has confirmed the whole file.
    sent: bool,
    /// Questions whether it is processed.
    polls: u32,
    /// Answers that do not fit what we know.
    doubts: u32,
}

impl State {
    /// A state that cannot be read is none: then it begins anew.
    fn read(state: Option<&Value>) -> Self {
        state
            .and_then(|state| Self::deserialize(state).ok())
            .unwrap_or_default()
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn later(&self, wait: Duration, reason: &str) -> Next {
        Next::Later(Pause {
            state: self.to_value(),
            wait,
            reason: reason.to_owned(),
        })
    }
}

/// What is to be done with a video.
enum Next {
    Later(Pause),
    /// Processed; the commit may name it.
    Ready(String),
}

/// What Pinterest says of a media id.
enum Status {
    Registered,
    Processing,
    Succeeded,
    Failed,
    Unknown,
}

pub(super) struct Video<'a> {
    pub(super) api: &'a Api,
    pub(super) token: &'a str,
    pub(super) workshop: Workshop<'a>,
    pub(super) choices: MediaChoices,
}

impl Video<'_> {
    /// The media source of the pin and the state to keep, or how long to wait for them.
    pub(super) async fn prepare(
        &self,
        video: &Source,
        cover: &Cover,
    ) -> Result<MediaSource, PlatformError> {
        let mut state = State::read(self.workshop.state);
        let file = match video {
            Source::File(file) => file.clone(),
            Source::Url(url) => self.fetched(url, &mut state).await?,
        };
        let media_id = match self.go_on(&file, &mut state).await? {
            Next::Later(pause) => return Ok(MediaSource::Later(pause)),
            Next::Ready(media_id) => media_id,
        };
        let mut source = Map::new();
        source.insert("source_type".to_owned(), "video_id".into());
        source.insert("media_id".to_owned(), media_id.into());
        match cover {
            Cover::KeyFrame(at) => {
                source.insert("cover_image_key_frame_time".to_owned(), (*at).into());
            }
            Cover::Url(url) => {
                source.insert("cover_image_url".to_owned(), url.as_str().into());
            }
            Cover::File(file) => {
                let (kind, data) = base64(self.workshop.media, file).await?;
                source.insert("cover_image_content_type".to_owned(), kind);
                source.insert("cover_image_data".to_owned(), data);
            }
        }
        Ok(MediaSource::Ready(source, Some(state.to_value())))
    }

    /// The file behind an address, fetched once, and judged now that its content is known.
    async fn fetched(&self, url: &str, state: &mut State) -> Result<StoredFile, PlatformError> {
        if let Some(file) = &state.fetched {
            return Ok(file.clone());
        }
        let file = self.workshop.media.fetch(url).await?;
        let mut report = Report::default();
        let media = ContentMedia::Video {
            video: Source::File(file.clone()),
            cover: Cover::default(),
        };
        report.media(&media, self.choices);
        if let Some(error) = report.into_errors().into_iter().next() {
            let code = match error.code.as_str() {
                "unsupported" => ErrorCode::MediaTypeUnsupported,
                "too_large" => ErrorCode::MediaTooLarge,
                _ => ErrorCode::ValidationFailed,
            };
            let info = ErrorInfo::new(code, error.detail.clone()).with_errors(vec![error]);
            return Err(PlatformError::new(FailureClass::Rejected, info));
        }
        state.fetched = Some(file.clone());
        self.keep(state).await?;
        Ok(file)
    }

    async fn keep(&self, state: &State) -> Result<(), PlatformError> {
        self.workshop.steps.keep(&state.to_value()).await
    }

    async fn go_on(&self, file: &StoredFile, state: &mut State) -> Result<Next, PlatformError> {
        if let Some(upload) = state.upload.clone() {
            match self.status(&upload.media_id).await? {
                Status::Succeeded => return Ok(Next::Ready(upload.media_id)),
                Status::Failed => return Err(self.failed(state).await),
                Status::Processing => return self.wait_for(upload, state).await,
                Status::Registered if upload.sent => return self.wait_for(upload, state).await,
                Status::Registered | Status::Unknown if upload.doubts < DOUBTS => {
                    state.upload = Some(Upload {
                        doubts: upload.doubts + 1,
                        ..upload
                    });
                    return Ok(state.later(DOUBT_WAIT, UNSURE));
                }
                Status::Registered | Status::Unknown => {}
            }
        }
        self.send(file, state).await?;
        Ok(state.later(wait(0), PROCESSING))
    }

    /// The file is there, whatever became of the bucket's answer.
    async fn wait_for(&self, upload: Upload, state: &mut State) -> Result<Next, PlatformError> {
        let polls = upload.polls + 1;
        let is_over = polls > MOST_POLLS;
        state.upload = Some(Upload {
            sent: true,
            polls: if is_over { 0 } else { polls },
            ..upload
        });
        if is_over {
            self.keep(state).await?;
            return Err(too_slow());
        }
        Ok(state.later(wait(polls), PROCESSING))
    }

    /// Registers the video and sends it to the bucket.
    async fn send(&self, file: &StoredFile, state: &mut State) -> Result<(), PlatformError> {
        for registration in 1.. {
            let pieces = self.workshop.media.video(file).await?;
            let (media_id, form) = self.register().await?;
            state.upload = Some(Upload {
                media_id,
                ..Upload::default()
            });
            self.keep(state).await?;
            let kind = file.facts.content_type.as_str();
            let name = if kind == "video/quicktime" {
                "video.mov"
            } else {
                "video.mp4"
            };
            match form.send(self.api, pieces, name, kind).await {
                Ok(()) => break,
                Err(SendError::Expired(error)) if registration < REGISTRATIONS => {
                    tracing::debug!(%error, "a registration is of no use; a new one is made");
                }
                Err(SendError::Expired(error)) => {
                    state.upload = None;
                    self.keep(state).await?;
                    return Err(error);
                }
                // It may be there all the same: the next call asks.
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
        if let Some(upload) = &mut state.upload {
            upload.sent = true;
        }
        self.keep(state).await
    }

    async fn register(&self) -> Result<(String, Form), PlatformError> {
        let answer = self
            .api
            .register(self.token, &["media"], &json!({"media_type": "video"}))
            .await?;
        let misfit = |what: &str| {
            misfit(
                &format!("the registration of a video is of no use: {what}"),
                false,
            )
        };
        let media_id = classify::digits(answer.get("media_id"))
            .ok_or_else(|| misfit("it holds no media id"))?;
        let form = Form::read(&answer, self.api.base()).map_err(misfit)?;
        Ok((media_id, form))
    }

    async fn status(&self, media_id: &str) -> Result<Status, PlatformError> {
        let answer = match self.api.get(self.token, &["media", media_id], &[]).await {
            Ok(answer) => answer,
            Err(error) if error.class == FailureClass::NotFound => return Ok(Status::Unknown),
            Err(error) => return Err(error),
        };
        Ok(match fields::text(&answer, "status").as_deref() {
            Some("succeeded") => Status::Succeeded,
            Some("failed") => Status::Failed,
            Some("registered") => Status::Registered,
            // A word of tomorrow is not an end.
            _ => Status::Processing,
        })
    }

    /// Pinterest gives no reason. Forgotten, so that a retry by hand sends it anew.
    async fn failed(&self, state: &mut State) -> PlatformError {
        state.upload = None;
        if let Err(error) = self.keep(state).await {
            return error;
        }
        let info = ErrorInfo::new(
            ErrorCode::MediaProcessingFailed,
            "Pinterest could not process the video, and gives no reason. Nothing was published.",
        );
        PlatformError::new(FailureClass::Rejected, info)
    }
}

fn too_slow() -> PlatformError {
    let info = ErrorInfo::new(
        ErrorCode::MediaProcessingFailed,
        "Pinterest has not finished processing the video for about two hours. Nothing was published.",
    )
    .with_remedy("Retry the upload later: it asks Pinterest again and sends the video only if it is gone.");
    PlatformError::new(FailureClass::Rejected, info)
}

/// 1, 2, 4, 8, 16 s, then 30 s each.
fn wait(polls: u32) -> Duration {
    Duration::from_secs(1 << polls.min(5)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute() {
        let waits: Vec<u64> = (0..8).map(|n| wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_state_of_another_shape_begins_anew() {
        assert_eq!(State::read(None), State::default());
        assert_eq!(State::read(Some(&json!({"upload": 5}))), State::default());
        let state = State {
            upload: Some(Upload {
                media_id: "7".to_owned(),
                sent: true,
                ..Upload::default()
            }),
            ..State::default()
        };
        assert_eq!(State::read(Some(&state.to_value())), state);
    }
}

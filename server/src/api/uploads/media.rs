//! Which picture or video an upload has: exactly one kind.

use multi_upload_platforms::ContentMedia;
use multi_upload_wire::{CreateUpload, ErrorCode};

use super::plan::Plan;
use crate::state::App;
use crate::store::{Owner, StoreResult};

/// The media of an upload.
pub(super) struct Media {
    /// Where it stands in the request.
    pub(super) pointer: String,
    /// As a platform takes it.
    pub(super) content: ContentMedia,
}

impl Media {
    /// The code of a platform's refusal, whose own word is `word`.
    pub(super) fn fault_code(&self, word: &str) -> ErrorCode {
        match (&self.content, word) {
            (ContentMedia::ImageFile { .. }, "unsupported") => ErrorCode::MediaTypeUnsupported,
            (ContentMedia::ImageFile { .. }, "too_large") => ErrorCode::MediaTooLarge,
            _ => ErrorCode::ValidationFailed,
        }
    }
}

const KINDS: &str = "`image_url`, `image_urls`, `video_url`, `media_id` or `media_ids`";

/// Finds the one kind of media; notes what is missing, too much, or not yet supported.
pub(super) async fn choose(
    app: &App,
    owner: &Owner,
    asked: &CreateUpload,
    plan: &mut Plan,
) -> StoreResult<Option<Media>> {
    unsupported(asked, plan);
    let given: Vec<&str> = [
        ("image_url", asked.image_url.is_some()),
        ("media_id", asked.media_id.is_some()),
        ("image_urls", asked.image_urls.is_some()),
        ("video_url", asked.video_url.is_some()),
        ("media_ids", asked.media_ids.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_given)| is_given.then_some(name))
    .collect();
    let Some((first, surplus)) = given.split_first() else {
        plan.fault(
            "/image_url",
            "required",
            format!("the picture is missing: send exactly one of {KINDS}"),
        );
        return Ok(None);
    };
    for name in surplus {
        plan.fault(
            format!("/{name}"),
            "conflict",
            format!("`{name}` stands beside `{first}`: send exactly one of {KINDS}"),
        );
    }
    match (&asked.image_url, &asked.media_id) {
        (Some(url), _) => Ok(Some(Media {
            pointer: "/image_url".to_owned(),
            content: ContentMedia::ImageUrl { url: url.clone() },
        })),
        (None, Some(id)) => file(app, owner, id, plan).await,
        (None, None) => Ok(None),
    }
}

async fn file(app: &App, owner: &Owner, id: &str, plan: &mut Plan) -> StoreResult<Option<Media>> {
    let pointer = "/media_id";
    let shown: String = id.chars().take(100).collect();
    let Some(row) = app.media.get(owner, id).await? else {
        plan.fault(
            pointer,
            "unknown",
            format!("there is no file {shown:?}; upload it to /v1/media first"),
        );
        return Ok(None);
    };
    let (true, Some(facts), Some(sha256)) = (row.ready, row.facts, row.sha256) else {
        plan.fault(
            pointer,
            "not_ready",
            format!(
                "{shown} is not complete: {} of {} bytes have arrived",
                row.offset, row.length
            ),
        );
        return Ok(None);
    };
    Ok(Some(Media {
        pointer: pointer.to_owned(),
        content: ContentMedia::ImageFile {
            media_id: row.id,
            content_type: facts.content_type,
            sha256,
            bytes: row.length,
        },
    }))
}

/// Fields that are part of the contract and come with a later version.
fn unsupported(asked: &CreateUpload, plan: &mut Plan) {
    let mut refuse = |pointer: String, name: &str| {
        plan.fault(
            pointer,
            "unsupported",
            format!(
                "`{name}` is not supported by this version yet for pinterest: send one image as `image_url` or `media_id`"
            ),
        );
    };
    for (name, given) in [
        ("image_urls", asked.image_urls.is_some()),
        ("video_url", asked.video_url.is_some()),
        ("media_ids", asked.media_ids.is_some()),
        ("cover_image_url", asked.cover_image_url.is_some()),
        ("cover_media_id", asked.cover_media_id.is_some()),
        (
            "cover_image_key_frame_time",
            asked.cover_image_key_frame_time.is_some(),
        ),
    ] {
        if given {
            refuse(format!("/{name}"), name);
        }
    }
    for (key, values) in asked.overrides.iter().flatten() {
        for (name, given) in [
            ("cover_image_url", values.cover_image_url.is_some()),
            ("cover_media_id", values.cover_media_id.is_some()),
            (
                "cover_image_key_frame_time",
                values.cover_image_key_frame_time.is_some(),
            ),
        ] {
            if given {
                let key = crate::api::body::step(key);
                refuse(format!("/overrides/{key}/{name}"), name);
            }
        }
    }
}

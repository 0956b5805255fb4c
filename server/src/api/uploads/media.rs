//! Which pictures or video an upload has: exactly one kind, with a cover where it is a video.

use multi_upload_platforms::{ContentMedia, Cover, Source, StoredFile};
use multi_upload_wire::{CreateUpload, ErrorCode, MediaKind};

use super::layers::{CoverField, Layers};
use super::plan::Plan;
use crate::media::stored_file;
use crate::state::App;
use crate::store::{Owner, StoreResult};

/// Most files that are looked up for one upload; a carousel has fewer.
const MOST_FILES: usize = 20;

/// The media of an upload, before an account adds its cover.
pub(super) struct Media {
    /// Where it stands in the request.
    pointer: &'static str,
    what: What,
}

enum What {
    Image(Source),
    Carousel(Vec<Source>),
    Video(Source),
}

/// The media of one account.
pub(super) struct AccountMedia {
    /// As a platform takes it.
    pub(super) content: ContentMedia,
    pointer: &'static str,
    /// Where the cover stands in the request.
    cover_at: Option<String>,
}

impl AccountMedia {
    /// The code of a platform's refusal, whose own word is `word`.
    pub(super) fn fault_code(word: &str) -> ErrorCode {
        match word {
            "unsupported" => ErrorCode::MediaTypeUnsupported,
            "too_large" => ErrorCode::MediaTooLarge,
            _ => ErrorCode::ValidationFailed,
        }
    }

    /// The place in the request of a place in the content, `/media…`.
    pub(super) fn find(&self, pointer: &str) -> String {
        if pointer.starts_with("/media/cover") {
            return self
                .cover_at
                .clone()
                .unwrap_or_else(|| self.pointer.to_owned());
        }
        match pointer.strip_prefix("/media/images/") {
            Some(index) => format!("{}/{index}", self.pointer),
            None => self.pointer.to_owned(),
        }
    }
}

const KINDS: &str = "`image_url`, `image_urls`, `video_url`, `media_id` or `media_ids`";

/// Finds the one kind of media; notes what is missing or too much.
pub(super) async fn choose(
    app: &App,
    owner: &Owner,
    asked: &CreateUpload,
    plan: &mut Plan,
) -> StoreResult<Option<Media>> {
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
            format!("the picture or video is missing: send exactly one of {KINDS}"),
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
    let media = |pointer, what| Ok(Some(Media { pointer, what }));
    if let Some(url) = &asked.image_url {
        return media("/image_url", What::Image(Source::Url(url.clone())));
    }
    if let Some(id) = &asked.media_id {
        let Some(file) = file(app, owner, id, "/media_id", plan).await? else {
            return Ok(None);
        };
        let what = match file.facts.kind {
            MediaKind::Image => What::Image(Source::File(file)),
            MediaKind::Video => What::Video(Source::File(file)),
        };
        return media("/media_id", what);
    }
    if let Some(urls) = &asked.image_urls {
        let images = urls.iter().cloned().map(Source::Url).collect();
        return media("/image_urls", What::Carousel(images));
    }
    if let Some(url) = &asked.video_url {
        plan.fault(
            "/video_url",
            "unsupported",
            "`video_url` is not supported by this version yet: upload the video and send its `media_id`",
        );
        return media("/video_url", What::Video(Source::Url(url.clone())));
    }
    let ids = asked.media_ids.as_deref().unwrap_or_default();
    if ids.len() > MOST_FILES {
        plan.fault(
            "/media_ids",
            "too_many",
            format!("{} files; one upload takes at most {MOST_FILES}", ids.len()),
        );
        return Ok(None);
    }
    let mut images = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let pointer = format!("/media_ids/{index}");
        if let Some(file) = file(app, owner, id, &pointer, plan).await? {
            images.push(Source::File(file));
        }
    }
    if images.len() < ids.len() {
        return Ok(None);
    }
    media("/media_ids", What::Carousel(images))
}

impl Media {
    /// What one account gets: the media, with the cover that counts for it.
    pub(super) async fn of_account(
        &self,
        app: &App,
        owner: &Owner,
        layers: &Layers,
        plan: &mut Plan,
    ) -> StoreResult<Option<AccountMedia>> {
        let found = layers.cover();
        let of = |content| AccountMedia {
            content,
            pointer: self.pointer,
            cover_at: None,
        };
        let video = match &self.what {
            What::Video(video) => video.clone(),
            What::Image(_) | What::Carousel(_) => {
                for (pointer, _) in found {
                    plan.fault(
                        pointer,
                        "conflict",
                        "a cover belongs to a video, and this upload has none; leave it out",
                    );
                }
                return Ok(Some(of(match &self.what {
                    What::Image(Source::Url(url)) => ContentMedia::ImageUrl { url: url.clone() },
                    What::Image(Source::File(file)) => ContentMedia::ImageFile(file.clone()),
                    What::Carousel(images) => ContentMedia::Carousel {
                        images: images.clone(),
                    },
                    What::Video(video) => ContentMedia::Video {
                        video: video.clone(),
                        cover: Cover::default(),
                    },
                })));
            }
        };
        let mut found = found.into_iter();
        let (cover_at, cover) = match found.next() {
            None => (None, Cover::default()),
            Some((pointer, CoverField::Url(url))) => (Some(pointer), Cover::Url(url)),
            Some((pointer, CoverField::KeyFrame(at))) => (Some(pointer), Cover::KeyFrame(at)),
            Some((pointer, CoverField::File(id))) => {
                let Some(file) = file(app, owner, &id, &pointer, plan).await? else {
                    return Ok(None);
                };
                (Some(pointer), Cover::File(file))
            }
        };
        for (pointer, _) in found {
            plan.fault(
                pointer,
                "conflict",
                "a video has one cover: send one of `cover_image_url`, `cover_media_id` and `cover_image_key_frame_time`",
            );
        }
        Ok(Some(AccountMedia {
            cover_at,
            ..of(ContentMedia::Video { video, cover })
        }))
    }
}

async fn file(
    app: &App,
    owner: &Owner,
    id: &str,
    pointer: &str,
    plan: &mut Plan,
) -> StoreResult<Option<StoredFile>> {
    let shown: String = id.chars().take(100).collect();
    let Some(row) = app.media.get(owner, id).await? else {
        plan.fault(
            pointer,
            "unknown",
            format!("there is no file {shown:?}; upload it to /v1/media first"),
        );
        return Ok(None);
    };
    let file = stored_file(&row);
    if file.is_none() {
        plan.fault(
            pointer,
            "not_ready",
            format!(
                "{shown} is not complete: {} of {} bytes have arrived",
                row.offset, row.length
            ),
        );
    }
    Ok(file)
}

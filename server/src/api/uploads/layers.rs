//! The values that count for one account, and where each of them stands in the request.

use multi_upload_platforms::Content;
use multi_upload_wire::{CreateUpload, Override};

use crate::api::body::step;

/// The values that count for one account: its own overrides, then its platform's, then the upload's.
pub(super) struct Layers {
    /// Each with the pointer it stands at.
    layers: Vec<(String, Override)>,
}

impl Layers {
    pub(super) fn of(asked: &CreateUpload, account: &str, platform: &str) -> Self {
        let mut layers = Vec::new();
        for key in [account, platform] {
            if let Some(values) = asked.overrides.as_ref().and_then(|all| all.get(key)) {
                layers.push((format!("/overrides/{}", step(key)), values.clone()));
            }
        }
        let base = Override {
            caption: asked.caption.clone(),
            title: asked.title.clone(),
            description: asked.description.clone(),
            link: asked.link.clone(),
            alt_text: asked.alt_text.clone(),
            board_id: asked.board_id.clone(),
            board_section_id: asked.board_section_id.clone(),
            cover_image_url: asked.cover_image_url.clone(),
            cover_media_id: asked.cover_media_id.clone(),
            cover_image_key_frame_time: asked.cover_image_key_frame_time,
        };
        layers.push((String::new(), base));
        Self { layers }
    }

    /// The first value there is, noted with its place.
    fn pick(
        &self,
        sources: &mut Sources,
        name: &'static str,
        read: impl Fn(&Override) -> Option<(&'static str, &String)>,
    ) -> Option<String> {
        self.layers.iter().find_map(|(at, values)| {
            let (field, value) = read(values)?;
            sources.0.push((name, format!("{at}/{field}")));
            Some(value.clone())
        })
    }

    /// The covers of the first layer that names any, each with its place: more than one is a fault.
    pub(super) fn cover(&self) -> Vec<(String, CoverField)> {
        let named = |(at, values): &(String, Override)| {
            let place = |field| format!("{at}/{field}");
            [
                values
                    .cover_image_url
                    .clone()
                    .map(|url| (place("cover_image_url"), CoverField::Url(url))),
                values
                    .cover_media_id
                    .clone()
                    .map(|id| (place("cover_media_id"), CoverField::File(id))),
                values.cover_image_key_frame_time.map(|at| {
                    (
                        place("cover_image_key_frame_time"),
                        CoverField::KeyFrame(at),
                    )
                }),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
        };
        self.layers
            .iter()
            .map(named)
            .find(|covers| !covers.is_empty())
            .unwrap_or_default()
    }

    pub(super) fn content(&self, asked: &CreateUpload, platform: &str) -> (Content, Sources) {
        let mut sources = Sources(Vec::new());
        let s = &mut sources;
        let content = Content {
            title: self.pick(s, "title", |o| Some(("title", o.title.as_ref()?))),
            // In each layer the caption stands in for the description.
            description: self.pick(s, "description", |o| {
                o.description
                    .as_ref()
                    .map(|text| ("description", text))
                    .or_else(|| Some(("caption", o.caption.as_ref()?)))
            }),
            link: self.pick(s, "link", |o| Some(("link", o.link.as_ref()?))),
            alt_text: self.pick(s, "alt_text", |o| Some(("alt_text", o.alt_text.as_ref()?))),
            board_id: self.pick(s, "board_id", |o| Some(("board_id", o.board_id.as_ref()?))),
            board_section_id: self.pick(s, "board_section_id", |o| {
                Some(("board_section_id", o.board_section_id.as_ref()?))
            }),
            fields: match platform {
                "pinterest" => asked.pinterest.clone(),
                "tiktok" => asked.tiktok.clone(),
                "instagram" => asked.instagram.clone(),
                _ => None,
            }
            .unwrap_or_default(),
            ..Content::default()
        };
        s.0.push(("fields", format!("/{platform}")));
        (content, sources)
    }
}

/// A cover as it was asked for.
pub(super) enum CoverField {
    Url(String),
    File(String),
    KeyFrame(u32),
}

/// Where the fields of a content came from.
pub(super) struct Sources(Vec<(&'static str, String)>);

impl Sources {
    /// The place in the request of a place in the content.
    pub(super) fn find(&self, pointer: &str) -> String {
        let rest = pointer.strip_prefix('/').unwrap_or(pointer);
        let (name, tail) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        self.0
            .iter()
            .find(|(field, _)| *field == name)
            .map_or_else(|| pointer.to_owned(), |(_, at)| format!("{at}{tail}"))
    }
}

//! What each platform would refuse of a file, found out by its own check.

use std::collections::BTreeMap;

use multi_upload_platforms::{Content, ContentMedia, Cover, Platform, Source};
use multi_upload_wire::{FieldError, MediaKind};

use super::stored_file;
use crate::store::MediaRow;

/// The refusals of a complete file by platform name; platforms that take it are left out.
pub(crate) fn refusals<'a>(
    row: &MediaRow,
    platforms: impl Iterator<Item = &'a dyn Platform>,
) -> BTreeMap<String, Vec<FieldError>> {
    let Some(file) = stored_file(row) else {
        return BTreeMap::new();
    };
    let content = Content {
        media: match file.facts.kind {
            MediaKind::Image => ContentMedia::ImageFile(file),
            MediaKind::Video => ContentMedia::Video {
                video: Source::File(file),
                cover: Cover::default(),
            },
        },
        ..Content::default()
    };
    platforms
        .filter_map(|platform| {
            let errors: Vec<FieldError> = platform
                .check(&content)
                .errors
                .into_iter()
                .filter(|error| error.pointer.starts_with("/media"))
                .collect();
            (!errors.is_empty()).then(|| (platform.name().to_owned(), errors))
        })
        .collect()
}

//! What each platform would refuse of a file, found out by its own check.

use std::collections::BTreeMap;

use multi_upload_platforms::{Content, ContentMedia, Platform};
use multi_upload_wire::FieldError;

use crate::store::MediaRow;

/// The refusals of a complete file by platform name; platforms that take it are left out.
pub(crate) fn refusals<'a>(
    row: &MediaRow,
    platforms: impl Iterator<Item = &'a dyn Platform>,
) -> BTreeMap<String, Vec<FieldError>> {
    let (true, Some(facts), Some(sha256)) = (row.ready, &row.facts, &row.sha256) else {
        return BTreeMap::new();
    };
    let content = Content {
        media: ContentMedia::ImageFile {
            media_id: row.id.clone(),
            content_type: facts.content_type.clone(),
            sha256: sha256.clone(),
            bytes: row.length,
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

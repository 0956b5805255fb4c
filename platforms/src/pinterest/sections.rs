//! Sections of a board.

use multi_upload_wire::{CreateSection, Page, Section};
use serde_json::{Value, json};

use super::api::Api;
use super::boards::LARGEST_PAGE;
use super::{fields, misfit, require_digits};
use crate::PlatformError;

pub(super) async fn list(
    api: &Api,
    token: &str,
    board_id: &str,
    cursor: Option<&str>,
) -> Result<Page<Section>, PlatformError> {
    require_digits("board_id", board_id)?;
    let size = LARGEST_PAGE.to_string();
    let mut pairs = vec![("page_size", size.as_str())];
    pairs.extend(cursor.map(|cursor| ("bookmark", cursor)));
    let page = api
        .get(token, &["boards", board_id, "sections"], &pairs)
        .await?;
    Ok(Page {
        items: fields::items(&page).iter().filter_map(section).collect(),
        next_cursor: fields::bookmark(&page, cursor),
    })
}

pub(super) async fn create(
    api: &Api,
    token: &str,
    board_id: &str,
    new: &CreateSection,
) -> Result<Section, PlatformError> {
    require_digits("board_id", board_id)?;
    let made = api
        .create(
            token,
            &["boards", board_id, "sections"],
            &json!({"name": new.name}),
        )
        .await?;
    section(&made).ok_or_else(|| misfit("the answer holds no section", true))
}

fn section(object: &Value) -> Option<Section> {
    Some(Section {
        id: fields::text(object, "id")?,
        name: fields::text(object, "name")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_needs_its_id_and_its_name() {
        let soups = Section {
            id: "7".to_owned(),
            name: "Soups".to_owned(),
        };
        assert_eq!(
            section(&json!({"id": "7", "name": "Soups", "new": null})),
            Some(soups)
        );
        assert_eq!(section(&json!({"name": "Soups"})), None);
        assert_eq!(section(&json!({"id": "7", "name": null})), None);
    }
}

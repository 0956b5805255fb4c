//! Boards: own, group and secret ones in one list.

use multi_upload_wire::{Board, CreateBoard, Page};
use serde_json::{Map, Value};

use super::api::Api;
use super::{fields, misfit};
use crate::{BoardsQuery, PlatformError};

/// Pinterest's own limit; one more is an error.
pub(super) const LARGEST_PAGE: u32 = 250;

pub(super) async fn list(
    api: &Api,
    token: &str,
    query: &BoardsQuery,
) -> Result<Page<Board>, PlatformError> {
    let size = query.limit.clamp(1, LARGEST_PAGE).to_string();
    let mut pairs = vec![("page_size", size.as_str())];
    pairs.extend(query.cursor.as_deref().map(|cursor| ("bookmark", cursor)));
    pairs.extend(query.privacy.as_deref().map(|privacy| ("privacy", privacy)));
    let page = api.get(token, &["boards"], &pairs).await?;
    let items = fields::items(&page);
    let boards: Vec<Board> = items.iter().filter_map(board).collect();
    if boards.len() < items.len() {
        tracing::warn!(
            left_out = items.len() - boards.len(),
            "Pinterest listed boards without an id or a name"
        );
    }
    Ok(Page {
        items: boards,
        next_cursor: fields::bookmark(&page, query.cursor.as_deref()),
    })
}

pub(super) async fn create(
    api: &Api,
    token: &str,
    new: &CreateBoard,
) -> Result<Board, PlatformError> {
    let mut body = Map::new();
    body.insert("name".to_owned(), new.name.as_str().into());
    for (name, value) in [("description", &new.description), ("privacy", &new.privacy)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.as_str().into());
        }
    }
    let made = api.create(token, &["boards"], &Value::Object(body)).await?;
    board(&made).ok_or_else(|| misfit("the answer holds no board", true))
}

/// An object with an id and a name; unknown words and fields are kept or passed over.
fn board(object: &Value) -> Option<Board> {
    Some(Board {
        id: fields::text(object, "id")?,
        name: fields::text(object, "name")?,
        description: fields::text(object, "description"),
        privacy: fields::text(object, "privacy"),
        owner: object
            .get("owner")
            .and_then(|owner| fields::text(owner, "username")),
        pin_count: fields::whole(object, "pin_count"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_but_id_and_name_may_be_missing_null_or_new() {
        let bare = Board {
            id: "549755885175000001".to_owned(),
            name: "Kitchen".to_owned(),
            description: None,
            privacy: None,
            owner: None,
            pin_count: None,
        };
        assert_eq!(
            board(&json!({"id": "549755885175000001", "name": "Kitchen"})),
            Some(bare.clone())
        );
        let odd = json!({
            "id": 549_755_885_175_000_001_u64, "name": "Kitchen", "description": null, "privacy": null, "owner": null,
            "pin_count": "many", "media": [], "is_ads_only": "x", "added_in_6": {"a": [null]}
        });
        assert_eq!(board(&odd), Some(bare));
        let new_word = json!({"id": "1", "name": "A", "privacy": "FRIENDS_ONLY", "owner": {"username": "o"}, "pin_count": 3});
        let new_word = board(&new_word).map(|board| (board.privacy, board.owner, board.pin_count));
        assert_eq!(
            new_word,
            Some((
                Some("FRIENDS_ONLY".to_owned()),
                Some("o".to_owned()),
                Some(3)
            ))
        );
        for incomplete in [
            json!({"id": "1"}),
            json!({"name": "A"}),
            json!({"id": null, "name": "A"}),
            json!(null),
        ] {
            assert_eq!(board(&incomplete), None, "{incomplete}");
        }
    }
}

//! Boards, sections and pins as Pinterest shows them.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::zoneless;
use crate::random::mix;
use crate::state::{Board, MediaKind, Picture, Pin, Section, State};

/// The newest pins and the number of pins of every board, counted once for a whole list.
pub(crate) fn tally(state: &State, now_ms: u64) -> HashMap<&str, Tally> {
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    for pin in state.pins.iter().filter(|pin| pin.exists(now_ms)) {
        let tally = tallies.entry(&pin.board_id).or_default();
        tally.pins += 1;
        tally.newest_ms = tally.newest_ms.max(pin.created_ms);
        tally.newest_seq = pin.seq;
    }
    tallies
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pins: usize,
    newest_ms: u64,
    newest_seq: u64,
}

pub(crate) fn board(state: &State, board: &Board, tally: Tally) -> Value {
    let cover = (tally.pins > 0).then(|| image_address(tally.newest_seq, 0, "400x300"));
    let thumbnails: Vec<_> = cover
        .iter()
        .map(|_| image_address(tally.newest_seq, 0, "150x150"))
        .collect();
    json!({
        "id": board.id,
        "name": board.name,
        "description": board.description,
        "owner": {"username": state.username(&board.owner)},
        "privacy": board.privacy,
        "is_ads_only": board.is_ads_only,
        "created_at": zoneless(board.created_ms),
        "board_pins_modified_at": zoneless(board.created_ms.max(tally.newest_ms)),
        "pin_count": tally.pins,
        "follower_count": 0,
        "collaborator_count": board.collaborators.len(),
        "media": {"image_cover_url": cover, "pin_thumbnail_urls": thumbnails},
    })
}

pub(crate) fn section(section: &Section) -> Value {
    json!({"id": section.id, "name": section.name})
}

pub(crate) fn pin(state: &State, pin: &Pin, reader: &str) -> Value {
    let board_owner = state
        .boards
        .iter()
        .find(|board| board.id == pin.board_id)
        .map(|board| board.owner.as_str());
    let color = pin
        .dominant_color
        .clone()
        .unwrap_or_else(|| format!("#{:06x}", mix(pin.seq) & 0x00ff_ffff));
    json!({
        "id": pin.id,
        "created_at": zoneless(pin.created_ms),
        "link": pin.link,
        "title": pin.title,
        "description": pin.description,
        "dominant_color": color,
        "alt_text": pin.alt_text,
        "board_id": pin.board_id,
        "board_section_id": pin.section_id,
        "board_owner": {"username": board_owner.map_or("", |id| state.username(id))},
        "parent_pin_id": pin.parent_pin_id,
        "is_owner": pin.owner == reader,
        "is_standard": pin.is_standard,
        "has_been_promoted": false,
        "creative_type": creative_type(pin),
        "pin_metrics": null,
        "media": media(pin),
    })
}

pub(crate) fn creative_type(pin: &Pin) -> &'static str {
    match pin.media.kind {
        MediaKind::Image => "REGULAR",
        MediaKind::Video => "VIDEO",
        MediaKind::Carousel => "CAROUSEL",
    }
}

fn media(pin: &Pin) -> Value {
    let first = pin.media.pictures.first().cloned().unwrap_or_default();
    match pin.media.kind {
        MediaKind::Image => json!({"media_type": "image", "images": images(pin.seq, 0, &first)}),
        // The numbers of a video are not known right after its creation.
        MediaKind::Video => json!({
            "media_type": "video",
            "cover_image_url": image_address(pin.seq, 0, "originals"),
            "images": images(pin.seq, 0, &first),
            "video_url": null,
            "duration": null,
            "height": null,
            "width": null,
        }),
        MediaKind::Carousel => {
            let items: Vec<_> = pin
                .media
                .pictures
                .iter()
                .enumerate()
                .map(|(slot, picture)| {
                    json!({
                        "item_type": "image",
                        "title": picture.title,
                        "description": picture.description,
                        "link": picture.link,
                        "images": images(pin.seq, slot, picture),
                    })
                })
                .collect();
            json!({"media_type": "multiple_images", "items": items})
        }
    }
}

/// `originals` is not in the document, but in real answers.
fn images(seq: u64, slot: usize, picture: &Picture) -> Value {
    let scaled = |width: usize| picture.height * width / picture.width.max(1);
    let size = |name: &str, width: usize, height: usize| json!({"width": width, "height": height, "url": image_address(seq, slot, name)});
    json!({
        "150x150": size("150x150", 150, 150),
        "400x300": size("400x300", 400, 300),
        "600x": size("600x", 600, scaled(600)),
        "1200x": size("1200x", 1_200, scaled(1_200)),
        "originals": size("originals", picture.width, picture.height),
    })
}

/// Pinterest hosts every picture anew; these addresses only look like it, nothing is behind them.
fn image_address(seq: u64, slot: usize, size: &str) -> String {
    let hash = format!("{:016x}{:016x}", mix(seq), mix(seq ^ (slot as u64 + 1)));
    format!(
        "https://i.pinimg.com/{size}/{}/{}/{}/{hash}.jpg",
        &hash[..2],
        &hash[2..4],
        &hash[4..6]
    )
}

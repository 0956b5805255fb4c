//! Pins: making, reading, changing, deleting them.

use serde_json::Value;

use super::draft::{Draft, Texts};
use super::fields;
use super::media;
use super::pages::Page;
use super::{Call, Caller, Right, pictures, shape};
use crate::answer::{Answer, ApiError};
use crate::options::AppState;
use crate::sandbox::Sandbox;
use crate::state::{MediaKind, Pin, PinMedia, State};

/// The text of the refusal is the real one: clients recognise it.
const TRIAL: &str = "Apps with Trial access may not create Pins in production https://api.pinterest.com - use API \
                     Sandbox https://api-sandbox.pinterest.com instead.";

/// Makes a pin. Everything is checked before anything is fetched, and again when it is stored.
pub(crate) async fn create(
    sandbox: &Sandbox,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let draft = {
        let state = sandbox.state();
        if state.switches.app_state == AppState::Trial {
            return Err(ApiError::new(403, 29, TRIAL));
        }
        let draft = Draft::parse(&call.body)?;
        look_up(&state, sandbox.now_ms(), caller, &draft)?;
        draft
    };
    let mut found = Vec::with_capacity(draft.slots.len());
    for slot in &draft.slots {
        found.push(pictures::look(slot, sandbox.options().min_image_side).await?);
    }
    let now_ms = sandbox.now_ms();
    let state = &mut *sandbox.state();
    look_up(state, now_ms, caller, &draft)?;
    let pin = Pin {
        seq: state.next_seq(),
        id: state.random.id(),
        owner: caller.user.clone(),
        board_id: draft.board_id,
        section_id: draft.texts.section_id,
        title: draft.texts.title,
        description: draft.texts.description,
        link: draft.texts.link,
        alt_text: draft.texts.alt_text,
        dominant_color: draft.dominant_color,
        parent_pin_id: draft.parent_pin_id,
        is_standard: draft.is_standard,
        media: PinMedia {
            kind: draft.kind,
            pictures: found,
            media_id: draft.media_id,
        },
        applied_ms: now_ms + call.late_ms,
        created_ms: (now_ms + call.late_ms).saturating_add_signed(state.switches.clock_skew_ms),
        request: Some(call.order),
        deleted: false,
    };
    let answer = Answer::json(201, &shape::pin(state, &pin, &caller.user));
    state.add_pin(pin);
    Ok(answer)
}

/// What the body refers to has to exist.
fn look_up(state: &State, now_ms: u64, caller: &Caller, draft: &Draft) -> Result<(), ApiError> {
    let board = caller.board(state, &draft.board_id, Right::Pin)?;
    if let Some(section_id) = &draft.texts.section_id {
        board
            .section(section_id)
            .ok_or_else(ApiError::section_not_found)?;
    }
    match &draft.media_id {
        Some(media_id) if draft.kind == MediaKind::Video => {
            media::check_usable(state, now_ms, caller, media_id)
        }
        _ => Ok(()),
    }
}

pub(crate) fn list_board(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let board = caller.board(state, call.param(0), Right::Read)?;
    page(state, now_ms, caller, call, |pin| pin.board_id == board.id)
}

pub(crate) fn list_section(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let board = caller.board(state, call.param(0), Right::Read)?;
    let section = board
        .section(call.param(1))
        .ok_or_else(ApiError::section_not_found)?;
    page(state, now_ms, caller, call, |pin| {
        pin.section_id.as_deref() == Some(&section.id)
    })
}

pub(crate) fn list(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    // A later version of the API lists by the host of the link, which helps to find an unclear pin.
    let domain = call.query("domain");
    let on_domain = |pin: &Pin| {
        let host = pin
            .link
            .as_deref()
            .and_then(|link| url::Url::parse(link).ok());
        host.as_ref().and_then(url::Url::host_str) == domain
    };
    page(state, now_ms, caller, call, |pin| {
        pin.owner == caller.user
            && state
                .board(&pin.board_id)
                .is_some_and(|board| caller.sees(board))
            && (domain.is_none() || on_domain(pin))
    })
}

fn page(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
    keep: impl Fn(&Pin) -> bool,
) -> Result<Answer, ApiError> {
    let page = Page::parse(&call.query)?.at_most(state.switches.longest_page);
    let kinds = call
        .query("creative_types")
        .map(|kinds| kinds.split(',').collect::<Vec<_>>());
    let pins = state
        .pins
        .iter()
        .filter(|pin| pin.exists(now_ms) && state.is_listed(pin.applied_ms, now_ms) && keep(pin))
        .filter(|pin| {
            kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&shape::creative_type(pin)))
        })
        .map(|pin| (state.place(pin.seq, true), pin));
    let answer = page.of(pins, |pin| shape::pin(state, pin, &caller.user));
    Ok(Answer::json(200, &answer))
}

pub(crate) fn get(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let pin = readable(state, now_ms, caller, call)?;
    Ok(Answer::json(200, &shape::pin(state, pin, &caller.user)))
}

fn readable<'a>(
    state: &'a State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<&'a Pin, ApiError> {
    let pin = state
        .pin(call.param(0), now_ms)
        .ok_or_else(ApiError::pin_not_found)?;
    caller.board(state, &pin.board_id, Right::Read)?;
    Ok(pin)
}

/// The pin, where the caller made it.
fn own<'a>(
    state: &'a State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<&'a Pin, ApiError> {
    let pin = readable(state, now_ms, caller, call)?;
    if pin.owner == caller.user {
        Ok(pin)
    } else {
        Err(ApiError::not_permitted())
    }
}

pub(crate) fn update(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let fields = fields::object(&call.body)?;
    let texts = Texts::parse(&fields)?;
    let board_id = fields::id(&fields, "board_id")?;
    let old = own(state, now_ms, caller, call)?.clone();
    let target = board_id.unwrap_or(old.board_id);
    let board = caller.board(state, &target, Right::Pin)?;
    if let Some(section_id) = &texts.section_id {
        board
            .section(section_id)
            .ok_or_else(ApiError::section_not_found)?;
    }
    let pin = state
        .pin_mut(call.param(0), now_ms)
        .ok_or_else(ApiError::pin_not_found)?;
    if pin.board_id != target {
        pin.board_id = target;
        pin.section_id = None;
    }
    let given = |name: &str| fields.contains_key(name);
    if given("board_section_id") {
        pin.section_id = texts.section_id;
    }
    if given("title") {
        pin.title = texts.title;
    }
    if given("description") {
        pin.description = texts.description;
    }
    if given("link") {
        pin.link = texts.link;
    }
    if given("alt_text") {
        pin.alt_text = texts.alt_text;
    }
    if let Some(Value::Array(slots)) = fields.get("carousel_slots") {
        for (picture, slot) in pin.media.pictures.iter_mut().zip(slots) {
            let Value::Object(slot) = slot else {
                return Err(ApiError::invalid(
                    "an item of 'carousel_slots' is not of type 'object'",
                ));
            };
            picture.title = fields::text(slot, "title", usize::MAX)?;
            picture.description = fields::text(slot, "description", usize::MAX)?;
            picture.link = fields::link(slot, "link")?;
        }
    }
    get(state, now_ms, caller, call)
}

pub(crate) fn delete(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    own(state, now_ms, caller, call)?;
    let pin = state
        .pin_mut(call.param(0), now_ms)
        .ok_or_else(ApiError::pin_not_found)?;
    pin.deleted = true;
    Ok(Answer::empty(204))
}

/// Copies a pin onto a board of the caller.
pub(crate) fn save(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let fields = fields::object(&call.body)?;
    let parent = state
        .pin(call.param(0), now_ms)
        .ok_or_else(ApiError::pin_not_found)?
        .clone();
    let board_id = fields::id(&fields, "board_id")?.ok_or_else(ApiError::board_not_found)?;
    let board = caller.board(state, &board_id, Right::Pin)?;
    let section_id = fields::id(&fields, "board_section_id")?;
    if let Some(section_id) = &section_id {
        board
            .section(section_id)
            .ok_or_else(ApiError::section_not_found)?;
    }
    let pin = Pin {
        seq: state.next_seq(),
        id: state.random.id(),
        owner: caller.user.clone(),
        board_id,
        section_id,
        parent_pin_id: Some(parent.id.clone()),
        applied_ms: now_ms,
        created_ms: now_ms.saturating_add_signed(state.switches.clock_skew_ms),
        request: Some(call.order),
        ..parent
    };
    let answer = Answer::json(201, &shape::pin(state, &pin, &caller.user));
    state.add_pin(pin);
    Ok(answer)
}

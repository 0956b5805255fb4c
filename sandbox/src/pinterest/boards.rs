//! Boards and the account they belong to.

use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::pages::Page;
use super::{Call, Caller, Right, shape};
use crate::answer::{Answer, ApiError};
use crate::seed::Privacy;
use crate::state::{Board, State};

/// Boards per account, of any kind.
const MAX_BOARDS: usize = 2_000;

/// The document gives no length; this is the one it gives for sections.
const MAX_NAME: usize = 180;

pub(crate) fn user_account(
    state: &State,
    now_ms: u64,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    let user = state
        .user(&caller.user)
        .ok_or_else(ApiError::authentication)?;
    let boards = state
        .boards
        .iter()
        .filter(|board| !board.deleted && board.owner == user.id)
        .count();
    let pins = state
        .pins
        .iter()
        .filter(|pin| pin.exists(now_ms) && pin.owner == user.id)
        .count();
    let answer = json!({
        "account_type": "BUSINESS",
        "id": user.id,
        "profile_image": "https://i.pinimg.com/280x280_RS/5a/4d/b0/5a4db0000000000000000000000000ff.jpg",
        "website_url": "",
        "username": user.username,
        "about": "An account of the multi-upload sandbox.",
        "business_name": user.username,
        "board_count": boards,
        "pin_count": pins,
        "follower_count": 0,
        "following_count": 0,
        "monthly_views": -1,
    });
    Ok(Answer::json(200, &answer))
}

pub(crate) fn list(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let page = Page::parse(&call.query)?.at_most(state.switches.longest_page);
    let wanted: &[Privacy] = match call.query("privacy") {
        None | Some("ALL") => &[Privacy::Public, Privacy::Protected, Privacy::Secret],
        Some("PUBLIC") => &[Privacy::Public],
        Some("PROTECTED") => &[Privacy::Protected],
        Some("SECRET") => &[Privacy::Secret],
        Some("PUBLIC_AND_SECRET") => &[Privacy::Public, Privacy::Secret],
        Some(other) => {
            let message = format!(
                "Parameter 'privacy' with the value '{other}' is not one of ALL, PUBLIC, PROTECTED, SECRET, \
                 PUBLIC_AND_SECRET."
            );
            return Err(ApiError::new(400, 1, message));
        }
    };
    let boards = state
        .boards
        .iter()
        .filter(|board| caller.sees(board) && wanted.contains(&board.privacy))
        .filter(|board| state.is_listed(board.created_ms, now_ms))
        .map(|board| (state.place(board.seq, false), board));
    let tallies = shape::tally(state, now_ms);
    let answer = page.of(boards, |board| {
        shape::board(
            state,
            board,
            tallies.get(board.id.as_str()).copied().unwrap_or_default(),
        )
    });
    Ok(Answer::json(200, &answer))
}

pub(crate) fn get(
    state: &State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let board = caller.board(state, call.param(0), Right::Read)?;
    Ok(Answer::json(200, &show(state, now_ms, board)))
}

fn show(state: &State, now_ms: u64, board: &Board) -> Value {
    let tallies = shape::tally(state, now_ms);
    shape::board(
        state,
        board,
        tallies.get(board.id.as_str()).copied().unwrap_or_default(),
    )
}

pub(crate) fn create(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let fields = fields::object(&call.body)?;
    let is_ads_only = fields::flag(&fields, "is_ads_only", false)?;
    let (name, privacy) = if is_ads_only {
        ("Ad-only Pins".to_owned(), Privacy::Protected)
    } else {
        let name = fields::required(&fields, "name")?.to_owned();
        (
            name,
            privacy(
                &fields,
                &[Privacy::Public, Privacy::Protected, Privacy::Secret],
            )?
            .unwrap_or_default(),
        )
    };
    if privacy == Privacy::Secret && !caller.scopes.contains("boards:write_secret") {
        return Err(ApiError::missing_scopes(&["boards:write_secret"]));
    }
    check_name(state, caller, &name, None)?;
    let description = fields::text(&fields, "description", usize::MAX)?;
    if state
        .boards
        .iter()
        .filter(|board| !board.deleted && board.owner == caller.user)
        .count()
        >= MAX_BOARDS
    {
        return Err(ApiError::new(
            400,
            400,
            "You already have 2000 boards, which is the most an account may have.",
        ));
    }
    let board = Board {
        seq: state.next_seq(),
        id: state.random.id(),
        name,
        description,
        privacy,
        is_ads_only,
        owner: caller.user.clone(),
        collaborators: Vec::new(),
        sections: Vec::new(),
        created_ms: now_ms,
        by_api: true,
        deleted: false,
    };
    let answer = show(state, now_ms, &board);
    state.boards.push(board);
    Ok(Answer::json(201, &answer))
}

pub(crate) fn update(
    state: &mut State,
    now_ms: u64,
    caller: &Caller,
    call: &Call,
) -> Result<Answer, ApiError> {
    let fields = fields::object(&call.body)?;
    let id = caller.board(state, call.param(0), Right::Own)?.id.clone();
    let name = fields::text(&fields, "name", usize::MAX)?;
    if let Some(name) = &name {
        check_name(state, caller, name, Some(&id))?;
    }
    let description = fields
        .contains_key("description")
        .then(|| fields::text(&fields, "description", usize::MAX));
    let description = description.transpose()?;
    let privacy = privacy(&fields, &[Privacy::Public, Privacy::Secret])?;
    let board = state.board_mut(&id).ok_or_else(ApiError::board_not_found)?;
    if let Some(name) = name {
        board.name = name;
    }
    if let Some(description) = description {
        board.description = description;
    }
    if let Some(privacy) = privacy {
        board.privacy = privacy;
    }
    let board = state.board(&id).ok_or_else(ApiError::board_not_found)?;
    Ok(Answer::json(200, &show(state, now_ms, board)))
}

/// The pins of a board go with it.
pub(crate) fn delete(state: &mut State, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    let id = caller.board(state, call.param(0), Right::Own)?.id.clone();
    let board = state.board_mut(&id).ok_or_else(ApiError::board_not_found)?;
    board.deleted = true;
    for pin in state.pins.iter_mut().filter(|pin| pin.board_id == id) {
        pin.deleted = true;
    }
    Ok(Answer::empty(204))
}

fn privacy(fields: &Fields, allowed: &[Privacy]) -> Result<Option<Privacy>, ApiError> {
    let Some(value) = fields.get("privacy").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let privacy = serde_json::from_value(value.clone())
        .ok()
        .filter(|privacy| allowed.contains(privacy));
    let allowed = serde_json::to_string(allowed).unwrap_or_default();
    privacy.map(Some).ok_or_else(|| {
        ApiError::invalid(format_args!("'privacy': {value} is not one of {allowed}"))
    })
}

fn check_name(
    state: &State,
    caller: &Caller,
    name: &str,
    except: Option<&str>,
) -> Result<(), ApiError> {
    let wanted = name.trim().to_lowercase();
    if wanted.is_empty() || name.chars().count() > MAX_NAME {
        return Err(ApiError::new(400, 400, "The board name is invalid."));
    }
    let is_taken = state.boards.iter().any(|board| {
        !board.deleted
            && board.owner == caller.user
            && Some(board.id.as_str()) != except
            && board.name.trim().to_lowercase() == wanted
    });
    if is_taken {
        Err(ApiError::new(
            400,
            400,
            "You already have a board with this name.",
        ))
    } else {
        Ok(())
    }
}

//! Sections of a board.

use super::fields;
use super::pages::Page;
use super::{Call, Caller, Right, shape};
use crate::answer::{Answer, ApiError};
use crate::state::{Section, State};

pub(crate) fn list(state: &State, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    let page = Page::parse(&call.query)?;
    let board = caller.board(state, call.param(0), Right::Read)?;
    let sections = board
        .sections
        .iter()
        .map(|section| (state.place(section.seq, false), section));
    Ok(Answer::json(200, &page.of(sections, shape::section)))
}

pub(crate) fn create(state: &mut State, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    let name = name(call)?;
    let board_id = caller.board(state, call.param(0), Right::Pin)?.id.clone();
    let section = Section {
        seq: state.next_seq(),
        id: state.random.id(),
        name,
    };
    let answer = Answer::json(201, &shape::section(&section));
    let board = state
        .board_mut(&board_id)
        .ok_or_else(ApiError::board_not_found)?;
    if board
        .sections
        .iter()
        .any(|other| other.name == section.name)
    {
        return Err(invalid());
    }
    board.sections.push(section);
    Ok(answer)
}

pub(crate) fn update(state: &mut State, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    let name = name(call)?;
    let board_id = caller.board(state, call.param(0), Right::Pin)?.id.clone();
    let board = state
        .board_mut(&board_id)
        .ok_or_else(ApiError::board_not_found)?;
    let section = board
        .sections
        .iter_mut()
        .find(|section| section.id == call.param(1));
    let section = section.ok_or_else(ApiError::section_not_found)?;
    section.name = name;
    Ok(Answer::json(200, &shape::section(section)))
}

/// The pins of a section stay on the board.
pub(crate) fn delete(state: &mut State, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    let board_id = caller.board(state, call.param(0), Right::Pin)?.id.clone();
    let board = state
        .board_mut(&board_id)
        .ok_or_else(ApiError::board_not_found)?;
    let at = board
        .sections
        .iter()
        .position(|section| section.id == call.param(1));
    board
        .sections
        .remove(at.ok_or_else(ApiError::section_not_found)?);
    for pin in state
        .pins
        .iter_mut()
        .filter(|pin| pin.section_id.as_deref() == Some(call.param(1)))
    {
        pin.section_id = None;
    }
    Ok(Answer::empty(204))
}

fn name(call: &Call) -> Result<String, ApiError> {
    let fields = fields::object(&call.body)?;
    let name = fields::required(&fields, "name").map_err(|_| invalid())?;
    if (1..=180).contains(&name.chars().count()) {
        Ok(name.to_owned())
    } else {
        Err(invalid())
    }
}

fn invalid() -> ApiError {
    ApiError::new(400, 400, "Invalid board section parameters.")
}

//! How values stand in a database, whichever it is: numbers, words and JSON text.

use multi_upload_wire::Mode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Phase, StoreError, StoreResult};

/// Integers of a database are signed; ours count up from 0 and never come near the end.
pub(super) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The number of a phase is its position in [`Phase::ALL`].
pub(super) fn phase_from_db(number: i64) -> StoreResult<Phase> {
    usize::try_from(number)
        .ok()
        .and_then(|index| Phase::ALL.get(index).copied())
        .ok_or_else(|| damaged("phase"))
}

pub(super) fn mode_from_db(word: &str) -> StoreResult<Mode> {
    match word {
        "test" => Ok(Mode::Test),
        "live" => Ok(Mode::Live),
        _ => Err(damaged("mode")),
    }
}

pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Failed(format!(
        "a stored row is damaged: its {what} cannot be read. Restore a backup"
    ))
}

/// JSON text of a value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Failed(format!("a value has no JSON form: {error}")))
}

/// JSON text of a value that may be absent.
pub(super) fn json_opt<T: Serialize>(value: Option<&T>) -> StoreResult<Option<String>> {
    value.map(json).transpose()
}

pub(super) fn parse<T: DeserializeOwned>(text: &str, what: &str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|_| damaged(what))
}

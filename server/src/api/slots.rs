//! Posting slots over HTTP.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use jiff::civil::Time;
use multi_upload_wire::{CreateSlot, ErrorCode, FieldError, Page, Slot, UpdateSlot, Weekday};

use super::accounts::created;
use super::auth::Caller;
use super::body::Object;
use super::fields::typed;
use super::problem::{Answer, Problem, field};
use super::query::Query;
use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::slots::{days_until, next_free, offered, taken_of};
use crate::state::App;
use crate::store::{Millis, SlotOutcome, SlotRow};
use crate::time::named_zone;

/// Most slots of one account.
const MAX_SLOTS: usize = 100;

/// Every day of the week.
const EVERY_DAY: u8 = 0b111_1111;

/// Lists the posting slots, by account and time of day.
#[utoipa::path(
    get, path = "/v1/slots", tag = "slots", operation_id = "list_slots",
    params(("account" = Option<String>, Query, description = "Only those of this account.")),
    responses(
        (status = 200, description = "All slots of accounts the key may use, with how far each is filled; one page.", body = Page<Slot>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Slot>>> {
    let mut query = Query::of(&uri);
    let account = query.text("account");
    query.limit();
    query.cursor("slots");
    query.end()?;
    let rows = app.store.slots(&caller.owner).await?;
    let now = app.clock.now();
    let mut items = Vec::new();
    for row in rows {
        let is_wanted = account.as_ref().is_none_or(|id| row.account_id == *id);
        if is_wanted && caller.may_use(&row.account_id) {
            items.push(public(&app, row, now).await?);
        }
    }
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Makes a slot. Each of its occurrences, one for each local date, takes one post.
#[utoipa::path(
    post, path = "/v1/slots", tag = "slots", operation_id = "create_slot",
    request_body = CreateSlot,
    responses(
        (status = 201, description = "The slot.", body = Slot),
        (status = 200, description = "The account had a slot on these days at this time already: that one, as it is.", body = Slot),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create(State(app): State<App>, caller: Caller, Object(body): Object) -> Answer {
    let asked: CreateSlot = typed(&body, "").map_err(Problem::fields)?;
    let now = app.clock.now();
    let mut faults = Vec::new();
    if caller.may_use(&asked.account) {
        let connected = app.store.account(&caller.owner, &asked.account).await?;
        if connected.is_none() {
            let shown: String = asked.account.chars().take(100).collect();
            faults.push(field(
                "/account",
                "unknown",
                format!("{shown:?} is not connected; GET /v1/accounts lists those that are"),
            ));
        }
    } else {
        caller.require_account(&asked.account)?;
    }
    let row = SlotRow {
        id: new_id("slot"),
        owner: caller.owner.clone(),
        account_id: asked.account,
        weekdays: days(asked.weekdays.as_deref(), EVERY_DAY, &mut faults),
        minute: minute(&asked.time, &mut faults),
        timezone: zone(asked.timezone, &mut faults),
        enabled: asked.enabled.unwrap_or(true),
        created_at: now,
    };
    if !faults.is_empty() {
        return Err(Problem::fields(faults));
    }
    let slots = app.store.slots(&caller.owner).await?;
    let (mut count, mut is_new) = (0, true);
    for slot in slots
        .iter()
        .filter(|slot| slot.account_id == row.account_id)
    {
        count += 1;
        is_new &= (slot.weekdays, slot.minute, &slot.timezone)
            != (row.weekdays, row.minute, &row.timezone);
    }
    if is_new && count >= MAX_SLOTS {
        return Err(Problem::field(
            "/account",
            "too_many",
            format!(
                "{} has {count} slots; at most {MAX_SLOTS} are allowed",
                row.account_id
            ),
        ));
    }
    match app.store.put_slot(row.clone(), true).await? {
        // A request that is sent again, because its answer was lost, makes no second one.
        SlotOutcome::Twin(id) => {
            let twin = visible(&app, &caller, &id).await?;
            return Ok(Json(public(&app, twin, now).await?).into_response());
        }
        outcome => stored(outcome, &row)?,
    }
    let location = format!("/v1/slots/{}", row.id);
    Ok(created(&public(&app, row, now).await?, Some(&location)))
}

/// Changes a slot. Posts that wait in it keep their times, and the dates they have taken stay taken.
#[utoipa::path(
    patch, path = "/v1/slots/{id}", tag = "slots", operation_id = "update_slot",
    params(("id" = String, Path, description = "`slot_…`")),
    request_body = UpdateSlot,
    responses(
        (status = 200, description = "The slot.", body = Slot),
        (status = 409, description = "The account has such a slot already.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Object(body): Object,
) -> Answer<Json<Slot>> {
    let asked: UpdateSlot = typed(&body, "").map_err(Problem::fields)?;
    let mut row = visible(&app, &caller, &id).await?;
    let mut faults = Vec::new();
    row.weekdays = days(asked.weekdays.as_deref(), row.weekdays, &mut faults);
    if let Some(time) = asked.time {
        row.minute = minute(&time, &mut faults);
    }
    if let Some(name) = asked.timezone {
        row.timezone = zone(name, &mut faults);
    }
    row.enabled = asked.enabled.unwrap_or(row.enabled);
    if !faults.is_empty() {
        return Err(Problem::fields(faults));
    }
    stored(app.store.put_slot(row.clone(), false).await?, &row)?;
    Ok(Json(public(&app, row, app.clock.now()).await?))
}

/// Removes a slot. Posts that wait in it keep their times.
#[utoipa::path(
    delete, path = "/v1/slots/{id}", tag = "slots", operation_id = "delete_slot",
    params(("id" = String, Path, description = "`slot_…`")),
    responses(
        (status = 204, description = "Gone."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let row = visible(&app, &caller, &id).await?;
    if app.store.delete_slot(&caller.owner, &row.id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_found(&id))
    }
}

async fn visible(app: &App, caller: &Caller, id: &str) -> Result<SlotRow, Problem> {
    let slots = app.store.slots(&caller.owner).await?;
    slots
        .into_iter()
        .find(|slot| slot.id == id && caller.may_use(&slot.account_id))
        .ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Problem {
    let shown: String = id.chars().take(100).collect();
    Problem::not_found("slot", &shown)
}

fn stored(outcome: SlotOutcome, row: &SlotRow) -> Result<(), Problem> {
    match outcome {
        SlotOutcome::Stored => Ok(()),
        SlotOutcome::Twin(id) => Err(Problem::new(
            ErrorCode::StateConflict,
            format!(
                "{} has a slot on the same days at {} in {} already: {id}",
                row.account_id,
                clock(row),
                row.timezone
            ),
        )),
        SlotOutcome::Gone => Err(not_found(&row.id)),
    }
}

/// The days as bits, Monday first.
fn days(asked: Option<&[Weekday]>, otherwise: u8, faults: &mut Vec<FieldError>) -> u8 {
    let Some(asked) = asked else {
        return otherwise;
    };
    if asked.is_empty() {
        faults.push(field(
            "/weekdays",
            "required",
            "name at least one day, or leave the field out for every day",
        ));
    }
    asked.iter().fold(0, |bits, day| bits | (1 << (*day as u8)))
}

/// Minutes after midnight.
fn minute(text: &str, faults: &mut Vec<FieldError>) -> u16 {
    let time = (text.len() == 5)
        .then(|| text.parse::<Time>().ok())
        .flatten()
        .filter(|_| text.as_bytes()[2] == b':');
    let Some(time) = time else {
        let shown: String = text.chars().take(60).collect();
        faults.push(field(
            "/time",
            "invalid",
            format!("{shown:?} is not a time of day; write it like 09:30 or 17:05"),
        ));
        return 0;
    };
    u16::try_from(time.hour()).unwrap_or_default() * 60
        + u16::try_from(time.minute()).unwrap_or_default()
}

fn zone(name: String, faults: &mut Vec<FieldError>) -> String {
    if let Err((_, detail)) = named_zone(&name) {
        faults.push(field("/timezone", "invalid", detail));
    }
    name
}

/// `09:30`.
fn clock(row: &SlotRow) -> String {
    format!("{:02}:{:02}", row.minute / 60, row.minute % 60)
}

async fn public(app: &App, row: SlotRow, now: Millis) -> Result<Slot, Problem> {
    let rows = [row];
    let [row] = &rows;
    // What waits in a slot that is not enabled is counted all the same.
    let mut running = row.clone();
    running.enabled = true;
    let occurrences = offered(&[running], &row.account_id, now);
    let store = app.store.as_ref();
    let taken = taken_of(store, &row.owner, &row.account_id, &occurrences).await?;
    let free = next_free(&occurrences, &row.owner, &row.account_id, &taken)
        .filter(|_| row.enabled)
        .map(|offer| offer.at);
    Ok(Slot {
        id: row.id.clone(),
        account: row.account_id.clone(),
        weekdays: Weekday::ALL
            .into_iter()
            .filter(|day| row.weekdays & (1 << (*day as u8)) != 0)
            .collect(),
        time: clock(row),
        timezone: row.timezone.clone(),
        enabled: row.enabled,
        created_at: rfc3339(row.created_at),
        next_free_at: free.map(rfc3339),
        taken: taken.count(&occurrences, &row.owner, &row.account_id),
        days_filled: if row.enabled {
            days_until(free, now)
        } else {
            0
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_two_numbers() {
        let mut faults = Vec::new();
        assert_eq!(minute("00:00", &mut faults), 0);
        assert_eq!(minute("09:30", &mut faults), 570);
        assert_eq!(minute("23:59", &mut faults), 1_439);
        assert_eq!(faults, Vec::new());
        for bad in [
            "9:30", "24:00", "12:60", "noon", "", "0930", "T0930", "09:30:15", "é:30",
        ] {
            let before = faults.len();
            minute(bad, &mut faults);
            assert_eq!(faults.len(), before + 1, "{bad}");
        }
    }

    #[test]
    fn days_are_bits_from_monday() {
        let mut faults = Vec::new();
        assert_eq!(days(None, EVERY_DAY, &mut faults), EVERY_DAY);
        let asked = [Weekday::Sun, Weekday::Mon, Weekday::Mon];
        assert_eq!(days(Some(&asked), EVERY_DAY, &mut faults), 0b100_0001);
        assert!(faults.is_empty());
        days(Some(&[]), EVERY_DAY, &mut faults);
        assert_eq!(faults.len(), 1);
    }
}

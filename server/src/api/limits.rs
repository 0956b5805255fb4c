//! `GET /v1/accounts/{id}/limits`: what an account may still do, by the count that publishing itself goes by.

use axum::Json;
use axum::extract::{Path, State};
use multi_upload_platforms::Rate;
use multi_upload_wire::{AccountLimits, LimitShare, LimitUse, SlotQueue};

use super::accounts::allowed;
use super::auth::Caller;
use super::problem::{Answer, Problem};
use crate::clock::rfc3339;
use crate::slots::{days_until, next_free, offered, taken_of};
use crate::state::{App, write_limit};
use crate::store::{AccountUse, Millis, Owner, StoreResult, WriteLimit};

/// What is left of an account's limits, and how far its posting slots are filled.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/limits", tag = "accounts", operation_id = "get_account_limits",
    params(("id" = String, Path, description = "As in `GET /v1/accounts/{id}`.")),
    responses(
        (status = 200, description = "Limits and what is used of them.", body = AccountLimits),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<AccountLimits>> {
    let id = allowed(&caller, id)?;
    let Some(account) = app.store.account(&caller.owner, &id).await? else {
        let shown: String = id.chars().take(100).collect();
        return Err(Problem::not_found("account", &shown));
    };
    let limits = app.platforms.get(&account.platform)?.limits();
    let now = app.clock.now();
    let limit = write_limit(limits.writes);
    let used = app
        .store
        .account_use(&caller.owner, &id, limit, now)
        .await?;
    Ok(Json(AccountLimits {
        writes: left_of(limits.writes, limit, &used, now),
        looks: LimitShare {
            limit: limits.looks.count,
            per_seconds: limits.looks.per.as_secs(),
        },
        resumes_at: used.held_until.map(rfc3339),
        slots: queue(&app, &caller.owner, &id, now).await?,
        account: id,
    }))
}

/// A write limit and how much of it is left.
fn left_of(rate: Rate, limit: WriteLimit, used: &AccountUse, now: Millis) -> LimitUse {
    let armed = u32::try_from(used.armed.len()).unwrap_or(u32::MAX);
    let count = armed.saturating_add(used.claimed);
    let first = used.armed.last();
    LimitUse {
        limit: rate.count,
        per_seconds: rate.per.as_secs(),
        used: count,
        left: rate.count.saturating_sub(count),
        renews_at: first.map(|at| rfc3339(at.saturating_add(limit.per_ms).max(now))),
    }
}

async fn queue(app: &App, owner: &Owner, account: &str, now: Millis) -> StoreResult<SlotQueue> {
    let store = app.store.as_ref();
    let slots = store.slots(owner).await?;
    let offers = offered(&slots, account, now);
    let taken = taken_of(store, owner, account, &offers).await?;
    let free = next_free(&offers, owner, account, &taken).map(|offer| offer.at);
    let count = slots
        .iter()
        .filter(|slot| slot.enabled && slot.account_id == account)
        .count();
    Ok(SlotQueue {
        count: count as u64,
        taken: taken.count(&offers, owner, account),
        next_free_at: free.map(rfc3339),
        days_filled: if count == 0 { 0 } else { days_until(free, now) },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_and_what_is_being_sent_counts() {
        let rate = Rate {
            count: 3,
            per: Duration::from_secs(60),
        };
        let limit = write_limit(rate);
        let of = |armed: &[Millis], claimed| {
            let used = AccountUse {
                armed: armed.to_vec(),
                claimed,
                held_until: None,
            };
            let left = left_of(rate, limit, &used, 100_000);
            (left.used, left.left, left.renews_at)
        };
        assert_eq!(of(&[], 0), (0, 3, None));
        assert_eq!(of(&[], 1), (1, 2, None));
        assert_eq!(
            of(&[90_000, 50_000], 1),
            (3, 0, Some("1970-01-01T00:01:50Z".to_owned()))
        );
    }
}

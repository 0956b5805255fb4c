//! Rows that travel alone: `POST /v1/uploads` for each, a few at once.

use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;

use super::{Batch, Row, RowResult};
use crate::answer;
use crate::client::no_object;
use crate::error::Error;
use crate::options::CallOptions;
use crate::uploads;

/// Requests under way at once. It hides the way to the service and back; a service on a small machine still breathes.
const IN_FLIGHT: usize = 8;

/// Sends each row by itself; results and progress are in the order of the rows.
pub(super) async fn send<R: Row, T: RowResult>(
    rows: Vec<R>,
    batch: &mut Batch<'_, T>,
) -> Result<(), Error> {
    let keys = batch.keys;
    let mut left = rows.into_iter().zip(keys);
    let mut under_way = FuturesOrdered::new();
    loop {
        while under_way.len() < IN_FLIGHT
            && let Some((row, key)) = left.next()
        {
            under_way.push_back(create(batch, row, key));
        }
        let Some(answer) = under_way.next().await else {
            return Ok(());
        };
        batch.add(answer.map(|result| vec![result]), 1)?;
    }
}

/// One row. Owns what it needs, so that the results can grow while it waits.
fn create<R: Row, T: RowResult>(
    batch: &Batch<'_, T>,
    row: R,
    key: &str,
) -> impl Future<Output = Result<T, Error>> + Send + use<R, T> {
    let (client, limit) = (batch.client.clone(), batch.limit);
    let options = CallOptions {
        idempotency_key: Some(key.to_owned()),
        ..batch.options.clone()
    };
    async move {
        if row.is_dry_run() {
            return Err(Error::invalid(
                "/dry_run",
                "unsupported",
                "a batch stores its rows; use `validate`",
            ));
        }
        let plan = uploads::create(&row)?;
        let mut stored = None;
        client
            .execute_part(
                &plan,
                &options,
                limit,
                &client.policy(&options),
                &mut |response| {
                    let replayed = response.headers.get("idempotency-replayed");
                    let replayed = replayed.is_some_and(|value| value == "true");
                    stored = Some(T::stored(answer::read(response)?, replayed));
                    Ok(())
                },
            )
            .await?;
        stored.ok_or_else(no_object)
    }
}

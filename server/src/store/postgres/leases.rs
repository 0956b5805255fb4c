//! Extending the leases of living holders.

use std::collections::BTreeSet;

use super::codec::to_db;
use super::db::{Db, begin, rows};
use super::pace;
use super::trouble::Res;
use crate::store::{Held, Millis};

const FIND: &str = "SELECT t.upload, t.n, x.fence, x.i \
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY \
       AS x (team, mode, upload, id, fence, i) \
     JOIN uploads u ON u.team = x.team AND u.mode = x.mode AND u.id = x.upload \
     JOIN targets t ON t.n BETWEEN u.n * 64 AND u.n * 64 + 63 AND t.id = x.id";

const EXTEND: &str = "UPDATE targets t SET lease_until = greatest(t.lease_until, $4) \
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS x (n, fence, i) \
     WHERE t.n = x.n AND t.fence = x.fence AND t.phase IN (2, 3, 4) AND t.lease_until IS NOT NULL RETURNING x.i";

/// Gives the ids of those that are not held by this holder any more. Whoever changes a target has locked its upload, so this
/// does too, in the same order.
pub(super) async fn extend(db: &Db, held: &[Held], until: Millis) -> Res<Vec<String>> {
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let column = |of: fn(&Held) -> &str| held.iter().map(of).collect::<Vec<_>>();
    let fences: Vec<_> = held.iter().map(|one| to_db(one.fence)).collect();
    let found = rows(
        &tx,
        FIND,
        &[
            &column(|one| &one.owner.team),
            &column(|one| one.owner.mode.as_str()),
            &column(|one| &one.upload_id),
            &column(|one| &one.target_id),
            &fences,
        ],
    )
    .await?;
    let uploads: BTreeSet<i64> = found.iter().map(|row| row.get(0)).collect();
    pace::lock_uploads(&tx, &uploads).await?;
    let column = |index: usize| {
        let values = found.iter().map(|row| row.get::<_, i64>(index));
        values.collect::<Vec<_>>()
    };
    let (numbers, fences, places) = (column(1), column(2), column(3));
    let extended = rows(&tx, EXTEND, &[&numbers, &fences, &places, &until]).await?;
    tx.commit().await?;
    let extended: BTreeSet<i64> = extended.iter().map(|row| row.get(0)).collect();
    Ok((1..)
        .zip(held)
        .filter(|(place, _)| !extended.contains(place))
        .map(|(_, one)| one.target_id.clone())
        .collect())
}

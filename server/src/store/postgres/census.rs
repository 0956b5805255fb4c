//! Counting what waits.

use deadpool_postgres::GenericClient;

use super::db::row;
use super::trouble::{Res, closed};
use crate::store::{Census, Millis};

/// Each part by an index that holds only what is counted.
const CENSUS: &str = "SELECT \
    (SELECT count(*) FROM targets WHERE phase IN (1, 5)), \
    (SELECT count(*) FROM targets WHERE phase IN (1, 5) AND due_at <= $1), \
    (SELECT count(*) FROM targets WHERE phase IN (2, 3)), \
    (SELECT count(*) FROM targets WHERE phase IN (2, 3, 4)) - (SELECT count(*) FROM targets WHERE phase IN (2, 3)), \
    (SELECT count(*) FROM targets WHERE phase = 10), \
    (SELECT count(*) FROM accounts WHERE NOT usable), \
    (SELECT min(next_at) FROM pace WHERE next_at IS NOT NULL AND next_at <= $1), \
    (SELECT min(lease_until) FROM targets WHERE phase IN (2, 3, 4) AND lease_until IS NOT NULL AND lease_until <= $1), \
    (SELECT count(*) FROM (SELECT 1 FROM attempts WHERE outcome IS NULL GROUP BY target HAVING count(*) > 1) AS twice)";

pub(super) async fn census<C: GenericClient>(client: &C, now: Millis) -> Res<Census> {
    let row = row(client, CENSUS, &[&now]).await?.ok_or_else(closed)?;
    Ok(Census {
        waiting: row.get(0),
        due: row.get(1),
        under_way: row.get(2),
        in_doubt: row.get(3),
        needs_review: row.get(4),
        accounts_unusable: row.get(5),
        oldest_due: row.get(6),
        oldest_lease: row.get(7),
        attempts_open_twice: row.get(8),
    })
}

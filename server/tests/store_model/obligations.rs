//! What has to hold in the database after every call, whatever the model says.

use crate::place::Database;

/// Each counts the rows that break it.
const OBLIGATIONS: [(&str, &str); 7] = [
    (
        "P1: at most one open attempt of a target",
        "SELECT count(*) FROM (SELECT target FROM attempts WHERE outcome IS NULL GROUP BY target HAVING count(*) > 1) x",
    ),
    (
        "P5: a post belongs to one target",
        "SELECT count(*) FROM (SELECT mode FROM targets WHERE remote_id IS NOT NULL GROUP BY mode, account_id, remote_id \
         HAVING count(*) > 1) x",
    ),
    (
        "P7: one holder of a board",
        "SELECT count(*) FROM (SELECT mode FROM targets WHERE phase IN (2, 3) GROUP BY mode, account_id, board \
         HAVING count(*) > 1) x",
    ),
    (
        "P7: one of those that a look could not tell apart",
        "SELECT count(*) FROM (SELECT mode FROM targets WHERE phase IN (2, 3, 4) GROUP BY mode, account_id, fingerprint \
         HAVING count(*) > 1) x",
    ),
    (
        "P8: who is under way has a lease that ends, and nobody else has one",
        "SELECT count(*) FROM targets WHERE (phase IN (2, 3) AND lease_until IS NULL) \
         OR (phase NOT IN (2, 3, 4) AND lease_until IS NOT NULL)",
    ),
    (
        "P8: what waits is in a lane that is known",
        "SELECT count(*) FROM targets t WHERE phase IN (1, 5) AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.mode = t.mode \
         AND l.account_id = t.account_id AND l.board = t.board)",
    ),
    (
        "an attempt belongs to a target",
        "SELECT count(*) FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM targets t WHERE t.n = a.target)",
    ),
];

pub(crate) async fn hold(database: &Database) -> Result<(), String> {
    // In one query: it runs after every step.
    let all: Vec<_> = OBLIGATIONS
        .iter()
        .map(|(_, sql)| format!("({sql})"))
        .collect();
    if database
        .number(&format!("SELECT {}", all.join(" + ")))
        .await
        == 0
    {
        return Ok(());
    }
    for (name, sql) in OBLIGATIONS {
        let broken = database.number(sql).await;
        if broken > 0 {
            return Err(format!("{name}: broken by {broken}"));
        }
    }
    Err("an obligation was broken for a moment".to_owned())
}

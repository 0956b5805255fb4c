//! Whoever can write to the database, but has neither the root key nor the checkpoint file, is found out.

use std::path::Path;
use std::sync::Arc;

use multi_upload_wire::{AuditReport, Mode, Scope};
use rusqlite::{Connection, params};

use super::checkpoints::Checkpoints;
use super::{AuditKeys, verify};
use crate::chance::Chance;
use crate::store::sqlite::SqliteStore;
use crate::store::{ApiKeyRow, AuditHead, AuditStore as _, Owner, Store};
use crate::vault::MasterKey;

const TEAM: &str = "team_a";
const DB: &str = "audit.db";
/// Rows of the log; the last checkpoint stands at the end.
const ROWS: i64 = 40;

fn keys() -> AuditKeys {
    AuditKeys::of(&MasterKey::parse(&"0a".repeat(32)).unwrap()).unwrap()
}

fn api_key(n: i64) -> ApiKeyRow {
    ApiKeyRow {
        id: format!("key_{n:04}"),
        owner: Owner {
            team: TEAM.to_owned(),
            mode: Mode::Live,
        },
        name: None,
        hash: vec![7; 32],
        scopes: vec![Scope::Admin],
        accounts: None,
        created_at: 1_000 + n,
        expires_at: None,
        revoked_at: None,
    }
}

async fn write(store: &SqliteStore, rows: std::ops::Range<i64>) -> Vec<AuditHead> {
    for n in rows {
        store.create_api_key(api_key(n)).await.unwrap();
    }
    let mut heads = Vec::new();
    loop {
        // In portions, as the sealer does it.
        let some = store.seal_audit(keys().chain, 7).await.unwrap();
        if some.is_empty() {
            return heads;
        }
        heads = some;
    }
}

/// A folder with a sealed log and its checkpoints.
async fn sealed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join(DB)).unwrap();
    let file = Checkpoints::in_folder(folder.path());
    for part in [0..ROWS / 2, ROWS / 2..ROWS] {
        let heads = write(&store, part).await;
        file.add(&keys(), &heads, 5_000).unwrap();
    }
    store.close().await.unwrap();
    folder
}

async fn report(folder: &Path) -> AuditReport {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_shared(&folder.join(DB)).unwrap());
    let report = verify(store.as_ref(), &keys(), folder, TEAM).await.unwrap();
    store.close().await.unwrap();
    report
}

/// A copy of the folder, and its database open for whoever wants to change it.
fn copy(from: &Path) -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let conn = Connection::open(folder.path().join(DB)).unwrap();
    (folder, conn)
}

/// One change at random; says which.
fn tamper(conn: &Connection, chance: &Chance) -> String {
    let upto = |n: i64| ((chance.next() * n as f64) as i64).min(n - 1);
    let (one, mut other) = (1 + upto(ROWS), 1 + upto(ROWS));
    if one == other {
        other = other % ROWS + 1;
    }
    let texts = [
        "team",
        "mode",
        "actor",
        "actor_id",
        "request_id",
        "action",
        "object",
        "target",
        "detail",
        "data",
    ];
    let column = texts[upto(texts.len() as i64) as usize];
    let run = |sql: &str| {
        conn.execute(sql, []).unwrap();
    };
    match upto(9) {
        0 => {
            let value = if column == "mode" {
                "test"
            } else {
                "someone else"
            };
            conn.execute(
                &format!("UPDATE audit SET {column} = ?2 WHERE place = ?1"),
                params![one, value],
            )
            .unwrap();
            format!("{column} of {one}")
        }
        1 => {
            run(&format!("UPDATE audit SET at = at + 1 WHERE place = {one}"));
            format!("time of {one}")
        }
        2 => {
            run(&format!("DELETE FROM audit WHERE place = {one}"));
            format!("{one} deleted")
        }
        3 => {
            // A row taken out and the chain closed behind it, as well as one can without the key.
            run(&format!("DELETE FROM audit WHERE place = {one}"));
            for place in one + 1..=ROWS {
                run(&format!(
                    "UPDATE audit SET place = {} WHERE place = {place}",
                    place - 1
                ));
            }
            run("UPDATE audit_heads SET place = place - 1");
            format!("{one} deleted and the rest moved up")
        }
        4 => {
            run(&format!("UPDATE audit SET place = -1 WHERE place = {one}"));
            run(&format!(
                "UPDATE audit SET place = {one} WHERE place = {other}"
            ));
            run(&format!(
                "UPDATE audit SET place = {other} WHERE place = -1"
            ));
            format!("{one} and {other} swapped")
        }
        5 => {
            for column in ["object", "at", "detail"] {
                let sql = format!(
                    "UPDATE audit SET {column} = (SELECT {column} FROM audit b WHERE b.place = {other}) WHERE place = {one}"
                );
                run(&sql);
            }
            format!("{other} written over {one}")
        }
        6 => {
            // The end cut off, and the note of it set back to what was right then.
            run(&format!("DELETE FROM audit WHERE place >= {one}"));
            run(&format!(
                "UPDATE audit_heads SET place = {}, hash = coalesce((SELECT hash FROM audit WHERE place = {}), x'')",
                one - 1,
                one - 1
            ));
            format!("cut before {one}")
        }
        7 => {
            run(&format!(
                "UPDATE audit SET hash = randomblob(32) WHERE place = {one}"
            ));
            format!("hash of {one}")
        }
        _ => {
            run("DELETE FROM audit");
            run("DELETE FROM audit_heads");
            "everything deleted".to_owned()
        }
    }
}

#[tokio::test]
async fn every_tampering_is_found() {
    let folder = sealed().await;
    let clean = report(folder.path()).await;
    assert!(clean.ok, "{clean:?}");
    assert_eq!(
        (clean.rows, clean.unsealed, clean.checkpoints),
        (ROWS as u64, 0, 2)
    );
    let chance = Chance::seeded(20_261_124);
    for round in 0..400 {
        let (changed, conn) = copy(folder.path());
        let what = tamper(&conn, &chance);
        drop(conn);
        let found = report(changed.path()).await;
        assert!(!found.ok, "round {round}: {what} was not found: {found:?}");
        assert!(!found.faults.is_empty());
    }
}

#[tokio::test]
async fn a_changed_checkpoint_file_is_found_and_a_lost_one_shows() {
    let folder = sealed().await;
    let path = folder.path().join("audit-checkpoints.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("team_a", "team_b", 1)).unwrap();
    assert!(!report(folder.path()).await.ok);
    std::fs::remove_file(&path).unwrap();
    let found = report(folder.path()).await;
    assert_eq!((found.checkpoints, found.last_checkpoint), (0, None));
}

/// What the design does not promise, so that nobody believes it: rows behind the last checkpoint can be cut off together with
/// the note of the end, and rows that are not sealed yet can be changed. The report says how far the checkpoints reach.
#[tokio::test]
async fn the_newest_rows_are_not_protected_yet() {
    let folder = sealed().await;
    let store = SqliteStore::open(&folder.path().join(DB)).unwrap();
    write(&store, ROWS..ROWS + 5).await;
    store.create_api_key(api_key(99)).await.unwrap();
    store.close().await.unwrap();
    let before = report(folder.path()).await;
    assert_eq!(
        (before.ok, before.rows, before.unsealed),
        (true, ROWS as u64 + 5, 1)
    );
    assert_eq!(before.last_checkpoint, Some(ROWS as u64));
    let conn = Connection::open(folder.path().join(DB)).unwrap();
    conn.execute(
        "DELETE FROM audit WHERE place > ?1 OR place IS NULL",
        [ROWS],
    )
    .unwrap();
    conn.execute(
        "UPDATE audit_heads SET place = ?1, hash = (SELECT hash FROM audit WHERE place = ?1)",
        [ROWS],
    )
    .unwrap();
    drop(conn);
    let after = report(folder.path()).await;
    assert_eq!((after.ok, after.rows), (true, ROWS as u64));
}

//! Jobs a second through a queue on PostgreSQL: taken when due and completed, counted when the completion is committed. Nothing
//! is published, so what is left is the price of taking and of telling.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use multi_upload_server::store::postgres::PgStore;
use multi_upload_server::store::{
    AttemptChange, Millis, NewEvent, NewUpload, Phase, Store, TargetChange, TargetRow,
};
use serde_json::Map;
use tokio::runtime::Runtime;

use super::artefacts::Artefacts;
use super::cluster::Cluster;
use super::figure::{Figure, Target};
use super::measure::median;
use super::peers::{NAMES, Peers};
use super::seed::{self, Seed};
use super::{Effort, note};

/// Taken at once, as everybody here does.
const BATCH: u32 = 100;

/// Loops that take and complete.
const LOOPS: usize = 4;

/// The least times as many as each peer, in the order of [`NAMES`].
const TARGETS: [f64; 2] = [2.5, 10.0];

const NOW: Millis = 1_800_000_000_000;
const LEASE: Millis = 30_000;

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let (rounds, count) = (effort.of(3, 1), effort.of(20_000, 1_000));
    let peers = Peers::install(artefacts)?;
    let template = seed::template(artefacts)?;
    let cluster = Cluster::start()?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    note(&format!("dispatch: {rounds} rounds of {count} jobs"));
    let (mut plain, mut whole) = (Vec::new(), Vec::new());
    let mut others = [const { Vec::new() }; NAMES.len()];
    for round in 0..rounds {
        for (figures, intent) in [(&mut plain, false), (&mut whole, true)] {
            let url = cluster.database(&format!("ours_{round}_{intent}"))?;
            figures.push(runtime.block_on(ours(&url, &template, count, intent))?);
        }
        for (index, name) in NAMES.into_iter().enumerate() {
            let database = format!("{}_{round}", name.replace('-', "_"));
            let url = cluster.database(&database)?;
            let answer = peers.run("dispatch.mjs", &[name, &url, &count.to_string()])?;
            others[index].push(answer["jobs_per_second"].as_f64().unwrap_or(f64::NAN));
        }
    }
    let (plain, whole) = (median(plain), median(whole));
    let mut figures = Vec::new();
    for ((name, theirs), target) in NAMES.into_iter().zip(others).zip(TARGETS) {
        figures.push(
            Figure::new(&format!("dispatch, against {name}"), "/s", plain)
                .against(median(theirs))
                .target(Target::TimesAtLeast(target)),
        );
    }
    figures.push(Figure::new("dispatch, with the intent row between", "/s", whole).against(plain));
    Ok(figures)
}

/// Jobs a second of ours. With `intent`, as it really is: the row that says "about to send" is stored between the two.
async fn ours(url: &str, template: &NewUpload, count: usize, intent: bool) -> Result<f64, String> {
    let failed = |error: multi_upload_server::store::StoreError| error.to_string();
    let store: Arc<dyn Store> = Arc::new(PgStore::connect(url).await.map_err(failed)?);
    let mut seed = Seed::new(template, NOW - 1);
    seed.fill(store.as_ref(), count).await?;
    let begun = Instant::now();
    let mut loops = Vec::new();
    for _ in 0..LOOPS {
        loops.push(tokio::spawn(take_and_complete(Arc::clone(&store), intent)));
    }
    let mut done = 0;
    for one in loops {
        done += one
            .await
            .map_err(|error| error.to_string())?
            .map_err(failed)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    store.close().await.map_err(failed)?;
    if done != count {
        return Err(format!("{done} of {count} jobs were completed"));
    }
    Ok(count as f64 / seconds)
}

async fn take_and_complete(
    store: Arc<dyn Store>,
    intent: bool,
) -> Result<usize, multi_upload_server::store::StoreError> {
    let mut done = 0;
    loop {
        let limits = Arc::new(BTreeMap::new());
        let mut taken = store.claim(NOW, NOW + LEASE, BATCH, limits).await?;
        if taken.is_empty() {
            return Ok(done);
        }
        if intent {
            let armed = taken.into_iter().map(arm).collect();
            taken = store
                .change_targets(armed)
                .await?
                .into_iter()
                .flatten()
                .collect();
        }
        let moves = taken.into_iter().map(complete).collect();
        done += store.change_targets(moves).await?.iter().flatten().count();
    }
}

fn arm(row: TargetRow) -> TargetChange {
    let mut armed = row.clone();
    armed.phase = Phase::Armed;
    armed.attempts += 1;
    let open = AttemptChange::Open {
        number: armed.attempts,
        deadline: NOW + 5_000,
        baseline: None,
    };
    change(&row, armed, Some(open), "target.armed")
}

fn complete(row: TargetRow) -> TargetChange {
    let mut done = row.clone();
    done.phase = Phase::Published;
    done.lease_until = None;
    done.remote_id = Some(row.id.clone());
    done.published_at = Some(NOW);
    let close = (row.phase == Phase::Armed).then_some(AttemptChange::Close {
        number: row.attempts,
        outcome: "applied",
    });
    change(&row, done, close, "target.published")
}

fn change(
    before: &TargetRow,
    row: TargetRow,
    attempt: Option<AttemptChange>,
    kind: &'static str,
) -> TargetChange {
    TargetChange {
        expect_phase: before.phase,
        expect_fence: before.fence,
        attempt,
        event: NewEvent {
            kind,
            target_id: Some(row.id.clone()),
            detail: String::new(),
            data: Map::new(),
            at: NOW,
        },
        at: NOW,
        row,
    }
}

//! A store on disk, a network in memory, a clock that moves by hand, and processes that die between
//! two polls.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use multi_upload_platforms::{Content, Platform};
use multi_upload_wire::{CreateUpload, Mode, UploadStatus};
use serde_json::Map;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::dispatcher::Round;
use super::super::runner::Worker;
use super::figures::Figures;
use super::network::Network;
use super::weather::{Mutant, Weather};
use crate::accounts::{Accounts, Parts};
use crate::clock::Clock;
use crate::config::{Config, Redirect};
use crate::media::Library;
use crate::publish::Wake;
use crate::safety::Safety;
use crate::state::{App, AppInner, Platforms, RestoredAt};
use crate::store::sqlite::SqliteStore;
use crate::store::{
    AccountRow, AttemptChange, CreateOutcome, Millis, NewEvent, NewUpload, Owner, Phase, Store,
    TargetChange, TargetRow, UploadRow, When,
};
use crate::vault::{MasterKey, Vault};

const DAY: Millis = 86_400_000;

/// More rounds than any schedule within the bounds needs.
const ROUNDS: u32 = 5_000;

/// What is published in a schedule.
pub(super) struct Schedule {
    pub(super) weather: Weather,
    /// One target for each; equal numbers mean equal contents.
    pub(super) contents: Vec<u32>,
    /// Each process but the last dies after this many polls, and the next begins so much later.
    pub(super) deaths: Vec<(u64, Millis)>,
}

pub(super) struct World {
    folder: TempDir,
    store: Arc<SqliteStore>,
    vault: Vault,
    clock: Clock,
    network: Arc<Network>,
    owner: Owner,
    serial: u64,
}

impl World {
    pub(super) async fn new() -> Self {
        // In memory where the system has such a folder: it is the order of writes that counts here.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
        let shared: Arc<dyn Store> = store.clone();
        let master = MasterKey::parse(&"07".repeat(32)).unwrap();
        let vault = Vault::open(Arc::clone(&shared), master).await.unwrap();
        let clock = Clock::fixed(1_780_000_000_000);
        let owner = Owner {
            team: "team_default".to_owned(),
            mode: Mode::Test,
        };
        let network = Arc::new(Network::new(clock.clone(), shared, owner.clone()));
        Self {
            folder,
            store,
            vault,
            clock,
            network,
            owner,
            serial: 0,
        }
    }

    /// A process: what it keeps in memory is new, what is on disk is as it was.
    async fn process(&self, mutant: Mutant) -> Round {
        let store: Arc<dyn Store> = self.store.clone();
        let network: Arc<dyn Platform> = self.network.clone();
        let platforms = Platforms::new([network]);
        let wake = Wake::default();
        let mut config = Config::new(self.folder.path());
        config.mode = self.owner.mode;
        config.clock = self.clock.clone();
        if mutant == Mutant::NoQuiet {
            config.quiet_period = Duration::ZERO;
        }
        let accounts = Accounts::new(Parts {
            store: Arc::clone(&store),
            vault: self.vault.clone(),
            platforms: platforms.clone(),
            clock: self.clock.clone(),
            public_url: String::new(),
            redirect: Redirect::Served,
            wake: wake.clone(),
        });
        let clock = self.clock.clone();
        let media = Library::open(
            config.media.clone(),
            &config.data,
            Arc::clone(&store),
            clock,
        );
        let media = media.await.unwrap();
        Round::new(App(Arc::new(AppInner {
            restored_at: RestoredAt::new(None),
            safety: Safety::off(),
            closing: CancellationToken::new(),
            store,
            accounts,
            media,
            gate: crate::gate::Gate::new(true),
            vault: self.vault.clone(),
            audit_keys: crate::audit::AuditKeys::of(&MasterKey::parse(&"0a".repeat(32)).unwrap())
                .unwrap(),
            audit_news: Arc::default(),
            mail: crate::webhooks::Mail::default(),
            platforms,
            clock: self.clock.clone(),
            wake,
            metrics: crate::metrics::Metrics::default(),
            changes: self.store.changes_watch(),
            config,
        })))
    }

    /// Runs a schedule to its end. The second answer is how many polls the first process had, or
    /// `None` if it died.
    pub(super) async fn run(&mut self, schedule: Schedule) -> (Figures, Option<u64>) {
        let mutant = schedule.weather.mutant;
        let uploads = self.store_uploads(&schedule).await;
        let titles: Vec<_> = uploads
            .iter()
            .map(|row| {
                let title = row.targets[0].content.title.clone();
                (row.id.clone(), title.unwrap_or_default())
            })
            .collect();
        let board = board(self.serial);
        let mut weather = schedule.weather;
        weather.answers = weather
            .answers
            .into_iter()
            .map(|(content, answers)| (format!("{board}/{content}"), answers))
            .collect();
        let humans_welcome = weather.bad_baselines > 0 || weather.outage;
        self.network.begin(weather, &board, &titles);

        let mut figures = Figures {
            schedules: 1,
            targets: titles.len() as u64,
            ..Figures::default()
        };
        let mut finals = HashMap::new();
        let mut first = None;
        let mut deaths = schedule.deaths.into_iter();
        for process_number in 0.. {
            let round = self.process(mutant).await;
            let death = deaths.next();
            let (ended, polls) = {
                let life = pin!(live(&round, mutant));
                poll_until(life, death.map(|(polls, _)| polls)).await
            };
            // The renewal of a token is a task of its own, and ends.
            round.app.accounts.settle().await;
            self.check_finals(&titles, &mut finals, &mut figures).await;
            match ended {
                Some(all) => {
                    first = (process_number == 0).then_some(polls);
                    figures.stuck += u64::from(!all);
                    break;
                }
                None => {
                    figures.crashes += 1;
                    let pause = death.map_or(0, |(_, pause)| pause);
                    self.clock.set(self.clock.now() + pause);
                }
            }
        }
        self.judge(&titles, humans_welcome, &mut figures).await;
        self.clock.set(self.clock.now() + DAY);
        (figures, first)
    }

    async fn store_uploads(&mut self, schedule: &Schedule) -> Vec<UploadRow> {
        self.serial += 1;
        let serial = self.serial;
        let (now, board) = (self.clock.now(), board(serial));
        let account = format!("network:{serial}");
        let seal = async |column, text| {
            let sealed = self.vault.seal(&self.owner, &account, column, text).await;
            sealed.unwrap()
        };
        let row = AccountRow {
            id: account.clone(),
            owner: self.owner.clone(),
            platform: "network".to_owned(),
            name: None,
            scopes: Vec::new(),
            usable: true,
            connected_at: now,
            access_sealed: seal("access", "first").await,
            refresh_sealed: Some(seal("refresh", "again").await),
            access_expires_at: now + 30 * DAY,
            refresh_expires_at: None,
            token_version: 1,
        };
        self.store.put_account(row).await.unwrap();
        let new = schedule.contents.iter().enumerate().map(|(n, content)| {
            let id = format!("up_{serial:08}_{n}");
            let title = format!("{board}/{content}");
            let due = now + Millis::try_from(n).unwrap() * 20_000;
            let target = TargetRow {
                id: format!("tg_{serial:08}_{n}"),
                upload_id: id.clone(),
                owner: self.owner.clone(),
                account_id: account.clone(),
                platform: "network".to_owned(),
                phase: Phase::Scheduled,
                fence: 0,
                due_at: due,
                scheduled_at: due,
                send_until: due + DAY,
                lease_until: None,
                attempts: 0,
                setbacks: 0,
                content: Content {
                    title: Some(title.clone()),
                    board_id: Some(board.clone()),
                    ..Content::default()
                },
                fingerprint: title,
                attempt: None,
                prepared: None,
                remote_id: None,
                remote_url: None,
                published_at: None,
                error: None,
                sentinel_at: None,
            };
            NewUpload {
                row: UploadRow {
                    id,
                    owner: self.owner.clone(),
                    status: UploadStatus::Scheduled,
                    content: CreateUpload::default(),
                    scheduled_at: Some(due),
                    timezone: None,
                    external_id: None,
                    version: 1,
                    change_seq: 0,
                    created_at: now,
                    updated_at: now,
                    targets: vec![target],
                },
                events: vec![event("upload.scheduled", now)],
                idempotency: None,
                when: When::Kept,
            }
        });
        let outcomes = self.store.create_uploads(new.collect()).await.unwrap();
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                CreateOutcome::Stored(row) => *row,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    async fn targets(&self, uploads: &[(String, String)]) -> Vec<TargetRow> {
        let mut targets = Vec::new();
        for (id, _) in uploads {
            let row = self.store.upload(&self.owner, id).await.unwrap();
            targets.extend(row.unwrap().targets);
        }
        targets
    }

    /// P6: what was published stays so, with the same id.
    async fn check_finals(
        &self,
        uploads: &[(String, String)],
        finals: &mut HashMap<String, Option<String>>,
        figures: &mut Figures,
    ) {
        for target in self.targets(uploads).await {
            let known = finals.get(&target.id);
            if known.is_some_and(|id| *id != target.remote_id) {
                let text = format!("P6: {} is not what it was", target.id);
                figures.violations.push(text);
            }
            if target.phase == Phase::Published {
                finals.insert(target.id, target.remote_id);
            }
        }
    }

    /// Compares what the store says with the ledger.
    async fn judge(
        &self,
        uploads: &[(String, String)],
        humans_welcome: bool,
        figures: &mut Figures,
    ) {
        let targets = self.targets(uploads).await;
        let state = self.network.state();
        figures.violations.extend(state.violations.iter().cloned());
        figures.requests += state.requests;
        figures.looks += state.looks;
        let armed: u64 = targets.iter().map(|t| u64::from(t.attempts)).sum();
        // A process that dies between the intent and the request leaves an attempt without one.
        if state.requests > armed || armed > state.requests + figures.crashes {
            let text = format!("P12: {armed} attempts, {} requests", state.requests);
            figures.violations.push(text);
        }
        let mut taken = BTreeSet::new();
        let mut left: HashMap<&str, u64> = HashMap::new();
        for target in &targets {
            match target.phase {
                Phase::Published => {
                    figures.published += 1;
                    let id = target.remote_id.clone().unwrap_or_default();
                    let exists = state.posts.iter().any(|post| {
                        post.ours
                            && post.id == id
                            && target.content.title.as_ref() == Some(&post.title)
                    });
                    figures.lost += u64::from(!exists || !taken.insert(id));
                    if let Some(error) = &target.error {
                        let like_it = |other: &&TargetRow| other.fingerprint == target.fingerprint;
                        if targets.iter().filter(like_it).count() == 1 {
                            let text = format!("published with an error: {}", error.detail);
                            figures.violations.push(text);
                        }
                        figures.alarms += 1;
                    }
                }
                Phase::Failed => figures.failed += 1,
                Phase::NeedsReview => {
                    figures.human += 1;
                    let title = target.content.title.as_deref().unwrap_or_default();
                    *left.entry(title).or_default() += 1;
                    if !humans_welcome {
                        let text = format!("to a human: {:?}", target.error);
                        figures.violations.push(text);
                    }
                }
                phase => {
                    figures.stuck += 1;
                    let text = format!("{} ended as {phase:?}", target.id);
                    figures.violations.push(text);
                }
            }
        }
        for post in state.posts.iter().filter(|post| post.ours) {
            if taken.contains(&post.id) {
                continue;
            }
            // A person who judges a target may find its one post.
            match left.get_mut(post.title.as_str()) {
                Some(n) if *n > 0 => *n -= 1,
                _ => figures.duplicates += 1,
            }
        }
    }
}

fn board(serial: u64) -> String {
    format!("b{serial}")
}

fn event(kind: &'static str, at: Millis) -> NewEvent {
    NewEvent {
        kind,
        target_id: None,
        detail: kind.to_owned(),
        data: Map::new(),
        at,
    }
}

/// Polls by hand; at `death` polls the future is left where it stands.
async fn poll_until<F: Future>(
    mut life: std::pin::Pin<&mut F>,
    death: Option<u64>,
) -> (Option<F::Output>, u64) {
    let mut polls = 0;
    let output = std::future::poll_fn(|cx| {
        polls += 1;
        match life.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if Some(polls) == death => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    (output, polls)
}

/// A process from its start until nothing is left to do, the clock going from timer to timer. False if
/// it comes to no end.
async fn live(round: &Round, mutant: Mutant) -> bool {
    let (store, clock) = (&round.app.store, &round.app.clock);
    store.expire_leases(clock.now()).await.unwrap();
    if mutant == Mutant::RunAgain {
        run_again(round).await;
    }
    for _ in 0..ROUNDS {
        let now = clock.now();
        round.end_dead_leases(now).await.unwrap();
        let claimed = round.claim(now, 16).await.unwrap();
        if !claimed.is_empty() {
            let worker = Worker {
                app: &round.app,
                baselines: &round.baselines,
                stop: &round.stop,
            };
            join_all(claimed.into_iter().map(|target| worker.work(target))).await;
            continue;
        }
        match store.next_timer().await.unwrap() {
            None => return true,
            Some(next) => clock.set(next.max(clock.now() + 1)),
        }
    }
    false
}

/// The rule that is not ours: what was under way when the process died is sent again.
async fn run_again(round: &Round) {
    let now = round.app.clock.now();
    for target in round.app.store.expired(now, 100).await.unwrap() {
        if target.phase != Phase::Armed {
            continue;
        }
        let mut row = target.clone();
        row.phase = Phase::Waiting;
        row.lease_until = None;
        row.attempt = None;
        row.due_at = now;
        let change = TargetChange {
            expect_phase: target.phase,
            expect_fence: target.fence,
            attempt: Some(AttemptChange::Close {
                number: target.attempts,
                outcome: "not_sent",
            }),
            event: event("target.released", now),
            at: now,
            row,
        };
        round.app.store.change_target(change).await.unwrap();
    }
}

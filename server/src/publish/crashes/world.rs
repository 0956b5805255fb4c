//! A store, a network in memory, a clock that moves by hand, and processes that die, freeze or hear wrong.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join;
use multi_upload_platforms::Platform;
use multi_upload_wire::Mode;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::dispatcher::Round;
use super::between::{Between, Fate};
use super::cluster::Place;
use super::figures::Figures;
use super::judge::{Allowed, judge};
use super::network::Network;
use super::process::{Came, Trouble, live, poll_until};
use super::rows::{self, DAY, board};
use super::weather::{Mutant, Weather};
use super::{mutants, restore};
use crate::accounts::{Accounts, Parts};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Config, Redirect};
use crate::media::Library;
use crate::publish::Wake;
use crate::safety::Safety;
use crate::state::{App, AppInner, Platforms, RestoredAt};
use crate::store::sqlite::SqliteStore;
use crate::store::{CreateOutcome, Millis, Owner, Phase, Store, TargetRow, UploadRow};
use crate::vault::{MasterKey, Vault};

/// What is published in a schedule.
pub(super) struct Schedule {
    pub(super) weather: Weather,
    /// One target for each; equal numbers mean equal contents.
    pub(super) contents: Vec<u32>,
    /// What befalls each process but the last.
    pub(super) troubles: Vec<Trouble>,
    /// After the first death the database is what it was at the beginning.
    pub(super) restores: bool,
}

pub(super) struct World {
    folder: TempDir,
    store: Arc<dyn Store>,
    changes: watch::Receiver<u64>,
    /// The file, where it is SQLite: one process has it alone.
    file: Option<PathBuf>,
    place: Option<Place>,
    /// Whether each call of the store is answered on the spot, between two polls: then a schedule repeats itself.
    is_steady: bool,
    vault: Vault,
    pub(super) clock: Clock,
    pub(super) network: Arc<Network>,
    owner: Owner,
    serial: u64,
}

impl World {
    /// On SQLite. Polls come as its threads answer.
    pub(super) async fn new() -> Self {
        Self::on_sqlite(false).await
    }

    /// On SQLite, and the same schedule comes to the same end.
    pub(super) async fn steady() -> Self {
        Self::on_sqlite(true).await
    }

    async fn on_sqlite(is_steady: bool) -> Self {
        let folder = folder();
        let file = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&file).unwrap());
        let changes = store.changes_watch();
        Self::on(folder, store, changes, Some(file), None, is_steady).await
    }

    /// On PostgreSQL, where there is one.
    pub(super) async fn on_postgres() -> Option<Self> {
        let place = Place::new().await?;
        let store = Arc::new(place.open().await);
        let changes = store.changes_watch();
        Some(Self::on(folder(), store, changes, None, Some(place), false).await)
    }

    async fn on(
        folder: TempDir,
        store: Arc<dyn Store>,
        changes: watch::Receiver<u64>,
        file: Option<PathBuf>,
        place: Option<Place>,
        is_steady: bool,
    ) -> Self {
        let master = MasterKey::parse(&"07".repeat(32)).unwrap();
        let vault = Vault::open(Arc::clone(&store), master).await.unwrap();
        let clock = Clock::fixed(1_780_000_000_000);
        let owner = Owner {
            team: "team_default".to_owned(),
            mode: Mode::Test,
        };
        let asked: Arc<dyn Store> = Arc::new(Between {
            inner: Arc::clone(&store),
            waits: is_steady,
            fate: Box::new(|_| Fate::Answered),
            moves: None,
        });
        let network = Network::new(clock.clone(), asked, owner.clone());
        Self {
            folder,
            store,
            changes,
            file,
            place,
            is_steady,
            vault,
            clock,
            network: Arc::new(network),
            owner,
            serial: 0,
        }
    }

    /// Removes what a server would keep.
    pub(super) async fn end(self) {
        drop(self.store);
        if let Some(place) = self.place {
            place.end().await;
        }
    }

    /// The file of the database, where it is one.
    pub(super) fn file(&self) -> &PathBuf {
        self.file.as_ref().expect("SQLite")
    }

    /// A process: what it keeps in memory is new, what is on disk is as it was. Counts its writes; of one it hears wrong.
    async fn process(
        &self,
        mutant: Mutant,
        loses: Option<(u64, Fate)>,
        restored_at: Option<Millis>,
        lost: &Arc<AtomicU64>,
    ) -> Round {
        let (writes, lost) = (AtomicU64::new(0), Arc::clone(lost));
        let fate = move |name: &str| {
            // Whoever waits for a renewal waits by the machine's time, which does not move this clock.
            if ["begin_renewal", "end_renewal", "save_tokens"].contains(&name) {
                return Fate::Answered;
            }
            let write = writes.fetch_add(1, Ordering::SeqCst) + 1;
            match loses {
                Some((nth, fate)) if nth == write => {
                    lost.fetch_add(1, Ordering::SeqCst);
                    fate
                }
                _ => Fate::Answered,
            }
        };
        let store: Arc<dyn Store> = Arc::new(Between {
            inner: Arc::clone(&self.store),
            waits: self.is_steady,
            fate: Box::new(fate),
            moves: mutants::moves(mutant),
        });
        let network: Arc<dyn Platform> = self.network.clone();
        let platforms = Platforms::new([network]);
        let wake = Wake::default();
        let mut config = Config::new(self.folder.path());
        config.mode = self.owner.mode;
        config.clock = self.clock.clone();
        config.chance = Chance::seeded(self.network.state().seed());
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
            restored_at: RestoredAt::new(restored_at),
            safety: Safety::off(),
            closing: CancellationToken::new(),
            store,
            accounts,
            media,
            vault: self.vault.clone(),
            audit_keys: crate::audit::AuditKeys::of(&MasterKey::parse(&"0a".repeat(32)).unwrap())
                .unwrap(),
            audit_news: Arc::default(),
            mail: crate::webhooks::Mail::default(),
            platforms,
            clock: self.clock.clone(),
            gate: crate::gate::Gate::new(true),
            wake,
            metrics: crate::metrics::Metrics::default(),
            changes: self.changes.clone(),
            config,
        })))
    }

    /// Runs a schedule to its end. The second answer is whether its first trouble came too late to strike.
    pub(super) async fn run(&mut self, schedule: Schedule) -> (Figures, bool) {
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
        // Of two that share a clock each holds up the other; after several attempts that were not sent a person is asked.
        let freezes = |trouble: &Trouble| matches!(trouble, Trouble::Freezes { .. });
        let is_held_up = schedule.troubles.iter().any(freezes);
        let allowed = Allowed {
            humans: weather.bad_baselines > 0 || weather.outage || is_held_up,
            restored: schedule.restores,
        };
        self.network.begin(weather, &board, &titles);
        let before = schedule.restores.then(|| restore::copy(self.file()));

        let mut figures = Figures {
            schedules: 1,
            targets: titles.len() as u64,
            ..Figures::default()
        };
        let begun = self.clock.now();
        let mut finals = HashMap::new();
        let mut restored_at = None;
        let mut is_unharmed = true;
        let mut troubles = schedule.troubles.into_iter();
        loop {
            let trouble = troubles.next();
            let came = self
                .one_process(mutant, trouble, restored_at, &mut figures)
                .await;
            if figures.troubles() > 0 {
                is_unharmed = false;
            }
            self.check_finals(&titles, &mut finals, &mut figures).await;
            if let Some(came) = came {
                figures.stuck += u64::from(came != Came::ToTheEnd);
                break;
            }
            if let Some(copy) = before.as_ref().filter(|_| restored_at.is_none()) {
                restore::put_back(self.file(), copy);
                finals.clear();
                restored_at = Some(self.clock.now());
                if mutant != Mutant::NoRestoreGuard {
                    self.doubt_everything().await;
                } else {
                    restored_at = Some(Millis::MIN);
                }
            }
        }
        let targets = self.targets(&titles).await;
        judge(&targets, &self.network.state(), allowed, &mut figures);
        figures.simulated_ms += self.clock.now() - begun;
        self.clock.set(self.clock.now() + 2 * DAY);
        (figures, is_unharmed)
    }

    /// One process, and the one beside it where it freezes. `None` if it died.
    async fn one_process(
        &self,
        mutant: Mutant,
        trouble: Option<Trouble>,
        restored_at: Option<Millis>,
        figures: &mut Figures,
    ) -> Option<Came> {
        let lost = Arc::new(AtomicU64::new(0));
        let loses = match trouble {
            Some(Trouble::LosesWord { write, fate }) => Some((write, fate)),
            _ => None,
        };
        let restored_at = restored_at.filter(|at| *at != Millis::MIN);
        let round = self.process(mutant, loses, restored_at, &lost).await;
        if mutant == Mutant::RunAgain {
            mutants::run_again(&round).await;
        }
        let mut life = pin!(live(&round, self.file.is_some(), None));
        let came = match trouble {
            None | Some(Trouble::LosesWord { .. }) => Some(life.await),
            Some(Trouble::Dies { poll, pause }) => {
                let came = poll_until(life, Some(poll)).await;
                if came.is_none() {
                    figures.crashes += 1;
                    self.clock.set(self.clock.now() + pause);
                }
                came
            }
            Some(Trouble::Freezes { poll, lasts }) => {
                match poll_until(life.as_mut(), Some(poll)).await {
                    Some(came) => Some(came),
                    None => {
                        figures.freezes += 1;
                        let thaw = self.clock.now() + lasts;
                        let other = self.process(mutant, None, restored_at, &lost).await;
                        live(&other, false, Some(thaw)).await;
                        self.clock.set(self.clock.now().max(thaw));
                        let (one, two) = join(life, live(&other, false, None)).await;
                        other.app.accounts.settle().await;
                        Some(if one == Came::Nowhere { one } else { two })
                    }
                }
            }
        };
        figures.lost_words += lost.load(Ordering::SeqCst);
        // The renewal of a token is a task of its own, and ends.
        round.app.accounts.settle().await;
        came
    }

    async fn doubt_everything(&self) {
        let quiet = Config::new(self.folder.path()).quiet_period.as_millis();
        let quiet = Millis::try_from(quiet).unwrap();
        let now = self.clock.now();
        let doubted =
            super::super::doubt_everything(self.store.as_ref(), &self.owner, now, quiet).await;
        doubted.unwrap();
    }

    async fn store_uploads(&mut self, schedule: &Schedule) -> Vec<UploadRow> {
        self.serial += 1;
        let (serial, now) = (self.serial, self.clock.now());
        let account = format!("network:{serial}");
        let seal = async |column, text| {
            let sealed = self.vault.seal(&self.owner, &account, column, text).await;
            sealed.unwrap()
        };
        let sealed = [
            seal("access", "first").await,
            seal("refresh", "again").await,
        ];
        let row = rows::account(&self.owner, &account, sealed, now);
        self.store.put_account(row).await.unwrap();
        let new = schedule.contents.iter().enumerate().map(|(n, content)| {
            let which = (serial, n, *content);
            rows::upload(&self.owner, &account, which, now, schedule.weather.mutant)
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
}

/// In memory where the system has such a folder: it is the order of writes that counts here.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

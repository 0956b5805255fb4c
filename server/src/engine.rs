//! The engine: everything that a service is, without a socket.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use multi_upload_core::{Client, ClientOptions};
use multi_upload_platforms::Platform;
use multi_upload_platforms::pinterest::Pinterest;
use multi_upload_wire::{CreateApiKey, CreatedApiKey, ErrorCode, ErrorInfo, Mode, Scope};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::{Accounts, Parts};
use crate::api;
use crate::audit::{AuditKeys, Sealer};
use crate::config::{Config, DEFAULT_TEAM, Database};
use crate::epoch::{self, Epoch};
use crate::gate::Gate;
use crate::keys;
use crate::media::Library;
use crate::metrics::Metrics;
use crate::publish::{Dispatcher, Wake, doubt_everything};
use crate::rezone::{resolver, rezone};
use crate::safety::Safety;
use crate::shared_time;
use crate::state::{App, AppInner, Platforms, RestoredAt};
use crate::store::postgres::PgStore;
use crate::store::{self, Millis, Opened, Owner, Store, StoreError};
use crate::time;
use crate::vault::{MasterKey, Vault};
use crate::webhooks::{Deliverer, Mail};

/// How often old keys and finished connections are forgotten and tokens renewed ahead.
const UPKEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Name of the file in a data folder that its engine holds locked.
pub(crate) const LOCK: &str = "engine.lock";

/// How long idempotency keys are kept.
const KEEP_KEYS_MS: i64 = 7 * 24 * 3_600_000;

/// How long the log of webhook deliveries is kept.
const KEEP_DELIVERIES_MS: i64 = 30 * 24 * 3_600_000;

/// A running service: API, scheduler, store. Cheap to clone.
///
/// Publishing goes on while an engine lives. Call [`Engine::shutdown`] before the runtime ends;
/// what was not finished goes on at the next start.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    app: App,
    dispatcher: Dispatcher,
    deliverer: Deliverer,
    sealer: Sealer,
    upkeep: (CancellationToken, TaskTracker),
    epoch: Arc<Epoch>,
    admin_key: Option<CreatedApiKey>,
    down: AtomicBool,
    // Held for its lock; released when the engine goes.
    lock: File,
}

/// What an engine stands on, where it is not its own: for simulations.
pub struct Ground {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Highest change number that is stored.
    pub changes: watch::Receiver<u64>,
    /// The networks.
    pub platforms: Vec<Arc<dyn Platform>>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ground")
    }
}

impl Engine {
    /// Opens the data folder and starts publishing.
    ///
    /// # Errors
    /// `DATA_IN_USE` when another engine has the folder, `CONFIG_INVALID` for a setting,
    /// `STORAGE_FAILED` when the database cannot be opened.
    pub async fn start(config: Config) -> Result<Self, ErrorInfo> {
        let lock = lock_for(&config)?;
        let opened = store::open(&config.database, &config.data).await?;
        let pinterest: Arc<dyn Platform> = Arc::new(Pinterest::new(config.pinterest.clone())?);
        Self::begin(config, lock, opened, [pinterest]).await
    }

    /// The same on a ground that is given: what it holds stays there when the engine goes.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_on(config: Config, ground: Ground) -> Result<Self, ErrorInfo> {
        let lock = lock_for(&config)?;
        let opened = Opened {
            store: ground.store,
            changes: ground.changes,
            wakes: None,
            shared: None,
        };
        Self::begin(config, lock, opened, ground.platforms).await
    }

    async fn begin(
        config: Config,
        lock: File,
        opened: Opened,
        platforms: impl IntoIterator<Item = Arc<dyn Platform>>,
    ) -> Result<Self, ErrorInfo> {
        let Opened {
            store,
            changes,
            wakes,
            shared,
        } = opened;
        if let Some(shared) = &shared {
            shared_time::measure(shared, &config.clock).await?;
        }
        let master = match config.master_key.clone() {
            Some(key) => key,
            None if config.database == Database::Folder => MasterKey::load_or_create(&config.data)?,
            // Every engine of the database must have the same one: none may invent it.
            None => MasterKey::load()?,
        };
        let vault = Vault::open(Arc::clone(&store), master.clone()).await?;
        let platforms = Platforms::new(platforms);
        let wake = Wake::default();
        let accounts = Accounts::new(Parts {
            store: Arc::clone(&store),
            vault: vault.clone(),
            platforms: platforms.clone(),
            clock: config.clock.clone(),
            public_url: config.public_url.clone(),
            redirect: config.redirect,
            wake: wake.clone(),
        });
        let media = Library::open(
            config.media.clone(),
            &config.data,
            Arc::clone(&store),
            config.clock.clone(),
        )
        .await?;
        let admin_key = first_admin_key(&config, store.as_ref()).await?;
        // The lock says that no other process works here: whoever held a lease is dead.
        let orphans = store.expire_leases(config.clock.now()).await?;
        store.expire_lanes().await?;
        if orphans > 0 {
            tracing::warn!(
                orphans,
                "targets were under way when the last process ended"
            );
        }
        let is_shared = config.database != Database::Folder;
        let epoch = Arc::new(Epoch::new(&config.data, is_shared));
        let restored_at = check_epoch(&epoch, &config, store.as_ref()).await?;
        rezone(
            store.as_ref(),
            time::rules(),
            resolver(),
            config.clock.now(),
        )
        .await?;
        let app = App(Arc::new(AppInner {
            restored_at: RestoredAt::new(restored_at),
            safety: Safety::new(
                config.clock.clone(),
                config.quiet_period,
                config.data.clone(),
                config.min_free_disk,
            ),
            closing: CancellationToken::new(),
            store,
            accounts,
            media,
            gate: Gate::new(config.allow_private_urls),
            vault,
            audit_keys: AuditKeys::of(&master)?,
            audit_news: Arc::default(),
            mail: Mail::default(),
            platforms,
            clock: config.clock.clone(),
            wake,
            metrics: Metrics::default(),
            changes,
            config,
        }));
        let dispatcher = Dispatcher::start(app.clone());
        let deliverer = Deliverer::start(app.clone());
        let sealer = Sealer::start(
            Arc::clone(&app.store),
            &master,
            &app.config.data,
            app.clock.clone(),
            app.changes.clone(),
            Arc::clone(&app.audit_news),
        )?;
        if let Some(wakes) = wakes {
            pass_on(wakes, app.wake.clone());
        }
        let upkeep = start_upkeep(app.clone(), epoch.clone(), shared);
        Ok(Self(Arc::new(Inner {
            app,
            dispatcher,
            deliverer,
            sealer,
            upkeep,
            epoch,
            admin_key,
            down: AtomicBool::new(false),
            lock,
        })))
    }

    /// The HTTP API, to be served or nested.
    pub fn router(&self) -> axum::Router {
        api::router(self.0.app.clone())
    }

    /// A client that talks to this engine without a socket, with full rights.
    #[must_use]
    pub fn client(&self) -> Client {
        let transport = api::LocalTransport::new(self.router(), self.0.app.config.mode);
        Client::with_transport(Arc::new(transport), ClientOptions::default())
    }

    /// The admin key, if this start made the first one. It is shown nowhere else.
    #[must_use]
    pub fn admin_key_created(&self) -> Option<CreatedApiKey> {
        self.0.admin_key.clone()
    }

    /// Ends requests that only wait for something to happen, with what there is. For who lets requests end before
    /// [`Engine::shutdown`], which does this too.
    pub fn end_waits(&self) {
        self.0.app.closing.cancel();
    }

    /// Stops: no new target is begun, sends that were armed get 35 s, everything accepted is on disk.
    /// A second call does nothing.
    pub async fn shutdown(&self) {
        if self.0.down.swap(true, Ordering::SeqCst) {
            return;
        }
        self.end_waits();
        let (stop, tasks) = &self.0.upkeep;
        stop.cancel();
        if !self.0.dispatcher.stop().await {
            tracing::warn!(
                "some sends did not end in time; the next start takes them up as unknown"
            );
        }
        tasks.wait().await;
        self.0.deliverer.stop().await;
        self.0.app.accounts.settle().await;
        beat(&self.0.app, &self.0.epoch).await;
        // Last of those who work: it seals what the others did.
        self.0.sealer.stop().await;
        if let Err(error) = self.0.app.store.close().await {
            tracing::error!(%error, "the database did not close cleanly");
        }
        if let Err(error) = self.0.lock.unlock() {
            tracing::warn!(%error, "the data folder's lock was not released");
        }
    }
}

/// Wakes our dispatcher for what other engines stored; ends with the runtime.
fn pass_on(wakes: Arc<Notify>, wake: Wake) {
    tokio::spawn(async move {
        loop {
            wakes.notified().await;
            wake.wake();
        }
    });
}

fn lock_for(config: &Config) -> Result<File, ErrorInfo> {
    let holder = format!("pid {}, {}", std::process::id(), config.public_url);
    lock_folder(&config.data, &holder)
}

/// Makes the folder and takes its lock.
pub(crate) fn lock_folder(folder: &Path, holder: &str) -> Result<File, ErrorInfo> {
    let failed = |what: &str, error: std::io::Error| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the data folder {} {what}: {error}", folder.display()),
        )
        .with_remedy(
            "Choose a folder that this user may write to with --data or MULTI_UPLOAD_DATA.",
        )
    };
    make_private_folder(folder).map_err(|error| failed("cannot be made", error))?;
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK))
        .map_err(|error| failed("cannot be written to", error))?;
    if lock.try_lock().is_err() {
        let mut holder = String::new();
        // Only for the message; an unreadable file means an unknown holder.
        let _ = lock.read_to_string(&mut holder);
        let holder = if holder.trim().is_empty() {
            "unknown".to_owned()
        } else {
            holder.trim().to_owned()
        };
        return Err(ErrorInfo::new(
            ErrorCode::DataInUse,
            format!(
                "the data folder {} is used by another engine ({holder})",
                folder.display()
            ),
        ));
    }
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{holder}"))
        .map_err(|error| failed("cannot be written to", error))?;
    Ok(lock)
}

pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

async fn first_admin_key(
    config: &Config,
    store: &dyn Store,
) -> Result<Option<CreatedApiKey>, ErrorInfo> {
    let owner = Owner {
        team: DEFAULT_TEAM.to_owned(),
        mode: config.mode,
    };
    let before = store.api_keys(&owner.team).await?;
    if !config.first_admin_key
        || before
            .iter()
            .any(|key| key.owner == owner && key.revoked_at.is_none())
    {
        return Ok(None);
    }
    let request = CreateApiKey {
        name: Some("first admin key".to_owned()),
        scopes: Some(vec![Scope::Admin]),
        ..CreateApiKey::default()
    };
    let (row, created) = keys::generate(&owner, &request, config.clock.now())?;
    store.create_api_key(row).await?;
    Ok(Some(created))
}

/// Compares the database with its folder, and doubts what was due in one that was restored or copied. Gives when that was
/// found the last time.
async fn check_epoch(
    epoch: &Epoch,
    config: &Config,
    store: &dyn Store,
) -> Result<Option<Millis>, StoreError> {
    let now = config.clock.now();
    let found = epoch.look(store, now).await?;
    if found.is_new {
        tracing::warn!(
            "the database was restored or copied: whatever was due is looked for before it is sent"
        );
        let quiet = Millis::try_from(config.quiet_period.as_millis()).unwrap_or(Millis::MAX / 4);
        for mode in [Mode::Live, Mode::Test] {
            let owner = Owner {
                team: DEFAULT_TEAM.to_owned(),
                mode,
            };
            doubt_everything(store, &owner, now, quiet).await?;
        }
    }
    epoch.beat(store, found, now).await?;
    Ok(found.restored_at)
}

/// The same again and again: a database may be restored while engines run, and others may find it first.
async fn beat(app: &App, epoch: &Epoch) {
    match check_epoch(epoch, &app.config, app.store.as_ref()).await {
        Ok(restored_at) => app.restored_at.found(restored_at),
        Err(error) => tracing::warn!(%error, "the heartbeat could not be stored"),
    }
}

fn start_upkeep(
    app: App,
    epoch: Arc<Epoch>,
    shared: Option<Arc<PgStore>>,
) -> (CancellationToken, TaskTracker) {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    if let Some(shared) = shared {
        tasks.spawn(shared_time::keep(shared, app.clock.clone(), stop.clone()));
    }
    let (stopped, quiet, beating) = (stop.clone(), stop.clone(), app.clone());
    tasks.spawn(async move {
        let owner = Owner {
            team: DEFAULT_TEAM.to_owned(),
            mode: app.config.mode,
        };
        loop {
            if let Err(error) = app.store.forget(app.clock.now() - KEEP_KEYS_MS).await {
                tracing::warn!(%error, "old keys could not be forgotten");
            }
            if let Err(error) = app.media.sweep().await {
                tracing::warn!(%error, "unused files could not be removed");
            }
            app.accounts.renew_ahead(&owner).await;
            app.accounts.tell_of_expiring(&owner).await;
            let before = app.clock.now() - KEEP_DELIVERIES_MS;
            if let Err(error) = app.store.forget_deliveries(before).await {
                tracing::warn!(%error, "old webhook deliveries could not be forgotten");
            }
            tokio::select! {
                () = tokio::time::sleep(UPKEEP_EVERY) => {}
                () = stopped.cancelled() => return,
            }
        }
    });
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(epoch::BEAT_EVERY) => beat(&beating, &epoch).await,
                () = quiet.cancelled() => return,
            }
        }
    });
    tasks.close();
    (stop, tasks)
}

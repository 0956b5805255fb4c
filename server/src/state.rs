//! What every part of the service can reach.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use multi_upload_platforms::{Platform, Rate};
use multi_upload_wire::{ErrorCode, ErrorInfo, FieldError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::audit::AuditKeys;
use crate::clock::Clock;
use crate::config::Config;
use crate::gate::Gate;
use crate::media::Library;
use crate::metrics::Metrics;
use crate::publish::Wake;
use crate::safety::Safety;
use crate::store::{Millis, Store, StoreError, WriteLimit};
use crate::vault::Vault;
use crate::webhooks::Mail;

/// The parts, shared.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<AppInner>);

/// The parts.
pub(crate) struct AppInner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Accounts,
    pub(crate) media: Library,
    /// The way out to addresses that users give.
    pub(crate) gate: Gate,
    /// Seals secrets.
    pub(crate) vault: Vault,
    /// What the log of who did what is sealed with.
    pub(crate) audit_keys: AuditKeys,
    /// Wakes its sealer.
    pub(crate) audit_news: Arc<Notify>,
    /// Wakes the deliverer of webhooks.
    pub(crate) mail: Mail,
    pub(crate) platforms: Platforms,
    pub(crate) clock: Clock,
    pub(crate) wake: Wake,
    pub(crate) metrics: Metrics,
    /// Highest change number that is stored.
    pub(crate) changes: watch::Receiver<u64>,
    /// When the database was found to be restored or copied, the last time.
    pub(crate) restored_at: RestoredAt,
    /// Whether it is safe to send.
    pub(crate) safety: Safety,
    /// Ends what only waits, such as long polls, when the service stops.
    pub(crate) closing: CancellationToken,
    pub(crate) config: Config,
}

impl Deref for App {
    type Target = AppInner;

    fn deref(&self) -> &AppInner {
        &self.0
    }
}

/// A time that is found at the start, or by another engine later.
#[derive(Debug)]
pub(crate) struct RestoredAt(AtomicI64);

impl RestoredAt {
    /// No time is so long ago.
    const NEVER: Millis = Millis::MIN;

    pub(crate) fn new(at: Option<Millis>) -> Self {
        Self(AtomicI64::new(at.unwrap_or(Self::NEVER)))
    }

    /// The last one.
    pub(crate) fn get(&self) -> Option<Millis> {
        Some(self.0.load(Ordering::SeqCst)).filter(|at| *at != Self::NEVER)
    }

    /// Keeps a later one.
    pub(crate) fn found(&self, at: Option<Millis>) {
        self.0
            .fetch_max(at.unwrap_or(Self::NEVER), Ordering::SeqCst);
    }
}

/// The networks that are built, by name.
#[derive(Clone)]
pub(crate) struct Platforms(Arc<BTreeMap<&'static str, Arc<dyn Platform>>>);

impl Platforms {
    pub(crate) fn new(platforms: impl IntoIterator<Item = Arc<dyn Platform>>) -> Self {
        Self(Arc::new(
            platforms
                .into_iter()
                .map(|platform| (platform.name(), platform))
                .collect(),
        ))
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Platform> {
        self.0.values().map(AsRef::as_ref)
    }

    /// How many publishing requests each network takes from one account.
    pub(crate) fn write_limits(&self) -> BTreeMap<String, WriteLimit> {
        self.0
            .iter()
            .map(|(name, platform)| ((*name).to_owned(), write_limit(platform.limits().writes)))
            .collect()
    }

    /// The network of a name.
    ///
    /// # Errors
    /// `PLATFORM_UNSUPPORTED`, which names those there are.
    pub(crate) fn get(&self, name: &str) -> Result<&Arc<dyn Platform>, ErrorInfo> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().copied().collect();
            let detail = format!(
                "{name:?} is not supported by this version; supported: {}",
                known.join(", ")
            );
            ErrorInfo::new(ErrorCode::PlatformUnsupported, detail.clone()).with_errors(vec![
                FieldError {
                    pointer: "/platform".to_owned(),
                    code: "unsupported".to_owned(),
                    detail,
                },
            ])
        })
    }
}

/// A rate as the store counts it.
pub(crate) fn write_limit(rate: Rate) -> WriteLimit {
    WriteLimit {
        count: rate.count,
        per_ms: Millis::try_from(rate.per.as_millis()).unwrap_or(Millis::MAX / 4),
    }
}

impl From<StoreError> for ErrorInfo {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::new(
                ErrorCode::StorageFull,
                "the disk of the data folder is full",
            ),
            other => {
                tracing::error!(error = %other, "the database failed");
                Self::new(
                    ErrorCode::StorageFailed,
                    "the database could not do its work",
                )
            }
        }
    }
}

//! Many uploads for a bench: one as the service stores it, and copies under other ids for other accounts and boards.

use multi_upload_server::store::sqlite::SqliteStore;
use multi_upload_server::store::{CreateOutcome, Millis, NewUpload, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::artefacts::Artefacts;
use super::durable::{self, Uploads};
use super::service::Service;

/// Rows in one call.
const BATCH: usize = 500;

/// Accounts over which the uploads are spread.
const ACCOUNTS: usize = 1_000;

/// One upload as the service has stored it.
pub(super) fn template(artefacts: &Artefacts) -> Result<NewUpload, String> {
    let folder = TempDir::new_in(artefacts.folder()).map_err(|error| error.to_string())?;
    let service = Service::start(artefacts, folder.path(), &["--sandbox", "--auto-approve"])?;
    let uploads = Uploads::connect(&service)?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(durable::template(folder.path(), &service, &uploads))
}

/// Copies of one upload, due at one time.
pub(super) struct Seed<'a> {
    template: &'a NewUpload,
    due_at: Millis,
    number: usize,
}

impl<'a> Seed<'a> {
    pub(super) fn new(template: &'a NewUpload, due_at: Millis) -> Self {
        Self {
            template,
            due_at,
            number: 0,
        }
    }

    /// Stores `count` of them.
    pub(super) async fn fill(&mut self, store: &dyn Store, count: usize) -> Result<(), String> {
        let mut left = count;
        while left > 0 {
            let rows: Vec<_> = (0..left.min(BATCH)).map(|_| self.next()).collect();
            left -= rows.len();
            let outcomes = store
                .create_uploads(rows)
                .await
                .map_err(|error| error.to_string())?;
            if let Some(other) = outcomes
                .iter()
                .find(|outcome| !matches!(outcome, CreateOutcome::Stored(_)))
            {
                return Err(format!("a row was not stored: {other:?}"));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> NewUpload {
        let number = self.number;
        self.number += 1;
        let mut new = durable::copy(self.template, number);
        new.idempotency = None;
        new.row.scheduled_at = Some(self.due_at);
        for target in &mut new.row.targets {
            target.account_id = format!("pinterest:{}", number % ACCOUNTS);
            target.content.board_id = Some(format!("{}", number / ACCOUNTS));
            target.fingerprint = format!("{number}");
            target.due_at = self.due_at;
            target.scheduled_at = self.due_at;
            target.send_until = self.due_at + 86_400_000;
        }
        new
    }
}

/// A store in SQLite that holds `count` uploads, none of them due.
pub(super) fn waiting(
    folder: &std::path::Path,
    template: &NewUpload,
    count: usize,
) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let failed = |error: multi_upload_server::store::StoreError| error.to_string();
        let store = SqliteStore::open(&folder.join("multi-upload.db")).map_err(failed)?;
        // In the year 2096.
        let mut seed = Seed::new(template, 4_000_000_000_000);
        seed.fill(&store, count).await?;
        store.close().await.map_err(failed)
    })
}

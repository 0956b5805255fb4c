//! Sealing of tokens: what stands in the database opens only with the root key, and only in its own place.
//!
//! Each team has data keys, stored wrapped by the root key. A sealed value is
//! `format (1) | key version (4, big-endian) | nonce (24) | XChaCha20-Poly1305`; team, mode, object, column and key version are
//! authenticated with it, so a cell that was copied to another row, column, team or mode does not open.

mod master;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use multi_upload_wire::{ErrorCode, ErrorInfo, Retry};
use zeroize::Zeroizing;

pub use master::MasterKey;

use crate::clock::Clock;
use crate::store::{DataKeyRow, Owner, Store};

const FORMAT: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 1 + 4;

/// The first data key of this name is opened at every start: a wrong root key shows before anything is sealed with it.
const PROBE: &str = "root-key-probe";

type DataKey = Zeroizing<[u8; 32]>;

/// Seals and opens values. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vault(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    master: MasterKey,
    /// Opened data keys, by team and version.
    open: Mutex<HashMap<String, Vec<(u32, DataKey)>>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault over the data keys of a store.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the root key is not the one the store was used with before.
    pub(crate) async fn open(store: Arc<dyn Store>, master: MasterKey) -> Result<Self, ErrorInfo> {
        let vault = Self(Arc::new(Inner {
            store,
            master,
            open: Mutex::new(HashMap::new()),
        }));
        vault.newest(PROBE).await?;
        Ok(vault)
    }

    /// Seals a value for one cell: `column` of `object` (an id) of `owner`.
    ///
    /// # Errors
    /// Of the store, and when the system gives no random numbers.
    pub(crate) async fn seal(
        &self,
        owner: &Owner,
        object: &str,
        column: &str,
        plain: &str,
    ) -> Result<Vec<u8>, ErrorInfo> {
        let (version, key) = self.newest(&owner.team).await?;
        let place = cell(owner, object, column, version);
        let mut sealed = vec![FORMAT];
        sealed.extend(version.to_be_bytes());
        sealed.extend(encrypt(&key, &place, plain.as_bytes())?);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal`] made for the same cell.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when the value was changed or belongs to another cell.
    pub(crate) async fn unseal(
        &self,
        owner: &Owner,
        object: &str,
        column: &str,
        sealed: &[u8],
    ) -> Result<String, ErrorInfo> {
        let refused = || does_not_open(object, column);
        let (header, body) = sealed.split_at_checked(HEADER).ok_or_else(refused)?;
        let version = match *header {
            [FORMAT, a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => return Err(refused()),
        };
        let key = self
            .version(&owner.team, version)
            .await?
            .ok_or_else(refused)?;
        let place = cell(owner, object, column, version);
        let plain = decrypt(&key, &place, body).ok_or_else(refused)?;
        String::from_utf8(plain).map_err(|_| refused())
    }

    /// The key that new values of a team are sealed with; the first one is made when it is needed.
    async fn newest(&self, team: &str) -> Result<(u32, DataKey), ErrorInfo> {
        loop {
            if let Some(found) = self.cached(team, None) {
                return Ok(found);
            }
            self.load(team).await?;
            if let Some(found) = self.cached(team, None) {
                return Ok(found);
            }
            let mut key = DataKey::default();
            random(key.as_mut_slice())?;
            let row = DataKeyRow {
                team: team.to_owned(),
                version: 1,
                wrapped: encrypt(&self.0.master.0, &wrapping(team, 1), key.as_slice())?,
                created_at: Clock::system().now(),
            };
            // When another process was faster, its key is the first one.
            self.0.store.add_data_key(row).await?;
        }
    }

    async fn version(&self, team: &str, version: u32) -> Result<Option<DataKey>, ErrorInfo> {
        if let Some((_, key)) = self.cached(team, Some(version)) {
            return Ok(Some(key));
        }
        self.load(team).await?;
        Ok(self.cached(team, Some(version)).map(|(_, key)| key))
    }

    fn cached(&self, team: &str, version: Option<u32>) -> Option<(u32, DataKey)> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = open.get(team)?;
        match version {
            Some(version) => keys.iter().find(|(number, _)| *number == version).cloned(),
            None => keys.last().cloned(),
        }
    }

    /// Opens the team's keys that are stored.
    async fn load(&self, team: &str) -> Result<(), ErrorInfo> {
        let mut keys = Vec::new();
        for row in self.0.store.data_keys(team).await? {
            let place = wrapping(team, row.version);
            let key = decrypt(&self.0.master.0, &place, &row.wrapped)
                .map(Zeroizing::new)
                .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
                .map(Zeroizing::new)
                .ok_or_else(wrong_master_key)?;
            keys.push((row.version, key));
        }
        if !keys.is_empty() {
            self.0
                .open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(team.to_owned(), keys);
        }
        Ok(())
    }
}

/// What is authenticated with a value: where it stands.
fn cell(owner: &Owner, object: &str, column: &str, version: u32) -> Vec<u8> {
    place(
        "multi-upload cell",
        &[&owner.team, owner.mode.as_str(), object, column],
        version,
    )
}

/// What is authenticated with a wrapped data key.
fn wrapping(team: &str, version: u32) -> Vec<u8> {
    place("multi-upload data key", &[team], version)
}

/// Parts with their lengths, so that no two places look alike.
fn place(kind: &str, parts: &[&str], version: u32) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for part in [kind].iter().chain(parts) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes.extend(version.to_be_bytes());
    bytes
}

/// Nonce and ciphertext. A random nonce of 24 bytes does not repeat in practice.
fn encrypt(key: &[u8; 32], place: &[u8], plain: &[u8]) -> Result<Vec<u8>, ErrorInfo> {
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    let payload = Payload {
        msg: plain,
        aad: place,
    };
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| ErrorInfo::new(ErrorCode::Internal, "a secret could not be sealed"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(key: &[u8; 32], place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>()?;
    let payload = Payload {
        msg: body,
        aad: place,
    };
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), payload)
        .ok()
}

fn random(bytes: &mut [u8]) -> Result<(), ErrorInfo> {
    getrandom::fill(bytes).map_err(|error| {
        ErrorInfo::new(
            ErrorCode::Internal,
            format!("the system gives no random numbers: {error}"),
        )
    })
}

fn does_not_open(object: &str, column: &str) -> ErrorInfo {
    let mut error = ErrorInfo::new(
        ErrorCode::StorageFailed,
        format!("the stored secret {column:?} of {object} does not open: it was changed in the database, or moved there from elsewhere"),
    )
    .with_remedy("Restore a backup, or connect the account again.");
    error.retry = Retry::No;
    error
}

fn wrong_master_key() -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::ConfigInvalid,
        "the root key does not fit this database: its tokens were sealed with another one",
    )
    .with_remedy(
        "Set MULTI_UPLOAD_MASTER_KEY (or MULTI_UPLOAD_MASTER_KEY_FILE) to the key that was used before, or put back the data \
         folder's master.key from your backup. Without it the accounts have to be connected again in a new data folder.",
    )
}

#[cfg(test)]
mod tests {
    use multi_upload_wire::Mode;

    use super::*;
    use crate::store::sqlite::SqliteStore;

    const TOKEN: &str = "pina_secret_token";

    fn owner(team: &str, mode: Mode) -> Owner {
        Owner {
            team: team.to_owned(),
            mode,
        }
    }

    fn master(byte: &str) -> MasterKey {
        MasterKey::parse(&byte.repeat(32)).unwrap()
    }

    struct Place {
        // Removed when dropped.
        _folder: tempfile::TempDir,
        store: Arc<dyn Store>,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("vault.db")).unwrap();
        Place {
            _folder: folder,
            store: Arc::new(store),
        }
    }

    #[tokio::test]
    async fn a_value_comes_back_in_another_process_too() {
        let place = place();
        let owner = owner("team_a", Mode::Live);
        let vault = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let first = vault
            .seal(&owner, "pinterest:1", "access", TOKEN)
            .await
            .unwrap();
        let second = vault
            .seal(&owner, "pinterest:1", "access", TOKEN)
            .await
            .unwrap();
        assert_ne!(first, second, "the nonce is new each time");
        assert!(!String::from_utf8_lossy(&first).contains("pina"));

        let again = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        for sealed in [first, second] {
            let plain = again
                .unseal(&owner, "pinterest:1", "access", &sealed)
                .await
                .unwrap();
            assert_eq!(plain, TOKEN);
        }
        assert!(!format!("{again:?}").contains("0a"));
    }

    #[tokio::test]
    async fn a_value_in_another_cell_is_refused() {
        let place = place();
        let home = owner("team_a", Mode::Live);
        let vault = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let sealed = vault
            .seal(&home, "pinterest:1", "access", TOKEN)
            .await
            .unwrap();
        let elsewhere = [
            (owner("team_a", Mode::Test), "pinterest:1", "access"),
            (owner("team_b", Mode::Live), "pinterest:1", "access"),
            (home.clone(), "pinterest:2", "access"),
            (home.clone(), "pinterest:1", "refresh"),
            // The same characters, cut elsewhere.
            (home.clone(), "pinterest:1a", "ccess"),
        ];
        // Team B has a key of its own.
        vault
            .seal(&owner("team_b", Mode::Live), "x", "y", "z")
            .await
            .unwrap();
        for (owner, object, column) in elsewhere {
            let error = vault
                .unseal(&owner, object, column, &sealed)
                .await
                .unwrap_err();
            assert!(error.is(ErrorCode::StorageFailed), "{error}");
            assert!(!error.to_string().contains(TOKEN));
        }
    }

    #[tokio::test]
    async fn a_changed_value_is_refused_wherever_it_was_changed() {
        let place = place();
        let owner = owner("team_a", Mode::Live);
        let vault = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let sealed = vault.seal(&owner, "o", "c", TOKEN).await.unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            let opened = vault.unseal(&owner, "o", "c", &changed).await;
            assert!(opened.is_err(), "byte {position}");
            let cut = vault.unseal(&owner, "o", "c", &sealed[..position]).await;
            assert!(cut.is_err(), "cut at {position}");
        }
    }

    #[tokio::test]
    async fn another_root_key_is_refused_at_once_and_names_the_setting() {
        let place = place();
        Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let error = Vault::open(Arc::clone(&place.store), master("0b"))
            .await
            .unwrap_err();
        assert!(error.is(ErrorCode::ConfigInvalid));
        assert!(error.remedy.contains("MULTI_UPLOAD_MASTER_KEY"));
    }

    #[tokio::test]
    async fn a_data_key_of_another_team_is_refused() {
        let place = place();
        let (a, b) = (owner("team_a", Mode::Live), owner("team_b", Mode::Live));
        let vault = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        vault.seal(&a, "o", "c", TOKEN).await.unwrap();
        let stolen = place.store.data_keys("team_a").await.unwrap().remove(0);
        let row = DataKeyRow {
            team: "team_b".to_owned(),
            ..stolen
        };
        assert!(place.store.add_data_key(row).await.unwrap());
        assert!(vault.seal(&b, "o", "c", TOKEN).await.is_err());
    }

    #[tokio::test]
    async fn two_processes_that_start_at_once_agree_on_the_first_key() {
        let place = place();
        let owner = owner("team_a", Mode::Live);
        let one = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let two = Vault::open(Arc::clone(&place.store), master("0a"))
            .await
            .unwrap();
        let (x, y) = tokio::join!(
            one.seal(&owner, "o", "c", "x"),
            two.seal(&owner, "o", "c", "y")
        );
        assert_eq!(
            two.unseal(&owner, "o", "c", &x.unwrap()).await.unwrap(),
            "x"
        );
        assert_eq!(
            one.unseal(&owner, "o", "c", &y.unwrap()).await.unwrap(),
            "y"
        );
        assert_eq!(place.store.data_keys("team_a").await.unwrap().len(), 1);
    }
}

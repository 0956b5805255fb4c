//! API keys without an engine: for the operator, who may have no key yet. Works beside a running service; the
//! database's own locks keep the two apart.

use std::path::Path;
use std::sync::Arc;

use multi_upload_wire::{
    ApiKey, AuditReport, CreateApiKey, CreatedApiKey, ErrorCode, ErrorInfo, Mode,
};

use crate::audit::{Actor, AuditKeys, Kind, acting, verify};
use crate::clock::Clock;
use crate::config::{DEFAULT_TEAM, Database};
use crate::engine::make_private_folder;
use crate::keys;
use crate::store::{Owner, Store, open_beside};
use crate::vault::MasterKey;

/// Makes a key. The folder and its database are made where they are missing.
///
/// # Errors
/// `VALIDATION_FAILED` for a time of expiry that has passed, `CONFIG_INVALID` or `STORAGE_FAILED` when the folder cannot
/// be used.
pub async fn create_key_offline(
    database: &Database,
    data: &Path,
    mode: Mode,
    request: CreateApiKey,
) -> Result<CreatedApiKey, ErrorInfo> {
    let owner = Owner {
        team: DEFAULT_TEAM.to_owned(),
        mode,
    };
    let (row, created) = keys::generate(&owner, &request, Clock::system().now())?;
    let store = open(database, data).await?;
    acting(operator(), store.create_api_key(row)).await?;
    store.close().await?;
    Ok(created)
}

/// Every key of the folder, newest first, the revoked ones too.
///
/// # Errors
/// `CONFIG_INVALID` or `STORAGE_FAILED` when the folder cannot be used.
pub async fn list_keys_offline(database: &Database, data: &Path) -> Result<Vec<ApiKey>, ErrorInfo> {
    let store = open(database, data).await?;
    let rows = store.api_keys(DEFAULT_TEAM).await?;
    store.close().await?;
    Ok(rows.into_iter().map(keys::public).collect())
}

/// Revokes a key at once.
///
/// # Errors
/// `NOT_FOUND` when there is no such key, `CONFIG_INVALID` or `STORAGE_FAILED` when the folder cannot be used.
pub async fn revoke_key_offline(
    database: &Database,
    data: &Path,
    id: &str,
) -> Result<(), ErrorInfo> {
    let store = open(database, data).await?;
    let known = store.api_key(id).await?;
    if known.is_none_or(|row| row.owner.team != DEFAULT_TEAM) {
        return Err(ErrorInfo::new(
            ErrorCode::NotFound,
            format!("there is no API key {id:?} here"),
        )
        .with_remedy(
            "Check the id and the folder; `multi-upload keys list` shows what there is.",
        ));
    }
    let revoked = store.revoke_api_key(DEFAULT_TEAM, id, Clock::system().now());
    acting(operator(), revoked).await?;
    store.close().await?;
    Ok(())
}

/// Checks the log of who did what, beside a running service or without one. The root key is that of the settings, or the
/// data folder's.
///
/// # Errors
/// `CONFIG_INVALID` or `STORAGE_FAILED` when the folder or the root key cannot be used.
pub async fn verify_audit_offline(
    database: &Database,
    data: &Path,
) -> Result<AuditReport, ErrorInfo> {
    let master = match database {
        Database::Folder => MasterKey::load_or_create(data)?,
        Database::Postgres(_) => MasterKey::load()?,
    };
    let store = open(database, data).await?;
    let keys = AuditKeys::of(&master)?;
    let report = verify(store.as_ref(), &keys, data, DEFAULT_TEAM).await?;
    store.close().await?;
    Ok(report)
}

/// Who runs the command.
fn operator() -> Actor {
    Actor {
        kind: Kind::Local,
        ..Actor::default()
    }
}

async fn open(database: &Database, data: &Path) -> Result<Arc<dyn Store>, ErrorInfo> {
    if let Database::Postgres(_) = database {
        return Ok(open_beside(database, data).await?);
    }
    make_private_folder(data).map_err(|error| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the data folder {} cannot be made: {error}", data.display()),
        )
        .with_remedy(
            "Choose a folder that this user may write to with --data or MULTI_UPLOAD_DATA.",
        )
    })?;
    Ok(open_beside(database, data).await?)
}

//! The log of who did what: its rows, and what a store does with them.
//!
//! A row is written in the transaction of the change, without a place in the chain, so that writers need not wait for each
//! other. The sealer gives places and hashes afterwards, in the order in which it finds the rows.

use std::fmt;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{AccountRow, ApiKeyRow, Millis, Owner, StoreResult};

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Goes up as rows are written.
    pub seq: u64,
    /// Whose.
    pub owner: Owner,
    /// When.
    pub at: Millis,
    /// `key`, `local`, `consent` or `machine`.
    pub actor: String,
    /// `key_…` of a key.
    pub actor_id: Option<String>,
    /// Of the request that it came with.
    pub request_id: Option<String>,
    /// `upload.scheduled`, `api_key.revoked` and so on.
    pub action: String,
    /// Id of what it was done to.
    pub object: String,
    /// The target concerned.
    pub target: Option<String>,
    /// In a sentence.
    pub detail: String,
    /// Facts, as JSON text.
    pub data: String,
    /// Place in the team's chain, from 1; `None` until it is sealed.
    pub place: Option<u64>,
    /// Hash over everything above and the hash before.
    pub hash: Option<Vec<u8>>,
}

/// What to write down, beside who did it.
#[derive(Debug, Clone)]
pub struct NewAudit {
    /// Whose.
    pub owner: Owner,
    /// When.
    pub at: Millis,
    /// `api_key.revoked` and so on.
    pub action: &'static str,
    /// Id of what it was done to.
    pub object: String,
    /// In a sentence.
    pub detail: String,
}

impl NewAudit {
    /// At the beginning of time, until [`NewAudit::at`] says better.
    pub(super) fn at_once(owner: &Owner, action: &'static str, object: &str, detail: &str) -> Self {
        Self {
            owner: owner.clone(),
            at: 0,
            action,
            object: object.to_owned(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn at(mut self, at: Millis) -> Self {
        self.at = at;
        self
    }
}

/// New tokens, or the end of the old ones.
pub(super) fn of_tokens(row: &AccountRow, at: Millis) -> NewAudit {
    let (action, detail) = if row.usable {
        ("account.tokens_renewed", "the network gave new tokens")
    } else {
        (
            "account.reconnect_required",
            "the network no longer accepts its tokens",
        )
    };
    NewAudit::at_once(&row.owner, action, &row.id, detail).at(at)
}

/// An address without its query, which may hold a secret.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A key at its birth: what it may do, never its secret.
pub(super) fn of_new_key(row: &ApiKeyRow) -> NewAudit {
    let scopes: Vec<_> = row.scopes.iter().map(|scope| scope.as_str()).collect();
    let accounts = match &row.accounts {
        None => "all accounts".to_owned(),
        Some(accounts) => accounts.join(", "),
    };
    let detail = format!("may {} for {accounts}", scopes.join(", "));
    NewAudit::at_once(&row.owner, "api_key.created", &row.id, &detail).at(row.created_at)
}

/// The end of a team's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// Whose.
    pub team: String,
    /// Place of the last sealed row.
    pub place: u64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// This action, or all that begin with it and a dot: `api_key`.
    pub action: Option<String>,
    /// By this key.
    pub actor_id: Option<String>,
    /// Done to this object.
    pub object: Option<String>,
    /// At or after.
    pub from: Option<Millis>,
    /// Before.
    pub to: Option<Millis>,
}

/// The key of the chain: without it nobody can write a row that fits. Never shown.
#[derive(Clone)]
pub struct ChainKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(…)")
    }
}

impl ChainKey {
    /// A key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The hash of a row at a place, behind a row with the hash `before`.
    #[must_use]
    pub fn link(&self, before: &[u8], row: &AuditRow, place: u64) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of every length");
        let (at, place) = (row.at.to_be_bytes(), place.to_be_bytes());
        let parts: [Option<&[u8]>; 13] = [
            Some(before),
            Some(&place),
            Some(row.owner.team.as_bytes()),
            Some(row.owner.mode.as_str().as_bytes()),
            Some(&at),
            Some(row.actor.as_bytes()),
            row.actor_id.as_deref().map(str::as_bytes),
            row.request_id.as_deref().map(str::as_bytes),
            Some(row.action.as_bytes()),
            Some(row.object.as_bytes()),
            row.target.as_deref().map(str::as_bytes),
            Some(row.detail.as_bytes()),
            Some(row.data.as_bytes()),
        ];
        for part in parts {
            // Length and presence first, so that no two rows look alike.
            mac.update(&[u8::from(part.is_some())]);
            let part = part.unwrap_or_default();
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The part of a store that keeps the log.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Newest first, at most `limit`, all older than `before` (a `seq`).
    async fn audit(
        &self,
        owner: &Owner,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRow>>;

    /// Gives up to `limit` rows their places and hashes; gives the new ends of the chains that grew. Only one caller of all
    /// nodes does it at a time; for the others nothing is to be done.
    async fn seal_audit(&self, key: ChainKey, limit: u32) -> StoreResult<Vec<AuditHead>>;

    /// Sealed rows of a team behind a place, in the order of the chain.
    async fn audit_chain(&self, team: &str, after: u64, limit: u32) -> StoreResult<Vec<AuditRow>>;

    /// The ends of all chains, as they are noted.
    async fn audit_heads(&self) -> StoreResult<Vec<AuditHead>>;

    /// How many rows of a team have no place yet.
    async fn audit_unsealed(&self, team: &str) -> StoreResult<u64>;
}

#[cfg(test)]
mod tests {
    use multi_upload_wire::Mode;

    use super::*;

    fn row() -> AuditRow {
        AuditRow {
            seq: 1,
            owner: Owner {
                team: "team_a".to_owned(),
                mode: Mode::Live,
            },
            at: 5,
            actor: "key".to_owned(),
            actor_id: Some("key_1".to_owned()),
            request_id: None,
            action: "api_key.revoked".to_owned(),
            object: "key_2".to_owned(),
            target: None,
            detail: "revoked".to_owned(),
            data: "{}".to_owned(),
            place: None,
            hash: None,
        }
    }

    #[test]
    fn every_field_counts_and_none_runs_into_the_next() {
        let key = ChainKey::new([7; 32]);
        let first = key.link(b"before", &row(), 1);
        let mut changes: Vec<Vec<u8>> = vec![
            key.link(b"befor", &row(), 1),
            key.link(b"before", &row(), 2),
            ChainKey::new([8; 32]).link(b"before", &row(), 1),
        ];
        let edits: [fn(&mut AuditRow); 12] = [
            |row| row.owner.team = "team_b".to_owned(),
            |row| row.owner.mode = Mode::Test,
            |row| row.at = 6,
            |row| row.actor = "machine".to_owned(),
            |row| row.actor_id = None,
            |row| row.actor_id = Some(String::new()),
            |row| row.request_id = Some("r".to_owned()),
            |row| row.action.push('x'),
            |row| row.object.push('x'),
            |row| row.target = Some(String::new()),
            |row| row.detail = "Revoked".to_owned(),
            |row| {
                row.action = "api_key.revokedk".to_owned();
                row.object = "ey_2".to_owned();
            },
        ];
        for edit in edits {
            let mut changed = row();
            edit(&mut changed);
            changes.push(key.link(b"before", &changed, 1));
        }
        changes.push(first.clone());
        let count = changes.len();
        changes.sort();
        changes.dedup();
        assert_eq!(changes.len(), count, "two differ in nothing");
        assert_eq!(first, key.link(b"before", &row(), 1));
        assert!(!format!("{key:?}").contains('7'));
    }
}

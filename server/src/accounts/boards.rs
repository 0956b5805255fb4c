//! Boards of an account, asked from the network and kept for a few minutes in memory only: the
//! networks do not allow their data to be stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use multi_upload_platforms::BoardsQuery;
use multi_upload_wire::{Board, CreateBoard, CreateSection, ErrorInfo, Page, Section};

use super::Accounts;
use crate::store::{Millis, Owner};

/// How long a list of boards is kept.
const KEEP_MS: Millis = 5 * 60_000;

/// Boards asked for at once; Pinterest's largest page.
const PAGE: u32 = 250;

/// More pages than any account can have (2,000 boards); ends a network that never ends.
const MAX_PAGES: usize = 100;

/// Lists of boards by account.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, List>>);

/// All boards of an account, and when they were asked for.
type List = (Millis, Arc<Vec<Board>>);

impl Cache {
    fn get(&self, account: &str, now: Millis) -> Option<Arc<Vec<Board>>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, boards) = lists.get(account)?;
        (now - at < KEEP_MS).then(|| Arc::clone(boards))
    }

    fn put(&self, account: String, now: Millis, boards: Arc<Vec<Board>>) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, (at, _)| now - *at < KEEP_MS);
        lists.insert(account, (now, boards));
    }

    pub(super) fn forget(&self, account: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(account);
    }
}

/// Which boards a caller wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoardsArgs {
    /// Id of the last board of the page before.
    pub(crate) cursor: Option<String>,
    /// At most this many.
    pub(crate) limit: u32,
    /// With this privacy.
    pub(crate) privacy: Option<String>,
    /// With this in the name, case-insensitive.
    pub(crate) q: Option<String>,
    /// Ask the network, whatever is kept.
    pub(crate) refresh: bool,
}

impl Accounts {
    /// One page of the account's boards: own, group and secret.
    pub(crate) async fn boards(
        &self,
        owner: &Owner,
        id: &str,
        args: BoardsArgs,
    ) -> Result<Page<Board>, ErrorInfo> {
        let id = super::full_id(id);
        // Pages of one list should come from one answer: only its first page may ask again.
        if args.refresh && args.cursor.is_none() {
            self.0.boards.forget(&super::key(owner, &id));
        }
        let all = self.boards_of(owner, &id).await?;
        let q = args.q.map(|q| q.to_lowercase());
        let mut matching = all
            .iter()
            .skip_while(|board| {
                args.cursor
                    .as_ref()
                    .is_some_and(|cursor| *cursor != board.id)
            })
            .skip(usize::from(args.cursor.is_some()))
            .filter(|board| {
                args.privacy
                    .as_ref()
                    .is_none_or(|p| board.privacy.as_ref() == Some(p))
            })
            .filter(|board| {
                q.as_ref()
                    .is_none_or(|q| board.name.to_lowercase().contains(q))
            });
        let items: Vec<Board> = matching
            .by_ref()
            .take(args.limit as usize)
            .cloned()
            .collect();
        let more = matching.next().is_some();
        let next_cursor = if more {
            items.last().map(|board| board.id.clone())
        } else {
            None
        };
        Ok(Page { items, next_cursor })
    }

    /// All boards of the account.
    pub(crate) async fn all_boards(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Arc<Vec<Board>>, ErrorInfo> {
        self.boards_of(owner, &super::full_id(id)).await
    }

    /// Makes a board.
    pub(crate) async fn create_board(
        &self,
        owner: &Owner,
        id: &str,
        board: &CreateBoard,
    ) -> Result<Board, ErrorInfo> {
        let row = self.row(owner, id).await?;
        let platform = self.0.platforms.get(&row.platform)?;
        let made = self
            .with_token(owner, &row.id, |token| async move {
                platform.create_board(&token, board).await
            })
            .await?;
        self.0.boards.forget(&super::key(owner, &row.id));
        Ok(made)
    }

    /// One page of a board's sections.
    pub(crate) async fn sections(
        &self,
        owner: &Owner,
        id: &str,
        board_id: &str,
        cursor: Option<&str>,
    ) -> Result<Page<Section>, ErrorInfo> {
        let row = self.row(owner, id).await?;
        let platform = self.0.platforms.get(&row.platform)?;
        self.with_token(owner, &row.id, |token| async move {
            platform.sections(&token, board_id, cursor).await
        })
        .await
    }

    /// Makes a section.
    pub(crate) async fn create_section(
        &self,
        owner: &Owner,
        id: &str,
        board_id: &str,
        section: &CreateSection,
    ) -> Result<Section, ErrorInfo> {
        let row = self.row(owner, id).await?;
        let platform = self.0.platforms.get(&row.platform)?;
        self.with_token(owner, &row.id, |token| async move {
            platform.create_section(&token, board_id, section).await
        })
        .await
    }

    async fn boards_of(&self, owner: &Owner, id: &str) -> Result<Arc<Vec<Board>>, ErrorInfo> {
        // The row first: the cache knows no owners.
        let row = self.row(owner, id).await?;
        let now = self.0.clock.now();
        if let Some(boards) = self.0.boards.get(&super::key(owner, &row.id), now) {
            return Ok(boards);
        }
        let platform = self.0.platforms.get(&row.platform)?;
        let mut boards = Vec::new();
        let mut query = BoardsQuery {
            cursor: None,
            limit: PAGE,
            privacy: None,
        };
        for _ in 0..MAX_PAGES {
            let asked = &query;
            let page = self
                .with_token(owner, &row.id, |token| async move {
                    platform.boards(&token, asked).await
                })
                .await?;
            boards.extend(page.items);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        let boards = Arc::new(boards);
        self.0
            .boards
            .put(super::key(owner, &row.id), now, Arc::clone(&boards));
        Ok(boards)
    }
}

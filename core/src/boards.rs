//! Boards of an account and their sections.

use multi_upload_wire::{Board, CreateBoard, CreateSection, Section};
use serde::Serialize;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::page::Items;
use crate::request::{Path, Plan};

/// Operations on boards. See [`Client::boards`].
#[derive(Debug, Clone)]
pub struct Boards(Client);

/// Which boards a list gives.
#[derive(Debug, Clone, Default)]
pub struct BoardFilter {
    /// `PUBLIC`, `PROTECTED` or `SECRET`.
    pub privacy: Option<String>,
    /// With this text in the name.
    pub q: Option<String>,
    /// True reads them from the network anew; else the service may answer from the last 5 minutes.
    pub refresh: Option<bool>,
}

impl Client {
    /// Operations on boards.
    #[must_use]
    pub fn boards(&self) -> Boards {
        Boards(self.clone())
    }
}

impl Boards {
    /// All boards of an account: own, group and secret.
    #[must_use]
    pub fn list(&self, account: &str, filter: &BoardFilter, options: CallOptions) -> Items<Board> {
        self.0.items(list(account, filter), options)
    }

    /// Makes a board.
    ///
    /// # Errors
    /// Those of the service and of the network.
    pub async fn create(
        &self,
        account: &str,
        board: &CreateBoard,
        options: &CallOptions,
    ) -> Result<Board, Error> {
        self.0.fetch(create(account, board)?, options).await
    }

    /// All sections of a board.
    #[must_use]
    pub fn sections(&self, account: &str, board: &str, options: CallOptions) -> Items<Section> {
        self.0.items(sections(account, board), options)
    }

    /// Makes a section.
    ///
    /// # Errors
    /// Those of the service and of the network.
    pub async fn create_section(
        &self,
        account: &str,
        board: &str,
        section: &CreateSection,
        options: &CallOptions,
    ) -> Result<Section, Error> {
        self.0
            .fetch(create_section(account, board, section)?, options)
            .await
    }
}

fn boards(account: &str) -> Result<Path, Error> {
    Ok(Path::new("/v1/accounts")
        .id("account", account)?
        .then("boards"))
}

pub(crate) fn list(account: &str, filter: &BoardFilter) -> Result<Path, Error> {
    Ok(boards(account)?
        .maybe("privacy", filter.privacy.as_deref())
        .maybe("q", filter.q.as_deref())
        .maybe("refresh", filter.refresh.map(|refresh| refresh.to_string())))
}

pub(crate) fn create(account: &str, board: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(boards(account)?, board)
}

pub(crate) fn sections(account: &str, board: &str) -> Result<Path, Error> {
    Ok(boards(account)?.id("board_id", board)?.then("sections"))
}

pub(crate) fn create_section(
    account: &str,
    board: &str,
    section: &impl Serialize,
) -> Result<Plan, Error> {
    Plan::post_json(sections(account, board)?, section)
}

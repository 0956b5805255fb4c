//! The ledger: what was really created, and what was asked.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::state::{MediaKind, State};

/// Requests kept one by one; older ones are only counted.
const LOG_LEN: usize = 10_000;

/// A snapshot of everything the sandbox has done since it started. Tokens, codes and secrets never get into it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Every pin made by a call, in the order of creation, also those deleted since. Older pins of the seed are not here.
    pub pins: Vec<LedgerPin>,
    /// Every board made by a call.
    pub boards: Vec<LedgerBoard>,
    /// Every video that was uploaded, in the order of registration.
    pub uploads: Vec<LedgerUpload>,
    /// Number of requests by method and path, with the ids of the path replaced:
    /// `"POST /v5/pins"`, `"GET /v5/boards/{board_id}/pins"`.
    pub requests: BTreeMap<String, u64>,
    /// The last 10,000 requests, oldest first.
    pub log: Vec<LedgerRequest>,
}

/// A pin that a call created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPin {
    /// Its id.
    pub id: String,
    /// Its board.
    pub board_id: String,
    /// Its section of the board.
    pub board_section_id: Option<String>,
    /// As sent.
    pub title: Option<String>,
    /// As sent.
    pub description: Option<String>,
    /// As sent.
    pub link: Option<String>,
    /// As sent.
    pub alt_text: Option<String>,
    /// Account id of its creator.
    pub account_id: String,
    /// `image`, `video` or `carousel`.
    pub media_kind: String,
    /// The pictures (of a video: its cover), in order.
    pub media: Vec<LedgerMedia>,
    /// The video, where it is one.
    pub media_id: Option<String>,
    /// When it was created, RFC 3339 UTC.
    pub created_at: String,
    /// Number of the request that made it, counted from 1 over all requests.
    pub request: u64,
    /// Deleted since.
    pub deleted: bool,
}

/// A picture of a pin: what identifies it, not its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerMedia {
    /// Address it came from, where it was given by address.
    pub url: Option<String>,
    /// SHA-256 of the content in hexadecimal, where the sandbox has seen the content.
    pub sha256: Option<String>,
    /// Length of the content.
    pub bytes: Option<u64>,
}

/// A board that a call created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerBoard {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Account id of its owner.
    pub account_id: String,
    /// When it was created, RFC 3339 UTC.
    pub created_at: String,
    /// Deleted since.
    pub deleted: bool,
}

/// A video that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerUpload {
    /// Its media id.
    pub media_id: String,
    /// SHA-256 of the content in hexadecimal.
    pub sha256: String,
    /// Length of the content.
    pub bytes: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRequest {
    /// Counted from 1 in the order in which requests came in.
    pub order: u64,
    /// When it came in, milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Its method.
    pub method: String,
    /// Its path as sent, without the query.
    pub path: String,
    /// Status of the answer; `None` while it is worked on, and where a fault took the whole answer away.
    pub status: Option<u16>,
    /// What a fault did to it, for example `after: cut`.
    pub fault: Option<String>,
}

impl Ledger {
    /// The pins with exactly this title, in the order of creation. A second one is a duplicate.
    pub fn titled<'a>(&'a self, title: &'a str) -> impl Iterator<Item = &'a LedgerPin> {
        self.pins
            .iter()
            .filter(move |pin| pin.title.as_deref() == Some(title))
    }

    /// How often a method and path were asked, for example `"POST /v5/pins"`.
    pub fn count(&self, request: &str) -> u64 {
        self.requests.get(request).copied().unwrap_or(0)
    }
}

/// The running record of requests.
#[derive(Debug, Default)]
pub(crate) struct Book {
    order: u64,
    counts: BTreeMap<String, u64>,
    log: VecDeque<LedgerRequest>,
}

impl Book {
    /// Notes a request and gives its number.
    pub(crate) fn open(&mut self, now_ms: u64, method: &str, path: &str, template: &str) -> u64 {
        self.order += 1;
        *self
            .counts
            .entry(format!("{method} {template}"))
            .or_default() += 1;
        if self.log.len() == LOG_LEN {
            self.log.pop_front();
        }
        self.log.push_back(LedgerRequest {
            order: self.order,
            time_ms: now_ms,
            method: method.to_owned(),
            path: path.to_owned(),
            status: None,
            fault: None,
        });
        self.order
    }

    /// Notes how a request ended.
    pub(crate) fn close(&mut self, order: u64, status: Option<u16>, fault: Option<String>) {
        if let Ok(index) = self
            .log
            .binary_search_by_key(&order, |request| request.order)
        {
            self.log[index].status = status;
            self.log[index].fault = fault;
        }
    }
}

/// What exists at `now_ms`; a pin that is applied late counts from then on.
pub(crate) fn snapshot(state: &State, now_ms: u64) -> Ledger {
    let pins = state.pins.iter().filter(|pin| pin.applied_ms <= now_ms);
    Ledger {
        pins: pins
            .filter_map(|pin| {
                Some(LedgerPin {
                    id: pin.id.clone(),
                    board_id: pin.board_id.clone(),
                    board_section_id: pin.section_id.clone(),
                    title: pin.title.clone(),
                    description: pin.description.clone(),
                    link: pin.link.clone(),
                    alt_text: pin.alt_text.clone(),
                    account_id: pin.owner.clone(),
                    media_kind: match pin.media.kind {
                        MediaKind::Image => "image",
                        MediaKind::Video => "video",
                        MediaKind::Carousel => "carousel",
                    }
                    .to_owned(),
                    media: pin
                        .media
                        .pictures
                        .iter()
                        .map(|picture| LedgerMedia {
                            url: picture.url.clone(),
                            sha256: picture.sha256.clone(),
                            bytes: picture.bytes,
                        })
                        .collect(),
                    media_id: pin.media.media_id.clone(),
                    created_at: rfc3339(pin.created_ms),
                    request: pin.request?,
                    deleted: pin.deleted,
                })
            })
            .collect(),
        boards: state
            .boards
            .iter()
            .filter(|board| board.by_api)
            .map(|board| LedgerBoard {
                id: board.id.clone(),
                name: board.name.clone(),
                account_id: board.owner.clone(),
                created_at: rfc3339(board.created_ms),
                deleted: board.deleted,
            })
            .collect(),
        uploads: state
            .media
            .iter()
            .filter_map(|media| {
                let upload = media.upload.as_ref()?;
                Some(LedgerUpload {
                    media_id: media.id.clone(),
                    sha256: upload.sha256.clone(),
                    bytes: upload.bytes,
                })
            })
            .collect(),
        requests: state.book.counts.clone(),
        log: state.book.log.iter().cloned().collect(),
    }
}

//! From what a caller asks for to what each account would get, with everything that is wrong.
//!
//! One plan serves create, batch, validate and update, so that they cannot disagree. Planning
//! stores nothing and sends nothing; it may ask the network for the account's boards.

use std::collections::HashMap;
use std::sync::Arc;

use multi_upload_platforms::{Content, Platform};
use multi_upload_wire::{
    Board, CreateUpload, ErrorCode, ErrorInfo, FieldError, ValidatedTarget, Validation, Warning,
};

use super::boards::{self, BoardsAnswer};
use super::layers::Layers;
use super::media::{self, AccountMedia, Media};
use super::timing::{Kept, Timing};
use crate::api::auth::Caller;
use crate::api::body::step;
use crate::api::fields::nearest;
use crate::api::problem::{Problem, field};
use crate::clock::rfc3339;
use crate::slots::{Offers, Slots, more_slots, next_free, no_free_slot, taken_of};
use crate::state::App;
use crate::store::{AccountRow, Millis, StoreResult};

/// Most accounts of one upload.
const MAX_ACCOUNTS: usize = 25;
/// Longest label, in characters.
const MAX_EXTERNAL_ID: usize = 255;
/// The late rule where none is given.
pub(super) const LATE_MS: Millis = 24 * 3_600_000;

/// What an upload would be.
pub(crate) struct Plan {
    /// When it is due; `None` for a draft without a time.
    pub(crate) at: Option<Millis>,
    /// The zone that was named.
    pub(crate) timezone: Option<String>,
    /// What is to be kept of the time.
    pub(crate) kept: Kept,
    /// How late it may be sent.
    pub(crate) late_ms: Millis,
    /// One for each account that is known, in the order asked for.
    pub(crate) targets: Vec<PlannedTarget>,
    /// What is allowed but probably not meant.
    pub(crate) warnings: Vec<Warning>,
    faults: Vec<Fault>,
    remedy: Option<String>,
}

/// What one account would get.
pub(crate) struct PlannedTarget {
    pub(crate) account: String,
    pub(crate) platform: String,
    pub(crate) content: Content,
    pub(crate) fingerprint: String,
    /// With `next_slot`: what the account's slots offer.
    pub(crate) offers: Offers,
    /// When it would be due, if another time than the upload.
    pub(crate) at: Option<Millis>,
    board: Option<Board>,
}

/// One fault, with the code it would have alone.
struct Fault(ErrorCode, FieldError);

/// Plans uploads of one caller. Accounts and boards are read once, however many rows there are.
pub(crate) struct Planner {
    app: App,
    caller: Caller,
    accounts: Vec<AccountRow>,
    boards: HashMap<String, BoardsAnswer>,
    slots: Slots,
    now: Millis,
}

impl Planner {
    pub(crate) async fn new(app: &App, caller: &Caller) -> StoreResult<Self> {
        Ok(Self {
            accounts: app.store.accounts(&caller.owner).await?,
            app: app.clone(),
            caller: caller.clone(),
            boards: HashMap::new(),
            slots: Slots::default(),
            now: app.clock.now(),
        })
    }

    /// The time that counts as now for every row.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// Plans one upload.
    pub(crate) async fn plan(&mut self, asked: &CreateUpload, timing: Timing) -> StoreResult<Plan> {
        let mut plan = Plan {
            at: None,
            timezone: None,
            kept: Kept::AsBefore,
            late_ms: LATE_MS,
            targets: Vec::new(),
            warnings: Vec::new(),
            faults: Vec::new(),
            remedy: None,
        };
        plan.labels(asked);
        plan.time(asked, timing, self.now);
        let accounts = self.resolve_accounts(asked, &mut plan);
        plan.override_keys(asked);
        plan.other_platforms(asked, &accounts);
        let media = media::choose(&self.app, &self.caller.owner, asked, &mut plan).await?;
        for account in &accounts {
            let offers = self.offers(asked, &account.id, &mut plan).await?;
            self.target(asked, account, media.as_ref(), offers, &mut plan)
                .await?;
        }
        Ok(plan)
    }

    /// With `next_slot`: what the slots of the account offer. None is a fault.
    async fn offers(
        &mut self,
        asked: &CreateUpload,
        account: &str,
        plan: &mut Plan,
    ) -> StoreResult<Offers> {
        if !matches!(plan.kept, Kept::NextSlot) {
            return Ok(Offers::from([]));
        }
        let store = self.app.store.as_ref();
        let offers = self
            .slots
            .of(store, &self.caller.owner, account, self.now)
            .await?;
        if offers.is_empty() {
            let index = asked.accounts.iter().position(|id| id == account);
            plan.fault_of(
                ErrorCode::NoFreeSlot,
                format!("/accounts/{}", index.unwrap_or_default()),
                "no_free_slot",
                format!("{account} has no enabled posting slot"),
            );
            plan.remedy.get_or_insert_with(|| more_slots(account));
        }
        Ok(offers)
    }

    /// For answers that store nothing: the times that `next_slot` would give now.
    pub(crate) async fn preview(&self, plan: &mut Plan) -> StoreResult<()> {
        if !matches!(plan.kept, Kept::NextSlot) {
            return Ok(());
        }
        let owner = &self.caller.owner;
        let store = self.app.store.as_ref();
        let mut full = None;
        for target in &mut plan.targets {
            let taken = taken_of(store, owner, &target.account, &target.offers).await?;
            match next_free(&target.offers, owner, &target.account, &taken) {
                Some(offer) => target.at = Some(offer.at),
                None if target.offers.is_empty() => {}
                None => full = Some(target.account.clone()),
            }
        }
        plan.at = plan.targets.iter().filter_map(|target| target.at).min();
        if let Some(account) = full {
            plan.fault_of(
                ErrorCode::NoFreeSlot,
                "/schedule",
                "no_free_slot",
                no_free_slot(&account),
            );
            plan.remedy.get_or_insert_with(|| more_slots(&account));
        }
        Ok(())
    }

    /// The accounts asked for that the caller may use.
    fn resolve_accounts(&self, asked: &CreateUpload, plan: &mut Plan) -> Vec<AccountRow> {
        if asked.accounts.is_empty() {
            plan.fault("/accounts", "required", "name at least one account");
        }
        if asked.accounts.len() > MAX_ACCOUNTS {
            plan.fault(
                "/accounts",
                "too_many",
                format!(
                    "{} accounts; one upload takes at most {MAX_ACCOUNTS}",
                    asked.accounts.len()
                ),
            );
            return Vec::new();
        }
        let mut found: Vec<AccountRow> = Vec::new();
        for (index, id) in asked.accounts.iter().enumerate() {
            let pointer = format!("/accounts/{index}");
            if asked.accounts[..index].contains(id) {
                plan.fault(pointer, "conflict", format!("{id:?} is named twice"));
                continue;
            }
            if let Some(row) = self.account(id, &pointer, plan) {
                if !row.usable {
                    plan.warn(
                        pointer,
                        format!("{id} must be connected again before it can be published to"),
                    );
                }
                found.push(row);
            }
        }
        found
    }

    fn account(&self, id: &str, pointer: &str, plan: &mut Plan) -> Option<AccountRow> {
        let shown: String = id.chars().take(100).collect();
        let Some((platform, _)) = id.split_once(':') else {
            let like: Vec<&str> = self
                .usable_ids()
                .filter(|known| known.ends_with(&format!(":{id}")))
                .collect();
            let hint = like.first().map_or_else(
                || format!("connected: {}", self.connected()),
                |known| format!("did you mean {known:?}?"),
            );
            plan.fault(
                pointer,
                "invalid",
                format!("{shown:?} is not an account id of the form platform:ID; {hint}"),
            );
            return None;
        };
        if let Err(info) = self.app.platforms.get(platform) {
            plan.fault_of(
                ErrorCode::PlatformUnsupported,
                pointer,
                "unsupported",
                info.detail,
            );
            return None;
        }
        if !self.caller.may_use(id) {
            plan.fault_of(
                ErrorCode::AccountNotAllowed,
                pointer,
                "not_allowed",
                format!("this key may not use {shown:?}"),
            );
            return None;
        }
        let row = self.accounts.iter().find(|row| row.id == id).cloned();
        if row.is_none() {
            plan.fault(
                pointer,
                "unknown",
                format!(
                    "{shown:?} is not connected; connected: {}",
                    self.connected()
                ),
            );
        }
        row
    }

    fn usable_ids(&self) -> impl Iterator<Item = &str> {
        self.accounts
            .iter()
            .map(|row| row.id.as_str())
            .filter(|id| self.caller.may_use(id))
    }

    /// The connected accounts in words.
    fn connected(&self) -> String {
        let ids: Vec<&str> = self.usable_ids().take(50).collect();
        if ids.is_empty() {
            "none; connect one with POST /v1/accounts/connect".to_owned()
        } else {
            ids.join(", ")
        }
    }

    /// What one account would get.
    async fn target(
        &mut self,
        asked: &CreateUpload,
        account: &AccountRow,
        media: Option<&Media>,
        offers: Offers,
        plan: &mut Plan,
    ) -> StoreResult<()> {
        let Ok(platform) = self.app.platforms.get(&account.platform) else {
            return Ok(());
        };
        let platform: Arc<dyn Platform> = Arc::clone(platform);
        let layers = Layers::of(asked, &account.id, &account.platform);
        let (mut content, sources) = layers.content(asked, &account.platform);
        let media = match media {
            Some(media) => {
                media
                    .of_account(&self.app, &self.caller.owner, &layers, plan)
                    .await?
            }
            None => None,
        };
        if let Some(media) = &media {
            content.media = media.content.clone();
        }

        let check = platform.check(&content);
        let mut board_faults = Vec::new();
        for error in check.errors {
            if error.pointer.starts_with("/board_id") {
                board_faults.push(error);
            } else if error.pointer.starts_with("/media") {
                // Without media the fault has been named already.
                if let Some(media) = &media {
                    plan.fault_of(
                        AccountMedia::fault_code(&error.code),
                        media.find(&error.pointer),
                        &error.code,
                        error.detail,
                    );
                }
            } else {
                plan.fault(sources.find(&error.pointer), &error.code, error.detail);
            }
        }
        for warning in check.warnings {
            let pointer = match &media {
                Some(media) if warning.pointer.starts_with("/media") => {
                    media.find(&warning.pointer)
                }
                _ => sources.find(&warning.pointer),
            };
            plan.warn(pointer, warning.detail);
        }

        let mut board = None;
        if content.board_id.is_some() || !board_faults.is_empty() {
            let pointer = sources.find("/board_id");
            let answer = self.boards_of(&account.id).await;
            match boards::judge(
                &account.id,
                content.board_id.as_deref().filter(|id| !id.is_empty()),
                &board_faults,
                &answer,
            ) {
                boards::Verdict::Good(found) => board = Some(found),
                boards::Verdict::Unproven(detail) => plan.warn(pointer, detail),
                boards::Verdict::Bad {
                    code,
                    detail,
                    remedy,
                } => {
                    plan.fault(pointer, code, detail);
                    plan.remedy = plan.remedy.take().or(remedy);
                }
            }
        }

        if media.is_some() {
            plan.targets.push(PlannedTarget {
                account: account.id.clone(),
                platform: account.platform.clone(),
                fingerprint: platform.fingerprint(&content),
                content,
                offers,
                at: None,
                board,
            });
        }
        Ok(())
    }

    async fn boards_of(&mut self, account: &str) -> BoardsAnswer {
        if let Some(answer) = self.boards.get(account) {
            return answer.clone();
        }
        let answer: BoardsAnswer = self
            .app
            .accounts
            .all_boards(&self.caller.owner, account)
            .await
            .map_err(|info: ErrorInfo| info.detail);
        self.boards.insert(account.to_owned(), answer.clone());
        answer
    }
}

impl Plan {
    /// True when nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// The answer to a request that is wrong.
    pub(crate) fn problem(self) -> Problem {
        let mut codes = self.faults.iter().map(|fault| fault.0);
        let first = codes.next().unwrap_or(ErrorCode::ValidationFailed);
        let code = if codes.all(|code| code == first) {
            first
        } else {
            ErrorCode::ValidationFailed
        };
        let errors: Vec<FieldError> = self.faults.into_iter().map(|fault| fault.1).collect();
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            several => format!("{} fields are wrong", several.len()),
        };
        let mut info = ErrorInfo::new(code, detail).with_errors(errors);
        if let Some(remedy) = self.remedy {
            info = info.with_remedy(remedy);
        }
        info.into()
    }

    /// The answer of `validate` and `dry_run`.
    pub(crate) fn validation(self) -> Validation {
        Validation {
            valid: self.faults.is_empty(),
            scheduled_at: self.at.map(rfc3339),
            errors: self.faults.into_iter().map(|fault| fault.1).collect(),
            warnings: self.warnings,
            targets: self
                .targets
                .into_iter()
                .map(|target| ValidatedTarget {
                    account: target.account,
                    board: target.board,
                    scheduled_at: target.at.or(self.at).map(rfc3339),
                })
                .collect(),
        }
    }

    pub(super) fn fault(
        &mut self,
        pointer: impl Into<String>,
        word: &str,
        detail: impl Into<String>,
    ) {
        self.fault_of(ErrorCode::ValidationFailed, pointer, word, detail);
    }

    pub(super) fn fault_of(
        &mut self,
        code: ErrorCode,
        pointer: impl Into<String>,
        word: &str,
        detail: impl Into<String>,
    ) {
        let error = field(pointer, word, detail);
        // Two accounts of one platform find the same fault in the same field.
        if !self.faults.iter().any(|fault| fault.1 == error) {
            self.faults.push(Fault(code, error));
        }
    }

    pub(super) fn warn(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let warning = Warning {
            pointer: pointer.into(),
            detail: detail.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn labels(&mut self, asked: &CreateUpload) {
        if let Some(label) = &asked.external_id {
            let length = label.chars().count();
            if length > MAX_EXTERNAL_ID {
                self.fault(
                    "/external_id",
                    "too_long",
                    format!("{length} characters; at most {MAX_EXTERNAL_ID} are allowed"),
                );
            }
        }
    }

    /// Overrides must belong to an account, or the platform of one, that the upload goes to.
    fn override_keys(&mut self, asked: &CreateUpload) {
        let Some(overrides) = &asked.overrides else {
            return;
        };
        let platforms = asked
            .accounts
            .iter()
            .filter_map(|id| id.split_once(':').map(|(platform, _)| platform));
        let known: Vec<&str> = asked
            .accounts
            .iter()
            .map(String::as_str)
            .chain(platforms)
            .collect();
        for key in overrides.keys() {
            if known.contains(&key.as_str()) {
                continue;
            }
            let shown: String = key.chars().take(100).collect();
            let hint = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "use an account id or its platform's name".to_owned(),
            };
            self.fault(
                format!("/overrides/{}", step(&shown)),
                "unknown",
                format!("{shown:?} is not among the accounts of this upload; {hint}"),
            );
        }
    }

    /// Fields of platforms that the upload does not go to.
    fn other_platforms(&mut self, asked: &CreateUpload, accounts: &[AccountRow]) {
        for (name, given) in [
            ("pinterest", asked.pinterest.is_some()),
            ("tiktok", asked.tiktok.is_some()),
            ("instagram", asked.instagram.is_some()),
        ] {
            if given && !accounts.iter().any(|row| row.platform == name) {
                self.warn(
                    format!("/{name}"),
                    format!("`{name}` has no effect: no account of it is named"),
                );
            }
        }
    }
}

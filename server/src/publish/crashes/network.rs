//! A network in memory: a ledger of posts, lists that lag behind it, and answers by plan.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_platforms::{
    AuthorizeRequest, BoardsQuery, Check, CommitAnswer, Connection, Content, FailureClass, Limits,
    Look, Platform, PlatformError, Preparation, Prepared, Profile, Rate, RemotePost, TokenSet,
    Workshop,
};
use multi_upload_wire::{Board, CreateBoard, CreateSection, ErrorCode, ErrorInfo, Page, Section};
use serde_json::json;

use super::dice::Dice;
use super::weather::{Answer, Mutant, Weather};
use crate::clock::{Clock, rfc3339};
use crate::store::{Millis, Owner, Phase, Store};

/// Longest time between a request and its effect.
const LATE_MS: u64 = 5 * 60_000;

/// Longest time between an effect and its place in the lists.
const HIDDEN_MS: u64 = 5 * 60_000;

/// Oldest list that is given out as new. Together with the two above less than the quiet period.
const STALE_MS: u64 = 4 * 60_000;

#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) ours: bool,
    board: String,
    made_at: Millis,
    visible_at: Millis,
}

pub(super) struct State {
    weather: Weather,
    dice: Dice,
    /// The next connection is refused.
    no_connection: bool,
    pub(super) posts: Vec<Post>,
    /// Commit requests that came to the adapter.
    pub(super) requests: u64,
    pub(super) looks: u64,
    /// Broken promises that the network itself can see.
    pub(super) violations: Vec<String>,
    /// Uploads of this schedule.
    pub(super) uploads: Vec<String>,
}

pub(super) struct Network {
    state: Mutex<State>,
    clock: Clock,
    store: Arc<dyn Store>,
    owner: Owner,
}

fn trouble(class: FailureClass, code: ErrorCode) -> PlatformError {
    PlatformError::new(class, ErrorInfo::new(code, "the network said so"))
}

fn unavailable() -> PlatformError {
    trouble(FailureClass::Unavailable, ErrorCode::PlatformUnavailable)
}

impl Network {
    pub(super) fn new(clock: Clock, store: Arc<dyn Store>, owner: Owner) -> Self {
        let weather = Weather {
            seed: 0,
            answers: HashMap::new(),
            bad_lists: 0,
            outage: false,
            bad_baselines: 0,
            at_bounds: false,
            tells_time: true,
            older: 0,
            mutant: Mutant::None,
        };
        Self {
            state: Mutex::new(State {
                dice: Dice::new(0),
                weather,
                no_connection: false,
                posts: Vec::new(),
                requests: 0,
                looks: 0,
                violations: Vec::new(),
                uploads: Vec::new(),
            }),
            clock,
            store,
            owner,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new schedule: an empty ledger but for the posts that stand there already.
    pub(super) fn begin(&self, weather: Weather, board: &str, uploads: &[(String, String)]) {
        let long_ago = self.clock.now() - 3 * 3_600_000;
        let mut state = self.state();
        let titles: Vec<&str> = match weather.older {
            0 => vec![],
            1 => vec!["older"],
            _ => vec!["older", uploads.first().map_or("", |(_, title)| title)],
        };
        state.posts = titles
            .into_iter()
            .enumerate()
            .map(|(n, title)| Post {
                id: format!("older-{}-{n}", weather.seed),
                title: title.to_owned(),
                ours: false,
                board: board.to_owned(),
                made_at: long_ago,
                visible_at: long_ago,
            })
            .collect();
        state.dice = Dice::new(weather.seed);
        state.weather = weather;
        state.no_connection = false;
        state.requests = 0;
        state.looks = 0;
        state.violations.clear();
        state.uploads = uploads.iter().map(|(id, _)| id.clone()).collect();
    }

    /// Every request has an intent row that was stored before it, alone in its lane.
    async fn check_intent(&self, title: &str) {
        let uploads = self.state().uploads.clone();
        let (mut armed, mut under_way) = (0, 0);
        for id in uploads {
            let row = self.store.upload(&self.owner, &id).await;
            let Ok(Some(row)) = row else { continue };
            for target in row.targets {
                if target.content.title.as_deref() != Some(title) {
                    continue;
                }
                let is_armed = target.phase == Phase::Armed && target.attempt.is_some();
                armed += u32::from(is_armed);
                under_way += u32::from(matches!(
                    target.phase,
                    Phase::Claimed | Phase::Armed | Phase::Reconciling
                ));
            }
        }
        let mut state = self.state();
        if armed != 1 {
            let text = format!("P2: a request for {title} with {armed} intent rows");
            state.violations.push(text);
        }
        if under_way != 1 {
            let text = format!("P7: {under_way} targets like {title} are under way");
            state.violations.push(text);
        }
    }
}

impl State {
    fn delay(&mut self, longest: u64) -> Millis {
        let ms = if self.weather.at_bounds {
            longest
        } else {
            self.dice.below(longest + 1)
        };
        Millis::try_from(ms).unwrap()
    }

    fn next_answer(&mut self, title: &str) -> Answer {
        let queue = self.weather.answers.get_mut(title);
        queue.and_then(VecDeque::pop_front).unwrap_or(Answer::Made)
    }

    fn make(&mut self, title: &str, now: Millis, late: bool) -> String {
        let made_at = now + if late { self.delay(LATE_MS) } else { 0 };
        let visible_at = made_at + self.delay(HIDDEN_MS);
        let id = format!("{}-{}", self.weather.seed, self.posts.len());
        self.posts.push(Post {
            id: id.clone(),
            title: title.to_owned(),
            ours: true,
            board: board_of(title),
            made_at,
            visible_at,
        });
        id
    }

    fn list(&self, board: &str, title: Option<&str>, as_of: Millis) -> Vec<RemotePost> {
        self.posts
            .iter()
            .filter(|post| post.board == board && post.visible_at <= as_of)
            .map(|post| RemotePost {
                id: post.id.clone(),
                url: format!("https://n/{}", post.id),
                created_at: self.weather.tells_time.then(|| rfc3339(post.made_at)),
                matches: title == Some(post.title.as_str()),
            })
            .collect()
    }
}

/// Titles begin with their board.
fn board_of(title: &str) -> String {
    title.split('/').next().unwrap_or_default().to_owned()
}

#[async_trait]
impl Platform for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn limits(&self) -> Limits {
        let plenty = Rate {
            count: 1_000_000,
            per: Duration::from_secs(60),
        };
        Limits {
            writes: plenty,
            looks: plenty,
        }
    }

    fn check(&self, _: &Content) -> Check {
        Check::default()
    }

    fn fingerprint(&self, content: &Content) -> String {
        content.title.clone().unwrap_or_default()
    }

    fn post_url(&self, _: &str) -> Option<String> {
        None
    }

    fn authorize_url(&self, _: &AuthorizeRequest) -> String {
        String::new()
    }

    async fn exchange_code(&self, _: &str, _: &str) -> Result<TokenSet, PlatformError> {
        Err(unavailable())
    }

    async fn refresh(&self, _: &str) -> Result<TokenSet, PlatformError> {
        Ok(TokenSet {
            access_token: "new".to_owned(),
            refresh_token: Some("again".to_owned()),
            expires_in: Duration::from_secs(30 * 86_400),
            refresh_expires_in: None,
            scopes: Vec::new(),
        })
    }

    async fn profile(&self, _: &str) -> Result<Profile, PlatformError> {
        Err(unavailable())
    }

    async fn boards(&self, _: &str, _: &BoardsQuery) -> Result<Page<Board>, PlatformError> {
        Err(unavailable())
    }

    async fn create_board(&self, _: &str, _: &CreateBoard) -> Result<Board, PlatformError> {
        Err(unavailable())
    }

    async fn sections(
        &self,
        _: &str,
        _: &str,
        _: Option<&str>,
    ) -> Result<Page<Section>, PlatformError> {
        Err(unavailable())
    }

    async fn create_section(
        &self,
        _: &str,
        _: &str,
        _: &CreateSection,
    ) -> Result<Section, PlatformError> {
        Err(unavailable())
    }

    async fn prepare(
        &self,
        _: &str,
        content: &Content,
        _: Workshop<'_>,
    ) -> Result<Preparation, PlatformError> {
        tokio::task::yield_now().await;
        let title = content.title.clone().unwrap_or_default();
        let mut state = self.state();
        if let Some(queue) = state.weather.answers.get_mut(&title)
            && queue.front() == Some(&Answer::NoConnection)
        {
            queue.pop_front();
            state.no_connection = true;
        }
        drop(state);
        Ok(Preparation::Ready(Prepared {
            body: Bytes::from(title),
            state: Some(json!({"media": 1})),
        }))
    }

    async fn open(&self) -> Result<Connection, PlatformError> {
        tokio::task::yield_now().await;
        if std::mem::take(&mut self.state().no_connection) {
            return Err(trouble(
                FailureClass::NotSent,
                ErrorCode::PlatformUnavailable,
            ));
        }
        Ok(Connection(Box::new(())))
    }

    async fn commit(&self, _: Connection, _: &str, prepared: &Prepared) -> CommitAnswer {
        let title = String::from_utf8_lossy(&prepared.body).into_owned();
        self.state().requests += 1;
        self.check_intent(&title).await;
        let answer = self.state().next_answer(&title);
        let mutant = self.state().weather.mutant;
        // The request is under way: up to 5 s.
        let travel = self.state().delay(5_000);
        self.clock.set(self.clock.now() + travel);
        tokio::task::yield_now().await;
        let mut id = String::new();
        if answer.makes_it() {
            let late = answer == Answer::MadeLateAndCut;
            id = self.state().make(&title, self.clock.now(), late);
        }
        tokio::task::yield_now().await;
        match answer {
            Answer::Made => CommitAnswer::Applied {
                remote_url: format!("https://n/{id}"),
                remote_id: id,
            },
            Answer::MadeWithoutId => CommitAnswer::AppliedIdUnknown(trouble(
                FailureClass::BadAnswer,
                ErrorCode::PlatformBadResponse,
            )),
            Answer::MadeAnd500 | Answer::Plain500 if mutant == Mutant::ServerErrorMeansNotSent => {
                CommitAnswer::NotSent(unavailable())
            }
            Answer::MadeAndCut
            | Answer::MadeLateAndCut
            | Answer::CutBefore
            | Answer::MadeAnd500
            | Answer::Plain500 => CommitAnswer::Unknown(unavailable()),
            Answer::Limit => {
                let mut error = trouble(FailureClass::RateLimited, ErrorCode::PlatformRateLimited);
                error.retry_after = Some(Duration::from_secs(7));
                CommitAnswer::Throttled(error)
            }
            Answer::TokenExpired => CommitAnswer::TokenExpired(trouble(
                FailureClass::TokenExpired,
                ErrorCode::PlatformUnavailable,
            )),
            Answer::NotSent | Answer::NoConnection => CommitAnswer::NotSent(trouble(
                FailureClass::NotSent,
                ErrorCode::PlatformUnavailable,
            )),
            Answer::Refused => {
                CommitAnswer::Rejected(trouble(FailureClass::Rejected, ErrorCode::PlatformRejected))
            }
        }
    }

    async fn look(&self, _: &str, content: &Content) -> Result<Look, PlatformError> {
        tokio::task::yield_now().await;
        let title = content.title.as_deref();
        let board = content.board_id.clone().unwrap_or_default();
        let uploads = self.state().uploads.clone();
        // A look for a target that is claimed is a baseline.
        let mut before = false;
        for id in uploads {
            if let Ok(Some(row)) = self.store.upload(&self.owner, &id).await {
                before |= row.targets.iter().any(|target| {
                    target.phase == Phase::Claimed && target.content.title.as_deref() == title
                });
            }
        }
        let now = self.clock.now();
        let mut state = self.state();
        state.looks += 1;
        let bad = if before {
            state.weather.bad_baselines
        } else {
            state.weather.bad_lists
        };
        let mutant = state.weather.mutant;
        if before && mutant == Mutant::NoBaseline {
            return Ok(Look {
                posts: Vec::new(),
                complete: true,
                total: None,
                requests: 1,
            });
        }
        let mut fault = (state.dice.below(100) < bad).then(|| state.dice.below(4));
        if state.weather.outage && !before {
            fault = Some(1);
        }
        let as_of = match fault {
            Some(0) => return Err(unavailable()),
            Some(1) => {
                return Ok(Look {
                    posts: Vec::new(),
                    complete: true,
                    total: (mutant == Mutant::EmptyMeansNone).then_some(0),
                    requests: 1,
                });
            }
            Some(2) => now - state.delay(STALE_MS),
            Some(_) => {
                return Ok(Look {
                    posts: state.list(&board, title, now).into_iter().take(1).collect(),
                    complete: false,
                    total: None,
                    requests: 1,
                });
            }
            None => now,
        };
        let posts = state.list(&board, title, as_of);
        Ok(Look {
            total: posts.is_empty().then_some(0),
            posts,
            complete: true,
            requests: 1,
        })
    }
}

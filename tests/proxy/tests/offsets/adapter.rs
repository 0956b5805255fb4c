//! What the adapter concludes, byte by byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_platforms::pinterest::Pinterest;
use multi_upload_platforms::{CommitAnswer, Content, ContentMedia, MediaSource, Platform as _};
use multi_upload_proxy::{Action, Exchange, Proxy, Side, Strike};
use multi_upload_sandbox::{Action as Answer, Fault, FaultScript, USERNAME};
use serde_json::json;

use crate::all;
use crate::world::Network;

const BOARD: &str = "549755885175000002";
const SCOPES: [&str; 5] = [
    "boards:read",
    "boards:write",
    "pins:read",
    "pins:write",
    "user_accounts:read",
];

/// As many exchanges as that are under way at once.
const WORKERS: usize = 8;

/// A word for the conclusion, for the figures and the messages.
fn word(answer: &CommitAnswer) -> &'static str {
    match answer {
        CommitAnswer::Applied { .. } => "applied",
        CommitAnswer::AppliedIdUnknown(_) => "applied, id unknown",
        CommitAnswer::Rejected(_) => "rejected",
        CommitAnswer::Throttled(_) => "throttled",
        CommitAnswer::TokenExpired(_) => "token expired",
        CommitAnswer::NotSent(_) => "not sent",
        CommitAnswer::Unknown(_) => "unknown",
    }
}

/// Whether the conclusion is false, given how many pins there are.
fn is_false(answer: &CommitAnswer, pins: usize) -> bool {
    match answer {
        CommitAnswer::Applied { .. } | CommitAnswer::AppliedIdUnknown(_) => pins != 1,
        CommitAnswer::Unknown(_) => pins > 1,
        CommitAnswer::Rejected(_)
        | CommitAnswer::Throttled(_)
        | CommitAnswer::TokenExpired(_)
        | CommitAnswer::NotSent(_) => pins != 0,
    }
}

struct NoFiles;

#[async_trait]
impl MediaSource for NoFiles {
    async fn read(&self, _: &str) -> std::io::Result<Bytes> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// One caller with a way of its own to the network.
struct Caller {
    proxy: Proxy,
    platform: Pinterest,
    token: String,
}

impl Caller {
    async fn new(network: &Network) -> Self {
        let proxy = Proxy::start(network.address).await.unwrap();
        let tokens = network.sandbox.issue_tokens("app", USERNAME, &SCOPES);
        Self {
            platform: network.platform(proxy.address()),
            proxy,
            token: tokens.unwrap().access_token,
        }
    }

    /// One pin, by open and commit.
    async fn send(&self, strike: Option<Strike>, title: &str) -> CommitAnswer {
        let content = Content {
            title: Some(title.to_owned()),
            link: Some("https://shop.example/cake?ref=1".to_owned()),
            board_id: Some(BOARD.to_owned()),
            media: ContentMedia::ImageUrl {
                url: "https://img.example/cake.png".to_owned(),
            },
            ..Content::default()
        };
        let prepared = self.platform.prepare(&self.token, &content, &NoFiles, None);
        let prepared = prepared.await.unwrap();
        self.proxy.strike(strike);
        let connection = self.platform.open().await.unwrap();
        self.platform
            .commit(connection, &self.token, &prepared)
            .await
    }
}

/// The lengths of request and answer when nothing strikes.
async fn lengths(network: &Network) -> (usize, usize) {
    let caller = Caller::new(network).await;
    let answer = caller.send(None, "Pin 0000000").await;
    drop(answer);
    let ended = async {
        loop {
            if let Some(&exchange) = caller.proxy.exchanges().first() {
                break exchange;
            }
            tokio::task::yield_now().await;
        }
    };
    let exchange: Exchange = tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .unwrap();
    (exchange.request, exchange.answer)
}

/// Every byte of the exchange with each of the actions; `every` thins them out.
fn strikes(
    (request, answer): (usize, usize),
    actions: &[Action],
    every: usize,
) -> impl Iterator<Item = Strike> {
    let there = (0..=request).map(|byte| (Side::Request, byte));
    let back = (0..=answer).map(|byte| (Side::Answer, byte));
    let last = [(Side::Request, request), (Side::Answer, answer)];
    there
        .chain(back)
        .step_by(every)
        .chain(last)
        .flat_map(move |(side, after)| {
            actions.iter().map(move |&action| Strike {
                side,
                after,
                action,
            })
        })
}

/// Sends one pin for each strike and compares what was concluded with what is there.
async fn run(network: &Network, what: &str, strikes: Vec<Strike>) -> Vec<(Strike, &'static str)> {
    let next = AtomicUsize::new(0);
    let worker = async || {
        let caller = Caller::new(network).await;
        let mut answers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(&strike) = strikes.get(number) else {
                break;
            };
            let title = format!("Pin {number:07}");
            let answer = caller.send(Some(strike), &title).await;
            answers.push((strike, title, answer));
        }
        answers
    };
    let all = futures_util::future::join_all((0..WORKERS).map(|_| worker())).await;
    settle(network).await;

    let mut pins: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pin in network.sandbox.ledger().pins {
        pins.entry(pin.title.unwrap()).or_default().push(pin.id);
    }
    let mut figures: BTreeMap<&str, usize> = BTreeMap::new();
    let mut concluded = Vec::new();
    let mut wrong = Vec::new();
    for (strike, title, answer) in all.into_iter().flatten() {
        let made = pins.get(&title).map_or(&[][..], Vec::as_slice);
        let other_id = match &answer {
            CommitAnswer::Applied { remote_id, .. } => made != [remote_id.clone()],
            _ => false,
        };
        if is_false(&answer, made.len()) || other_id {
            wrong.push(format!(
                "{strike:?}: said {}, {} pins",
                word(&answer),
                made.len()
            ));
        }
        *figures.entry(word(&answer)).or_default() += 1;
        concluded.push((strike, word(&answer)));
    }
    eprintln!(
        "offsets, {what}: {} exchanges, {} pins made, {figures:?}, {} wrong",
        concluded.len(),
        pins.len(),
        wrong.len()
    );
    assert_eq!(concluded.len(), strikes.len());
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    concluded
}

/// Waits until the network is at rest: what a broken connection brought may take effect after we gave up.
async fn settle(network: &Network) {
    let mut before = None;
    let mut alike = 0;
    let rest = async {
        while alike < 3 {
            let caller = Caller::new(network).await;
            let answer = caller.send(None, "At rest").await;
            assert_eq!(word(&answer), "applied", "{answer:?}");
            let ledger = network.sandbox.ledger();
            let others = ledger.pins.len() - ledger.titled("At rest").count();
            alike = if before == Some(others) { alike + 1 } else { 0 };
            before = Some(others);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), rest)
        .await
        .unwrap();
}

/// Where an answer ends in the middle, the conclusion depends on the byte alone.
fn expect(concluded: &[(Strike, &'static str)], lengths: (usize, usize), head: usize) {
    for (strike, word) in concluded {
        let at = strike.after;
        let expected = match (strike.side, strike.action) {
            // Slow is not broken.
            (_, Action::Delay(_) | Action::Drip) => &["applied"][..],
            (Side::Request, Action::Cut) if at < lengths.0 => &["unknown", "rejected"],
            (Side::Answer, Action::Cut) if at < head => &["unknown"],
            (Side::Answer, Action::Cut) if at < lengths.1 => &["applied, id unknown"],
            (Side::Answer, Action::Cut) => &["applied"],
            _ => continue,
        };
        assert!(expected.contains(word), "{strike:?}: {word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_is_made() {
    let network = Network::start().await;
    let lengths = lengths(&network).await;
    assert!(lengths.0 > 300 && lengths.1 > 300, "{lengths:?}");
    let pause = Action::Delay(Duration::from_millis(20));
    let actions = [
        Action::Cut,
        Action::Reset,
        Action::Orphan,
        pause,
        Action::Drip,
    ];
    let list = strikes(lengths, &actions, 1).collect();
    let concluded = run(&network, "a pin that is made", list).await;
    // The head is what is needed to know the status; where exactly it ends is the answer's own business.
    let first_of_body = concluded
        .iter()
        .filter(|(strike, word)| {
            (strike.side, strike.action) == (Side::Answer, Action::Cut)
                && *word == "applied, id unknown"
        })
        .map(|(strike, _)| strike.after)
        .min()
        .unwrap();
    expect(&concluded, lengths, first_of_body);
}

/// A refusal that proves something does so only once it is whole: until then it could be the beginning of anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_is_refused() {
    for (what, body, status, whole) in [
        (
            "refused",
            json!({"code": 40, "message": "Board not found."}),
            404,
            "rejected",
        ),
        (
            "limited",
            json!({"code": 8, "message": "This request exceeded a rate limit."}),
            429,
            "throttled",
        ),
        (
            "failed",
            json!({"code": 0, "message": "Oops."}),
            500,
            "unknown",
        ),
    ] {
        let network = Network::start().await;
        let refusal = Answer {
            body: Some(body),
            ..Answer::status(status)
        };
        let fault = Fault::on("POST", "/v5/pins", refusal)
            .times(0)
            .body_contains("Pin 0");
        network.sandbox.set_faults(FaultScript::of([fault]));
        let lengths = lengths(&network).await;
        let list: Vec<_> = strikes(lengths, &[Action::Cut, Action::Reset], 1)
            .filter(|strike| strike.side == Side::Answer)
            .collect();
        let concluded = run(&network, what, list).await;
        for (strike, word) in concluded {
            let whole = if strike.after >= lengths.1 {
                &[whole, "unknown"][..]
            } else {
                &["unknown"][..]
            };
            assert!(whole.contains(&word), "{what}, {strike:?}: {word}");
        }
        assert_eq!(network.made("Pin 0000001"), 0);
    }
}

/// Silence is no proof either; the adapter gives up after its 30 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_falls_silent() {
    let network = Network::start().await;
    let lengths = lengths(&network).await;
    let sample = if all() {
        1
    } else {
        lengths.0.max(lengths.1) / 15
    };
    let list: Vec<_> = strikes(lengths, &[Action::Stall], sample).collect();
    let sending = list.into_iter().enumerate().map(async |(number, strike)| {
        let caller = Caller::new(&network).await;
        let title = format!("Pin {number:07}");
        (strike, caller.send(Some(strike), &title).await, title)
    });
    let answers = futures_util::future::join_all(sending).await;
    settle(&network).await;
    for (strike, answer, title) in &answers {
        let made = network.made(title);
        assert!(
            !is_false(answer, made),
            "{strike:?}: {}, {made} pins",
            word(answer)
        );
    }
    eprintln!("offsets, silence: {} exchanges, 0 wrong", answers.len());
}

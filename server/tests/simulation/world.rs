//! One world, from its seed to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use multi_upload_platforms::pinterest::PinterestSettings;
use multi_upload_sandbox::{Limits, Options, Privacy, Sandbox, Seed, SeedBoard, SeedUser};
use multi_upload_sandbox::{USER_ID, USERNAME};
use multi_upload_server::store::sqlite::SqliteStore;
use multi_upload_server::store::{Owner, Phase, TargetRow};
use multi_upload_server::{Chance, Clock, Config, DEFAULT_TEAM, MasterKey};
use multi_upload_wire::Mode;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use turmoil::Sim;

use crate::figures::Figures;
use crate::outside;
use crate::plan::{Event, Plan, QUIET};
use crate::service::{NETWORK, Service, Words};

/// 2026-11-24T12:00:00Z.
const START: i64 = 1_795_521_600_000;
/// The only board; the sandbox numbers them like this.
const BOARD: &str = "549755885175000001";
const TICK: Duration = Duration::from_millis(100);
/// Nothing happens before.
const QUIET_START: Duration = Duration::from_secs(5);
/// How often the end is looked for.
const CHECK_EVERY: u32 = 50;
/// More than any world within the bounds needs.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Time for what is on its way when all is said to be over.
const AFTERWARDS: Duration = Duration::from_secs(20);

/// The simulated time, on hosts and between their steps.
#[derive(Clone, Default)]
struct Time(Arc<AtomicI64>);

impl Time {
    fn now(&self) -> i64 {
        let since_start = turmoil::sim_elapsed().map(millis);
        START + since_start.unwrap_or_else(|| self.0.load(Ordering::SeqCst))
    }
}

impl multi_upload_sandbox::Clock for Time {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.now()).unwrap()
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

pub(crate) struct World {
    plan: Plan,
    time: Time,
    sandbox: Sandbox,
    service: Arc<Service>,
    /// For the calls between the steps of the simulation.
    outer: Runtime,
    _folder: TempDir,
}

/// How a world ended.
pub(crate) struct End {
    pub(crate) figures: Figures,
    /// What happened, for people; the same for the same seed.
    pub(crate) story: String,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let plan = Plan::of(seed);
        let time = Time::default();
        // In memory where the system has such a folder: it is the order of writes that counts here.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let sandbox = Sandbox::new(Options {
            auto_approve: true,
            seed: boards(),
            limits: Limits::standard(),
            clock: Arc::new(time.clone()),
            random_seed: Some(seed),
            ..Options::default()
        });
        let chance = Chance::seeded(seed);
        let mut config = Config::new(folder.path());
        config.mode = Mode::Test;
        config.public_url = "http://service".to_owned();
        config.pinterest = PinterestSettings {
            app_id: "1234".to_owned(),
            app_secret: "sandbox-secret".to_owned(),
            api_url: format!("{NETWORK}/v5"),
            authorize_url: format!("{NETWORK}/oauth/"),
            ..PinterestSettings::default()
        };
        config.master_key = MasterKey::parse(&"07".repeat(32)).ok();
        config.quiet_period = QUIET;
        config.allow_private_urls = true;
        let clock = time.clone();
        config.clock = Clock::told(move || clock.now());
        config.chance = chance.clone();
        let store = Arc::new(SqliteStore::open(&folder.path().join("simulated.db")).unwrap());
        let uploads = plan.uploads.iter().map(|(title, due)| {
            let at = jiff::Timestamp::from_millisecond(START + millis(*due)).unwrap();
            json!({
                "accounts": [format!("pinterest:{USER_ID}")], "board_id": BOARD, "title": title,
                "image_url": "https://pictures.example/cake.jpg", "scheduled_at": at.to_string(),
            })
        });
        let service = Arc::new(Service {
            uploads: uploads.collect(),
            config,
            changes: store.changes_watch(),
            store,
            sandbox: sandbox.clone(),
            chance,
            words: Arc::new(Words::default()),
            ids: std::sync::Mutex::default(),
        });
        let outer = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        Self {
            plan,
            time,
            sandbox,
            service,
            outer,
            _folder: folder,
        }
    }

    pub(crate) fn run(self) -> End {
        if self.plan.has_older {
            self.make_older();
        }
        let older: BTreeSet<String> = self.pins().into_iter().map(|pin| pin.0).collect();
        self.sandbox.set_faults(self.plan.script.clone());
        let mut sim = turmoil::Builder::new()
            .rng_seed(self.plan.seed)
            .tick_duration(TICK)
            .simulation_duration(LONGEST + LONGEST)
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::from_millis(1))
            .tcp_capacity(256)
            .build();
        let router = self.sandbox.router(NETWORK);
        sim.host("network", move || outside::serve(router.clone()));
        let (service, loses) = (Arc::clone(&self.service), self.plan.loses_one_of);
        sim.host("service", move || Arc::clone(&service).live(loses));
        let mut figures = Figures {
            worlds: 1,
            targets: self.plan.uploads.len() as u64,
            ..Figures::default()
        };
        // Connecting the account and storing the uploads goes well.
        while sim.elapsed() < QUIET_START {
            self.step(&mut sim);
        }
        if self.plan.at_bounds {
            sim.set_link_latency("service", "network", self.plan.latency);
        } else {
            sim.set_max_message_latency(self.plan.latency);
        }
        let mut events = self.plan.events.iter().peekable();
        let mut steps = 0_u32;
        while sim.elapsed() < LONGEST {
            while let Some((_, event)) = events.next_if(|(at, _)| *at <= sim.elapsed()) {
                befall(&mut sim, *event, &mut figures);
            }
            self.step(&mut sim);
            steps += 1;
            if steps.is_multiple_of(CHECK_EVERY) && events.peek().is_none() && self.is_over() {
                break;
            }
        }
        let end = sim.elapsed() + AFTERWARDS;
        while sim.elapsed() < end {
            self.step(&mut sim);
        }
        figures.simulated = sim.elapsed();
        figures.lost_words = self.service.words.lost.load(Ordering::SeqCst);
        drop(sim);
        self.judge(&older, &mut figures);
        End {
            story: self.story(),
            figures,
        }
    }

    fn step(&self, sim: &mut Sim<'_>) {
        let hard = sim.elapsed() >= QUIET_START && Plan::is_hard_at(sim.elapsed());
        let words = &self.service.words;
        words.are_lost.store(hard, Ordering::SeqCst);
        sim.step().unwrap();
        self.time.0.store(millis(sim.elapsed()), Ordering::SeqCst);
    }

    /// A pin like the first one, made by hand a minute before: in the lists by now, but not older than clocks may differ.
    fn make_older(&self) {
        self.time.0.store(-60_000, Ordering::SeqCst);
        let scopes = ["boards:read", "boards:write", "pins:read", "pins:write"];
        let tokens = self
            .sandbox
            .issue_tokens("1234", USERNAME, &scopes)
            .unwrap();
        let body = json!({
            "board_id": BOARD, "title": self.plan.uploads[0].0,
            "media_source": {"source_type": "image_url", "url": "https://pictures.example/cake.jpg"},
        });
        let request = Request::post("/v5/pins")
            .header("authorization", format!("Bearer {}", tokens.access_token))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let router = self.sandbox.router(NETWORK);
        let answer = self.outer.block_on(router.oneshot(request)).unwrap();
        assert_eq!(answer.status(), 201);
        self.time.0.store(0, Ordering::SeqCst);
    }

    /// Id and title of each pin that was made by a call.
    fn pins(&self) -> Vec<(String, String)> {
        let pins = self.sandbox.ledger().pins;
        pins.into_iter()
            .map(|pin| (pin.id, pin.title.unwrap_or_default()))
            .collect()
    }

    fn targets(&self) -> Vec<TargetRow> {
        let owner = owner();
        let ids = self.service.ids.lock().unwrap().clone();
        let rows = ids.iter().filter_map(|id| {
            let row = self.outer.block_on(self.service.store.upload(&owner, id));
            row.unwrap()
        });
        rows.flat_map(|row| row.targets).collect()
    }

    fn is_over(&self) -> bool {
        let targets = self.targets();
        let is_settled =
            |target: &TargetRow| target.phase.is_terminal() || target.phase == Phase::NeedsReview;
        !targets.is_empty() && targets.iter().all(is_settled)
    }

    /// Compares what the service says with the ledger.
    fn judge(&self, older: &BTreeSet<String>, figures: &mut Figures) {
        let targets = self.targets();
        if targets.len() != self.plan.uploads.len() {
            figures.violations.push("uploads are missing".to_owned());
        }
        let pins = self.pins();
        let title = |target: &TargetRow| target.content.title.clone().unwrap_or_default();
        let mut taken = BTreeSet::new();
        let mut left: BTreeMap<String, u64> = BTreeMap::new();
        for target in &targets {
            match target.phase {
                Phase::Published => {
                    figures.published += 1;
                    let id = target.remote_id.clone().unwrap_or_default();
                    let exists = pins.contains(&(id.clone(), title(target)));
                    let is_ours = exists && !older.contains(&id) && taken.insert(id);
                    figures.lost += u64::from(!is_ours);
                }
                Phase::NeedsReview => {
                    figures.human += 1;
                    *left.entry(title(target)).or_default() += 1;
                }
                Phase::Failed => figures.failed += 1,
                phase => {
                    figures.stuck += 1;
                    let text = format!("{} ended as {phase:?}", title(target));
                    figures.violations.push(text);
                }
            }
        }
        for (id, title) in &pins {
            if older.contains(id) || taken.contains(id) {
                continue;
            }
            // A person who judges a target may find its one pin.
            match left.get_mut(title) {
                Some(n) if *n > 0 => *n -= 1,
                _ => {
                    let has_failed = |target: &TargetRow| {
                        target.phase == Phase::Failed
                            && target.content.title.as_ref() == Some(title)
                    };
                    if targets.iter().any(has_failed) {
                        figures.lost += 1;
                    } else {
                        figures.duplicates += 1;
                    }
                }
            }
        }
        let by_hand = u64::from(self.plan.has_older);
        figures.requests = self.sandbox.ledger().count("POST /v5/pins") - by_hand;
        let armed: u64 = targets.iter().map(|t| u64::from(t.attempts)).sum();
        // An attempt may be lost on its way; a request without an attempt must not be.
        if figures.requests > armed {
            let text = format!("P12: {armed} attempts, {} requests", figures.requests);
            figures.violations.push(text);
        }
    }

    fn story(&self) -> String {
        let mut story = format!("seed {}\n", self.plan.seed);
        for (at, event) in &self.plan.events {
            let _ = writeln!(story, "{:>9} plan: {event:?}", at.as_millis());
        }
        for request in self.sandbox.ledger().log {
            let at = i64::try_from(request.time_ms).unwrap() - START;
            let _ = writeln!(
                story,
                "{at:>9} {} {} {:?} {}",
                request.method,
                request.path,
                request.status,
                request.fault.unwrap_or_default()
            );
        }
        let owner = owner();
        for id in self.service.ids.lock().unwrap().iter() {
            let events = self.outer.block_on(self.service.store.events(&owner, id));
            story.push('\n');
            for event in events.unwrap() {
                let at = event.at - START;
                let _ = writeln!(story, "{at:>9} {}: {}", event.kind, event.detail);
            }
        }
        for target in self.targets() {
            let title = target.content.title.unwrap_or_default();
            let _ = writeln!(
                story,
                "{title}: {:?} {:?}, {} attempts",
                target.phase, target.remote_id, target.attempts
            );
        }
        story
    }
}

fn owner() -> Owner {
    Owner {
        team: DEFAULT_TEAM.to_owned(),
        mode: Mode::Test,
    }
}

fn boards() -> Seed {
    Seed {
        users: vec![SeedUser {
            id: USER_ID.to_owned(),
            username: USERNAME.to_owned(),
        }],
        boards: vec![SeedBoard {
            privacy: Privacy::Public,
            pins: 1,
            ..SeedBoard::new("Kitchen Ideas", USERNAME)
        }],
    }
}

fn befall(sim: &mut Sim<'_>, event: Event, figures: &mut Figures) {
    let (service, network) = ("service", "network");
    match event {
        Event::Partition => sim.partition(service, network),
        Event::NothingOut => sim.partition_oneway(service, network),
        Event::NothingIn => sim.partition_oneway(network, service),
        Event::Repair => sim.repair(service, network),
        Event::Hold => sim.hold(service, network),
        Event::Release => sim.release(service, network),
        Event::ServiceDies => sim.crash(service),
        Event::NetworkDies => sim.crash(network),
        Event::ServiceStarts => sim.bounce(service),
        Event::NetworkStarts => sim.bounce(network),
    }
    match event {
        Event::Partition | Event::NothingOut | Event::NothingIn | Event::Hold => figures.cuts += 1,
        Event::ServiceDies | Event::NetworkDies => figures.crashes += 1,
        _ => {}
    }
}

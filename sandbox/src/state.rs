//! Everything the fake platform remembers.

use std::collections::{BTreeSet, HashMap};

use crate::faults::Plan;
use crate::ledger::Book;
use crate::limits::Limiter;
use crate::options::{Lists, Options, Switches};
use crate::random::{Random, mix};
use crate::seed::{Privacy, SeedUser};

/// The whole platform, behind one lock: no call waits for anything while it holds it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) users: Vec<SeedUser>,
    pub(crate) boards: Vec<Board>,
    /// In the order of creation; deleted ones stay, marked.
    pub(crate) pins: Vec<Pin>,
    pin_index: HashMap<String, usize>,
    pub(crate) media: Vec<Media>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) access: HashMap<String, Access>,
    pub(crate) refresh: HashMap<String, Refresh>,
    pub(crate) limiter: Limiter,
    pub(crate) plan: Plan,
    pub(crate) switches: Switches,
    pub(crate) switched_ms: u64,
    pub(crate) book: Book,
    pub(crate) random: Random,
    next_seq: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) privacy: Privacy,
    pub(crate) is_ads_only: bool,
    /// User id.
    pub(crate) owner: String,
    /// User ids.
    pub(crate) collaborators: Vec<String>,
    pub(crate) sections: Vec<Section>,
    pub(crate) created_ms: u64,
    pub(crate) by_api: bool,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A pin. The bytes of its pictures are not kept, only what identifies them.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) seq: u64,
    pub(crate) id: String,
    /// User id of its creator.
    pub(crate) owner: String,
    pub(crate) board_id: String,
    pub(crate) section_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) alt_text: Option<String>,
    pub(crate) dominant_color: Option<String>,
    pub(crate) parent_pin_id: Option<String>,
    pub(crate) is_standard: bool,
    pub(crate) media: PinMedia,
    /// When it comes into being; in the future for a pin that is applied late.
    pub(crate) applied_ms: u64,
    /// What it claims as its time of creation.
    pub(crate) created_ms: u64,
    /// Which request made it; `None` for pins of the seed.
    pub(crate) request: Option<u64>,
    pub(crate) deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Image,
    Video,
    Carousel,
}

#[derive(Clone, Debug)]
pub(crate) struct PinMedia {
    pub(crate) kind: MediaKind,
    /// One picture, the cover of a video, or the slots of a carousel.
    pub(crate) pictures: Vec<Picture>,
    pub(crate) media_id: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) url: Option<String>,
    /// Of the content, where the sandbox has seen it.
    pub(crate) sha256: Option<String>,
    pub(crate) bytes: Option<u64>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) link: Option<String>,
}

/// A registered video upload.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) owner: String,
    /// The form fields that the upload has to repeat.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) expires_ms: u64,
    pub(crate) upload: Option<Upload>,
}

#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) done_ms: u64,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) looks_like_video: bool,
}

/// An authorization code that was not used yet.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) user: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) client_id: String,
    pub(crate) user: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: u64,
    /// Made by the client credentials grant.
    pub(crate) is_client: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) client_id: String,
    pub(crate) user: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: u64,
    /// When it was used, and the access and refresh token that it was exchanged for.
    pub(crate) used: Option<(u64, String, String)>,
}

impl State {
    pub(crate) fn new(options: &Options) -> Self {
        let now_ms = options.clock.now_ms();
        let mut state = Self {
            users: options.seed.users.clone(),
            boards: Vec::new(),
            pins: Vec::new(),
            pin_index: HashMap::new(),
            media: Vec::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            limiter: Limiter::default(),
            plan: Plan::default(),
            switches: options.switches,
            switched_ms: now_ms,
            book: Book::default(),
            random: Random::new(options.random_seed),
            next_seq: 0,
        };
        state.plant(options, now_ms);
        state
    }

    fn plant(&mut self, options: &Options, now_ms: u64) {
        const DAY_MS: u64 = 86_400_000;
        for (index, seed) in options.seed.boards.iter().enumerate() {
            let owner = self.user_id(&seed.owner);
            let board_id = format!("549755885175{:06}", index + 1);
            let sections = seed
                .sections
                .iter()
                .map(|name| {
                    let seq = self.next_seq();
                    Section {
                        seq,
                        id: format!("549755885179{seq:06}"),
                        name: name.clone(),
                    }
                })
                .collect();
            let board = Board {
                seq: self.next_seq(),
                id: board_id.clone(),
                name: seed.name.clone(),
                description: None,
                privacy: seed.privacy,
                is_ads_only: seed.privacy == Privacy::Protected,
                owner: owner.clone(),
                collaborators: seed
                    .collaborators
                    .iter()
                    .map(|name| self.user_id(name))
                    .collect(),
                sections,
                created_ms: now_ms.saturating_sub(90 * DAY_MS),
                by_api: false,
                deleted: false,
            };
            self.boards.push(board);
            for number in 1..=seed.pins {
                let seq = self.next_seq();
                let created_ms = now_ms.saturating_sub(30 * DAY_MS) + number as u64 * 60_000;
                self.add_pin(Pin {
                    seq,
                    id: format!("549755885181{seq:06}"),
                    owner: owner.clone(),
                    board_id: board_id.clone(),
                    section_id: None,
                    title: Some(format!("{} {number}", seed.name)),
                    description: None,
                    link: None,
                    alt_text: None,
                    dominant_color: None,
                    parent_pin_id: None,
                    is_standard: true,
                    media: PinMedia {
                        kind: MediaKind::Image,
                        pictures: vec![Picture {
                            width: 1_000,
                            height: 1_500,
                            ..Picture::default()
                        }],
                        media_id: None,
                    },
                    applied_ms: created_ms,
                    created_ms,
                    request: None,
                    deleted: false,
                });
            }
        }
    }

    pub(crate) fn next_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    pub(crate) fn user(&self, id: &str) -> Option<&SeedUser> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(crate) fn username(&self, id: &str) -> &str {
        self.user(id).map_or("", |user| &user.username)
    }

    fn user_id(&self, username: &str) -> String {
        self.users
            .iter()
            .find(|user| user.username == username)
            .map(|user| user.id.clone())
            .unwrap_or_default()
    }

    pub(crate) fn board(&self, id: &str) -> Option<&Board> {
        self.boards
            .iter()
            .find(|board| board.id == id && !board.deleted)
    }

    pub(crate) fn board_mut(&mut self, id: &str) -> Option<&mut Board> {
        self.boards
            .iter_mut()
            .find(|board| board.id == id && !board.deleted)
    }

    /// A pin that exists by now.
    pub(crate) fn pin(&self, id: &str, now_ms: u64) -> Option<&Pin> {
        self.pin_index
            .get(id)
            .map(|&index| &self.pins[index])
            .filter(|pin| pin.exists(now_ms))
    }

    pub(crate) fn add_pin(&mut self, pin: Pin) {
        self.pin_index.insert(pin.id.clone(), self.pins.len());
        self.pins.push(pin);
    }

    pub(crate) fn pin_mut(&mut self, id: &str, now_ms: u64) -> Option<&mut Pin> {
        self.pin_index
            .get(id)
            .map(|&index| &mut self.pins[index])
            .filter(|pin| pin.exists(now_ms))
    }

    /// Whether something that came into being at `since_ms` shows up in lists by now.
    pub(crate) fn is_listed(&self, since_ms: u64, now_ms: u64) -> bool {
        let looked_at_ms = match self.switches.lists {
            Lists::Empty => return false,
            Lists::Stale => self.switched_ms,
            Lists::Fresh | Lists::Shuffled => now_ms,
        };
        since_ms.saturating_add(self.switches.list_delay_ms) <= looked_at_ms
    }

    /// The place of something in a list, smallest first.
    pub(crate) fn place(&self, seq: u64, newest_first: bool) -> u64 {
        match (self.switches.lists, newest_first) {
            (Lists::Shuffled, _) => mix(seq),
            (_, true) => u64::MAX - seq,
            (_, false) => seq,
        }
    }
}

impl Board {
    /// May read it and pin to it.
    pub(crate) fn has_member(&self, user: &str) -> bool {
        self.owner == user || self.collaborators.iter().any(|id| id == user)
    }

    pub(crate) fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }
}

impl Pin {
    pub(crate) fn exists(&self, now_ms: u64) -> bool {
        !self.deleted && self.applied_ms <= now_ms
    }
}

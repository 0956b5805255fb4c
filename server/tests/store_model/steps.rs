//! What a sequence is made of. Steps name uploads and targets by a number that is taken modulo how many there are, so that any
//! part of a sequence is a sequence too.

use multi_upload_server::store::Phase;
use proptest::prelude::*;

/// A write limit for the whole sequence, and the steps.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    /// So many in any 1,000 ms.
    pub(crate) write_limit: Option<u32>,
    pub(crate) steps: Vec<Step>,
}

impl Sequence {
    pub(crate) fn printed(&self) -> String {
        let lines = self.steps.iter().enumerate();
        lines
            .filter(|(_, step)| !matches!(step, Step::Rest))
            .map(|(number, step)| format!("  {number:3}  {step:?}\n"))
            .collect()
    }
}

/// A target that is asked for: account, board, and which of the contents that a look cannot tell apart.
pub(crate) type Wanted = (u8, u8, u8);

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Nothing: what a step becomes that a failure does not need.
    Rest,
    /// Time passes.
    Advance(i64),
    Create {
        owner: u8,
        targets: Vec<Wanted>,
        due_in: i64,
        draft: bool,
        /// A key and a body.
        key: Option<(u8, u8)>,
    },
    Claim(u32),
    Looks(u32),
    Sentinels(u32),
    /// Leases of these targets, as their holders know them, or with an old fence.
    Extend {
        targets: Vec<u8>,
        old: bool,
        by: i64,
    },
    /// A move that the machine makes from there.
    Natural {
        target: u8,
        choice: u8,
        remote: u8,
        wait: i64,
    },
    /// Any move at all.
    Any {
        target: u8,
        to: Phase,
        remote: Option<u8>,
        attempt: Intent,
        knows: Knows,
        wait: i64,
    },
    /// All targets of an upload in one call; the first one perhaps with an old fence.
    Cancel {
        upload: u8,
        old: bool,
    },
    Edit {
        upload: u8,
        old: bool,
        board: u8,
        like: u8,
        due_in: i64,
        to: Phase,
    },
    Hold {
        owner: u8,
        account: u8,
        wait: i64,
    },
    Forget {
        age: i64,
    },
    /// The process ends in order, and another one opens the store.
    Reopen,
}

/// What a move says about attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Intent {
    Nothing,
    Open { again: bool, baseline: bool },
    Close { proven: bool },
}

/// What whoever moves a target knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knows {
    Everything,
    OldPhase,
    OldFence,
}

const DAY: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn sequence(length: usize) -> impl Strategy<Value = Sequence> {
    let limit = prop_oneof![3 => Just(None), 1 => (1..4_u32).prop_map(Some)];
    (
        limit,
        proptest::collection::vec(step(), length / 2..=length),
    )
        .prop_map(|(write_limit, steps)| Sequence { write_limit, steps })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Rest),
        16 => advance(),
        12 => create(),
        24 => (1..=4_u32).prop_map(Step::Claim),
        20 => (1..=3_u32).prop_map(Step::Looks),
        5 => (1..=3_u32).prop_map(Step::Sentinels),
        4 => (proptest::collection::vec(any::<u8>(), 1..=3), prop::bool::weighted(0.2), -500..2_000_i64)
            .prop_map(|(targets, old, by)| Step::Extend { targets, old, by }),
        40 => (any::<u8>(), any::<u8>(), 0..6_u8, -300..300_i64)
            .prop_map(|(target, choice, remote, wait)| Step::Natural { target, choice, remote, wait }),
        8 => anything(),
        3 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(upload, old)| Step::Cancel { upload, old }),
        5 => edit(),
        3 => (0..3_u8, 0..2_u8, -100..800_i64)
            .prop_map(|(owner, account, wait)| Step::Hold { owner, account, wait }),
        1 => (0..3 * DAY).prop_map(|age| Step::Forget { age }),
        1 => Just(Step::Reopen),
    ]
}

fn advance() -> impl Strategy<Value = Step> {
    prop_oneof![12 => 1..700_i64, 4 => 700..2_000_i64, 1 => Just(3 * DAY)].prop_map(Step::Advance)
}

fn create() -> impl Strategy<Value = Step> {
    let place = (0..2_u8, 0..3_u8);
    let other = proptest::option::weighted(0.3, place.clone());
    let key = proptest::option::weighted(0.3, (0..3_u8, 0..2_u8));
    let draft = prop::bool::weighted(0.1);
    (0..3_u8, 0..2_u8, place, other, -500..500_i64, draft, key).prop_map(
        |(owner, account, (board, like), other, due_in, draft, key)| {
            let mut targets = vec![(account, board, like)];
            // One for each account.
            targets.extend(other.map(|(board, like)| (1 - account, board, like)));
            Step::Create {
                owner,
                targets,
                due_in,
                draft,
                key,
            }
        },
    )
}

fn anything() -> impl Strategy<Value = Step> {
    let to = prop::sample::select(Phase::ALL.to_vec());
    let attempt = prop_oneof![
        3 => Just(Intent::Nothing),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(again, baseline)| Intent::Open { again, baseline }),
        1 => any::<bool>().prop_map(|proven| Intent::Close { proven }),
    ];
    let knows = prop_oneof![4 => Just(Knows::Everything), 1 => Just(Knows::OldPhase), 1 => Just(Knows::OldFence)];
    let remote = proptest::option::weighted(0.3, 0..6_u8);
    (any::<u8>(), to, remote, attempt, knows, -100..1_500_i64).prop_map(
        |(target, to, remote, attempt, knows, wait)| Step::Any {
            target,
            to,
            remote,
            attempt,
            knows,
            wait,
        },
    )
}

fn edit() -> impl Strategy<Value = Step> {
    let to = prop::sample::select(vec![Phase::Draft, Phase::Scheduled, Phase::Waiting]);
    let old = prop::bool::weighted(0.2);
    (any::<u8>(), old, 0..2_u8, 0..3_u8, -500..1_500_i64, to).prop_map(
        |(upload, old, board, like, due_in, to)| Step::Edit {
            upload,
            old,
            board,
            like,
            due_in,
            to,
        },
    )
}

//! The retry table, as a table.

use std::time::Duration;

use multi_upload_core::retry::{Budget, Caller, Class, Decision, Policy, Stop, Tried, decide};

const CLASSES: [Class; 10] = [
    Class::NotSent,
    Class::TlsInvalid,
    Class::Cut,
    Class::TooSlow,
    Class::InProgress,
    Class::Conflict,
    Class::Throttled,
    Class::Unavailable,
    Class::Unauthorized,
    Class::Refused,
];

/// A first attempt of a request that may run twice, with nothing in its way.
fn tried(class: Class) -> Tried {
    Tried {
        class,
        attempt: 1,
        hint: None,
        server_says: None,
        repeatable: true,
        left: None,
        tokens: None,
        random: 0.5,
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn wait(decision: Decision) -> Option<Duration> {
    match decision {
        Decision::Wait { delay, .. } => Some(delay),
        Decision::Stop(_) => None,
    }
}

#[test]
fn every_class_has_its_answer_in_every_column() {
    // Class, then: client with a key, client without one, reading from a network.
    let table = [
        (Class::NotSent, "retry", "retry", "retry"),
        (Class::TlsInvalid, "stop", "stop", "stop"),
        (Class::Cut, "retry", "unsafe", "retry"),
        (Class::TooSlow, "retry", "unsafe", "retry"),
        (Class::InProgress, "retry", "unsafe", "stop"),
        (Class::Conflict, "stop", "stop", "stop"),
        (Class::Throttled, "retry", "retry", "retry"),
        (Class::Unavailable, "retry", "unsafe", "retry"),
        (Class::Unauthorized, "stop", "stop", "stop"),
        (Class::Refused, "stop", "stop", "stop"),
    ];
    let word = |decision| match decision {
        Decision::Wait { .. } => "retry",
        Decision::Stop(Stop::Final) => "stop",
        Decision::Stop(Stop::NotSafe) => "unsafe",
        Decision::Stop(_) => "another reason",
    };
    for (class, with_key, without_key, read) in table {
        let keyless = Tried {
            repeatable: false,
            ..tried(class)
        };
        assert_eq!(
            word(decide(&Policy::CLIENT, &tried(class))),
            with_key,
            "{class:?} with key"
        );
        assert_eq!(
            word(decide(&Policy::CLIENT, &keyless)),
            without_key,
            "{class:?} without"
        );
        assert_eq!(
            word(decide(&Policy::PLATFORM_READ, &tried(class))),
            read,
            "{class:?} read"
        );
    }
    assert_eq!(table.map(|row| row.0), CLASSES);
}

#[test]
fn statuses_have_their_classes() {
    let table = [
        (400, Class::Refused),
        (401, Class::Unauthorized),
        (403, Class::Refused),
        (404, Class::Refused),
        (408, Class::TooSlow),
        (409, Class::Conflict),
        (413, Class::Refused),
        (415, Class::Refused),
        (422, Class::Refused),
        (425, Class::TooSlow),
        (429, Class::Throttled),
        (500, Class::Unavailable),
        (501, Class::Refused),
        (502, Class::Unavailable),
        (503, Class::Unavailable),
        (504, Class::Unavailable),
        (524, Class::Unavailable),
        (301, Class::Refused),
    ];
    for (status, class) in table {
        assert_eq!(Class::of_status(status), class, "{status}");
    }
}

#[test]
fn waits_double_up_to_the_cap_and_are_spread_over_their_whole_length() {
    let bound = |policy: &Policy, class, attempt| {
        let policy = Policy {
            jitter: false,
            max_attempts: u32::MAX,
            ..policy.clone()
        };
        wait(decide(
            &policy,
            &Tried {
                attempt,
                ..tried(class)
            },
        ))
    };
    let client = |class, attempt| bound(&Policy::CLIENT, class, attempt);
    for (attempt, expected) in [
        (1, 50),
        (2, 100),
        (3, 200),
        (9, 12_800),
        (10, 20_000),
        (99, 20_000),
    ] {
        assert_eq!(
            client(Class::Cut, attempt),
            Some(ms(expected)),
            "attempt {attempt}"
        );
    }
    for (attempt, expected) in [(1, 1_000), (2, 2_000), (6, 20_000)] {
        assert_eq!(
            client(Class::Throttled, attempt),
            Some(ms(expected)),
            "attempt {attempt}"
        );
        assert_eq!(
            client(Class::InProgress, attempt),
            Some(ms(expected)),
            "attempt {attempt}"
        );
    }
    for (attempt, expected) in [(1, 2_000), (2, 4_000), (8, 256_000), (9, 300_000)] {
        let found = bound(&Policy::PLATFORM_READ, Class::Unavailable, attempt);
        assert_eq!(found, Some(ms(expected)), "attempt {attempt} of a read");
    }
    for (random, expected) in [(0.0, 0), (0.25, 25), (0.5, 50)] {
        let second = Tried {
            attempt: 2,
            random,
            ..tried(Class::Cut)
        };
        assert_eq!(wait(decide(&Policy::CLIENT, &second)), Some(ms(expected)));
    }
}

#[test]
fn a_hint_is_kept_and_at_most_a_tenth_is_added() {
    let at = |hint, random| {
        wait(decide(
            &Policy::CLIENT,
            &Tried {
                hint: Some(hint),
                random,
                ..tried(Class::Throttled)
            },
        ))
    };
    assert_eq!(at(ms(10_000), 0.0), Some(ms(10_000)));
    assert_eq!(at(ms(10_000), 0.5), Some(ms(10_500)));
    assert!(at(ms(10_000), 0.999).is_some_and(|delay| delay < ms(11_000)));
    // "Come back at once" is no reason to knock without a pause.
    assert_eq!(at(Duration::ZERO, 0.5), Some(ms(500)));
    // Two minutes are waited for, more is reported.
    assert!(at(ms(120_000), 0.0).is_some());
    let too_long = Tried {
        hint: Some(ms(120_001)),
        ..tried(Class::Throttled)
    };
    assert_eq!(
        decide(&Policy::CLIENT, &too_long),
        Decision::Stop(Stop::HintTooLong)
    );
    assert!(wait(decide(&Policy::PLATFORM_READ, &too_long)).is_some());
}

#[test]
fn without_jitter_a_hint_is_kept_to_the_millisecond() {
    let exact = Policy {
        jitter: false,
        ..Policy::CLIENT
    };
    let decision = decide(
        &exact,
        &Tried {
            hint: Some(ms(20)),
            random: 0.9,
            ..tried(Class::Throttled)
        },
    );
    assert_eq!(wait(decision), Some(ms(20)));
}

#[test]
fn the_word_of_the_other_side_beats_the_table_but_no_limit() {
    for class in CLASSES {
        let says = |server_says, repeatable, attempt| {
            decide(
                &Policy::CLIENT,
                &Tried {
                    server_says: Some(server_says),
                    repeatable,
                    attempt,
                    ..tried(class)
                },
            )
        };
        assert_eq!(
            says(false, true, 1),
            Decision::Stop(Stop::Final),
            "{class:?}"
        );
        assert!(wait(says(true, false, 1)).is_some(), "{class:?}");
        assert_eq!(
            says(true, true, 3),
            Decision::Stop(Stop::Attempts),
            "{class:?}"
        );
    }
}

#[test]
fn attempts_time_and_budget_end_it() {
    let exact = Policy {
        jitter: false,
        ..Policy::CLIENT
    };
    let with = |change: fn(&mut Tried)| {
        let mut tried = tried(Class::Cut);
        change(&mut tried);
        decide(&exact, &tried)
    };
    assert!(wait(with(|tried| tried.attempt = 2)).is_some());
    assert_eq!(
        with(|tried| tried.attempt = 3),
        Decision::Stop(Stop::Attempts)
    );
    assert!(wait(with(|tried| tried.left = Some(ms(51)))).is_some());
    assert_eq!(
        with(|tried| tried.left = Some(ms(50))),
        Decision::Stop(Stop::Deadline)
    );
    assert!(wait(with(|tried| tried.tokens = Some(14))).is_some());
    assert_eq!(
        with(|tried| tried.tokens = Some(13)),
        Decision::Stop(Stop::Budget)
    );
    assert!(
        wait(with(|tried| {
            tried.class = Class::Throttled;
            tried.tokens = Some(5);
        }))
        .is_some()
    );
    for (stop, exhausted) in [
        (Stop::Final, false),
        (Stop::NotSafe, false),
        (Stop::Attempts, true),
        (Stop::HintTooLong, true),
        (Stop::Deadline, true),
        (Stop::Budget, true),
    ] {
        assert_eq!(stop.is_exhausted(), exhausted, "{stop:?}");
    }
}

#[test]
fn the_figures_are_the_documented_ones() {
    assert_eq!(Policy::CLIENT.caller, Caller::Client);
    assert_eq!(Policy::CLIENT.max_attempts, 3);
    assert_eq!(Policy::PLATFORM_READ.caller, Caller::PlatformRead);
    assert_eq!(Policy::PLATFORM_READ.max_attempts, 12);
    let cost = |class| match decide(&Policy::CLIENT, &tried(class)) {
        Decision::Wait { cost, .. } => cost,
        Decision::Stop(_) => 0,
    };
    assert_eq!((cost(Class::Cut), cost(Class::Throttled)), (14, 5));
    assert_eq!(Budget::new().tokens(), 500);
}

#[test]
fn the_budget_fills_up_again_but_never_over() {
    let mut budget = Budget::new();
    budget.succeed(None);
    assert_eq!(budget.tokens(), 500);
    budget.pay(14);
    budget.pay(14);
    assert_eq!(budget.tokens(), 472);
    budget.succeed(Some(14));
    assert_eq!(budget.tokens(), 486);
    budget.succeed(None);
    assert_eq!(budget.tokens(), 487);
    budget.pay(1_000);
    assert_eq!(budget.tokens(), 0);
}

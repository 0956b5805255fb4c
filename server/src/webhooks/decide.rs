//! What follows from an attempt to deliver. Pure: time and randomness are arguments.

use crate::store::{DeliveryRow, DeliveryState, Millis, WebhookRow};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// Waits after the first attempt, the second and so on. After the last of them it is given up.
const WAITS: [Millis; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// An endpoint where nothing arrived for so long is switched off.
const DISABLE_AFTER: Millis = 5 * 24 * HOUR;

/// The longest wait that a receiver may ask for.
const LONGEST_HINT: Millis = 24 * HOUR;

/// Pause of a whole lane after its first failure; it doubles with each, up to the longest.
const FIRST_PAUSE: Millis = SECOND;
const LONGEST_PAUSE: Millis = 5 * MINUTE;

/// What the receiver did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It answered.
    Status {
        /// HTTP status.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Millis>,
        /// The beginning of its body.
        excerpt: String,
    },
    /// It did not, and why.
    Nothing(String),
}

/// What becomes of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Works,
    /// It failed; the lane pauses.
    Failed {
        /// How long the receiver wants to be left alone.
        hint: Option<Millis>,
        /// True where nothing else would fare better just now: no answer, or one that asks to be slower.
        whole_lane: bool,
    },
    /// It wants nothing any more.
    Gone,
}

/// The delivery as it shall be after an attempt, and what that says of its endpoint.
pub(super) fn after_attempt(
    before: &DeliveryRow,
    answer: &Answer,
    now: Millis,
    random: f64,
) -> (DeliveryRow, Verdict) {
    let mut row = before.clone();
    row.attempts += 1;
    row.last_at = Some(now);
    let (status, hint) = match answer {
        Answer::Nothing(why) => {
            row.status = None;
            row.answer = None;
            row.error = Some(why.clone());
            (None, None)
        }
        Answer::Status {
            status,
            retry_after,
            excerpt,
        } => {
            row.status = Some(*status);
            row.answer = Some(excerpt.clone()).filter(|text| !text.is_empty());
            row.error = None;
            (
                Some(*status),
                retry_after.map(|wait| wait.clamp(0, LONGEST_HINT)),
            )
        }
    };
    match status {
        Some(200..=299) => {
            row.state = DeliveryState::Delivered;
            row.due_at = None;
            return (row, Verdict::Works);
        }
        Some(410) => {
            row.error = Some("the receiver answered 410: it wants nothing any more".to_owned());
            row.state = DeliveryState::Failed;
            row.due_at = None;
            return (row, Verdict::Gone);
        }
        Some(status @ 300..=399) => {
            row.error = Some(format!(
                "the receiver redirects ({status}); redirects are not followed"
            ));
        }
        Some(status) => row.error = Some(format!("the receiver answered {status}")),
        None => {}
    }
    match usize::try_from(row.attempts - 1)
        .ok()
        .and_then(|index| WAITS.get(index))
    {
        Some(wait) => {
            let wait = jittered(*wait, random).max(hint.unwrap_or(0));
            row.due_at = Some(now + wait);
        }
        None => {
            row.state = DeliveryState::Failed;
            row.due_at = None;
        }
    }
    let whole_lane = matches!(status, None | Some(429 | 502 | 503 | 504));
    (row, Verdict::Failed { hint, whole_lane })
}

/// The endpoint as it shall be after these verdicts, and why it is switched off, if it is.
pub(super) fn after_verdicts(
    before: &WebhookRow,
    verdicts: &[Verdict],
    now: Millis,
) -> (WebhookRow, Option<String>) {
    let mut row = before.clone();
    let mut disable = None;
    let mut failed = false;
    for verdict in verdicts {
        match verdict {
            Verdict::Works => {}
            Verdict::Gone => {
                disable = Some("the receiver answered 410 Gone".to_owned());
            }
            Verdict::Failed { hint, whole_lane } => {
                failed = true;
                row.failing_since = row.failing_since.or(Some(now));
                if *whole_lane {
                    let pause = pause(row.failures).max(hint.unwrap_or(0));
                    row.paused_until = row.paused_until.max(Some(now + pause));
                }
            }
        }
    }
    // One that arrived says more than others that did not.
    if verdicts.contains(&Verdict::Works) {
        row.failing_since = None;
        row.failures = 0;
        row.paused_until = None;
    } else if failed {
        row.failures = row.failures.saturating_add(1);
    }
    if disable.is_none()
        && row
            .failing_since
            .is_some_and(|since| now - since > DISABLE_AFTER)
    {
        disable = Some("nothing has arrived for five days".to_owned());
    }
    (row, disable)
}

fn pause(failures: u32) -> Millis {
    FIRST_PAUSE
        .checked_shl(failures.min(20))
        .unwrap_or(LONGEST_PAUSE)
        .min(LONGEST_PAUSE)
}

/// Plus or minus 20 %. `random` is from 0 up to 1.
fn jittered(wait: Millis, random: f64) -> Millis {
    let share = Millis::from((random * 4_000.0) as u32);
    wait * (8_000 + share) / 10_000
}

#[cfg(test)]
mod tests {
    use multi_upload_wire::Mode;

    use super::*;
    use crate::store::Owner;

    const NOW: Millis = 1_795_521_600_000;

    fn delivery(attempts: u32) -> DeliveryRow {
        DeliveryRow {
            id: "dl_1".to_owned(),
            message_id: "msg_1".to_owned(),
            kind: "upload.published".to_owned(),
            subject: "up_1".to_owned(),
            body: "{}".to_owned(),
            state: DeliveryState::Pending,
            due_at: Some(NOW),
            attempts,
            created_at: NOW,
            last_at: None,
            status: None,
            error: None,
            answer: None,
        }
    }

    fn endpoint() -> WebhookRow {
        WebhookRow {
            id: "wh_1".to_owned(),
            owner: Owner {
                team: "team_a".to_owned(),
                mode: Mode::Test,
            },
            url: "https://example.com/".to_owned(),
            description: None,
            events: None,
            secret_sealed: Vec::new(),
            previous_sealed: None,
            previous_until: None,
            enabled: true,
            disabled_reason: None,
            failing_since: None,
            failures: 0,
            paused_until: None,
            fence: 1,
            created_at: NOW,
        }
    }

    fn status(status: u16, retry_after: Option<Millis>) -> Answer {
        Answer::Status {
            status,
            retry_after,
            excerpt: String::new(),
        }
    }

    #[test]
    fn only_2xx_is_success() {
        for code in [200, 201, 202, 204, 299] {
            let (row, verdict) = after_attempt(&delivery(0), &status(code, None), NOW, 0.5);
            assert_eq!(
                (row.state, row.due_at),
                (DeliveryState::Delivered, None),
                "{code}"
            );
            assert_eq!(verdict, Verdict::Works);
        }
        for code in [
            100, 199, 301, 302, 307, 308, 400, 401, 404, 408, 409, 422, 425, 429, 500, 503,
        ] {
            let (row, verdict) = after_attempt(&delivery(0), &status(code, None), NOW, 0.5);
            assert_eq!(row.state, DeliveryState::Pending, "{code}");
            assert!(
                row.error
                    .is_some_and(|error| error.contains(&code.to_string())),
                "{code}"
            );
            assert!(matches!(verdict, Verdict::Failed { .. }), "{code}");
        }
    }

    #[test]
    fn waits_follow_the_schedule_and_end() {
        let mut row = delivery(0);
        let mut waits = Vec::new();
        while row.state == DeliveryState::Pending {
            row = after_attempt(&row, &Answer::Nothing("no answer".to_owned()), NOW, 0.5).0;
            waits.extend(row.due_at.map(|due| due - NOW));
        }
        assert_eq!(waits, WAITS);
        assert_eq!(row.attempts, 10);
        assert_eq!(row.state, DeliveryState::Failed);
        for (random, share) in [(0.0, 8), (0.999_999, 12)] {
            let (row, _) = after_attempt(&delivery(1), &status(500, None), NOW, random);
            let wait = row.due_at.unwrap_or(0) - NOW;
            assert!((wait - 5 * MINUTE * share / 10).abs() < SECOND, "{wait}");
        }
    }

    #[test]
    fn a_hint_makes_a_wait_longer_never_shorter() {
        for (hint, expected) in [
            (120 * SECOND, 120 * SECOND),
            (SECOND, 5 * SECOND),
            (HOUR, HOUR),
            (-HOUR, 5 * SECOND),
            (Millis::MAX, 24 * HOUR),
        ] {
            let (row, _) = after_attempt(&delivery(0), &status(503, Some(hint)), NOW, 0.5);
            assert_eq!(row.due_at, Some(NOW + expected), "{hint}");
        }
    }

    #[test]
    fn gone_ends_the_endpoint_at_once() {
        let (row, verdict) = after_attempt(&delivery(0), &status(410, None), NOW, 0.5);
        assert_eq!(row.state, DeliveryState::Failed);
        let (_, disable) = after_verdicts(&endpoint(), &[verdict], NOW);
        assert!(disable.is_some_and(|why| why.contains("410")));
    }

    #[test]
    fn a_lane_pauses_longer_and_longer_and_ends_after_five_days() {
        let failed = Verdict::Failed {
            hint: None,
            whole_lane: true,
        };
        let mut row = endpoint();
        let mut now = NOW;
        let mut pauses = Vec::new();
        let why = loop {
            let (next, disable) = after_verdicts(&row, std::slice::from_ref(&failed), now);
            if let Some(why) = disable {
                break why;
            }
            pauses.push(next.paused_until.unwrap_or(0) - now);
            now = next.paused_until.unwrap_or(now);
            row = next;
        };
        assert_eq!(pauses[..4], [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]);
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert!(now - NOW > DISABLE_AFTER && now - NOW < DISABLE_AFTER + LONGEST_PAUSE * 2);
        assert!(why.contains("five days"));
        let (row, disable) = after_verdicts(&row, &[failed, Verdict::Works], now);
        assert_eq!(
            (row.failing_since, row.failures, row.paused_until),
            (None, 0, None)
        );
        assert_eq!(disable, None);
    }

    #[test]
    fn one_bad_event_does_not_pause_the_others() {
        let (_, verdict) = after_attempt(&delivery(0), &status(422, None), NOW, 0.5);
        let (row, _) = after_verdicts(&endpoint(), &[verdict], NOW);
        assert_eq!(row.paused_until, None);
        assert_eq!(row.failing_since, Some(NOW));
    }
}

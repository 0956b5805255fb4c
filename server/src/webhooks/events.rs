//! Which events a change is worth. Pure.

use multi_upload_wire::UploadStatus;

use crate::store::Phase;

/// A target's move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved<'a> {
    pub(crate) target_id: &'a str,
    pub(crate) from: Phase,
    pub(crate) to: Phase,
}

/// The events of a change of an upload: its target's first, then its own. `before` is `None` for a new upload.
pub(crate) fn events_of(
    before: Option<UploadStatus>,
    after: UploadStatus,
    moved: Option<Moved<'_>>,
) -> Vec<&'static str> {
    let of_target = moved
        .filter(|moved| moved.from != moved.to)
        .and_then(|moved| match moved.to {
            Phase::Published => Some("target.published"),
            Phase::Failed => Some("target.failed"),
            Phase::NeedsReview => Some("target.needs_review"),
            _ => None,
        });
    let of_upload = (before != Some(after))
        .then_some(match after {
            UploadStatus::Scheduled => Some("upload.scheduled"),
            UploadStatus::Published => Some("upload.published"),
            UploadStatus::Partial => Some("upload.partial"),
            UploadStatus::Failed => Some("upload.failed"),
            UploadStatus::Canceled => Some("upload.canceled"),
            UploadStatus::Missed => Some("upload.missed"),
            UploadStatus::Draft | UploadStatus::Queued | UploadStatus::Publishing => None,
        })
        .flatten();
    of_target.into_iter().chain(of_upload).collect()
}

/// Does an endpoint with this list want an event? `None` means all.
pub(crate) fn wants(events: Option<&[String]>, kind: &str) -> bool {
    events.is_none_or(|events| events.iter().any(|event| event == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(from: Phase, to: Phase) -> Option<Moved<'static>> {
        Some(Moved {
            target_id: "tg_1",
            from,
            to,
        })
    }

    #[test]
    fn each_change_is_told_once_and_the_target_first() {
        use UploadStatus::{Draft, Failed, Partial, Published, Publishing, Scheduled};
        let cases = [
            (None, Scheduled, None, &["upload.scheduled"][..]),
            (None, Draft, None, &[]),
            (Some(Draft), Scheduled, None, &["upload.scheduled"]),
            (Some(Scheduled), Scheduled, None, &[]),
            (
                Some(Scheduled),
                Publishing,
                moved(Phase::Scheduled, Phase::Claimed),
                &[],
            ),
            (
                Some(Publishing),
                Published,
                moved(Phase::Armed, Phase::Published),
                &["target.published", "upload.published"],
            ),
            (
                Some(Publishing),
                Publishing,
                moved(Phase::Armed, Phase::Failed),
                &["target.failed"],
            ),
            (
                Some(Publishing),
                Publishing,
                moved(Phase::Reconciling, Phase::NeedsReview),
                &["target.needs_review"],
            ),
            (
                Some(Publishing),
                Partial,
                moved(Phase::NeedsReview, Phase::Canceled),
                &["upload.partial"],
            ),
            // Only the error of a success changed.
            (
                Some(Published),
                Published,
                moved(Phase::Published, Phase::Published),
                &[],
            ),
            (
                Some(Failed),
                Published,
                moved(Phase::Failed, Phase::Published),
                &["target.published", "upload.published"],
            ),
        ];
        for (before, after, moved, expected) in cases {
            assert_eq!(
                events_of(before, after, moved),
                expected,
                "{before:?} {after:?} {moved:?}"
            );
        }
    }

    #[test]
    fn an_endpoint_without_a_list_wants_everything() {
        assert!(wants(None, "upload.failed"));
        let list = ["upload.failed".to_owned()];
        assert!(wants(Some(&list), "upload.failed"));
        assert!(!wants(Some(&list), "upload.published"));
    }
}

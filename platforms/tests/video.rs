//! Video pins and carousels against the fake Pinterest: what is uploaded, once, and what a crash repeats.

#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

mod common;

use std::time::Duration;

use common::{BOARD, Fake, Files, pin, stored};
use multi_upload_platforms::{
    CommitAnswer, Content, ContentMedia, Cover, FailureClass, Pause, Platform as _, PlatformError,
    Preparation, Prepared, Source,
};
use multi_upload_sandbox::{Action, Fault, ManualClock, MediaOutcome, Options, Switches};
use multi_upload_wire::ErrorCode;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const REGISTER: &str = "POST /v5/media";
const UPLOAD: &str = "POST /s3/";

/// As far as the fake looks at it.
fn clip() -> Vec<u8> {
    let mut bytes = b"\0\0\0\x14ftypmp42\0\0\0\0mp42".to_vec();
    bytes.resize(300_000, 7);
    bytes
}

fn video(cover: Cover) -> Content {
    Content {
        media: ContentMedia::Video {
            video: Source::File(stored(&clip(), "video/mp4")),
            cover,
        },
        ..pin(BOARD, "Cake in motion")
    }
}

struct World {
    fake: Fake,
    clock: ManualClock,
    files: Files,
    content: Content,
}

impl World {
    async fn new() -> Self {
        Self::with(Switches::default()).await
    }

    async fn with(switches: Switches) -> Self {
        let clock = ManualClock::at(1_780_000_000_000);
        let fake = Fake::with(Options {
            clock: std::sync::Arc::new(clock.clone()),
            switches,
            ..Options::default()
        })
        .await;
        Self {
            fake,
            clock,
            files: Files::of(&clip()),
            content: video(Cover::default()),
        }
    }

    async fn prepare(&self, state: Option<&Value>) -> Result<Preparation, PlatformError> {
        self.fake
            .platform
            .prepare(&self.fake.token, &self.content, self.files.workshop(state))
            .await
    }

    async fn pause(&self, state: Option<&Value>) -> Pause {
        match self.prepare(state).await.unwrap() {
            Preparation::Later(pause) => pause,
            Preparation::Ready(prepared) => panic!("{prepared:?}"),
        }
    }

    /// Asks as often as it takes, with the sandbox's time moving on.
    async fn ready(&self, mut state: Option<Value>) -> Prepared {
        for _ in 0..20 {
            match self.prepare(state.as_ref()).await.unwrap() {
                Preparation::Ready(prepared) => return prepared,
                Preparation::Later(pause) => {
                    self.clock.advance(pause.wait);
                    state = Some(pause.state);
                }
            }
        }
        panic!("never ready");
    }

    async fn publish(&self, prepared: &Prepared) {
        let connection = self.fake.platform.open().await.unwrap();
        let answer = self
            .fake
            .platform
            .commit(connection, &self.fake.token, prepared)
            .await;
        assert!(matches!(answer, CommitAnswer::Applied { .. }), "{answer:?}");
    }

    /// One video pin of the whole file.
    fn assert_published(&self) {
        let ledger = self.fake.sandbox.ledger();
        assert_eq!(ledger.pins.len(), 1);
        let made = &ledger.pins[0];
        assert_eq!(made.media_kind, "video");
        let upload = ledger
            .uploads
            .iter()
            .find(|upload| Some(&upload.media_id) == made.media_id.as_ref())
            .unwrap();
        let hash: String = Sha256::digest(clip())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(upload.sha256, hash);
        assert_eq!(upload.bytes, clip().len() as u64);
    }
}

#[tokio::test]
async fn a_video_is_registered_uploaded_processed_and_published_once() {
    let world = World::new().await;
    assert!(world.fake.platform.check(&world.content).errors.is_empty());
    let pause = world.pause(None).await;
    assert_eq!(pause.reason, "Pinterest is processing the video");
    assert_eq!(pause.wait, Duration::from_secs(1));
    // Not ready yet: the wait grows.
    let second = world.pause(Some(&pause.state)).await;
    assert_eq!(second.wait, Duration::from_secs(2));
    world.clock.advance(second.wait);
    let prepared = world.ready(Some(second.state)).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(REGISTER), 1);
    assert_eq!(world.fake.asked(UPLOAD), 1);
    // What was published is found again.
    let look = world
        .fake
        .platform
        .look(&world.fake.token, &world.content)
        .await
        .unwrap();
    assert_eq!(look.posts.iter().filter(|post| post.matches).count(), 1);
    let image = Content {
        media: ContentMedia::default(),
        ..world.content.clone()
    };
    let look = world
        .fake
        .platform
        .look(&world.fake.token, &image)
        .await
        .unwrap();
    assert_eq!(look.posts.iter().filter(|post| post.matches).count(), 0);
    // No key of the form is among what is stored.
    let kept = format!("{:?}", world.files.kept.lock().unwrap());
    for word in ["amz", "policy", "uploads/", "s3"] {
        assert!(!kept.contains(word), "{word}: {kept}");
    }
}

#[tokio::test]
async fn after_a_death_before_the_upload_the_file_is_sent_once() {
    let mut world = World::new().await;
    world.files.dies_after = Some(0);
    world.prepare(None).await.unwrap_err();
    assert_eq!(world.fake.asked(REGISTER), 1);
    assert_eq!(world.fake.asked(UPLOAD), 0);
    // Nothing was kept: it begins anew.
    world.files.dies_after = None;
    let prepared = world.ready(None).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(REGISTER), 2);
    assert_eq!(world.fake.asked(UPLOAD), 1);
}

#[tokio::test]
async fn after_a_death_behind_the_upload_it_is_not_sent_again() {
    let mut world = World::new().await;
    // The registration is kept, the bucket's confirmation is not.
    world.files.dies_after = Some(1);
    world.prepare(None).await.unwrap_err();
    assert_eq!(world.fake.asked(UPLOAD), 1);
    world.files.dies_after = None;
    let prepared = world.ready(world.files.last()).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(REGISTER), 1);
    assert_eq!(world.fake.asked(UPLOAD), 1);
}

#[tokio::test]
async fn an_upload_that_is_cut_begins_anew_once_pinterest_says_that_nothing_came() {
    let world = World::new().await;
    world
        .fake
        .faults([Fault::on("POST", "/s3/*", Action::cut())]);
    let error = world.prepare(None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    assert!(error.info.detail.contains("was cut"), "{error}");
    let doubt = world.pause(world.files.last().as_ref()).await;
    assert_eq!(doubt.wait, Duration::from_secs(5));
    let prepared = world.ready(Some(doubt.state)).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(REGISTER), 2);
}

#[tokio::test]
async fn a_registration_that_expired_is_replaced_at_once() {
    let world = World::new().await;
    world
        .fake
        .faults([Fault::on("POST", "/s3/*", Action::status(403))]);
    let prepared = world.ready(None).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(REGISTER), 2);

    let world = World::with(Switches {
        media_form_ms: 0,
        ..Switches::default()
    })
    .await;
    let error = world.prepare(None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    assert!(error.info.detail.contains("Policy expired"), "{error}");
    assert_eq!(world.fake.asked(REGISTER), 3);
}

#[tokio::test]
async fn failed_processing_is_said_and_a_retry_sends_the_file_anew() {
    let world = World::with(Switches {
        media_outcome: MediaOutcome::Failed,
        ..Switches::default()
    })
    .await;
    let pause = world.pause(None).await;
    world.clock.advance(pause.wait);
    let error = world.prepare(Some(&pause.state)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Rejected);
    assert!(error.info.is(ErrorCode::MediaProcessingFailed), "{error}");
    world.fake.switch(Switches::default());
    let prepared = world.ready(world.files.last()).await;
    world.publish(&prepared).await;
    world.assert_published();
    assert_eq!(world.fake.asked(UPLOAD), 2);
}

#[tokio::test]
async fn processing_without_an_end_is_given_up_after_hours() {
    let world = World::with(Switches {
        media_outcome: MediaOutcome::Stuck,
        ..Switches::default()
    })
    .await;
    let mut state = None;
    let mut waited = Duration::ZERO;
    let error = loop {
        match world.prepare(state.as_ref()).await {
            Ok(Preparation::Later(pause)) => {
                waited += pause.wait;
                world.clock.advance(pause.wait);
                state = Some(pause.state);
            }
            Ok(Preparation::Ready(prepared)) => panic!("{prepared:?}"),
            Err(error) => break error,
        }
    };
    assert!(error.info.is(ErrorCode::MediaProcessingFailed), "{error}");
    assert!((7_000..8_000).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(world.fake.asked(UPLOAD), 1);
}

#[tokio::test]
async fn covers_come_from_a_frame_an_address_or_a_file() {
    let picture =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x03\xe8\0\0\x05\xdc\x08\x02\0\0\0IEND\xaeB`\x82";
    for cover in [
        Cover::KeyFrame(3),
        Cover::Url("https://img.example/cover.jpg".to_owned()),
    ] {
        let mut world = World::new().await;
        world.content = video(cover.clone());
        let prepared = world.ready(None).await;
        world.publish(&prepared).await;
        let made = &world.fake.sandbox.ledger().pins[0].media[0];
        match &cover {
            Cover::Url(url) => assert_eq!(made.url.as_ref(), Some(url)),
            _ => assert_eq!((&made.url, &made.sha256), (&None, &None)),
        }
    }
    // The one stored file is a picture here; what the bucket gets does not matter.
    let mut world = World::new().await;
    world.content = video(Cover::File(stored(picture, "image/png")));
    let pause = world.pause(None).await;
    world.clock.advance(pause.wait);
    world.files.content = picture.to_vec();
    let prepared = world.ready(Some(pause.state)).await;
    world.publish(&prepared).await;
    let made = &world.fake.sandbox.ledger().pins[0].media[0];
    assert_eq!(made.bytes, Some(picture.len() as u64));
}

#[tokio::test]
async fn a_video_by_address_is_fetched_once_and_judged_before_it_is_sent() {
    let mut world = World::new().await;
    let by_address = |url: &str| Content {
        media: ContentMedia::Video {
            video: Source::Url(url.to_owned()),
            cover: Cover::default(),
        },
        ..pin(BOARD, "Cake in motion")
    };
    world.content = by_address("https://a.example/clip.mp4");
    let prepared = world.ready(None).await;
    world.publish(&prepared).await;
    world.assert_published();
    let kept = world.files.kept.lock().unwrap()[0].clone();
    assert_eq!(kept["fetched"]["media_id"], "md_1");

    let mut world = World::new().await;
    world.content = by_address("https://a.example/picture.png");
    let error = world.prepare(None).await.unwrap_err();
    assert!(error.info.is(ErrorCode::MediaTypeUnsupported), "{error}");
    assert_eq!(world.fake.asked(REGISTER), 0);
}

#[tokio::test]
async fn a_carousel_of_addresses_is_one_pin() {
    let mut world = World::new().await;
    let urls: Vec<_> = (1..=3)
        .map(|n| format!("https://img.example/{n}.png"))
        .collect();
    world.content = Content {
        media: ContentMedia::Carousel {
            images: urls.iter().cloned().map(Source::Url).collect(),
        },
        ..pin(BOARD, "Three cakes")
    };
    let prepared = world.ready(None).await;
    world.publish(&prepared).await;
    let ledger = world.fake.sandbox.ledger();
    assert_eq!(ledger.pins[0].media_kind, "carousel");
    let made: Vec<_> = ledger.pins[0]
        .media
        .iter()
        .filter_map(|media| media.url.clone())
        .collect();
    assert_eq!(made, urls);
    let look = world
        .fake
        .platform
        .look(&world.fake.token, &world.content)
        .await
        .unwrap();
    assert_eq!(look.posts.iter().filter(|post| post.matches).count(), 1);
}

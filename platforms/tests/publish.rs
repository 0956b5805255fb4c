//! The four verbs against the fake Pinterest: what is sent, what its answer proves, what a look sees.

#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

mod common;

use common::{BOARD, EMPTY_BOARD, Fake, Files, answer, pin, said, stored};
use multi_upload_platforms::{
    CommitAnswer, Content, ContentMedia, FailureClass, Platform as _, PlatformError, Preparation,
};
use multi_upload_sandbox::{Action, AppState, Fault, Lists, Options, Seed, Switches};
use multi_upload_wire::{ErrorCode, Outcome};
use serde_json::json;

/// A PNG of so many pixels, as far as anybody looks at it.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\xaeB`\x82");
    bytes
}

fn file(content: Content, bytes: &[u8], content_type: &str) -> Content {
    Content {
        media: ContentMedia::ImageFile(stored(bytes, content_type)),
        ..content
    }
}

impl Fake {
    async fn publish(&self, content: &Content) -> CommitAnswer {
        self.publish_with(content, Vec::new()).await
    }

    async fn publish_with(&self, content: &Content, image: Vec<u8>) -> CommitAnswer {
        let files = Files::of(&image);
        let prepared = match self
            .platform
            .prepare(&self.token, content, files.workshop(None))
            .await
            .unwrap()
        {
            Preparation::Ready(prepared) => prepared,
            Preparation::Later(pause) => panic!("{pause:?}"),
        };
        let connection = self.platform.open().await.unwrap();
        self.platform
            .commit(connection, &self.token, &prepared)
            .await
    }

    fn pins(&self) -> usize {
        self.sandbox.ledger().pins.len()
    }
}

fn applied(answer: &CommitAnswer) -> &str {
    match answer {
        CommitAnswer::Applied {
            remote_id,
            remote_url,
        } => {
            assert_eq!(
                *remote_url,
                format!("https://www.pinterest.com/pin/{remote_id}/")
            );
            remote_id
        }
        other => panic!("{other:?}"),
    }
}

fn rejected(answer: CommitAnswer) -> PlatformError {
    match answer {
        CommitAnswer::Rejected(error) => error,
        other => panic!("{other:?}"),
    }
}

fn unknown(answer: CommitAnswer) -> PlatformError {
    match answer {
        CommitAnswer::Unknown(error) => {
            assert!(error.info.is(ErrorCode::OutcomeUnknown), "{error}");
            assert_eq!(error.info.outcome, Outcome::Unknown);
            error
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pin_by_address_is_made_and_found() {
    let fake = Fake::start().await;
    let content = Content {
        alt_text: Some("A cake".to_owned()),
        fields: serde_json::from_value(json!({"dominant_color": "#6E7874", "sponsor_id": null}))
            .unwrap(),
        ..pin(BOARD, "Lemon cake")
    };
    assert!(fake.platform.check(&content).errors.is_empty());
    let answer = fake.publish(&content).await;
    let id = applied(&answer);
    let ledger = fake.sandbox.ledger();
    assert_eq!(ledger.pins.len(), 1);
    let made = &ledger.pins[0];
    assert_eq!((made.id.as_str(), made.board_id.as_str()), (id, BOARD));
    assert_eq!(
        (&made.title, &made.description),
        (&content.title, &content.description)
    );
    assert_eq!(
        (&made.link, &made.alt_text),
        (&content.link, &content.alt_text)
    );
    assert_eq!(
        made.media[0].url.as_deref(),
        Some("https://img.example/cake.png")
    );

    let look = fake.platform.look(&fake.token, &content).await.unwrap();
    assert!(look.complete);
    assert_eq!(look.posts.len(), 4, "three older pins and the new one");
    let matches: Vec<_> = look.posts.iter().filter(|post| post.matches).collect();
    assert_eq!(matches.len(), 1);
    assert_eq!(
        (matches[0].id.as_str(), matches[0].url.contains(id)),
        (id, true)
    );
    // The fake leaves the zone out, as the real one does.
    let created_at = matches[0].created_at.as_deref().unwrap();
    assert!(
        created_at.ends_with('Z') && created_at.starts_with("20"),
        "{created_at}"
    );
}

#[tokio::test]
async fn a_local_file_becomes_a_pin() {
    let fake = Fake::start().await;
    let image = png(1_000, 1_500);
    let content = file(pin(EMPTY_BOARD, "Lemon cake"), &image, "image/png");
    applied(&fake.publish_with(&content, image.clone()).await);
    let media = &fake.sandbox.ledger().pins[0].media[0];
    assert_eq!(
        (media.url.as_deref(), media.bytes),
        (None, Some(image.len() as u64))
    );
}

#[tokio::test]
async fn a_file_of_several_megabytes_goes_through() {
    let fake = Fake::start().await;
    let mut image = png(1_000, 1_500);
    image.resize(2 * 1024 * 1024, 7);
    let content = file(pin(EMPTY_BOARD, "Large"), &image, "image/png");
    applied(&fake.publish_with(&content, image.clone()).await);
    assert_eq!(
        fake.sandbox.ledger().pins[0].media[0].bytes,
        Some(2 * 1024 * 1024)
    );
}

#[tokio::test]
async fn a_section_is_its_own_place() {
    let fake = Fake::start().await;
    let sections = fake
        .platform
        .sections(&fake.token, BOARD, None)
        .await
        .unwrap()
        .items;
    let inside = Content {
        board_section_id: Some(sections[0].id.clone()),
        ..pin(BOARD, "Lemon cake")
    };
    let answer = fake.publish(&inside).await;
    let id = applied(&answer);
    let look = fake.platform.look(&fake.token, &inside).await.unwrap();
    assert_eq!(
        look.posts
            .iter()
            .map(|post| (post.id.as_str(), post.matches))
            .collect::<Vec<_>>(),
        [(id, true)]
    );
    // The board's own list shows it too, but it is not the pin of somebody who wanted no section.
    let outside = pin(BOARD, "Lemon cake");
    let look = fake.platform.look(&fake.token, &outside).await.unwrap();
    assert!(look.posts.iter().any(|post| post.id == id));
    assert!(look.posts.iter().all(|post| !post.matches));
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_pin_is_found() {
    let fake = Fake::start().await;
    for (title, fault) in [
        ("cut", Action::cut()),
        ("cut in the head", Action::cut_at(20)),
        ("5xx", Action::status(500)),
        (
            "gateway",
            Action {
                gateway_page: Some(502),
                ..Action::default()
            },
        ),
    ] {
        fake.faults([Fault::on("POST", "/v5/pins", fault).after()]);
        let content = pin(EMPTY_BOARD, title);
        let error = unknown(fake.publish(&content).await);
        assert_eq!(error.class, FailureClass::Unavailable, "{title}");
        assert_eq!(fake.sandbox.ledger().titled(title).count(), 1, "{title}");
        let look = fake.platform.look(&fake.token, &content).await.unwrap();
        assert_eq!(
            look.posts.iter().filter(|post| post.matches).count(),
            1,
            "{title}"
        );
    }
    assert_eq!(fake.asked("POST /v5/pins"), 4, "nothing was sent again");
}

#[tokio::test]
async fn a_success_that_is_cut_or_has_no_id_is_applied() {
    let fake = Fake::start().await;
    for fault in [
        Action::cut_after(20),
        Action {
            id: Some("missing".to_owned()),
            ..Action::default()
        },
    ] {
        fake.faults([Fault::on("POST", "/v5/pins", fault).after()]);
        let answer = fake.publish(&pin(EMPTY_BOARD, "Cake")).await;
        assert!(
            matches!(answer, CommitAnswer::AppliedIdUnknown(_)),
            "{answer:?}"
        );
    }
    assert_eq!((fake.pins(), fake.asked("POST /v5/pins")), (2, 2));
}

#[tokio::test]
async fn a_redirect_is_unknown_and_not_followed() {
    let fake = Fake::start().await;
    let redirect = Action {
        redirect: Some(format!("{}/v5/pins", fake.base)),
        ..Action::default()
    };
    fake.faults([Fault::on("POST", "/v5/pins", redirect)]);
    unknown(fake.publish(&pin(EMPTY_BOARD, "Cake")).await);
    assert_eq!((fake.pins(), fake.asked("POST /v5/pins")), (0, 1));
}

#[tokio::test]
async fn documented_refusals_are_final() {
    let fake = Fake::start().await;
    let small = png(1, 1);
    let broken = b"\x89PNG no more".to_vec();
    let in_section = Content {
        board_section_id: Some("999".to_owned()),
        ..pin(BOARD, "Cake")
    };
    for (content, image, class, status, code) in [
        (
            pin("999", "Cake"),
            Vec::new(),
            FailureClass::NotFound,
            404,
            "40",
        ),
        (in_section, Vec::new(), FailureClass::NotFound, 404, "2031"),
        (
            pin(BOARD, &"x".repeat(101)),
            Vec::new(),
            FailureClass::Rejected,
            400,
            "1",
        ),
        (
            pin("my-board", "Cake"),
            Vec::new(),
            FailureClass::Rejected,
            400,
            "1",
        ),
        (
            file(pin(BOARD, "Cake"), &small, "image/png"),
            small,
            FailureClass::Rejected,
            403,
            "233",
        ),
        (
            file(pin(BOARD, "Cake"), &broken, "image/png"),
            broken,
            FailureClass::Rejected,
            403,
            "235",
        ),
    ] {
        let error = rejected(fake.publish_with(&content, image).await);
        assert_eq!(
            (error.class, said(&error)),
            (class, (Some(status), Some(code))),
            "{error}"
        );
        assert_eq!(error.info.outcome, Outcome::None);
    }
    assert_eq!(fake.pins(), 0);
}

#[tokio::test]
async fn an_image_that_pinterest_cannot_fetch_proves_nothing() {
    let fake = Fake::start().await;
    let content = Content {
        media: ContentMedia::ImageUrl {
            url: "https://img.invalid/cake.png".to_owned(),
        },
        ..pin(BOARD, "Cake")
    };
    let error = unknown(fake.publish(&content).await);
    assert_eq!(said(&error), (Some(400), Some("1")));
}

#[tokio::test]
async fn limits_tokens_and_tiers_are_read_by_their_code() {
    let fake = Fake::start().await;
    let content = pin(EMPTY_BOARD, "Cake");
    let limit = Action {
        headers: [("x-ratelimit-reset".to_owned(), "7".to_owned())].into(),
        ..answer(
            429,
            json!({"code": 8, "message": "This request exceeded a rate limit."}),
        )
    };
    let spam =
        "Sorry! You've hit a block (Pins) we have in place to combat spam. Please try again later!";
    fake.faults([
        Fault::on("POST", "/v5/pins", limit),
        Fault::on(
            "POST",
            "/v5/pins",
            answer(429, json!({"code": 9, "message": spam})),
        )
        .nth(2),
    ]);
    match fake.publish(&content).await {
        CommitAnswer::Throttled(error) => assert_eq!(error.retry_after.unwrap().as_secs(), 7),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        unknown(fake.publish(&content).await).class,
        FailureClass::SpamBlocked
    );

    fake.switch(Switches {
        app_state: AppState::Trial,
        ..Switches::default()
    });
    let error = rejected(fake.publish(&content).await);
    assert_eq!(error.class, FailureClass::AppNotAllowed);
    assert!(
        error.info.remedy.contains("MULTI_UPLOAD_PINTEREST_API_URL"),
        "{error}"
    );
    fake.switch(Switches {
        app_state: AppState::Pending,
        ..Switches::default()
    });
    assert_eq!(
        rejected(fake.publish(&content).await).class,
        FailureClass::AppNotAllowed
    );

    fake.switch(Switches::default());
    fake.sandbox.revoke_tokens();
    let answer = fake.publish(&content).await;
    assert!(
        matches!(answer, CommitAnswer::TokenExpired(_)),
        "{answer:?}"
    );
    assert!(!format!("{answer:?}").contains(&fake.token));
    assert_eq!(fake.pins(), 0);
}

#[tokio::test]
async fn a_look_reads_every_page_and_says_when_it_did_not() {
    let mut seed = Seed::default();
    seed.boards[1].pins = 600;
    seed.boards[2].pins = 2_501;
    let fake = Fake::with(Options {
        seed,
        ..Options::default()
    })
    .await;
    let look = fake
        .platform
        .look(&fake.token, &pin(EMPTY_BOARD, "Cake"))
        .await
        .unwrap();
    assert_eq!((look.posts.len(), look.complete), (600, true));
    assert_eq!(fake.asked("GET /v5/boards/{board_id}/pins"), 3);
    let look = fake
        .platform
        .look(&fake.token, &pin("549755885175000003", "Cake"))
        .await
        .unwrap();
    assert_eq!((look.posts.len(), look.complete), (2_500, false));
}

#[tokio::test]
async fn a_look_that_fails_is_no_empty_look() {
    let fake = Fake::start().await;
    fake.faults([Fault::on("GET", "/v5/boards/*/pins", Action::status(500)).times(0)]);
    let error = fake
        .platform
        .look(&fake.token, &pin(BOARD, "Cake"))
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    let no_board = Content {
        board_id: None,
        ..pin(BOARD, "Cake")
    };
    let error = fake
        .platform
        .look(&fake.token, &no_board)
        .await
        .unwrap_err();
    assert!(error.info.is(ErrorCode::ValidationFailed), "{error}");
}

#[tokio::test]
async fn a_look_does_not_depend_on_the_order() {
    let fake = Fake::start().await;
    let content = pin(BOARD, "Lemon cake");
    applied(&fake.publish(&content).await);
    applied(&fake.publish(&content).await);
    fake.switch(Switches {
        lists: Lists::Shuffled,
        ..Switches::default()
    });
    let look = fake.platform.look(&fake.token, &content).await.unwrap();
    assert_eq!(look.posts.iter().filter(|post| post.matches).count(), 2);
}

#[tokio::test]
async fn a_pin_that_two_pages_show_is_one_pin() {
    let fake = Fake::start().await;
    let list = "/v5/boards/*/pins";
    fake.faults([
        Fault::on(
            "GET",
            list,
            answer(200, json!({"items": [{"id": "1"}], "bookmark": "b"})),
        ),
        Fault::on(
            "GET",
            list,
            answer(200, json!({"items": [{"id": "1"}, {"id": "2"}]})),
        )
        .nth(2),
    ]);
    let look = fake
        .platform
        .look(&fake.token, &pin(BOARD, "Cake"))
        .await
        .unwrap();
    let ids: Vec<_> = look.posts.iter().map(|post| post.id.as_str()).collect();
    assert_eq!((ids, look.complete), (vec!["1", "2"], true));
}

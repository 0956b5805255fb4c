//! Videos: registration, the form, processing, the pin.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Running, pin, refusal, start};
use multi_upload_sandbox::{FaultScript, ManualClock, MediaOutcome, Options, Switches};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const MOVIE: &[u8] = b"\0\0\0\x18ftypmp42 and the rest of a film";

async fn running() -> (Running, ManualClock) {
    let clock = ManualClock::at(1_700_000_000_000);
    (
        start(Options {
            clock: Arc::new(clock.clone()),
            ..Options::default()
        })
        .await,
        clock,
    )
}

async fn register(running: &Running) -> Value {
    let (status, media) = running
        .post("/v5/media", &json!({"media_type": "video"}))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{media}");
    media
}

fn parameters(media: &Value) -> Vec<(String, String)> {
    let fields = media["upload_parameters"].as_object().unwrap();
    fields
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn form(fields: Vec<(String, String)>, file: &'static [u8]) -> Form {
    fields
        .into_iter()
        .fold(Form::new(), |form, (name, value)| form.text(name, value))
        .part("file", Part::bytes(file))
}

async fn send(running: &Running, media: &Value, form: Form) -> (u16, String) {
    let address = media["upload_url"].as_str().unwrap();
    let response = running
        .client
        .post(address)
        .multipart(form)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn status(running: &Running, media: &Value) -> Value {
    running
        .get(&format!(
            "/v5/media/{}",
            media["media_id"].as_str().unwrap()
        ))
        .await
        .1["status"]
        .clone()
}

fn video_pin(media: &Value) -> Value {
    let mut body = pin("film");
    body["media_source"] = json!({"source_type": "video_id", "media_id": media["media_id"], "cover_image_key_frame_time": 1});
    body
}

#[tokio::test]
async fn from_registration_to_pin() {
    let (running, clock) = running().await;
    let media = register(&running).await;
    let fields = parameters(&media);
    assert_eq!(fields.len(), 8);
    assert!(fields.contains(&("Content-Type".to_owned(), "multipart/form-data".to_owned())));
    assert_eq!(status(&running, &media).await, "registered");

    assert_eq!(
        send(&running, &media, form(fields, MOVIE)).await,
        (204, String::new())
    );
    assert_eq!(status(&running, &media).await, "processing");
    let early = refusal(&running.post("/v5/pins", &video_pin(&media)).await);
    assert_eq!((early.0, early.1), (404, 404), "not before it is processed");
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&running, &media).await, "succeeded");

    let (status, made) = running.post("/v5/pins", &video_pin(&media)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(
        (&made["media"]["media_type"], &made["creative_type"]),
        (&json!("video"), &json!("VIDEO"))
    );
    let ledger = running.sandbox.ledger();
    assert_eq!(
        ledger.pins[0].media_id.as_deref(),
        media["media_id"].as_str()
    );
    assert_eq!(ledger.uploads[0].bytes, MOVIE.len() as u64);
    assert_eq!(ledger.count("POST /s3/"), 1);
    assert_eq!(
        running.get("/v5/media").await.1["items"][0]["media_id"],
        media["media_id"]
    );
    assert_eq!(refusal(&running.get("/v5/media/123").await).0, 404);
    assert_eq!(
        refusal(
            &running
                .post("/v5/media", &json!({"media_type": "image"}))
                .await
        )
        .1,
        1
    );
}

#[tokio::test]
async fn bad_videos_show_only_in_their_status() {
    let (running, clock) = running().await;
    let media = register(&running).await;
    assert_eq!(
        send(
            &running,
            &media,
            form(parameters(&media), b"anything at all")
        )
        .await
        .0,
        204
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&running, &media).await, "failed");

    for (outcome, expected) in [
        (MediaOutcome::Failed, "failed"),
        (MediaOutcome::Stuck, "processing"),
    ] {
        let switches = Some(Switches {
            media_outcome: outcome,
            ..Switches::default()
        });
        running.sandbox.set_faults(FaultScript {
            faults: Vec::new(),
            switches,
        });
        let media = register(&running).await;
        send(&running, &media, form(parameters(&media), MOVIE)).await;
        clock.advance(Duration::from_secs(3_000));
        assert_eq!(status(&running, &media).await, expected);
    }
}

#[tokio::test]
async fn the_bucket_is_strict() {
    let (running, clock) = running().await;
    let media = register(&running).await;
    let fields = || parameters(&media);
    let changed = |name: &str| {
        let mut fields = fields();
        fields
            .iter_mut()
            .find(|(known, _)| known == name)
            .unwrap()
            .1
            .push('x');
        fields
    };

    let file_first = fields().into_iter().fold(
        Form::new().part("file", Part::bytes(MOVIE)),
        |form, (name, value)| form.text(name, value),
    );
    let after = form(fields(), MOVIE).text("late", "x");
    let mut missing = fields();
    missing.retain(|(name, _)| name != "x-amz-date");
    let mut extra = fields();
    extra.push(("acl".to_owned(), "public-read".to_owned()));
    let without_file = fields()
        .into_iter()
        .fold(Form::new(), |form, (name, value)| form.text(name, value));
    for (form, status, text) in [
        (file_first, 400, "key"),
        (after, 400, "has to be the last one"),
        (form(missing, MOVIE), 403, "Missing input field: x-amz-date"),
        (form(extra, MOVIE), 403, "Extra input fields: acl"),
        (form(changed("key"), MOVIE), 403, "$key"),
        (form(changed("policy"), MOVIE), 403, "$policy"),
        (
            form(changed("x-amz-signature"), MOVIE),
            403,
            "SignatureDoesNotMatch",
        ),
        (without_file, 400, "exactly one file"),
    ] {
        let answer = send(&running, &media, form).await;
        assert_eq!(answer.0, status, "{answer:?}");
        assert!(answer.1.contains(text), "{answer:?}");
    }

    let address = media["upload_url"].as_str().unwrap();
    let with_token = running
        .client
        .post(address)
        .bearer_auth(&running.token)
        .multipart(form(fields(), MOVIE));
    assert_eq!(
        with_token.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        running
            .client
            .post(address)
            .body("x")
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::PRECONDITION_FAILED
    );
    let stream = Part::stream(reqwest::Body::wrap_stream(futures_util::stream::once(
        async { Ok::<_, std::io::Error>(MOVIE) },
    )));
    let chunked = fields()
        .into_iter()
        .fold(Form::new(), |form, (name, value)| form.text(name, value))
        .part("file", stream);
    assert_eq!(
        send(&running, &media, chunked).await.0,
        411,
        "no length, no upload"
    );

    assert_eq!(
        status(&running, &media).await,
        "registered",
        "nothing of all this counted"
    );
    clock.advance(Duration::from_secs(3_600));
    let late = send(&running, &media, form(fields(), MOVIE)).await;
    assert!(late.0 == 403 && late.1.contains("expired"), "{late:?}");
}

//! Pins: every kind of media, every refusal, lists that lag.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{StatusCode as Code, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{BOARD, Running, pin, png, read, refusal, start};
use multi_upload_sandbox::{
    Action, Fault, FaultScript, Limit, Limits, Lists, ManualClock, Options, Switches,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn with_media(title: &str, media: Value) -> Value {
    let mut body = pin(title);
    body["media_source"] = media;
    body
}

fn by_url(title: &str, url: &str) -> Value {
    with_media(title, json!({"source_type": "image_url", "url": url}))
}

fn by_data(title: &str, bytes: &[u8]) -> Value {
    let data = STANDARD.encode(bytes);
    with_media(
        title,
        json!({"source_type": "image_base64", "content_type": "image/png", "data": data}),
    )
}

/// A server for pictures; the counter says how often it was asked.
async fn pictures() -> (String, Arc<AtomicUsize>, impl Drop) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let good = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async { ([(header::CONTENT_TYPE, "image/png")], png(600, 900)).into_response() }
    };
    let router = axum::Router::new()
        .route("/good.png", get(good))
        .route(
            "/moved.png",
            get(|| async { (Code::FOUND, [(header::LOCATION, "/good.png")]) }),
        )
        .route("/page.html", get(|| async { "<html>no picture</html>" }))
        .route("/small.png", get(|| async { png(10, 10) }))
        .route("/gone.png", get(|| async { Code::GONE }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (base, asked, common::serve(listener, router).await)
}

#[tokio::test]
async fn loopback_pictures_are_really_fetched() {
    let running = start(Options::default()).await;
    let (pictures, asked, _guard) = pictures().await;
    let (status, made) = running
        .post(
            "/v5/pins",
            &by_url("fetched", &format!("{pictures}/good.png")),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let images = &made["media"]["images"];
    assert_eq!(images["originals"]["width"], 600);
    assert_eq!(images["originals"]["height"], 900);
    assert_eq!(images["1200x"]["height"], 1_800);
    let ledger = running.sandbox.ledger();
    let media = &ledger.titled("fetched").next().unwrap().media[0];
    assert_eq!(media.bytes, Some(png(600, 900).len() as u64));
    assert_eq!(media.sha256.as_ref().unwrap().len(), 64);

    assert_eq!(
        running
            .post(
                "/v5/pins",
                &by_url("moved", &format!("{pictures}/moved.png"))
            )
            .await
            .0,
        201
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let not_fetched = (400, 1, "Sorry we could not fetch the image.".to_owned());
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [
        format!("{pictures}/gone.png"),
        format!("http://{unused}/x.png"),
        "https://pictures.invalid/x.png".to_owned(),
    ] {
        assert_eq!(
            refusal(&running.post("/v5/pins", &by_url("x", &address)).await),
            not_fetched,
            "{address}"
        );
    }
    for (name, code) in [("page.html", 235), ("small.png", 233)] {
        let refused = refusal(
            &running
                .post("/v5/pins", &by_url("x", &format!("{pictures}/{name}")))
                .await,
        );
        assert_eq!((refused.0, refused.1), (403, code), "{name}");
    }
    assert_eq!(
        running.sandbox.ledger().pins.len(),
        2,
        "a refusal creates nothing"
    );
}

#[tokio::test]
async fn pictures_in_the_body() {
    let running = start(Options::default()).await;
    let (status, made) = running
        .post("/v5/pins", &by_data("inline", &png(200, 300)))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["media"]["images"]["originals"]["height"], 300);
    assert_eq!(made["creative_type"], "REGULAR");
    assert_eq!(
        refusal(&running.post("/v5/pins", &by_data("x", &png(49, 300))).await).1,
        233
    );
    assert_eq!(
        refusal(
            &running
                .post("/v5/pins", &by_data("x", b"no picture at all"))
                .await
        )
        .1,
        235
    );
    let truncated = png(200, 300);
    assert_eq!(
        refusal(
            &running
                .post(
                    "/v5/pins",
                    &by_data("x", &truncated[..truncated.len() - 12])
                )
                .await
        )
        .1,
        235
    );
}

#[tokio::test]
async fn carousels() {
    let running = start(Options::default()).await;
    let item = |title: &str| json!({"url": "https://cdn.example.com/a.jpg", "title": title, "link": "https://example.com/"});
    let media = json!({"source_type": "multiple_image_urls", "items": [item("one"), item("two")]});
    let (status, made) = running
        .post("/v5/pins", &with_media("carousel", media))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["media"]["media_type"], "multiple_images");
    assert_eq!(made["media"]["items"][1]["title"], "two");
    let data = STANDARD.encode(png(100, 100));
    let item = json!({"content_type": "image/png", "data": data});
    let media = json!({"source_type": "multiple_image_base64", "items": [item, item, item]});
    assert_eq!(
        running
            .post("/v5/pins", &with_media("inline carousel", media))
            .await
            .0,
        StatusCode::CREATED
    );
    let kinds: Vec<_> = running
        .sandbox
        .ledger()
        .pins
        .into_iter()
        .map(|pin| (pin.media_kind, pin.media.len()))
        .collect();
    assert_eq!(
        kinds,
        [("carousel".to_owned(), 2), ("carousel".to_owned(), 3)]
    );
}

#[tokio::test]
async fn the_answer_looks_like_a_real_one() {
    let clock = ManualClock::at(1_665_625_289_000);
    let running = start(Options {
        clock: Arc::new(clock),
        ..Options::default()
    })
    .await;
    let mut body = pin("Lemon cake");
    body["link"] = json!("https://example.com/lemon?utm=1");
    body["description"] = json!("With icing");
    body["alt_text"] = Value::Null;
    let (status, made) = running.post("/v5/pins", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["created_at"], "2022-10-13T01:41:29", "no zone");
    assert!(
        made["id"]
            .as_str()
            .unwrap()
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    );
    assert_eq!(made["link"], "https://example.com/lemon?utm=1");
    assert_eq!(made["alt_text"], Value::Null);
    assert_eq!(
        running
            .get(&format!("/v5/pins/{}", made["id"].as_str().unwrap()))
            .await
            .1,
        made
    );
    let entry = &running.sandbox.ledger().pins[0];
    assert_eq!(
        (entry.created_at.as_str(), entry.request),
        ("2022-10-13T01:41:29Z", 1)
    );
    assert_eq!(entry.description.as_deref(), Some("With icing"));
}

#[tokio::test]
async fn what_the_body_refers_to_must_exist() {
    let running = start(Options::default()).await;
    let with = |name: &str, value: &str| {
        let mut body = pin("x");
        body[name] = json!(value);
        body
    };
    for (body, expected) in [
        (with("board_id", "123"), (404, 40)),
        (with("board_id", "abc"), (400, 1)),
        (with("board_section_id", "123"), (404, 2031)),
        (with("link", "nowhere"), (400, 1)),
        (with("title", &"x".repeat(101)), (400, 1)),
        (
            with_media(
                "x",
                json!({"source_type": "video_id", "media_id": "1", "cover_image_key_frame_time": 0}),
            ),
            (404, 404),
        ),
        (
            with_media("x", json!({"source_type": "pin_url"})),
            (403, 29),
        ),
    ] {
        let (status, code, _) = refusal(&running.post("/v5/pins", &body).await);
        assert_eq!((status, code), expected, "{body}");
    }
    let no_json = running
        .request(Method::POST, "/v5/pins")
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(
        refusal(&read(no_json).await),
        (
            400,
            1,
            "Invalid request: the body is not valid JSON".to_owned()
        )
    );
    assert_eq!(running.sandbox.ledger().pins, []);
}

#[tokio::test]
async fn a_pin_changes_moves_and_goes() {
    let running = start(Options::default()).await;
    let (_, made) = running.post("/v5/pins", &pin("old")).await;
    let path = format!("/v5/pins/{}", made["id"].as_str().unwrap());
    let change = json!({"title": "new", "link": null, "board_id": "549755885175000002"});
    let (status, changed) = running.patch(&path, &change).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&changed["title"], &changed["board_id"]),
        (&json!("new"), &json!("549755885175000002"))
    );
    assert_eq!(
        refusal(&running.patch(&path, &json!({"board_id": "1"})).await).1,
        40
    );

    let (status, saved) = running
        .post(&format!("{path}/save"), &json!({"board_id": BOARD}))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(saved["parent_pin_id"], made["id"]);

    assert_eq!(running.delete(&path).await, StatusCode::NO_CONTENT);
    assert_eq!(
        refusal(&running.get(&path).await),
        (404, 50, "Pin not found.".to_owned())
    );
    assert_eq!(running.delete(&path).await, StatusCode::NOT_FOUND);
    let ledger = running.sandbox.ledger();
    assert!(ledger.pins[0].deleted && !ledger.pins[1].deleted);
}

async fn listed(running: &Running, path: &str) -> Vec<String> {
    let (status, page) = running.get(path).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pin| pin["title"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lists_lag_while_ids_work_at_once() {
    let clock = ManualClock::at(1_700_000_000_000);
    let switches = Switches {
        list_delay_ms: 3_000,
        ..Switches::default()
    };
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        switches,
        ..Options::default()
    })
    .await;
    let board = format!("/v5/boards/{BOARD}/pins");
    let (_, made) = running.post("/v5/pins", &pin("fresh")).await;
    assert_eq!(
        running
            .get(&format!("/v5/pins/{}", made["id"].as_str().unwrap()))
            .await
            .0,
        StatusCode::OK
    );
    clock.advance(Duration::from_millis(2_999));
    assert_eq!(
        listed(&running, &board).await,
        ["Kitchen Ideas 3", "Kitchen Ideas 2", "Kitchen Ideas 1"]
    );
    clock.advance(Duration::from_millis(1));
    assert_eq!(
        listed(&running, &board).await,
        [
            "fresh",
            "Kitchen Ideas 3",
            "Kitchen Ideas 2",
            "Kitchen Ideas 1"
        ]
    );
}

#[tokio::test]
async fn lists_can_be_stale_empty_or_shuffled() {
    let clock = ManualClock::at(1_700_000_000_000);
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        ..Options::default()
    })
    .await;
    let set = |lists| {
        let switches = Some(Switches {
            lists,
            ..Switches::default()
        });
        running.sandbox.set_faults(FaultScript {
            faults: Vec::new(),
            switches,
        });
    };
    let board = format!("/v5/boards/{BOARD}/pins");
    running.post("/v5/pins", &pin("one")).await;
    set(Lists::Stale);
    clock.advance(Duration::from_secs(1));
    running.post("/v5/pins", &pin("two")).await;
    assert_eq!(listed(&running, &board).await[0], "one");
    set(Lists::Empty);
    assert!(listed(&running, &board).await.is_empty());
    assert!(
        running.get("/v5/boards").await.1["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    set(Lists::Fresh);
    for number in 0..10 {
        running
            .post("/v5/pins", &pin(&format!("more {number}")))
            .await;
    }
    let in_order = listed(&running, &board).await;
    set(Lists::Shuffled);
    let mut shuffled = Vec::new();
    let mut path = format!("{board}?page_size=4");
    loop {
        let (_, page) = running.get(&path).await;
        shuffled.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pin| pin["title"].as_str().unwrap().to_owned()),
        );
        let Some(bookmark) = page["bookmark"].as_str() else {
            break;
        };
        path = format!("{board}?page_size=4&bookmark={bookmark}");
    }
    assert_ne!(shuffled, in_order);
    let sorted = |mut titles: Vec<String>| {
        titles.sort();
        titles
    };
    assert_eq!(sorted(shuffled), sorted(in_order), "complete all the same");
}

#[tokio::test]
async fn all_pins_and_those_of_a_domain() {
    let running = start(Options::default()).await;
    for (title, link) in [
        ("a", "https://one.example/x"),
        ("b", "https://two.example/x"),
    ] {
        let mut body = pin(title);
        body["link"] = json!(link);
        running.post("/v5/pins", &body).await;
    }
    assert_eq!(
        listed(&running, "/v5/pins").await.len(),
        5,
        "two new, three of the seed"
    );
    assert_eq!(listed(&running, "/v5/pins?domain=two.example").await, ["b"]);
    assert!(
        listed(&running, "/v5/pins?creative_types=VIDEO")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_late_pin_appears_by_the_clock() {
    let clock = ManualClock::at(1_700_000_000_000);
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        ..Options::default()
    })
    .await;
    let fault = Fault::on("POST", "/v5/pins", Action::status(500)).late(60_000);
    running.sandbox.set_faults(FaultScript::of([fault]));
    assert_eq!(
        running.post("/v5/pins", &pin("late")).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(running.sandbox.ledger().titled("late").count(), 0);
    assert_eq!(
        listed(&running, &format!("/v5/boards/{BOARD}/pins"))
            .await
            .len(),
        3
    );
    clock.advance(Duration::from_millis(1));
    assert_eq!(running.sandbox.ledger().titled("late").count(), 1);
    assert_eq!(
        listed(&running, &format!("/v5/boards/{BOARD}/pins")).await[0],
        "late"
    );
}

#[tokio::test]
async fn the_limit_of_writes() {
    let clock = ManualClock::at(0);
    let limits = Limits {
        org_write: Some(Limit {
            max: 2,
            window_s: 60,
        }),
        ..Limits::standard()
    };
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        limits,
        ..Options::default()
    })
    .await;
    let send = || async {
        running
            .request(Method::POST, "/v5/pins")
            .json(&pin("x"))
            .send()
            .await
            .unwrap()
    };
    let first = send().await;
    assert_eq!(first.headers()["x-ratelimit-limit"], "2, 2;w=60");
    assert_eq!(first.headers()["x-ratelimit-remaining"], "1");
    send().await;
    let third = send().await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.headers()["x-ratelimit-reset"], "60");
    assert!(!third.headers().contains_key("retry-after"));
    assert_eq!(refusal(&read(third).await).1, 8);
    assert_eq!(
        running.get("/v5/boards").await.0,
        StatusCode::OK,
        "reads have their own limit"
    );
    clock.advance(Duration::from_secs(60));
    assert_eq!(send().await.status(), StatusCode::CREATED);
    assert_eq!(running.sandbox.ledger().pins.len(), 3);
}

#[tokio::test]
async fn unknown_paths_methods_and_callers() {
    let mut running = start(Options::default()).await;
    assert_eq!(refusal(&running.get("/v5/ads").await).0, 404);
    assert_eq!(refusal(&running.get("/elsewhere").await).0, 404);
    let put = running
        .request(Method::PUT, "/v5/pins")
        .send()
        .await
        .unwrap();
    assert_eq!(
        refusal(&read(put).await),
        (405, 5, "Method not allowed.".to_owned())
    );
    assert_eq!(
        refusal(&running.get("/v5/pins/abc").await),
        (400, 1, r"'abc' does not match '^\d+$'".to_owned())
    );
    running.token = "pina_unknown".to_owned();
    assert_eq!(
        refusal(&running.get("/v5/pins/1").await),
        (401, 2, "Authentication failed.".to_owned())
    );
}

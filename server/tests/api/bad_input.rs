//! Uploads that are wrong: each gets a problem object that says what to do, and changes nothing.

use serde_json::{Value, json};

use crate::support::{
    assert_nothing_happened, assert_problem, detail, faults, pairs, scheduled, still, with, without,
};

#[tokio::test]
async fn names_and_types_that_are_not_known() {
    let (service, account, board) = still().await;
    let mut body = without(&scheduled(&account, &board), "board_id");
    body["boardId"] = json!(board);
    body["title"] = json!(5);
    body["late"] = json!({"sendwithin": "1h"});
    body["overrides"] = json!({"pinterest": {"titel": "x"}});
    let reply = service.post("/v1/upload", &body).await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    let mut found = faults(&reply);
    found.sort();
    assert_eq!(
        found,
        pairs(&[
            ("/boardId", "unknown"),
            ("/late/send_within", "required"),
            ("/late/sendwithin", "unknown"),
            ("/overrides/pinterest/titel", "unknown"),
            ("/title", "invalid"),
        ])
    );
    assert!(reply.text.contains("did you mean `board_id`?"));
    assert!(reply.text.contains("did you mean `title`?"));
    assert!(reply.text.contains("did you mean `send_within`?"));
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn a_missing_or_foreign_board_lists_the_boards() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    let boards = service
        .get(&format!("/v1/accounts/{account}/boards?limit=1000"))
        .await;
    let boards = boards.json["items"].as_array().unwrap().clone();
    assert!(boards.len() > 25, "more than one page of the network");

    let reply = service
        .post("/v1/upload", &without(&good, "board_id"))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/board_id", "required")]));
    for board in boards.iter().take(50) {
        let words = format!(
            "{} ({})",
            board["id"].as_str().unwrap(),
            board["name"].as_str().unwrap()
        );
        assert!(detail(&reply, 0).contains(&words), "{words}");
    }
    // Once is enough: the remedy points to the list.
    assert!(reply.json["remedy"].as_str().unwrap().contains("listed"));

    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("42")))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/board_id", "unknown")]));
    assert!(detail(&reply, 0).contains("\"42\""));
    assert!(detail(&reply, 0).contains(&board));

    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("Recipes")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/board_id", "invalid")]));
    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/board_id", "required")]));

    let overridden = with(
        &good,
        "overrides",
        json!({account.as_str(): {"board_id": "42"}}),
    );
    let reply = service.post("/v1/upload", &overridden).await;
    assert_eq!(
        faults(&reply),
        pairs(&[(&format!("/overrides/{account}/board_id"), "unknown")])
    );
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn times_that_are_wrong() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    // The clock stands at 2026-11-24T12:00:00Z.
    for (at, zone, status, code, pointer) in [
        (
            "2026-12-01T20:00:00",
            Value::Null,
            422,
            "VALIDATION_FAILED",
            "/scheduled_at",
        ),
        (
            "tomorrow",
            Value::Null,
            422,
            "VALIDATION_FAILED",
            "/scheduled_at",
        ),
        (
            "2026-11-24T11:58:59Z",
            Value::Null,
            422,
            "SCHEDULE_IN_PAST",
            "/scheduled_at",
        ),
        (
            "2026-12-01T20:00:00",
            json!("Europe/Pariss"),
            422,
            "TIMEZONE_UNKNOWN",
            "/timezone",
        ),
    ] {
        let body = with(&with(&good, "scheduled_at", json!(at)), "timezone", zone);
        let reply = service.post("/v1/upload", &body).await;
        assert_problem(&reply, status, code);
        assert_eq!(faults(&reply), pairs(&[(pointer, "invalid")]), "{at}");
    }
    let reply = service
        .post(
            "/v1/upload",
            &with(
                &without(&good, "scheduled_at"),
                "timezone",
                json!("Mars/Base"),
            ),
        )
        .await;
    assert_problem(&reply, 422, "TIMEZONE_UNKNOWN");
    let reply = service
        .post("/v1/upload", &with(&good, "schedule", json!("next_slot")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/schedule", "conflict")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "late", json!({"send_within": "soon"})),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/late/send_within", "invalid")]));
    assert_nothing_happened(&service).await;

    // Less than a minute in the past means now.
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "scheduled_at", json!("2026-11-24T11:59:30Z")),
        )
        .await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    service.stop().await;
}

#[tokio::test]
async fn accounts_that_are_wrong() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "accounts", json!(["pinterest:1"])),
        )
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/accounts/0", "unknown")]));
    assert!(
        detail(&reply, 0).contains(&account),
        "the connected one is listed"
    );

    let bare = account.split_once(':').unwrap().1;
    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!([bare])))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts/0", "invalid")]));
    assert!(detail(&reply, 0).contains(&account));

    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!(["tiktok:1"])))
        .await;
    assert_problem(&reply, 422, "PLATFORM_UNSUPPORTED");

    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!([])))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts", "required")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "accounts", json!([account, account])),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts/1", "conflict")]));
    let many: Vec<String> = (0..26).map(|n| format!("pinterest:{n}")).collect();
    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!(many)))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts", "too_many")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "overrides", json!({"pintrest": {"title": "x"}})),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/overrides/pintrest", "unknown")]));
    assert!(detail(&reply, 0).contains("\"pinterest\""));
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn media_that_is_missing_or_too_much() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    let reply = service
        .post("/v1/upload", &without(&good, "image_url"))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/image_url", "required")]));

    let reply = service
        .post("/v1/upload", &with(&good, "media_id", json!("md_1")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/media_id", "conflict")]));

    let reply = service
        .post(
            "/v1/upload",
            &with(&without(&good, "image_url"), "media_id", json!("md_1")),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/media_id", "unknown")]));

    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "image_url", json!("ftp://example.com/a.jpg")),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/image_url", "invalid")]));

    let video = with(
        &with(
            &without(&good, "image_url"),
            "video_url",
            json!("ftp://example.com/a.mp4"),
        ),
        "cover_image_key_frame_time",
        json!(0),
    );
    let reply = service.post("/v1/upload", &video).await;
    assert_eq!(faults(&reply), pairs(&[("/video_url", "invalid")]));

    // A cover needs a video, and there is one cover.
    let cover = |body: &Value, name: &str, value: Value| with(body, name, value);
    let reply = service
        .post("/v1/upload", &cover(&good, "cover_media_id", json!("md_1")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/cover_media_id", "conflict")]));

    let carousel = |urls: Value| with(&without(&good, "image_url"), "image_urls", urls);
    let one = "https://example.com/1.jpg";
    for (urls, expected) in [
        (json!([one]), ("/image_urls", "too_few")),
        (
            json!([one, one, one, one, one, one]),
            ("/image_urls", "too_many"),
        ),
        (json!([one, "2.jpg"]), ("/image_urls/1", "invalid")),
    ] {
        let reply = service.post("/v1/upload", &carousel(urls)).await;
        assert_eq!(faults(&reply), pairs(&[expected]));
    }
    let files = with(
        &without(&good, "image_url"),
        "media_ids",
        json!(["md_1", "md_2"]),
    );
    let reply = service.post("/v1/upload", &files).await;
    assert_eq!(
        faults(&reply),
        pairs(&[("/media_ids/0", "unknown"), ("/media_ids/1", "unknown")])
    );
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn texts_are_counted_in_code_points() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    // Four bytes and two UTF-16 units each.
    let reply = service
        .post("/v1/upload", &with(&good, "title", json!("🍋".repeat(101))))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/title", "too_long")]));
    assert!(detail(&reply, 0).contains("101") && detail(&reply, 0).contains("100"));

    // The caption stands in for the description, and is where the fault is.
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "caption", json!("🍋".repeat(801))),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/caption", "too_long")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "external_id", json!("é".repeat(256))),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/external_id", "too_long")]));
    let reply = service
        .post("/v1/upload", &with(&good, "title", json!("a\u{0}b")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/title", "invalid")]));
    assert_nothing_happened(&service).await;

    let full = with(&good, "title", json!("🍋".repeat(100)));
    let full = with(&full, "caption", json!("🍋".repeat(800)));
    let full = with(&full, "external_id", json!("é".repeat(255)));
    let reply = service.post("/v1/upload", &full).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    service.stop().await;
}

#[tokio::test]
async fn a_batch_names_the_wrong_rows_and_stores_the_others() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    let reply = service
        .post(
            "/v1/uploads/batch",
            &json!({"uploads": [good, with(&good, "titel", json!("x")), 5, without(&good, "board_id"), good]}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let results = reply.json["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index);
        assert_eq!(
            result["upload"].is_object(),
            [0, 4].contains(&index),
            "{result}"
        );
        assert_eq!(
            result["error"].is_object(),
            ![0, 4].contains(&index),
            "{result}"
        );
    }
    assert_eq!(results[1]["error"]["errors"][0]["pointer"], "/titel");
    assert_eq!(results[3]["error"]["errors"][0]["pointer"], "/board_id");
    assert_eq!(service.stored().await, 2);

    for (body, code) in [
        (json!({"uploads": []}), "required"),
        (json!({"upload": []}), "unknown"),
        (json!({"uploads": {}}), "invalid"),
        (json!({"uploads": vec![5; 1_001]}), "too_many"),
    ] {
        let reply = service.post("/v1/uploads/batch", &body).await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
        assert_eq!(faults(&reply)[0].1, code);
    }
    assert_eq!(service.stored().await, 2);
    service.stop().await;
}

#[tokio::test]
async fn no_value_of_any_field_makes_the_service_fail() {
    let (service, account, board) = still().await;
    let good = scheduled(&account, &board);
    let fields = [
        "accounts",
        "image_url",
        "image_urls",
        "video_url",
        "media_id",
        "media_ids",
        "caption",
        "title",
        "description",
        "link",
        "alt_text",
        "board_id",
        "board_section_id",
        "cover_image_url",
        "cover_media_id",
        "cover_image_key_frame_time",
        "scheduled_at",
        "timezone",
        "schedule",
        "overrides",
        "external_id",
        "draft",
        "dry_run",
        "late",
        "pinterest",
        "tiktok",
        "instagram",
        "nothing",
        "",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("\u{202e}\u{feff}"),
        json!("é".repeat(5_000)),
        json!("9999-12-31T23:59:59Z"),
        json!("-009999-01-02T01:59:59Z"),
        json!("http://["),
        json!("https://user:pass@example.com:99999/"),
        json!([]),
        json!([null, {}, [[]], "x"]),
        json!({}),
        json!({"": {"": null}}),
        json!({"send_within": "0s"}),
        json!({"send_within": "99999999999999999999d"}),
        json!({account.as_str(): {"title": ["x"]}}),
        json!({"board_id": "1", "dominant_color": "red", "~/": 1}),
    ];
    for name in fields {
        for value in &values {
            let reply = service
                .post("/v1/uploads/validate", &with(&good, name, value.clone()))
                .await;
            assert_eq!(reply.status, 200, "{name}: {value}: {}", reply.text);
            let is_valid = reply.json["valid"] == true;
            let reply = service
                .post("/v1/upload", &with(&good, name, value.clone()))
                .await;
            let expected = match reply.json["valid"].is_boolean() {
                true => 200,
                false if is_valid => 202,
                false => 422,
            };
            let status = reply.status.as_u16();
            assert!(status == expected, "{name}: {value}: {}", reply.text);
            if status == 422 {
                assert_problem(&reply, 422, reply.json["code"].as_str().unwrap());
                assert!(!reply.json["errors"].as_array().unwrap().is_empty());
            }
        }
    }
    service.stop().await;
}

//! The files of `tests/spec` agree with their schema, with the wire types and with each other.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod schema;

use std::collections::BTreeSet;
use std::path::Path;

use multi_upload_testkit::{Library, spec_dir};
use multi_upload_wire::{CreateUpload, REGISTRY};
use serde_json::{Value, json};

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn library() -> Library {
    Library::load(&spec_dir()).unwrap()
}

/// All cases, short forms written out, as one file.
fn whole() -> Value {
    json!({ "version": 1, "cases": library().cases() })
}

#[test]
fn every_case_fits_the_schema() {
    let schema = read(&spec_dir().join("schema.json"));
    assert_eq!(schema::check(&schema, &whole()), [""; 0]);
    for entry in std::fs::read_dir(spec_dir().join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("}\n"), "{} has no line end", path.display());
        // So that editors help whoever writes a case.
        assert_eq!(
            read(&path)["$schema"],
            "../schema.json",
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_schema_refuses_what_the_kit_refuses() {
    let schema = read(&spec_dir().join("schema.json"));
    let spoil = |pointer: &str, value: Value| {
        let mut file = whole();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = file.pointer_mut(parent).unwrap();
        parent[name] = value;
        file
    };
    let wrong = [
        spoil("/version", json!(2)),
        spoil("/cases/0/id", json!("No Id")),
        spoil("/cases/0/colour", json!("blue")),
        spoil("/cases/0/given/serverr", json!([])),
        spoil("/cases/0/given/options", json!({ "retries": 3 })),
        spoil("/cases/0/given/server/0/expect/method", json!("post")),
        spoil("/cases/0/given/server/0/reply/fault", json!("explode")),
        spoil("/cases/0/when/op", json!("create")),
        spoil("/cases/0/then", json!({})),
        spoil("/cases/0/then/requests/idempotency_key", json!("similar")),
        spoil("/cases", json!([])),
    ];
    for file in wrong {
        assert!(
            !schema::check(&schema, &file).is_empty(),
            "it was let through"
        );
    }
}

#[test]
fn every_operation_is_on_the_surface_and_is_played() {
    let library = library();
    let operations = library.surface()["operations"].as_array().unwrap();
    let listed: BTreeSet<_> = operations
        .iter()
        .map(|op| op["op"].as_str().unwrap())
        .collect();
    assert_eq!(
        listed.len(),
        operations.len(),
        "an operation is listed twice"
    );
    let played: BTreeSet<_> = library
        .cases()
        .iter()
        .map(|case| case.when.op.as_str())
        .collect();
    assert_eq!(
        listed.difference(&played).collect::<Vec<_>>(),
        [&""; 0],
        "no case plays these"
    );
    assert_eq!(
        played.difference(&listed).collect::<Vec<_>>(),
        [&""; 0],
        "surface.json lacks these"
    );
    for case in library.cases() {
        let operation = operations
            .iter()
            .find(|op| op["op"] == case.when.op)
            .unwrap();
        let takes = |name: &str| {
            let lists = ["required", "optional"].map(|list| operation[list].as_array().unwrap());
            lists.into_iter().flatten().any(|listed| listed == name)
        };
        for name in case.when.args.keys() {
            let name = if name == "bytes_base64" {
                "source"
            } else {
                name
            };
            assert!(takes(name), "{}: {} takes no {name}", case.id, case.when.op);
        }
    }
}

#[test]
fn the_surface_has_every_field_of_an_upload() {
    let all: CreateUpload = serde_json::from_value(json!({
        "accounts": [], "image_url": "", "image_urls": [], "video_url": "", "media_id": "", "media_ids": [],
        "caption": "", "title": "", "description": "", "link": "", "alt_text": "", "board_id": "",
        "board_section_id": "", "cover_image_url": "", "cover_media_id": "", "cover_image_key_frame_time": 0,
        "scheduled_at": "", "timezone": "", "schedule": "", "overrides": {}, "external_id": "", "draft": true,
        "dry_run": true, "late": { "send_within": "" }, "pinterest": {}, "tiktok": {}, "instagram": {},
    }))
    .unwrap();
    // A new field of the type does not compile here until it is listed above.
    let CreateUpload {
        accounts: _,
        image_url: _,
        image_urls: _,
        video_url: _,
        media_id: _,
        media_ids: _,
        caption: _,
        title: _,
        description: _,
        link: _,
        alt_text: _,
        board_id: _,
        board_section_id: _,
        cover_image_url: _,
        cover_media_id: _,
        cover_image_key_frame_time: _,
        scheduled_at: _,
        timezone: _,
        schedule: _,
        overrides: _,
        external_id: _,
        draft: _,
        dry_run: _,
        late: _,
        pinterest: _,
        tiktok: _,
        instagram: _,
    } = &all;
    let fields = serde_json::to_value(&all).unwrap();
    let fields: BTreeSet<_> = fields.as_object().unwrap().keys().cloned().collect();
    let library = library();
    let create = &library.surface()["operations"][0];
    assert_eq!(create["op"], "uploads.create");
    let listed: BTreeSet<_> = ["required", "optional"]
        .iter()
        .flat_map(|list| create[list].as_array().unwrap())
        .map(|name| name.as_str().unwrap().to_owned())
        // Files of the caller's machine: they become ids before the request.
        .filter(|name| !["image", "video", "images", "cover"].contains(&name.as_str()))
        .collect();
    assert_eq!(listed, fields);
}

#[test]
fn every_code_that_the_service_answers_with_has_its_case() {
    let library = library();
    let expected = REGISTRY.iter().filter(|entry| entry.status >= 400);
    for entry in expected {
        let case = library.case(&format!("errors.{}", entry.name)).unwrap();
        let error = case.then.error.as_ref().unwrap();
        let category = serde_json::to_value(entry.category).unwrap();
        assert_eq!(
            (&error["category"], &error["status"]),
            (&category, &json!(entry.status))
        );
        let shape = [
            "errors",
            "platform",
            "target",
            "request_id",
            "external_id",
            "retry_after_ms",
            "instance",
        ];
        assert!(shape.iter().all(|name| !error[name].is_null()), "{error}");
    }
}

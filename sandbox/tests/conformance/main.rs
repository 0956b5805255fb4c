//! The sandbox against Pinterest's own OpenAPI document.
//!
//! The document is not part of this repository. `PINTEREST_SPEC` names a copy of it (YAML); without one the comparison is
//! skipped, which `MULTI_UPLOAD_FORBID_SKIPS=1` turns into a failure.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod schema;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{BOARD, Running, pin, png, start};
use multi_upload_sandbox::pinterest::{Auth, OPERATIONS};
use multi_upload_sandbox::{AppState, Limit, Limits, ManualClock, Options, Switches};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use schema::Document;
use serde_json::{Value, json};

/// The document, or `None` where the comparison may be skipped.
fn document() -> Option<Document> {
    let Some(path) = std::env::var_os("PINTEREST_SPEC") else {
        assert!(
            std::env::var_os("MULTI_UPLOAD_FORBID_SKIPS").is_none_or(|value| value != "1"),
            "PINTEREST_SPEC is not set, and skips are forbidden"
        );
        #[expect(clippy::print_stderr, reason = "who runs the tests shall see it")]
        {
            eprintln!(
                "SKIPPED: set PINTEREST_SPEC to Pinterest's OpenAPI document to compare the sandbox with it"
            );
        }
        return None;
    };
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(Document(serde_norway::from_str(&text).unwrap()))
}

#[tokio::test]
async fn the_sandbox_answers_as_the_document_says() {
    let Some(document) = document() else { return };
    compare_operations(&document);
    let mut walk = Walk {
        document,
        problems: Vec::new(),
        succeeded: BTreeSet::new(),
    };
    walk_boards(&mut walk).await;
    walk_pins(&mut walk).await;
    walk_media(&mut walk).await;
    walk_tokens(&mut walk).await;
    walk_refusals(&mut walk).await;
    assert!(walk.problems.is_empty(), "{:#?}", walk.problems);
    let never: Vec<_> = OPERATIONS
        .iter()
        .map(|operation| format!("{} {}", operation.method, operation.path))
        // It refuses every token that the sandbox can give out, as the real one does.
        .filter(|name| name != "POST /oauth/token/revoke" && !walk.succeeded.contains(name))
        .collect();
    assert!(
        never.is_empty(),
        "no successful answer was compared for {never:?}"
    );
}

/// Every operation exists there, with the same scopes and the same rate category.
fn compare_operations(document: &Document) {
    for operation in &OPERATIONS {
        let name = format!("{} {}", operation.method, operation.path);
        let known = &document.0["paths"][operation.path][operation.method.to_lowercase()];
        assert!(known.is_object(), "{name} is not in the document");
        assert_eq!(
            known["x-ratelimit-category"],
            operation.category.name(),
            "{name}"
        );
        let security = known["security"].as_array().unwrap();
        let scopes = |scheme: &str| {
            security
                .iter()
                .find_map(|choice| choice.get(scheme))
                .cloned()
        };
        match operation.auth {
            Auth::Basic => assert!(scopes("basic").is_some(), "{name}"),
            Auth::Bearer {
                scopes: ours,
                client,
            } => {
                assert_eq!(scopes("pinterest_oauth2"), Some(json!(ours)), "{name}");
                assert_eq!(
                    scopes("client_credentials"),
                    client.then(|| json!(ours)),
                    "{name}"
                );
            }
        }
    }
}

struct Walk {
    document: Document,
    problems: Vec<String>,
    succeeded: BTreeSet<String>,
}

impl Walk {
    /// Sends one request and compares its answer.
    async fn send(&mut self, method: &str, template: &str, request: RequestBuilder) -> Value {
        let name = format!("{method} {template}");
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let operation = &self.document.0["paths"][template][method.to_lowercase()];
        let responses = &operation["responses"];
        let known = responses.get(status.as_str());
        if status.is_success() {
            self.succeeded.insert(name.clone());
            if known.is_none() {
                self.problems
                    .push(format!("{name}: the document has no {status}"));
            }
        }
        let known = self
            .document
            .resolve(known.unwrap_or(&responses["default"]));
        let schema = known.pointer("/content/application~1json/schema");
        let body = match (schema, text.is_empty()) {
            (None, true) => Value::Null,
            (Some(_), false) => serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{name}: {error}: {text}")),
            (None, false) | (Some(_), true) => {
                self.problems.push(format!(
                    "{name} {status}: has a body where it should not, or none: {text:?}"
                ));
                Value::Null
            }
        };
        if let Some(schema) = schema {
            let problems = self.document.problems(schema, &body);
            self.problems.extend(
                problems
                    .into_iter()
                    .map(|problem| format!("{name} {status}{problem}")),
            );
        }
        body
    }

    async fn call(
        &mut self,
        running: &Running,
        method: &str,
        template: &str,
        ids: &[&Value],
        body: Value,
    ) -> Value {
        let mut path = format!("/v5{template}");
        for id in ids {
            let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(start..=end, id.as_str().unwrap());
        }
        let mut request = running.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        if !body.is_null() {
            self.check_request(method, template, &body);
            request = request.json(&body);
        }
        self.send(method, template, request).await
    }

    /// What this test sends is itself valid, so that it proves something about valid calls.
    fn check_request(&mut self, method: &str, template: &str, body: &Value) {
        let operation = &self.document.0["paths"][template][method.to_lowercase()];
        let schema = operation
            .pointer("/requestBody/content/application~1json/schema")
            .unwrap();
        let problems = self.document.problems(schema, body);
        self.problems.extend(
            problems
                .into_iter()
                .map(|problem| format!("request of {method} {template}{problem}")),
        );
    }
}

async fn walk_boards(walk: &mut Walk) {
    let running = start(Options::default()).await;
    walk.call(&running, "GET", "/user_account", &[], Value::Null)
        .await;
    let first = walk
        .call(&running, "GET", "/boards", &[], Value::Null)
        .await;
    assert_eq!(first["items"].as_array().unwrap().len(), 25);
    let name = json!({"name": "Compared", "description": "One of ours", "privacy": "SECRET"});
    let board = walk.call(&running, "POST", "/boards", &[], name).await["id"].clone();
    walk.call(
        &running,
        "GET",
        "/boards/{board_id}",
        &[&board],
        Value::Null,
    )
    .await;
    let change = json!({"name": "Compared again", "privacy": "PUBLIC"});
    walk.call(&running, "PATCH", "/boards/{board_id}", &[&board], change)
        .await;
    let sections = "/boards/{board_id}/sections";
    let section = walk
        .call(
            &running,
            "POST",
            sections,
            &[&board],
            json!({"name": "Part"}),
        )
        .await["id"]
        .clone();
    walk.call(&running, "GET", sections, &[&board], Value::Null)
        .await;
    let one = "/boards/{board_id}/sections/{section_id}";
    walk.call(
        &running,
        "PATCH",
        one,
        &[&board, &section],
        json!({"name": "Piece"}),
    )
    .await;
    let mut body = pin("in the section");
    body["board_id"] = board.clone();
    body["board_section_id"] = section.clone();
    walk.call(&running, "POST", "/pins", &[], body).await;
    let pins = "/boards/{board_id}/sections/{section_id}/pins";
    let listed = walk
        .call(&running, "GET", pins, &[&board, &section], Value::Null)
        .await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    walk.call(&running, "DELETE", one, &[&board, &section], Value::Null)
        .await;
    walk.call(
        &running,
        "DELETE",
        "/boards/{board_id}",
        &[&board],
        Value::Null,
    )
    .await;
}

async fn walk_pins(walk: &mut Walk) {
    let running = start(Options::default()).await;
    let board = json!(BOARD);
    let mut body = pin(&"ü".repeat(100));
    body["link"] = json!("https://example.com/");
    body["description"] = json!("d".repeat(800));
    body["alt_text"] = json!("a".repeat(500));
    let made = walk.call(&running, "POST", "/pins", &[], body).await["id"].clone();
    let mut nulls = pin("nulls");
    for name in [
        "link",
        "description",
        "alt_text",
        "board_section_id",
        "dominant_color",
        "parent_pin_id",
    ] {
        nulls[name] = Value::Null;
    }
    walk.call(&running, "POST", "/pins", &[], nulls).await;
    let data = STANDARD.encode(png(100, 150));
    for media in [
        json!({"source_type": "image_base64", "content_type": "image/png", "data": data}),
        json!({"source_type": "multiple_image_urls", "items":
            [{"url": "https://a.example/1.jpg", "title": "1"}, {"url": "https://a.example/2.jpg"}]}),
    ] {
        let mut body = pin("media");
        body["media_source"] = media;
        walk.call(&running, "POST", "/pins", &[], body).await;
    }
    walk.call(&running, "GET", "/pins/{pin_id}", &[&made], Value::Null)
        .await;
    walk.call(
        &running,
        "PATCH",
        "/pins/{pin_id}",
        &[&made],
        json!({"title": "Changed"}),
    )
    .await;
    walk.call(
        &running,
        "POST",
        "/pins/{pin_id}/save",
        &[&made],
        json!({"board_id": "549755885175000002"}),
    )
    .await;
    let listed = walk
        .call(
            &running,
            "GET",
            "/boards/{board_id}/pins",
            &[&board],
            Value::Null,
        )
        .await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 7);
    walk.call(&running, "GET", "/pins", &[], Value::Null).await;
    walk.call(&running, "DELETE", "/pins/{pin_id}", &[&made], Value::Null)
        .await;
    for (name, value) in [
        ("board_id", "1"),
        ("board_section_id", "1"),
        ("title", "changed for ever"),
    ] {
        let mut body = pin("refused");
        body[name] = json!(value);
        if name == "title" {
            body["media_source"] = json!({"source_type": "image_url", "url": "https://x.invalid/"});
        }
        assert!(walk.call(&running, "POST", "/pins", &[], body).await["code"].is_i64());
    }
    walk.call(&running, "DELETE", "/pins/{pin_id}", &[&made], Value::Null)
        .await;
}

async fn walk_media(walk: &mut Walk) {
    let clock = ManualClock::at(1_700_000_000_000);
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        ..Options::default()
    })
    .await;
    let media = walk
        .call(
            &running,
            "POST",
            "/media",
            &[],
            json!({"media_type": "video"}),
        )
        .await;
    let id = &media["media_id"];
    walk.call(&running, "GET", "/media/{media_id}", &[id], Value::Null)
        .await;
    let form = media["upload_parameters"]
        .as_object()
        .unwrap()
        .iter()
        .fold(Form::new(), |form, (name, value)| {
            form.text(name.clone(), value.as_str().unwrap().to_owned())
        });
    let form = form.part("file", Part::bytes(&b"\0\0\0\x18ftypmp42"[..]));
    let sent = running
        .client
        .post(media["upload_url"].as_str().unwrap())
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 204);
    for expected in ["processing", "succeeded"] {
        let status = walk
            .call(&running, "GET", "/media/{media_id}", &[id], Value::Null)
            .await;
        assert_eq!(status["status"], expected);
        clock.advance(Duration::from_secs(1));
    }
    walk.call(&running, "GET", "/media", &[], Value::Null).await;
    let mut body = pin("film");
    body["media_source"] =
        json!({"source_type": "video_id", "media_id": id, "cover_image_key_frame_time": 0});
    let made = walk.call(&running, "POST", "/pins", &[], body).await;
    assert_eq!(made["media"]["media_type"], "video");
    walk.call(
        &running,
        "GET",
        "/media/{media_id}",
        &[&json!("1")],
        Value::Null,
    )
    .await;
}

async fn walk_tokens(walk: &mut Walk) {
    let running = start(Options {
        auto_approve: true,
        ..Options::default()
    })
    .await;
    let callback = "http://127.0.0.1/callback";
    let consent = format!(
        "{}/oauth/?client_id=app&redirect_uri={callback}&response_type=code&scope=pins:read&state=s",
        running.base
    );
    let response = running.client.get(consent).send().await.unwrap();
    let back = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned();
    let token = |form: &[(&str, &str)]| {
        running
            .client
            .post(format!("{}/v5/oauth/token", running.base))
            .basic_auth("app", Some("secret"))
            .form(form)
    };
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", callback),
    ];
    let tokens = walk.send("POST", "/oauth/token", token(&form)).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    walk.send("POST", "/oauth/token", token(&form)).await;
    walk.send(
        "POST",
        "/oauth/token",
        token(&[("grant_type", "client_credentials"), ("scope", "pins:read")]),
    )
    .await;
    walk.send("POST", "/oauth/token", token(&[("grant_type", "password")]))
        .await;
    let revoke = running
        .client
        .post(format!("{}/v5/oauth/token/revoke", running.base));
    walk.send(
        "POST",
        "/oauth/token/revoke",
        revoke.try_clone().unwrap().form(&[("token", "x")]),
    )
    .await;
    let revoke = revoke
        .basic_auth("app", Some("secret"))
        .form(&[("token", &running.token)]);
    walk.send("POST", "/oauth/token/revoke", revoke).await;
}

async fn walk_refusals(walk: &mut Walk) {
    let limits = Limits {
        org_write: Some(Limit {
            max: 0,
            window_s: 60,
        }),
        ..Limits::standard()
    };
    let running = start(Options {
        limits,
        ..Options::default()
    })
    .await;
    let refused = walk
        .call(&running, "POST", "/pins", &[], pin("limited"))
        .await;
    assert_eq!(refused["code"], 8);
    for app_state in [AppState::Trial, AppState::Pending] {
        let switches = Switches {
            app_state,
            ..Switches::default()
        };
        let running = start(Options {
            switches,
            ..Options::default()
        })
        .await;
        assert!(
            walk.call(&running, "POST", "/pins", &[], pin("refused"))
                .await["code"]
                .is_i64()
        );
    }
    let mut running = start(Options::default()).await;
    running.token = "pina_unknown".to_owned();
    for template in ["/boards", "/pins", "/media", "/user_account"] {
        assert_eq!(
            walk.call(&running, "GET", template, &[], Value::Null).await["code"],
            2
        );
    }
}

#[test]
fn the_judge_finds_what_is_wrong() {
    let document = Document(json!({"schemas": {
        "Thing": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": r"^\d+$"},
            "name": {"type": "string", "maxLength": 3, "nullable": true},
            "kind": {"allOf": [{"$ref": "#/schemas/Kind"}]},
            "at": {"type": "string", "format": "date-time"},
            "count": {"type": "integer", "minimum": 0},
            "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            "parts": {"type": "array", "items": {"$ref": "#/schemas/Thing"}},
            "media": {"oneOf": [{"$ref": "#/schemas/Thing"}],
                "discriminator": {"propertyName": "t", "mapping": {"kind": "#/schemas/Media"}}},
        }},
        "Kind": {"type": "string", "enum": ["A", "B"]},
        "Media": {"type": "object", "required": ["size"]},
    }}));
    let schema = json!({"$ref": "#/schemas/Thing"});
    let good = json!({"id": "1", "name": null, "kind": "A", "at": "2022-10-13T01:40:29", "count": 0, "either": 1,
        "parts": [{"id": "2", "name": "abc"}], "media": {"t": "kind", "size": 1}, "unlisted": true});
    assert_eq!(document.problems(&schema, &good), Vec::<String>::new());
    for (name, value, problem) in [
        ("id", json!("x"), "/id: \"x\" does not match"),
        ("id", json!(1), "/id: 1 is not of type"),
        ("id", Value::Null, "/id: null"),
        ("name", json!("abcd"), "/name: 4 characters"),
        ("kind", json!("C"), "/kind: \"C\" is not one of"),
        ("at", json!("yesterday"), "/at: \"yesterday\" is not a time"),
        ("count", json!(-1), "/count: -1 is below"),
        ("either", json!(true), "/either: fits 0 of 2"),
        ("parts", json!([{}]), "/parts/0: \"id\" is missing"),
        ("media", json!({"t": "kind"}), "/media: \"size\" is missing"),
        (
            "media",
            json!({"id": "1"}),
            "/media: the discriminator says nothing",
        ),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        let problems = document.problems(&schema, &bad);
        assert!(
            problems.len() == 1 && problems[0].starts_with(problem),
            "{name}: {problems:?}"
        );
    }
}

//! Uploads a second that survive a power loss: `POST /v1/upload` of 64 callers, against the same rows stored one
//! transaction after the other by the same store on the same disk.

use std::path::Path;
use std::time::Instant;

use multi_upload_server::DEFAULT_TEAM;
use multi_upload_server::store::sqlite::SqliteStore;
use multi_upload_server::store::{
    CreateOutcome, Idempotency, NewEvent, NewUpload, Owner, Store as _, When,
};
use multi_upload_wire::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::artefacts::Artefacts;
use super::figure::{Figure, Target};
use super::measure::{cpu_so_far, median};
use super::service::Service;
use super::{Effort, callers, note};

const CALLERS: usize = 64;

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let (rounds, each, sequential) = (effort.of(7, 3), effort.of(40, 5), effort.of(400, 50));
    note(&format!(
        "durable: {rounds} rounds of {} uploads",
        CALLERS * each
    ));
    // Beside the build, so that it is the disk of the work tree and not a temporary one in memory.
    let folder = TempDir::new_in(artefacts.folder()).map_err(|error| error.to_string())?;
    let (served, alone) = (folder.path().join("served"), folder.path().join("alone"));
    std::fs::create_dir(&alone).map_err(|error| error.to_string())?;
    let service = Service::start(artefacts, &served, &["--sandbox", "--auto-approve"])?;
    let uploads = Uploads::connect(&service)?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;

    let template = runtime.block_on(template(&served, &service, &uploads))?;
    let store =
        SqliteStore::open(&alone.join("multi-upload.db")).map_err(|error| error.to_string())?;

    let (mut many, mut one, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    for round in 0..rounds {
        let count = CALLERS * each;
        let before = cpu_so_far(service.pid())?;
        let took = callers::run(service.address, CALLERS, each, |index| {
            uploads.request(&format!("{round}-{index}"))
        })?;
        many.push(count as f64 / took.as_secs_f64());
        cpu.push((cpu_so_far(service.pid())? - before) * 1_000.0 / count as f64);

        let begun = Instant::now();
        for _ in 0..sequential {
            number += 1;
            let outcome = runtime.block_on(store.create_uploads(vec![copy(&template, number)]));
            match outcome.map_err(|error| error.to_string())?.first() {
                Some(CreateOutcome::Stored(_)) => {}
                other => return Err(format!("a row was not stored: {other:?}")),
            }
        }
        one.push(sequential as f64 / begun.elapsed().as_secs_f64());
    }
    runtime
        .block_on(store.close())
        .map_err(|error| error.to_string())?;
    Ok(vec![
        Figure::new("durable, uploads a second", "/s", median(many))
            .against(median(one))
            .target(Target::TimesAtLeast(6.0)),
        Figure::new(
            "durable, service's CPU for an upload",
            "us CPU",
            median(cpu),
        ),
    ])
}

/// What the callers send.
pub(super) struct Uploads {
    pub(super) account: String,
    board: String,
    head: String,
}

impl Uploads {
    /// Connects an account of the sandbox by the way a user goes, and reads its boards.
    pub(super) fn connect(service: &Service) -> Result<Self, String> {
        let session = service.ask(
            "POST",
            "/v1/accounts/connect",
            &json!({"platform": "pinterest"}),
        )?;
        let mut next = session["authorize_url"].as_str().map(str::to_owned);
        let base = format!("http://{}", service.address);
        // Consent, callback.
        while let Some(path) = next.as_deref().and_then(|url| url.strip_prefix(&base)) {
            next = service.follow(path)?;
        }
        let accounts = service.ask("GET", "/v1/accounts", &Value::Null)?;
        let account = text(&accounts["items"][0]["id"])?;
        let path = format!("/v1/accounts/{}/boards", account.replace(':', "%3A"));
        let boards = service.ask("GET", &path, &Value::Null)?;
        Ok(Self {
            account,
            board: text(&boards["items"][0]["id"])?,
            head: format!(
                "POST /v1/upload HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
                service.address,
                service.key.as_deref().unwrap_or_default(),
            ),
        })
    }

    pub(super) fn body(&self, label: &str) -> Value {
        json!({
            "accounts": [self.account],
            "board_id": self.board,
            "image_url": format!("https://images.example.com/{label}.jpg"),
            "title": format!("Pin {label}"),
            "description": format!("What is to be seen in picture {label}, in a sentence or two of usual length."),
            "link": format!("https://example.com/recipes/{label}"),
            "scheduled_at": "2030-12-01T20:00:00Z",
            "external_id": label,
        })
    }

    fn request(&self, label: &str) -> String {
        let (head, body) = (&self.head, self.body(label).to_string());
        let length = body.len();
        format!("{head}Idempotency-Key: bench-{label}\r\nContent-Length: {length}\r\n\r\n{body}")
    }
}

fn text(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("the service gave no text: {value}"))
}

/// One upload as the service has stored it, with everything that went into its transaction.
pub(super) async fn template(
    data: &Path,
    service: &Service,
    uploads: &Uploads,
) -> Result<NewUpload, String> {
    let answer = service.ask("POST", "/v1/upload", &uploads.body("template"))?;
    let id = text(&answer["id"])?;
    let store = SqliteStore::open_shared(&data.join("multi-upload.db"))
        .map_err(|error| error.to_string())?;
    let owner = Owner {
        team: DEFAULT_TEAM.to_owned(),
        mode: Mode::Test,
    };
    let row = store
        .upload(&owner, &id)
        .await
        .map_err(|error| error.to_string())?;
    let events = store
        .events(&owner, &id)
        .await
        .map_err(|error| error.to_string())?;
    store.close().await.map_err(|error| error.to_string())?;
    let events = events.into_iter().map(|event| NewEvent {
        kind: "upload.scheduled",
        target_id: event.target_id,
        detail: event.detail,
        data: event.data,
        at: event.at,
    });
    Ok(NewUpload {
        row: row.ok_or("the service's upload is not in its database")?,
        events: events.collect(),
        idempotency: Some(Idempotency {
            key: String::new(),
            body_hash: vec![7; 32],
            answer: answer.to_string(),
        }),
        when: When::Kept,
    })
}

/// The same upload under other ids.
pub(super) fn copy(template: &NewUpload, number: usize) -> NewUpload {
    let mut new = template.clone();
    new.row.id = format!("up_{}", uuid::Uuid::now_v7().simple());
    for target in &mut new.row.targets {
        target.id = format!("tg_{}", uuid::Uuid::now_v7().simple());
        target.upload_id.clone_from(&new.row.id);
    }
    if let Some(idempotency) = &mut new.idempotency {
        idempotency.key = format!("bench-{number}");
    }
    new
}

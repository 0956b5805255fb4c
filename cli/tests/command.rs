//! The real binary, as a person or a service manager runs it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is the failure"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{
    Folder, Served, client, command, connect, get, json_error, json_lines, run, write_picture,
};

fn serve(data: &Path) -> Command {
    let mut command = command();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    command
}

#[test]
fn help_lists_the_commands() {
    let output = run(["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "serve", "sandbox", "connect", "boards", "pin", "uploads", "watch", "keys",
    ] {
        assert!(
            text.contains(&format!("\n  {word} ")),
            "{word} is missing in:\n{text}"
        );
    }
}

#[test]
fn wrong_arguments_end_with_2_and_failures_with_1() {
    assert_eq!(run(["serve", "--port", "1"]).status.code(), Some(2));
    assert_eq!(run(["frobnicate"]).status.code(), Some(2));

    let output = run(["uploads"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: API_KEY_MISSING: "), "{text}");
    assert!(text.contains("MULTI_UPLOAD_API_KEY"), "{text}");

    let output = client("http://127.0.0.1:1", "mu_test_x")
        .args(["uploads", "--json"])
        .output()
        .unwrap();
    assert_eq!(json_error(&output)["code"], "CONNECT_FAILED");
}

#[test]
fn keys_are_made_and_revoked_while_the_service_runs() {
    let folder = Folder::new("keys");
    let data = folder.path("data");
    let mut command = serve(&data);
    command.arg("--sandbox");
    let service = Served::start(command);
    let url = service.text("url");
    assert_eq!(service.ready["mode"], "test");
    let admin = service.ready["admin_key"]["key"].as_str().unwrap();
    assert!(admin.starts_with("mu_test_"));

    let on_data = |args: &[&str]| {
        let output = support::command()
            .arg("keys")
            .args(args)
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        json_lines(&output)
    };
    let key = on_data(&[
        "create",
        "--json",
        "--test",
        "--name",
        "reader",
        "--scopes",
        "uploads:read",
    ])
    .remove(0);
    let fields: Vec<&String> = key.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "key", "mode", "scopes", "accounts"]);
    assert_eq!(key["scopes"], serde_json::json!(["uploads:read"]));
    let (id, secret) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());

    assert!(
        json_lines(
            &client(&url, secret)
                .args(["uploads", "--json"])
                .output()
                .unwrap()
        )
        .is_empty()
    );
    let refused = client(&url, secret)
        .args(["boards", "--json"])
        .output()
        .unwrap();
    assert_eq!(json_error(&refused)["code"], "SCOPE_MISSING");

    let listed = on_data(&["list", "--json"]);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(
        listed
            .iter()
            .all(|key| key.get("key").is_none() && key["revoked_at"].is_null())
    );

    assert_eq!(on_data(&["revoke", "--json", id])[0]["revoked"], true);
    let refused = client(&url, secret)
        .args(["uploads", "--json"])
        .output()
        .unwrap();
    assert_eq!(json_error(&refused)["code"], "API_KEY_EXPIRED");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_second_engine_is_told_who_has_the_folder() {
    let folder = Folder::new("lock");
    let service = Served::start(serve(&folder.path("data")));
    let second = serve(&folder.path("data")).arg("--json").output().unwrap();
    let error = json_error(&second);
    assert_eq!(error["code"], "DATA_IN_USE");
    assert!(
        error["detail"]
            .as_str()
            .unwrap()
            .contains(&service.text("url")),
        "{error}"
    );
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_file_becomes_a_pin_on_the_sandbox() {
    let folder = Folder::new("pin");
    let mut command = serve(&folder.path("data"));
    command.args(["--sandbox", "--auto-approve"]);
    let service = Served::start(command);
    let url = service.text("url");
    let key = service.ready["admin_key"]["key"]
        .as_str()
        .unwrap()
        .to_owned();

    let account = connect(&url, &key);
    assert_eq!(account["status"], "active");
    assert_eq!(account["mode"], "test");

    let boards = json_lines(
        &client(&url, &key)
            .args(["boards", "--json"])
            .output()
            .unwrap(),
    );
    assert!(boards.len() > 25, "more than one page: {}", boards.len());

    let picture = folder.path("soup.png");
    write_picture(&picture);
    let pin = client(&url, &key)
        .args([
            "pin",
            "--board",
            "kitchen ideas",
            "--title",
            "Soup",
            "--wait",
            "--json",
        ])
        .arg(&picture)
        .output()
        .unwrap();
    let upload = json_lines(&pin).remove(0);
    assert_eq!(upload["status"], "published", "{upload}");

    let (status, _, ledger) = get(&format!("{}/_sandbox/ledger", service.text("sandbox_url")));
    assert_eq!(status, 200);
    let ledger: Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(ledger["pins"].as_array().unwrap().len(), 1, "{ledger}");
    assert_eq!(ledger["pins"][0]["title"], "Soup");

    let table = client(&url, &key).arg("uploads").output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("published") && table.contains("Soup"),
        "{table}"
    );
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn what_was_scheduled_goes_on_after_a_restart() {
    let folder = Folder::new("restart");
    let mut sandbox = command();
    sandbox.args(["sandbox", "--listen", "127.0.0.1:0", "--auto-approve"]);
    let sandbox = Served::start(sandbox);
    let network = sandbox.text("url");
    let start = || {
        let mut command = serve(&folder.path("data"));
        command
            .env("MULTI_UPLOAD_PINTEREST_API_URL", format!("{network}/v5"))
            .env(
                "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL",
                format!("{network}/oauth/"),
            )
            .env("PINTEREST_APP_ID", "app")
            .env("PINTEREST_APP_SECRET", "secret");
        Served::start(command)
    };

    let service = start();
    let key = service.ready["admin_key"]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(key.starts_with("mu_live_"));
    connect(&service.text("url"), &key);
    // Far enough for the restart to come first; it does not matter if it does not.
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4)).to_string();
    let pin = client(&service.text("url"), &key)
        .args([
            "pin",
            "https://pictures.example/cake.png",
            "--board",
            "Cakes and Bakes",
            "--json",
            "--title",
            "Cake",
        ])
        .args(["--at", &soon, "--idempotency-key", "cake-1"])
        .output()
        .unwrap();
    let upload = json_lines(&pin).remove(0);
    assert_eq!(upload["status"], "scheduled");
    let id = upload["id"].as_str().unwrap();
    assert_eq!(service.stop(), Some(0));

    let service = start();
    assert!(
        service.ready["admin_key"].is_null(),
        "the key is shown once only"
    );
    let url = service.text("url");
    let watched = client(&url, &key)
        .args(["watch", id, "--json"])
        .output()
        .unwrap();
    let last = json_lines(&watched).pop().unwrap();
    assert_eq!(last["status"], "published", "{last}");

    let (_, _, ledger) = get(&format!("{network}/_sandbox/ledger"));
    let ledger: Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(ledger["pins"].as_array().unwrap().len(), 1, "{ledger}");
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sandbox.stop(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new("twice");
    let mut command = serve(&folder.path("data"));
    command.arg("--sandbox");
    let service = Served::start(command);
    let url = service.text("url");
    let key = service.ready["admin_key"]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    // Keeps the service from ending by itself right away.
    let held = support::hold(&url, &key);
    service.signal("TERM");
    // Refused requests show that the first signal has arrived.
    let refused = loop {
        let (status, _, body) = get(&format!("{url}/healthz"));
        if status != 200 {
            break body;
        }
    };
    let refused: Value = serde_json::from_str(&refused).unwrap();
    assert_eq!(refused["code"], "SHUTTING_DOWN", "{refused}");
    assert_eq!(service.stop(), Some(1));
    drop(held);
}

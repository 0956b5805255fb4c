//! Operations by their name, as the bindings call them.

use serde_json::{Value, json};

use crate::options;
use crate::script::{Reply, Script};

#[tokio::test]
async fn the_door_names_what_is_wrong() {
    let script = Script::of([]);
    let client = script.client();
    let error = client
        .call("uploads.creat", json!({}), options())
        .await
        .expect_err("unknown");
    assert_eq!(error.code(), "CONFIG_INVALID");
    assert!(
        error
            .info()
            .detail
            .contains("did you mean `uploads.create`"),
        "{error}"
    );
    let cases = [
        ("uploads.get", json!({}), "/id", "required"),
        (
            "uploads.get",
            json!({"id": "up_1", "idd": 1}),
            "/idd",
            "unknown",
        ),
        (
            "uploads.list",
            json!({"status": "publised"}),
            "/status",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [1]}),
            "/uploads/0",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [{"idempotency_key": 5}]}),
            "/uploads/0/idempotency_key",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [], "batch_size": 0}),
            "/batch_size",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [], "batch_size": 1001}),
            "/batch_size",
            "invalid",
        ),
        (
            "uploads.wait_many",
            json!({"ids": "up_1"}),
            "/ids",
            "invalid",
        ),
        (
            "media.upload",
            json!({"bytes_base64": "%"}),
            "/bytes_base64",
            "invalid",
        ),
        ("media.upload", json!({}), "/path", "required"),
        (
            "boards.list",
            json!({"account": ".."}),
            "/account",
            "invalid",
        ),
    ];
    for (operation, args, pointer, code) in cases {
        let error = client
            .call(operation, args, options())
            .await
            .expect_err(operation);
        assert_eq!(error.code(), "VALIDATION_FAILED", "{operation}");
        assert_eq!(
            (
                error.info().errors[0].pointer.as_str(),
                error.info().errors[0].code.as_str()
            ),
            (pointer, code)
        );
    }
    // Errors of a stream are its first item.
    for operation in ["uploads.lst", "uploads.get"] {
        let mut stream = client.stream(operation, json!({"id": "up_1"}), options());
        assert!(
            stream.next().await.is_some_and(|item| item.is_err()),
            "{operation}"
        );
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn a_list_may_be_called_and_an_answer_without_a_body_is_an_empty_object() {
    let script = Script::of([
        Reply::Json(
            200,
            json!({"items": [{"id": "1", "newer": true}], "next_cursor": null}),
        ),
        Reply::Json(204, Value::Null),
    ]);
    let client = script.client();
    let args = json!({"account": "pinterest:1", "q": "a&b", "refresh": true});
    let boards = client
        .call("boards.list", args, options())
        .await
        .expect("a list");
    assert_eq!(boards, json!({"items": [{"id": "1", "newer": true}]}));
    let gone = client
        .call(
            "accounts.disconnect",
            json!({"id": "pinterest:1"}),
            options(),
        )
        .await
        .expect("gone");
    assert_eq!(gone, json!({}));
    assert_eq!(
        script.lines(),
        [
            "GET /v1/accounts/pinterest%3A1/boards?q=a%26b&refresh=true",
            "DELETE /v1/accounts/pinterest%3A1"
        ]
    );
}

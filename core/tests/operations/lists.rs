//! Lists, page by page.

use multi_upload_core::UploadFilter;
use multi_upload_core::wire::UploadStatus;
use serde_json::{Value, json};

use crate::options;
use crate::script::{Reply, Script, problem, upload};

#[tokio::test(start_paused = true)]
async fn lists_go_on_to_the_end_and_stop_at_an_error() {
    let page = |items: &[&str], next: Option<&str>| {
        let items: Vec<Value> = items.iter().map(|id| upload(id, "scheduled")).collect();
        Reply::Json(200, json!({"items": items, "next_cursor": next}))
    };
    let script = Script::of([
        page(&["up_1", "up_2"], Some("a b")),
        page(&[], Some("c")),
        page(&["up_3"], None),
    ]);
    let filter = UploadFilter {
        status: Some(UploadStatus::Scheduled),
        limit: Some(2),
        ..UploadFilter::default()
    };
    let all = script
        .client()
        .uploads()
        .list(&filter, options())
        .collect()
        .await
        .expect("all pages");
    assert_eq!(
        all.iter()
            .map(|upload| upload.id.as_str())
            .collect::<Vec<_>>(),
        ["up_1", "up_2", "up_3"]
    );
    assert_eq!(
        script.lines(),
        [
            "GET /v1/uploads?status=scheduled&limit=2",
            "GET /v1/uploads?status=scheduled&limit=2&cursor=a%20b",
            "GET /v1/uploads?status=scheduled&limit=2&cursor=c",
        ]
    );

    let script = Script::of([page(&["up_1"], Some("a")), problem(403, "SCOPE_MISSING")]);
    let mut items = script
        .client()
        .uploads()
        .list(&UploadFilter::default(), options());
    assert!(items.next().await.is_some_and(|item| item.is_ok()));
    assert!(items.next().await.is_some_and(|item| item.is_err()));
    assert!(items.next().await.is_none() && items.next().await.is_none());

    let script = Script::by(move |_, _| page(&["up_1"], Some("same")));
    let error = script
        .client()
        .uploads()
        .list(&UploadFilter::default(), options())
        .collect()
        .await
        .expect_err("no end");
    assert_eq!(error.code(), "PROTOCOL_ERROR");
}

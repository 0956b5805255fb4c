//! `multi-upload uploads` and `multi-upload watch`.

use multi_upload_wire::{ErrorCode, ErrorInfo, Upload, UploadStatus};
use serde_json::{Map, Value, json};

use super::service::Service;
use crate::args;
use crate::output::Output;

pub(super) async fn list(args: args::Uploads, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let mut filter = Map::new();
    for (name, value) in [
        ("status", args.status),
        ("account", args.account),
        ("external_id", args.external_id),
    ] {
        if let Some(value) = value {
            filter.insert(name.to_owned(), json!(value));
        }
    }
    // A page as large as what is shown, so that nothing is read in vain.
    filter.insert("limit".to_owned(), json!(args.limit.clamp(1, 1_000)));
    let uploads: Vec<Upload> = if args.limit == 0 {
        Vec::new()
    } else {
        service
            .list("uploads.list", Value::Object(filter), args.limit)
            .await?
    };
    output.list(
        &uploads,
        &["ID", "STATUS", "DUE", "TITLE", "ACCOUNTS", "LINK"],
        |upload| {
            vec![
                upload.id.clone(),
                upload.status.as_str().to_owned(),
                upload.scheduled_at.clone().unwrap_or_default(),
                title(upload),
                upload.content.accounts.join("\n"),
                links(upload).join("\n"),
            ]
        },
    );
    Ok(0)
}

pub(super) async fn watch(args: args::Watch, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let endless = args.ids.is_empty();
    let arguments = if endless {
        json!({})
    } else {
        json!({ "ids": args.ids })
    };
    let mut last = std::collections::BTreeMap::new();
    let watched = service
        .each("uploads.watch", arguments, |upload: Upload| {
            output.result(&upload, || line(&upload));
            last.insert(upload.id, upload.status);
            true
        })
        .await;
    match watched {
        // Ctrl-C is how one leaves the endless watch.
        Err(error) if endless && service.is_cancelled() && error.is(ErrorCode::Cancelled) => Ok(0),
        Err(error) => Err(error),
        Ok(()) => Ok(i32::from(
            !endless
                && last
                    .values()
                    .any(|status| *status != UploadStatus::Published),
        )),
    }
}

/// What became of an upload, as one line and a few more where something went wrong.
pub(super) fn line(upload: &Upload) -> String {
    let mut text = format!(
        "{}  {:<10}  {}",
        upload.id,
        upload.status.as_str(),
        title(upload)
    );
    for target in &upload.targets {
        if let Some(link) = &target.remote_url {
            text.push_str(&format!("\n  {}  {link}", target.account));
        }
        if let Some(error) = &target.error {
            let error = error.to_string().replace('\n', "\n    ");
            text.push_str(&format!(
                "\n  {}  {}: {error}",
                target.account,
                target.status.as_str()
            ));
        }
    }
    text.trim_end().to_owned()
}

/// The first line of its title or text, cut to fit a table.
fn title(upload: &Upload) -> String {
    let content = &upload.content;
    let text = [&content.title, &content.caption, &content.description]
        .into_iter()
        .find_map(|text| text.as_deref())
        .unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    if first.chars().count() <= 40 {
        first.to_owned()
    } else {
        first.chars().take(39).chain(['…']).collect()
    }
}

fn links(upload: &Upload) -> Vec<String> {
    upload
        .targets
        .iter()
        .filter_map(|target| target.remote_url.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a panic is the failure")]

    use super::*;

    fn upload(title: &str) -> Upload {
        serde_json::from_value(json!({
            "id": "up_1", "status": "failed", "scheduled_at": null, "timezone": null, "external_id": null,
            "version": 2, "created_at": "2026-12-01T20:00:00Z", "updated_at": "2026-12-01T20:00:01Z",
            "content": { "accounts": ["pinterest:1"], "title": title },
            "targets": [{
                "id": "tg_1", "account": "pinterest:1", "platform": "pinterest", "status": "failed", "attempts": 1,
                "next_attempt_at": null, "board_id": "7", "remote_id": null, "remote_url": null, "published_at": null,
                "error": ErrorInfo::new(ErrorCode::PlatformRejected, "the link is not allowed"),
            }],
        }))
        .expect("it is an upload")
    }

    #[test]
    fn a_failed_target_shows_what_to_do() {
        let text = line(&upload("Soup"));
        assert!(text.starts_with("up_1  failed      Soup\n"), "{text}");
        assert!(
            text.contains("PLATFORM_REJECTED: the link is not allowed"),
            "{text}"
        );
        assert!(text.contains("correct the content"), "{text}");
    }

    #[test]
    fn long_titles_are_cut_at_characters() {
        assert_eq!(
            title(&upload(&"ä".repeat(41))),
            format!("{}…", "ä".repeat(39))
        );
        assert_eq!(title(&upload("One\nTwo")), "One");
    }
}

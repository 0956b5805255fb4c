//! `multi-upload pin`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use multi_upload_wire::{
    Board, CreateUpload, ErrorCode, ErrorInfo, FieldError, Media, Upload, UploadStatus, Validation,
};
use serde_json::json;

use super::service::Service;
use super::uploads;
use crate::args;
use crate::output::Output;

/// From this size on, in bytes, it is worth to go on with an upload that was cut off.
const LARGE: u64 = 8 * 1024 * 1024;

pub(super) async fn run(args: args::Pin, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let account = service.account(args.account.clone()).await?;
    let board = board(&service, &account, &args.board).await?;
    let mut upload = CreateUpload {
        accounts: vec![account],
        board_id: Some(board),
        board_section_id: args.section,
        title: args.title,
        description: args.description,
        link: args.link,
        alt_text: args.alt_text,
        scheduled_at: args.at,
        timezone: args.timezone,
        schedule: args.next_slot.then(|| "next_slot".to_owned()),
        external_id: args.external_id,
        dry_run: args.dry_run.then_some(true),
        ..CreateUpload::default()
    };
    match media(args.media)? {
        Given::Addresses(mut urls) if urls.len() == 1 => {
            let url = urls.pop();
            if url.as_deref().is_some_and(is_video) {
                upload.video_url = url;
            } else {
                upload.image_url = url;
            }
        }
        Given::Addresses(urls) => upload.image_urls = Some(urls),
        Given::Files(files) => {
            let mut ids = Vec::with_capacity(files.len());
            for file in &files {
                ids.push(send(&service, file, output).await?.id);
            }
            if ids.len() == 1 {
                upload.media_id = ids.pop();
            } else {
                upload.media_ids = Some(ids);
            }
        }
    }
    match args.cover {
        None => {}
        Some(cover) if is_address(&cover) => upload.cover_image_url = Some(cover),
        Some(cover) => match cover.parse() {
            Ok(seconds) => upload.cover_image_key_frame_time = Some(seconds),
            Err(_) => upload.cover_media_id = Some(send(&service, &cover, output).await?.id),
        },
    }
    let request = json!(upload);
    if args.dry_run {
        let validation: Validation = service.call("uploads.create", request).await?;
        return Ok(report(&validation, output));
    }
    let mut options = service.options();
    options.idempotency_key = args.idempotency_key;
    let mut upload: Upload = service
        .call_with("uploads.create", request, options)
        .await?;
    if args.wait {
        let waiting = output.spinner(&format!("{}: publishing", upload.id));
        let waited = service
            .call("uploads.wait", json!({ "id": upload.id }))
            .await;
        waiting.finish_and_clear();
        upload = waited?;
    }
    output.result(&upload, || uploads::line(&upload));
    Ok(i32::from(
        args.wait && upload.status != UploadStatus::Published,
    ))
}

/// What is to be pinned: all of one kind.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Addresses(Vec<String>),
    Files(Vec<String>),
}

fn media(media: Vec<String>) -> Result<Given, ErrorInfo> {
    let addresses = media.iter().filter(|each| is_address(each)).count();
    if addresses == media.len() {
        Ok(Given::Addresses(media))
    } else if addresses == 0 {
        Ok(Given::Files(media))
    } else {
        Err(ErrorInfo::new(
            ErrorCode::ValidationFailed,
            "files and addresses are mixed; Pinterest takes all images of a carousel of one kind",
        )
        .with_remedy("Give files only, or addresses only."))
    }
}

/// By the end of its path: the content is looked at by the service.
fn is_video(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let path = path.to_ascii_lowercase();
    [".mp4", ".m4v", ".mov"]
        .iter()
        .any(|end| path.ends_with(end))
}

fn is_address(media: &str) -> bool {
    let lower = media.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

async fn send(service: &Service, file: &str, output: Output) -> Result<Media, ErrorInfo> {
    let name = Path::new(file).file_name().map_or_else(
        || file.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let bar = output.bytes_bar(&name);
    let mut options = service.options();
    // The same file goes on where an earlier command was cut off.
    options.idempotency_key = fingerprint(Path::new(file));
    let shown = bar.clone();
    options.on_progress = Some(Arc::new(move |progress| {
        shown.set_length(progress.total);
        shown.set_position(progress.done);
    }));
    let sent = service
        .call_with("media.upload", json!({ "path": file }), options)
        .await;
    bar.finish_and_clear();
    sent
}

/// A large file as it stands on this machine; a small one is sent again as quickly as it is asked for.
fn fingerprint(file: &Path) -> Option<String> {
    let file = std::fs::canonicalize(file).ok()?;
    let facts = std::fs::metadata(&file).ok()?;
    let changed = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    if facts.len() < LARGE {
        return None;
    }
    // Two files under one key would be found out: the content is compared in the end.
    let mut hash = DefaultHasher::new();
    (file, facts.len(), changed.as_nanos()).hash(&mut hash);
    Some(format!("file-{:016x}", hash.finish()))
}

/// The id of a board that was given by id or by name.
async fn board(service: &Service, account: &str, given: &str) -> Result<String, ErrorInfo> {
    if !given.is_empty() && given.chars().all(|c| c.is_ascii_digit()) {
        return Ok(given.to_owned());
    }
    let boards: Vec<Board> = service
        .list("boards.list", json!({ "account": account }), usize::MAX)
        .await?;
    choose(&boards, given)
}

fn choose(boards: &[Board], given: &str) -> Result<String, ErrorInfo> {
    let found: Vec<&Board> = boards
        .iter()
        .filter(|board| board.name.to_lowercase() == given.to_lowercase())
        .collect();
    let detail = match found.as_slice() {
        [only] => return Ok(only.id.clone()),
        [] => {
            let names: Vec<&str> = boards.iter().map(|board| board.name.as_str()).collect();
            format!(
                "there is no board {given:?}; there are: {}",
                names.join(", ")
            )
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|board| board.id.as_str()).collect();
            format!("several boards are called {given:?}: {}", ids.join(", "))
        }
    };
    Err(ErrorInfo::new(ErrorCode::ValidationFailed, detail.clone())
        .with_remedy("Name a board by its id; `multi-upload boards` lists them.")
        .with_errors(vec![FieldError {
            pointer: "/board_id".to_owned(),
            code: "invalid".to_owned(),
            detail,
        }]))
}

fn report(validation: &Validation, output: Output) -> i32 {
    output.result(validation, || {
        let mut lines = vec![
            if validation.valid {
                "It would be accepted."
            } else {
                "It would be refused."
            }
            .to_owned(),
        ];
        if let Some(at) = &validation.scheduled_at {
            lines.push(format!("due  {at}"));
        }
        for error in &validation.errors {
            lines.push(format!("error  {}: {}", error.pointer, error.detail));
        }
        for warning in &validation.warnings {
            lines.push(format!("warning  {}: {}", warning.pointer, warning.detail));
        }
        lines.join("\n")
    });
    i32::from(!validation.valid)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a panic is the failure"
    )]

    use serde_json::Value;

    use super::*;

    fn boards() -> Vec<Board> {
        let named = |id: &str, name: &str| -> Board {
            serde_json::from_value::<Board>(Value::from_iter([("id", id), ("name", name)]))
                .expect("it is a board")
        };
        vec![
            named("1", "Soups"),
            named("2", "Cakes"),
            named("3", "cakes"),
        ]
    }

    #[test]
    fn a_board_is_found_by_its_name() {
        assert_eq!(choose(&boards(), "soups").unwrap(), "1");
    }

    #[test]
    fn a_name_that_is_missing_or_not_unique_is_refused_with_what_there_is() {
        let error = choose(&boards(), "Pies").unwrap_err();
        assert!(error.detail.contains("Soups, Cakes"), "{error}");
        let error = choose(&boards(), "Cakes").unwrap_err();
        assert!(error.detail.contains("2, 3"), "{error}");
        assert_eq!(error.errors[0].pointer, "/board_id");
    }

    #[test]
    fn files_and_addresses_are_told_apart() {
        assert!(is_address("HTTPS://a.example/x.png"));
        assert!(!is_address("http.png"));
        let given = |media: &[&str]| super::media(media.iter().map(ToString::to_string).collect());
        let (url, file) = ("https://a.example/1.png", "1.png");
        assert!(matches!(given(&[url, url]), Ok(Given::Addresses(all)) if all.len() == 2));
        assert!(matches!(given(&[file]), Ok(Given::Files(_))));
        assert!(given(&[file, url]).is_err());
    }

    #[test]
    fn a_video_is_known_by_the_end_of_its_address() {
        assert!(is_video("https://a.example/clip.MP4?size=1"));
        assert!(!is_video("https://a.example/mp4.png"));
    }
}

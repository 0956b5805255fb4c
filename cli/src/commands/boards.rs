//! `multi-upload boards`.

use multi_upload_wire::{Board, ErrorInfo};
use serde_json::json;

use super::service::Service;
use crate::args;
use crate::output::Output;

pub(super) async fn run(args: args::Boards, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let account = service.account(args.account).await?;
    let mut arguments = json!({ "account": account });
    if let Some(privacy) = args.privacy {
        arguments["privacy"] = json!(privacy.to_uppercase());
    }
    if args.refresh {
        arguments["refresh"] = json!(true);
    }
    let boards: Vec<Board> = service.list("boards.list", arguments, usize::MAX).await?;
    output.list(
        &boards,
        &["ID", "NAME", "PRIVACY", "OWNER", "PINS"],
        |board| {
            vec![
                board.id.clone(),
                board.name.clone(),
                board.privacy.clone().unwrap_or_default(),
                board.owner.clone().unwrap_or_default(),
                board
                    .pin_count
                    .map(|count| count.to_string())
                    .unwrap_or_default(),
            ]
        },
    );
    Ok(0)
}

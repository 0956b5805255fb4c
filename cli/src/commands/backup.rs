//! `multi-upload backup` and `multi-upload restore`: open the data folder, one beside the service, the other without it.

use multi_upload_wire::ErrorInfo;

use crate::args::{Backup, Restore};
use crate::output::Output;

pub(super) async fn backup(args: Backup, output: Output) -> Result<i32, ErrorInfo> {
    let made = multi_upload_server::backup(
        &args.data.database(),
        &args.data.data,
        &args.file,
        args.force,
    )
    .await?;
    output.result(&made, || {
        format!(
            "{} ({} bytes)\n\
             Tokens in it are sealed. Not in it: the root key that opens them (master.key or MULTI_UPLOAD_MASTER_KEY)\n\
             and the uploaded files (media/). Keep both too, the key in another place.",
            made.file.display(),
            made.bytes
        )
    });
    Ok(0)
}

pub(super) async fn restore(args: Restore, output: Output) -> Result<i32, ErrorInfo> {
    let done =
        multi_upload_server::restore(&args.data.database(), &args.data.data, &args.file).await?;
    output.result(&done, || {
        let mut lines = vec![format!("restored {}", done.database.display())];
        if let Some(before) = &done.before {
            lines.push(format!("the database before is {}", before.display()));
        }
        lines.push(
            "The next start looks for every pin that was due before it sends any of them."
                .to_owned(),
        );
        lines.join("\n")
    });
    Ok(0)
}

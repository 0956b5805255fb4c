//! `multi-upload audit`: opens the data folder beside the service, which may be running.

use multi_upload_server::verify_audit_offline;
use multi_upload_wire::ErrorInfo;

use crate::args::Audit;
use crate::output::Output;

pub(super) async fn run(args: Audit, output: Output) -> Result<i32, ErrorInfo> {
    let Audit::Verify { data } = args;
    let report = verify_audit_offline(&data.database(), &data.data).await?;
    output.result(&report, || {
        let mut lines = vec![format!(
            "{} rows, {} not sealed yet, {} checkpoints{}",
            report.rows,
            report.unsealed,
            report.checkpoints,
            report
                .last_checkpoint
                .map_or(String::new(), |place| format!(", the last at row {place}")),
        )];
        lines.extend(
            report
                .faults
                .iter()
                .map(|fault| format!("row {}: {}", fault.place, fault.detail)),
        );
        lines.push(if report.ok {
            "The log is as it was written.".to_owned()
        } else {
            "The log was tampered with. Compare it with a backup, and find out who could write to the database.".to_owned()
        });
        lines.join("\n")
    });
    Ok(i32::from(!report.ok))
}

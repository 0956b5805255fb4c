//! Takes one claimed target as far as it goes, storing every move before the next one.

use std::time::{Duration, Instant};

use multi_upload_platforms::{CommitAnswer, FailureClass, Platform, PlatformError};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

use super::machine::{Happened, SEND_WINDOW_MS, step};
use crate::state::App;
use crate::store::TargetRow;

/// Works on a claimed target. `stop` ends it before the commit request, never after its intent was stored.
pub(crate) async fn work(app: &App, target: TargetRow, stop: &CancellationToken) {
    let Some(target) = advance(app, target, Happened::Taken).await else {
        return;
    };
    let platform = match app.platforms.get(&target.platform) {
        Ok(platform) => platform.clone(),
        Err(info) => {
            advance(
                app,
                target,
                Happened::SetBack(PlatformError::new(FailureClass::Rejected, info)),
            )
            .await;
            return;
        }
    };
    let ready = tokio::select! {
        ready = get_ready(app, platform.as_ref(), &target) => ready,
        () = stop.cancelled() => {
            advance(app, target, Happened::LeaseEnded).await;
            return;
        }
    };
    match ready {
        Ok(ready) => send(app, platform.as_ref(), target, ready).await,
        Err(error) => {
            advance(app, target, Happened::SetBack(error)).await;
        }
    }
}

/// All that the commit needs.
struct Ready {
    token: crate::accounts::AccessToken,
    prepared: multi_upload_platforms::Prepared,
    connection: multi_upload_platforms::Connection,
}

async fn get_ready(
    app: &App,
    platform: &dyn Platform,
    target: &TargetRow,
) -> Result<Ready, PlatformError> {
    let token = app
        .accounts
        .token(&target.owner, &target.account_id)
        .await?;
    let media = app.media.source(&target.owner);
    let prepared = platform
        .prepare(
            token.secret(),
            &target.content,
            &media,
            target.prepared.as_ref(),
        )
        .await?;
    let connection = platform.open().await?;
    Ok(Ready {
        token,
        prepared,
        connection,
    })
}

async fn send(app: &App, platform: &dyn Platform, target: TargetRow, ready: Ready) {
    let Ready {
        token,
        prepared,
        connection,
    } = ready;
    // Measured from before the intent is stored: stricter than the rule, and safe when the process
    // is frozen anywhere between here and the first byte.
    let begun = Instant::now();
    let Some(target) = advance(
        app,
        target,
        Happened::Ready {
            prepared: prepared.state.clone(),
        },
    )
    .await
    else {
        return;
    };
    let window = Duration::from_millis(SEND_WINDOW_MS.unsigned_abs());
    let answer = if begun.elapsed() > window {
        CommitAnswer::NotSent(PlatformError::new(
            FailureClass::NotSent,
            ErrorInfo::new(
                ErrorCode::Overloaded,
                "the machine was too slow to send in time; nothing was sent",
            ),
        ))
    } else {
        platform.commit(connection, token.secret(), &prepared).await
    };
    if let CommitAnswer::TokenExpired(_) = &answer {
        app.accounts
            .token_refused(&target.owner, &target.account_id, &token);
    }
    advance(app, target, Happened::Answered(answer)).await;
}

/// Stores the move for what happened; the target as it is now, or `None` when this worker has no
/// more say in it.
async fn advance(app: &App, target: TargetRow, happened: Happened) -> Option<TargetRow> {
    let must_be_stored = matches!(happened, Happened::Answered(_));
    let Some(change) = step(&target, happened, app.clock.now(), rand::rng().random()) else {
        return Some(target);
    };
    let mut pause = Duration::from_millis(100);
    loop {
        match app.store.change_target(change.clone()).await {
            Ok(Some(row)) => {
                tracing::info!(target_id = %row.id, account = %row.account_id, phase = ?row.phase, "{}", change.event.detail);
                return (!row.phase.is_terminal()).then_some(row);
            }
            Ok(None) => {
                tracing::warn!(target_id = %target.id, "another holder has moved this target on");
                return None;
            }
            // An answer from the network exists only here: keep it until the store takes it.
            Err(error) if must_be_stored => {
                tracing::error!(%error, target_id = %target.id, "the network's answer could not be stored; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(error) => {
                tracing::error!(%error, target_id = %target.id, "the move could not be stored; the lease ends it");
                return None;
            }
        }
    }
}

//! Connected accounts, their boards and sections.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use multi_upload_wire::{
    Account, Board, ConnectRequest, ConnectSession, CreateBoard, CreateSection, Page, Section,
};
use serde::Serialize;

use super::auth::Caller;
use super::body::Object;
use super::fields::typed;
use super::problem::{Answer, Problem};
use super::query::{Query, open_cursor, seal_cursor};
use crate::accounts::BoardsArgs;
use crate::state::App;

const BOARDS: &str = "boards";
const SECTIONS: &str = "sections";

/// Lists the connected accounts.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", operation_id = "list_accounts",
    responses(
        (status = 200, description = "All accounts the key may use; one page.", body = Page<Account>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Account>>> {
    let mut query = Query::of(&uri);
    // Accepted like on every list; there are never so many accounts that a second page is needed.
    query.limit();
    query.cursor("accounts");
    query.end()?;
    let mut items = app.accounts.list(&caller.owner).await?;
    items.retain(|account| caller.may_use(&account.id));
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Reads an account.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "accounts", operation_id = "get_account",
    params(("id" = String, Path, description = "`pinterest:549…`, also as `pinterest%3A549…` or without the platform.")),
    responses(
        (status = 200, description = "The account.", body = Account),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Account>> {
    let id = allowed(&caller, id)?;
    Ok(Json(app.accounts.get(&caller.owner, &id).await?))
}

/// Disconnects an account: its tokens are deleted; its uploads that are not published will fail.
#[utoipa::path(
    delete, path = "/v1/accounts/{id}", tag = "accounts", operation_id = "disconnect_account",
    params(("id" = String, Path, description = "As in `GET /v1/accounts/{id}`.")),
    responses(
        (status = 204, description = "Gone."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn disconnect(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let id = allowed(&caller, id)?;
    app.accounts.disconnect(&caller.owner, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to connect an account: open `authorize_url` in a browser.
#[utoipa::path(
    post, path = "/v1/accounts/connect", tag = "accounts", operation_id = "connect_account",
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition is refused with 409, since the answer holds a secret.")),
    request_body = ConnectRequest,
    responses(
        (status = 201, description = "The consent page and when it expires.", body = ConnectSession),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn connect(
    State(app): State<App>,
    caller: Caller,
    Object(body): Object,
) -> Answer {
    let request: ConnectRequest = typed(&body, "").map_err(Problem::fields)?;
    let session = app.accounts.connect(&caller.owner, request).await?;
    let location = format!("/v1/accounts/connect/{}", session.id);
    Ok(created(&session, Some(&location)))
}

/// Tells what became of a connection.
#[utoipa::path(
    get, path = "/v1/accounts/connect/{id}", tag = "accounts", operation_id = "get_connection",
    params(("id" = String, Path, description = "`id` of the answer of `POST /v1/accounts/connect`.")),
    responses(
        (status = 200, description = "`pending`, `connected` with the account, or `failed` with the error.", body = ConnectSession),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn connection(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<ConnectSession>> {
    Ok(Json(app.accounts.connection(&caller.owner, &id).await?))
}

/// Lists the boards of an account: own, group and secret.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/boards", tag = "boards", operation_id = "list_boards",
    params(
        ("id" = String, Path, description = "As in `GET /v1/accounts/{id}`."),
        ("privacy" = Option<String>, Query, description = "`PUBLIC`, `PROTECTED` or `SECRET`."),
        ("q" = Option<String>, Query, description = "With this text in the name."),
        ("refresh" = Option<bool>, Query, description = "Ask the network again; else lists are kept for 5 minutes."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Boards on a page; default 100."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before.")
    ),
    responses(
        (status = 200, description = "A page.", body = Page<Board>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn boards(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Board>>> {
    let mut query = Query::of(&uri);
    let args = BoardsArgs {
        privacy: query.read("privacy", |text| match text {
            "PUBLIC" | "PROTECTED" | "SECRET" => Ok(text.to_owned()),
            _ => Err("PUBLIC, PROTECTED or SECRET".to_owned()),
        }),
        q: query.text("q"),
        refresh: query.flag("refresh"),
        limit: query.limit(),
        cursor: query.cursor(BOARDS),
    };
    query.end()?;
    let id = allowed(&caller, id)?;
    let page = app.accounts.boards(&caller.owner, &id, args).await?;
    Ok(Json(Page {
        items: page.items,
        next_cursor: page.next_cursor.map(|cursor| seal_cursor(BOARDS, &cursor)),
    }))
}

/// Makes a board.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/boards", tag = "boards", operation_id = "create_board",
    params(
        ("id" = String, Path, description = "As in `GET /v1/accounts/{id}`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition gets the same answer, with `Idempotency-Replayed: true`, or 409 while it is under way. Kept 7 days.")
    ),
    request_body = CreateBoard,
    responses(
        (status = 201, description = "The board.", body = Board),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create_board(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Object(body): Object,
) -> Answer {
    let id = allowed(&caller, id)?;
    let request: CreateBoard = typed(&body, "").map_err(Problem::fields)?;
    if let Some(privacy) = &request.privacy
        && !matches!(privacy.as_str(), "PUBLIC" | "PROTECTED" | "SECRET")
    {
        return Err(Problem::field(
            "/privacy",
            "invalid",
            format!("{privacy:?} is not PUBLIC, PROTECTED or SECRET"),
        ));
    }
    check_name(&request.name)?;
    let board = app
        .accounts
        .create_board(&caller.owner, &id, &request)
        .await?;
    Ok(created(&board, None))
}

/// Lists the sections of a board.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/boards/{board_id}/sections", tag = "boards", operation_id = "list_sections",
    params(
        ("id" = String, Path, description = "As in `GET /v1/accounts/{id}`."),
        ("board_id" = String, Path, description = "Id of the board."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before.")
    ),
    responses(
        (status = 200, description = "A page; the network decides how many sections are on it.", body = Page<Section>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn sections(
    State(app): State<App>,
    caller: Caller,
    Path((id, board_id)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Section>>> {
    let mut query = Query::of(&uri);
    query.limit();
    let cursor = query.read("cursor", |text| {
        open_cursor(SECTIONS, text)
            .ok_or_else(|| "a `next_cursor` of the same list, unchanged".to_owned())
    });
    query.end()?;
    let id = allowed(&caller, id)?;
    check_board(&board_id)?;
    let page = app
        .accounts
        .sections(&caller.owner, &id, &board_id, cursor.as_deref())
        .await?;
    Ok(Json(Page {
        items: page.items,
        next_cursor: page
            .next_cursor
            .map(|cursor| seal_cursor(SECTIONS, &cursor)),
    }))
}

/// Makes a section.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/boards/{board_id}/sections", tag = "boards", operation_id = "create_section",
    params(
        ("id" = String, Path, description = "As in `GET /v1/accounts/{id}`."),
        ("board_id" = String, Path, description = "Id of the board."),
        ("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition gets the same answer, with `Idempotency-Replayed: true`, or 409 while it is under way. Kept 7 days.")
    ),
    request_body = CreateSection,
    responses(
        (status = 201, description = "The section.", body = Section),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create_section(
    State(app): State<App>,
    caller: Caller,
    Path((id, board_id)): Path<(String, String)>,
    Object(body): Object,
) -> Answer {
    let id = allowed(&caller, id)?;
    check_board(&board_id)?;
    let request: CreateSection = typed(&body, "").map_err(Problem::fields)?;
    check_name(&request.name)?;
    let section = app
        .accounts
        .create_section(&caller.owner, &id, &board_id, &request)
        .await?;
    Ok(created(&section, None))
}

/// The account of a path, if the key may use it.
pub(super) fn allowed(caller: &Caller, id: String) -> Result<String, Problem> {
    let id = if id.contains(':') {
        id
    } else {
        format!("pinterest:{id}")
    };
    caller.require_account(&id)?;
    Ok(id)
}

/// The id becomes part of an address of the network: nothing but digits.
fn check_board(board_id: &str) -> Result<(), Problem> {
    if (1..=25).contains(&board_id.len()) && board_id.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    let shown: String = board_id.chars().take(60).collect();
    Err(Problem::not_found("board", &shown))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let length = name.chars().count();
    if name.trim().is_empty() {
        return Err(Problem::field("/name", "required", "the name is empty"));
    }
    if length > 180 {
        return Err(Problem::field(
            "/name",
            "too_long",
            format!("{length} characters; at most 180 are allowed"),
        ));
    }
    Ok(())
}

pub(super) fn created<T: Serialize>(body: &T, location: Option<&str>) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Some(location) = location.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

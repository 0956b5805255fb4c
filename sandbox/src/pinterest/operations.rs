//! The calls this fake knows: a table that the conformance test compares with Pinterest's document.

use crate::limits::Category;

/// One call of the platform.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path below `/v5`, with `{name}` where an id stands.
    pub path: &'static str,
    /// How the caller proves who it is.
    pub auth: Auth,
    /// Whose rate limit it uses up.
    pub category: Category,
    pub(crate) run: Run,
}

/// How a caller proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Client id and secret in a Basic header.
    Basic,
    /// An access token with all of these scopes.
    Bearer {
        /// The scopes needed.
        scopes: &'static [&'static str],
        /// Whether a token of the client credentials grant will do.
        client: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Token,
    Revoke,
    UserAccount,
    ListBoards,
    CreateBoard,
    GetBoard,
    UpdateBoard,
    DeleteBoard,
    ListBoardPins,
    ListSections,
    CreateSection,
    UpdateSection,
    DeleteSection,
    ListSectionPins,
    ListPins,
    CreatePin,
    GetPin,
    UpdatePin,
    DeletePin,
    SavePin,
    ListMedia,
    RegisterMedia,
    GetMedia,
}

const READ_BOARDS: &[&str] = &["boards:read"];
const WRITE_BOARDS: &[&str] = &["boards:read", "boards:write"];
const READ_PINS: &[&str] = &["boards:read", "pins:read"];
const WRITE_PINS: &[&str] = &["boards:read", "boards:write", "pins:read", "pins:write"];
const READ_MEDIA: &[&str] = &["pins:read"];
const WRITE_MEDIA: &[&str] = &["pins:read", "pins:write"];
const READ_ACCOUNT: &[&str] = &["user_accounts:read"];

const fn any(scopes: &'static [&'static str]) -> Auth {
    Auth::Bearer {
        scopes,
        client: true,
    }
}

const fn user(scopes: &'static [&'static str]) -> Auth {
    Auth::Bearer {
        scopes,
        client: false,
    }
}

const fn op(
    method: &'static str,
    path: &'static str,
    auth: Auth,
    category: Category,
    run: Run,
) -> Operation {
    Operation {
        method,
        path,
        auth,
        category,
        run,
    }
}

use Category::{OrgRead, OrgWrite};

/// Every call of the fake Pinterest below `/v5`.
pub const OPERATIONS: [Operation; 23] = [
    op("POST", "/oauth/token", Auth::Basic, OrgRead, Run::Token),
    op(
        "POST",
        "/oauth/token/revoke",
        Auth::Basic,
        OrgWrite,
        Run::Revoke,
    ),
    op(
        "GET",
        "/user_account",
        any(READ_ACCOUNT),
        OrgRead,
        Run::UserAccount,
    ),
    op("GET", "/boards", any(READ_BOARDS), OrgRead, Run::ListBoards),
    op(
        "POST",
        "/boards",
        any(WRITE_BOARDS),
        OrgWrite,
        Run::CreateBoard,
    ),
    op(
        "GET",
        "/boards/{board_id}",
        any(READ_BOARDS),
        OrgRead,
        Run::GetBoard,
    ),
    op(
        "PATCH",
        "/boards/{board_id}",
        any(WRITE_BOARDS),
        OrgWrite,
        Run::UpdateBoard,
    ),
    op(
        "DELETE",
        "/boards/{board_id}",
        user(WRITE_BOARDS),
        OrgWrite,
        Run::DeleteBoard,
    ),
    op(
        "GET",
        "/boards/{board_id}/pins",
        any(READ_PINS),
        OrgRead,
        Run::ListBoardPins,
    ),
    op(
        "GET",
        "/boards/{board_id}/sections",
        any(READ_BOARDS),
        OrgRead,
        Run::ListSections,
    ),
    op(
        "POST",
        "/boards/{board_id}/sections",
        user(WRITE_BOARDS),
        OrgWrite,
        Run::CreateSection,
    ),
    op(
        "PATCH",
        "/boards/{board_id}/sections/{section_id}",
        user(WRITE_BOARDS),
        OrgWrite,
        Run::UpdateSection,
    ),
    op(
        "DELETE",
        "/boards/{board_id}/sections/{section_id}",
        user(WRITE_BOARDS),
        OrgWrite,
        Run::DeleteSection,
    ),
    op(
        "GET",
        "/boards/{board_id}/sections/{section_id}/pins",
        any(READ_PINS),
        OrgRead,
        Run::ListSectionPins,
    ),
    op("GET", "/pins", any(READ_PINS), OrgRead, Run::ListPins),
    op("POST", "/pins", any(WRITE_PINS), OrgWrite, Run::CreatePin),
    op(
        "GET",
        "/pins/{pin_id}",
        any(READ_PINS),
        OrgRead,
        Run::GetPin,
    ),
    op(
        "PATCH",
        "/pins/{pin_id}",
        any(WRITE_PINS),
        OrgWrite,
        Run::UpdatePin,
    ),
    op(
        "DELETE",
        "/pins/{pin_id}",
        any(WRITE_PINS),
        OrgWrite,
        Run::DeletePin,
    ),
    op(
        "POST",
        "/pins/{pin_id}/save",
        user(WRITE_PINS),
        OrgWrite,
        Run::SavePin,
    ),
    op("GET", "/media", user(READ_MEDIA), OrgRead, Run::ListMedia),
    op(
        "POST",
        "/media",
        user(WRITE_MEDIA),
        OrgWrite,
        Run::RegisterMedia,
    ),
    op(
        "GET",
        "/media/{media_id}",
        user(READ_MEDIA),
        OrgRead,
        Run::GetMedia,
    ),
];

/// What a method and path below `/v5` mean.
pub(crate) enum Found {
    Operation(&'static Operation, Vec<String>),
    /// The path exists, but not with this method.
    OtherMethod(&'static str),
    Nothing,
}

pub(crate) fn find(method: &str, path: &str) -> Found {
    let mut other = Found::Nothing;
    for operation in &OPERATIONS {
        if let Some(params) = fill(operation.path, path) {
            if operation.method == method {
                return Found::Operation(operation, params);
            }
            other = Found::OtherMethod(operation.path);
        }
    }
    other
}

fn fill(template: &str, path: &str) -> Option<Vec<String>> {
    let (mut names, mut values) = (template.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (names.next(), values.next()) {
            (None, None) => return Some(params),
            (Some(name), Some(value)) if name.starts_with('{') && !value.is_empty() => {
                params.push(value.to_owned())
            }
            (Some(name), Some(value)) if name == value => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_whole() {
        assert!(
            matches!(find("GET", "/boards"), Found::Operation(op, _) if op.run == Run::ListBoards)
        );
        assert!(
            matches!(find("GET", "/boards/1/sections/2/pins"), Found::Operation(op, params)
            if op.run == Run::ListSectionPins && params == ["1", "2"])
        );
        assert!(matches!(
            find("PUT", "/pins/1"),
            Found::OtherMethod("/pins/{pin_id}")
        ));
        assert!(matches!(find("GET", "/pins/"), Found::Nothing));
        assert!(matches!(find("GET", "/ads"), Found::Nothing));
    }
}

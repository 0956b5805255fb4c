//! Is it a board of the account? And if not, which are?

use std::sync::Arc;

use multi_upload_wire::{Board, FieldError};

/// Boards listed in an error.
const SHOWN: usize = 50;

/// All boards of an account, or why they could not be listed just now.
pub(super) type BoardsAnswer = Result<Arc<Vec<Board>>, String>;

/// What is to be said of a board.
pub(super) enum Verdict {
    /// It is one of the account's.
    Good(Board),
    /// The network could not be asked; the board is taken as given.
    Unproven(String),
    /// It is missing, malformed or not one of the account's.
    Bad {
        code: &'static str,
        detail: String,
        remedy: Option<String>,
    },
}

/// Judges a board id by the account's boards and what the platform's own check says of it.
pub(super) fn judge(
    account: &str,
    board_id: Option<&str>,
    faults: &[FieldError],
    answer: &BoardsAnswer,
) -> Verdict {
    let list = match answer {
        Ok(boards) => in_words(account, boards),
        Err(why) => format!("the boards of {account} could not be listed just now: {why}"),
    };
    let remedy = answer
        .is_ok()
        .then(|| "Choose one of the boards listed.".to_owned());
    let Some(board_id) = board_id else {
        return Verdict::Bad {
            code: "required",
            detail: format!("`board_id` is required for {account}; {list}"),
            remedy,
        };
    };
    if let Some(fault) = faults.first() {
        return Verdict::Bad {
            code: "invalid",
            detail: format!("{}; {list}", fault.detail),
            remedy,
        };
    }
    match answer {
        Ok(boards) => match boards.iter().find(|board| board.id == board_id) {
            Some(board) => Verdict::Good(board.clone()),
            None => Verdict::Bad {
                code: "unknown",
                detail: format!("{board_id:?} is not a board of {account}; {list}"),
                remedy,
            },
        },
        Err(_) => Verdict::Unproven(format!("{list}; board {board_id} is taken as given")),
    }
}

fn in_words(account: &str, boards: &[Board]) -> String {
    if boards.is_empty() {
        return format!(
            "{account} has no boards: make one with POST /v1/accounts/{account}/boards"
        );
    }
    let shown: Vec<String> = boards
        .iter()
        .take(SHOWN)
        .map(|board| format!("{} ({})", board.id, board.name))
        .collect();
    let more = boards.len().saturating_sub(SHOWN);
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more (GET /v1/accounts/{account}/boards)")
    };
    format!("boards of {account}: {}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::*;

    fn boards(count: usize) -> BoardsAnswer {
        Ok(Arc::new(
            (0..count)
                .map(|n| Board {
                    id: format!("{}", 100 + n),
                    name: format!("Board {n}"),
                    description: None,
                    privacy: None,
                    owner: None,
                    pin_count: None,
                })
                .collect(),
        ))
    }

    fn bad(board: Option<&str>, answer: &BoardsAnswer) -> (String, String) {
        match judge("pinterest:1", board, &[], answer) {
            Verdict::Bad { code, detail, .. } => (code.to_owned(), detail),
            _ => panic!("expected a refusal"),
        }
    }

    #[test]
    fn a_missing_board_lists_at_most_fifty() {
        let (code, detail) = bad(None, &boards(60));
        assert_eq!(code, "required");
        assert!(detail.contains("100 (Board 0)") && detail.contains("149 (Board 49)"));
        assert!(!detail.contains("150 (Board 50)"));
        assert!(detail.contains("and 10 more"));
    }

    #[test]
    fn a_foreign_board_is_refused_and_an_own_one_is_named() {
        assert_eq!(bad(Some("7"), &boards(2)).0, "unknown");
        assert!(matches!(
            judge("pinterest:1", Some("101"), &[], &boards(2)),
            Verdict::Good(board) if board.name == "Board 1"
        ));
    }

    #[test]
    fn a_silent_network_does_not_refuse_a_board() {
        let silent: BoardsAnswer = Err("no answer".to_owned());
        assert!(matches!(
            judge("pinterest:1", Some("7"), &[], &silent),
            Verdict::Unproven(_)
        ));
        assert_eq!(bad(None, &silent).0, "required");
    }
}

//! What is taken out of texts that came from outside before a person or a log sees them.

/// Longest text kept, in bytes.
const LONGEST: usize = 2_000;

/// The text without tokens and without the queries of addresses (signed ones are keys), cut to 2 kB.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(is_border).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        push_word(&mut out, word);
        let border = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..border]);
        rest = &after[border..];
    }
    if out.len() > LONGEST {
        let end = (0..=LONGEST)
            .rev()
            .find(|&end| out.is_char_boundary(end))
            .unwrap_or(0);
        out.truncate(end);
        out.push('…');
    }
    out
}

/// Characters that no token and no address holds.
fn is_border(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | '<' | '>' | '(' | ')' | '{' | '}' | '[' | ']' | '`' | ',' | ';'
        )
}

fn push_word(out: &mut String, word: &str) {
    if word.contains("://") {
        match word.split_once('?') {
            Some((address, _)) => {
                out.push_str(address);
                out.push_str("?…");
            }
            None => out.push_str(word),
        }
    } else if let Some(at) = token_start(word) {
        out.push_str(&word[..at]);
        out.push_str("[token]");
    } else {
        out.push_str(word);
    }
}

/// Pinterest's tokens begin with four letters of which only the last differs, and are long.
fn token_start(word: &str) -> Option<usize> {
    ["pina", "pinr", "pinc"]
        .iter()
        .filter_map(|prefix| word.find(prefix))
        .filter(|&at| {
            let tail = word.as_bytes().get(at + 4).copied();
            matches!(tail, Some(b'_' | b'.')) || word.len() - at >= 40
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_queries_go() {
        for (text, expected) in [
            ("Board not found.", "Board not found."),
            ("token pina_ABC-def is dead", "token [token] is dead"),
            (
                "{\"access_token\":\"pinr.XYZ\"}",
                "{\"access_token\":\"[token]\"}",
            ),
            ("token=pinc_1", "token=[token]"),
            (
                "A pinafore for a pinch of spinach",
                "A pinafore for a pinch of spinach",
            ),
            (
                "Parameter 'link' with the value 'https://a.example/p?sig=1&x=2' is not a valid URL format.",
                "Parameter 'link' with the value 'https://a.example/p?…' is not a valid URL format.",
            ),
            ("why? https://a.example/p.", "why? https://a.example/p."),
        ] {
            assert_eq!(clean(text), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = clean(&"é".repeat(3_000));
        assert!(cut.len() <= LONGEST + '…'.len_utf8());
        assert!(cut.ends_with("é…"));
    }
}

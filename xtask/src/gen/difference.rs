//! What changed, in one sentence and a few lines.

/// The first lines that differ, and how many lines each side has.
pub(super) fn summary(found: &str, fresh: &str) -> String {
    if found.is_empty() {
        return "missing".to_owned();
    }
    let old: Vec<&str> = found.lines().collect();
    let new: Vec<&str> = fresh.lines().collect();
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let mut text = format!(
        "differs from line {} on ({} lines, should be {})",
        same + 1,
        old.len(),
        new.len()
    );
    for line in old.iter().skip(same).take(3) {
        text.push_str(&format!("\n    - {line}"));
    }
    for line in new.iter().skip(same).take(3) {
        text.push_str(&format!("\n    + {line}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn it_names_the_first_line_that_differs() {
        let text = summary("a\nb\nc\n", "a\nx\nc\nd\n");
        assert_eq!(
            text,
            "differs from line 2 on (3 lines, should be 4)\n    - b\n    - c\n    + x\n    + c\n    + d"
        );
        assert_eq!(summary("", "a\n"), "missing");
    }
}

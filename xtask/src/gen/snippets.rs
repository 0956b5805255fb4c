//! The code in `README.md`: copies of files under `examples/`, which the tests run.
//!
//! A line `<!-- snippet: PATH -->` stands before a fenced block; what stands inside the fence is the
//! file.

use crate::root;

const MARK: &str = "<!-- snippet: ";

/// The README with every marked block filled from its file.
pub(super) fn readme() -> Result<String, String> {
    fill(&root::read("README.md")?, root::read)
}

fn fill(page: &str, read: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(page.len());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        push(&mut filled, line);
        let Some(path) = line
            .strip_prefix(MARK)
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let fence = lines.next().filter(|line| line.starts_with("```"));
        push(
            &mut filled,
            fence.ok_or_else(|| format!("README.md: no fence after the mark of {path}"))?,
        );
        if !lines.any(|line| line == "```") {
            return Err(format!("README.md: the block of {path} does not end"));
        }
        filled.push_str(&read(path)?);
        push(&mut filled, "```");
    }
    Ok(filled)
}

fn push(page: &mut String, line: &str) {
    page.push_str(line);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn marked_blocks_are_filled_and_others_left_alone() {
        let page = "a\n<!-- snippet: x.py -->\n```python\nold\n```\nb\n```sh\nkeep\n```\n";
        let filled = fill(page, |path| Ok(format!("new from {path}\n")));
        assert_eq!(
            filled.as_deref(),
            Ok("a\n<!-- snippet: x.py -->\n```python\nnew from x.py\n```\nb\n```sh\nkeep\n```\n")
        );
    }

    #[test]
    fn mistakes_in_the_page_are_named() {
        for page in [
            "<!-- snippet: x.py -->\ntext\n",
            "<!-- snippet: x.py -->\n```python\nold\n",
        ] {
            let error = fill(page, |_| Ok(String::new())).expect_err("it is wrong");
            assert!(error.contains("x.py"), "{error}");
        }
    }
}

//! The code in `README.md`: copies of files under `examples/`, which the tests run.
//!
//! A line `<!-- snippet: PATH -->` stands before a fenced block; what stands inside the fence is the
//! file.

use std::fs;

use crate::root::root;

const MARK: &str = "<!-- snippet: ";

/// The README with every marked block filled from its file.
pub(super) fn readme() -> String {
    let page = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    fill(&page, |path| fs::read_to_string(root().join(path)).unwrap_or_else(|error| format!("{path}: {error}\n")))
}

fn fill(page: &str, read: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(page.len());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        push(&mut filled, line);
        let Some(path) = line.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let Some(fence) = lines.next() else { break };
        push(&mut filled, fence);
        for old in lines.by_ref() {
            if old == "```" {
                break;
            }
        }
        filled.push_str(&read(path));
        push(&mut filled, "```");
    }
    filled
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
        let filled = fill(page, |path| format!("new from {path}\n"));
        assert_eq!(filled, "a\n<!-- snippet: x.py -->\n```python\nnew from x.py\n```\nb\n```sh\nkeep\n```\n");
    }
}

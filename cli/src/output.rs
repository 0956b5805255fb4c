//! What a person or a program reads: results on stdout, everything else on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use multi_upload_wire::ErrorInfo;
use serde::Serialize;
use serde_json::json;

/// Where results go and how they look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// True when a program reads the results.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// A result as one line of JSON, or as text.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.line(&json!(value).to_string());
        } else {
            self.line(&text());
        }
    }

    /// A list: one line of JSON for each item, or a table.
    pub(crate) fn list<T: Serialize>(
        self,
        items: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) {
        if self.json {
            for item in items {
                self.line(&json!(item).to_string());
            }
            return;
        }
        if items.is_empty() {
            self.note("Nothing found.");
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(headings);
        for item in items {
            table.add_row(row(item));
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.trim_end());
        }
    }

    /// A line of the result.
    pub(crate) fn line(self, text: &str) {
        // A reader that went away (`| head`) is no error of ours.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A line for a person, beside the result.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// An error: code, sentence, remedy; or the whole object.
    pub(crate) fn error(self, info: &ErrorInfo) {
        if self.json {
            self.note(json!({ "error": info }).to_string());
        } else {
            self.note(format!("error: {info}"));
        }
    }

    /// A bar on stderr, hidden unless a person looks at it.
    pub(crate) fn bar(self, total: u64, what: &str) -> ProgressBar {
        if !self.shows_progress() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(total)
            .with_style(style)
            .with_message(what.to_owned())
    }

    /// A bar of bytes with rate and remaining time, on stderr, hidden unless a person looks at it.
    pub(crate) fn bytes_bar(self, what: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar(0, what).with_style(style)
    }

    /// A sign on stderr that something is waited for, hidden unless a person looks at it.
    pub(crate) fn spinner(self, what: &str) -> ProgressBar {
        if !self.shows_progress() {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    fn shows_progress(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }
}

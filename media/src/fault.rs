//! Why a file is not taken.

/// Why a file is not taken: a stable word for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What is wrong, for programs.
    pub kind: FaultKind,
    /// What the file is, the figure, the limit and the remedy, in a sentence or two without a full stop at the end.
    pub message: String,
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The file has no bytes.
    Empty,
    /// The beginning is that of no known kind of file.
    Unknown,
    /// The kind of file, or of its content, is known and not taken.
    Unsupported,
    /// It is of a known kind, and a part at its end is missing.
    Truncated,
    /// It contradicts itself or the rules of its kind.
    Broken,
    /// It is beyond a limit that protects memory and time.
    TooLarge,
    /// It cannot be made to fit what is wanted.
    Unfit,
    /// Reading failed: says nothing about the file.
    Io,
}

impl FaultKind {
    /// The stable word: `empty`, `unknown`, `unsupported`, `truncated`, `broken`, `too_large`, `unfit` or `io`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unknown => "unknown",
            Self::Unsupported => "unsupported",
            Self::Truncated => "truncated",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::Unfit => "unfit",
            Self::Io => "io",
        }
    }
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `what` ends early: `there` bytes of the `wanted` that it says it has.
    pub(crate) fn truncated(what: &str, there: u64, wanted: u64) -> Self {
        Self::new(
            FaultKind::Truncated,
            format!(
                "the {what} is cut off: {there} bytes are there, at least {wanted} are expected; upload the whole file again"
            ),
        )
    }

    /// `what` says something about itself that cannot be.
    pub(crate) fn broken(what: &str, detail: impl std::fmt::Display) -> Self {
        Self::new(
            FaultKind::Broken,
            format!("the {what} is damaged: {detail}; export it again and upload the new file"),
        )
    }

    /// A figure beyond a limit.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::TooLarge, detail)
    }
}

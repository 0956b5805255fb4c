//! Which exception class a code raises: one for each category, and two that single out a code.

use multi_upload_wire::{Category, ErrorCode, RegistryEntry};

/// The base of all classes.
pub(super) const BASE: &str = "MultiUploadError";

/// A class as each language names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    /// Node, and the name in the documentation.
    pub(super) node: &'static str,
    /// Python: differs where a builtin of the same name would be hidden.
    pub(super) python: &'static str,
}

const fn same(name: &'static str) -> Class {
    Class {
        node: name,
        python: name,
    }
}

/// The class of a category.
pub(super) fn of_category(category: Category) -> Class {
    match category {
        Category::Auth => same("AuthError"),
        Category::Permission => same("PermissionDeniedError"),
        Category::NotFound => same("NotFoundError"),
        Category::Conflict => same("ConflictError"),
        Category::Validation => same("ValidationError"),
        Category::RateLimit => same("RateLimitError"),
        Category::Quota => same("QuotaError"),
        Category::Media => same("MediaError"),
        Category::Connection => Class {
            node: "ConnectionError",
            python: "ServiceConnectionError",
        },
        Category::Timeout => Class {
            node: "TimeoutError",
            python: "ServiceTimeoutError",
        },
        Category::Cancelled => same("CancelledError"),
        Category::Platform => same("PlatformError"),
        Category::Server => same("ServerError"),
        Category::Config => same("ConfigError"),
        // A category that a newer registry has is a fault here until it gets its class.
        _ => same("InternalError"),
    }
}

/// The class of a code: its own where it has one, else its category's.
pub(super) fn of_code(entry: &RegistryEntry) -> Class {
    match entry.code {
        ErrorCode::IdempotencyInProgress | ErrorCode::IdempotencyBodyMismatch => {
            same("IdempotencyError")
        }
        ErrorCode::OutcomeUnknown => same("OutcomeUnknownError"),
        _ => of_category(entry.category),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_category_has_its_own_class() {
        let classes: BTreeSet<&str> = Category::ALL
            .into_iter()
            .map(|category| of_category(category).node)
            .collect();
        assert_eq!(classes.len(), Category::ALL.len());
    }
}

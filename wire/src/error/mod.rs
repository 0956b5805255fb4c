//! The one error object of the product and the registry of its codes.

mod info;
mod registry;

pub use info::{Category, ErrorInfo, FieldError, Outcome, PlatformFailure, Retry, TargetRef};
pub use registry::{ErrorCode, REGISTRY, RegistryEntry, registry_entry};

//! The words of the multi-upload API: requests, objects, states and the error registry.
//!
//! Everything that crosses a boundary of the product (HTTP, in-process, Python, Node) is one of
//! these types. The crate has no I/O, no clock and no behaviour beyond serde, so the server, the
//! client and the test kit can all compile against one definition.
//!
//! Times are RFC 3339 strings on the wire and in these types: the only code that interprets
//! them is the server, which also knows the time zone rules.

mod account;
mod audit;
mod board;
mod error;
mod event;
mod key;
mod media;
mod page;
mod slot;
mod upload;
mod webhook;

pub use account::{Account, AccountStatus, ConnectRequest, ConnectSession};
pub use audit::{AuditEntry, AuditFault, AuditReport};
pub use board::{Board, CreateBoard, CreateSection, Section};
pub use error::{
    Category, ErrorCode, ErrorInfo, FieldError, Outcome, PlatformFailure, REGISTRY, RegistryEntry,
    Retry, TargetRef, registry_entry,
};
pub use event::{Changes, Event};
pub use key::{ApiKey, CreateApiKey, CreatedApiKey, Mode, Scope};
pub use media::{Media, MediaFacts, MediaKind};
pub use page::Page;
pub use slot::{
    AccountLimits, CreateSlot, LimitShare, LimitUse, Slot, SlotQueue, UpdateSlot, Weekday,
};
pub use upload::{
    BatchItem, BatchRequest, BatchResponse, BatchResult, CreateUpload, Late, Override, Resolution,
    ResolveRequest, Target, TargetStatus, UpdateUpload, Upload, UploadStatus, ValidatedTarget,
    Validation, Warning,
};
pub use webhook::{
    CreateWebhook, UpdateWebhook, WEBHOOK_EVENTS, Webhook, WebhookDelivery, WebhookSecret,
};

//! Who did what.

mod actor;

pub(crate) use actor::{Actor, Kind, acting, current};

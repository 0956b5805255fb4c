//! Pinterest, API v5.

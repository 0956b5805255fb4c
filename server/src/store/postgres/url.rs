//! Reading the address of the database.

use std::time::Duration;

use tokio_postgres::Config;

use crate::store::{StoreError, StoreResult};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After which silence a connection is probed, so that a host that is gone is found out.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Modes of libpq that this program has no other word for than `require`, which proves the server's name already.
const PROVEN: [&str; 2] = ["sslmode=verify-full", "sslmode=verify-ca"];

pub(super) fn config(url: &str) -> StoreResult<Config> {
    let url = PROVEN.iter().fold(url.to_owned(), |url, mode| {
        url.replace(mode, "sslmode=require")
    });
    // The reason may repeat a part of the address, and that may be the password: it is not given on.
    let mut config: Config = url.parse().map_err(|_| {
        StoreError::Failed(
            "the address of the database cannot be read. It looks like \
             postgres://user:password@host:5432/database?sslmode=require; write special characters of the password as %XX"
                .to_owned(),
        )
    })?;
    if config.get_application_name().is_none() {
        config.application_name("multi-upload");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    config.keepalives_idle(KEEPALIVE);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn every_sslmode_has_a_meaning() {
        for (word, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=require", SslMode::Require),
            ("?sslmode=verify-full", SslMode::Require),
        ] {
            let read = config(&format!("postgres://me:secret@db.example/uploads{word}")).unwrap();
            assert_eq!(read.get_ssl_mode(), mode, "{word}");
        }
    }

    #[test]
    fn a_wrong_address_is_refused_without_its_password() {
        for wrong in [
            "postgres://me:hunter2@db.example:port/uploads",
            "postgres://me:hunter2@db.example/uploads?hunter2=1",
            "host=db.example password=x hunter2",
            "hunter2",
        ] {
            let refused = config(wrong).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
            assert!(refused.contains("postgres://"), "{refused}");
        }
    }
}

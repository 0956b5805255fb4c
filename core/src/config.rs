//! Settings of a client. The only place of this crate that reads environment variables.

use std::fmt;
use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};

use crate::error::Error;

/// Environment variable with the address of the service.
pub const ENV_URL: &str = "MULTI_UPLOAD_URL";
/// Environment variable with the API key.
pub const ENV_API_KEY: &str = "MULTI_UPLOAD_API_KEY";

/// Settings of a [`Client`](crate::Client).
#[derive(Clone)]
pub struct ClientOptions {
    /// Address of the service: `https://host`, a port and a path before `/v1` are allowed.
    pub url: String,
    /// API key, `mu_live_…` or `mu_test_…`. Never shown by `Debug`, errors or logs.
    pub api_key: String,
    /// Time for one call with all its attempts and waits. 60 s.
    pub timeout: Duration,
    /// Time for one attempt. 30 s.
    pub attempt_timeout: Duration,
    /// How often a call is sent at most, the first time included. 3.
    pub max_attempts: u32,
    /// Waits between attempts.
    pub retry: RetryOptions,
}

/// Waits between attempts: a random time up to `base_delay * 2^(n-1)`, never above `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// Base of the wait after a passing fault, 50 ms. After "too many requests" without a hint it is 20 times as long.
    pub base_delay: Duration,
    /// The longest wait that the client chooses itself, 20 s. A hint of the service may ask for up to 2 min.
    pub cap: Duration,
    /// False: wait exactly the upper bound. For tests that compare waits.
    pub jitter: bool,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            base_delay: Duration::from_millis(50),
            cap: Duration::from_secs(20),
            jitter: true,
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            api_key: String::new(),
            timeout: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(30),
            max_attempts: 3,
            retry: RetryOptions::default(),
        }
    }
}

impl ClientOptions {
    /// The defaults with an address and a key.
    #[must_use]
    pub fn new(url: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: api_key.into(),
            ..Self::default()
        }
    }

    /// Reads `MULTI_UPLOAD_URL` and `MULTI_UPLOAD_API_KEY`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` names the variable that is missing or empty.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The address and the key given; what is absent is read from `MULTI_UPLOAD_URL` and `MULTI_UPLOAD_API_KEY`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` names the variable that is missing or empty.
    pub fn given_or_env(url: Option<String>, api_key: Option<String>) -> Result<Self, Error> {
        let given = |name: &str| {
            if name == ENV_URL {
                url.clone()
            } else {
                api_key.clone()
            }
        };
        Self::from_lookup(|name| given(name).or_else(|| std::env::var(name).ok()))
    }

    /// The same with the environment passed in.
    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let read = |name: &str, example: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    Error::from(
                        ErrorInfo::new(
                            ErrorCode::ConfigInvalid,
                            format!("the environment variable {name} is not set"),
                        )
                        .with_remedy(format!("Set {name}, for example {example}.")),
                    )
                })
        };
        Ok(Self::new(
            read(ENV_URL, "http://127.0.0.1:8787")?,
            read(
                ENV_API_KEY,
                "to the key that `multi-upload keys create` prints",
            )?,
        ))
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("url", &self.url)
            .field("api_key", &"[redacted]")
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("max_attempts", &self.max_attempts)
            .field("retry", &self.retry)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = ClientOptions::from_lookup(|name| {
            (name == ENV_URL).then(|| "http://127.0.0.1:8787".to_owned())
        })
        .map(|options| options.url)
        .expect_err("the key is missing");
        assert_eq!(error.info().code, "CONFIG_INVALID");
        assert!(error.info().detail.contains(ENV_API_KEY));
        assert!(error.info().remedy.contains(ENV_API_KEY));
    }

    #[test]
    fn blanks_around_values_do_not_matter() {
        let options =
            ClientOptions::from_lookup(|_| Some(" x\n".to_owned())).expect("both are set");
        assert_eq!((options.url.as_str(), options.api_key.as_str()), ("x", "x"));
    }

    #[test]
    fn debug_hides_the_key() {
        let text = format!("{:?}", ClientOptions::new("http://h", "mu_live_secret"));
        assert!(text.contains("http://h") && !text.contains("secret"));
    }
}

//! Signatures of webhooks by the Standard Webhooks specification: making them, and checking them without a client.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::Value;
use sha2::Sha256;

use crate::error::Error;

/// How far a message's time may be from ours, in seconds: an old one may be a replay.
pub const TOLERANCE_S: u64 = 300;

/// Header with the message's id, the same for each attempt: remember it to notice repetitions.
pub const WEBHOOK_ID: &str = "webhook-id";
/// Header with the time of the attempt, in Unix seconds.
pub const WEBHOOK_TIMESTAMP: &str = "webhook-timestamp";
/// Header with the signatures, with spaces between them.
pub const WEBHOOK_SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

/// Signs a message: `v1,` and the signature in base64.
///
/// # Errors
/// `CONFIG_INVALID` for a secret that is not `whsec_` and base64.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Result<String, Error> {
    let key = key_of(secret)?;
    let code = mac(&key, id, &timestamp.to_string(), body)
        .finalize()
        .into_bytes();
    Ok(format!("{VERSION}{}", STANDARD.encode(code)))
}

/// Checks a webhook and gives its event: `{"type", "timestamp", "data"}`.
///
/// `body` is what arrived, byte for byte: JSON that was parsed and written again has another signature. `headers` are those of
/// the request, in any case and order. Any of `secrets` may have signed it, so that one can be replaced by another while both
/// are in use. `now` is the time in Unix seconds. Signatures are compared in constant time.
///
/// # Errors
/// `WEBHOOK_SIGNATURE_INVALID` when a header is missing, the time is more than five minutes away from `now`, or no signature is
/// right; `CONFIG_INVALID` for a secret that is not `whsec_` and base64.
pub fn verify<'a>(
    body: &[u8],
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    secrets: &[impl AsRef<str>],
    now: i64,
) -> Result<Value, Error> {
    let keys = secrets
        .iter()
        .map(|secret| key_of(secret.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(config("no secret was given"));
    }
    let (mut id, mut timestamp, mut signatures) = (None, None, None);
    for (name, value) in headers {
        for (wanted, found) in [
            (WEBHOOK_ID, &mut id),
            (WEBHOOK_TIMESTAMP, &mut timestamp),
            (WEBHOOK_SIGNATURE, &mut signatures),
        ] {
            if name.eq_ignore_ascii_case(wanted) && found.replace(value).is_some() {
                return Err(invalid(&format!("the header {wanted} stands there twice")));
            }
        }
    }
    let id = required(id, WEBHOOK_ID)?;
    let timestamp = required(timestamp, WEBHOOK_TIMESTAMP)?;
    let signatures = required(signatures, WEBHOOK_SIGNATURE)?;
    let sent: i64 = timestamp
        .parse()
        .map_err(|_| invalid("its time is not a number of seconds"))?;
    if now.abs_diff(sent) > TOLERANCE_S {
        return Err(invalid(
            "its time is more than five minutes away: it is a replay, or a clock is wrong",
        ));
    }
    // Every pair is tried, so that the time taken does not tell which was nearly right.
    let mut right = false;
    for signature in signatures.split(' ') {
        let Some(code) = signature
            .strip_prefix(VERSION)
            .and_then(|text| STANDARD.decode(text).ok())
        else {
            continue;
        };
        for key in &keys {
            right |= mac(key, id, timestamp, body).verify_slice(&code).is_ok();
        }
    }
    if !right {
        return Err(invalid("no signature fits this body and secret"));
    }
    serde_json::from_slice(body).map_err(|error| {
        Error::from(ErrorInfo::new(
            ErrorCode::ProtocolError,
            "the webhook is signed, but its body is not JSON",
        ))
        .with_source(error)
    })
}

/// [`verify`] by the machine's clock.
///
/// # Errors
/// As [`verify`].
pub fn verify_now<'a>(
    body: &[u8],
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    secrets: &[impl AsRef<str>],
) -> Result<Value, Error> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
    verify(body, headers, secrets, now)
}

fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Error> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| invalid(&format!("the header {name} is missing")))
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

fn key_of(secret: &str) -> Result<Vec<u8>, Error> {
    secret
        .strip_prefix(PREFIX)
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|key| key.len() >= 16)
        .ok_or_else(|| config("a webhook secret is `whsec_` and base64, as it was shown when the endpoint was made"))
}

fn config(detail: &str) -> Error {
    ErrorInfo::new(ErrorCode::ConfigInvalid, detail)
        .with_remedy(
            "Use the secret of the endpoint; `POST /v1/webhooks/{id}/rotate` makes a new one.",
        )
        .into()
}

fn invalid(detail: &str) -> Error {
    ErrorInfo::new(
        ErrorCode::WebhookSignatureInvalid,
        format!("the webhook cannot be trusted: {detail}"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn headers(signature: &str) -> [(&'static str, String); 3] {
        [
            ("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
            ("Webhook-Timestamp", NOW.to_string()),
            ("Webhook-Signature", signature.to_owned()),
        ]
    }

    fn check(body: &[u8], signature: &str, secrets: &[&str], now: i64) -> Result<Value, Error> {
        let headers = headers(signature);
        verify(
            body,
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            secrets,
            now,
        )
    }

    fn signature() -> String {
        sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, BODY).expect("a signature")
    }

    #[test]
    fn the_vector_of_the_specification_holds() {
        assert_eq!(
            signature(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let event = check(BODY, &signature(), &[SECRET], NOW).expect("it is right");
        assert_eq!(event["test"], 2_432_232_314_u64);
    }

    #[test]
    fn several_signatures_and_secrets_may_stand_side_by_side() {
        let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let both = format!("v1,bm9ncw== v1a,xx {} v2,yy", signature());
        assert!(check(BODY, &both, &[SECRET], NOW).is_ok());
        assert!(check(BODY, &both, &[other, SECRET], NOW).is_ok());
        assert!(check(BODY, &both, &[other], NOW).is_err());
    }

    #[test]
    fn old_and_future_messages_are_refused() {
        for (shift, right) in [(300, true), (301, false), (-300, true), (-301, false)] {
            let result = check(BODY, &signature(), &[SECRET], NOW + shift);
            assert_eq!(result.is_ok(), right, "{shift}");
        }
        let far = check(BODY, &signature(), &[SECRET], i64::MIN);
        assert_eq!(
            far.expect_err("far away").code(),
            "WEBHOOK_SIGNATURE_INVALID"
        );
    }

    #[test]
    fn no_flipped_bit_is_accepted() {
        let signature = signature();
        for bit in 0..BODY.len() * 8 {
            let mut body = BODY.to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(
                check(&body, &signature, &[SECRET], NOW).is_err(),
                "body, bit {bit}"
            );
        }
        let code = STANDARD.decode(&signature[3..]).expect("base64");
        for bit in 0..code.len() * 8 {
            let mut code = code.clone();
            code[bit / 8] ^= 1 << (bit % 8);
            let changed = format!("v1,{}", STANDARD.encode(code));
            assert!(
                check(BODY, &changed, &[SECRET], NOW).is_err(),
                "signature, bit {bit}"
            );
        }
        for cut in [0, 1, 2, 10, signature.len() - 1] {
            assert!(check(BODY, &signature[..cut], &[SECRET], NOW).is_err());
        }
    }

    #[test]
    fn what_is_missing_or_doubled_is_named() {
        let all = headers(&signature());
        for left_out in 0..3 {
            let mut some = all.to_vec();
            let (name, _) = some.remove(left_out);
            let error = verify(
                BODY,
                some.iter().map(|(name, value)| (*name, value.as_str())),
                &[SECRET],
                NOW,
            )
            .expect_err("a header is missing");
            assert!(error.to_string().contains(&name.to_lowercase()), "{error}");
            let mut twice = all.to_vec();
            twice.push(all[left_out].clone());
            let twice = twice.iter().map(|(name, value)| (*name, value.as_str()));
            assert!(verify(BODY, twice, &[SECRET], NOW).is_err());
        }
        let error = check(BODY, &signature(), &["whsec_!"], NOW).expect_err("no secret");
        assert_eq!(error.code(), "CONFIG_INVALID");
        assert!(!error.to_string().contains("whsec_!"));
        assert!(check(BODY, &signature(), &[], NOW).is_err());
    }
}

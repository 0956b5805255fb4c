//! API keys: what their text looks like, and how one is checked.
//!
//! ```text
//! mu_live_ 0Abc…(22) 9xYz…(43) k3Q9aZ
//!  mode     id         secret   checksum
//! ```
//!
//! The id leads to the row without a search over secrets. The secret is 32 random bytes, so a plain SHA-256 protects it.
//! The checksum lets a client, a secret scanner or the server see a mistyped key without the database.

use jiff::Timestamp;
use multi_upload_wire::{
    ApiKey, CreateApiKey, CreatedApiKey, ErrorCode, ErrorInfo, FieldError, Mode, Scope,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::store::{ApiKeyRow, Millis, Owner};

/// 22 digits hold 128 bits, 43 hold 256, 6 hold 32.
const ID_DIGITS: usize = 22;
const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes a key: the row to store and the only showing of the text.
///
/// # Errors
/// `VALIDATION_FAILED` when `expires_at` is not a time to come, `INTERNAL` when the system gives no random numbers.
pub(crate) fn generate(
    owner: &Owner,
    request: &CreateApiKey,
    now: Millis,
) -> Result<(ApiKeyRow, CreatedApiKey), ErrorInfo> {
    let expires_at = request
        .expires_at
        .as_deref()
        .map(|text| expiry(text, now))
        .transpose()?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| {
        ErrorInfo::new(
            ErrorCode::Internal,
            format!("the system gives no random numbers: {error}"),
        )
    })?;
    Ok(assemble(
        owner,
        request,
        expires_at,
        now,
        &new_id("key"),
        &secret,
    ))
}

fn expiry(text: &str, now: Millis) -> Result<Millis, ErrorInfo> {
    let (code, detail) = match text.parse::<Timestamp>() {
        Ok(at) if at.as_millisecond() > now => return Ok(at.as_millisecond()),
        Ok(_) => (
            "in_past",
            format!("{text} has passed: the key would never work"),
        ),
        Err(_) => (
            "invalid",
            format!(
                "{text:?} is not an RFC 3339 time with an offset, such as 2027-01-31T12:00:00Z"
            ),
        ),
    };
    Err(
        ErrorInfo::new(ErrorCode::ValidationFailed, detail.clone()).with_errors(vec![FieldError {
            pointer: "/expires_at".to_owned(),
            code: code.to_owned(),
            detail,
        }]),
    )
}

fn assemble(
    owner: &Owner,
    request: &CreateApiKey,
    expires_at: Option<Millis>,
    now: Millis,
    id: &str,
    secret: &[u8; 32],
) -> (ApiKeyRow, CreatedApiKey) {
    let number = id
        .strip_prefix("key_")
        .and_then(|hex| u128::from_str_radix(hex, 16).ok())
        .unwrap_or_default();
    let mut text = String::from(prefix(owner.mode));
    push_digits(&mut text, &number.to_be_bytes(), ID_DIGITS);
    push_digits(&mut text, secret, SECRET_DIGITS);
    let check = crc32(text.as_bytes());
    push_digits(&mut text, &check.to_be_bytes(), CHECK_DIGITS);

    let scopes = request.scopes.clone().unwrap_or_else(|| {
        Scope::ALL
            .into_iter()
            .filter(|scope| *scope != Scope::Admin)
            .collect()
    });
    let row = ApiKeyRow {
        id: id.to_owned(),
        owner: owner.clone(),
        name: request.name.clone(),
        hash: hash(&text).to_vec(),
        scopes: scopes.clone(),
        accounts: request.accounts.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    let created = CreatedApiKey {
        id: id.to_owned(),
        key: text,
        mode: owner.mode,
        scopes,
        accounts: request.accounts.clone(),
    };
    (row, created)
}

/// What may be shown of a key.
pub(crate) fn public(row: ApiKeyRow) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name,
        mode: row.owner.mode,
        scopes: row.scopes,
        accounts: row.accounts,
        created_at: rfc3339(row.created_at),
        expires_at: row.expires_at.map(rfc3339),
        revoked_at: row.revoked_at.map(rfc3339),
    }
}

/// A key as it was presented: its form and checksum are right, whether it is valid only the row tells.
pub(crate) struct PresentedKey {
    /// The row to compare with.
    pub(crate) id: String,
    mode: Mode,
    hash: [u8; 32],
}

impl PresentedKey {
    /// Reads a key; `None` when it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mode, rest) = [Mode::Live, Mode::Test]
            .into_iter()
            .find_map(|mode| Some((mode, text.strip_prefix(prefix(mode))?)))?;
        if rest.len() != ID_DIGITS + SECRET_DIGITS + CHECK_DIGITS
            || !rest.bytes().all(|c| c.is_ascii_alphanumeric())
        {
            return None;
        }
        let (signed, check) = text.split_at(text.len() - CHECK_DIGITS);
        if read_digits(check)? != u128::from(crc32(signed.as_bytes())) {
            return None;
        }
        let number = read_digits(&rest[..ID_DIGITS])?;
        Some(Self {
            id: format!("key_{number:032x}"),
            mode,
            hash: hash(text),
        })
    }

    /// Is this the key of the row? Takes the same time wherever they differ. Expiry and revocation are the caller's to look at.
    pub(crate) fn matches(&self, row: &ApiKeyRow) -> bool {
        let same = self.hash.as_slice().ct_eq(row.hash.as_slice());
        bool::from(same) && row.id == self.id && row.owner.mode == self.mode
    }
}

const fn prefix(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "mu_live_",
        Mode::Test => "mu_test_",
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Appends a big-endian number in base 62, with leading zeros.
fn push_digits(text: &mut String, bytes: &[u8], count: usize) {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; count];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let part = (rest << 8) | u32::from(*byte);
            *byte = (part / 62) as u8;
            rest = part % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    number.fill(0);
    text.extend(digits.into_iter().map(char::from));
}

/// A number in base 62; `None` with another character or above 128 bits.
fn read_digits(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |number, c| {
        let digit = DIGITS.iter().position(|d| *d == c)?;
        number.checked_mul(62)?.checked_add(digit as u128)
    })
}

/// CRC-32 as in zip and PNG (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(mode: Mode) -> Owner {
        Owner {
            team: "team_a".to_owned(),
            mode,
        }
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn numbers_in_base_62_come_back() {
        let mut text = String::new();
        push_digits(&mut text, &u128::MAX.to_be_bytes(), ID_DIGITS);
        assert_eq!(text, "7n42DGM5Tflk9n8mt7Fhc7");
        assert_eq!(read_digits(&text), Some(u128::MAX));
        assert_eq!(read_digits("zzzzzzzzzzzzzzzzzzzzzz"), None);
        text.clear();
        push_digits(&mut text, &[0xff; 32], SECRET_DIGITS);
        assert_eq!(text.len(), SECRET_DIGITS);
        assert!(!text.starts_with('0'), "43 digits are just enough");
    }

    #[test]
    fn a_key_leads_to_its_row_and_matches_only_it() {
        for mode in [Mode::Live, Mode::Test] {
            let (row, created) = generate(&owner(mode), &CreateApiKey::default(), 5).unwrap();
            let (other, _) = generate(&owner(mode), &CreateApiKey::default(), 5).unwrap();
            assert!(created.key.starts_with(prefix(mode)));
            let presented = PresentedKey::parse(&created.key).unwrap();
            assert_eq!(presented.id, row.id);
            assert!(presented.matches(&row));
            assert!(!presented.matches(&other));
            let moved = ApiKeyRow {
                owner: owner(if mode == Mode::Live {
                    Mode::Test
                } else {
                    Mode::Live
                }),
                ..row
            };
            assert!(!presented.matches(&moved));
        }
    }

    #[test]
    fn the_secret_is_not_in_the_row() {
        let (row, created) = generate(&owner(Mode::Live), &CreateApiKey::default(), 5).unwrap();
        assert!(!format!("{row:?}").contains(&created.key[30..73]));
        assert!(!format!("{created:?}").contains(&created.key[30..73]));
    }

    #[test]
    fn a_key_with_one_wrong_character_is_refused_by_its_checksum() {
        let (_, created) = assemble(
            &owner(Mode::Live),
            &CreateApiKey::default(),
            None,
            5,
            "key_0198a2b3c4d5e6f708192a3b4c5d6e7f",
            &[7; 32],
        );
        assert!(PresentedKey::parse(&created.key).is_some());
        for position in 0..created.key.len() {
            let mut wrong = created.key.clone().into_bytes();
            wrong[position] = if wrong[position] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(PresentedKey::parse(&wrong).is_none(), "{position}");
        }
        assert!(PresentedKey::parse("").is_none());
        assert!(PresentedKey::parse("mu_live_é").is_none());
        assert!(PresentedKey::parse(&created.key[..created.key.len() - 1]).is_none());
        assert!(PresentedKey::parse(&format!("{}0", created.key)).is_none());
    }

    #[test]
    fn without_scopes_a_key_may_do_everything_but_administer() {
        let (row, _) = generate(&owner(Mode::Live), &CreateApiKey::default(), 5).unwrap();
        assert_eq!(row.scopes.len(), Scope::ALL.len() - 1);
        assert!(!row.scopes.contains(&Scope::Admin));
        let some = CreateApiKey {
            scopes: Some(vec![Scope::Admin]),
            ..CreateApiKey::default()
        };
        let (row, created) = generate(&owner(Mode::Live), &some, 5).unwrap();
        assert_eq!(row.scopes, [Scope::Admin]);
        assert_eq!(created.scopes, [Scope::Admin]);
    }

    #[test]
    fn an_expiry_must_be_a_time_to_come() {
        let at = |text: &str| CreateApiKey {
            expires_at: Some(text.to_owned()),
            ..CreateApiKey::default()
        };
        let owner = owner(Mode::Live);
        let (row, _) = generate(&owner, &at("1970-01-01T00:00:06Z"), 5_000).unwrap();
        assert_eq!(row.expires_at, Some(6_000));
        for wrong in ["1970-01-01T00:00:05Z", "2027-01-31", "soon"] {
            let error = generate(&owner, &at(wrong), 5_000).unwrap_err();
            assert!(error.is(ErrorCode::ValidationFailed), "{wrong}");
            assert_eq!(error.errors[0].pointer, "/expires_at");
        }
    }
}

//! The root key: 32 bytes that wrap the data keys. It lives outside the database, so that a copy of the database alone
//! opens no token.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use sha2::Sha256;
use zeroize::Zeroizing;

const SETTING: &str = "MULTI_UPLOAD_MASTER_KEY";
const FILE_SETTING: &str = "MULTI_UPLOAD_MASTER_KEY_FILE";

/// The root key. Never shown.
#[derive(Clone)]
pub struct MasterKey(pub(super) Zeroizing<[u8; 32]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// Another key, for one purpose: from it the root key cannot be reckoned.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of every length");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// The key of a text: 64 hexadecimal digits, or base64 of 32 bytes.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for any other text; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, ErrorInfo> {
        decode(text.trim()).map(Self).ok_or_else(|| {
            config(format!(
                "{SETTING} is not a key: it must be 32 random bytes as base64 or as 64 hexadecimal digits"
            ))
            .with_remedy(format!(
                "Make one with `openssl rand -base64 32`, keep it safe, and set {SETTING} or {FILE_SETTING}."
            ))
        })
    }

    /// The key of the settings `MULTI_UPLOAD_MASTER_KEY` or `MULTI_UPLOAD_MASTER_KEY_FILE`; else the one in the data folder's
    /// `master.key`, which is made, readable for its owner only, where there is none.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when a setting or the file holds no key, or the file is open to other users.
    pub fn load_or_create(data: &Path) -> Result<Self, ErrorInfo> {
        let setting = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self::choose(setting(SETTING), setting(FILE_SETTING), data)
    }

    /// The root key of the settings, where several engines need the same one.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when no setting names a key, or it holds none, or the file is open to other users.
    pub fn load() -> Result<Self, ErrorInfo> {
        let setting = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (setting(SETTING), setting(FILE_SETTING)) {
            (None, None) => Err(config(format!(
                "with a database server the root key must be set: neither {SETTING} nor {FILE_SETTING} is"
            ))
            .with_remedy(format!(
                "Make one with `openssl rand -base64 32`, keep it safe, and give every engine the same {SETTING}."
            ))),
            (text, file) => Self::choose(text, file, Path::new("")),
        }
    }

    fn choose(text: Option<String>, file: Option<String>, data: &Path) -> Result<Self, ErrorInfo> {
        match (text.map(Zeroizing::new), file) {
            (Some(_), Some(_)) => Err(config(format!(
                "{SETTING} and {FILE_SETTING} are both set: it is not clear which key is meant"
            ))
            .with_remedy("Set only one of them.")),
            (Some(text), None) => Self::parse(&text),
            (None, Some(file)) => Self::read(Path::new(&file))?.ok_or_else(|| {
                config(format!(
                    "the key file {file} named by {FILE_SETTING} does not exist"
                ))
            }),
            (None, None) => Self::in_folder(data),
        }
    }

    fn in_folder(data: &Path) -> Result<Self, ErrorInfo> {
        let path = data.join("master.key");
        if let Some(key) = Self::read(&path)? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|error| config(format!("the system gives no random numbers: {error}")))?;
        let created = write_new(&path, &bytes);
        match created {
            Ok(()) => Ok(Self(bytes)),
            // Another process was faster: its key counts.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Self::read(&path)?.ok_or_else(|| unusable(&path, &error.to_string()))
            }
            Err(error) => Err(unusable(&path, &error.to_string())),
        }
    }

    /// The key of a file; `None` when there is no file.
    fn read(path: &Path) -> Result<Option<Self>, ErrorInfo> {
        let failed = |error: std::io::Error| unusable(path, &error.to_string());
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        refuse_open_file(&file, path)?;
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(failed)?;
        let key = decode(text.trim())
            .ok_or_else(|| unusable(path, "it does not hold 32 bytes as base64 or hexadecimal"))?;
        Ok(Some(Self(key)))
    }
}

#[cfg(unix)]
fn refuse_open_file(file: &File, path: &Path) -> Result<(), ErrorInfo> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file
        .metadata()
        .map_err(|error| unusable(path, &error.to_string()))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(config(format!(
        "the key file {} is open to other users of this machine (mode {:03o}): they could read every stored token",
        path.display(),
        mode & 0o777
    ))
    .with_remedy(format!("Run `chmod 600 {}`.", path.display())))
}

#[cfg(not(unix))]
fn refuse_open_file(_file: &File, _path: &Path) -> Result<(), ErrorInfo> {
    Ok(())
}

/// Writes the file so that it is never there with half of its bytes, and never replaces one.
fn write_new(path: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    let half = path.with_extension(format!("key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&half).and_then(|mut file| {
        let text = Zeroizing::new(engine(&STANDARD).encode(key));
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // Unlike a rename, a link fails where a file is.
        std::fs::hard_link(&half, path)
    });
    let removed = std::fs::remove_file(&half);
    written.and(removed)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        return Some(key);
    }
    [&STANDARD, &URL_SAFE].into_iter().find_map(|alphabet| {
        let bytes = Zeroizing::new(engine(alphabet).decode(text).ok()?);
        key.copy_from_slice(bytes.get(..32).filter(|_| bytes.len() == 32)?);
        Some(key.clone())
    })
}

fn engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

fn config(detail: String) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::ConfigInvalid, detail)
}

fn unusable(path: &Path, why: &str) -> ErrorInfo {
    config(format!(
        "the key file {} cannot be used: {why}",
        path.display()
    ))
    .with_remedy(format!(
        "Put back the file from your backup, or set {SETTING} or {FILE_SETTING} to the key that this data folder was made with."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0ff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9/v8=";
    const URL_BASE64: &str = "AAECAwQFBgcICQoLDA0OD_Dx8vP09fb3-Pn6-_z9_v8";

    #[test]
    fn hex_and_both_kinds_of_base64_are_read() {
        let key = MasterKey::parse(HEX).unwrap();
        assert_eq!(key.0[15..17], [0x0f, 0xf0]);
        for text in [
            BASE64,
            URL_BASE64,
            " \n000102030405060708090A0B0C0D0E0FF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF\n",
        ] {
            assert_eq!(*MasterKey::parse(text).unwrap().0, *key.0, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_without_repeating_them() {
        for text in [
            "",
            "secret-word",
            &HEX[..62],
            &format!("{HEX}00"),
            "AAECAwQFBgcICQoLDA0ODw==",
        ] {
            let error = MasterKey::parse(text).unwrap_err();
            assert!(error.is(ErrorCode::ConfigInvalid));
            assert!(error.detail.contains("MULTI_UPLOAD_MASTER_KEY"));
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
        assert_eq!(
            format!("{:?}", MasterKey::parse(HEX).unwrap()),
            "MasterKey(…)"
        );
    }

    #[test]
    fn the_first_start_makes_a_private_file_and_the_next_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = MasterKey::choose(None, None, folder.path()).unwrap();
        let path = folder.path().join("master.key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let second = MasterKey::choose(None, None, folder.path()).unwrap();
        assert_eq!(*first.0, *second.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let named = MasterKey::choose(None, path.to_str().map(ToOwned::to_owned), folder.path());
        assert_eq!(*named.unwrap().0, *first.0);
        let other = MasterKey::choose(Some(HEX.to_owned()), None, folder.path()).unwrap();
        assert_ne!(*other.0, *first.0);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        for mode in [0o640, 0o604, 0o620] {
            std::fs::write(&path, HEX).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = MasterKey::choose(None, None, folder.path()).unwrap_err();
            assert!(error.is(ErrorCode::ConfigInvalid));
            assert!(error.remedy.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_broken_or_missing_file_and_two_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        write_new(&path, &[1; 32]).unwrap();
        assert_eq!(
            write_new(&path, &[2; 32]).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        std::fs::write(&path, "half").unwrap();
        let error = MasterKey::choose(None, None, folder.path()).unwrap_err();
        assert!(error.detail.contains("master.key"), "{error}");
        let missing = Some(folder.path().join("none").display().to_string());
        assert!(MasterKey::choose(None, missing.clone(), folder.path()).is_err());
        let both = MasterKey::choose(Some(HEX.to_owned()), missing, folder.path()).unwrap_err();
        assert!(both.detail.contains("both set"));
    }
}

//! What an operator may set.

use std::fmt;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use url::Url;

use super::Tier;

pub(super) const APP_ID: &str = "PINTEREST_APP_ID";
pub(super) const APP_SECRET: &str = "PINTEREST_APP_SECRET";
pub(super) const API_URL: &str = "MULTI_UPLOAD_PINTEREST_API_URL";
const AUTHORIZE_URL: &str = "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL";
const TIER: &str = "MULTI_UPLOAD_PINTEREST_TIER";
const MAX_VIDEO_SECONDS: &str = "MULTI_UPLOAD_PINTEREST_MAX_VIDEO_SECONDS";
const CONVERT_IMAGES: &str = "MULTI_UPLOAD_PINTEREST_CONVERT_IMAGES";

/// The app on Pinterest and where Pinterest is.
#[derive(Clone, PartialEq, Eq)]
pub struct PinterestSettings {
    /// App id from <https://developers.pinterest.com/apps/>; empty where none is set.
    pub app_id: String,
    /// App secret from the same page; empty where none is set. `Debug` leaves it out.
    pub app_secret: String,
    /// Base of the API; paths are appended, `/oauth/token` too.
    pub api_url: String,
    /// The consent page, complete.
    pub authorize_url: String,
    /// Access tier of the app: it says how much may be sent. `None` stands for a word that names none;
    /// [`super::Pinterest::new`] refuses it.
    pub tier: Option<Tier>,
    /// Longest video in seconds. Zero stands for a text that was no number; [`super::Pinterest::new`] refuses it.
    pub max_video_seconds: u32,
    /// Are WebP, CMYK and oversized images converted before they are sent? Else they are refused.
    pub convert_images: bool,
}

impl Default for PinterestSettings {
    fn default() -> Self {
        Self {
            app_id: String::new(),
            app_secret: String::new(),
            api_url: "https://api.pinterest.com/v5".to_owned(),
            authorize_url: "https://www.pinterest.com/oauth/".to_owned(),
            tier: Some(Tier::Standard),
            max_video_seconds: 900,
            convert_images: false,
        }
    }
}

impl fmt::Debug for PinterestSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinterestSettings")
            .field("app_id", &self.app_id)
            .field("api_url", &self.api_url)
            .field("authorize_url", &self.authorize_url)
            .field("tier", &self.tier)
            .field("max_video_seconds", &self.max_video_seconds)
            .field("convert_images", &self.convert_images)
            .finish_non_exhaustive()
    }
}

impl PinterestSettings {
    /// The settings of the environment. What is missing or empty has its default; what is wrong is
    /// refused by [`super::Pinterest::new`].
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name| {
            lookup(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let default = Self::default();
        Self {
            app_id: given(APP_ID).unwrap_or_default(),
            app_secret: given(APP_SECRET).unwrap_or_default(),
            api_url: given(API_URL).unwrap_or(default.api_url),
            authorize_url: given(AUTHORIZE_URL).unwrap_or(default.authorize_url),
            tier: given(TIER).map_or(default.tier, |word| Tier::from_name(&word)),
            max_video_seconds: given(MAX_VIDEO_SECONDS)
                .map_or(default.max_video_seconds, |text| text.parse().unwrap_or(0)),
            convert_images: given(CONVERT_IMAGES).map_or(default.convert_images, |word| {
                !matches!(word.as_str(), "0" | "false" | "no" | "off")
            }),
        }
    }

    /// The address of the API and the consent page, parsed.
    pub(super) fn addresses(&self) -> Result<(Url, Url), ErrorInfo> {
        if self.max_video_seconds == 0 {
            return Err(ErrorInfo::new(
                ErrorCode::ConfigInvalid,
                format!("{MAX_VIDEO_SECONDS} is not a whole number of seconds of at least 1."),
            )
            .with_remedy(format!(
                "Set {MAX_VIDEO_SECONDS} to a number such as 900, or leave it out."
            )));
        }
        if self.tier.is_none() {
            return Err(ErrorInfo::new(
                ErrorCode::ConfigInvalid,
                format!("{TIER} is neither `standard` nor `trial`."),
            )
            .with_remedy(format!(
                "Set {TIER} to the access tier of your Pinterest app, or leave it out for `standard`."
            )));
        }
        let api = address(API_URL, &self.api_url, "https://api.pinterest.com/v5")?;
        if api.query().is_some() || api.fragment().is_some() {
            return Err(wrong_address(
                API_URL,
                "it has a query or a fragment",
                "https://api.pinterest.com/v5",
            ));
        }
        Ok((
            api,
            address(
                AUTHORIZE_URL,
                &self.authorize_url,
                "https://www.pinterest.com/oauth/",
            )?,
        ))
    }

    /// An error that names what is missing before OAuth can work.
    pub(super) fn credentials(&self) -> Result<(), ErrorInfo> {
        let missing = match (self.app_id.is_empty(), self.app_secret.is_empty()) {
            (false, false) => return Ok(()),
            (true, true) => format!("{APP_ID} and {APP_SECRET} are not set"),
            (true, false) => format!("{APP_ID} is not set"),
            (false, true) => format!("{APP_SECRET} is not set"),
        };
        Err(ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("{missing}: Pinterest accounts are connected through an app of your own."),
        )
        .with_remedy(format!(
            "Open https://developers.pinterest.com/apps/, make an app or choose yours, and set {APP_ID} and \
             {APP_SECRET} to its id and secret key."
        )))
    }
}

fn address(setting: &str, text: &str, example: &str) -> Result<Url, ErrorInfo> {
    let url =
        Url::parse(text).map_err(|error| wrong_address(setting, &error.to_string(), example))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong_address(
            setting,
            "it does not begin with https:// or http://",
            example,
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong_address(
            setting,
            "it holds a user name or a password",
            example,
        ));
    }
    Ok(url)
}

/// The address itself is left out: it may hold a password.
fn wrong_address(setting: &str, why: &str, example: &str) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::ConfigInvalid,
        format!("{setting} is not a usable address: {why}."),
    )
    .with_remedy(format!(
        "Set {setting} to an address such as {example}, or leave it out."
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use super::*;

    #[test]
    fn what_is_missing_or_empty_has_its_default() {
        let settings =
            PinterestSettings::from_lookup(|name| (name == API_URL).then(|| "  ".to_owned()));
        assert_eq!(settings, PinterestSettings::default());
        assert_eq!(settings.max_video_seconds, 900);
        assert!(settings.addresses().is_ok());
    }

    #[test]
    fn the_environment_is_read() {
        let settings = PinterestSettings::from_lookup(|name| {
            Some(
                match name {
                    APP_ID => "17",
                    APP_SECRET => " hush ",
                    API_URL => "http://127.0.0.1:1/v5/",
                    AUTHORIZE_URL => "http://127.0.0.1:1/oauth/",
                    TIER => "trial",
                    MAX_VIDEO_SECONDS => "60",
                    CONVERT_IMAGES => "false",
                    other => panic!("nobody told of {other}"),
                }
                .to_owned(),
            )
        });
        assert_eq!(
            (settings.app_id.as_str(), settings.app_secret.as_str()),
            ("17", "hush")
        );
        assert_eq!(settings.max_video_seconds, 60);
        assert!(!settings.convert_images);
        assert_eq!(settings.tier, Some(Tier::Trial));
        assert!(settings.credentials().is_ok());
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn a_wrong_setting_is_named_and_its_text_is_not_shown() {
        for (setting, change) in [
            (
                TIER,
                PinterestSettings {
                    tier: Tier::from_name("premium"),
                    ..Default::default()
                },
            ),
            (
                API_URL,
                PinterestSettings {
                    api_url: "api.pinterest.com/v5".to_owned(),
                    ..Default::default()
                },
            ),
            (
                API_URL,
                PinterestSettings {
                    api_url: "ftp://api.pinterest.com".to_owned(),
                    ..Default::default()
                },
            ),
            (
                API_URL,
                PinterestSettings {
                    api_url: "https://u:hush@a.example".to_owned(),
                    ..Default::default()
                },
            ),
            (
                API_URL,
                PinterestSettings {
                    api_url: "https://a.example/v5?key=hush".to_owned(),
                    ..Default::default()
                },
            ),
            (
                AUTHORIZE_URL,
                PinterestSettings {
                    authorize_url: "www".to_owned(),
                    ..Default::default()
                },
            ),
            (
                MAX_VIDEO_SECONDS,
                PinterestSettings {
                    max_video_seconds: 0,
                    ..Default::default()
                },
            ),
        ] {
            let error = change.addresses().unwrap_err();
            assert!(error.is(ErrorCode::ConfigInvalid));
            assert!(error.detail.starts_with(setting), "{error}");
            assert!(error.remedy.contains(setting), "{error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn missing_credentials_are_named_with_the_place_to_get_them() {
        let error = PinterestSettings {
            app_id: "1".to_owned(),
            ..Default::default()
        }
        .credentials()
        .unwrap_err();
        assert!(
            error.detail.contains(APP_SECRET) && !error.detail.contains(APP_ID),
            "{error}"
        );
        let error = PinterestSettings::default().credentials().unwrap_err();
        assert!(
            error.detail.contains(APP_SECRET) && error.detail.contains(APP_ID),
            "{error}"
        );
        assert!(
            error
                .remedy
                .contains("https://developers.pinterest.com/apps/")
        );
    }
}

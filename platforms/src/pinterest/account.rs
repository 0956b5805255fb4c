//! Whose account it is.

use serde_json::Value;

use super::api::Api;
use super::{fields, misfit};
use crate::{PlatformError, Profile};

pub(super) async fn profile(api: &Api, token: &str) -> Result<Profile, PlatformError> {
    let account = api.get(token, &["user_account"], &[]).await?;
    read(&account).ok_or_else(|| misfit("the answer names no account", false))
}

/// The id stays when the user name changes; old answers without one leave only the name to go by.
fn read(account: &Value) -> Option<Profile> {
    let username = fields::text(account, "username");
    let id = fields::text(account, "id").or_else(|| username.clone())?;
    let name = username.or_else(|| fields::text(account, "business_name"));
    Some(Profile { id, name })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_id_falls_back_to_the_user_name() {
        let profile = |id: &str, name: Option<&str>| {
            Some(Profile {
                id: id.to_owned(),
                name: name.map(str::to_owned),
            })
        };
        let full = json!({"id": "549", "username": "studio", "business_name": "Studio Ltd", "account_type": "ROBOT", "x": 1});
        assert_eq!(read(&full), profile("549", Some("studio")));
        assert_eq!(
            read(&json!({"username": "studio"})),
            profile("studio", Some("studio"))
        );
        assert_eq!(
            read(&json!({"id": "549", "username": null})),
            profile("549", None)
        );
        assert_eq!(
            read(&json!({"id": "549", "business_name": "B"})),
            profile("549", Some("B"))
        );
        assert_eq!(read(&json!({"about": "x"})), None);
    }
}

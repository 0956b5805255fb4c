//! `multi-upload keys`: opens the data folder beside the service, which may be running.

use multi_upload_server::{create_key_offline, list_keys_offline, revoke_key_offline};
use multi_upload_wire::{ApiKey, CreateApiKey, ErrorCode, ErrorInfo, Mode, Scope};
use serde_json::json;

use crate::args::{Keys, KeysCreate};
use crate::output::Output;

pub(super) async fn run(args: Keys, output: Output) -> Result<i32, ErrorInfo> {
    match args {
        Keys::Create(args) => create(args, output).await?,
        Keys::List { data } => list(
            &list_keys_offline(&data.database(), &data.data).await?,
            output,
        ),
        Keys::Revoke { id, data } => {
            revoke_key_offline(&data.database(), &data.data, &id).await?;
            output.result(&json!({ "id": id, "revoked": true }), || {
                format!("revoked {id}")
            });
        }
    }
    Ok(0)
}

async fn create(args: KeysCreate, output: Output) -> Result<(), ErrorInfo> {
    let request = CreateApiKey {
        name: args.name,
        scopes: args.scopes.map(scopes).transpose()?,
        accounts: args.accounts,
        expires_at: args.expires_at,
    };
    let mode = if args.test { Mode::Test } else { Mode::Live };
    let created = create_key_offline(&args.data.database(), &args.data.data, mode, request).await?;
    output.result(&created, || {
        format!(
            "{}\n{}\nThe key is shown only this once.",
            created.id, created.key
        )
    });
    Ok(())
}

fn scopes(words: Vec<String>) -> Result<Vec<Scope>, ErrorInfo> {
    words
        .iter()
        .map(|word| {
            Scope::from_name(word.trim()).ok_or_else(|| {
                let known: Vec<&str> = Scope::ALL.into_iter().map(Scope::as_str).collect();
                ErrorInfo::new(
                    ErrorCode::ValidationFailed,
                    format!("there is no scope {word:?}"),
                )
                .with_remedy(format!("Use some of: {}.", known.join(", ")))
            })
        })
        .collect()
}

fn list(keys: &[ApiKey], output: Output) {
    output.list(
        keys,
        &["ID", "NAME", "MODE", "SCOPES", "ACCOUNTS", "STATE"],
        |key| {
            let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
            let state = match (&key.revoked_at, &key.expires_at) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("until {at}"),
                (None, None) => "active".to_owned(),
            };
            vec![
                key.id.clone(),
                key.name.clone().unwrap_or_default(),
                key.mode.as_str().to_owned(),
                scopes.join(" "),
                key.accounts
                    .as_ref()
                    .map_or_else(|| "all".to_owned(), |accounts| accounts.join(" ")),
                state,
            ]
        },
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]

    use super::*;

    #[test]
    fn scopes_are_words_of_the_contract() {
        let words = vec!["uploads:read".to_owned(), " admin".to_owned()];
        assert_eq!(scopes(words).unwrap(), [Scope::UploadsRead, Scope::Admin]);
        let error = scopes(vec!["uploads".to_owned()]).unwrap_err();
        assert!(error.remedy.contains("uploads:write"), "{error}");
    }
}

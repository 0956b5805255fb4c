//! Which files the content of an upload names.

use super::StoreResult;
use super::codec::json;

/// The ids of files in a content's JSON text: whatever looks like one counts, since a file that is kept too long does less harm
/// than one that is missing.
pub(super) fn named(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\"md_") {
        rest = &rest[at + 1..];
        let Some((id, after)) = rest.split_once('"') else {
            break;
        };
        let digits = &id["md_".len()..];
        if digits.len() == 32
            && digits.bytes().all(|b| b.is_ascii_hexdigit())
            && !found.contains(&id)
        {
            found.push(id);
        }
        rest = after;
    }
    found
}

/// The same for a content that has no text yet.
pub(super) fn named_in(content: &multi_upload_wire::CreateUpload) -> StoreResult<Vec<String>> {
    let text = json(content)?;
    Ok(named(&text).into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_wherever_they_are_named() {
        let (a, b) = (
            format!("md_{}", "0a".repeat(16)),
            format!("md_{}", "f1".repeat(16)),
        );
        let text = format!(
            r#"{{"media_ids":["{a}","{b}"],"overrides":{{"x":{{"cover_media_id":"{a}"}}}},"title":"md_1","caption":"see {b}"}}"#
        );
        assert_eq!(named(&text), [a, b]);
        assert!(named(r#"{"title":"md_"#).is_empty());
    }
}

//! The limits as a table.

use serde_json::json;

use super::*;

fn good() -> Content {
    Content {
        title: Some("Lemon cake".to_owned()),
        board_id: Some("549755885175000001".to_owned()),
        media: ContentMedia::ImageUrl {
            url: "https://a.example/1.png".to_owned(),
        },
        ..Content::default()
    }
}

fn file(content_type: &str, bytes: u64) -> ContentMedia {
    ContentMedia::ImageFile {
        media_id: "md_1".to_owned(),
        content_type: content_type.to_owned(),
        sha256: "00".to_owned(),
        bytes,
    }
}

/// What `change` makes of a good content: pointers and codes of its errors, pointers of its warnings.
fn verdict(change: impl FnOnce(&mut Content)) -> (Vec<(String, String)>, Vec<String>) {
    let mut content = good();
    change(&mut content);
    let check = check(&content);
    for error in &check.errors {
        assert!(error.detail.ends_with('.'), "{error:?}");
    }
    (
        check
            .errors
            .into_iter()
            .map(|error| (error.pointer, error.code))
            .collect(),
        check
            .warnings
            .into_iter()
            .map(|warning| warning.pointer)
            .collect(),
    )
}

fn text(character: &str, count: usize) -> Option<String> {
    Some(character.repeat(count))
}

#[test]
fn limits_stand_where_the_document_says() {
    type Row = (
        &'static str,
        fn(&mut Content),
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    let long_link = |length: usize| Some(format!("https://a.example/{}", "x".repeat(length - 18)));
    assert_eq!(long_link(2_048).map(|link| link.len()), Some(2_048));
    let table: &[Row] = &[
        ("good", |_| {}, &[], &[]),
        ("title 100", |c| c.title = text("é", 100), &[], &[]),
        (
            "title 101",
            |c| c.title = text("é", 101),
            &[("/title", "too_long")],
            &[],
        ),
        ("emoji count once", |c| c.title = text("🍋", 100), &[], &[]),
        ("no title", |c| c.title = None, &[], &[]),
        (
            "description 500",
            |c| c.description = text("é", 500),
            &[],
            &[],
        ),
        (
            "description 501",
            |c| c.description = text("é", 501),
            &[],
            &["/description"],
        ),
        (
            "description 800",
            |c| c.description = text("é", 800),
            &[],
            &["/description"],
        ),
        (
            "description 801",
            |c| c.description = text("é", 801),
            &[("/description", "too_long")],
            &[],
        ),
        ("alt text 500", |c| c.alt_text = text("é", 500), &[], &[]),
        (
            "alt text 501",
            |c| c.alt_text = text("é", 501),
            &[("/alt_text", "too_long")],
            &[],
        ),
        (
            "link",
            |c| c.link = Some("https://a.example/p?q=1#f".to_owned()),
            &[],
            &[],
        ),
        (
            "link http",
            |c| c.link = Some("HTTP://a.example".to_owned()),
            &[],
            &[],
        ),
        ("empty link", |c| c.link = Some(" ".to_owned()), &[], &[]),
        (
            "link without scheme",
            |c| c.link = Some("a.example/p".to_owned()),
            &[("/link", "invalid")],
            &[],
        ),
        (
            "link with a space",
            |c| c.link = Some("https://a.example/a b".to_owned()),
            &[("/link", "invalid")],
            &[],
        ),
        (
            "link without host",
            |c| c.link = Some("https://".to_owned()),
            &[("/link", "invalid")],
            &[],
        ),
        (
            "other scheme",
            |c| c.link = Some("ftp://a.example".to_owned()),
            &[("/link", "invalid")],
            &[],
        ),
        (
            "short link",
            |c| c.link = Some("https://bit.ly/x".to_owned()),
            &[],
            &["/link"],
        ),
        (
            "no board",
            |c| c.board_id = None,
            &[("/board_id", "required")],
            &[],
        ),
        (
            "empty board",
            |c| c.board_id = text("x", 0),
            &[("/board_id", "required")],
            &[],
        ),
        (
            "board by name",
            |c| c.board_id = Some("my-board".to_owned()),
            &[("/board_id", "invalid")],
            &[],
        ),
        (
            "board with a path",
            |c| c.board_id = Some("1/../2".to_owned()),
            &[("/board_id", "invalid")],
            &[],
        ),
        (
            "section",
            |c| c.board_section_id = Some("12".to_owned()),
            &[],
            &[],
        ),
        (
            "section by name",
            |c| c.board_section_id = Some("Soups".to_owned()),
            &[("/board_section_id", "invalid")],
            &[],
        ),
        (
            "no media",
            |c| c.media = ContentMedia::default(),
            &[("/media", "required")],
            &[],
        ),
        (
            "media path",
            |c| {
                c.media = ContentMedia::ImageUrl {
                    url: "/a.png".to_owned(),
                }
            },
            &[("/media", "invalid")],
            &[],
        ),
        ("jpeg", |c| c.media = file("image/jpeg", 1), &[], &[]),
        (
            "png of 20 MB",
            |c| c.media = file("image/png", 20 * 1024 * 1024),
            &[],
            &[],
        ),
        (
            "png over 20 MB",
            |c| c.media = file("image/png", 20 * 1024 * 1024 + 1),
            &[("/media", "too_large")],
            &[],
        ),
        (
            "webp",
            |c| c.media = file("image/webp", 1),
            &[("/media", "unsupported")],
            &[],
        ),
        (
            "empty file",
            |c| c.media = file("image/png", 0),
            &[("/media", "invalid")],
            &[],
        ),
    ];
    for (name, change, errors, warnings) in table {
        let (found_errors, found_warnings) = verdict(change);
        let found_errors: Vec<_> = found_errors
            .iter()
            .map(|(p, c)| (p.as_str(), c.as_str()))
            .collect();
        assert_eq!(found_errors, *errors, "{name}");
        assert_eq!(found_warnings, *warnings, "{name}");
    }
    assert!(verdict(|c| c.link = long_link(2_048)).0.is_empty());
    assert_eq!(
        verdict(|c| c.link = long_link(2_049)).0,
        [("/link".to_owned(), "too_long".to_owned())]
    );
}

#[test]
fn details_give_the_figure_the_limit_and_the_way_out() {
    let mut content = good();
    content.title = text("a", 130);
    let detail = &check(&content).errors[0].detail;
    assert_eq!(
        detail,
        "The title has 130 characters; Pinterest takes 100. Remove at least 30."
    );
}

#[test]
fn several_faults_are_found_at_once() {
    let (errors, _) = verdict(|c| {
        c.title = text("a", 101);
        c.board_id = None;
        c.media = ContentMedia::default();
    });
    assert_eq!(errors.len(), 3);
}

#[test]
fn pinterests_own_fields() {
    for (name, value, code) in [
        ("dominant_color", json!("#6E7874"), None),
        ("dominant_color", json!(null), None),
        ("dominant_color", json!("red"), Some("invalid")),
        ("dominant_color", json!("#6E787"), Some("invalid")),
        ("parent_pin_id", json!("123"), None),
        ("parent_pin_id", json!(123), Some("invalid")),
        ("sponsor_id", json!("x"), Some("invalid")),
        ("is_standard", json!(false), None),
        ("is_standard", json!("false"), Some("invalid")),
        ("ai_disclosures", json!({"values": ["AI_MODIFIED"]}), None),
        (
            "ai_disclosures",
            json!({"values": ["A_WORD_OF_TOMORROW"]}),
            None,
        ),
        ("ai_disclosures", json!({"values": []}), Some("invalid")),
        ("ai_disclosures", json!(["AI_MODIFIED"]), Some("invalid")),
        ("added_in_6", json!([1]), None),
        ("title", json!("x"), Some("conflict")),
        ("media_source", json!({}), Some("conflict")),
    ] {
        let (errors, _) = verdict(|c| {
            c.fields.insert(name.to_owned(), value.clone());
        });
        let expected: Vec<_> = code
            .into_iter()
            .map(|code| (format!("/fields/{name}"), code.to_owned()))
            .collect();
        assert_eq!(errors, expected, "{name} {value}");
    }
}

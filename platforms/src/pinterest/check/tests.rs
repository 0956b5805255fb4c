//! The limits as a table.

use serde_json::json;

use multi_upload_wire::{MediaFacts, MediaKind};

use super::*;
use crate::{ContentMedia, Cover, Source, StoredFile};

const CHOICES: MediaChoices = MediaChoices {
    max_video_seconds: 900,
    convert_images: false,
};

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

fn facts(kind: MediaKind, content_type: &str) -> MediaFacts {
    MediaFacts {
        kind,
        content_type: content_type.to_owned(),
        width: 1_000,
        height: 1_500,
        rotation: 0,
        duration_ms: None,
        video_codec: None,
        audio_codec: None,
        fragmented: None,
        index_first: None,
        colors: None,
        animated: false,
    }
}

fn stored(bytes: u64, facts: MediaFacts) -> StoredFile {
    StoredFile {
        media_id: "md_1".to_owned(),
        sha256: "00".to_owned(),
        bytes,
        facts: Box::new(facts),
    }
}

fn file(content_type: &str, bytes: u64) -> ContentMedia {
    ContentMedia::ImageFile(stored(bytes, facts(MediaKind::Image, content_type)))
}

/// A video of 10 s at 1080 x 1920 pixels, changed.
fn video(change: impl FnOnce(&mut StoredFile)) -> ContentMedia {
    let mut file = stored(
        1_000,
        MediaFacts {
            width: 1_080,
            height: 1_920,
            duration_ms: Some(10_000),
            video_codec: Some("h264".to_owned()),
            audio_codec: Some("aac".to_owned()),
            ..facts(MediaKind::Video, "video/mp4")
        },
    );
    change(&mut file);
    ContentMedia::Video {
        video: Source::File(file),
        cover: Cover::default(),
    }
}

/// What `change` makes of a good content: pointers and codes of its errors, pointers of its warnings.
fn verdict(change: impl FnOnce(&mut Content)) -> (Vec<(String, String)>, Vec<String>) {
    let mut content = good();
    change(&mut content);
    let check = check(&content, CHOICES);
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
    let detail = &check(&content, CHOICES).errors[0].detail;
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

#[test]
fn a_video_is_judged_by_its_facts() {
    type Row = (
        &'static str,
        fn(&mut StoredFile),
        &'static [&'static str],
        usize,
    );
    let table: &[Row] = &[
        ("as it should be", |_| {}, &[], 0),
        (
            "mov with h265",
            |f| {
                f.facts.content_type = "video/quicktime".to_owned();
                f.facts.video_codec = Some("hevc".to_owned());
            },
            &[],
            0,
        ),
        ("silent", |f| f.facts.audio_codec = None, &[], 0),
        ("2 GB", |f| f.bytes = 2 << 30, &[], 0),
        ("over 2 GB", |f| f.bytes = (2 << 30) + 1, &["too_large"], 0),
        ("4 s", |f| f.facts.duration_ms = Some(4_000), &[], 0),
        (
            "under 4 s",
            |f| f.facts.duration_ms = Some(3_999),
            &["too_short"],
            0,
        ),
        ("15 min", |f| f.facts.duration_ms = Some(900_000), &[], 0),
        (
            "over 15 min",
            |f| f.facts.duration_ms = Some(900_001),
            &["too_long"],
            0,
        ),
        ("no length", |f| f.facts.duration_ms = None, &[], 1),
        (
            "vp9",
            |f| f.facts.video_codec = Some("vp9".to_owned()),
            &["unsupported"],
            0,
        ),
        (
            "opus",
            |f| f.facts.audio_codec = Some("opus".to_owned()),
            &[],
            1,
        ),
        (
            "16:9",
            |f| (f.facts.width, f.facts.height) = (1_920, 1_080),
            &[],
            0,
        ),
        (
            "2:1",
            |f| (f.facts.width, f.facts.height) = (2_000, 1_000),
            &["bad_shape"],
            0,
        ),
        (
            "1:2",
            |f| (f.facts.width, f.facts.height) = (1_000, 2_000),
            &[],
            0,
        ),
        (
            "1:2.1",
            |f| (f.facts.width, f.facts.height) = (1_000, 2_100),
            &["bad_shape"],
            0,
        ),
        (
            "2.1:1, turned to 1:2.1",
            |f| {
                (f.facts.width, f.facts.height, f.facts.rotation) = (2_100, 1_000, 90);
            },
            &["bad_shape"],
            0,
        ),
        (
            "an image",
            |f| *f.facts = facts(MediaKind::Image, "image/png"),
            &["unsupported"],
            0,
        ),
    ];
    for (name, change, errors, warnings) in table {
        let (found, warned) = verdict(|c| c.media = video(change));
        let codes: Vec<_> = found.iter().map(|(_, code)| code.as_str()).collect();
        assert_eq!(codes, *errors, "{name}");
        assert_eq!(warned.len(), *warnings, "{name}");
    }
    let mut content = good();
    content.media = video(|f| f.facts.duration_ms = Some(3_250));
    assert_eq!(
        check(&content, CHOICES).errors[0].detail,
        "The video has 3.2 s; Pinterest takes at least 4 s. Make it longer."
    );
}

#[test]
fn covers_are_images() {
    let with = |cover: Cover| {
        verdict(move |c| {
            c.media = ContentMedia::Video {
                video: Source::Url("https://a.example/v.mp4".to_owned()),
                cover,
            }
        })
        .0
    };
    let png = || stored(9, facts(MediaKind::Image, "image/png"));
    assert!(with(Cover::Url("https://a.example/1.jpg".to_owned())).is_empty());
    assert!(with(Cover::File(png())).is_empty());
    let fault = |code: &str| vec![("/media/cover".to_owned(), code.to_owned())];
    assert_eq!(with(Cover::Url("1.jpg".to_owned())), fault("invalid"));
    let clip = stored(9, facts(MediaKind::Video, "video/mp4"));
    assert_eq!(with(Cover::File(clip)), fault("unsupported"));
    let late = verdict(|c| {
        c.media = video(|_| {});
        if let ContentMedia::Video { cover, .. } = &mut c.media {
            *cover = Cover::KeyFrame(11);
        }
    });
    assert_eq!(late, (vec![], vec!["/media/cover".to_owned()]));
}

#[test]
fn a_carousel_has_two_to_five_images_of_one_kind() {
    let url = || Source::Url("https://a.example/1.png".to_owned());
    let png = || Source::File(stored(9, facts(MediaKind::Image, "image/png")));
    let with = |images: Vec<Source>| verdict(|c| c.media = ContentMedia::Carousel { images });
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    for count in 0..8 {
        let expected = match count {
            0 | 1 => fault("/media", "too_few"),
            2..=5 => vec![],
            _ => fault("/media", "too_many"),
        };
        assert_eq!(with(vec![url(); count]).0, expected, "{count}");
        assert_eq!(with(vec![png(); count]).0, expected, "{count}");
    }
    assert_eq!(with(vec![url(), png()]).0, fault("/media", "conflict"));
    assert_eq!(
        with(vec![url(), Source::Url("2.png".to_owned())]).0,
        fault("/media/images/1", "invalid")
    );
    let webp = Source::File(stored(9, facts(MediaKind::Image, "image/webp")));
    assert_eq!(
        with(vec![png(), webp]).0,
        fault("/media/images/1", "unsupported")
    );
    let wide = Source::File(stored(
        9,
        MediaFacts {
            width: 1_500,
            height: 1_000,
            ..facts(MediaKind::Image, "image/png")
        },
    ));
    assert_eq!(with(vec![png(), wide]), (vec![], vec!["/media".to_owned()]));
}

#[test]
fn what_is_converted_is_not_refused() {
    let choices = MediaChoices {
        convert_images: true,
        ..CHOICES
    };
    let cmyk = |bytes| {
        let mut facts = facts(MediaKind::Image, "image/jpeg");
        facts.colors = Some("cmyk".to_owned());
        ContentMedia::ImageFile(stored(bytes, facts))
    };
    for (media, errors) in [
        (file("image/webp", 9), 1),
        (file("image/png", 21 << 20), 1),
        (cmyk(9), 1),
        (cmyk(21 << 20), 2),
        (file("image/gif", 9), 1),
    ] {
        let is_gif = media == file("image/gif", 9);
        let content = Content { media, ..good() };
        assert_eq!(check(&content, CHOICES).errors.len(), errors);
        assert_eq!(check(&content, choices).errors.len(), usize::from(is_gif));
    }
}

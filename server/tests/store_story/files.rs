//! Files: begun, received, shared by content, expired.

use std::sync::Arc;

use multi_upload_server::store::{Begun, EXPIRY_GRACE, MediaRow, Phase, Store};
use multi_upload_wire::{MediaFacts, MediaKind};

use crate::rows::{DAY, claim, home, media, moved, stored, strangers, upload};

async fn begin(store: &dyn Store, row: MediaRow) -> MediaRow {
    assert_eq!(
        store.begin_media(row.clone(), None).await.unwrap(),
        Begun::New
    );
    row
}

fn facts() -> MediaFacts {
    MediaFacts {
        kind: MediaKind::Image,
        content_type: "image/png".to_owned(),
        width: 1000,
        height: 1500,
        rotation: 90,
        duration_ms: None,
        video_codec: None,
        audio_codec: None,
        fragmented: None,
        index_first: None,
        colors: None,
        animated: false,
    }
}

/// A complete file with this content.
async fn complete(store: &dyn Store, id: &str, sha256: &str, expires_at: i64) -> MediaRow {
    let mut row = begin(store, media(id)).await;
    row.offset = row.length;
    row.facts = Some(facts());
    row.sha256 = Some(sha256.to_owned());
    row.expires_at = expires_at;
    let done = store
        .finish_media(row)
        .await
        .unwrap()
        .expect("it was begun");
    assert_eq!(store.media(&home(), id).await.unwrap(), Some(done.clone()));
    done
}

/// An id as files have them.
fn id(n: u8) -> String {
    format!("md_{}", format!("{n:02x}").repeat(16))
}

pub(crate) async fn files_are_kept_for_their_owner(store: Arc<dyn Store>) {
    begin(&*store, media("md_1")).await;
    assert_eq!(
        store.media(&home(), "md_1").await.unwrap(),
        Some(media("md_1"))
    );
    for stranger in strangers() {
        assert_eq!(store.media(&stranger, "md_1").await.unwrap(), None);
        assert_eq!(store.delete_media(&stranger, "md_1").await.unwrap(), None);
        assert_eq!(store.media_bytes(&stranger).await.unwrap(), 0);
    }
    let gone = store.delete_media(&home(), "md_1").await.unwrap().unwrap();
    assert_eq!(gone.row, media("md_1"));
    assert!(gone.last);
    assert_eq!(store.delete_media(&home(), "md_1").await.unwrap(), None);
}

pub(crate) async fn a_file_goes_on_only_from_where_it_is(store: Arc<dyn Store>) {
    let mut row = begin(&*store, media("md_1")).await;
    row.offset = 300;
    row.state = Some("{}".to_owned());
    row.expires_at = 2 * DAY;
    assert!(store.advance_media(row.clone(), 0).await.unwrap());
    assert_eq!(
        store.media(&home(), "md_1").await.unwrap(),
        Some(row.clone())
    );
    let other = MediaRow {
        offset: 200,
        ..row.clone()
    };
    assert!(!store.advance_media(other, 0).await.unwrap());
    assert!(!store.advance_media(media("md_2"), 0).await.unwrap());
    assert_eq!(
        store.media(&home(), "md_1").await.unwrap(),
        Some(row.clone())
    );

    row.offset = row.length;
    let done = store.finish_media(row.clone()).await.unwrap().unwrap();
    assert!(done.ready && done.state.is_none());
    assert_eq!(done.blob.as_deref(), Some("md_1"));
    assert_eq!(store.finish_media(row.clone()).await.unwrap(), None);
    assert!(!store.advance_media(row.clone(), row.offset).await.unwrap());
}

pub(crate) async fn a_key_begins_one_file(store: Arc<dyn Store>) {
    let keyed = |id: &str| MediaRow {
        key: Some("k".to_owned()),
        ..media(id)
    };
    let first = begin(&*store, keyed("md_1")).await;
    let again = store.begin_media(keyed("md_2"), Some(0)).await.unwrap();
    assert_eq!(again, Begun::Known(Box::new(first)));
    for (n, stranger) in strangers().into_iter().enumerate() {
        let theirs = MediaRow {
            owner: stranger,
            ..keyed(&format!("md_{}", n + 3))
        };
        begin(&*store, theirs).await;
    }
    store.delete_media(&home(), "md_1").await.unwrap();
    begin(&*store, keyed("md_2")).await;
}

pub(crate) async fn an_allowance_counts_shared_content_once(store: Arc<dyn Store>) {
    let each = media("md_1").length;
    complete(&*store, "md_1", "aa", DAY).await;
    complete(&*store, "md_2", "aa", DAY).await;
    begin(&*store, media("md_3")).await;
    assert_eq!(store.media_bytes(&home()).await.unwrap(), 2 * each);
    let refused = store
        .begin_media(media("md_4"), Some(3 * each - 1))
        .await
        .unwrap();
    assert_eq!(refused, Begun::Full { used: 2 * each });
    assert_eq!(store.media(&home(), "md_4").await.unwrap(), None);
    assert_eq!(
        store
            .begin_media(media("md_4"), Some(3 * each))
            .await
            .unwrap(),
        Begun::New
    );
}

pub(crate) async fn the_same_content_is_kept_once(store: Arc<dyn Store>) {
    complete(&*store, "md_1", "aa", DAY).await;
    let second = complete(&*store, "md_2", "aa", DAY).await;
    assert_eq!(second.blob.as_deref(), Some("md_1"));
    assert_eq!(
        complete(&*store, "md_3", "bb", DAY).await.blob.as_deref(),
        Some("md_3")
    );
    let mut theirs = MediaRow {
        owner: strangers()[0].clone(),
        ..media("md_4")
    };
    begin(&*store, theirs.clone()).await;
    theirs.sha256 = Some("aa".to_owned());
    let theirs = store.finish_media(theirs).await.unwrap().unwrap();
    assert_eq!(
        theirs.blob.as_deref(),
        Some("md_4"),
        "another owner shares nothing"
    );

    // The first goes, its content stays for the second; a third one still finds it.
    assert!(
        !store
            .delete_media(&home(), "md_1")
            .await
            .unwrap()
            .unwrap()
            .last
    );
    assert_eq!(
        complete(&*store, "md_5", "aa", DAY).await.blob.as_deref(),
        Some("md_1")
    );
    assert!(
        !store
            .delete_media(&home(), "md_2")
            .await
            .unwrap()
            .unwrap()
            .last
    );
    let last = store.delete_media(&home(), "md_5").await.unwrap().unwrap();
    assert!(last.last);
    assert_eq!(last.row.blob.as_deref(), Some("md_1"));
}

pub(crate) async fn unused_files_expire(store: Arc<dyn Store>) {
    begin(&*store, media("md_1")).await;
    complete(&*store, "md_2", "aa", DAY).await;
    complete(&*store, "md_3", "bb", 2 * DAY).await;
    let just_before = DAY + EXPIRY_GRACE - 1;
    assert!(
        store
            .expire_media(just_before, DAY, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let over = DAY + EXPIRY_GRACE;
    let one = store.expire_media(over, DAY, 1).await.unwrap();
    let rest = store.expire_media(over, DAY, 10).await.unwrap();
    let mut gone: Vec<_> = one
        .iter()
        .chain(&rest)
        .map(|gone| gone.row.id.as_str())
        .collect();
    gone.sort_unstable();
    assert_eq!((one.len(), gone), (1, vec!["md_1", "md_2"]));
    assert!(store.media(&home(), "md_3").await.unwrap().is_some());
}

pub(crate) async fn a_file_stays_while_an_upload_needs_it(store: Arc<dyn Store>) {
    let (used, edited, free) = (id(1), id(2), id(3));
    for (file, content) in [(&used, "aa"), (&edited, "bb"), (&free, "cc")] {
        complete(&*store, file, content, DAY).await;
    }
    let lanes = [("pinterest:1", "b1")];
    let naming = |n: u32, file: &str| {
        let mut new = upload(n, 9 * DAY, &lanes);
        new.row.content.image_url = None;
        new.row.content.media_id = Some(file.to_owned());
        new
    };
    stored(&*store, naming(1, &used)).await;
    let mut row = stored(&*store, naming(2, &edited)).await;
    row.content.media_id = Some(free.clone());
    let edit = multi_upload_server::store::UploadEdit {
        expect_version: row.version,
        when: multi_upload_server::store::When::Kept,
        event: crate::rows::event("edited", 5),
        row,
    };
    store
        .edit_upload(&home(), edit)
        .await
        .unwrap()
        .edited()
        .expect("it may be edited");

    let now = DAY + EXPIRY_GRACE;
    let gone = store.expire_media(now, DAY, 10).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].row.id, edited, "no upload names it any more");
    let kept = store.media(&home(), &used).await.unwrap().unwrap();
    assert_eq!(kept.expires_at, now + DAY);

    // Ended, and unused from then on for as long as files are kept.
    let ended = 9 * DAY;
    let target = claim(&*store, ended, ended + 1_000, 1).await.remove(0);
    assert_eq!(target.upload_id, "up_00000001");
    moved(&*store, &target, Phase::Failed, ended).await;
    let before = store.expire_media(ended + DAY, DAY, 10).await.unwrap();
    assert!(before.is_empty(), "{before:?}");
    let gone = store
        .expire_media(ended + DAY + EXPIRY_GRACE, DAY, 10)
        .await
        .unwrap();
    let gone: Vec<_> = gone.iter().map(|gone| &gone.row.id).collect();
    assert_eq!(gone, [&used], "the other upload is open");
}

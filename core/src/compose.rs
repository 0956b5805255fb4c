//! An upload whose pictures or video lie on this machine: the files go first, then the upload that names them.

use std::path::PathBuf;

use multi_upload_wire::{CreateUpload, Upload};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::args::Args;
use crate::client::Client;
use crate::error::Error;
use crate::media::{self, MediaInput};
use crate::options::CallOptions;
use crate::uploads::{self, Uploads};

/// Files of this machine for an upload.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalMedia {
    /// One image or video.
    pub file: Option<MediaInput>,
    /// The images of a carousel, in order.
    pub images: Option<Vec<MediaInput>>,
    /// The cover of a video.
    pub cover: Option<MediaInput>,
}

impl LocalMedia {
    /// One image or video.
    #[must_use]
    pub fn file(file: MediaInput) -> Self {
        Self {
            file: Some(file),
            ..Self::default()
        }
    }

    /// The images of a carousel.
    #[must_use]
    pub fn images(images: Vec<MediaInput>) -> Self {
        Self {
            images: Some(images),
            ..Self::default()
        }
    }

    /// The same with a cover for the video.
    #[must_use]
    pub fn with_cover(self, cover: MediaInput) -> Self {
        Self {
            cover: Some(cover),
            ..self
        }
    }

    /// Takes the files among the arguments: `image`, `video`, `images`, `cover`.
    pub(crate) fn take(args: &mut Args) -> Result<Self, Error> {
        let image = one(args, "image")?;
        let video = one(args, "video")?;
        if image.is_some() && video.is_some() {
            return Err(args.wrong("video", "and `image` exclude each other"));
        }
        let images = match args.take("images") {
            None => None,
            Some(Value::Array(images)) => Some(
                images
                    .into_iter()
                    .map(|image| input(args, "images", image))
                    .collect::<Result<Vec<_>, _>>()?,
            ),
            Some(_) => return Err(args.wrong("images", "must be a list of files")),
        };
        Ok(Self {
            file: image.or(video),
            images,
            cover: one(args, "cover")?,
        })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.file.is_none() && self.images.is_none() && self.cover.is_none()
    }
}

fn one(args: &mut Args, name: &'static str) -> Result<Option<MediaInput>, Error> {
    args.take(name)
        .map(|value| input(args, name, value))
        .transpose()
}

/// A path, or an object with `path` or `bytes_base64`.
fn input(args: &Args, name: &str, value: Value) -> Result<MediaInput, Error> {
    let text = |object: &mut Map<String, Value>, key: &str| match object.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match value {
        Value::String(path) => Ok(MediaInput::Path(PathBuf::from(path))),
        Value::Object(mut file) => match (text(&mut file, "path"), text(&mut file, "bytes_base64"))
        {
            (Some(path), None) => Ok(MediaInput::Path(PathBuf::from(path))),
            (None, Some(bytes)) => media::from_base64(&bytes),
            _ => Err(args.wrong(name, "must be a path, or bytes")),
        },
        _ => Err(args.wrong(name, "must be a path, or bytes")),
    }
}

impl Uploads {
    /// Stores an upload with files of this machine: sends the files, then creates the upload that names them.
    ///
    /// With an idempotency key in the options the whole may be repeated, by another process too: each file has a key made from it,
    /// so the service knows the files it has, and the upload is stored once. Progress is in bytes, file after file. If the upload is
    /// refused, the files stay for a later try until the service removes what nothing uses.
    ///
    /// # Errors
    /// Those of [`crate::media::Media::upload`] and of [`Uploads::create`].
    pub async fn create_with(
        &self,
        upload: &CreateUpload,
        files: LocalMedia,
        options: &CallOptions,
    ) -> Result<Upload, Error> {
        let Ok(Value::Object(body)) = serde_json::to_value(upload) else {
            return Err(Error::invalid(
                "",
                "invalid",
                "the upload cannot be written as JSON".to_owned(),
            ));
        };
        create_with(self.client(), body, files, options).await
    }
}

pub(crate) async fn create_with<T: DeserializeOwned + Send>(
    client: &Client,
    mut body: Map<String, Value>,
    files: LocalMedia,
    options: &CallOptions,
) -> Result<T, Error> {
    if let Some(file) = files.file {
        let id = send(client, file, "file", options).await?;
        put(&mut body, "media_id", id)?;
    }
    if let Some(images) = files.images {
        let mut ids = Vec::with_capacity(images.len());
        for (index, image) in images.into_iter().enumerate() {
            ids.push(send(client, image, &format!("image-{index}"), options).await?);
        }
        put(&mut body, "media_ids", ids.into())?;
    }
    if let Some(cover) = files.cover {
        let id = send(client, cover, "cover", options).await?;
        put(&mut body, "cover_media_id", id)?;
    }
    client.fetch(uploads::create(&body)?, options).await
}

/// Sends one file under a key of its own, if there is one for the whole.
async fn send(
    client: &Client,
    file: MediaInput,
    name: &str,
    options: &CallOptions,
) -> Result<Value, Error> {
    let options = CallOptions {
        idempotency_key: options
            .idempotency_key
            .as_ref()
            .map(|key| format!("{key}-{name}")),
        ..options.clone()
    };
    let stored: multi_upload_wire::Media = media::upload(client, file, &options).await?;
    Ok(stored.id.into())
}

fn put(body: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Error> {
    if body.get(name).is_some_and(|there| !there.is_null()) {
        return Err(Error::invalid(
            &format!("/{name}"),
            "conflict",
            format!("`{name}` stands beside a file of this machine: give one of them"),
        ));
    }
    body.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(args: Value) -> Result<LocalMedia, Error> {
        let mut args = Args::new("uploads.create", args).expect("an object");
        LocalMedia::take(&mut args)
    }

    #[test]
    fn files_are_paths_or_bytes() {
        let files = take(json!({"image": "a.png"})).expect("a path");
        assert!(matches!(files.file, Some(MediaInput::Path(path)) if *path == *"a.png"));
        let files = take(json!({
            "images": ["a.png", {"path": "b.png"}, {"bytes_base64": "AAA="}], "cover": null
        }))
        .expect("three files");
        assert_eq!(files.images.map(|images| images.len()), Some(3));
        assert!(files.cover.is_none());
        assert!(take(json!({"title": "x"})).expect("none").is_empty());
    }

    #[test]
    fn what_is_no_file_is_named() {
        for (args, pointer) in [
            (json!({"image": 5}), "/image"),
            (json!({"video": {}}), "/video"),
            (json!({"images": "a.png"}), "/images"),
            (json!({"images": [null]}), "/images"),
            (json!({"image": "a", "video": "b"}), "/video"),
            (
                json!({"cover": {"path": "a", "bytes_base64": ""}}),
                "/cover",
            ),
        ] {
            let error = take(args.clone()).expect_err("refused");
            assert_eq!(error.info().errors[0].pointer, pointer, "{args}");
        }
    }
}

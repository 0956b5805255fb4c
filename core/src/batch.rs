//! Many uploads at once: 100 rows in a request where the caller does not say otherwise, one idempotency key for each row.

mod one_by_one;

use bytes::Bytes;
use http::HeaderValue;
use multi_upload_wire::{BatchItem, BatchResult, Category, ErrorCode, ErrorInfo, Upload};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::{header_of_key, new_key};
use crate::client::Client;
use crate::error::Error;
use crate::options::{CallOptions, Limit};
use crate::request::{Path, Plan};

/// Rows in one request where the caller does not say. More gains little: the cost of a row is nearly flat from here on.
pub(crate) const ROWS: u32 = 100;
/// The service takes no more.
const MOST_ROWS: u32 = 1_000;

/// A row on its way out.
pub(crate) trait Row: Serialize + Send + Sync {
    /// Takes out the key that came with it.
    fn take_key(&mut self) -> Result<Option<String>, &'static str>;
    /// Gives it one.
    fn set_key(&mut self, key: String);
    /// Does it ask to be checked only?
    fn is_dry_run(&self) -> bool;
}

impl Row for BatchItem {
    fn take_key(&mut self) -> Result<Option<String>, &'static str> {
        Ok(self.idempotency_key.take())
    }

    fn set_key(&mut self, key: String) {
        self.idempotency_key = Some(key);
    }

    fn is_dry_run(&self) -> bool {
        self.upload.dry_run == Some(true)
    }
}

impl Row for Map<String, Value> {
    fn take_key(&mut self) -> Result<Option<String>, &'static str> {
        match self.remove("idempotency_key") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(key)) => Ok(Some(key)),
            Some(_) => Err("the idempotency key must be a string"),
        }
    }

    fn set_key(&mut self, key: String) {
        self.insert("idempotency_key".to_owned(), Value::String(key));
    }

    fn is_dry_run(&self) -> bool {
        self.get("dry_run") == Some(&Value::Bool(true))
    }
}

/// What became of a row.
pub(crate) trait RowResult: DeserializeOwned + Send {
    /// The service's object for an upload.
    type Upload: DeserializeOwned + Send;
    /// A row that went alone.
    fn stored(upload: Self::Upload, replayed: bool) -> Self;
    /// A row whose request failed.
    fn failed(info: ErrorInfo) -> Self;
    /// Puts the result at its place in the whole list; an error learns the row's key.
    fn place(&mut self, index: usize, key: &str);
}

impl RowResult for BatchResult {
    type Upload = Upload;

    fn stored(upload: Upload, replayed: bool) -> Self {
        Self {
            index: 0,
            upload: Some(upload),
            error: None,
            replayed,
        }
    }

    fn failed(info: ErrorInfo) -> Self {
        Self {
            index: 0,
            upload: None,
            error: Some(info),
            replayed: false,
        }
    }

    fn place(&mut self, index: usize, key: &str) {
        self.index = index as u64;
        if let Some(error) = &mut self.error {
            error.idempotency_key.get_or_insert_with(|| key.to_owned());
        }
    }
}

impl RowResult for Map<String, Value> {
    type Upload = Self;

    fn stored(upload: Self, replayed: bool) -> Self {
        let mut result = Self::from_iter([
            ("index".to_owned(), 0.into()),
            ("upload".to_owned(), upload.into()),
        ]);
        if replayed {
            result.insert("replayed".to_owned(), true.into());
        }
        result
    }

    fn failed(info: ErrorInfo) -> Self {
        let error = serde_json::to_value(info).unwrap_or_default();
        Self::from_iter([("index".to_owned(), 0.into()), ("error".to_owned(), error)])
    }

    fn place(&mut self, index: usize, key: &str) {
        self.insert("index".to_owned(), index.into());
        if let Some(Value::Object(error)) = self.get_mut("error") {
            error
                .entry("idempotency_key")
                .or_insert_with(|| key.to_owned().into());
        }
    }
}

#[derive(Deserialize)]
struct Results<T> {
    results: Vec<T>,
}

/// Sends all rows, `size` of them (1 to 1,000) in a request; the results are in their order.
pub(crate) async fn create_many<R: Row, T: RowResult>(
    client: &Client,
    mut rows: Vec<R>,
    size: u32,
    options: &CallOptions,
) -> Result<Vec<T>, Error> {
    if !(1..=MOST_ROWS).contains(&size) {
        return Err(Error::invalid(
            "/batch_size",
            "invalid",
            format!("`batch_size` must be 1 to {MOST_ROWS}"),
        ));
    }
    let keys = take_keys(&mut rows, options.idempotency_key.as_deref())?;
    let mut batch = Batch {
        client,
        keys: &keys,
        // Each request has a key of its own: under the caller's key another split of the list would be another body.
        options: CallOptions {
            idempotency_key: None,
            ..options.clone()
        },
        limit: Limit::of(options),
        results: Vec::with_capacity(keys.len()),
        stored: false,
    };
    if size == 1 {
        one_by_one::send(rows, &mut batch).await?;
    } else {
        together(rows, size as usize, &mut batch).await?;
    }
    Ok(batch.results)
}

/// Sends `size` rows in a request, one request after the other.
async fn together<R: Row, T: RowResult>(
    mut rows: Vec<R>,
    size: usize,
    batch: &mut Batch<'_, T>,
) -> Result<(), Error> {
    for (row, key) in rows.iter_mut().zip(batch.keys) {
        row.set_key(key.clone());
    }
    for chunk in rows.chunks(size) {
        let plan = Plan::post(Path::new("/v1/uploads/batch"))
            .bytes(body(chunk)?, HeaderValue::from_static("application/json"));
        let answer = batch
            .client
            .fetch_part::<Results<T>>(&plan, &batch.options, batch.limit)
            .await;
        batch.add(answer.map(|answer| answer.results), chunk.len())?;
    }
    Ok(())
}

/// A list on its way, and what became of its first rows.
struct Batch<'a, T> {
    client: &'a Client,
    /// One for each row.
    keys: &'a [String],
    options: CallOptions,
    limit: Limit,
    results: Vec<T>,
    /// Some row was stored.
    stored: bool,
}

impl<T: RowResult> Batch<'_, T> {
    /// The next `count` rows have an answer. An error here ends the call; others are those of the rows.
    fn add(&mut self, answer: Result<Vec<T>, Error>, count: usize) -> Result<(), Error> {
        let first = self.results.len();
        let keys = &self.keys[first..first + count];
        let answered = match answer {
            Ok(results) if results.len() == count => {
                self.stored = true;
                results
            }
            Ok(results) => {
                self.stored = true;
                let info = ErrorInfo::new(
                    ErrorCode::ProtocolError,
                    format!(
                        "{count} rows were sent and {} results came back",
                        results.len()
                    ),
                );
                all_failed(&info, keys)
            }
            Err(error) if error.is(ErrorCode::Cancelled) => return Err(error),
            // No row can be stored with this key, so one error tells it better than a thousand.
            Err(error)
                if !self.stored
                    && matches!(error.info().category, Category::Auth | Category::Permission) =>
            {
                return Err(error);
            }
            Err(error) => all_failed(error.info(), keys),
        };
        for (offset, (mut result, key)) in answered.into_iter().zip(keys).enumerate() {
            result.place(first + offset, key);
            self.results.push(result);
        }
        self.options.progress(self.results.len(), self.keys.len());
        Ok(())
    }
}

fn all_failed<T: RowResult>(info: &ErrorInfo, keys: &[String]) -> Vec<T> {
    keys.iter()
        .map(|key| {
            let mut info = info.clone();
            info.idempotency_key = Some(key.clone());
            T::failed(info)
        })
        .collect()
}

/// The key of every row, its own or a new one, once and for all attempts.
fn take_keys<R: Row>(rows: &mut [R], prefix: Option<&str>) -> Result<Vec<String>, Error> {
    rows.iter_mut()
        .enumerate()
        .map(|(index, row)| {
            let invalid = |detail: String| {
                let pointer = format!("/uploads/{index}/idempotency_key");
                Error::invalid(&pointer, "invalid", detail)
            };
            let given = row
                .take_key()
                .map_err(|detail| invalid(detail.to_owned()))?;
            let key = given.unwrap_or_else(|| {
                prefix.map_or_else(new_key, |prefix| format!("{prefix}-{index}"))
            });
            header_of_key(&key).map_err(|error| invalid(error.info().detail.clone()))?;
            Ok(key)
        })
        .collect()
}

/// Writes the rows once, without building the request as an object first.
fn body<R: Row>(rows: &[R]) -> Result<Bytes, Error> {
    let mut body = br#"{"uploads":"#.to_vec();
    serde_json::to_writer(&mut body, rows).map_err(|error| {
        Error::invalid("/uploads", "invalid", "the rows cannot be written as JSON")
            .with_source(error)
    })?;
    body.push(b'}');
    Ok(Bytes::from(body))
}

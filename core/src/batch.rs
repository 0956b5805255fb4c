//! Many uploads at once: 100 rows in a request, one idempotency key for each row.

use bytes::Bytes;
use http::HeaderValue;
use multi_upload_wire::{BatchItem, BatchResult, Category, ErrorCode, ErrorInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::{CallOptions, Limit, header_of_key, new_key};
use crate::client::Client;
use crate::error::Error;
use crate::request::{Path, Plan};

/// Rows in one request. More gains nothing: the cost of a row is flat from here on.
const ROWS: usize = 100;

/// A row on its way out.
pub(crate) trait Row: Serialize + Send + Sync {
    /// The key that came with it.
    fn key(&self) -> Result<Option<&str>, &'static str>;
    /// Gives it one.
    fn set_key(&mut self, key: String);
}

impl Row for BatchItem {
    fn key(&self) -> Result<Option<&str>, &'static str> {
        Ok(self.idempotency_key.as_deref())
    }

    fn set_key(&mut self, key: String) {
        self.idempotency_key = Some(key);
    }
}

impl Row for Map<String, Value> {
    fn key(&self) -> Result<Option<&str>, &'static str> {
        match self.get("idempotency_key") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(key)) => Ok(Some(key)),
            Some(_) => Err("the idempotency key must be a string"),
        }
    }

    fn set_key(&mut self, key: String) {
        self.insert("idempotency_key".to_owned(), Value::String(key));
    }
}

/// What became of a row.
pub(crate) trait RowResult: DeserializeOwned + Send {
    /// A row whose request failed.
    fn failed(info: ErrorInfo) -> Self;
    /// Puts the result at its place in the whole list; an error learns the row's key.
    fn place(&mut self, index: usize, key: &str);
}

impl RowResult for BatchResult {
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

/// Sends all rows; the results are in their order.
pub(crate) async fn create_many<R: Row, T: RowResult>(
    client: &Client,
    mut rows: Vec<R>,
    options: &CallOptions,
) -> Result<Vec<T>, Error> {
    let keys = give_keys(&mut rows, options.idempotency_key.as_deref())?;
    let total = rows.len();
    // Each request has a key of its own: under the caller's key another split of the list would be another body.
    let request_options = CallOptions {
        idempotency_key: None,
        ..options.clone()
    };
    let limit = Limit::of(options);
    let mut results = Vec::with_capacity(total);
    let mut stored = false;
    for (chunk, keys) in rows.chunks(ROWS).zip(keys.chunks(ROWS)) {
        let first = results.len();
        let plan = Plan::post(Path::new("/v1/uploads/batch"))
            .bytes(body(chunk)?, HeaderValue::from_static("application/json"));
        let answer = client
            .fetch_part::<Results<T>>(&plan, &request_options, limit)
            .await;
        let answered = match answer {
            Ok(answer) if answer.results.len() == chunk.len() => {
                stored = true;
                answer.results
            }
            Ok(answer) => {
                stored = true;
                let info = ErrorInfo::new(
                    ErrorCode::ProtocolError,
                    format!(
                        "{} rows were sent and {} results came back",
                        chunk.len(),
                        answer.results.len()
                    ),
                );
                all_failed(&info, keys)
            }
            Err(error) if error.is(ErrorCode::Cancelled) => return Err(error),
            // No row can be stored with this key, so one error tells it better than a thousand.
            Err(error)
                if !stored
                    && matches!(error.info().category, Category::Auth | Category::Permission) =>
            {
                return Err(error);
            }
            Err(error) => all_failed(error.info(), keys),
        };
        for (offset, (mut result, key)) in answered.into_iter().zip(keys).enumerate() {
            result.place(first + offset, key);
            results.push(result);
        }
        options.progress(results.len(), total);
    }
    Ok(results)
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

/// Makes sure that every row has its key, once and for all attempts.
fn give_keys<R: Row>(rows: &mut [R], prefix: Option<&str>) -> Result<Vec<String>, Error> {
    rows.iter_mut()
        .enumerate()
        .map(|(index, row)| {
            let pointer = format!("/uploads/{index}/idempotency_key");
            let given = row
                .key()
                .map_err(|detail| Error::invalid(&pointer, "invalid", detail))?
                .map(str::to_owned);
            let is_given = given.is_some();
            let key = given.unwrap_or_else(|| {
                prefix.map_or_else(new_key, |prefix| format!("{prefix}-{index}"))
            });
            header_of_key(&key).map_err(|error| {
                Error::invalid(&pointer, "invalid", error.info().detail.clone())
            })?;
            if !is_given {
                row.set_key(key.clone());
            }
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

//! Lists: from cursors to one stream that ends for good.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use multi_upload_wire::{ErrorCode, Page};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::request::{Path, Plan};

/// Many items, page by page; the next page is fetched when its first item is asked for.
///
/// After an error or the end it gives nothing more.
pub struct Items<T> {
    inner: BoxStream<'static, Result<T, Error>>,
    ended: bool,
}

/// Many items as JSON.
pub type ItemStream = Items<Value>;

impl<T: Send + 'static> Items<T> {
    pub(crate) fn new(stream: impl Stream<Item = Result<T, Error>> + Send + 'static) -> Self {
        Self {
            inner: stream.boxed(),
            ended: false,
        }
    }

    /// A stream that is only an error.
    pub(crate) fn failed(error: Error) -> Self {
        Self::new(stream::once(std::future::ready(Err(error))))
    }

    /// Changes every item.
    pub(crate) fn map<U: Send + 'static>(
        self,
        change: impl FnMut(T) -> U + Send + 'static,
    ) -> Items<U> {
        Items::new(self.inner.map_ok(change))
    }

    /// The next item; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        if self.ended {
            return None;
        }
        let item = self.inner.next().await;
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }

    /// All items that are left.
    ///
    /// # Errors
    /// The first error of the list.
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item?);
        }
        Ok(items)
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = self.inner.as_mut().poll_next(cx);
        if let Poll::Ready(item) = &polled {
            self.ended = !matches!(item, Some(Ok(_)));
        }
        polled
    }
}

impl<T> std::fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Items")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Where a list stands.
struct State<T> {
    client: Client,
    options: CallOptions,
    path: Path,
    ready: VecDeque<T>,
    /// `Some` while there is another page; the cursor is `None` for the first.
    next: Option<Option<String>>,
}

impl Client {
    /// All items of a list.
    pub(crate) fn items<T: DeserializeOwned + Send + 'static>(
        &self,
        path: Result<Path, Error>,
        options: CallOptions,
    ) -> Items<T> {
        let path = match path {
            Ok(path) => path,
            Err(error) => return Items::failed(error),
        };
        let state = State {
            client: self.clone(),
            options,
            path,
            ready: VecDeque::new(),
            next: Some(None),
        };
        Items::new(stream::try_unfold(state, async |mut state| {
            loop {
                if let Some(item) = state.ready.pop_front() {
                    return Ok(Some((item, state)));
                }
                let Some(cursor) = state.next.take() else {
                    return Ok(None);
                };
                let path = state.path.clone().maybe("cursor", cursor.as_deref());
                let page: Page<T> = state.client.fetch(Plan::get(path), &state.options).await?;
                if page.next_cursor.is_some() && page.next_cursor == cursor {
                    return Err(Error::new(
                        ErrorCode::ProtocolError,
                        "the list does not go on: the service answered with the cursor it was sent",
                    ));
                }
                state.ready = page.items.into();
                state.next = page.next_cursor.map(Some);
            }
        }))
    }
}

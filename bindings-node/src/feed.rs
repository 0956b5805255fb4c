//! Bytes on their way from a JavaScript stream into an upload.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use multi_upload_core::MediaInput;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use tokio::sync::mpsc;

/// Chunks that may wait to be sent.
const WAITING: usize = 8;

/// Takes the chunks of a stream, as fast as the upload takes them.
#[napi]
pub struct NativeFeed {
    sender: Mutex<Option<mpsc::Sender<Bytes>>>,
    receiver: Mutex<Option<mpsc::Receiver<Bytes>>>,
    end: Arc<Mutex<Option<Result<(), String>>>>,
}

#[napi]
impl NativeFeed {
    /// An empty feed.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "made by JavaScript")]
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(Some(receiver)),
            end: Arc::default(),
        }
    }

    /// Hands a chunk over; false once nobody wants more.
    #[napi]
    pub async fn push(&self, bytes: Buffer) -> bool {
        let sender = lock(&self.sender).clone();
        let chunk = Bytes::copy_from_slice(&bytes);
        match sender {
            Some(sender) => sender.send(chunk).await.is_ok(),
            None => false,
        }
    }

    /// Says that nothing follows, or what went wrong. A feed that is left without it does not count as a whole file.
    #[napi]
    pub fn end(&self, fault: Option<String>) {
        *lock(&self.end) = Some(fault.map_or(Ok(()), Err));
        lock(&self.sender).take();
    }

    pub(crate) fn input(&self, length: Option<f64>) -> MediaInput {
        let receiver = lock(&self.receiver).take();
        let end = Arc::clone(&self.end);
        let chunks = stream::unfold(Some((receiver, end)), async |state| {
            let (mut receiver, end) = state?;
            let next = match &mut receiver {
                Some(receiver) => receiver.recv().await,
                None => None,
            };
            if let Some(chunk) = next {
                return Some((Ok(chunk), Some((receiver, end))));
            }
            match lock(&end).take() {
                Some(Ok(())) => None,
                Some(Err(fault)) => Some((Err(io::Error::other(fault)), None)),
                None => Some((Err(io::Error::other("the stream was left")), None)),
            }
        });
        MediaInput::Stream {
            stream: chunks.boxed(),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "sizes of JavaScript are whole and not negative"
            )]
            length: length.map(|length| length as u64),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

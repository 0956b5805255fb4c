//! Files, iterators and bytes of Python as the core takes them.

use std::io;

use futures_util::stream::{self, StreamExt as _};
use multi_upload_core::MediaInput;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator};

/// How much is asked of a file at once.
const READ: usize = 1024 * 1024;

/// The upload's `bytes` or `source`, if there is one.
pub(crate) fn input(args: &Bound<'_, PyDict>) -> PyResult<Option<MediaInput>> {
    if let Some(bytes) = args.get_item("bytes")? {
        let bytes = bytes.cast::<PyBytes>()?.as_bytes().to_vec();
        return Ok(Some(MediaInput::Bytes(bytes.into())));
    }
    let source = args.get_item("source")?;
    source.map(|source| streamed(&source)).transpose()
}

/// Where the next bytes come from.
enum Reader {
    File(Py<PyAny>),
    Items(Py<PyIterator>),
}

fn streamed(source: &Bound<'_, PyAny>) -> PyResult<MediaInput> {
    let (reader, length) = if source.hasattr("read")? {
        (Reader::File(source.clone().unbind()), length(source)?)
    } else {
        (Reader::Items(source.try_iter()?.unbind()), None)
    };
    // Reading may block, and needs the interpreter: it happens on a thread of its own.
    let pieces = stream::try_unfold(reader, async |reader| {
        let read = tokio::task::spawn_blocking(move || {
            Python::try_attach(|py| reader.next(py).map(|piece| (piece, reader)))
        });
        match read.await.map_err(io::Error::other)? {
            Some(Ok((piece, reader))) => Ok(piece.map(|piece| (piece.into(), reader))),
            Some(Err(error)) => Err(io::Error::other(error.to_string())),
            None => Err(io::Error::other("the interpreter is leaving")),
        }
    });
    Ok(MediaInput::Stream {
        stream: pieces.boxed(),
        length,
    })
}

impl Reader {
    /// The next bytes; `None` at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
        match self {
            Self::File(file) => {
                let piece = bytes(&file.bind(py).call_method1("read", (READ,))?)?;
                Ok(Some(piece).filter(|piece| !piece.is_empty()))
            }
            Self::Items(items) => {
                let next = items.bind(py).clone().next().transpose()?;
                next.map(|piece| bytes(&piece)).transpose()
            }
        }
    }
}

fn bytes(piece: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    piece.extract().map_err(|_| {
        let kind = piece.get_type();
        PyTypeError::new_err(format!(
            "the source gave {kind}, not bytes: open files with \"rb\""
        ))
    })
}

/// What is left of a file that can tell.
fn length(file: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if !file.hasattr("seekable")? || !file.call_method0("seekable")?.is_truthy()? {
        return Ok(None);
    }
    let here: u64 = file.call_method0("tell")?.extract()?;
    let end: u64 = file.call_method1("seek", (0, 2))?.extract()?;
    file.call_method1("seek", (here,))?;
    Ok(Some(end.saturating_sub(here)))
}

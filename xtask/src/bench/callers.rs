//! Many callers at once, each on a connection of its own, as light as can be: they share the machine with the service.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Sends `each` requests from each of `callers`; how long all of it took.
///
/// `request` makes the text of a request from the number of the upload.
pub(super) fn run(
    address: SocketAddr,
    callers: usize,
    each: usize,
    request: impl Fn(usize) -> String,
) -> Result<Duration, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut connected = Vec::new();
        for caller in 0..callers {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| error.to_string())?;
            stream
                .set_nodelay(true)
                .map_err(|error| error.to_string())?;
            let first = caller * each;
            connected.push((
                stream,
                (first..first + each).map(&request).collect::<Vec<_>>(),
            ));
        }
        let mut calling = JoinSet::new();
        let begun = Instant::now();
        for (stream, requests) in connected {
            calling.spawn(call(stream, requests));
        }
        while let Some(called) = calling.join_next().await {
            called.map_err(|error| error.to_string())??;
        }
        Ok(begun.elapsed())
    })
}

async fn call(mut stream: TcpStream, requests: Vec<String>) -> Result<(), String> {
    let mut answer = Vec::new();
    for request in requests {
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(|error| error.to_string())?;
        answer.clear();
        while !is_whole(&answer) {
            let read = stream
                .read_buf(&mut answer)
                .await
                .map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("the service closed a connection".to_owned());
            }
        }
        if !answer.starts_with(b"HTTP/1.1 202") {
            return Err(format!(
                "an upload was refused: {}",
                String::from_utf8_lossy(&answer)
            ));
        }
    }
    Ok(())
}

/// Has the answer come to its end? The service names the length of each.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_has_come() {
        let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        assert!(is_whole(whole));
        assert!((0..whole.len()).all(|length| !is_whole(&whole[..length])));
    }
}

//! One play of one case: where the script stands and what has arrived.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::case::{Case, Order, Reply, Service, Step};
use crate::flip;
use crate::request::Seen;

/// What a runner asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Id of the case.
    pub case: String,
    /// The self-check: `true`, or the number of the value to flip.
    #[serde(default)]
    pub flip: Value,
    /// What the runner cannot observe, and so is not judged: `attempts`, `progress`.
    #[serde(default)]
    pub without: Vec<String>,
}

/// What it gets.
#[derive(Debug, Clone, Serialize)]
pub struct Opened {
    /// Id of the session.
    pub session: String,
    /// Where the client must talk to.
    pub base_url: String,
    /// The key that the client must use.
    pub api_key: String,
    /// The value that was flipped.
    pub flipped: Option<String>,
    /// The case, written out.
    pub case: Case,
}

/// One play of one case.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) base_url: String,
    /// With one expectation flipped in a self-check.
    pub(crate) case: Case,
    pub(crate) flipped: Option<String>,
    state: Mutex<State>,
    arrived: watch::Sender<usize>,
    /// Bound but not listening: connections are refused, and nobody else gets the port.
    _refusing: Option<TcpSocket>,
}

#[derive(Debug, Default)]
struct State {
    /// Index and remaining times of the steps left.
    left: Vec<(usize, u32)>,
    requests: Vec<Seen>,
    violations: Vec<String>,
}

/// What has happened so far.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) requests: Vec<Seen>,
    /// Steps that nobody asked for.
    pub(crate) left: Vec<Value>,
    pub(crate) violations: Vec<String>,
}

impl Session {
    pub(crate) fn open(
        id: &str,
        kit_url: &str,
        case: &Case,
        request: &OpenSession,
    ) -> Result<Self, String> {
        let mut case = case.clone();
        for word in &request.without {
            match word.as_str() {
                "attempts" => case.then.attempts = None,
                "progress" => case.then.progress = None,
                other => {
                    return Err(format!(
                        "`without` knows attempts and progress, not {other:?}"
                    ));
                }
            }
        }
        let choice = match &request.flip {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(flip::spread(&case.id)),
            other => Some(
                other
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok())
                    .ok_or("`flip` is true or a number")?,
            ),
        };
        let flipped = choice.and_then(|choice| flip::flip(&mut case.then, choice));
        let (base_url, refusing) = match case.given.service {
            Service::Scripted => (format!("{kit_url}/s/{id}"), None),
            Service::Refused => {
                refuse().map_err(|error| format!("no port to refuse on: {error}"))?
            }
        };
        let left = case
            .given
            .server
            .iter()
            .map(|step| step.times)
            .enumerate()
            .collect();
        Ok(Self {
            base_url,
            case,
            flipped,
            state: Mutex::new(State {
                left,
                ..State::default()
            }),
            arrived: watch::Sender::new(0),
            _refusing: refusing,
        })
    }

    /// Writes the request down and moves the script on; `None` when the script has no such step.
    pub(crate) fn take(&self, seen: Seen) -> Option<Reply> {
        let mut state = self.lock();
        let window = match self.case.given.order {
            Order::Strict => 1,
            Order::Any => state.left.len(),
        };
        let mut failures = Vec::new();
        let found = state.left.iter().take(window).position(|(index, _)| {
            let differences = seen.differences(&self.step(*index).expect);
            let fits = differences.is_empty();
            failures.extend(
                differences
                    .into_iter()
                    .map(|line| format!("step {index}: {line}")),
            );
            fits
        });
        let reply = match found {
            Some(at) => {
                let (index, times) = &mut state.left[at];
                let index = *index;
                *times -= 1;
                if *times == 0 {
                    state.left.remove(at);
                }
                Some(self.step(index).reply.clone())
            }
            None => {
                let number = state.requests.len() + 1;
                let why = if failures.is_empty() {
                    "the script has ended".to_owned()
                } else {
                    failures.join("; ")
                };
                state.violations.push(format!(
                    "request {number} ({} {}): {why}",
                    seen.method, seen.path
                ));
                None
            }
        };
        state.requests.push(seen);
        self.arrived.send_replace(state.requests.len());
        reply
    }

    /// Comes back once so many requests have arrived.
    pub(crate) async fn wait_for(&self, requests: usize) {
        let mut arrived = self.arrived.subscribe();
        // The sender lives as long as the session.
        let _ = arrived.wait_for(|count| *count >= requests).await;
    }

    pub(crate) fn record(&self) -> Record {
        let state = self.lock();
        Record {
            requests: state.requests.clone(),
            left: state
                .left
                .iter()
                .map(|(index, times)| {
                    let expect = &self.step(*index).expect;
                    json!({ "step": index, "times": times, "method": expect.method, "path": expect.path })
                })
                .collect(),
            violations: state.violations.clone(),
        }
    }

    fn step(&self, index: usize) -> &Step {
        &self.case.given.server[index]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse() -> std::io::Result<(String, Option<TcpSocket>)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("http://{}", socket.local_addr()?);
    Ok((url, Some(socket)))
}

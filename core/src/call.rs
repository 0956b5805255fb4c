//! The one loop that sends, waits and sends again.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method};
use multi_upload_wire::{ErrorCode, ErrorInfo, Outcome, Retry};
use tokio::time::Instant;

use crate::answer::Failure;
use crate::client::Client;
use crate::error::{Error, redact};
use crate::media;
use crate::options::{Attempt, CallOptions, Limit, cancelled, over_time};
use crate::request::{Piece, Plan, Repeat};
use crate::retry::{self, Class, Decision, Policy, Stop, Tried};
use crate::transport::{Request, RequestBody, Response, TransportError};

/// What a successful answer must be like: reads it, or says why not.
pub(crate) type Accept<'a> = &'a mut (dyn FnMut(&Response) -> Result<(), Failure> + Send);

impl Client {
    /// Sends a plan within the call's own time.
    pub(crate) async fn execute(
        &self,
        plan: &Plan,
        options: &CallOptions,
        accept: Accept<'_>,
    ) -> Result<Response, Error> {
        let limit = Limit::after(options.timeout.unwrap_or(self.options().timeout));
        self.execute_within(plan, options, limit, &self.policy(options), accept)
            .await
    }

    /// Sends a plan as one of several requests of a call: within the call's limit and that of a single request.
    pub(crate) async fn execute_part(
        &self,
        plan: &Plan,
        options: &CallOptions,
        limit: Limit,
        policy: &Policy,
        accept: Accept<'_>,
    ) -> Result<Response, Error> {
        let own = self
            .options()
            .timeout
            .saturating_add(plan.attempt_timeout.unwrap_or_default());
        self.execute_within(plan, options, limit.or_after(own), policy, accept)
            .await
    }

    /// Sends a plan with a piece of a file: within the call's limit, however long it takes while bytes move.
    pub(crate) async fn execute_piece(
        &self,
        plan: &Plan,
        options: &CallOptions,
        limit: Limit,
        policy: &Policy,
    ) -> Result<Response, Error> {
        self.execute_within(plan, options, limit, policy, &mut |_| Ok(()))
            .await
    }

    /// The client's column of the retry table with its own settings.
    pub(crate) fn policy(&self, options: &CallOptions) -> Policy {
        let settings = self.options();
        Policy {
            max_attempts: options.max_attempts.unwrap_or(settings.max_attempts),
            base: settings.retry.base_delay,
            throttled_base: settings.retry.base_delay.saturating_mul(20),
            cap: settings.retry.cap,
            jitter: settings.retry.jitter,
            ..Policy::CLIENT
        }
    }

    async fn execute_within(
        &self,
        plan: &Plan,
        options: &CallOptions,
        limit: Limit,
        policy: &Policy,
        accept: Accept<'_>,
    ) -> Result<Response, Error> {
        let key = key_of(plan, options)?;
        let mut run = Run {
            plan,
            key,
            limit,
            attempts: 0,
            unclear: false,
        };
        let mut wait: Option<(Duration, String)> = None;
        let mut paid = None;
        loop {
            let delay = wait.as_ref().map_or(Duration::ZERO, |(delay, _)| *delay);
            let left = limit.left();
            if options.cancel.is_cancelled() {
                return Err(run.finish(self, cancelled(), false));
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(run.finish(self, over_time(limit, "before it was sent"), true));
            }
            run.attempts += 1;
            if let Some(observer) = &options.on_attempt {
                observer(&Attempt {
                    number: run.attempts,
                    delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    cause: wait.take().map(|(_, cause)| cause),
                });
            }
            let allowed = plan
                .attempt_timeout
                .unwrap_or(self.options().attempt_timeout);
            let allowed = left.map_or(allowed, |left| left.min(allowed));
            let answer = tokio::select! {
                biased;
                () = options.cancel.cancelled() => {
                    run.unclear = true;
                    return Err(run.finish(self, cancelled(), false));
                }
                answer = self.attempt(&run, allowed, left) => answer,
            };
            if plan.piece.as_ref().is_some_and(Piece::has_fault) {
                let what = Error::invalid("", "unreadable", "the source could not be read");
                return Err(run.finish(self, what, false));
            }
            let failure = match answer {
                Ok(response) if response.status.is_success() => match accept(&response) {
                    Ok(()) => {
                        self.budget(|budget| budget.succeed(paid));
                        return Ok(response);
                    }
                    Err(failure) => failure,
                },
                Ok(response) => Failure::of_response(&response, SystemTime::now()),
                Err(error) => Failure::of_transport(error),
            };
            run.unclear |= failure.info.outcome != Outcome::None;
            if failure.info.is(ErrorCode::Timeout)
                && failure.info.status == 0
                && limit.left().is_some_and(|left| left.is_zero())
            {
                return Err(run.finish(self, over_time(limit, "without an answer"), true));
            }
            let tried = Tried {
                class: failure.class,
                attempt: run.attempts,
                hint: failure.hint,
                server_says: failure.server_says,
                repeatable: plan.repeat != Repeat::Never || run.key.is_some(),
                left: limit.left(),
                tokens: None,
                random: rand::random(),
            };
            let decision = self.budget(|budget| {
                let decision = retry::decide(
                    policy,
                    &Tried {
                        tokens: Some(budget.tokens()),
                        ..tried
                    },
                );
                if let Decision::Wait { cost, .. } = decision {
                    budget.pay(cost);
                }
                decision
            });
            match decision {
                Decision::Stop(stop) => return Err(run.stop(self, failure, stop)),
                Decision::Wait { delay, cost } => {
                    tracing::debug!(
                        path = plan.path.without_query(),
                        attempt = run.attempts,
                        code = failure.info.code,
                        delay_ms = delay.as_millis(),
                        "sending again"
                    );
                    paid = Some(cost);
                    wait = Some((delay, failure.info.code));
                    tokio::select! {
                        biased;
                        () = options.cancel.cancelled() => {}
                        () = tokio::time::sleep(delay) => {}
                    }
                }
            }
        }
    }
}

impl Client {
    /// One attempt: at most `allowed` long, or, with a piece of a file, as long as bytes move in that time.
    async fn attempt(
        &self,
        run: &Run<'_>,
        allowed: Duration,
        left: Option<Duration>,
    ) -> Result<Response, TransportError> {
        let Some(piece) = &run.plan.piece else {
            return self.once(run.request(allowed), allowed).await;
        };
        let appends = run.plan.method == Method::PATCH;
        let mut from = piece.from;
        if appends && run.attempts > 1 {
            let where_it_ends = self.once(run.question(allowed), allowed).await?;
            match media::offset_of(&where_it_ends.headers) {
                Some(offset) if where_it_ends.status.is_success() && offset < piece.to => {
                    from = offset.max(piece.from);
                }
                // It refuses, or it has the whole piece: only the answer was lost.
                _ => return Ok(where_it_ends),
            }
        }
        let mut request = run.request(left.unwrap_or(NO_LIMIT));
        if appends {
            request
                .headers
                .insert("upload-offset", HeaderValue::from(from));
        }
        request.body = RequestBody::Stream(piece.body(from));
        let mut sending = std::pin::pin!(self.transport().send(request));
        let end = left.map(|left| (Instant::now() + left, left));
        loop {
            let patience = piece.moved() + allowed;
            let (until, time) = end
                .filter(|(end, _)| *end < patience)
                .unwrap_or((patience, allowed));
            tokio::select! {
                biased;
                answer = &mut sending => return answer,
                () = tokio::time::sleep_until(until) => {}
            }
            if until < patience || piece.moved() + allowed <= Instant::now() {
                return Err(TransportError::Timeout(time));
            }
        }
    }

    async fn once(&self, request: Request, allowed: Duration) -> Result<Response, TransportError> {
        tokio::time::timeout(allowed, self.transport().send(request))
            .await
            .unwrap_or(Err(TransportError::Timeout(allowed)))
    }
}

/// What a transport is told where only silence ends an attempt.
const NO_LIMIT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// State of one request over its attempts.
struct Run<'a> {
    plan: &'a Plan,
    key: Option<(String, HeaderValue)>,
    limit: Limit,
    attempts: u32,
    /// Some attempt may have had an effect.
    unclear: bool,
}

impl Run<'_> {
    /// Asks where the file ends.
    fn question(&self, timeout: Duration) -> Request {
        let mut request = self.request(timeout);
        request.method = Method::HEAD;
        request.body = RequestBody::Empty;
        for name in ["content-type", "upload-length", "idempotency-key"] {
            request.headers.remove(name);
        }
        request
    }

    fn request(&self, timeout: Duration) -> Request {
        let mut headers = self.plan.headers.clone();
        headers.insert("x-attempt", HeaderValue::from(self.attempts));
        if let Some((_, key)) = &self.key {
            headers.insert("idempotency-key", key.clone());
        }
        Request {
            method: self.plan.method.clone(),
            path: self.plan.path.as_str().to_owned(),
            headers,
            body: self
                .plan
                .body
                .clone()
                .map_or(RequestBody::Empty, RequestBody::Bytes),
            timeout,
        }
    }

    /// The error of the last attempt, with why it was the last.
    fn stop(self, client: &Client, failure: Failure, stop: Stop) -> Error {
        // A refused key says nothing about what an earlier attempt did with it.
        let definite =
            failure.definite && stop == Stop::Final && failure.class != Class::Unauthorized;
        let mut info = failure.info;
        match stop {
            Stop::Budget => {
                let mut outer = ErrorInfo::new(
                    ErrorCode::RetryBudgetExhausted,
                    format!(
                        "too many calls failed lately, so this one was not sent again; it failed with {}: {}",
                        info.code, info.detail
                    ),
                );
                outer.request_id = info.request_id.take();
                outer.retry_after_ms = info.retry_after_ms;
                outer.outcome = info.outcome;
                info = outer;
            }
            Stop::NotSafe => info.retry = Retry::AfterReconcile,
            _ => {}
        }
        // An answer that settles the matter also settles the attempts before it.
        let unclear = self.unclear && !definite;
        let mut error = Error::from(info);
        if let Some(source) = failure.source {
            error = error.with_source(source);
        }
        Run { unclear, ..self }.finish(client, error, stop.is_exhausted())
    }

    /// Fills in the facts of the loop.
    fn finish(self, client: &Client, mut error: Error, exhausted: bool) -> Error {
        let info = error.info_mut();
        info.attempts = Some(self.attempts);
        info.exhausted = exhausted;
        if self.plan.repeat == Repeat::Read {
            info.outcome = Outcome::None;
        } else if self.unclear && info.outcome == Outcome::None {
            info.outcome = Outcome::Unknown;
        }
        if info.instance.is_none() {
            info.instance = Some(self.plan.path.without_query().to_owned());
        }
        if info.idempotency_key.is_none() {
            info.idempotency_key = self.key.map(|(key, _)| key);
        }
        if info.is(ErrorCode::DeadlineExceeded) {
            info.retry_after_ms = None;
        }
        redact(info, &client.options().api_key);
        tracing::debug!(
            path = self.plan.path.without_query(),
            attempts = self.attempts,
            code = info.code,
            limit_ms = self.limit.allowed().as_millis(),
            "the call failed"
        );
        error
    }
}

/// The key of a request: the caller's, or a new one where the request needs it.
fn key_of(plan: &Plan, options: &CallOptions) -> Result<Option<(String, HeaderValue)>, Error> {
    let key = match (&options.idempotency_key, plan.repeat) {
        (_, Repeat::Read) => return Ok(None),
        (Some(key), _) => key.clone(),
        (None, Repeat::Keyed) => new_key(),
        (None, _) => return Ok(None),
    };
    let value = header_of_key(&key)?;
    Ok(Some((key, value)))
}

/// A key that nobody used before.
pub(crate) fn new_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Checks a key.
pub(crate) fn header_of_key(key: &str) -> Result<HeaderValue, Error> {
    if (1..=255).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic())
        && let Ok(value) = HeaderValue::from_str(key)
    {
        return Ok(value);
    }
    Err(Error::invalid(
        "/idempotency_key",
        "invalid",
        "an idempotency key must be 1 to 255 visible ASCII characters",
    ))
}

//! What the service counts, for Prometheus: `GET /metrics`. The names are listed in `docs/metrics.md`.

mod http;
mod publishing;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::store::{Census, Millis};

pub(crate) use http::Requests;
pub(crate) use publishing::Publishing;

/// What `/metrics` answers with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of this process. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Default)]
struct Inner {
    requests: Requests,
    publishing: Publishing,
}

impl Metrics {
    pub(crate) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    pub(crate) fn publishing(&self) -> &Publishing {
        &self.0.publishing
    }

    /// Everything in the text format of OpenMetrics. `census` is what stands in the database now.
    pub(crate) fn render(&self, census: &Census, now: Millis) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("multi_upload");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        self.0.requests.register(&mut registry);
        self.0.publishing.register(&mut registry);
        stand(&mut registry, census, now);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// What stands in the database, over all engines that share it.
fn stand(registry: &mut Registry, census: &Census, now: Millis) {
    let overdue = |due: Option<Millis>| due.map_or(0, |due| (now - due).max(0)) / 1_000;
    let gauges: [(&str, &str, i64); 9] = [
        (
            "targets_waiting",
            "Targets that wait for their time, a limit or another try",
            census.waiting,
        ),
        (
            "targets_due",
            "Targets among them whose time has come",
            census.due,
        ),
        (
            "targets_under_way",
            "Targets that a worker is sending",
            census.under_way,
        ),
        (
            "targets_in_doubt",
            "Targets whose outcome is not known yet",
            census.in_doubt,
        ),
        (
            "targets_needing_review",
            "Targets that wait for the decision of a person",
            census.needs_review,
        ),
        (
            "accounts_needing_reconnection",
            "Accounts that a person must connect again",
            census.accounts_unusable,
        ),
        (
            "oldest_due_seconds",
            "How long the oldest due target that may be sent has been waiting",
            overdue(census.oldest_due),
        ),
        (
            "oldest_ended_lease_seconds",
            "Age of the oldest lease that nobody has ended: above a minute no engine is alive",
            overdue(census.oldest_lease),
        ),
        (
            "attempts_open_twice",
            "Targets with two open attempts. Always 0, or the promise is broken",
            census.attempts_open_twice,
        ),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_what_was_counted_and_what_stands() {
        let metrics = Metrics::default();
        metrics.publishing().event("target.published");
        metrics.requests().answered("GET", "/v1/uploads", 200, 0.02);
        let census = Census {
            waiting: 7,
            oldest_due: Some(1_000),
            ..Census::default()
        };
        let text = metrics.render(&census, 61_000).expect("it is text");
        for line in [
            "multi_upload_targets_waiting 7",
            "multi_upload_oldest_due_seconds 60",
            "multi_upload_oldest_ended_lease_seconds 0",
            "multi_upload_events_total{kind=\"target.published\"} 1",
            "multi_upload_http_requests_total{method=\"GET\",route=\"/v1/uploads\",status=\"200\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }
}

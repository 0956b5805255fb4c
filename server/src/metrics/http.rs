//! Requests to the API.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// How many requests there were, and how long they took.
pub(crate) struct Requests {
    count: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        // 1 ms to 16 s.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        Self {
            count: Family::default(),
            seconds: Family::new_with_constructor(histogram),
        }
    }
}

impl Requests {
    /// Counts an answer. `route` is the pattern of the route, of which there are few, never the path.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let labels = Answered {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.count.get_or_create(&labels).inc();
        let route = Route {
            route: route.to_owned(),
        };
        self.seconds.get_or_create(&route).observe(seconds);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.count.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request to its answer, long polls included",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}

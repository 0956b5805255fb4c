//! The HTTP API: everything between a socket and the store.
//!
//! Every route but the open ones declares the scope a key needs; [`Routes`] has no way to add one
//! without. Every answer that is not a success is a problem object, whoever made it.

mod accounts;
mod api_keys;
mod audit;
mod auth;
mod body;
mod callback;
mod fields;
mod health;
mod limits;
mod local;
mod metrics;
mod once;
mod openapi;
mod problem;
mod query;
mod request;
mod slots;
mod tus;
mod uploads;
mod webhooks;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, head, options, patch, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use multi_upload_wire::Scope;

pub(crate) use local::LocalTransport;
pub use openapi::openapi;

use crate::accounts::Accounts;
use crate::state::App;
use once::Keep;

/// The whole API.
pub(crate) fn router(app: App) -> Router {
    use Scope::{
        AccountsRead, AccountsWrite, Admin, AuditRead, MediaWrite, UploadsRead, UploadsWrite,
        WebhooksWrite,
    };
    use uploads::{actions, changes, create, edit, read};

    Routes::new(app)
        .add("/v1/upload", UploadsWrite, post(create::create_singular))
        .add("/v1/uploads", UploadsWrite, post(create::create))
        .add("/v1/uploads", UploadsRead, get(read::list))
        .add("/v1/uploads/batch", UploadsWrite, post(create::batch))
        .add("/v1/uploads/validate", UploadsWrite, post(create::validate))
        .add("/v1/uploads/{id}", UploadsRead, get(read::get))
        .add("/v1/uploads/{id}", UploadsWrite, patch(edit::update))
        .add_once(
            "/v1/uploads/{id}/cancel",
            UploadsWrite,
            Keep::Answer,
            post(actions::cancel),
        )
        .add_once(
            "/v1/uploads/{id}/retry",
            UploadsWrite,
            Keep::Answer,
            post(actions::retry),
        )
        .add_once(
            "/v1/uploads/{id}/resolve",
            UploadsWrite,
            Keep::Answer,
            post(actions::resolve),
        )
        .add("/v1/uploads/{id}/events", UploadsRead, get(read::events))
        .add("/v1/changes", UploadsRead, get(changes::changes))
        .add("/v1/accounts", AccountsRead, get(accounts::list))
        .add_once(
            "/v1/accounts/connect",
            AccountsWrite,
            // The state in the address of the consent page.
            Keep::Fact,
            post(accounts::connect),
        )
        .add(
            "/v1/accounts/connect/{id}",
            AccountsWrite,
            get(accounts::connection),
        )
        .add("/v1/accounts/{id}", AccountsRead, get(accounts::get))
        .add(
            "/v1/accounts/{id}",
            AccountsWrite,
            delete(accounts::disconnect),
        )
        .add("/v1/accounts/{id}/limits", AccountsRead, get(limits::get))
        .add(
            "/v1/accounts/{id}/boards",
            AccountsRead,
            get(accounts::boards),
        )
        .add_once(
            "/v1/accounts/{id}/boards",
            AccountsWrite,
            Keep::Answer,
            post(accounts::create_board),
        )
        .add(
            "/v1/accounts/{id}/boards/{board_id}/sections",
            AccountsRead,
            get(accounts::sections),
        )
        .add_once(
            "/v1/accounts/{id}/boards/{board_id}/sections",
            AccountsWrite,
            Keep::Answer,
            post(accounts::create_section),
        )
        .add("/v1/media", MediaWrite, post(tus::create))
        .add("/v1/media/{id}", MediaWrite, head(tus::offset))
        .add("/v1/media/{id}", MediaWrite, get(tus::get))
        .add("/v1/media/{id}", MediaWrite, patch(tus::append))
        .add("/v1/media/{id}", MediaWrite, delete(tus::remove))
        .add("/v1/media/{id}", MediaWrite, post(tus::overridden))
        .add("/v1/slots", AccountsRead, get(slots::list))
        .add("/v1/slots", AccountsWrite, post(slots::create))
        .add("/v1/slots/{id}", AccountsWrite, patch(slots::update))
        .add("/v1/slots/{id}", AccountsWrite, delete(slots::delete))
        .add("/v1/api-keys", Admin, get(api_keys::list))
        .add_once("/v1/api-keys", Admin, Keep::Fact, post(api_keys::create))
        .add("/v1/api-keys/{id}", Admin, delete(api_keys::revoke))
        .add("/v1/webhooks", WebhooksWrite, get(webhooks::list))
        .add("/v1/webhooks", WebhooksWrite, post(webhooks::create))
        .add("/v1/webhooks/{id}", WebhooksWrite, get(webhooks::get))
        .add("/v1/webhooks/{id}", WebhooksWrite, patch(webhooks::update))
        .add("/v1/webhooks/{id}", WebhooksWrite, delete(webhooks::delete))
        .add(
            "/v1/webhooks/{id}/test",
            WebhooksWrite,
            post(webhooks::test),
        )
        .add(
            "/v1/webhooks/{id}/rotate",
            WebhooksWrite,
            post(webhooks::rotate),
        )
        .add(
            "/v1/webhooks/{id}/deliveries",
            WebhooksWrite,
            get(webhooks::deliveries),
        )
        .add(
            "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver",
            WebhooksWrite,
            post(webhooks::redeliver),
        )
        .add("/metrics", AuditRead, get(metrics::metrics))
        .add("/v1/audit", AuditRead, get(audit::list))
        .add("/v1/audit/verify", AuditRead, get(audit::verify))
        .open("/v1/media", options(tus::options))
        .open("/v1/media/{id}", options(tus::options))
        .open("/oauth/{platform}/callback", get(callback::callback))
        .open("/healthz", get(health::healthz))
        .open("/readyz", get(health::readyz))
        .open("/openapi.json", get(document))
        .finish()
}

/// The callback alone, for a listener that serves nothing else.
pub(crate) fn callback_router(accounts: Accounts) -> Router {
    Router::new()
        .route("/oauth/{platform}/callback", get(callback::callback))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn(request::surround))
        .with_state(accounts)
}

/// The routes, each with its scope.
struct Routes {
    app: App,
    router: Router<App>,
}

impl Routes {
    fn new(app: App) -> Self {
        Self {
            app,
            router: Router::new(),
        }
    }

    /// A route for callers with a key that has the scope.
    fn add(mut self, path: &str, scope: Scope, route: MethodRouter<App>) -> Self {
        let guarded = route.route_layer(from_fn_with_state((self.app.clone(), scope), auth::guard));
        self.router = self.router.route(path, guarded);
        self
    }

    /// The same, where a request with an `Idempotency-Key` is carried out once.
    fn add_once(self, path: &str, scope: Scope, keep: Keep, route: MethodRouter<App>) -> Self {
        let layer = from_fn_with_state((self.app.clone(), keep), once::once);
        self.add(path, scope, route.route_layer(layer))
    }

    /// A route for everyone.
    fn open(mut self, path: &str, route: MethodRouter<App>) -> Self {
        self.router = self.router.route(path, route);
        self
    }

    fn finish(self) -> Router {
        self.router
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(from_fn(request::surround))
            // Outside of it, since it counts.
            .layer(axum::Extension(self.app.metrics.clone()))
            .with_state(self.app)
    }
}

/// The description of the API.
async fn document() -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json")], openapi())
}

//! The service in the world: it starts like any other, connects an account by the whole OAuth exchange, is given its uploads, and
//! then publishes until it dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use multi_upload_core::CallOptions;
use multi_upload_platforms::Platform;
use multi_upload_platforms::pinterest::Pinterest;
use multi_upload_sandbox::Sandbox;
use multi_upload_server::store::Store;
use multi_upload_server::{Chance, Config, Engine, Ground};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::between::{Between, Fate};
use crate::outside::Simulated;

/// Where the sandbox is, on its host.
pub(crate) const NETWORK: &str = "http://network";

/// What survives the death of the service: its disk; and what the test wants to know of it.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) sandbox: Sandbox,
    pub(crate) chance: Chance,
    pub(crate) words: Arc<Words>,
    /// What to publish.
    pub(crate) uploads: Vec<Value>,
    /// Ids of the uploads, once they are stored.
    pub(crate) ids: std::sync::Mutex<Vec<String>>,
}

/// The words between the service and its database.
#[derive(Default)]
pub(crate) struct Words {
    /// Whether some are lost now.
    pub(crate) are_lost: AtomicBool,
    pub(crate) lost: AtomicU64,
}

impl Service {
    /// One life of the process.
    pub(crate) async fn live(self: Arc<Self>, loses_one_of: u64) -> turmoil::Result {
        let engine = loop {
            match Engine::start_on(self.config.clone(), self.ground(loses_one_of)).await {
                Ok(engine) => break engine,
                // The database was out of reach: whoever runs the service starts it again.
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        if self.ids.lock().unwrap().is_empty() {
            self.connect(&engine).await;
            self.create(&engine).await;
        }
        std::future::pending().await
    }

    fn ground(&self, loses_one_of: u64) -> Ground {
        let outside = Arc::new(Simulated(self.chance.clone()));
        let pinterest = Pinterest::within(self.config.pinterest.clone(), outside).unwrap();
        let (chance, words) = (self.chance.clone(), Arc::clone(&self.words));
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let share = 1.0 / loses_one_of as f64;
        let fate = move |_: &str| {
            if loses_one_of == 0 || !words.are_lost.load(Ordering::SeqCst) || chance.next() >= share
            {
                return Fate::Answered;
            }
            words.lost.fetch_add(1, Ordering::SeqCst);
            if chance.next() < 0.7 {
                Fate::AnswerLost
            } else {
                Fate::RequestLost
            }
        };
        Ground {
            store: Arc::new(Between {
                inner: Arc::clone(&self.store),
                waits: true,
                fate: Box::new(fate),
                moves: None,
            }),
            changes: self.changes.clone(),
            platforms: vec![Arc::new(pinterest) as Arc<dyn Platform>],
        }
    }

    /// Connects the sandbox's account; the browser is played here.
    async fn connect(&self, engine: &Engine) {
        let session = call(
            engine,
            "accounts.start_connection",
            json!({"platform": "pinterest"}),
        )
        .await;
        let page = session["authorize_url"].as_str().unwrap();
        let page = page.strip_prefix(NETWORK).unwrap();
        let request = Request::get(page).body(Body::empty()).unwrap();
        let router = self.sandbox.router(NETWORK);
        let redirect = router.oneshot(request).await.unwrap();
        let location = redirect.headers()["location"].to_str().unwrap();
        let location: http::Uri = location.parse().unwrap();
        let path = location.path_and_query().unwrap().to_string();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let page = engine.router().oneshot(request).await.unwrap();
        assert!(page.status().is_success(), "{page:?}");
    }

    async fn create(&self, engine: &Engine) {
        let mut ids = Vec::new();
        for upload in &self.uploads {
            let upload = call(engine, "uploads.create", upload.clone()).await;
            ids.push(upload["id"].as_str().unwrap().to_owned());
        }
        *self.ids.lock().unwrap() = ids;
    }
}

async fn call(engine: &Engine, operation: &str, arguments: Value) -> Value {
    let client = engine.client();
    client
        .call(operation, arguments, CallOptions::default())
        .await
        .unwrap()
}

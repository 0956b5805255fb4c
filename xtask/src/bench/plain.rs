//! The program that `create-many` is compared with: nothing but reqwest sending the same uploads one by one, on tokio's
//! usual runtime.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};

/// Requests under way at once, as many as the product has.
const IN_FLIGHT: usize = 8;

#[derive(Serialize)]
struct Pin {
    accounts: [&'static str; 1],
    image_url: String,
    board_id: &'static str,
    title: String,
    description: String,
    link: String,
    scheduled_at: &'static str,
    external_id: String,
}

impl Pin {
    fn new(index: usize) -> Self {
        Self {
            accounts: ["pinterest:549755885175"],
            image_url: format!("https://images.example.com/{index}.jpg"),
            board_id: "1130685143825402199",
            title: format!("Pin {index}"),
            description: format!(
                "What is to be seen in picture {index}, in a sentence or two of usual length."
            ),
            link: format!("https://example.com/recipes/{index}"),
            scheduled_at: "2030-12-01T20:00:00Z",
            external_id: format!("row-{index}"),
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    id: String,
}

/// Sends `count` uploads and reads the id of each.
pub(super) fn run(url: &str, count: usize) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(send(url, count))
        .map_err(|error| error.to_string())
}

async fn send(url: &str, count: usize) -> Result<(), reqwest::Error> {
    // Plain HTTP: a store without roots spares this program reading them, as the product spares itself.
    let tls = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .map(|builder| {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    });
    let mut builder = reqwest::Client::builder();
    if let Ok(tls) = tls {
        builder = builder.tls_backend_preconfigured(tls);
    }
    let client = builder.build()?;
    let target = format!("{url}/v1/uploads");
    let stored = stream::iter(0..count)
        .map(|index| {
            let request = client
                .post(&target)
                .header(
                    AUTHORIZATION,
                    HeaderValue::from_static("Bearer mu_test_bench"),
                )
                .header("idempotency-key", uuid::Uuid::now_v7().to_string())
                .json(&Pin::new(index));
            async move {
                let answer = request.send().await?.error_for_status()?;
                answer.json::<Stored>().await
            }
        })
        .buffered(IN_FLIGHT)
        .try_fold(0, |stored, upload| async move {
            Ok(stored + usize::from(!upload.id.is_empty()))
        })
        .await?;
    assert_eq!(stored, count, "every upload was answered with its id");
    Ok(())
}

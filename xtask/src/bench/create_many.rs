//! 10,000 pins from Python, to a service that only answers: CPU time of the client's process.

use std::process::Command;

use super::artefacts::Artefacts;
use super::figure::{Figure, Target};
use super::measure::{cpu_of, median};
use super::{Effort, note, stub};

const PYTHON: &str = r#"
import sys
from multi_upload import Client
url, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = [
    {
        "accounts": ["pinterest:549755885175"],
        "image_url": f"https://images.example.com/{index}.jpg",
        "board_id": "1130685143825402199",
        "title": f"Pin {index}",
        "description": f"What is to be seen in picture {index}, in a sentence or two of usual length.",
        "link": f"https://example.com/recipes/{index}",
        "scheduled_at": "2030-12-01T20:00:00Z",
        "external_id": f"row-{index}",
    }
    for index in range(count)
]
with Client(url, "mu_test_bench") as client:
    results = client.uploads.create_many(rows, batch_size=size)
assert len(results) == count and all(result.upload for result in results)
"#;

/// The default of `create_many`.
const BATCH: usize = 100;

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let (count, rounds) = (effort.of(10_000, 500), effort.of(7, 3));
    note(&format!("create-many: {rounds} rounds of {count} pins"));
    let url = format!("http://{}", stub::start()?);
    let count = count.to_string();
    let python = |size: usize| {
        cpu_of(
            artefacts
                .python(PYTHON)
                .args([&url, &count, &size.to_string()]),
        )
    };
    let (mut plain, mut single, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(cpu_of(Command::new(artefacts.xtask()).args([
            "bench-plain",
            &url,
            &count,
        ]))?);
        single.push(python(1)?);
        batch.push(python(BATCH)?);
    }
    let plain = median(plain);
    Ok(vec![
        Figure::new("create-many, one by one", "ms CPU", median(single))
            .against(plain)
            .target(Target::TimesAtMost(2.0)),
        Figure::new("create-many, in batches", "ms CPU", median(batch))
            .against(plain)
            .target(Target::TimesAtMost(0.3)),
    ])
}

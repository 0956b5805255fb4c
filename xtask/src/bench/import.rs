//! What it costs to have the package: CPU time of a process that loads it, without that of the bare interpreter.

use super::artefacts::Artefacts;
use super::figure::{Figure, Target};
use super::measure::{cpu_of, median};
use super::{Effort, note};

struct Case {
    name: &'static str,
    run: fn(&Artefacts, &str) -> std::process::Command,
    bare: &'static str,
    load: &'static str,
    client: &'static str,
    limit_ms: f64,
}

const CASES: [Case; 2] = [
    Case {
        name: "Python",
        run: Artefacts::python,
        bare: "pass",
        load: "import multi_upload",
        client: "import multi_upload; multi_upload.Client('http://127.0.0.1:9', 'mu_test_x')",
        limit_ms: 10.0,
    },
    Case {
        name: "Node",
        run: Artefacts::node,
        bare: "",
        load: "require('multi-upload')",
        client: "new (require('multi-upload').Client)('http://127.0.0.1:9', 'mu_test_x')",
        limit_ms: 15.0,
    },
];

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let rounds = effort.of(41, 3);
    note(&format!("import: {rounds} rounds"));
    let mut figures = Vec::new();
    for case in CASES {
        let once = |program: &str| cpu_of(&mut (case.run)(artefacts, program));
        // The first time compiles Python's files and reads all of it from the disk.
        once(case.client)?;
        let (mut bare, mut load, mut client) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(once(case.bare)?);
            load.push(once(case.load)?);
            client.push(once(case.client)?);
        }
        let bare = median(bare);
        figures.push(
            Figure::new(&format!("import, {}", case.name), "ms CPU", median(load))
                .against(bare)
                .target(Target::MoreByAtMost(case.limit_ms)),
        );
        figures.push(
            Figure::new(
                &format!("import and first client, {}", case.name),
                "ms CPU",
                median(client),
            )
            .against(bare),
        );
    }
    Ok(figures)
}

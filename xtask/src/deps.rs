//! `cargo xtask deps`: which crate may use which.
//!
//! The crates form one chain (`wire <- core <- platforms <- server <- cli <- bindings`), with the media parsers, the sandbox
//! and the test kit beside it. An edge that is not in the table is a mistake, even where it compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

use crate::root::root;

/// What one crate of the workspace may use.
struct Rule {
    krate: &'static str,
    /// Crates of the workspace it may use, dev-dependencies apart.
    uses: &'static [&'static str],
    /// Crates of the workspace that its tests may use beside those.
    tests_use: &'static [&'static str],
    /// Third-party crates that must not be in its own list of dependencies.
    never: &'static [&'static str],
    /// Crates that must not be reachable at all, not even through others.
    never_reaches: &'static [&'static str],
}

const WIRE: &str = "multi-upload-wire";
const CORE: &str = "multi-upload-core";
const MEDIA: &str = "multi-upload-media";
const PLATFORMS: &str = "multi-upload-platforms";
const SERVER: &str = "multi-upload-server";
const SANDBOX: &str = "multi-upload-sandbox";
const CLI: &str = "multi-upload-cli";
const TESTKIT: &str = "multi-upload-testkit";
const PROXY: &str = "multi-upload-proxy";

const FFI: &[&str] = &["pyo3", "napi", "uniffi"];
const BINDING_NEVER: &[&str] = &["reqwest", "hyper", "hyper-util", "axum", "rusqlite"];

const RULES: &[Rule] = &[
    Rule {
        krate: WIRE,
        uses: &[],
        tests_use: &[],
        never: &["jiff"],
        never_reaches: &[
            "tokio", "reqwest", "hyper", "axum", "rusqlite", "jiff", "pyo3", "napi", "uniffi",
            "libc",
        ],
    },
    Rule {
        krate: CORE,
        uses: &[WIRE],
        tests_use: &[TESTKIT],
        never: FFI,
        never_reaches: &[
            "pyo3",
            "napi",
            "uniffi",
            "axum",
            "rusqlite",
            "tokio-postgres",
        ],
    },
    Rule {
        krate: MEDIA,
        uses: &[WIRE],
        tests_use: &[],
        never: FFI,
        // Pure: bytes in, facts or bytes out.
        never_reaches: &["tokio", "reqwest", "hyper", "axum", "rusqlite"],
    },
    Rule {
        krate: PLATFORMS,
        uses: &[CORE, WIRE],
        tests_use: &[SANDBOX],
        never: FFI,
        never_reaches: &["axum", "rusqlite", "tokio-postgres"],
    },
    Rule {
        krate: SERVER,
        uses: &[PLATFORMS, MEDIA, CORE, WIRE],
        tests_use: &[SANDBOX],
        never: FFI,
        never_reaches: FFI,
    },
    Rule {
        krate: SANDBOX,
        uses: &[WIRE],
        tests_use: &[],
        never: FFI,
        // The reference that the tests trust shares no code with what they judge.
        never_reaches: &[CORE, PLATFORMS, SERVER, "rusqlite"],
    },
    Rule {
        krate: CLI,
        uses: &[SERVER, SANDBOX, CORE, WIRE],
        tests_use: &[],
        never: FFI,
        never_reaches: FFI,
    },
    Rule {
        krate: "multi-upload-python",
        uses: &[CLI, CORE, WIRE],
        tests_use: &[],
        never: BINDING_NEVER,
        never_reaches: &["napi"],
    },
    Rule {
        krate: "multi-upload-node",
        uses: &[CLI, CORE, WIRE],
        tests_use: &[],
        never: BINDING_NEVER,
        never_reaches: &["pyo3"],
    },
    Rule {
        krate: TESTKIT,
        uses: &[WIRE],
        tests_use: &[],
        never: FFI,
        never_reaches: &[CORE, PLATFORMS, SERVER],
    },
    Rule {
        krate: PROXY,
        uses: &[],
        tests_use: &[SANDBOX, SERVER, PLATFORMS, WIRE],
        never: FFI,
        // It passes bytes on and knows nothing of either side.
        never_reaches: &[CORE, PLATFORMS, SERVER, SANDBOX, "hyper"],
    },
    Rule {
        krate: "xtask",
        uses: &[SERVER, WIRE],
        tests_use: &[],
        never: FFI,
        never_reaches: &[],
    },
];

/// Nowhere in the graph: TLS is rustls with ring, SQL is rusqlite, and there is one of each.
const NOWHERE: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "aws-lc-sys",
    "sqlx",
];

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    /// `dev`, `build`, or `null` for a normal one.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Runs the check on the workspace.
pub(crate) fn run() -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo metadata did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("the answer of cargo metadata could not be read: {error}"))?;
    let problems = check(&metadata);
    if problems.is_empty() {
        println!(
            "deps: {} crates keep their directions",
            metadata.workspace_members.len()
        );
        Ok(())
    } else {
        Err(format!(
            "deps: not allowed (the table is in xtask/src/deps.rs):\n  {}",
            problems.join("\n  ")
        ))
    }
}

fn check(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &metadata.packages {
        if NOWHERE.contains(&package.name.as_str()) {
            problems.push(format!("{} is in the graph", package.name));
        }
    }
    let members: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| metadata.workspace_members.contains(&package.id))
        .collect();
    let names: BTreeSet<&str> = members
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in &members {
        let Some(rule) = RULES.iter().find(|rule| rule.krate == package.name) else {
            problems.push(format!("{} has no rule", package.name));
            continue;
        };
        check_declared(package, rule, &names, &mut problems);
        for reached in reachable(metadata, &package.id) {
            if rule.never_reaches.contains(&reached) {
                problems.push(format!("{} reaches {reached}", package.name));
            }
        }
    }
    problems
}

fn check_declared(
    package: &Package,
    rule: &Rule,
    members: &BTreeSet<&str>,
    problems: &mut Vec<String>,
) {
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let test_only = dependency.kind.as_deref() == Some("dev");
        if members.contains(name) {
            let allowed = rule.uses.contains(&name) || test_only && rule.tests_use.contains(&name);
            if !allowed {
                let kind = if test_only { " in its tests" } else { "" };
                problems.push(format!("{} uses {name}{kind}", package.name));
            }
        } else if !test_only && rule.never.contains(&name) {
            problems.push(format!("{} uses {name}", package.name));
        }
    }
}

/// Names of everything a package is built from, dev-dependencies apart.
fn reachable<'a>(metadata: &'a Metadata, start: &'a str) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        for edge in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let built_in = edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
            if built_in && seen.insert(&edge.pkg) {
                open.push(&edge.pkg);
            }
        }
    }
    metadata
        .packages
        .iter()
        .filter(|package| package.id != start && seen.contains(package.id.as_str()))
        .map(|package| package.name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Uses<'a> = &'a [(&'a str, Option<&'a str>)];

    /// A workspace of `(crate, [(dependency, kind)])`; everything named `multi-upload-*` is a member.
    fn workspace(crates: &[(&str, Uses<'_>)]) -> Metadata {
        let kind = |kind: Option<&str>| kind.map(str::to_owned);
        Metadata {
            packages: crates
                .iter()
                .map(|(name, uses)| Package {
                    id: (*name).to_owned(),
                    name: (*name).to_owned(),
                    dependencies: uses
                        .iter()
                        .map(|(name, of)| Declared {
                            name: (*name).to_owned(),
                            kind: kind(*of),
                        })
                        .collect(),
                })
                .collect(),
            workspace_members: crates
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .filter(|name| name.starts_with("multi-upload"))
                .collect(),
            resolve: Resolve {
                nodes: crates
                    .iter()
                    .map(|(name, uses)| Node {
                        id: (*name).to_owned(),
                        deps: uses
                            .iter()
                            .map(|(name, of)| Edge {
                                pkg: (*name).to_owned(),
                                dep_kinds: vec![Kind { kind: kind(*of) }],
                            })
                            .collect(),
                    })
                    .collect(),
            },
        }
    }

    #[test]
    fn the_chain_is_allowed() {
        let metadata = workspace(&[
            (WIRE, &[("serde", None)]),
            (
                CORE,
                &[(WIRE, None), ("tokio", None), (TESTKIT, Some("dev"))],
            ),
            (TESTKIT, &[(WIRE, None)]),
            ("serde", &[]),
            ("tokio", &[]),
        ]);
        assert_eq!(check(&metadata), Vec::<String>::new());
    }

    #[test]
    fn an_edge_against_the_chain_is_found() {
        let metadata = workspace(&[
            (WIRE, &[]),
            (CORE, &[(WIRE, None), (SERVER, None)]),
            (SERVER, &[]),
            (TESTKIT, &[(CORE, Some("dev"))]),
        ]);
        assert_eq!(
            check(&metadata),
            [
                "multi-upload-core uses multi-upload-server",
                "multi-upload-testkit uses multi-upload-core in its tests"
            ]
        );
    }

    #[test]
    fn a_forbidden_crate_is_found_behind_another() {
        let metadata = workspace(&[
            (WIRE, &[("helper", None)]),
            ("helper", &[("tokio", None)]),
            ("tokio", &[]),
            ("openssl", &[]),
        ]);
        assert_eq!(
            check(&metadata),
            ["openssl is in the graph", "multi-upload-wire reaches tokio"]
        );
    }

    #[test]
    fn a_binding_may_reach_but_not_use_the_http_crates() {
        let metadata = workspace(&[
            ("multi-upload-node", &[(CLI, None), ("reqwest", None)]),
            (CLI, &[("reqwest", None)]),
            ("reqwest", &[]),
        ]);
        assert_eq!(check(&metadata), ["multi-upload-node uses reqwest"]);
    }

    #[test]
    fn a_crate_without_a_rule_is_found() {
        let metadata = workspace(&[("multi-upload-new", &[])]);
        assert_eq!(check(&metadata), ["multi-upload-new has no rule"]);
    }
}

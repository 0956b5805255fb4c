//! For tests: does a statement find its rows by an index, in order, without sorting?

use std::path::Path;

use super::open;

/// Fails unless the plan of `sql` uses exactly these indexes, looks at nothing row by row, and sorts nothing.
pub(super) fn assert_index(sql: &str, indexes: &[&str]) {
    let plan = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let steps: Vec<_> = plan
        .iter()
        .filter(|step| step.starts_with("SEARCH") || step.starts_with("SCAN"))
        .collect();
    assert_eq!(steps.len(), indexes.len(), "{sql}: {plan:#?}");
    for (step, index) in steps.iter().zip(indexes) {
        assert!(step.contains(index), "{sql}: {plan:#?}");
    }
    assert!(
        !plan.iter().any(|step| step.contains("TEMP B-TREE")),
        "{sql}: {plan:#?}"
    );
}

fn plan(sql: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let conn = open::writer(&Path::new(folder.path()).join("plan.db"))?;
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let count = statement.parameter_count();
    let values = std::iter::repeat_n(rusqlite::types::Null, count);
    let steps = statement
        .query_map(rusqlite::params_from_iter(values), |row| row.get(3))?
        .collect::<Result<Vec<String>, _>>()?;
    Ok(steps)
}

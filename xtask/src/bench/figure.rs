//! Figures and their targets, as a table and as JSON.

use serde_json::{Value, json};

/// One measured figure.
pub(super) struct Figure {
    /// Which bench, and which of its figures.
    pub(super) name: String,
    /// Of `ours` and `against`.
    pub(super) unit: &'static str,
    /// The product.
    pub(super) ours: f64,
    /// What it is compared with.
    pub(super) against: Option<f64>,
    /// What is promised.
    pub(super) target: Option<Target>,
}

/// A promise about a figure.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// Ours itself.
    AtMost(f64),
    /// Ours without what it is compared with.
    MoreByAtMost(f64),
    /// Ours divided by what it is compared with.
    TimesAtMost(f64),
    /// The same from below.
    TimesAtLeast(f64),
}

impl Figure {
    pub(super) fn new(name: &str, unit: &'static str, ours: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            ours,
            against: None,
            target: None,
        }
    }

    pub(super) fn against(mut self, against: f64) -> Self {
        self.against = Some(against);
        self
    }

    pub(super) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.against.map(|against| self.ours / against)
    }

    /// Whether the promise is kept, where there is one.
    pub(super) fn met(&self) -> Option<bool> {
        let against = self.against.unwrap_or(f64::NAN);
        self.target.map(|target| match target {
            Target::AtMost(limit) => self.ours <= limit,
            Target::MoreByAtMost(limit) => self.ours - against <= limit,
            Target::TimesAtMost(limit) => self.ours / against <= limit,
            Target::TimesAtLeast(limit) => self.ours / against >= limit,
        })
    }

    fn target_text(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::AtMost(limit)) => format!("at most {} {}", number(limit), self.unit),
            Some(Target::MoreByAtMost(limit)) => format!("+{} {}", number(limit), self.unit),
            Some(Target::TimesAtMost(limit)) => format!("at most {} x", number(limit)),
            Some(Target::TimesAtLeast(limit)) => format!("at least {} x", number(limit)),
        }
    }

    fn row(&self) -> [String; 6] {
        let with_unit = |value: f64| format!("{} {}", number(value), self.unit);
        let compared = match (self.against, self.target) {
            (Some(against), Some(Target::MoreByAtMost(_))) => {
                format!("{:+.1} {}", self.ours - against, self.unit)
            }
            _ => self
                .ratio()
                .map_or(String::new(), |ratio| format!("{ratio:.2} x")),
        };
        [
            self.name.clone(),
            with_unit(self.ours),
            self.against.map_or(String::new(), with_unit),
            compared,
            self.target_text(),
            self.met()
                .map_or("", |met| if met { "yes" } else { "NO" })
                .to_owned(),
        ]
    }

    fn object(&self) -> Value {
        let target = self.target.map(|target| match target {
            Target::AtMost(limit) => json!({"of": "ours", "at_most": limit}),
            Target::MoreByAtMost(limit) => json!({"of": "difference", "at_most": limit}),
            Target::TimesAtMost(limit) => json!({"of": "ratio", "at_most": limit}),
            Target::TimesAtLeast(limit) => json!({"of": "ratio", "at_least": limit}),
        });
        json!({
            "name": self.name,
            "unit": self.unit,
            "ours": rounded(self.ours),
            "against": self.against.map(rounded),
            "ratio": self.ratio().map(rounded),
            "target": target,
            "met": self.met(),
        })
    }
}

/// All figures for people.
pub(super) fn table(figures: &[Figure]) -> String {
    let head = ["", "ours", "against", "compared", "target", "met"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(figures.iter().map(Figure::row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let lines = rows.iter().map(|row| {
        let [name, ours, against, compared, target, met] = row;
        let line = format!(
            "{name:<0$}  {ours:>1$}  {against:>2$}  {compared:>3$}  {target:<4$}  {met:<5$}",
            widths[0], widths[1], widths[2], widths[3], widths[4], widths[5],
        );
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// All figures for machines.
pub(super) fn json(figures: &[Figure]) -> String {
    let figures: Vec<Value> = figures.iter().map(Figure::object).collect();
    format!("{:#}", json!({ "figures": figures }))
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_by_what_they_are_about() {
        let met = |target, ours: f64, against: f64| {
            Figure::new("x", "ms", ours)
                .against(against)
                .target(target)
                .met()
        };
        assert_eq!(met(Target::AtMost(40.0), 39.9, 1.0), Some(true));
        assert_eq!(met(Target::MoreByAtMost(10.0), 31.0, 20.0), Some(false));
        assert_eq!(met(Target::MoreByAtMost(10.0), 29.0, 20.0), Some(true));
        assert_eq!(met(Target::TimesAtMost(2.0), 21.0, 10.0), Some(false));
        assert_eq!(met(Target::TimesAtLeast(6.0), 61.0, 10.0), Some(true));
        assert_eq!(Figure::new("x", "ms", 1.0).met(), None);
        // A comparison that has nothing to compare with is not kept.
        let alone = Figure::new("x", "ms", 1.0).target(Target::TimesAtMost(2.0));
        assert_eq!(alone.met(), Some(false));
    }

    #[test]
    fn the_table_shows_what_is_missed() {
        let figures = [
            Figure::new("a", "ms", 31.0)
                .against(20.0)
                .target(Target::MoreByAtMost(10.0)),
            Figure::new("b", "MB", 12.345),
        ];
        let text = table(&figures);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].contains("+11.0 ms") && lines[1].ends_with("NO"),
            "{text}"
        );
        assert!(lines[2].ends_with("12.3 MB"), "{text}");
    }
}

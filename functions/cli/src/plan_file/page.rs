//! A plan as an HTML page: one file that loads nothing from a server.

use anyhow::Result;
use minijinja::Environment;
use minijinja::value::Serde;

use super::PlanFile;
use crate::clean::clean_html;
use crate::explained::add_filters;

/// Template of the page.
const PAGE: &str = include_str!("page.html");

/// Renders the page. Every value is escaped.
pub fn page(plan: &PlanFile) -> Result<String> {
    let mut environment = Environment::new();
    clean_html(&mut environment);
    add_filters(&mut environment);
    environment.add_template("page.html", PAGE)?;
    Ok(environment.get_template("page.html")?.render(Serde(plan))?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan_file::PlanNumbers;
    use explain::{AttributeChange, ReportItem};

    #[test]
    fn every_value_is_escaped() {
        let evil = || "<script>alert(1)</script>\"'&\u{202e}".to_owned();
        let change = AttributeChange { attribute: evil(), from: Some(evil()), to: None };
        let plan = PlanFile {
            format: 1,
            connection: evil(),
            configuration: evil(),
            target: evil(),
            summary: PlanNumbers {
                read: 1,
                unchanged: 0,
                actions: BTreeMap::from([(evil(), 1)]),
                links: 0,
                complete: false,
                incomplete: Some(evil()),
                held_changes: Some(evil()),
            },
            users: vec![ReportItem {
                anchor: evil(),
                user_name: Some(evil()),
                dn: None,
                action: evil().into(),
                why: evil(),
                changes: vec![change],
                inputs: None,
            }],
        };
        let page = page(&plan).unwrap();
        assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'), "{page}");
        assert!(page.matches("&lt;script&gt;alert(1)").count() >= 10, "{page}");
        assert_eq!(page.matches("<script>").count(), 1, "the filter is the only script");
        assert!(
            !page.contains("http:") && !page.contains("https:") && !page.contains("src="),
            "it loads nothing"
        );
    }
}

//! The routes of the app by how they are answered.

use super::page::{count, table};
use crate::image::AppRoutes;
use crate::report::markdown::{code, text};

const SHOWN: usize = 40;
const LONGEST: usize = 200;

pub(super) fn render(routes: &AppRoutes) -> String {
    let kinds = [
        ("○ static", "rendered by the build", &routes.prerendered),
        ("◐ ISR", "rendered by the build, again when too old", &routes.isr),
        ("ƒ dynamic", "rendered for each request", &routes.dynamic),
        ("λ API", "route handlers", &routes.api),
    ];
    let kinds = kinds
        .map(|(kind, how, routes)| (kind, how, routes.iter().filter(|route| !is_error(route)).collect::<Vec<_>>()));
    let mut rows: Vec<Vec<String>> = kinds
        .iter()
        .filter(|(_, _, routes)| !routes.is_empty())
        .map(|(kind, meaning, routes)| {
            vec![format!("**{kind}**"), routes.len().to_string(), list(routes), (*meaning).to_owned()]
        })
        .collect();
    if let Some(place) = &routes.middleware {
        rows.push(vec![
            "**⇥ middleware**".to_owned(),
            String::new(),
            String::new(),
            format!("runs on {}", text(place)),
        ]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let all = kinds.iter().map(|(_, _, routes)| routes.len()).sum();
    let table = table(&["Kind", "Number", "Routes", "How"], &["---", "---:", "---", "---"], &rows);
    format!("### {}\n\n{table}", count(all, "route"))
}

/// Pages that Next.js adds to every app.
fn is_error(route: &str) -> bool {
    matches!(route, "/404" | "/500")
}

fn list(routes: &[&String]) -> String {
    let mut shown: Vec<String> =
        routes.iter().take(SHOWN).map(|route| code(&crate::builder::shorten(route, LONGEST))).collect();
    if routes.len() > SHOWN {
        shown.push(format!("and {} more", routes.len() - SHOWN));
    }
    shown.join(" ")
}

//! Warnings, each with its file and what to do.

use std::fmt::Write as _;

use super::page::{count, table};
use crate::diagnostic::Warning;
use crate::report::markdown::{code, cut, prose};

const SHOWN: usize = 50;
const LONGEST: usize = 1_000;

pub(super) fn render(warnings: &[Warning]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = warnings
        .iter()
        .take(SHOWN)
        .map(|warning| {
            let place = warning.location.as_ref().map(|location| code(&location.to_string())).unwrap_or_default();
            let hint = warning.hint.as_deref().unwrap_or_default();
            vec![place, prose(&cut(&warning.message, LONGEST)), prose(&cut(hint, LONGEST))]
        })
        .collect();
    let mut text = format!("### ⚠️ {}\n\n", count(warnings.len(), "warning"));
    text.push_str(&table(&["File", "What", "What to do"], &["---", "---", "---"], &rows));
    if warnings.len() > SHOWN {
        let _ = writeln!(text, "\nand {} more, in the log", warnings.len() - SHOWN);
    }
    text
}

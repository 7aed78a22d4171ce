//! What the verbs that look after containers tell: tables and texts for people, documents for machines.
//!
//! Whatever a container or daemon says is shown on one line, without control characters. Never drops a container from a list.

mod action;
mod health;
mod lines;
mod list;
mod table;
mod terminal;
mod usage;

pub use action::{ActionError, ActionResult};
pub use health::{HealthResult, render_health};
pub use lines::{LineFormat, LineJson, render_line};
pub use list::render_list;
pub use terminal::TerminalFilter;
pub use usage::{UsageResult, render_usage};

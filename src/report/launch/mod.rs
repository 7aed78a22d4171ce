//! A launch for people and machines: its plan, its progress, its failure, its result.

mod plan;
mod progress;
mod result;

pub use plan::{PlanResult, render_launch_plan};
pub use progress::{render_event, render_failure, render_service_failure};
pub use result::{RunResult, ServiceResult};

//! Every JSON Schema that the program publishes.

use schemars::{Schema, schema_for};

use super::result::BuildResult;
use super::transfer::{PullResult, PushResult};

/// Schemas by name: the files that are read and written, and the output for machines.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas = crate::config::metadata::schemas();
    schemas.push(crate::deploy::container_schema());
    schemas.push(("build-result", schema_for!(BuildResult)));
    schemas.push(("doctor-result", schema_for!(super::DoctorResult)));
    schemas.push(("run-result", schema_for!(super::launch::RunResult)));
    schemas.push(("run-plan", schema_for!(super::launch::PlanResult)));
    schemas.push(("push-result", schema_for!(PushResult)));
    schemas.push(("pull-result", schema_for!(PullResult)));
    schemas
}

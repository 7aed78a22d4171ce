//! `nextdeploy build --dry-run`: the build stopped right before the daemon is contacted.

use std::collections::BTreeMap;

use super::{Session, to_json};
use crate::diagnostic::ExitCode;
use crate::docker::connection::find_endpoint;
use crate::error::Error;
use crate::format::joined;
use crate::image::dockerfile::BuilderBackend;
use crate::image::plan::ImagePlan;
use crate::image_ref::RegistryKind;
use crate::pipeline::{Opened, Planned, Prepared, Publication, Reached, SecretValues};
use crate::report::{self, DryRun, OutsideCall};

/// Prints everything that the build would do.
pub fn run(session: &Session, json: bool, planned: Planned) -> (Reached, Result<ExitCode, Error>) {
    match planned.into_prepared(BuilderBackend::BuildKit, SecretValues::NameOnly, BTreeMap::new()) {
        Ok(prepared) => {
            session.warn(&prepared.warnings);
            let printed = print(session, json, &prepared);
            (Reached::Prepared(Box::new(prepared)), printed.map(|()| ExitCode::Ok))
        }
        Err(failure) => (failure.reached, Err(failure.error)),
    }
}

fn print(session: &Session, json: bool, prepared: &Prepared) -> Result<(), Error> {
    let Prepared { planned: Planned { opened, plan, publication }, dockerfile, request, .. } = prepared;
    let mut calls = outside_calls(session, opened, plan);
    calls.extend(push_calls(opened, publication));
    let document = DryRun {
        schema_version: 1,
        facts: &opened.facts,
        plan,
        dockerfile,
        context: report::context_lines(&request.context),
        tags: &request.tags,
        calls: &calls,
    };
    if json {
        return session.json(&document);
    }
    let sections = [
        ("Facts", to_json(&opened.facts)),
        ("Plan", report::render_plan(plan)),
        ("Dockerfile", dockerfile.clone()),
        ("Build context", report::render_context(&request.context)),
        ("Tags", joined(&request.tags, "\n")),
        ("Calls that a build would make", report::render_calls(&calls)),
    ];
    let text: Vec<String> =
        sections.iter().map(|(title, body)| format!("== {title}\n\n{}\n", body.trim_end())).collect();
    session.text(&text.join("\n"))
}

fn outside_calls(session: &Session, opened: &Opened, plan: &ImagePlan) -> Vec<OutsideCall> {
    let call = |target: &str, action: String| OutsideCall { target: target.to_owned(), action };
    let daemon = match find_endpoint(&session.environment, None) {
        Ok(endpoint) => endpoint.to_string(),
        Err(error) => format!("docker daemon ({error})"),
    };
    let mut calls = vec![
        call(&daemon, "GET /_ping and /version, to learn which builder it has".to_owned()),
        call(&daemon, format!("POST /build with the context above, tag {}", plan.tags[0].value)),
        call("daemon, on its own", format!("base image {}, when it is not there", plan.base.build.value)),
    ];
    if plan.base.runtime.value != plan.base.build.value {
        calls.push(call("daemon, on its own", format!("base image {}, when it is not there", plan.base.runtime.value)));
    }
    let manager = opened.facts.package_manager.value.kind.command();
    calls.push(call("npm registry, inside the build", format!("packages that {manager} installs")));
    for secret in &plan.secrets {
        calls.push(call(&daemon, format!("secret `{}`, served to the build only", secret.id)));
    }
    calls.push(call(&daemon, "GET /images/…/json and /history of the result".to_owned()));
    for (what, path) in [("image id", &opened.run.iidfile), ("result", &opened.run.metadata_file)] {
        if let Some(path) = path {
            calls.push(call("file system", format!("write the {what} to {}", path.display())));
        }
    }
    calls
}

fn push_calls(opened: &Opened, publication: &Publication) -> Vec<OutsideCall> {
    let call = |target: String, action: String| OutsideCall { target, action };
    match publication {
        Publication::NotRequested => Vec::new(),
        Publication::Skipped(reason) => vec![call("registry".to_owned(), format!("nothing: {reason}"))],
        Publication::To(references) => {
            let mut calls = Vec::new();
            for reference in references {
                let host = reference.registry();
                if opened.publish.create_repository
                    && matches!(host.kind(), RegistryKind::Ecr(_) | RegistryKind::EcrPublic)
                {
                    calls.push(call(
                        host.to_string(),
                        format!("create the repository of {reference}, when it is missing"),
                    ));
                }
                calls.push(call(host.to_string(), format!("push of {reference} by the daemon")));
            }
            calls
        }
    }
}

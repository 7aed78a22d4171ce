//! A job for GitLab CI, for runners that start Docker-in-Docker.

use serde_json::Value;

use super::template::fill;
use super::{Choices, Definition, TargetRegistry};

const JOB: &str = include_str!("templates/gitlab.yml");
const IDENTITY: &str = "  id_tokens:\n    AWS_TOKEN:\n      aud: $CI_SERVER_URL\n";
/// The AWS SDK reads it from a file.
const WRITE_TOKEN: &str = r#"    - mkdir -p "$CI_PROJECT_DIR.tmp"
    - (umask 077 && printf %s "$AWS_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE")
"#;

pub(super) fn definition(choices: &Choices) -> Definition {
    let mut variables: Vec<(&str, String)> = Vec::new();
    let (mut identity, mut sign_in, mut to_do) = ("", "", Vec::new());
    if !choices.directory.is_root() {
        // GitLab expands variables in variables.
        variables.push((
            "NEXTDEPLOY_WORKING_DIRECTORY",
            Value::from(choices.directory.as_str().replace('$', "$$")).to_string(),
        ));
    }
    match &choices.registry {
        TargetRegistry::Own => {}
        TargetRegistry::Ecr(place) => {
            (identity, sign_in) = (IDENTITY, WRITE_TOKEN);
            let (host, region) = place.as_ref().map_or_else(
                || ("$ECR_REGISTRY".to_owned(), "$ECR_REGION".to_owned()),
                |(host, ecr)| (host.to_string(), ecr.region.clone()),
            );
            variables.push(("NEXTDEPLOY_REGISTRY", host));
            variables.push(("AWS_REGION", region));
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", "$CI_PROJECT_DIR.tmp/aws-token".to_owned()));
            let place = if place.is_some() { "" } else { ", `ECR_REGISTRY` (the host) and `ECR_REGION`" };
            to_do.push(format!("set the CI/CD variable `AWS_ROLE_ARN` to a role that may push{place}"));
        }
        TargetRegistry::Other(host) => {
            variables.push(("NEXTDEPLOY_REGISTRY", host.to_string()));
            to_do.push(format!(
                "set the CI/CD variables `NEXTDEPLOY_USERNAME` and `NEXTDEPLOY_PASSWORD` (masked), for {host}"
            ));
        }
    }
    let lines: String = variables.iter().map(|(name, value)| ["    ", name, ": ", value, "\n"].concat()).collect();
    let content = fill(
        JOB,
        &[
            ("NAME", &format!("build-{}", choices.job_name())),
            ("PROGRAM", &choices.program.location),
            ("IDENTITY", identity),
            ("VARIABLES", &lines),
            ("SIGN_IN", sign_in),
        ],
    );
    Definition { path: ".gitlab-ci.yml".to_owned(), content, to_do }
}

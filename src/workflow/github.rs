//! A workflow of GitHub Actions: least permissions, actions pinned by commit.

use super::template::{fill, pattern, quoted};
use super::{Choices, Definition, TargetRegistry};

const WORKFLOW: &str = include_str!("templates/github.yml");
const SIGN_IN_TO_AWS: &str = include_str!("templates/github-aws.yml");

pub(super) fn definition(choices: &Choices) -> Definition {
    let name = choices.job_name();
    let mut with: Vec<(&str, String)> = Vec::new();
    if !choices.directory.is_root() {
        with.push(("working-directory", quoted(choices.directory.as_str())));
    }
    let (mut permission, mut sign_in, mut to_do) = (String::new(), String::new(), Vec::new());
    match &choices.registry {
        TargetRegistry::Own => "      packages: write # pushes to GHCR\n".clone_into(&mut permission),
        TargetRegistry::Ecr(place) => {
            "      id-token: write # signs in to AWS\n".clone_into(&mut permission);
            to_do.push(
                "set the variable `AWS_ROLE_ARN` of the repository to a role that may push (`nextdeploy ecr policy`)"
                    .to_owned(),
            );
            let (host, region) = if let Some((host, ecr)) = place {
                (host.to_string(), ecr.region.clone())
            } else {
                to_do.push("set the variables `ECR_REGISTRY` (the host) and `AWS_REGION`".to_owned());
                ("${{ vars.ECR_REGISTRY }}".to_owned(), "${{ vars.AWS_REGION }}".to_owned())
            };
            sign_in = fill(SIGN_IN_TO_AWS, &[("REGION", &region)]);
            with.push(("registry", host));
        }
        TargetRegistry::Other(host) => {
            with.push(("registry", host.to_string()));
            with.push(("username", "${{ vars.REGISTRY_USERNAME }}".to_owned()));
            with.push(("password", "${{ secrets.REGISTRY_PASSWORD }}".to_owned()));
            to_do.push(format!(
                "set the variable `REGISTRY_USERNAME` and the secret `REGISTRY_PASSWORD` of the repository, for {host}"
            ));
        }
    }
    let program = match &choices.program.comment {
        Some(comment) => format!("{} # {comment}", choices.program.location),
        None => choices.program.location.clone(),
    };
    let mut inputs = String::new();
    if !with.is_empty() {
        inputs.push_str("        with:\n");
        for (input, value) in with {
            inputs += &["          ", input, ": ", &value, "\n"].concat();
        }
    }
    let content = fill(
        WORKFLOW,
        &[
            ("NAME", &name),
            ("BRANCH", &quoted(&pattern(&choices.branch))),
            ("PERMISSION", &permission),
            ("SIGN_IN", &sign_in),
            ("PROGRAM", &program),
            ("WITH", &inputs),
        ],
    );
    Definition { path: format!(".github/workflows/{name}.yml"), content: content.trim_end().to_owned() + "\n", to_do }
}

//! Errors of planning.

use crate::diagnostic::{Location, diagnostics, printable, shown};
use crate::project::DISTROLESS_LINES;
use crate::tags::TagError;

diagnostics! {
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum PlanError {
        #[error("no image name can be derived from `{}` (app name, {origin}): no letters or digits", printable(name))]
        #[code("plan/no-image-name")]
        #[hint("set the name of the image with `--name my-app`")]
        NoImageName { name: String, origin: String },

        #[error("tag rule ({origin}): {error}")]
        #[code(error.code())]
        #[hints(error.hints())]
        Tag { origin: String, error: TagError },

        #[error("`.dockerignore` leaves out {}, so the build has no app", quoted(paths))]
        #[code("plan/sources-ignored")]
        #[hint(
            "add `!{}` to `.dockerignore`; rules for another image belong in `NAME.Dockerfile.dockerignore`",
            paths.first().map_or("app", String::as_str)
        )]
        #[location(Some(Location::file(".dockerignore")))]
        SourcesIgnored { paths: Vec<String> },

        #[error("no tag rule applies to this run ({run}), so there is no tag to push")]
        #[code("plan/no-tags")]
        #[hints(vec![no_tags_hint(rules)])]
        NoTags { run: String, rules: Vec<String> },

        #[error("`{}` has no registry to push to", shown(tag))]
        #[code("plan/no-registry")]
        #[hint("set the destination: `--registry ghcr.io`, `--image ghcr.io/owner/shop`, or a complete `--tag`")]
        NoRegistry { tag: String },

        #[error("the owner of the image in `{registry}` is unknown")]
        #[code("plan/no-owner")]
        #[hint("pass `--image {registry}/OWNER/NAME`, or `--username OWNER`")]
        NoOwner { registry: String },

        #[error("invalid repository `{}` ({origin}): {reason}", shown(repository))]
        #[code("plan/invalid-repository")]
        #[hint("set the repository with `--image`")]
        InvalidRepository { repository: String, origin: String, reason: String },

        #[error("invalid base image `{}` ({origin}): {reason}", printable(image))]
        #[code("plan/invalid-base")]
        #[hint("use `slim`, `alpine`, `distroless`, or a reference such as `node:22-slim`")]
        InvalidBase { image: String, origin: String, reason: String },

        #[error("there is no distroless image for Node.js {node} ({origin}) on Debian 13")]
        #[code("plan/no-distroless")]
        #[hint("use Node.js {}, or `--base slim`", distroless_lines())]
        NoDistroless { node: u32, origin: String },

        #[error("invalid environment variable name `{}` ({origin})", printable(name))]
        #[code("plan/invalid-variable-name")]
        #[hint("use letters, digits and `_`, and start with a letter or `_`")]
        InvalidVariableName { name: String, origin: String },

        #[error("the value of `{}` ({origin}) contains a NUL byte, which no environment variable can hold", printable(name))]
        #[code("plan/nul-in-value")]
        #[hint("encode the value, for example as base64")]
        NulInValue { name: String, origin: String },

        #[error("`{}` ({origin}) is a secret and would be readable by everyone who can pull the image", printable(name))]
        #[code("plan/secret-in-image")]
        #[hint("remove the `image` scope from `{name}`, and pass it to the container when it starts")]
        SecretInImage { name: String, origin: String },

        #[error("invalid secret id `{}` ({origin})", printable(id))]
        #[code("plan/invalid-secret-id")]
        #[hint("use letters, digits, `_`, `-` and `.`")]
        InvalidSecretId { id: String, origin: String },

        #[error("label `{}` ({origin}): {reason}", printable(label))]
        #[code("plan/invalid-label")]
        #[hint("write `--label name=value` on one line")]
        InvalidLabel { label: String, origin: String, reason: String },

        #[error(
            "the start command `{}` ({origin}) cannot run: `output: 'export'` produces files only, no server",
            shown(command)
        )]
        #[code("plan/start-command-with-export")]
        #[hint("remove the start command, or remove `output: 'export'` from next.config")]
        StartCommandWithExport { command: String, origin: String },

        #[error("the start command `{}` ({origin}) needs a shell, and distroless images have none", shown(command))]
        #[code("plan/shell-in-distroless")]
        #[hint("start the server with `node FILE`, or use `--base slim`")]
        ShellInDistroless { command: String, origin: String },

        #[error("the package `{}` ({origin}) cannot be installed: distroless images have no package manager", printable(package))]
        #[code("plan/packages-in-distroless")]
        #[hint("use `--base slim`, or `--build-package` if only the build needs the package")]
        PackagesInDistroless { package: String, origin: String },

        #[error(
            "the start command `{}` ({origin}) runs `{}`, which neither the image nor the dependencies of the app have",
            shown(command),
            shown(program)
        )]
        #[code("plan/program-not-in-image")]
        #[hints(vec![missing_program_hint(program, package)])]
        ProgramNotInImage { program: String, command: String, origin: String, package: String },

        #[error("the start command ({origin}) is empty")]
        #[code("plan/empty-start-command")]
        #[hint("name a program, such as `node server.js`")]
        EmptyStartCommand { origin: String },

        #[error("the path `{}` cannot be written in a Dockerfile: it contains a control character", printable(path))]
        #[code("plan/unwritable-path")]
        #[hint("rename the folder")]
        UnwritablePath { path: String },
    }
}

fn quoted(paths: &[String]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", printable(path))).collect();
    paths.join(" and ")
}

fn distroless_lines() -> String {
    let lines = DISTROLESS_LINES.map(|line| line.to_string());
    let (last, others) = lines.split_last().expect("the list is not empty");
    format!("{} or {last}", others.join(", "))
}

fn missing_program_hint(program: &str, package: &str) -> String {
    let program = printable(program);
    match program.as_str() {
        "npm" | "npx" | "pnpm" | "yarn" => {
            "name what the package manager starts, such as `node server.js`, with `--start-command`".to_owned()
        }
        "bash" => "use `sh`, or `--base slim`".to_owned(),
        "bun" => "start the server with `node`, or let Bun install the dependencies (`bun.lock`)".to_owned(),
        _ => format!(
            "add `{}` to `dependencies`, add a package of the distribution with `--package`, or set another command with `--start-command`",
            shown(package)
        ),
    }
}

fn no_tags_hint(rules: &[String]) -> String {
    if rules.is_empty() {
        return "set a tag with `--tag`".to_owned();
    }
    let rules: Vec<String> = rules.iter().map(|rule| format!("`{}`", printable(rule))).collect();
    format!("add a rule that always applies, such as `type=sha`, to {}, or do not push here", rules.join(", "))
}

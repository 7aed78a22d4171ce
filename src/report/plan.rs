//! The image plan as text for people.

use std::fmt::Write as _;

use crate::diagnostic::printable;
use crate::image::plan::{CacheMount, ImageMode, ImagePlan, ManagerSetup, PlannedCommand};

/// The plan in the order of the build, every choice with its reason. Warnings are rendered apart.
pub fn render_plan(plan: &ImagePlan) -> String {
    let mut text = String::new();
    image_section(&mut text, plan);
    install_section(&mut text, plan);
    build_section(&mut text, plan);
    runtime_section(&mut text, plan);
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<16}{}", printable(value));
}

fn list(text: &mut String, name: &str, values: impl IntoIterator<Item = String>) {
    for (at, value) in values.into_iter().enumerate() {
        line(text, if at == 0 { name } else { "" }, &value);
    }
}

fn image_section(text: &mut String, plan: &ImagePlan) {
    text.push_str("Image\n");
    line(text, "name", &plan.name.to_string());
    list(text, "tags", plan.tags.iter().map(ToString::to_string));
    line(text, "base", &plan.base.runtime.to_string());
    if plan.base.build.value != plan.base.runtime.value {
        line(text, "build base", &plan.base.build.value.to_string());
    }
    line(text, "Node.js", &plan.node_major.to_string());
    line(text, "Next.js", &plan.next_version.to_string());
    let mode = match plan.output.mode {
        ImageMode::Standalone => "standalone server",
        ImageMode::Export => "static files",
        ImageMode::Server => "the project's own server",
        ImageMode::Unknown => "decided by the build",
    };
    line(text, "serves", &format!("{mode} ({})", plan.output.reason));
}

fn install_section(text: &mut String, plan: &ImagePlan) {
    let install = &plan.install;
    text.push_str("\nInstall\n");
    line(text, "package manager", &install.package_manager.to_string());
    let setup = match &install.setup {
        ManagerSetup::Bundled => "comes with Node.js".to_owned(),
        ManagerSetup::Package(package) => format!("{package} from the npm registry"),
        ManagerSetup::File(path) => format!("{path} of the repository"),
    };
    line(text, "comes from", &setup);
    let packages = plan.system_packages.iter();
    list(text, "system packages", packages.map(|package| format!("{} ({})", package.command, package.reason)));
    line(text, "command", &install.command.join(" "));
    if let Some(command) = &install.production_command {
        line(text, "for the image", &command.join(" "));
    }
    let inputs = install.manifests.iter().chain(&install.files).chain(&install.folders);
    list(text, "reads", inputs.map(ToString::to_string));
    line(text, "cache", &cache(&install.cache));
}

fn cache(mount: &CacheMount) -> String {
    format!("{} at {}", mount.id, mount.target)
}

fn build_section(text: &mut String, plan: &ImagePlan) {
    let build = &plan.build;
    text.push_str("\nBuild\n");
    list(text, "before", build.prepare.iter().map(command));
    list(text, "commands", build.commands.iter().map(command));
    list(text, "variables", build.environment.iter().map(|(name, value)| format!("{name}={value}")));
    list(text, "secrets", plan.secrets.iter().map(|secret| secret.id.clone()));
    if let Some(mount) = &build.cache {
        line(text, "cache", &cache(mount));
    }
}

fn command(planned: &PlannedCommand) -> String {
    format!("{}: {} ({})", planned.dir, planned.argv.join(" "), planned.reason)
}

fn runtime_section(text: &mut String, plan: &ImagePlan) {
    let runtime = &plan.runtime;
    text.push_str("\nContainer\n");
    line(text, "port", &runtime.port.to_string());
    line(text, "user", runtime.user);
    let start = plan.output.start_command.as_ref();
    let start = start.map_or_else(|| "the launcher".to_owned(), |command| command.value.join(" "));
    line(text, "starts", &start);
    let path = runtime.health_path.as_ref().or(runtime.base_path.as_ref());
    line(text, "health check", &path.map_or_else(|| "/".to_owned(), ToString::to_string));
    if let Some(version) = plan.output.sharp {
        line(text, "image optimiser", &format!("sharp {version}"));
    }
    let variables = runtime.environment.iter();
    list(text, "variables", variables.map(|(name, value)| format!("{name}={} ({})", value.value, value.origin)));
    list(text, "labels", plan.labels.iter().map(|(name, value)| format!("{name}={value}")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::plan::sample::Sample;

    #[test]
    fn the_plan_of_a_workspace_as_text() {
        let mut sample = Sample::new("pnpm", Some("10.12.4"), "14.2.35").in_workspace(None);
        sample.plain("MOTTO", "one\nvariables = forged");
        sample.plain("API_KEY", "hush-hush");
        let text = render_plan(&sample.plan());
        assert!(!text.contains("hush"), "{text}");
        insta::assert_snapshot!(text);
    }
}

//! Which of several lockfiles belongs to the package manager that the project uses.
//!
//! In: manifests, lockfiles, configuration and CI definitions. Out: a [`Verdict`] with its reason. Each kind of evidence is used only
//! while more than one package manager is left; never guesses without any.

use super::sources::{PackageManagerSources, command_of};
use crate::project::error::ProjectError;
use crate::project::lockfile::StaleEntry;
use crate::project::package_json::PackageJson;
use crate::project::version::Range;
use crate::repo::{SourceText, is_ci_definition};

const COMMANDS: [&str; 4] = ["npm", "yarn", "pnpm", "bun"];

/// The package manager, and why it, if others were possible.
pub(super) struct Verdict {
    pub command: &'static str,
    /// Completes "because …".
    pub reason: Option<String>,
}

/// Evidence for `command`, as a reason; `None` if there is none.
type Rule = fn(&PackageManagerSources<'_>, &'static str, &[&'static str]) -> Option<String>;

/// The most reliable first.
const RULES: [Rule; 5] = [configured, satisfies, called_by_scripts, called_by_ci, changed_last];

/// Without an explicit package manager the lockfile decides; if there are several, evidence decides between them.
pub(super) fn decide(sources: &PackageManagerSources<'_>, present: &[&'static str]) -> Result<Verdict, ProjectError> {
    let mut commands: Vec<&'static str> = present.iter().map(|name| command_of(name)).collect();
    commands.dedup();
    match commands.as_slice() {
        [] => {
            let found = narrow(sources, present, COMMANDS.to_vec(), &[configured, called_by_scripts]);
            Ok(Verdict { command: found.map_or("npm", |found| found.command), reason: None })
        }
        [one] => Ok(Verdict { command: one, reason: None }),
        _ => narrow(sources, present, commands, &RULES).ok_or_else(|| {
            let files = present.iter().map(|name| (*name).to_owned()).collect();
            ProjectError::TwoLockfiles { dir: sources.dir.clone(), files }
        }),
    }
}

/// The only candidate that is left by the rules.
fn narrow(
    sources: &PackageManagerSources<'_>,
    present: &[&'static str],
    mut candidates: Vec<&'static str>,
    rules: &[Rule],
) -> Option<Verdict> {
    for rule in rules {
        let supported: Vec<(&'static str, String)> =
            candidates.iter().filter_map(|command| Some((*command, rule(sources, command, present)?))).collect();
        match supported.as_slice() {
            [] => {}
            [(command, reason)] => return Some(Verdict { command, reason: Some(reason.clone()) }),
            several => candidates = several.iter().map(|(command, _)| *command).collect(),
        }
    }
    None
}

/// Files and fields that only one package manager reads.
fn configured(sources: &PackageManagerSources<'_>, command: &'static str, _: &[&'static str]) -> Option<String> {
    let files: &[&str] = match command {
        "yarn" => &[".yarnrc", ".yarnrc.yml"],
        "pnpm" => &["pnpm-workspace.yaml", ".pnpmfile.cjs"],
        "bun" => &["bunfig.toml"],
        _ => &[],
    };
    if let Some(file) = files.iter().find(|name| sources.has(name)) {
        return Some(format!("there is a `{file}`"));
    }
    let field = |manifest: &&PackageJson| {
        if manifest.volta.contains_key(command) {
            return Some(format!("`volta.{command}`"));
        }
        if manifest.engines.get(command).is_some_and(|range| Range::parse(range).is_some()) {
            return Some(format!("`engines.{command}`"));
        }
        // `"npm": "please-use-yarn"`.
        let names_it = |(key, text): &(&String, &String)| {
            key.as_str() != command && Range::parse(text).is_none() && words(text).any(|word| word == command)
        };
        manifest.engines.iter().find(names_it).map(|(key, text)| format!("`engines.{key}` is `{text}`"))
    };
    sources.manifests.iter().find_map(|manifest| {
        let found = field(manifest)?;
        Some(if found.contains(" is ") { found } else { format!("`{}` has {found}", manifest.path) })
    })
}

/// A frozen install refuses a lockfile that does not satisfy the manifests.
fn satisfies(sources: &PackageManagerSources<'_>, command: &'static str, present: &[&'static str]) -> Option<String> {
    let file = present.iter().find(|name| command_of(name) == command)?;
    let locked = sources.load(file).ok()?;
    let stale: Vec<StaleEntry> = sources.stale(&locked);
    (stale.is_empty() && !locked.is_opaque()).then(|| format!("only `{file}` satisfies `package.json`"))
}

fn called_by_scripts(sources: &PackageManagerSources<'_>, command: &'static str, _: &[&'static str]) -> Option<String> {
    sources.manifests.iter().find_map(|manifest| {
        let (name, _) = manifest.scripts.iter().find(|(_, script)| calls(script, command))?;
        Some(format!("the script `{name}` of `{}` calls {command}", manifest.path))
    })
}

fn called_by_ci(sources: &PackageManagerSources<'_>, command: &'static str, _: &[&'static str]) -> Option<String> {
    sources.tree.entries().iter().find_map(|entry| {
        let path = entry.path.to_str().filter(|path| is_ci_definition(path))?;
        let Some(SourceText::Text(text)) = sources.tree.text(&crate::rel_path::RelPath::new(path).ok()?) else {
            return None;
        };
        let setup = match command {
            "pnpm" => "pnpm/action-setup",
            "bun" => "oven-sh/setup-bun",
            _ => "",
        };
        let found = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| {
            let cached = line.strip_prefix("cache:").is_some_and(|value| words(value).eq([command]));
            cached || calls(line, command) || (!setup.is_empty() && line.contains(setup))
        });
        found.then(|| format!("`{path}` calls {command}"))
    })
}

/// In a shallow clone all files seem to have changed in the same commit.
fn changed_last(
    sources: &PackageManagerSources<'_>,
    command: &'static str,
    present: &[&'static str],
) -> Option<String> {
    let times = &sources.tree.git.as_ref()?.lockfile_times;
    let time = |file: &&'static str| times.get(sources.dir.child(file).as_str()).copied();
    let newest = present.iter().filter_map(time).max()?;
    let file = present.iter().find(|file| command_of(file) == command && time(file) == Some(newest))?;
    Some(format!("`{file}` was committed last"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let end = |c: char| !c.is_ascii_alphanumeric();
    text.split(end).filter(|word| !word.is_empty())
}

/// True when a command line installs or runs a script with `command`. Global installs and `npx` say nothing.
fn calls(line: &str, command: &str) -> bool {
    let end = |c: char| c.is_whitespace() || "\"'`;&|()[],".contains(c);
    let words: Vec<&str> = line.split(end).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| {
        let rest = &words[at + 1..];
        let is_global = rest.iter().take(3).any(|word| matches!(*word, "-g" | "--global" | "global" | "publish"));
        let verb = rest.first().copied().unwrap_or_default();
        let known = match command {
            "npm" | "bun" => matches!(verb, "ci" | "install" | "i" | "run" | "run-script" | "test" | "start" | "exec"),
            _ => !matches!(verb, "dlx" | "config" | "version"),
        };
        let enforced = at > 0 && words[at - 1].starts_with("only-allow");
        *word == command && !is_global && (known || enforced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_package_managers() {
        for (line, command) in [
            ("npx only-allow pnpm", "pnpm"),
            ("npx only-allow npm", "npm"),
            ("- run: npm ci --ignore-scripts", "npm"),
            ("yarn && next build", "yarn"),
            ("RUN corepack enable && pnpm i --frozen-lockfile", "pnpm"),
            ("\"installCommand\": \"bun install\"", "bun"),
        ] {
            assert!(calls(line, command), "{line}");
            let others = COMMANDS.into_iter().filter(|other| *other != command);
            assert!(others.into_iter().all(|other| !calls(line, other)), "{line}");
        }
        for line in
            ["npm install -g pnpm@9", "npm publish", "npx next build", "yarn global add serve", "pnpm-lock.yaml"]
        {
            assert!(COMMANDS.iter().all(|command| !calls(line, command)), "{line}");
        }
    }
}

//! The script that builds the app: manifest in, [`BuildScript`], the folder that it gives to `next build`, and what cannot work in an
//! image out.
//!
//! `next build DIR` makes `DIR` the project of Next.js: routes, `next.config`, `public`, environment files and output are there, while
//! scripts and dependencies stay those of the package.

use std::collections::BTreeMap;

use super::facts::{BuildScript, LifecycleScript, NextVersion, Routers};
use super::package_json::PackageJson;
use super::scripts::{ScriptCommand, follow, named};
use crate::diagnostic::{Location, Warning};
use crate::origin::Sourced;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Scripts that build an app, the first one counts: the names behind `build` are those that hosts prefer to it.
const NAMES: [&str; 5] = ["build", "vercel-build", "now-build", "heroku-postbuild", "gcp-build"];

/// Options of `next build` whose value is the next word (Next.js 12 to 16).
const OPTIONS_WITH_VALUE: [&str; 3] =
    ["--experimental-build-mode", "--experimental-upload-trace", "--debug-build-paths"];

/// How the app is built.
#[derive(Debug)]
pub(super) struct BuildDetection {
    pub script: BuildScript,
    /// The project of Next.js.
    pub next_dir: RelPath,
    /// Where the command is written.
    place: Option<Location>,
    /// `package.json#scripts.build`, for messages.
    named: String,
    /// What the build of the app runs.
    pub commands: Vec<ScriptCommand>,
}

/// The build script of the app; `requested` is a command that replaces it.
pub(super) fn detect(
    tree: &SourceTree,
    manifest: &PackageJson,
    requested: Option<&Sourced<String>>,
    warnings: &mut Vec<Warning>,
) -> BuildDetection {
    let script = NAMES.iter().find_map(|name| named(manifest, name));
    let mut commands = match (requested, &script) {
        (Some(command), _) => follow(manifest, &command.value),
        (None, Some(script)) => follow(manifest, &script.value.command),
        (None, None) => Vec::new(),
    };
    let named = match (requested, &script) {
        (Some(command), _) => format!("the build command {}", command.origin),
        (None, Some(script)) => format!("the `{}` script", script.value.name),
        (None, None) => "the build".to_owned(),
    };
    let of_script = script.as_ref().filter(|_| requested.is_none());
    let place = of_script.map(|script| manifest.place(tree, &["scripts", &script.value.name]));
    let arguments = commands.iter().find_map(|command| Some((command, arguments_of(command, "build")?)));
    let (next_dir, bundler_flag) = match arguments {
        None => (manifest.dir.clone(), None),
        Some((command, arguments)) => {
            let flag = arguments.iter().find_map(|word| match word.as_str() {
                "--webpack" => Some("--webpack"),
                "--turbopack" | "--turbo" => Some("--turbopack"),
                _ => None,
            });
            let dir = directory(tree, &manifest.dir, command, arguments);
            if dir.is_none() {
                let message = format!("{named} runs `{}` in a folder that is known only while it runs", command.text());
                let hint = "name the folder of the Next.js project in the script, without variables";
                let warning = Warning::new("project/build-folder-unknown", message).with_hint(hint);
                warnings.push(place.iter().cloned().fold(warning, Warning::at));
            }
            (dir.unwrap_or_else(|| manifest.dir.clone()), flag)
        }
    };
    if let (None, None) = (requested, &script) {
        warnings.extend(unused_scripts(tree, manifest));
    }
    // What surrounds the build script belongs to it.
    let around =
        of_script.into_iter().flat_map(|script| ["pre", "post"].map(|side| format!("{side}{}", script.value.name)));
    commands.extend(around.filter_map(|name| manifest.scripts.get(&name)).flat_map(|text| follow(manifest, text)));
    let bundler_flag = bundler_flag.map(str::to_owned);
    let script = BuildScript { script, bundler_flag, replaces_node_options: replaces_node_options(&commands) };
    BuildDetection { script, next_dir, place, named, commands }
}

/// The words after `next SUBCOMMAND`, whatever runs it: `pnpm next build`, `node node_modules/next/dist/bin/next build`.
fn arguments_of<'c>(command: &'c ScriptCommand, subcommand: &str) -> Option<&'c [String]> {
    let is_next = |word: &str| word.rsplit('/').next() == Some("next");
    let at = command.words.windows(2).position(|pair| is_next(&pair[0]) && bare(&pair[1]) == subcommand)?;
    (command.program() != "echo").then(|| &command.words[at + 2..])
}

/// A word without the brackets of a subshell.
fn bare(word: &str) -> &str {
    word.trim_matches(['(', ')'])
}

/// The folder that `next build` is given, with links followed, as Next.js does; `None` if only a shell knows it.
fn directory(tree: &SourceTree, package: &RelPath, command: &ScriptCommand, arguments: &[String]) -> Option<RelPath> {
    let mut words = arguments.iter().map(|word| bare(word)).filter(|word| !word.is_empty());
    let mut named = ".";
    while let Some(word) = words.next() {
        if OPTIONS_WITH_VALUE.contains(&word) {
            words.next();
        } else if word.contains('>') {
            break;
        } else if !word.starts_with('-') {
            named = word;
            break;
        }
    }
    let folder = command.folder.as_deref()?;
    if named.contains(['$', '`', '%', '~']) {
        return None;
    }
    let dir = package.join(folder).and_then(|folder| folder.join(named)).ok()?;
    Some(tree.resolve(&dir).unwrap_or(dir))
}

/// Scripts with `next build` under other names, which are not run.
fn unused_scripts(tree: &SourceTree, manifest: &PackageJson) -> Option<Warning> {
    let builds = |text: &str| follow(manifest, text).iter().any(|command| arguments_of(command, "build").is_some());
    let found: Vec<&String> =
        manifest.scripts.iter().filter(|(_, text)| builds(text)).map(|(name, _)| name).take(3).collect();
    let first = found.first()?;
    let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("there is no `build` script, so `next build` runs alone, and not {}", names.join(" or "));
    let hint = format!("name the script `build`, or pass it: `--build-command 'npm run {first}'`");
    let place = manifest.place(tree, &["scripts", first]);
    Some(Warning::new("project/build-script-not-used", message).with_hint(hint).at(place))
}

/// The command that builds.
fn next_build(commands: &[ScriptCommand]) -> Option<&ScriptCommand> {
    commands.iter().find(|command| arguments_of(command, "build").is_some())
}

/// True for `NODE_OPTIONS=--x next build`, not for `NODE_OPTIONS="$NODE_OPTIONS --x" next build`.
fn replaces_node_options(commands: &[ScriptCommand]) -> bool {
    let mut variables = next_build(commands).into_iter().flat_map(|command| &command.variables);
    variables.any(|set| set.name == "NODE_OPTIONS" && !set.value.contains("NODE_OPTIONS"))
}

impl BuildDetection {
    /// Variables of `next build`: those that are given to the build, and those that the script sets.
    pub fn variables(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut variables = given.clone();
        for set in next_build(&self.commands).into_iter().flat_map(|command| &command.variables) {
            match set.literal() {
                // A default: `MODE=${MODE:-standalone}`.
                Some(_) if set.value.starts_with("${") && given.contains_key(&set.name) => {}
                Some(value) => drop(variables.insert(set.name.clone(), value.to_owned())),
                None => drop(variables.remove(&set.name)),
            }
        }
        variables
    }

    /// What the build cannot do.
    pub fn impossible(&self, next: &NextVersion, routers: &Routers) -> Vec<Warning> {
        let of = |code, message: String, hint: &str| {
            let warning = Warning::new(code, message).with_hint(hint);
            self.place.iter().cloned().fold(warning, Warning::at)
        };
        let mut warnings = Vec::new();
        let exports = self.commands.iter().any(|command| arguments_of(command, "export").is_some());
        let refused = match (next.major, next.minor) {
            (..=12, _) | (13, ..=2) => None,
            (13, _) => routers.app.as_ref().map(|_| " for apps with the App Router"),
            _ => Some(""),
        };
        if let Some(refused) = refused.filter(|_| exports) {
            let message =
                format!("{} runs `next export`, which ends with an error in Next.js {next}{refused}", self.named);
            let hint = "remove `next export` from the script and set `output: 'export'` in next.config";
            warnings.push(of("project/next-export", message, hint));
        }
        if let Some(git) = self.commands.iter().find_map(git_call) {
            let message = format!("{} runs `{git}`, but the build has neither git nor the `.git` folder", self.named);
            let hint = "read the value from a variable, and pass it with `--build-env NAME=VALUE`";
            warnings.push(of("project/build-needs-git", message, hint));
        }
        warnings
    }
}

/// Replaces scripts that only call scripts of git commands by those, so that they are recognised.
pub(super) fn name_git_calls(manifest: &PackageJson, lifecycle: &mut [LifecycleScript]) {
    for script in lifecycle.iter_mut().filter(|script| script.dir == manifest.dir) {
        let commands = follow(manifest, &script.command);
        if !commands.is_empty() && commands.iter().all(|command| command.program() == "git" && !command.optional) {
            script.command = commands.iter().map(ScriptCommand::text).collect::<Vec<_>>().join(" && ");
        }
    }
}

/// The call of git in a command, also in the value of a variable; those with an alternative (`git … || …`) may fail.
fn git_call(command: &ScriptCommand) -> Option<String> {
    if command.program() == "git" {
        return (!command.optional).then(|| command.text());
    }
    let texts = command.variables.iter().map(|variable| &variable.value).chain(&command.words);
    let calls =
        |text: &&String| ["$(git", "`git"].iter().any(|call| text.split_whitespace().any(|word| word.ends_with(call)));
    texts.into_iter().find(calls).map(|_| "git".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Script, folder of `next build` and codes of the warnings for Next.js 14.
    fn built(scripts: &[(&str, &str)], requested: Option<&str>) -> String {
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let path = RelPath::new("apps/web/package.json").unwrap();
        let manifest = PackageJson { dir: path.parent().unwrap(), path, scripts, ..PackageJson::default() };
        let requested = requested
            .map(|text| Sourced::new(text.to_owned(), crate::origin::Origin::Flag("--build-command".to_owned())));
        let tree = SourceTree::from_texts([("apps/web/package.json", "{}"), ("apps/web/site/app/page.tsx", "")]);
        let mut warnings = Vec::new();
        let found = detect(&tree, &manifest, requested.as_ref(), &mut warnings);
        let next = NextVersion { major: 14, minor: 2, patch: 0, text: "14.2.0".to_owned() };
        warnings.extend(found.impossible(&next, &Routers::default()));
        let codes: String = warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
        let name = found.script.script.map_or_else(|| "-".to_owned(), |script| script.value.name);
        format!("{name} {}{codes}", found.next_dir)
    }

    #[track_caller]
    fn check(script: &str, expected: &str) {
        assert_eq!(built(&[("build", script)], None), format!("build {expected}"), "{script}");
    }

    #[test]
    fn the_folder_of_next_build() {
        for script in [
            "next build site",
            "next build ./site/",
            "NODE_ENV=production next build --debug site",
            "next build --experimental-build-mode compile site",
            "next build --webpack site && next-sitemap",
            "pnpm next build site",
            "yarn run next build site",
            "npx --yes next build site",
            "bun --bun next build site",
            "dotenv -e .env -- next build site",
            "node --max-old-space-size=4096 node_modules/next/dist/bin/next build site",
            "cd site && next build",
            "(cd site && next build)",
            "cd site/app && next build ..",
            "prisma generate && next build site > build.log",
        ] {
            check(script, "apps/web/site");
        }
        check("next build", "apps/web");
        check("next build --no-lint", "apps/web");
        check("echo next build site", "apps/web");
        check("next build ../../apps/admin", "apps/admin");
        check("next build $APP", "apps/web project/build-folder-unknown");
        check("cd $APP && next build", "apps/web project/build-folder-unknown");
        check("next build /srv/site", "apps/web project/build-folder-unknown");
        let called =
            [("build", "npm run css && npm run b -- site"), ("css", "cd styles && sass ."), ("b", "next build")];
        assert_eq!(built(&called, None), "build apps/web/site");
        assert_eq!(built(&[("build", "next build")], Some("next build site")), "build apps/web/site");
    }

    #[test]
    fn the_bundler_is_the_one_of_the_script() {
        let bundler = |script: &str| {
            let scripts = [("build", script), ("b", "next build --turbo")];
            let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let manifest =
                PackageJson { path: RelPath::new("package.json").unwrap(), scripts, ..PackageJson::default() };
            let tree = SourceTree::from_texts([("package.json", "{}")]);
            detect(&tree, &manifest, None, &mut Vec::new()).script.bundler_flag
        };
        assert_eq!(bundler("prisma generate && npm run b").as_deref(), Some("--turbopack"));
        assert_eq!(bundler("pnpm next build --webpack").as_deref(), Some("--webpack"));
        assert_eq!(bundler("next build"), None);
    }

    #[test]
    fn the_script_sets_variables_of_the_build() {
        let variables = |script: &str| {
            let scripts = [("build".to_owned(), script.to_owned())].into();
            let manifest = PackageJson { scripts, ..PackageJson::default() };
            let tree = SourceTree::from_texts([("package.json", "{}")]);
            let given = [("A".to_owned(), "given".to_owned())].into();
            let found = detect(&tree, &manifest, None, &mut Vec::new()).variables(&given);
            found.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(variables("next build"), "A=given");
        assert_eq!(variables("yarn mask && cross-env MODE=standalone A=b next build"), "A=b MODE=standalone");
        assert_eq!(variables("export MODE='a b' && next build"), "A=given MODE=a b");
        assert_eq!(variables("A=${A:-x} B=${B:-x} next build"), "A=given B=x");
        assert_eq!(variables("A=$X next build && B=1 next-sitemap"), "");
    }

    #[test]
    fn options_that_the_script_replaces() {
        let replaces = |script: &str| replaces_node_options(&super::super::scripts::commands(script));
        assert!(replaces("NODE_OPTIONS=--max-old-space-size=4096 next build"));
        assert!(replaces("export NODE_OPTIONS='--a' && next build"));
        assert!(!replaces("NODE_OPTIONS=\"$NODE_OPTIONS --a\" next build"));
        assert!(!replaces("NODE_OPTIONS=--a tsx x.ts && next build"));
    }

    #[test]
    fn scripts_of_hosts_build_when_there_is_no_other() {
        assert_eq!(built(&[("vercel-build", "node content.js && next build")], None), "vercel-build apps/web");
        assert_eq!(built(&[("vercel-build", "x"), ("build", "next build site")], None), "build apps/web/site");
        assert_eq!(built(&[("build:prod", "next build")], None), "- apps/web project/build-script-not-used");
        assert_eq!(built(&[("build:prod", "next build")], Some("npm run build:prod")), "- apps/web");
        assert_eq!(built(&[("dev", "next dev")], None), "- apps/web");
    }

    #[test]
    fn steps_that_end_in_an_error_are_reported() {
        check("next build && next export -o dist", "apps/web project/next-export");
        assert_eq!(
            built(&[("build", "next build"), ("postbuild", "next export")], None),
            "build apps/web project/next-export"
        );
        assert_eq!(built(&[("build", "next build"), ("export", "next export")], None), "build apps/web");
        check("git rev-parse HEAD > public/version && next build", "apps/web project/build-needs-git");
        check("NEXT_PUBLIC_SHA=$(git rev-parse HEAD) next build", "apps/web project/build-needs-git");
        check("git rev-parse HEAD || true; next build", "apps/web");
    }

    #[test]
    fn lifecycle_scripts_that_call_git_are_named() {
        let scripts = [("sub", "git submodule update"), ("other", "node x.js && git status")];
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let manifest = PackageJson { scripts, ..PackageJson::default() };
        let script = |command: &str| LifecycleScript {
            dir: RelPath::root(),
            name: "postinstall".to_owned(),
            command: command.to_owned(),
        };
        let mut lifecycle = ["npm run sub", "npm run other", "git pull || true"].map(script);
        name_git_calls(&manifest, &mut lifecycle);
        let commands = lifecycle.map(|script| script.command);
        assert_eq!(commands, ["git submodule update", "npm run other", "git pull || true"]);
    }
}

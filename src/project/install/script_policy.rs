//! Which install scripts the configuration of a project lets its package manager run: [`ScriptPolicy`].

use serde_json::Value;

use crate::project::error::ProjectError;
use crate::project::facts::{PackageManagerKind, ScriptPolicy};
use crate::project::lockfile::Locked;
use crate::project::package_json::PackageJson;
use crate::project::{text, workspace};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Reads the configuration beside the lockfile in `dir`; `root` is the manifest there.
pub(super) fn read(
    tree: &SourceTree,
    dir: &RelPath,
    root: &PackageJson,
    locked: &Locked,
) -> Result<ScriptPolicy, ProjectError> {
    let switched_on = |file: &str, keys: &[&str]| -> Result<bool, ProjectError> {
        let text = text::read(tree, &dir.child(file))?.unwrap_or_default();
        Ok(text.lines().any(|line| setting(line).is_some_and(|(key, value)| keys.contains(&key) && value == "true")))
    };
    let mut policy = ScriptPolicy {
        none: false,
        of_dependencies: None,
        allowed: root.allow_scripts.clone(),
        denied: root.denied_scripts.clone(),
        existing: locked.install_scripts.clone(),
    };
    match locked.kind {
        PackageManagerKind::YarnBerry => {
            let path = dir.child(".yarnrc.yml");
            let text = text::read(tree, &path)?.unwrap_or_default();
            policy.of_dependencies = text::parse_yaml(&path, text)?.get("enableScripts").and_then(Value::as_bool);
        }
        PackageManagerKind::Npm => policy.none = switched_on(".npmrc", &["ignore-scripts"])?,
        PackageManagerKind::YarnClassic => {
            policy.none = switched_on(".npmrc", &["ignore-scripts"])?
                || switched_on(".yarnrc", &["ignore-scripts", "--ignore-scripts", "--install.ignore-scripts"])?;
        }
        PackageManagerKind::Pnpm => {
            let settings = workspace::pnpm_workspace(tree, dir)?;
            let ignored = settings.and_then(|(_, values)| values.get("ignoreScripts")?.as_bool());
            policy.none = ignored == Some(true) || switched_on(".npmrc", &["ignore-scripts"])?;
        }
        PackageManagerKind::Bun => {
            policy.none = switched_on("bunfig.toml", &["ignoreScripts", "install.ignoreScripts"])?;
        }
    }
    Ok(policy)
}

/// `key=value` (`.npmrc`, TOML) or `key value` (`.yarnrc`).
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (key, value) = line.split_once('=').or_else(|| line.split_once(char::is_whitespace))?;
    let value = value.split(['#', ';']).next().unwrap_or_default();
    Some((key.trim().trim_matches('"'), value.trim().trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::project::lockfile::Tracked;

    /// `none`, or whether scripts of dependencies are on.
    fn found(lockfile: (&str, &str), config: (&str, &str)) -> (bool, Option<bool>) {
        let tree = SourceTree::from_texts([lockfile, config]);
        let locked = Locked::load(&tree, &RelPath::root(), lockfile.0, Tracked(&BTreeSet::new())).unwrap().unwrap();
        let policy = read(&tree, &RelPath::root(), &PackageJson::default(), &locked).unwrap();
        (policy.none, policy.of_dependencies)
    }

    #[test]
    fn every_way_to_switch_scripts_off() {
        let npm = ("package-lock.json", r#"{"lockfileVersion": 3}"#);
        let classic = ("yarn.lock", "# yarn lockfile v1\n");
        let berry = ("yarn.lock", "__metadata:\n  version: 8\n");
        let pnpm = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
        let bun = ("bun.lock", r#"{"lockfileVersion": 1}"#);
        assert_eq!(found(npm, (".npmrc", "a=b\nignore-scripts = true ; x\n")), (true, None));
        assert_eq!(found(npm, (".npmrc", "# ignore-scripts=true\nignore-scripts=false\n")), (false, None));
        assert_eq!(found(classic, (".yarnrc", "--install.ignore-scripts true\n")), (true, None));
        assert_eq!(found(pnpm, ("pnpm-workspace.yaml", "ignoreScripts: true\n")), (true, None));
        assert_eq!(found(bun, ("bunfig.toml", "[install]\nignoreScripts = true\n")), (true, None));
        assert_eq!(found(berry, (".yarnrc.yml", "enableScripts: false\n")), (false, Some(false)));
        assert_eq!(found(berry, (".npmrc", "ignore-scripts=true\n")), (false, None));
    }
}

use super::*;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;

const NPM: (&str, &str) = ("package-lock.json", r#"{"lockfileVersion": 3, "packages": {}}"#);
const CLASSIC: (&str, &str) = ("yarn.lock", "# yarn lockfile v1\n");
const BERRY: (&str, &str) = ("yarn.lock", "__metadata:\n  version: 8\n");
const PNPM9: (&str, &str) = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
const PNPM6: (&str, &str) = ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n");
const BUN: (&str, &str) = ("bun.lock", r#"{"lockfileVersion": 1}"#);

/// `pnpm 9.15.9 (origin of the version)`, with the codes of the warnings, or the error with its place and hint.
fn chosen(files: &[(&str, &str)], requested: Option<PackageManagerKind>, node_major: u32) -> String {
    let (found, warnings) = chosen_from(&SourceTree::from_texts(files.iter().copied()), requested, node_major, false);
    let codes: String = warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
    found + &codes
}

/// The choice without and with `--unlocked`, and its warnings.
fn chosen_from(
    tree: &SourceTree,
    requested: Option<PackageManagerKind>,
    node_major: u32,
    unlocked: bool,
) -> (String, Vec<Warning>) {
    let root = RelPath::root();
    let manifest = match PackageJson::load(tree, &root) {
        Ok(manifest) => manifest.unwrap_or_default(),
        Err(error) => return (error.to_string(), Vec::new()),
    };
    let requested = requested.map(|kind| Sourced::new(kind, Origin::Flag("--package-manager".to_owned())));
    let sources = PackageManagerSources {
        tree,
        dir: &root,
        manifests: vec![&manifest],
        requested: requested.as_ref(),
        unlocked,
        pnpm_settings: tree.has_file(&root.child("pnpm-workspace.yaml")),
        unchecked: BTreeSet::new(),
    };
    let choice = match choose(&sources) {
        Ok(choice) => choice,
        Err(error) => {
            let place = error.location().map(|place| format!("{place}: ")).unwrap_or_default();
            return (format!("{place}{error}; {}", error.hints().join("; ")), Vec::new());
        }
    };
    let mut warnings = Vec::new();
    let found = choice.finish(node_major, &mut warnings);
    let version = found.value.version.as_ref().map(|version| format!(" ({})", version.origin)).unwrap_or_default();
    (format!("{}{version}", found.value), warnings)
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &str) {
    assert_eq!(chosen(files, None, 22), expected, "{files:?}");
}

/// A manifest with these fields.
#[track_caller]
fn with(fields: &str, lockfile: (&str, &str), expected: &str) {
    let manifest = format!("{{{fields}}}");
    check(&[("package.json", &manifest), lockfile], expected);
}

#[test]
fn the_lockfile_alone() {
    check(&[NPM], "npm");
    check(&[("npm-shrinkwrap.json", NPM.1)], "npm");
    check(&[CLASSIC], "yarn 1.22.22 (from `yarn.lock`, version 1)");
    check(&[BERRY], "yarn 4.13.0 (from `yarn.lock`, version 8)");
    check(&[("yarn.lock", "__metadata:\n  version: 6\n")], "yarn 3.8.7 (from `yarn.lock`, version 6)");
    check(&[("yarn.lock", "__metadata:\n  version: 4\n")], "yarn 2.4.2 (from `yarn.lock`, version 4)");
    check(&[("pnpm-lock.yaml", "lockfileVersion: 5.3")], "pnpm 7.33.7 (from `pnpm-lock.yaml`, version 5.3)");
    check(&[("pnpm-lock.yaml", "lockfileVersion: 5.4")], "pnpm 7.33.7 (from `pnpm-lock.yaml`, version 5.4)");
    check(&[PNPM6], "pnpm 8.15.9 (from `pnpm-lock.yaml`, version 6.0)");
    check(&[PNPM9], "pnpm 9.15.9 (from `pnpm-lock.yaml`, version 9.0)");
    check(&[PNPM9, ("pnpm-workspace.yaml", "")], "pnpm 10.34.9 (from `pnpm-lock.yaml`, version 9.0)");
    check(&[BUN], "bun 1.4.5 (from `bun.lock`, version 1)");
    check(&[("yarn.lock", "__metadata:\n  version: 10\n")], "yarn 4.18.1 (from `yarn.lock`, version 10)");
    let binary = ("bun.lockb", "#!/usr/bin/env bun\nbun-lockfile-format-v0\n");
    check(&[binary], "bun 1.1.45 (from `bun.lockb`, version binary)");
}

#[test]
fn every_field_that_pins_a_version() {
    with(r#""packageManager": "pnpm@9.1.0+sha512.abc""#, PNPM9, "pnpm 9.1.0 (from `package.json#packageManager`)");
    let dev = r#""devEngines": {"packageManager": {"name": "pnpm", "version": "10.2.0"}}"#;
    with(dev, PNPM9, "pnpm 10.2.0 (from `package.json#devEngines.packageManager`)");
    with(r#""volta": {"yarn": "1.22.19"}"#, CLASSIC, "yarn 1.22.19 (from `package.json#volta.yarn`)");
    with(r#""engines": {"pnpm": "^10"}"#, PNPM9, "pnpm 10.34.9 (from `package.json#engines.pnpm`)");
    with(r#""engines": {"pnpm": ">=8"}"#, PNPM9, "pnpm 9.15.9 (from `package.json#engines.pnpm`)");
    with(r#""engines": {"pnpm": "~9.1.0"}"#, PNPM9, "pnpm 9.1.0 (from `package.json#engines.pnpm`)");
    with(r#""engines": {"npm": ">=8"}"#, NPM, "npm");
    with(r#""engines": {"npm": "^11"}"#, NPM, "npm 11.21.2 (from `package.json#engines.npm`)");
    with(r#""engines": {"npm": ">=11"}"#, NPM, "npm 11.21.2 (from `package.json#engines.npm`)");
    check(&[("mise.toml", "tools.pnpm = '10.1.0'"), PNPM9], "pnpm 10.1.0 (from `mise.toml#tools.pnpm`)");
    with(r#""packageManager": "npm@10.2.0""#, NPM, "npm 10.2.0 (from `package.json#packageManager`)");
    with(r#""packageManager": "bun@1.2.3""#, BUN, "bun 1.2.3 (from `package.json#packageManager`)");
}

#[test]
fn the_committed_release_of_yarn_is_what_runs() {
    let files = [
        ("package.json", r#"{"packageManager": "yarn@4.1.0"}"#),
        BERRY,
        (".yarnrc.yml", "nodeLinker: node-modules\nyarnPath: .yarn/releases/yarn-4.5.0.cjs\n"),
        (".yarn/releases/yarn-4.5.0.cjs", ""),
    ];
    check(&files, "yarn 4.5.0 (from `.yarnrc.yml#yarnPath`)");
    check(&files[..3], "yarn 4.5.0 (from `.yarnrc.yml#yarnPath`) project/yarn-release-missing");
    let classic = [
        CLASSIC,
        (".yarnrc", "# x\nyarn-path \".yarn/releases/yarn-1.22.10.cjs\"\n"),
        (".yarn/releases/yarn-1.22.10.cjs", ""),
    ];
    check(&classic, "yarn 1.22.10 (from `.yarnrc#yarn-path`)");
    check(
        &[BERRY, (".yarnrc.yml", "nodeLinker: hoisted")],
        ".yarnrc.yml:1: `nodeLinker` in `.yarnrc.yml` must be one of `node-modules`, `pnp`, `pnpm`; fix the field",
    );
}

#[test]
fn tags_and_ranges_are_not_exact_versions() {
    with(r#""packageManager": "pnpm""#, PNPM9, "pnpm 9.15.9 (from `pnpm-lock.yaml`, version 9.0)");
    with(r#""packageManager": "pnpm@10""#, PNPM9, "pnpm 10.34.9 (from `package.json#packageManager`)");
    with(
        r#""packageManager": "pnpm@latest""#,
        PNPM9,
        "pnpm 9.15.9 (from `pnpm-lock.yaml`, version 9.0) project/package-manager-not-exact",
    );
    with(
        r#""packageManager": "yarn@2.0.0""#,
        BERRY,
        "yarn 2.4.2 (from yarn 2.0.0, which is not on the npm registry) project/yarn-not-published",
    );
    with(
        r#""packageManager": "deno@2.0.0""#,
        NPM,
        "package.json:1:20: unknown package manager `deno` in `package.json#packageManager`; use one of npm, yarn, pnpm, bun",
    );
}

#[test]
fn old_node_gets_an_old_package_manager() {
    assert_eq!(chosen(&[PNPM9], None, 18), "pnpm 9.15.9 (from `pnpm-lock.yaml`, version 9.0)");
    assert_eq!(
        chosen(&[("package.json", r#"{"engines": {"pnpm": ">=11"}}"#), PNPM9], None, 20),
        "pnpm 12.21.0 (from `package.json#engines.pnpm`)"
    );
    let pnpm6 = [("package.json", r#"{"packageManager": "pnpm@6.32.1"}"#), ("pnpm-lock.yaml", "lockfileVersion: 5.3")];
    assert_eq!(chosen(&pnpm6, None, 18), "pnpm 6.32.1 (from `package.json#packageManager`)");
    assert_eq!(
        chosen(&pnpm6, None, 22),
        "pnpm 7.33.7 (from pnpm 6.32.1, which does not run on Node.js 22) project/pnpm-too-old"
    );
    assert_eq!(chosen(&[NPM], None, 14), "npm 9.9.4 (from `package-lock.json`, version 3)");
}

#[test]
fn conflicts() {
    with(
        r#""packageManager": "pnpm@9.1.0""#,
        NPM,
        "package.json:1:20: `package.json#packageManager` requires pnpm, but the only lockfile is `package-lock.json`; run `pnpm install --lockfile-only` and commit its lockfile, or name npm there",
    );
    check(
        &[("package.json", r#"{"packageManager": "pnpm@9.1.0"}"#), NPM, PNPM9],
        "pnpm 9.1.0 (from `package.json#packageManager`) project/stray-lockfile",
    );
    check(
        &[NPM, CLASSIC],
        "package-lock.json: `.` contains lockfiles of two package managers: `package-lock.json` and `yarn.lock`; delete the unused one, or select the package manager with `--package-manager NAME`",
    );
    check(
        &[NPM, PNPM9, ("pnpm-workspace.yaml", "")],
        "pnpm 10.34.9 (from `pnpm-lock.yaml`, version 9.0) project/stray-lockfile",
    );
    check(&[NPM, ("npm-shrinkwrap.json", NPM.1)], "npm project/stray-lockfile");
    let requested = chosen(&[NPM, CLASSIC], Some(PackageManagerKind::YarnBerry), 22);
    assert_eq!(requested, "yarn 1.22.22 (from `yarn.lock`, version 1) project/stray-lockfile");
}

/// What is chosen between two lockfiles, and why.
#[track_caller]
fn decided(files: &[(&str, &str)], expected: &str) {
    let (found, warnings) = chosen_from(&SourceTree::from_texts(files.iter().copied()), None, 22, false);
    let messages: String = warnings.iter().flat_map(|warning| ["; ", &warning.message]).collect();
    assert_eq!(found + &messages, expected, "{files:?}");
}

#[test]
fn evidence_decides_between_two_lockfiles() {
    let manifest = |fields: &str| format!(r#"{{{fields}"dependencies": {{"next": "^16.0.0"}}}}"#);
    let npm = |version: &str| {
        let lock =
            format!(r#"{{"lockfileVersion": 3, "packages": {{"node_modules/next": {{"version": "{version}"}}}}}}"#);
        lock
    };
    let yarn = |range: &str| format!("# yarn lockfile v1\nnext@{range}:\n  version \"16.0.0\"\n");
    let (old, new) = (npm("15.0.0"), npm("16.0.0"));
    let (other, same) = (yarn("^15.0.0"), yarn("^16.0.0"));
    let plain = manifest("");
    let fresh = "yarn 1.22.22 (from `yarn.lock`, version 1); `package-lock.json` is not used: yarn installs from `yarn.lock`, because";
    let both = [("package-lock.json", new.as_str()), ("yarn.lock", same.as_str())];
    let with = |manifest: &str, reason: &str| {
        let [npm, yarn] = both;
        decided(&[("package.json", manifest), npm, yarn], &format!("{fresh} {reason}"));
    };
    decided(
        &[("package.json", &plain), ("package-lock.json", &old), ("yarn.lock", &same)],
        &format!("{fresh} only `yarn.lock` satisfies `package.json`"),
    );
    decided(
        &[("package.json", &plain), ("package-lock.json", &new), ("yarn.lock", &other)],
        "npm; `yarn.lock` is not used: npm installs from `package-lock.json`, because only `package-lock.json` satisfies `package.json`",
    );
    with(&manifest(r#""engines": {"npm": "please-use-yarn"},"#), "`engines.npm` is `please-use-yarn`");
    with(&manifest(r#""scripts": {"ci": "yarn lint"},"#), "the script `ci` of `package.json` calls yarn");
    let workflow = "jobs:\n  a:\n    steps:\n      - run: yarn install --immutable\n";
    decided(
        &[("package.json", &plain), both[0], both[1], (".github/workflows/ci.yml", workflow)],
        &format!("{fresh} `.github/workflows/ci.yml` calls yarn"),
    );
    let mut tree = SourceTree::from_texts([("package.json", plain.as_str()), both[0], both[1]]);
    let times = [("package-lock.json".to_owned(), 1), ("yarn.lock".to_owned(), 2)];
    tree.git = Some(crate::repo::GitFacts { lockfile_times: times.into(), ..Default::default() });
    let (found, warnings) = chosen_from(&tree, None, 22, false);
    assert_eq!(found, "yarn 1.22.22 (from `yarn.lock`, version 1)");
    assert!(warnings[0].message.ends_with("because `yarn.lock` was committed last"), "{}", warnings[0].message);
}

#[test]
fn of_several_dev_engines_the_one_with_a_lockfile_counts() {
    let dev =
        r#""devEngines": {"packageManager": [{"name": "pnpm", "version": "^10"}, {"name": "npm", "version": ">=11"}]}"#;
    with(dev, NPM, "npm 11.21.2 (from `package.json#devEngines.packageManager`)");
    with(dev, PNPM9, "pnpm 10.34.9 (from `package.json#devEngines.packageManager`)");
}

#[test]
fn stale_and_missing_lockfiles() {
    let manifest = ("package.json", r#"{"dependencies": {"next": "^16.0.0"}}"#);
    let stale =
        ("package-lock.json", r#"{"lockfileVersion": 3, "packages": {"node_modules/next": {"version": "15.5.9"}}}"#);
    decided(
        &[manifest, stale],
        "npm; `package-lock.json` is out of date: it has `15.5.9` for `next`, which does not satisfy `^16.0.0` in `package.json`",
    );
    let unlocked = |files: &[(&str, &str)]| {
        let (found, warnings) = chosen_from(&SourceTree::from_texts(files.iter().copied()), None, 22, true);
        let codes: String = warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
        found + &codes
    };
    assert_eq!(unlocked(&[manifest]), "npm project/unlocked");
    assert_eq!(unlocked(&[manifest, stale]), "npm project/unlocked");
    assert_eq!(
        unlocked(&[manifest, ("pnpm-workspace.yaml", "a: 1")]),
        "pnpm 10.34.9 (from `pnpm-lock.yaml`, version none) project/unlocked"
    );
    let berry = ("package.json", r#"{"packageManager": "yarn@4.9.1"}"#);
    assert_eq!(unlocked(&[berry]), "yarn 4.9.1 (from `package.json#packageManager`) project/unlocked");
    let pnpm = ("package.json", r#"{"packageManager": "pnpm@8.1.0"}"#);
    assert_eq!(unlocked(&[pnpm]), "pnpm 8.1.0 (from `package.json#packageManager`) project/unlocked");
    assert_eq!(unlocked(&[NPM]), "npm");
}

#[test]
fn versions_that_do_not_read_the_lockfile() {
    with(
        r#""packageManager": "pnpm@10.2.0""#,
        PNPM6,
        "package.json:1:20: `package.json#packageManager` requires pnpm 10.2.0, but `pnpm-lock.yaml` has version 6.0, which it does not install from; run `pnpm install` with pnpm 10.2.0 and commit the lockfile",
    );
    for (field, lockfile) in
        [("pnpm@8.1.0", PNPM9), ("yarn@4.1.0", CLASSIC), ("yarn@1.22.22", BERRY), ("npm@6.14.18", NPM)]
    {
        let manifest = format!(r#"{{"packageManager": "{field}"}}"#);
        let message = chosen(&[("package.json", &manifest), lockfile], None, 22);
        assert!(message.contains("which it does not install from"), "{field}: {message}");
    }
}

#[test]
fn no_lockfile() {
    check(
        &[("package.json", "{}")],
        "package.json: no lockfile next to `package.json`: the installed versions would change from build to build; run `npm install --package-lock-only` and commit the lockfile, or pass `--unlocked` to install without one",
    );
    let pnpm = chosen(&[("package.json", r#"{"packageManager": "pnpm@9.1.0"}"#)], None, 22);
    assert!(pnpm.contains("run `pnpm install --lockfile-only`"), "{pnpm}");
}

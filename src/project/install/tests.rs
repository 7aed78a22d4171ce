use super::*;

/// The needs of an npm project of these files, with one package in `packages/ui` when it is there.
fn found(files: &[(&str, &str)]) -> InstallNeeds {
    let tree = SourceTree::from_texts(files.iter().copied());
    let (root, ui) = (RelPath::root(), RelPath::new("packages/ui").unwrap());
    let manifests: Vec<PackageJson> =
        [&root, &ui].into_iter().filter_map(|dir| PackageJson::load(&tree, dir).unwrap()).collect();
    let lockfile = super::super::lockfile::NAMES.iter().find_map(|name| Locked::load(&tree, &root, name).unwrap());
    let lock_path = RelPath::new("package-lock.json").unwrap();
    let locked = lockfile.unwrap_or_else(|| Locked::parse(&lock_path, r#"{"lockfileVersion": 3}"#).unwrap());
    let yarn = super::super::package_manager::read_yarn_config(&tree, &root, &mut Vec::new()).unwrap();
    needs(&InstallInputs {
        tree: &tree,
        dir: &root,
        app_dir: &root,
        app: &manifests[0],
        manifests: manifests.iter().collect(),
        locked: &locked,
        yarn: &yarn,
    })
    .unwrap()
}

fn names(paths: &[RelPath]) -> Vec<&str> {
    paths.iter().map(RelPath::as_str).collect()
}

#[test]
fn manifests_and_configuration() {
    let needs = found(&[
        ("package.json", "{}"),
        ("packages/ui/package.json", "{}"),
        (".npmrc", "//host/:_authToken=${NPM_TOKEN}\n# ${NOT_THIS}\nx=${A-b}${NPM_TOKEN}\n"),
        ("bunfig.toml", "token = \"$BUN_TOKEN\""),
        ("packages/ui/.npmrc", ""),
    ]);
    assert_eq!(names(&needs.manifests), ["package.json", "packages/ui/package.json"]);
    assert_eq!(names(&needs.config_files), [".npmrc", "bunfig.toml"]);
    let variables: Vec<&str> = needs.variables.iter().map(|variable| variable.value.as_str()).collect();
    assert_eq!(variables, ["NPM_TOKEN", "A", "BUN_TOKEN"]);
}

#[test]
fn files_that_the_install_reads() {
    let needs = found(&[
        (
            "package.json",
            r#"{"dependencies": {"a": "file:./vendor/a", "b": "file:vendor/b.tgz", "ui": "file:packages/ui", "up": "file:../up"},
                "pnpm": {"patchedDependencies": {"x": "fixes/x.patch"}}, "resolutions": {"y": "patch:y@npm:1#./my/y.patch", "z": "patch:z@npm%3A1#~builtin<compat/z>"}}"#,
        ),
        ("packages/ui/package.json", "{}"),
        ("vendor/a/index.js", ""),
        ("vendor/a/package.json", "{}"),
        ("vendor/b.tgz", ""),
        ("fixes/x.patch", ""),
        ("patches/p.patch", ""),
        ("my/y.patch", ""),
        (".yarn/releases/yarn-4.5.0.cjs", ""),
        (".yarn/plugins/p.cjs", ""),
        (".yarn/cache/a.zip", ""),
        ("pnpm-workspace.yaml", "patchedDependencies:\n  q: more/q.patch\n"),
        ("more/q.patch", ""),
    ]);
    assert_eq!(
        names(&needs.files),
        [
            ".yarn/plugins/p.cjs",
            ".yarn/releases/yarn-4.5.0.cjs",
            "fixes/x.patch",
            "more/q.patch",
            "my/y.patch",
            "patches/p.patch",
            "vendor/a/index.js",
            "vendor/a/package.json",
            "vendor/b.tgz",
        ]
    );
    assert_eq!(needs.yarn_cache, None);
}

#[test]
fn programs_of_workspace_packages_can_be_linked() {
    let manifest = r#"{ "name": "@acme/ui", "bin": { "ui": "./cli.js", "built": "dist/x.js", "out": "../../../x" } }"#;
    let needs = found(&[("package.json", "{}"), ("packages/ui/package.json", manifest), ("packages/ui/cli.js", "")]);
    assert_eq!(names(&needs.files), ["packages/ui/cli.js"]);
    let needs = found(&[("package.json", r#"{ "bin": "cli.js" }"#), ("cli.js", "")]);
    assert_eq!(names(&needs.files), ["cli.js"]);
    assert_eq!(found(&[("package.json", r#"{ "bin": ["cli.js"] }"#), ("cli.js", "")]).files, []);
}

#[test]
fn zero_install_caches_are_yarns() {
    let berry = ("yarn.lock", "__metadata:\n  version: 8\n");
    let cached = found(&[("package.json", "{}"), berry, (".yarn/cache/a.zip", "")]);
    assert_eq!(cached.yarn_cache, Some(RelPath::new(".yarn/cache").unwrap()));
    let ignored = found(&[("package.json", "{}"), berry, (".yarn/cache/.gitignore", "")]);
    assert_eq!(ignored.yarn_cache, None);
}

#[test]
fn prisma_schemas_and_version() {
    let lock = (
        "package-lock.json",
        r#"{"lockfileVersion": 3, "packages": {"node_modules/prisma": {"version": "6.1.0"}, "node_modules/sharp": {"version": "0.33.5"}}}"#,
    );
    let manifest =
        r#"{"dependencies": {"@prisma/client": "^6", "sharp": "^0.33"}, "devDependencies": {"prisma": "^6"}}"#;
    let needs =
        found(&[("package.json", manifest), lock, ("prisma/schema.prisma", ""), ("prisma/migrations/x.sql", "")]);
    let prisma = needs.prisma.unwrap();
    assert_eq!(prisma.version.as_deref(), Some("6.1.0"));
    assert_eq!(names(&prisma.schemas), ["prisma/schema.prisma"]);
    assert_eq!(needs.sharp.unwrap().to_string(), "0.33.5 (from `package.json#dependencies.sharp`)");

    let custom = r#"{"dependencies": {"prisma": "5"}, "prisma": {"schema": "db/schema"}, "scripts": {"postinstall": "prisma generate --schema=other/s.prisma"}}"#;
    let files =
        [("package.json", custom), ("db/schema/a.prisma", ""), ("db/schema/b.prisma", ""), ("other/s.prisma", "")];
    assert_eq!(
        names(&found(&files).prisma.unwrap().schemas),
        ["db/schema/a.prisma", "db/schema/b.prisma", "other/s.prisma"]
    );
    let configured = r#"{"devDependencies": {"prisma": "7"}}"#;
    let files =
        [("package.json", "{}"), ("packages/ui/package.json", configured), ("packages/ui/schema/main.prisma", "")];
    assert_eq!(names(&found(&files).prisma.unwrap().schemas), ["packages/ui/schema/main.prisma"]);
    assert_eq!(found(&[("package.json", "{}"), ("prisma/schema.prisma", "")]).prisma, None);
}

#[test]
fn lifecycle_scripts_of_every_package() {
    let needs = found(&[
        (
            "package.json",
            r#"{"scripts": {"preinstall": "npx only-allow npm", "prepare": "husky", "build": "x", "install": ""}}"#,
        ),
        ("packages/ui/package.json", r#"{"scripts": {"postinstall": "node gen.js"}}"#),
    ]);
    let scripts: Vec<String> = needs
        .lifecycle_scripts
        .iter()
        .map(|script| format!("{} {}: {}", script.dir, script.name, script.command))
        .collect();
    assert_eq!(
        scripts,
        [". preinstall: npx only-allow npm", ". prepare: husky", "packages/ui postinstall: node gen.js"]
    );
}

#[test]
fn git_dependencies() {
    assert!(found(&[("package.json", r#"{"dependencies": {"a": "git+ssh://git@host/a.git"}}"#)]).needs_git);
    assert!(!found(&[("package.json", r#"{"dependencies": {"a": "^1"}}"#)]).needs_git);
}

#[test]
fn very_many_variables_and_overlapping_folders() {
    let references = (0..1_001).map(|n| format!("${{T{n}}}")).collect::<Vec<_>>().concat();
    let tree = SourceTree::from_texts([(".npmrc", references.as_str())]);
    let error = variables(&tree, &[RelPath::new(".npmrc").unwrap()]).unwrap_err();
    assert_eq!(error.to_string(), "`.npmrc` is too large: it refers to more than 1000 variables");

    let manifest = r#"{"dependencies": {"a": "file:v", "b": "file:v/b", "c": "file:v-b", "d": "file:v/../v/a.tgz"}}"#;
    let needs = found(&[("package.json", manifest), ("v/a.tgz", ""), ("v/b/x", ""), ("v-b/y", "")]);
    assert_eq!(names(&needs.files), ["v-b/y", "v/a.tgz", "v/b/x"]);
}

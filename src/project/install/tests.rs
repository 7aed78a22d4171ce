use super::*;

/// The needs of an npm project of these files, with one package in `packages/ui` when it is there.
fn found(files: &[(&str, &str)]) -> InstallNeeds {
    let (needs, warnings) = try_found(files).unwrap();
    assert_eq!(warnings, [""; 0]);
    needs
}

/// The needs, and the warnings as code and message.
fn try_found(files: &[(&str, &str)]) -> Result<(InstallNeeds, Vec<String>), ProjectError> {
    let tree = SourceTree::from_texts(files.iter().copied());
    let (root, ui) = (RelPath::root(), RelPath::new("packages/ui").unwrap());
    let manifests: Vec<PackageJson> =
        [&root, &ui].into_iter().filter_map(|dir| PackageJson::load(&tree, dir).unwrap()).collect();
    let direct = BTreeSet::new();
    let tracked = super::super::lockfile::Tracked(&direct);
    let lockfile =
        super::super::lockfile::NAMES.iter().find_map(|name| Locked::load(&tree, &root, name, tracked).unwrap());
    let lock_path = RelPath::new("package-lock.json").unwrap();
    let locked = lockfile.unwrap_or_else(|| Locked::parse(&lock_path, r#"{"lockfileVersion": 3}"#, tracked).unwrap());
    let yarn = super::super::package_manager::read_yarn_config(&tree, &root, &mut Vec::new()).unwrap();
    let mut warnings = Vec::new();
    let inputs = InstallInputs {
        tree: &tree,
        dir: &root,
        app_dir: &root,
        app: &manifests[0],
        manifests: manifests.iter().collect(),
        needed: [root.clone()].into(),
        locked: &locked,
        yarn: &yarn,
    };
    let needs = needs(&inputs, &mut warnings)?;
    Ok((needs, warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message)).collect()))
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
    assert_eq!(variables, ["NPM_TOKEN", "BUN_TOKEN"]);
    let optional: Vec<&str> = needs.optional_variables.iter().map(|variable| variable.value.as_str()).collect();
    assert_eq!(optional, ["A"]);
}

#[test]
fn variables_with_a_default_can_be_left_out() {
    for (line, required, optional) in [
        ("a=${X}", vec!["X"], vec![]),
        ("a=${X-}", vec![], vec!["X"]),
        ("a=${X:-default}", vec![], vec!["X"]),
        ("a=${X?}", vec![], vec!["X"]),
        ("a=${X}${X:-}", vec!["X"], vec![]),
        (r"a=\${X} $Y ${}", vec![], vec![]),
    ] {
        let needs = found(&[("package.json", "{}"), (".npmrc", line)]);
        let names = |list: &[Sourced<String>]| list.iter().map(|variable| variable.value.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&needs.variables), names(&needs.optional_variables)),
            (required.into_iter().map(str::to_owned).collect(), optional.into_iter().map(str::to_owned).collect()),
            "{line}"
        );
    }
}

#[test]
fn the_public_registry_needs_no_token_of_bun() {
    let required = |line: &str| found(&[("package.json", "{}"), ("bunfig.toml", line)]).variables.len();
    assert_eq!(required(r#"registry = { url = "https://any.npmjs.org", token = "$NPM_TOKEN" }"#), 0);
    assert_eq!(required(r#"registry = { url = "https://npm.acme.dev", token = "$NPM_TOKEN" }"#), 1);
    assert_eq!(required(r#""@acme" = { url = "https://any.npmjs.org", token = "$NPM_TOKEN" }"#), 1);
}

#[test]
fn files_that_the_install_reads() {
    let needs = found(&[
        (
            "package.json",
            r#"{"dependencies": {"a": "file:./vendor/a", "b": "file:vendor/b.tgz", "ui": "file:packages/ui"},
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
fn variables_of_prismas_configuration() {
    let config = "import { defineConfig, env } from 'prisma/config'\n// env('NO')\nexport default defineConfig({\n  datasource: { url: env('DATABASE_URL'), shadowDatabaseUrl: env<Env>(\"SHADOW_URL\") },\n  other: process.env('NO'), x: myenv('NO'), y: env(name), z: process.env.NO,\n})\n";
    let needs =
        found(&[("package.json", "{}"), ("prisma.config.ts", config), ("packages/ui/prisma.config.ts", config)]);
    let names: Vec<String> = needs.prisma_variables.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["DATABASE_URL (from `prisma.config.ts`)", "SHADOW_URL (from `prisma.config.ts`)"]);
}

const PNPM_LOCK: (&str, &str) = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
const BERRY_LOCK: (&str, &str) = ("yarn.lock", "__metadata:\n  version: 8\n");

#[test]
fn packages_that_pnpm_copies_are_sent_whole() {
    let ui = ("packages/ui/package.json", r#"{"name": "@acme/ui", "main": "index.js"}"#);
    let files = [ui, ("packages/ui/index.js", ""), ("packages/ui/.env", "KEY=1"), PNPM_LOCK];
    let uses = r#"{"dependencies": {"@acme/ui": "workspace:*"}}"#;
    let meta = r#"{"dependencies": {"@acme/ui": "workspace:*"}, "dependenciesMeta": {"@acme/ui": {"injected": true}}}"#;
    let file = r#"{"dependencies": {"@acme/ui": "file:packages/ui"}}"#;
    let check = |root: &str, more: &[(&str, &str)], copied: bool| {
        let needs = found(&[&[("package.json", root)], files.as_slice(), more].concat());
        let (sent, manifests) =
            if copied { (vec!["packages/ui/index.js"], vec!["packages/ui/package.json"]) } else { Default::default() };
        assert_eq!((names(&needs.files), names(&needs.copied_manifests)), (sent, manifests), "{root} {more:?}");
    };
    check(uses, &[], false);
    check(uses, &[("pnpm-workspace.yaml", "injectWorkspacePackages: true\n")], true);
    check(uses, &[(".npmrc", "inject-workspace-packages = true")], true);
    check("{}", &[("pnpm-workspace.yaml", "injectWorkspacePackages: true\n")], false);
    check(meta, &[], true);
    check(file, &[], true);
}

#[test]
fn pnpmfiles_and_their_modules() {
    let helpers =
        [("hooks/a.cjs", ""), ("hooks/b.json", "{}"), ("hooks/readme.md", ""), ("config/x.cjs", ""), PNPM_LOCK];
    let root = ("package.json", "{}");
    let file = (".pnpmfile.cjs", "const { a } = require('./hooks/a')\nrequire('./package.json')");
    let needs = found(&[&[root, file], helpers.as_slice()].concat());
    assert_eq!(names(&needs.files), ["hooks/a.cjs", "hooks/b.json"]);
    for (name, text) in [
        ("pnpm-workspace.yaml", "pnpmfile: config/x.cjs\n"),
        ("pnpm-workspace.yaml", "pnpmfile: [./config/x.cjs]\n"),
        (".npmrc", "pnpmfile=config/x.cjs\n"),
    ] {
        let needs = found(&[&[root, (name, text)], helpers.as_slice()].concat());
        assert_eq!(names(&needs.files), ["config/x.cjs"], "{text}");
    }
    let (_, warnings) = try_found(&[root, (".npmrc", "pnpmfile=../x.cjs\npnpmfile=config/no.cjs"), PNPM_LOCK]).unwrap();
    assert_eq!(
        warnings,
        [
            "project/install-file-outside: `.npmrc` names `../x.cjs`, which is outside the repository",
            "project/install-file-missing: `.npmrc` names `config/no.cjs`, which is not in the repository",
        ]
    );
}

#[test]
fn files_of_yarn_elsewhere() {
    let manifest = r#"{"dependencies": {"p": "patch:p@npm%3A1.0.0#~/tools/patches/p.patch&./own.patch", "q": "patch:q@npm:1#optional!tools/q.patch::version=1.0.0"},
        "resolutions": {"r": "patch:r@npm:1#optional!builtin<compat/r>"}}"#;
    let settings = "patchFolder: ./tools/patches\nplugins:\n  - path: tools/plugin.cjs\n    spec: x\n  - ./tools/other.cjs\nhttpsCaFilePath: ca.pem\n";
    let files = [
        "tools/patches/p.patch",
        "tools/patches/unused.patch",
        "own.patch",
        "tools/q.patch",
        "tools/plugin.cjs",
        "tools/other.cjs",
        "ca.pem",
    ];
    let mut all: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).collect();
    all.extend([("package.json", manifest), (".yarnrc.yml", settings), BERRY_LOCK]);
    let mut expected = files.to_vec();
    expected.sort_unstable();
    assert_eq!(names(&found(&all).files), expected);

    let classic = [
        ("package.json", "{}"),
        ("yarn.lock", "# yarn lockfile v1\n"),
        (".yarnrc", "yarn-offline-mirror \"./mirror\""),
        ("mirror/a-1.0.0.tgz", ""),
    ];
    assert_eq!(names(&found(&classic).files), ["mirror/a-1.0.0.tgz"]);
}

#[test]
fn local_packages_outside_the_repository_are_refused_by_name() {
    for range in [
        "file:../ui-kit",
        "link:../ui-kit",
        "portal:../ui-kit",
        "../ui-kit",
        "file:/home/me/ui-kit",
        "file://../ui-kit",
    ] {
        let manifest = format!(r#"{{"dependencies": {{"@acme/ui": "{range}"}}}}"#);
        let error = try_found(&[("package.json", &manifest)]).unwrap_err();
        let message = format!(
            "`@acme/ui` (`{range}`) in `package.json` is outside the repository, and cannot be sent to the build"
        );
        assert_eq!(error.to_string(), message);
    }
    // A package that the app does not need.
    let other = r#"{"devDependencies": {"x": "file:../../../x", "y": "file:./y"}}"#;
    let (_, warnings) = try_found(&[("package.json", "{}"), ("packages/ui/package.json", other)]).unwrap();
    assert_eq!(
        warnings,
        [
            "project/dependency-outside: `x` (`file:../../../x`) in `packages/ui/package.json` is outside the repository, and cannot be sent to the build",
            "project/install-file-missing: `packages/ui/package.json` names `packages/ui/y`, which is not in the repository",
        ]
    );
    let overridden = r#"{"overrides": {"a": {"b": "file:./b.tgz"}}, "pnpm": {"overrides": {"c": "link:./c"}}}"#;
    let needs = found(&[("package.json", overridden), ("b.tgz", ""), ("c/index.js", "")]);
    assert_eq!(names(&needs.files), ["b.tgz", "c/index.js"]);
}

#[test]
fn native_modules_of_the_lockfile_and_of_the_project() {
    let lock = r#"{"lockfileVersion": 3, "packages": {"node_modules/bcrypt": {"version": "5.1.1", "dependencies": {"node-addon-api": "5"}},
        "node_modules/canvas": {"version": "2.11.2", "dependencies": {"nan": "2"}}, "node_modules/x": {"version": "1.0.0", "dev": true, "dependencies": {"nan": "2"}}}}"#;
    let manifest = r#"{"name": "web", "dependencies": {"bcrypt": "5"}, "devDependencies": {"canvas": "2"}}"#;
    let needs = found(&[("package.json", manifest), ("package-lock.json", lock), ("binding.gyp", "{}")]);
    let modules: Vec<String> =
        needs.native_modules.iter().map(|m| format!("{} {} {}", m.name, m.version, m.development_only)).collect();
    assert_eq!(modules, ["bcrypt 5.1.1 false", "canvas 2.11.2 true", "x 1.0.0 true", "binding.gyp  false"]);
    assert_eq!(needs.production_dependencies.keys().collect::<Vec<_>>(), ["bcrypt"]);
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
    let ssh = r#"{"dependencies": {"a": "git+ssh://git@host/a.git", "b": "git+https://host/b.git"}, "devDependencies": {"c": "git@host:c.git"}}"#;
    assert_eq!(found(&[("package.json", ssh)]).ssh_dependencies, ["a", "c"]);
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

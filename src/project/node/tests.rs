use super::*;
use crate::diagnostic::Diagnostic;
use crate::rel_path::RelPath;

const FLOOR: Version = Version::new(18, 18, 0);

/// What a project of these files at the root (and in `web`, the app) gets: `22`, `20 exactly 20.11.1`, or the error.
fn resolved(files: &[(&str, &str)], requested: Option<&str>, floor: Version) -> (String, String, Vec<Warning>) {
    resolved_for("15.1.0", files, requested, floor)
}

fn resolved_for(
    next: &str,
    files: &[(&str, &str)],
    requested: Option<&str>,
    floor: Version,
) -> (String, String, Vec<Warning>) {
    let tree = SourceTree::from_texts(files.iter().copied());
    let load = |dir: &str| PackageJson::load(&tree, &RelPath::new(dir).unwrap()).unwrap();
    let manifests: Vec<PackageJson> = [load("web"), load("")].into_iter().flatten().collect();
    let requested = requested.map(|text| Sourced::new(text.to_owned(), Origin::Flag("--node-version".to_owned())));
    let sources = NodeSources {
        tree: &tree,
        manifests: manifests.iter().collect(),
        folders: VersionFolder::upwards(&tree, &RelPath::new("web").unwrap()),
        requested: requested.as_ref(),
        next: &NextVersion {
            major: next.split('.').next().unwrap().parse().unwrap(),
            minor: 0,
            patch: 0,
            text: next.to_owned(),
        },
        types: manifests.iter().find_map(|manifest| Range::parse(manifest.dependency("@types/node")?.1)?.lowest()),
    };
    let floors = [NodeFloor { version: floor, needed_by: "Next.js 15.1.0".to_owned() }];
    match resolve(&sources, &floors) {
        Err(error) => (error.to_string(), error.location().map(|l| l.to_string()).unwrap_or_default(), Vec::new()),
        Ok((node, warnings)) => {
            let exact = node.value.exact.map(|exact| format!(" exactly {exact}")).unwrap_or_default();
            (format!("{}{exact}", node.value.major), node.origin.to_string(), warnings)
        }
    }
}

#[track_caller]
fn check(files: &[(&str, &str)], value: &str, origin: &str) {
    let (found, from, _) = resolved(files, None, FLOOR);
    assert_eq!((found.as_str(), from.as_str()), (value, origin), "{files:?}");
}

/// A request in `.nvmrc`.
#[track_caller]
fn nvmrc(text: &str, value: &str) {
    assert_eq!(resolved(&[(".nvmrc", text)], None, FLOOR).0, value, "{text}");
}

#[track_caller]
fn engines(range: &str, value: &str) {
    let manifest = format!(r#"{{"engines": {{"node": "{range}"}}}}"#);
    assert_eq!(resolved(&[("package.json", &manifest)], None, FLOOR).0, value, "{range}");
}

const NONE: &str = "default: the project specifies no Node.js version";
const ENGINES: (&str, &str) = ("package.json", r#"{"engines": {"node": "^24"}}"#);
const DEV: (&str, &str) =
    ("package.json", r#"{"devEngines": {"runtime": {"name": "node", "version": "^20"}}, "engines": {"node": ">=18"}}"#);
const VOLTA: (&str, &str) = ("package.json", r#"{"volta": {"node": "20.11.1"}, "engines": {"node": ">=18"}}"#);

#[test]
fn precedence_one_step_at_a_time() {
    check(&[], "22", NONE);
    check(&[ENGINES], "24", "from `package.json#engines.node`");
    check(&[DEV], "20", "from `package.json#devEngines.runtime`");
    check(&[DEV, (".tool-versions", "python 3\nnodejs 24.1.0\n")], "24 exactly 24.1.0", "from `.tool-versions#nodejs`");
    check(&[ENGINES, (".tool-versions", "nodejs 20.1.0"), (".node-version", "24")], "24", "from `.node-version`");
    check(&[ENGINES, (".node-version", "24"), (".nvmrc", "v20\n")], "20", "from `.nvmrc`");
    check(&[VOLTA, (".nvmrc", "22")], "20 exactly 20.11.1", "from `package.json#volta.node`");
    let requested = resolved(&[VOLTA], Some("24"), FLOOR);
    assert_eq!((requested.0.as_str(), requested.1.as_str()), ("24", "from `--node-version`"));
}

#[test]
fn the_app_goes_before_the_root() {
    check(&[(".nvmrc", "20"), ("web/.nvmrc", "24")], "24", "from `web/.nvmrc`");
    let app = ("web/package.json", r#"{"engines": {"node": "20.x"}}"#);
    check(&[ENGINES, app], "20", "from `web/package.json#engines.node`");
    let extends = ("web/package.json", r#"{"volta": {"extends": "../package.json"}}"#);
    check(&[VOLTA, extends], "20 exactly 20.11.1", "from `package.json#volta.node`");
    let itself = ("web/package.json", r#"{"volta": {"extends": "./package.json"}}"#);
    check(&[itself], "22", NONE);
}

#[test]
fn every_way_to_write_a_version() {
    nvmrc("20.11.1", "20 exactly 20.11.1");
    nvmrc("v20", "20");
    nvmrc("20.11", "20 exactly 20.11.1");
    nvmrc("# pinned\n\n22 # here\n", "22");
    nvmrc("lts/*", "26");
    nvmrc("lts/lithium", "26");
    nvmrc("Jod", "22");
    nvmrc("lts/jod", "22");
    nvmrc("lts/-1", "24");
    nvmrc("lts/Iron", "20");
    nvmrc("node", "26");
    nvmrc("latest", "26");
    engines(">=18", "22");
    engines(">=18.17.0", "22");
    engines("18.x || 20.x", "20");
    engines("^20.9", "20");
    engines(">=20 <21", "20");
    engines(">20 <22", "21");
    engines("~22.11.0", "22 exactly 22.11.0");
    engines("18.18.0 || 20.10.0", "20 exactly 20.10.0");
    engines("*", "22");
    engines("", "22");
    engines(">=23", "24");
    engines(">=26", "26");
    engines(">=24", "24");
    engines(">=20 <=22", "22");
    engines(">=22 <22.12", "22 exactly 22.11.0");
    engines("<22.12", "20");
    engines("<=20", "20");
    engines("~x", "22");
    engines("^22.90.0", "22 exactly 22.90.0");
}

#[test]
fn unsupported_versions_are_refused() {
    nvmrc("99", "Node.js `99` (from `.nvmrc`) matches no version with an official image");
    nvmrc("99.1.0", "Node.js `99.1.0` (from `.nvmrc`) has no official image");
    nvmrc("0.10", "Node.js `0.10` (from `.nvmrc`) matches no version with an official image");
    nvmrc("lts/unobtainium", "Node.js `lts/unobtainium` (from `.nvmrc`) names a release line that does not exist");
    nvmrc(
        "23.0.0-nightly.1",
        "Node.js `23.0.0-nightly.1` (from `.nvmrc`) is a prerelease, which has no official image",
    );
    nvmrc("twenty", "Node.js `twenty` (from `.nvmrc`) is not a version or a version range");
    nvmrc("", "`.nvmrc` cannot be read as a Node.js version: the file is empty");
}

#[test]
fn below_the_floor_of_next() {
    nvmrc("16", "Node.js 16 (from `.nvmrc`) is too old: Next.js 15.1.0 needs 18.18.0 or newer");
    nvmrc("18.17.1", "Node.js 18.17.1 (from `.nvmrc`) is too old: Next.js 15.1.0 needs 18.18.0 or newer");
    engines("^14", "Node.js ^14 (from `package.json#engines.node`) is too old: Next.js 15.1.0 needs 18.18.0 or newer");
    engines("14.x || 18.x", "18");
    assert_eq!(resolved(&[], None, Version::new(22, 13, 0)).0, "22");
    let (_, place, _) = resolved(&[("package.json", "{\"engines\": {\n\"node\": \"14\"}}")], None, FLOOR);
    assert_eq!(place, "package.json:2:9");
}

#[test]
fn a_pin_outside_the_range_is_reported() {
    let (value, _, warnings) = resolved(&[ENGINES, (".nvmrc", "22")], None, FLOOR);
    assert_eq!(value, "22");
    assert_eq!(
        warnings[0].message,
        "Node.js 22 (from `.nvmrc`) is outside the range `^24` (from `package.json#engines.node`)"
    );
    assert!(resolved(&[ENGINES, (".nvmrc", "24")], None, FLOOR).2.is_empty());
}

#[test]
fn an_app_that_specifies_nothing_gets_the_line_it_was_made_for() {
    let found = |next: &str, files: &[(&str, &str)], floor| {
        let (value, _, warnings) = resolved_for(next, files, None, floor);
        let codes: String = warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
        format!("{value}{codes}")
    };
    let types = |range: &str| format!(r#"{{"devDependencies": {{"@types/node": "{range}"}}}}"#);
    let with = |next: &str, range: &str| found(next, &[("package.json", &types(range))], FLOOR);
    let open = ("package.json", r#"{"engines": {"node": ">=16"}}"#);
    assert_eq!(found("13.5.6", &[], FLOOR), "20 project/node-end-of-life");
    assert_eq!(found("13.5.6", &[open], FLOOR), "20 project/node-end-of-life");
    assert_eq!(found("14.2.0", &[], Version::new(22, 13, 0)), "22");
    assert_eq!(with("14.2.0", "^22.1.0"), "22");
    assert_eq!(with("14.2.0", "^18"), "20 project/node-end-of-life");
    assert_eq!(with("15.1.0", "^20"), "22");
    assert_eq!(with("16.0.0", "24.1.0"), "24");
    assert_eq!(with("16.0.0", "^25.2.0"), "24");
    assert_eq!(with("16.0.0", "latest"), "22");
}

#[test]
fn lines_without_fixes_are_reported() {
    let warnings = resolved(&[(".nvmrc", "v18.20.1")], None, FLOOR).2;
    assert_eq!(
        (warnings[0].code, warnings[0].message.as_str()),
        ("project/node-end-of-life", "Node.js 18.20.1 (from `.nvmrc`) has had no security fixes since 2025-04-30")
    );
    assert!(resolved(&[(".nvmrc", "24")], None, FLOOR).2.is_empty());
}

#[test]
fn tool_versions_without_a_release_are_ignored() {
    check(&[(".tool-versions", "nodejs system\n")], "22", NONE);
    check(&[(".tool-versions", "node lts # x\n")], "26", "from `.tool-versions#node`");
    check(&[(".tool-versions", "nodejs latest:20 18.1.0\n")], "20", "from `.tool-versions#nodejs`");
}

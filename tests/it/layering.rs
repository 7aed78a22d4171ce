//! Data flows one way: a module may use only earlier ones, and each external library is used only in its modules.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of the data flow. A module may use itself, its children and every earlier group. A child that is listed is a
/// separate module: the position of its parent does not apply to it.
const ORDER: &[&[&str]] = &[
    &["secret"],
    &["diagnostic", "format", "origin", "rel_path"],
    &["host"],
    &["net"],
    &["config::setting"],
    &["repo::ci"],
    &["repo"],
    &["project"],
    &["image_ref"],
    &["tags"],
    &["config::metadata"],
    &["config::settings"],
    &["config::cli"],
    &["config"],
    &["image::plan"],
    &["image::dockerfile"],
    &["image"],
    &["docker::connection"],
    &["docker"],
    &["builder"],
    &["docker::build"],
    &["registry"],
    &["deploy::proxy"],
    &["deploy"],
    &["deploy::manifest"],
    &["supervise"],
    &["report::forge"],
    &["doctor"],
    &["workflow"],
    &["error"],
    &["pipeline"],
    &["report"],
    &["commands"],
];

/// Libraries whose types must not leave the named modules.
const CONFINED: &[(&str, &[&str])] = &[
    ("aho_corasick", &["secret"]),
    ("axum", &["supervise"]),
    ("bollard", &["docker"]),
    ("tonic", &["docker"]),
    ("file_rotate", &["supervise"]),
    ("hyper", &["docker", "net", "registry", "supervise"]),
    ("aws_config", &["registry"]),
    ("aws_sdk_ecr", &["registry"]),
    ("aws_sdk_ecrpublic", &["registry"]),
    ("aws_sdk_iam", &["registry"]),
    ("aws_sdk_sts", &["registry"]),
    ("octocrab", &["report::forge"]),
    ("prometheus_client", &["supervise"]),
    ("reqwest", &["deploy", "net", "registry", "report::forge", "supervise"]),
    ("tar", &["builder", "deploy", "docker"]),
    ("oxc_ast", &["project"]),
    ("oxc_parser", &["project"]),
    ("chrono_tz", &["tags"]),
    ("semver", &["project", "tags"]),
    ("csv", &["tags"]),
    ("clap", &["config::cli"]),
    ("indicatif", &["report"]),
    ("jsonc_parser", &["config::metadata", "project"]),
    ("serde_saphyr", &["config::metadata", "deploy", "project", "repo"]),
    ("globset", &["project", "repo"]),
];

/// Modules with side effects, which the pure stages must never touch.
const PURE: &[&str] = &["config", "deploy::manifest", "image", "image_ref", "project", "repo::ci", "tags", "workflow"];
const SIDE_EFFECTS: &[&str] = &[
    "std::fs::",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process::",
    "std::time::SystemTime",
    "tokio::",
    "crate::host::run_command",
];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// A source file without its tests and comments.
struct SourceFile {
    /// Path of the module without `crate`: `docker::connection::ssh`.
    module: String,
    /// Relative to `src/`.
    file: PathBuf,
    code: String,
}

impl SourceFile {
    fn read(root: &Path, path: &Path) -> Self {
        let file = path.strip_prefix(root).unwrap().to_path_buf();
        let names = file.with_extension("");
        let names = names.iter().map(|name| name.to_str().unwrap()).filter(|name| *name != "mod");
        let code = fs::read_to_string(path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        Self {
            module: names.collect::<Vec<_>>().join("::"),
            code: code.fold(String::new(), |code, line| code + line + "\n"),
            file,
        }
    }

    fn is_in(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| is_within(&self.module, module))
    }
}

fn modules() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs") && !path.starts_with(root.join("bin")))
        .map(|path| SourceFile::read(&root, &path))
        .filter(|file| !matches!(file.module.as_str(), "main" | "lib"))
        .collect()
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The group of [`ORDER`] and its listed module that a path belongs to: the longest one.
fn layer(path: &str) -> Option<(usize, &'static str)> {
    let layers = ORDER.iter().enumerate().flat_map(|(rank, group)| group.iter().map(move |module| (rank, *module)));
    layers.filter(|(_, module)| is_within(path, module)).max_by_key(|(_, module)| module.len())
}

fn is_word_at(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// The paths of a `use` tree that begins at the start of `tree`, and how many bytes it takes: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<String>) -> usize {
    let word: String = tree.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
    let Some(list) = tree[word.len()..].strip_prefix('{') else {
        paths.push(format!("{prefix}{word}"));
        return word.len();
    };
    let (prefix, mut at) = (format!("{prefix}{word}"), 0);
    loop {
        at += list[at..].len() - list[at..].trim_start_matches([',', ' ', '\n']).len();
        if list[at..].starts_with('}') || at == list.len() {
            return word.len() + 1 + at + 1;
        }
        let taken = expand(&list[at..], &prefix, paths);
        let alias = list[at + taken..].find([',', '}']).unwrap_or(0);
        at += taken + alias;
    }
}

/// All `crate::…` paths without `crate`, also those inside of `use crate::{a::…, b}`.
fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, found) in code.match_indices("crate::").filter(|(at, _)| is_word_at(code, *at)) {
        expand(&code[at + found.len()..], "", &mut paths);
    }
    paths.retain(|path| !path.is_empty());
    paths
}

#[test]
fn modules_depend_only_on_earlier_ones() {
    let mut wrong = Vec::new();
    for SourceFile { module, file, code } in modules() {
        let (own, home) =
            layer(&module).unwrap_or_else(|| panic!("{} is in no layer: add `{module}` to ORDER", file.display()));
        for path in used_paths(&code) {
            let Some((other, listed)) = layer(&path) else { continue };
            if listed != home && other >= own {
                wrong.push(format!("{} uses crate::{path}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point back:\n{}", wrong.join("\n"));
}

#[test]
fn libraries_are_used_only_in_their_modules() {
    let mut wrong = Vec::new();
    for source in modules() {
        for (library, rooms) in CONFINED {
            let used = source.code.match_indices(&format!("{library}::")).any(|(at, _)| is_word_at(&source.code, at));
            if used && !source.is_in(rooms) {
                wrong.push(format!("{} uses {library}", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "libraries outside their rooms:\n{}", wrong.join("\n"));
}

/// The modules that write output; secrets are redacted before.
const WRITERS: &[&str] =
    &["commands/log.rs", "commands/mod.rs", "commands/containers/outlet.rs", "supervise/sink/mod.rs"];

#[test]
fn output_is_written_only_by_the_listed_modules() {
    let mut wrong = Vec::new();
    for source in modules().into_iter().filter(|source| !source.is_in(&["host"])) {
        let name = source.file.to_string_lossy();
        for door in [
            "error_writer()",
            "output_writer()",
            "Streams.message",
            "streams.message",
            "streams.data",
            "io::stderr()",
            "io::stdout()",
        ] {
            if source.code.contains(door) && !WRITERS.contains(&&*name) {
                wrong.push(format!("{name} uses {door}"));
            }
        }
    }
    assert!(wrong.is_empty(), "write through the session or its log:\n{}", wrong.join("\n"));
}

#[test]
fn pure_stages_have_no_side_effects() {
    let mut wrong = Vec::new();
    for source in modules().into_iter().filter(|source| source.is_in(PURE)) {
        for effect in SIDE_EFFECTS.iter().filter(|effect| source.code.contains(**effect)) {
            wrong.push(format!("{} uses {effect}", source.file.display()));
        }
    }
    assert!(wrong.is_empty(), "side effects in pure stages:\n{}", wrong.join("\n"));
}

#[test]
fn paths_of_use_trees_are_found() {
    let code = "use crate::{plan::{A, B as C}, host};\nuse crate::a::b::{c::D, e::*};\nfn f() { crate::report::x(); }";
    assert_eq!(used_paths(code), ["plan::A", "plan::B", "host", "a::b::c::D", "a::b::e::", "report::x"]);
    assert!(modules().len() > 10, "the source folder was not found");
    assert_eq!(layer("repo::ci::CiContext").map(|(_, module)| module), Some("repo::ci"));
}

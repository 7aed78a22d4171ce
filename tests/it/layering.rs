//! One way of the data: a module may use only what stands before it, and each outside library stays in its room.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of the data flow. A module may use itself and every earlier group.
const ORDER: &[&[&str]] = &[
    &["secret"],
    &["diagnostic", "origin", "rel_path"],
    &["host"],
    &["network"],
    &["ci", "cli", "source"],
    &["project"],
    &["oci"],
    &["tags"],
    &["metadata"],
    &["settings"],
    &["plan"],
    &["dockerfile", "image"],
    &["daemon"],
    &["builder"],
    &["registry"],
    &["container"],
    &["proxy"],
    &["launch"],
    &["manifest"],
    &["supervise"],
    &["forge"],
    &["doctor"],
    &["workflow"],
    &["report"],
    &["error"],
    &["commands"],
];

/// Libraries whose types must not leave the named modules.
const CONFINED: &[(&str, &[&str])] = &[
    ("aho_corasick", &["secret"]),
    ("axum", &["supervise"]),
    ("bollard", &["builder", "container", "daemon", "registry"]),
    ("tonic", &["builder"]),
    ("file_rotate", &["supervise"]),
    ("hyper", &["builder", "container", "daemon", "network", "registry", "supervise"]),
    ("aws_config", &["registry"]),
    ("aws_sdk_ecr", &["registry"]),
    ("aws_sdk_ecrpublic", &["registry"]),
    ("aws_sdk_iam", &["registry"]),
    ("aws_sdk_sts", &["registry"]),
    ("octocrab", &["forge"]),
    ("prometheus_client", &["supervise"]),
    ("reqwest", &["network", "registry", "proxy", "supervise", "forge"]),
    ("tar", &["builder", "container", "launch"]),
    ("oxc_ast", &["project"]),
    ("oxc_parser", &["project"]),
    ("chrono_tz", &["tags"]),
    ("semver", &["project", "tags"]),
    ("csv", &["tags"]),
    ("clap", &["cli"]),
    ("indicatif", &["report"]),
    ("jsonc_parser", &["project", "metadata"]),
    ("serde_saphyr", &["launch", "manifest", "metadata", "project", "source"]),
    ("globset", &["project", "source"]),
];

/// Modules with side effects, which the pure stages must never touch.
const PURE: &[&str] =
    &["ci", "cli", "project", "metadata", "settings", "oci", "tags", "plan", "dockerfile", "manifest", "workflow"];
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

/// `(module, file, production code)` of every source file; tests and comments are left out.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs") && !path.starts_with(root.join("bin")))
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_path_buf();
            let module = relative.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
            let code: String = fs::read_to_string(&path)
                .unwrap()
                .split("#[cfg(test)]\nmod tests {")
                .next()?
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .fold(String::new(), |code, line| code + line + "\n");
            (!matches!(module.as_str(), "main" | "lib")).then_some((module, relative, code))
        })
        .collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|group| group.contains(&module))
}

fn is_word_at(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// First components of all `crate::…` paths, also inside `use crate::{a::…, b}`.
fn used_modules(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| is_word_at(code, *at)) {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0_i32;
            let end = list.find(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth < 0
            });
            let mut level = 0_i32;
            let top = list[..end.unwrap_or(list.len())].split(|c| {
                level += i32::from(c == '{') - i32::from(c == '}');
                c == ',' && level == 0
            });
            used.extend(top.map(|item| word(item.trim())));
        } else {
            used.push(word(rest));
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let mut wrong = Vec::new();
    for (module, file, code) in modules() {
        let own = rank(&module).unwrap_or_else(|| panic!("{} is in no layer: add `{module}` to ORDER", file.display()));
        for used in used_modules(&code) {
            let Some(other) = rank(&used) else { continue };
            if used != module && other >= own {
                wrong.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point back:\n{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (module, file, code) in modules() {
        for (library, rooms) in CONFINED {
            let used = code.match_indices(&format!("{library}::")).any(|(at, _)| is_word_at(&code, at));
            if used && !rooms.contains(&module.as_str()) {
                wrong.push(format!("{} uses {library}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "libraries outside their rooms:\n{}", wrong.join("\n"));
}

/// Where text leaves the program, and secrets are taken out of it before.
const WRITERS: &[&str] =
    &["commands/log.rs", "commands/mod.rs", "commands/containers/outlet.rs", "supervise/sink/mod.rs"];

#[test]
fn text_leaves_through_few_doors() {
    let mut wrong = Vec::new();
    for (_, file, code) in modules().into_iter().filter(|(module, ..)| module != "host") {
        let name = file.to_string_lossy();
        for door in [
            "error_writer()",
            "output_writer()",
            "Streams.message",
            "streams.message",
            "streams.data",
            "io::stderr()",
            "io::stdout()",
        ] {
            if code.contains(door) && !WRITERS.contains(&&*name) {
                wrong.push(format!("{name} uses {door}"));
            }
        }
    }
    assert!(wrong.is_empty(), "write through the session or its log:\n{}", wrong.join("\n"));
}

#[test]
fn pure_stages_have_no_side_effects() {
    let mut wrong = Vec::new();
    for (module, file, code) in modules().into_iter().filter(|(module, ..)| PURE.contains(&module.as_str())) {
        for effect in SIDE_EFFECTS.iter().filter(|effect| code.contains(**effect)) {
            wrong.push(format!("{module}: {} uses {effect}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "side effects in pure stages:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_this_test_sees_arrows() {
    assert_eq!(
        used_modules("use crate::{plan::{A, B}, host};\nfn f() { crate::report::x(); }"),
        ["plan", "host", "report"]
    );
    assert!(modules().len() > 10, "the source folder was not found");
}

//! `.dockerignore` has the same meaning as in Docker: the table contains the paths that the docker CLI sent
//! (regenerate it with `scripts/dockerignore-cases`).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nextdeploy::image::dockerfile::{ContextContent, OwnContext, own_context};
use nextdeploy::repo::{IgnoreRules, SourceTree};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    tree: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    dockerignore: String,
    /// Folders end with `/`; `None` if Docker rejects the file.
    sent: Option<Vec<String>>,
    /// The paths sent by Engine 20.10, if different; newer versions are the reference.
    sent_by_docker_20_10: Option<Vec<String>>,
}

fn sent(tree: &[String], dockerignore: &str) -> Option<Vec<String>> {
    let files = tree.iter().map(|path| (path.as_str(), "x")).chain([(".dockerignore", dockerignore)]);
    let tree = SourceTree::from_texts(files);
    let rules = IgnoreRules::of_tree(&tree, None).ok()?;
    let OwnContext { context, left_out } = own_context(&tree, rules.sent(&tree, &[]).unwrap()).unwrap();
    let name = |path: &Path| String::from_utf8(path.as_os_str().as_bytes().to_vec()).unwrap();
    let mut sent: Vec<String> = context
        .entries
        .iter()
        .map(|entry| name(&entry.path) + if entry.content == ContextContent::Directory { "/" } else { "" })
        // Environment files are always held back, whatever the rules.
        .chain(left_out.iter().map(|path| name(path)))
        .collect();
    sent.sort();
    Some(sent)
}

#[test]
fn the_same_paths_are_sent_as_by_docker() {
    let table: Table = serde_json::from_str(include_str!("dockerignore_cases.json")).unwrap();
    assert!(table.cases.len() > 100);
    assert!(table.cases.iter().filter(|case| case.sent_by_docker_20_10.is_some()).count() < 20);
    let mut wrong = Vec::new();
    for case in &table.cases {
        let ours = sent(&table.tree, &case.dockerignore);
        if ours != case.sent {
            let missing = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| {
                let b = b.clone().unwrap_or_default();
                a.iter().flatten().filter(|path| !b.contains(path)).cloned().collect::<Vec<_>>()
            };
            wrong.push(format!(
                "{:?}: refused by docker: {}, by us: {}; only docker: {:?}, only us: {:?}",
                case.dockerignore,
                case.sent.is_none(),
                ours.is_none(),
                missing(&case.sent, &ours),
                missing(&ours, &case.sent)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), table.cases.len(), wrong.join("\n"));
}

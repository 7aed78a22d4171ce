//! What the rules say, beyond the table of cases taken from Docker itself (`tests/it/dockerignore.rs`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};

fn rules(text: &str) -> IgnoreRules {
    IgnoreRules::parse(text).unwrap()
}

#[test]
fn patterns_are_anchored_and_reach_everything_below() {
    let rules = rules("node_modules\n**/*.log\n");
    assert!(rules.is_excluded(Path::new("node_modules/a/b")));
    assert!(!rules.is_excluded(Path::new("apps/node_modules")));
    assert!(rules.is_excluded(Path::new("a/b/x.log")));
    assert!(rules.is_excluded(Path::new("x.log")));
}

#[test]
fn invalid_patterns_are_named_with_file_and_line() {
    let check = |text: &str, line: usize, message: &str| {
        let error = IgnoreRules::parse(text).unwrap_err();
        assert_eq!(error.location(), Some(Location::line(".dockerignore", line)));
        assert_eq!(error.to_string(), message);
        assert_eq!(error.code(), "source/ignore-pattern");
    };
    check(
        "# x\n\na[",
        3,
        "pattern `a[` in `.dockerignore` has a `[` without a complete `[…]` (`\\[` is a plain bracket)",
    );
    check("!", 1, "pattern `!` in `.dockerignore` excludes nothing: `!` needs a path");
    check("a\r\nb\\\r\n", 2, "pattern `b\\` in `.dockerignore` ends with `\\`, which escapes nothing");
    for bad in ["[]", "[^]", "[-a]", "[a-]", "[a", "[a\\", "x[]a]", "[z-a]"] {
        IgnoreRules::parse(bad).expect_err(bad);
    }
}

#[test]
fn names_that_are_not_utf8_match_wildcards() {
    let path = Path::new(OsStr::from_bytes(b"caf\xc3\xe9.md"));
    assert!(rules("*.md").is_excluded(path));
    assert!(rules("caf??.md").is_excluded(path));
    assert!(!rules("caf?.md").is_excluded(path));
}

#[test]
fn directories_are_pruned_unless_something_below_can_come_back() {
    let prunes = |text: &str, path: &str| rules(text).can_prune_directory(Path::new(path));
    assert!(prunes("a", "a"));
    assert!(prunes("*\n!src", "a"));
    assert!(!prunes("*\n!a/b/c", "a"));
    assert!(!prunes("*\n!a/b/**", "a"));
    assert!(!prunes("*\n!a/b/**", "a/b/c"));
    assert!(!prunes("*\n!**/*.md", "a"));
    assert!(!prunes("b", "a"));
}

#[test]
fn hostile_patterns_are_not_slow() {
    let rules = rules(&format!("{}b", "*a**/".repeat(100)));
    assert!(!rules.is_excluded(Path::new(&"a/".repeat(60))));
}

#[test]
fn the_rules_of_a_tree_come_from_the_file_beside_the_dockerfile_first() {
    let tree = SourceTree::from_texts([(".dockerignore", "a"), ("docker/web.dockerignore", "b")]);
    let excludes = |dockerfile: Option<&str>, path: &str| {
        let dockerfile = dockerfile.map(|path| RelPath::new(path).unwrap());
        IgnoreRules::of_tree(&tree, dockerfile.as_ref()).unwrap().is_excluded(Path::new(path))
    };
    assert!(excludes(None, "a") && !excludes(None, "b"));
    assert!(excludes(Some("docker/web"), "b") && !excludes(Some("docker/web"), "a"));
    assert!(excludes(Some("other"), "a"));
    assert_eq!(IgnoreRules::of_tree(&SourceTree::default(), None), Ok(IgnoreRules::default()));
}

#[test]
fn entries_that_are_sent_are_those_not_excluded_and_those_always_sent() {
    let tree = SourceTree::from_texts([(".dockerignore", ""), ("a/b/x", ""), ("a/y", ""), ("a.md", ""), ("c", "")]);
    let check = |text: &str, always: &[&Path], expected: &[&str]| {
        let rules = rules(text);
        let sent: Vec<&Path> =
            rules.sent(&tree, always).unwrap().into_iter().map(|entry| entry.path.as_path()).collect();
        assert_eq!(sent, expected.iter().map(Path::new).collect::<Vec<_>>(), "{text}");
        for entry in tree.entries() {
            let expected = !rules.is_excluded(&entry.path) || always.contains(&entry.path.as_path());
            assert_eq!(sent.contains(&entry.path.as_path()), expected);
        }
    };
    check("a", &[], &[".dockerignore", "a.md", "c"]);
    check("*\n!a/b", &[], &["a/b", "a/b/x"]);
    check("*", &[Path::new(".dockerignore"), Path::new("a/y")], &[".dockerignore", "a/y"]);
}

#[test]
fn unreadable_ignore_files_are_errors() {
    let mut tree = SourceTree::from_texts([(".dockerignore", "")]);
    tree.set_text(".dockerignore", SourceText::NotUtf8 { valid_up_to: 3 });
    let error = IgnoreRules::of_tree(&tree, None).unwrap_err();
    assert_eq!(error.to_string(), "`.dockerignore` cannot be used: it is not UTF-8 (at byte 3)");
    assert_eq!(error.exit_code(), ExitCode::Project);
}

proptest! {
    #[test]
    fn parsing_and_matching_never_panic(text in "[!#*?\\[\\]\\\\/.ab\\-^\r\n \u{e9}]{0,60}", path in "[ab./*\u{e9}\n]{0,30}") {
        if let Ok(rules) = IgnoreRules::parse(&text) {
            let excluded = rules.is_excluded(Path::new(&path));
            prop_assert!(excluded || !rules.can_prune_directory(Path::new(&path)));
        }
    }

    #[test]
    fn pruning_never_hides_what_a_full_walk_would_send(
        lines in proptest::collection::vec("!?[ab*?/]{1,6}", 1..6),
        path in "[ab]{1,2}(/[ab]{1,2}){1,3}",
    ) {
        if let Ok(rules) = IgnoreRules::parse(&lines.join("\n")) {
            let path = Path::new(&path);
            let pruned = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).any(|p| rules.can_prune_directory(p));
            prop_assert!(!pruned || rules.is_excluded(path));
        }
    }
}

#[test]
fn files_that_take_too_long_to_match_are_refused() {
    let error = IgnoreRules::parse(&"a\n".repeat(10_001)).unwrap_err();
    assert_eq!(error.to_string(), "`.dockerignore` cannot be used: it has more than 10000 patterns");
    assert_eq!(error.code(), "source/ignore-file");
    IgnoreRules::parse(&"a\n# b\n".repeat(10_000)).unwrap();
}

#[test]
fn nothing_below_an_excluded_directory_is_matched_unless_it_can_come_back() {
    let tree = SourceTree::from_texts([("a/b/c", ""), ("a/d", ""), ("e", "")]);
    let sent = |text: &str, always: &str| -> Vec<String> {
        let sent = rules(text).sent(&tree, &[Path::new(always)]).unwrap();
        sent.iter().map(|entry| entry.path.display().to_string()).collect()
    };
    assert_eq!(sent("a", ""), ["e"]);
    assert_eq!(sent("a", "a/d"), ["a/d", "e"]);
    assert_eq!(sent("a\n!a/b", ""), ["a/b", "a/b/c", "e"]);
}

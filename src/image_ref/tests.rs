use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn parts(text: &str) -> (Option<String>, String, Option<String>, Option<String>) {
    let reference = ImageRef::parse(text).unwrap();
    assert_eq!(reference.to_string(), text);
    (reference.domain, reference.path, reference.tag, reference.digest)
}

#[test]
fn a_port_is_not_a_tag() {
    assert_eq!(parts("localhost:5000/app"), (Some("localhost:5000".into()), "app".into(), None, None));
    assert_eq!(parts("node:22-slim"), (None, "node".into(), Some("22-slim".into()), None));
    // Without a slash, a number after a colon is a tag, even where a port was meant.
    assert_eq!(parts("localhost:5000"), (None, "localhost".into(), Some("5000".into()), None));
    let digest = format!("sha256:{}", "a".repeat(64));
    let (domain, path, tag, found) = parts(&format!("[::1]:5000/a/b__c:T.1@{digest}"));
    assert_eq!((domain.as_deref(), path.as_str(), tag.as_deref()), (Some("[::1]:5000"), "a/b__c", Some("T.1")));
    assert_eq!(found, Some(digest));
}

#[test]
fn the_first_component_is_a_host_only_if_it_looks_like_one() {
    assert_eq!(parts("acme/shop").0, None);
    assert_eq!(parts("localhost/shop").0.as_deref(), Some("localhost"));
    assert_eq!(parts("a.b/shop").0.as_deref(), Some("a.b"));
    assert_eq!(parts("Acme/shop").0.as_deref(), Some("Acme"));
}

#[test]
fn invalid_references_have_a_message_and_a_hint() {
    let digest = "0".repeat(64);
    let cases = [
        String::new(),
        " ".to_owned(),
        "a b".to_owned(),
        "a\nb".to_owned(),
        "a:b c".to_owned(),
        "App".to_owned(),
        "acme/Shop:V1".to_owned(),
        format!("ghcr.io/Acme/Shop:V1@sha256:{digest}"),
        "a//b".to_owned(),
        "/a".to_owned(),
        "a/".to_owned(),
        "ghcr.io/".to_owned(),
        "a___b".to_owned(),
        "a..b".to_owned(),
        "-a".to_owned(),
        "a-".to_owned(),
        "é".to_owned(),
        "a$b".to_owned(),
        "a\"b".to_owned(),
        "a:".to_owned(),
        ":1".to_owned(),
        "a:-x".to_owned(),
        format!("a:{}", "b".repeat(129)),
        "a@sha256:12".to_owned(),
        format!("a@sha256:{}g", "0".repeat(63)),
        format!("a@{digest}"),
        format!("a@sha256:{digest}@sha256:{digest}"),
        format!("@sha256:{digest}"),
        "ex-.com/a".to_owned(),
        "a..b.com/a".to_owned(),
        "a.com:x/b".to_owned(),
        "a.com:/b".to_owned(),
        "a.com:0/b".to_owned(),
        "a.com:65536/b".to_owned(),
        "a.com:5000:5000/b".to_owned(),
        "[::1/b".to_owned(),
        "a/b:c/d".to_owned(),
        "https://ghcr.io/acme/shop".to_owned(),
        "a".repeat(256),
        digest.clone(),
    ];
    let mut text = String::new();
    for case in cases {
        let invalid = ImageRef::parse(&case).expect_err(&case);
        writeln!(text, "{}\n  {invalid}\n  hint: {}", shown(&format!("{case:?}")), invalid.hint()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn maximum_lengths_are_accepted() {
    parts(&"a".repeat(255));
    parts(&format!("registry.example.com:65535/{}", "a".repeat(255)));
    parts(&format!("a:{}", "b".repeat(128)));
    parts(&"0".repeat(63));
    parts(&format!("acme/{}", "0".repeat(64)));
}

#[test]
fn names_are_qualified_as_docker_does() {
    let full = |text: &str| ImageRef::parse(text).unwrap().fully_qualified();
    assert_eq!(full("node:22-slim"), "docker.io/library/node:22-slim");
    assert_eq!(full("team/app"), "docker.io/team/app:latest");
    assert_eq!(full("gcr.io/distroless/nodejs22-debian13"), "gcr.io/distroless/nodejs22-debian13:latest");
}

#[test]
fn latest_is_the_default_tag_unless_there_is_a_digest() {
    let with_default = |text: &str| ImageRef::parse(text).unwrap().or_latest().to_string();
    assert_eq!(with_default("acme/shop"), "acme/shop:latest");
    assert_eq!(with_default("acme/shop:1"), "acme/shop:1");
    let pinned = format!("acme/shop@sha256:{}", "a".repeat(64));
    assert_eq!(with_default(&pinned), pinned);
    assert_eq!(ImageRef::parse("acme/shop").unwrap().tag_or_latest(), "latest");
}

fn reference() -> impl Strategy<Value = ImageRef> {
    let domain = "localhost|[a-z][a-zA-Z0-9]{0,8}(-[a-z0-9]{1,3})?\\.[a-z]{2,3}|localhost:[1-9][0-9]{0,3}|\\[::[0-9a-f]{1,4}\\]:[1-9][0-9]{0,3}";
    let component = "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}";
    let path = prop::collection::vec(component, 1..4).prop_map(|components| components.join("/"));
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}";
    let parts = (prop::option::of(domain), path, prop::option::of(tag), prop::option::of("sha256:[0-9a-f]{64}"));
    parts
        .prop_filter("Docker Hub has no name `localhost/…`", |(domain, path, ..)| {
            domain.is_some()
                || !path.split_once('/').is_some_and(|(first, _)| first.contains('.') || first == "localhost")
        })
        .prop_map(|(domain, path, tag, digest)| ImageRef { domain, path, tag, digest })
}

proptest! {
    #[test]
    fn display_round_trips(reference in reference()) {
        prop_assert_eq!(ImageRef::parse(&reference.to_string()), Ok(reference));
    }

    #[test]
    fn parsing_preserves_the_text(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
        if let Ok(reference) = ImageRef::parse(&text) {
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn the_lowercase_suggestion_is_valid(reference in reference()) {
        let upper = ImageRef { path: reference.path.to_ascii_uppercase(), ..reference.clone() }.to_string();
        if let Err(InvalidReference::UpperCase { .. }) = ImageRef::parse(&upper) {
            let lower = super::lower_name(&upper);
            prop_assert_eq!(ImageRef::parse(&lower).map(|read| (read.path, read.tag)), Ok((reference.path, reference.tag)));
        }
    }

    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        if let Err(invalid) = ImageRef::parse(&text) {
            prop_assert!(!invalid.hint().is_empty() && !invalid.to_string().contains('\n'));
        }
    }
}

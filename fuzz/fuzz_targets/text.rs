//! Any text as each of the small languages of flags, variables and files: a value or an error, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::config::cli::CliSettings;
use nextdeploy::docker::{ContainerName, parse_moment};
use nextdeploy::docker::connection::{SshTarget, find_endpoint};
use nextdeploy::host::Environment;
use nextdeploy::deploy::duration_of_flag;
use nextdeploy::config::metadata::ConfigFiles;
use nextdeploy::image_ref::{ImageRef, RegistryHost};
use nextdeploy::origin::{Sourced, Origin};
use nextdeploy::deploy::proxy::{CaddyAdmin, SiteAddress, Upstream};
use nextdeploy::rel_path::RelPath;
use nextdeploy::config::settings::{resolve, resolve_reporting};
use nextdeploy::repo::ignore::IgnoreRules;
use nextdeploy::supervise::HttpTarget;
use nextdeploy::tags::{Flavor, RunFacts, TagEntry, evaluate};
use nextdeploy_fuzz::choose;

const READERS: &[fn(&str)] = &[
    read_tags,
    read_flavor,
    read_reference,
    read_ignore_rules,
    read_variables,
    read_ci,
    read_endpoint,
    read_ssh,
    read_proxy,
    read_words,
];

fn read_tags(text: &str) {
    let rules = text.lines().filter_map(|line| TagEntry::parse(line).ok()).filter_map(|entry| entry.rule().cloned());
    let rules: Vec<_> = rules.map(|rule| Sourced::new(rule, Origin::Flag("--tag".to_owned()))).collect();
    let word = text.lines().next();
    for tag in [None, word, Some("v1.2.3")] {
        let facts = RunFacts {
            is_schedule: false,
            branch: word,
            tag,
            pull_request: Some(7),
            base_branch: word,
            default_branch: Some("main"),
            commit: Some("0123456789abcdef0123456789abcdef01234567"),
            commit_time: Some(0),
            time: 1_700_000_000,
            short_commit: 0,
        };
        let _ = evaluate(&rules, &Flavor::default(), &facts);
    }
}

fn read_flavor(text: &str) {
    let mut flavor = Flavor::default();
    for line in text.lines() {
        let _ = flavor.apply(line);
    }
}

/// What is a reference stays one when it is written out.
fn read_reference(text: &str) {
    if let Ok(reference) = ImageRef::parse(text) {
        let _ = reference.registry();
        assert_eq!(ImageRef::parse(&reference.to_string()).as_ref(), Ok(&reference));
    }
    let _ = RegistryHost::new(text).config_key();
}

fn read_ignore_rules(text: &str) {
    let (rules, path) = text.split_once('\0').unwrap_or((text, "app/page.tsx"));
    if let Ok(rules) = IgnoreRules::parse(rules) {
        let _ = rules.is_excluded(Path::new(path));
        let _ = rules.can_prune_directory(Path::new(path));
    }
    if let Ok(path) = RelPath::new(path) {
        assert!(!path.as_str().split('/').any(|part| part == ".."));
    }
}

/// `NAME=VALUE` by line, as the environment of a run.
fn read_variables(text: &str) {
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    let environment = Environment::from_pairs(pairs.filter(|(name, _)| !name.ends_with("_FILE")));
    let _ = resolve(&CliSettings::default(), &environment, &ConfigFiles::default());
    let _ = resolve_reporting(&CliSettings::default(), &environment);
}

/// The same, as a CI system tells it.
fn read_ci(text: &str) {
    let environment = Environment::from_pairs(text.split('\0').filter_map(|pair| pair.split_once('=')));
    let ci = CiContext::detect(&environment, None, 0);
    let _ = ci.is_fork_pull_request();
}

fn read_endpoint(text: &str) {
    let host = text.replace('\0', "");
    let _ = find_endpoint(&Environment::from_pairs([("DOCKER_HOST", host.as_str())]), None);
    let context = [("DOCKER_CONTEXT", host.as_str()), ("DOCKER_CONFIG", "/nonexistent")];
    let _ = find_endpoint(&Environment::from_pairs(context), None);
}

fn read_ssh(text: &str) {
    let _ = SshTarget::parse(text);
}

fn read_proxy(text: &str) {
    let _ = Upstream::parse(text);
    let _ = SiteAddress::parse(text);
    let _ = CaddyAdmin::new(text);
    let _ = HttpTarget::parse(text, None);
}

fn read_words(text: &str) {
    let _ = ContainerName::parse(text);
    let _ = duration_of_flag("--wait-timeout", Some(&text.to_owned()));
    let _ = parse_moment(text, nextdeploy_fuzz::epoch());
}

fuzz_target!(|data: &[u8]| {
    let Some((read, rest)) = choose(READERS, data) else { return };
    read(&String::from_utf8_lossy(rest));
});

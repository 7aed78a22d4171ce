use std::collections::BTreeSet;
use std::fmt::Write;

use clap::CommandFactory;

use super::*;
use crate::config::setting::SettingKind;

fn check(line: &str) -> Cli {
    parse(line.split(' ').map(OsString::from)).unwrap()
}

fn refused(line: &str) -> clap::Error {
    parse(line.split(' ').map(OsString::from)).unwrap_err()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn cargo_runs_the_same_program() {
    let cli = check("/home/user/.cargo/bin/cargo-nextdeploy nextdeploy detect web --json");
    assert!(matches!(&cli.command, Command::Detect(verb) if verb.json));
    assert_eq!(cli.settings.directory, Some("web".into()));
    let help = refused("cargo-nextdeploy nextdeploy build --help").to_string();
    assert!(help.contains("Usage: cargo nextdeploy build"), "{help}");
    // A folder of that name is still reachable.
    let cli = check("nextdeploy detect nextdeploy");
    assert_eq!(cli.settings.directory, Some("nextdeploy".into()));
}

#[test]
fn typed_flags_become_settings_in_order() {
    let typed = check("nextdeploy build -t a:1 --tag b:2 --no-cache --node-version 22 --env A=1 --env B").settings;
    assert_eq!(typed.get(Setting::Tag), ["a:1", "b:2"]);
    assert_eq!(typed.get(Setting::NoCache), ["true"]);
    assert_eq!(typed.get(Setting::NodeVersion), ["22"]);
    assert_eq!(typed.get(Setting::Env), ["A=1", "B"]);
    assert!(typed.get(Setting::Pull).is_empty());
}

/// With the flags that all verbs share.
fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

#[test]
fn every_flag_of_a_setting_is_read() {
    let command = command();
    let build = command.find_subcommand("build").unwrap();
    for setting in Setting::ALL.iter().copied().filter(|s| *s != Setting::Directory) {
        let argument = build.get_arguments().find(|a| a.get_long() == Some(setting.name()));
        let argument = argument.unwrap_or_else(|| panic!("`build` has no flag {}", setting.flag()));
        let takes_value = argument.get_action().takes_values();
        assert_eq!(takes_value, setting.kind() != SettingKind::Switch, "{}", setting.flag());
        let line = if takes_value {
            format!("nextdeploy build {}=value", setting.flag())
        } else {
            format!("nextdeploy build {}", setting.flag())
        };
        let expected = if takes_value { "value" } else { "true" };
        assert_eq!(check(&line).settings.get(setting), [expected], "{}", setting.flag());
    }
}

#[test]
fn every_flag_is_a_setting_or_only_about_this_call() {
    let of_all_verbs = ["json", "output", "verbose", "quiet", "color", "help", "version"];
    let of_one_verb = [
        "eject",
        "check",
        "kms-key",
        "github-repository",
        "branch",
        "git-tag",
        "environment",
        "any-ref",
        "document",
        "user",
        "fresh",
    ];
    let only_about_this_call = [&of_all_verbs[..], &of_one_verb].concat();
    let settings: BTreeSet<&str> = Setting::ALL.iter().map(|s| s.name()).chain(["--directory"]).collect();
    let command = command();
    // `supervise` is no step of a build.
    for (verb, definition) in verbs(&command).into_iter().filter(|(verb, _)| verb != "supervise") {
        for argument in definition.get_arguments().filter(|argument| argument.get_id() != "repository") {
            let name = argument.get_long().unwrap_or(argument.get_id().as_str());
            let is_image = matches!((verb.as_str(), name), ("push", "images") | ("pull", "image"));
            assert!(is_image || settings.contains(name) || only_about_this_call.contains(&name), "{verb} {name}");
        }
    }
}

#[test]
fn wrong_usage_ends_with_exit_code_2() {
    for line in [
        "nextdeploy",
        "nextdeploy built",
        "nextdeploy build --tga x",
        "nextdeploy build --color=pink",
        "nextdeploy build --quiet --verbose",
        "nextdeploy dockerfile --output x",
        "nextdeploy build a b",
        "nextdeploy ecr",
        "nextdeploy ecr policy",
        "nextdeploy ecr policy shop --document trust",
        "nextdeploy ecr policy shop --branch main",
        "nextdeploy ecr policy shop --github-repository a/b --branch main --any-ref",
        "nextdeploy logs",
        "nextdeploy logs shop --tail many",
        "nextdeploy logs shop --json --raw",
        "nextdeploy exec shop",
        "nextdeploy exec shop --",
        "nextdeploy rm",
        "nextdeploy ps shop --any",
    ] {
        assert_eq!(refused(line).exit_code(), 2, "{line}");
    }
    assert_eq!(refused("nextdeploy --help").exit_code(), 0);
    assert_eq!(refused("nextdeploy build --version").exit_code(), 2);
}

#[test]
fn arguments_of_the_command_of_exec_are_left_alone() {
    for line in ["nextdeploy exec -u 0 shop -- ls -u --env A", "nextdeploy exec shop -u 0 ls -u --env A"] {
        let Command::Exec(verb) = check(line).command else { panic!("{line}") };
        assert_eq!((verb.user.as_deref(), verb.command.join(" ").as_str()), (Some("0"), "ls -u --env A"), "{line}");
    }
}

#[test]
fn help_of_every_verb() {
    let mut text = String::new();
    for verb in [
        "",
        "detect",
        "metadata",
        "plan",
        "dockerfile",
        "build",
        "push",
        "pull",
        "run",
        "rollback",
        "ecr",
        "ecr ensure-repository",
        "ecr policy",
        "ecr provision-user",
        "init",
        "schema",
        "proxy",
        "proxy caddy",
        "manifest",
        "manifest kubernetes",
        "manifest compose",
        "manifest ecs",
        "ps",
        "logs",
        "exec",
        "stats",
        "health",
        "stop",
        "restart",
        "rm",
    ] {
        let line = format!("nextdeploy {verb} -h").replace("  ", " ");
        let help = Cli::command().term_width(100).try_get_matches_from(line.split(' ')).unwrap_err();
        writeln!(text, "$ {line}\n{help}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn names_are_derived_in_one_way() {
    assert_eq!(Setting::NodeVersion.variable(), "NEXTDEPLOY_NODE_VERSION");
    assert_eq!(Setting::NodeVersion.input_variables(), ["INPUT_NODE-VERSION", "INPUT_NODE_VERSION"]);
    assert_eq!((Setting::Tag.flag(), Setting::Tag.input()), ("--tag", "tags"));
    let variables: BTreeSet<String> = Setting::ALL.iter().map(|s| s.variable()).collect();
    assert_eq!(variables.len(), Setting::ALL.len());
}

/// Verbs whose flags are about this call only, and never about a project.
const WITHOUT_SETTINGS: [&str; 14] = [
    "schema", "init", "proxy", "manifest", "run", "rollback", "ps", "logs", "exec", "stats", "health", "stop",
    "restart", "rm",
];

/// Every verb that takes settings, with its name as typed: `build`, `ecr policy`.
fn verbs(command: &clap::Command) -> Vec<(String, &clap::Command)> {
    let mut found = Vec::new();
    for verb in command.get_subcommands().filter(|verb| !WITHOUT_SETTINGS.contains(&verb.get_name())) {
        let name = verb.get_name();
        if verb.has_subcommands() {
            found.extend(verb.get_subcommands().map(|inner| (format!("{name} {}", inner.get_name()), inner)));
        } else {
            found.push((name.to_owned(), verb));
        }
    }
    found
}

/// The table of docs/settings.md: names from the vocabulary, descriptions from the help texts.
fn settings_table() -> String {
    let command = command();
    let mut table = String::from("| Flag | Variable | Action input | Verbs | What it sets |\n|---|---|---|---|---|\n");
    for setting in Setting::ALL.iter().copied() {
        let is_it = |argument: &&clap::Arg| argument.get_id().as_str() == setting.row().flag;
        let verbs = verbs(&command);
        let having: Vec<&str> = verbs
            .iter()
            .filter(|(_, verb)| verb.get_arguments().any(|a| is_it(&a)))
            .map(|(name, _)| name.as_str())
            .collect();
        let argument = verbs.iter().flat_map(|(_, verb)| verb.get_arguments()).find(is_it).unwrap();
        let names = argument.get_value_names().filter(|_| setting.kind() != SettingKind::Switch).unwrap_or_default();
        let flag = match (setting, names.first()) {
            (Setting::Directory, _) | (_, None) => setting.flag().to_owned(),
            (_, Some(name)) => format!("{} {name}", setting.flag()),
        };
        let having = if having.len() == verbs.len() { "all".to_owned() } else { having.join(", ") };
        let cells = [
            format!("`{}`", flag.replace('|', "\\|")),
            format!("`{}`", setting.variable()),
            format!("`{}`", setting.input()),
            having,
            argument.get_help().unwrap().to_string(),
        ];
        writeln!(table, "| {} |", cells.join(" | ")).unwrap();
    }
    table
}

#[test]
fn the_documentation_has_the_table_of_all_settings() {
    let page = include_str!("../../../docs/settings.md");
    let table = settings_table();
    assert!(page.contains(&table), "put this table into docs/settings.md:\n{table}");
}

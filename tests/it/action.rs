//! `action.yml` matches the program: every setting is an input, every input is used, no value becomes shell text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use nextdeploy::config::Setting;
use nextdeploy::config::cli::Cli;
use nextdeploy::report::outputs::Outputs;
use serde_json::Value;

/// Inputs whose default is not the program's own.
const DEFAULTS: &[(&str, &str)] = &[("cache", "auto"), ("push", "auto"), ("github-token", "${{ github.token }}")];

/// Inputs of the action itself: which program runs, and what GitHub caches for it. Each with the script that reads it.
const OWN_INPUTS: &[(&str, &str)] = &[("cache", "scripts/action/cache"), ("version", "scripts/action/install")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn action() -> Value {
    serde_saphyr::from_str(&text("action.yml")).unwrap()
}

fn names(map: &Value) -> BTreeSet<&str> {
    map.as_object().unwrap().keys().map(String::as_str).collect()
}

fn default_of(input: &str) -> Option<&'static str> {
    DEFAULTS.iter().find(|(name, _)| *name == input).map(|(_, value)| *value)
}

/// The help text of the setting's flag.
fn description(setting: Setting) -> String {
    let mut command = Cli::command();
    // Includes the global flags.
    command.build();
    let build = command.find_subcommand("build").unwrap();
    let argument = build.get_arguments().find(|a| a.get_long().unwrap_or("directory") == setting.name());
    let help = argument.and_then(clap::Arg::get_help).unwrap_or_else(|| panic!("`build` has no {}", setting.flag()));
    help.to_string().replace("; repeatable", "; one per line")
}

/// The inputs and the environment of the build step, as in `action.yml`.
fn generated() -> (String, String) {
    let (mut inputs, mut env) = (String::new(), String::new());
    for setting in Setting::ALL.iter().copied() {
        let [_, variable] = setting.input_variables();
        let input = setting.input();
        writeln!(inputs, "  {input}:\n    description: {}", Value::from(description(setting))).unwrap();
        if let Some(default) = default_of(input) {
            writeln!(inputs, "    default: {default}").unwrap();
        }
        // Defaults to the folder of the action.
        let or = if setting == Setting::CacheDir { " || steps.cache.outputs.folder" } else { "" };
        writeln!(env, "        {variable}: ${{{{ inputs.{input}{or} }}}}").unwrap();
    }
    (inputs, env)
}

#[test]
fn every_setting_is_an_input_and_every_input_reaches_the_program() {
    let (inputs, env) = generated();
    let page = text("action.yml");
    assert!(page.contains(&inputs), "put these inputs into action.yml:\n{inputs}");
    assert!(page.contains(&env), "put this environment into action.yml:\n{env}");
    let action = action();
    let expected: BTreeSet<String> = Setting::ALL
        .iter()
        .map(|setting| setting.input().to_owned())
        .chain(OWN_INPUTS.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(names(&action["inputs"]), expected);
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert_eq!(input["default"].as_str(), default_of(name), "{name}");
        assert!(!input["description"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn every_input_of_the_action_itself_is_read() {
    let page = text("action.yml");
    for (input, script) in OWN_INPUTS {
        assert!(page.contains(&format!("${{{{ inputs.{input} }}}}")), "{input} is handed to no step");
        let variable = format!("INPUT_{}", input.to_ascii_uppercase());
        assert!(text(script).contains(&variable), "{variable} is read by no script");
    }
}

#[test]
fn outputs_are_those_of_the_build() {
    let action = action();
    assert_eq!(names(&action["outputs"]), Outputs::names().into_iter().collect());
    for (name, output) in action["outputs"].as_object().unwrap() {
        assert_eq!(output["value"], format!("${{{{ steps.build.outputs.{name} }}}}"));
        assert!(text("docs/github.md").contains(&format!("| `{name}` |")), "docs/github.md does not tell of {name}");
    }
}

#[test]
fn commands_contain_no_expressions() {
    let mut commands = 0;
    let mut check = |place: &str, steps: &Value| {
        for step in steps.as_array().into_iter().flatten() {
            if let Some(run) = step["run"].as_str() {
                commands += 1;
                assert!(!run.contains("${{"), "{place}: {run}");
            }
        }
    };
    check("action.yml", &action()["runs"]["steps"]);
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let workflow: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for job in workflow["jobs"].as_object().unwrap().values() {
            check(&path.display().to_string(), &job["steps"]);
        }
    }
    assert!(commands > 4, "the steps were not found");
}

/// The table in `docs/github.md`.
#[test]
fn the_documentation_has_the_table_of_all_inputs() {
    let action = action();
    let mut table = String::from("| Input | Default | What it sets |\n|---|---|---|\n");
    for (name, input) in action["inputs"].as_object().unwrap() {
        let default = input["default"].as_str().map_or(String::new(), |default| format!("`{default}`"));
        let description = input["description"].as_str().unwrap().replace('|', "\\|");
        writeln!(table, "| `{name}` | {default} | {description} |").unwrap();
    }
    assert!(text("docs/github.md").contains(&table), "put this table into docs/github.md:\n{table}");
}

/// Examples use the current major version.
#[test]
fn examples_use_this_major_version() {
    let (major, _) = env!("CARGO_PKG_VERSION").split_once('.').unwrap();
    let wanted = format!("OWNER/nextdeploy@v{major}");
    for page in ["docs/github.md", "README.md"] {
        for line in text(page).lines().filter(|line| line.contains("uses: OWNER/")) {
            assert!(line.contains(&wanted), "{page}: {line}");
        }
    }
}

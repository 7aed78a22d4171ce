//! The flags of one container as [`Wishes`].

use std::path::Path;
use std::time::Duration;

use super::error::{LaunchError, Problem};
use super::grammar;
use super::wishes::{SecretsAs, Wishes};
use crate::config::cli::{ContainerArgs, SecretsAsArg};
use crate::config::settings::{InvalidValue, SecretValue, ValueSource, parse, typed_secret};
use crate::docker::RootFilesystem;
use crate::host::Environment;
use crate::origin::{Origin, Sourced};

/// What was typed. Relative paths start from `folder`, the current one.
pub fn wishes_of_flags(args: &ContainerArgs, folder: &Path, environment: &Environment) -> Result<Wishes, LaunchError> {
    let mut wishes = Wishes {
        name: one("--name", args.name.as_ref(), grammar::name)?,
        network: one("--network", args.network.as_ref(), grammar::network)?,
        memory: one("--memory", args.memory.as_ref(), grammar::memory)?,
        cpus: one("--cpus", args.cpus.as_ref(), grammar::cpus)?,
        pids: one("--pids", args.pids.as_ref(), grammar::pids)?,
        restart: one("--restart", args.restart.as_ref(), grammar::restart)?,
        mounts: list("--volume", &args.volume, |text| grammar::mount(text, folder))?,
        env_files: list("--env-file", &args.env_file, |text| parse::path(text).map(|path| folder.join(path)))?,
        ..Wishes::default()
    };
    if args.publish.iter().any(|text| text == "none") {
        if args.publish.len() > 1 {
            return Err(fail("--publish", only_none()));
        }
        wishes.ports = Some(Vec::new());
    } else if !args.publish.is_empty() {
        wishes.ports = Some(list("--publish", &args.publish, grammar::publish)?);
    }
    for text in &args.env {
        let (name, value) = text.split_once('=').map_or((text.as_str(), None), |(name, value)| (name, Some(value)));
        let name = parse::variable_name(name).map_err(|invalid| fail("--env", invalid))?;
        let value = value.or_else(|| environment.get(&name));
        let value = value.ok_or_else(|| fail("--env", InvalidValue::VariableNotSet(name.clone())))?;
        wishes.env.insert(name, typed("--env", value.to_owned()));
    }
    for text in &args.secret {
        let mut secret = typed_secret(text, environment).map_err(|invalid| fail("--secret", invalid))?;
        if let SecretValue::File(path) = &mut secret.value {
            *path = folder.join(&*path);
        }
        if wishes.secrets.iter().any(|known| known.value.id == secret.id) {
            return Err(fail("--secret", InvalidValue::SecretTwice(secret.id)));
        }
        wishes.secrets.push(typed("--secret", secret));
    }
    wishes.secrets_as = args.secrets_as.map(|kind| {
        typed(
            "--secrets-as",
            match kind {
                SecretsAsArg::Files => SecretsAs::Files,
                SecretsAsArg::Env => SecretsAs::Env,
            },
        )
    });
    wishes.root = match (args.read_only, args.writable) {
        (true, _) => Some(typed("--read-only", RootFilesystem::ReadOnly)),
        (_, true) => Some(typed("--writable", RootFilesystem::Writable)),
        _ => None,
    };
    Ok(wishes)
}

/// A duration that was typed.
pub fn duration_of_flag(flag: &str, text: Option<&String>) -> Result<Option<Duration>, LaunchError> {
    Ok(one(flag, text, grammar::duration)?.map(|duration| duration.value))
}

fn typed<T>(flag: &str, value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Flag(flag.to_owned()))
}

pub(super) fn fail(flag: &str, problem: impl Into<Problem>) -> LaunchError {
    LaunchError::value(ValueSource { origin: Origin::Flag(flag.to_owned()), location: None }, problem)
}

fn one<T, P: Into<Problem>>(
    flag: &str,
    value: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<Option<Sourced<T>>, LaunchError> {
    value.map(|text| parse(text).map(|value| typed(flag, value)).map_err(|problem| fail(flag, problem))).transpose()
}

fn list<T, P: Into<Problem>>(
    flag: &str,
    values: &[String],
    parse: impl Fn(&str) -> Result<T, P>,
) -> Result<Vec<Sourced<T>>, LaunchError> {
    values
        .iter()
        .map(|text| parse(text).map(|value| typed(flag, value)).map_err(|problem| fail(flag, problem)))
        .collect()
}

fn only_none() -> Problem {
    Problem {
        code: "launch/publish",
        message: "`none` is given together with a port".to_owned(),
        hint: "give either `--publish none` or ports".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, ExitCode};

    fn check(change: impl FnOnce(&mut ContainerArgs)) -> Result<Wishes, LaunchError> {
        let mut args = ContainerArgs::default();
        change(&mut args);
        let environment = Environment::from_pairs([("API_KEY", "sk-hush"), ("EMPTY", "")]);
        wishes_of_flags(&args, Path::new("/srv"), &environment)
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn what_is_typed_is_wished() {
        let wishes = check(|args| {
            args.env = texts(&["A=1", "API_KEY"]);
            args.env_file = texts(&["a.env"]);
            args.volume = texts(&["./data:/data:ro"]);
            args.publish = texts(&["8080", "[::1]:9000:9000"]);
            args.memory = Some("none".into());
            args.writable = true;
        })
        .unwrap();
        assert_eq!((wishes.env["A"].value.as_str(), wishes.env["API_KEY"].value.as_str()), ("1", "sk-hush"));
        assert_eq!(wishes.env_files[0].value, Path::new("/srv/a.env"));
        assert_eq!(wishes.ports.unwrap().len(), 2);
        assert_eq!((wishes.memory.unwrap().value, wishes.root.unwrap().value), (None, RootFilesystem::Writable));
        assert!(check(|args| args.publish = texts(&["none"])).unwrap().ports.is_some_and(|ports| ports.is_empty()));
        assert_eq!(check(|_| {}).unwrap(), Wishes::default());
    }

    #[test]
    fn what_does_not_fit_names_its_flag_and_no_secret() {
        for (change, flag) in [
            ((|args| args.publish = texts(&["none", "80"])) as fn(&mut ContainerArgs), "--publish"),
            (|args| args.env = texts(&["NOT_SET"]), "--env"),
            (|args| args.env = texts(&["a b=1"]), "--env"),
            (|args| args.secret = texts(&["API_KEY=sk-hush"]), "--secret"),
            (|args| args.secret = texts(&["API_KEY", "id=API_KEY,src=x"]), "--secret"),
            (|args| args.secret = texts(&["EMPTY"]), "--secret"),
            (|args| args.memory = Some("1".into()), "--memory"),
            (|args| args.memory = Some("1m".into()), "--memory"),
            (|args| args.name = Some("a/b".into()), "--name"),
            (|args| args.network = Some("host".into()), "--network"),
        ] {
            let error = check(change).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{flag}`")), "{error}");
            assert!(!format!("{error} {:?}", error.hints()).contains("hush"), "{error}");
            assert_eq!(error.exit_code(), ExitCode::Usage);
        }
    }
}

//! The scripts of a package: manifest in, the commands that a script runs in the end out.
//!
//! Calls of other scripts are followed, and what people write in scripts (quotes, `&&`, variable prefixes, runners) is understood;
//! nothing is run or expanded.

mod runners;
mod shell;

pub(super) use shell::{Assignment, EnvSource, KEYWORDS, ScriptCommand, commands, default_of, expands};

use super::facts::NamedScript;
use super::package_json::PackageJson;
use crate::origin::{Origin, Sourced};
use runners::Call;
use shell::changed_folder;

/// How deep calls of other scripts are followed.
const MAX_DEPTH: usize = 8;
/// Calls that are followed in total.
const MAX_CALLS: usize = 256;
/// Bytes of scripts that are read in total.
const MAX_TEXT: usize = 256 * 1024;

/// The script of this name, if it is not empty.
pub(super) fn named(manifest: &PackageJson, name: &str) -> Option<Sourced<NamedScript>> {
    let command = manifest.scripts.get(name).filter(|command| !command.trim().is_empty())?;
    let origin = Origin::field(manifest.path.as_str(), &format!("scripts.{name}"));
    Some(Sourced::new(NamedScript { name: name.to_owned(), command: command.clone() }, origin))
}

/// What a script runs in the end.
#[derive(Debug, Default)]
pub(super) struct FollowedScript {
    /// Calls of other scripts are replaced by what those run.
    pub commands: Vec<ScriptCommand>,
    /// Why the last command is not what runs.
    pub stopped: Option<Stopped>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// More calls than a person writes.
    TooMany,
    /// Scripts that call each other, the first one repeated at the end.
    Cycle(Vec<String>),
    /// A script that is not in the manifest.
    Missing(String),
}

/// The commands of a script, with calls of other scripts replaced by what those run.
pub(super) fn follow(manifest: &PackageJson, script: &str) -> Vec<ScriptCommand> {
    let script = NamedScript { name: String::new(), command: script.to_owned() };
    resolve(manifest, &script, &[]).commands
}

/// As [`follow`], with the reason why that ended; scripts called `kept` are left as calls: `npm run NAME`.
pub(super) fn resolve(manifest: &PackageJson, script: &NamedScript, kept: &[&str]) -> FollowedScript {
    let mut follower = Follower {
        manifest,
        kept,
        stack: vec![script.name.clone()],
        calls: MAX_CALLS,
        text: MAX_TEXT,
        found: FollowedScript::default(),
    };
    if let Err(stopped) = follower.follow(&script.command) {
        let words = vec![script.command.clone()];
        let last = ScriptCommand { spelled: words.clone(), words, ..ScriptCommand::default() };
        follower.found.commands.push(last);
        follower.found.stopped = Some(stopped);
    }
    follower.found
}

struct Follower<'m> {
    manifest: &'m PackageJson,
    kept: &'m [&'m str],
    /// Names of the scripts that lead to the current one.
    stack: Vec<String>,
    /// Calls that may still be followed.
    calls: usize,
    /// Bytes that may still be read.
    text: usize,
    found: FollowedScript,
}

impl Follower<'_> {
    fn follow(&mut self, script: &str) -> Result<(), Stopped> {
        self.text = self.text.checked_sub(script.len()).ok_or(Stopped::TooMany)?;
        let all = commands(script);
        let plain = all.iter().all(|command| matches!(command.before.as_str(), "" | "&&" | ";"));
        for mut command in all {
            let scripts = &self.manifest.scripts;
            let name = self.manifest.name.as_deref().unwrap_or_default();
            // Below a folder, package managers look for the package there.
            let here = command.folder.as_deref() == Some("");
            let call = if here {
                runners::resolve(&mut command, &|name| scripts.contains_key(name), name)
            } else {
                runners::resolve(&mut command, &|name| name != "next", "")
            };
            match call {
                Call::Script { name, .. } if !here || self.kept.contains(&name.as_str()) => {
                    self.found.commands.push(command);
                }
                Call::Command => self.found.commands.push(command),
                Call::Text(text) => self.insert("sh", &text, &command, plain)?,
                Call::Script { name, arguments } => {
                    let Some(script) = scripts.get(&name) else {
                        self.found.stopped.get_or_insert(Stopped::Missing(name));
                        self.found.commands.push(command);
                        continue;
                    };
                    // Package managers append the arguments, so `with-env` may be no more than `dotenv -e .env --`.
                    let extra = command.words.iter().zip(&command.spelled).skip(arguments);
                    let extra = extra.filter(|(word, _)| *word != "--").map(|(_, spelled)| format!(" {spelled}"));
                    let text = format!("{script}{}", extra.collect::<String>());
                    self.insert(&name, &text, &command, plain)?;
                }
                Call::Scripts(patterns) => {
                    let names = patterns.iter().flat_map(|pattern| matching(self.manifest, pattern));
                    // One more than the limit, so that exceeding it is noticed.
                    let names: Vec<(&String, &String)> = names.take(MAX_CALLS + 1).collect();
                    if names.is_empty() {
                        self.found.commands.push(command);
                        continue;
                    }
                    for (name, text) in names {
                        self.insert(name, text, &command, plain)?;
                        "&&".clone_into(&mut command.before);
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts the commands of `text`, the script called `name`, in the place of `caller`.
    fn insert(&mut self, name: &str, text: &str, caller: &ScriptCommand, plain: bool) -> Result<(), Stopped> {
        if let Some(at) = self.stack.iter().position(|outer| outer == name && name != "sh") {
            let mut cycle = self.stack.split_off(at);
            cycle.push(name.to_owned());
            return Err(Stopped::Cycle(cycle));
        }
        self.calls = self.calls.checked_sub(1).ok_or(Stopped::TooMany)?;
        if self.stack.len() > MAX_DEPTH {
            return Err(Stopped::TooMany);
        }
        self.stack.push(name.to_owned());
        let start = self.found.commands.len();
        self.follow(text)?;
        self.stack.pop();
        let Some(inner) = self.found.commands.get_mut(start..).filter(|inner| !inner.is_empty()) else { return Ok(()) };
        for command in inner.iter_mut() {
            command.variables.splice(0..0, caller.variables.iter().cloned());
            command.sources.splice(0..0, caller.sources.iter().cloned());
            command.optional |= caller.optional;
            let outer = caller.folder.as_deref().filter(|outer| !outer.is_empty());
            if let (Some(outer), Some(inner)) = (outer, command.folder.as_deref()) {
                command.folder = changed_folder(outer, if inner.is_empty() { "." } else { inner });
            }
        }
        let chained = plain && inner.iter().all(|command| matches!(command.before.as_str(), "" | "&&"));
        let grouped = inner.len() > 1 && !chained;
        inner[0].concurrent |= caller.concurrent;
        inner[0].before = format!("{}{}", caller.before, if grouped { " {" } else { "" });
        let last = &mut inner[inner.len() - 1];
        last.after.push_str(if grouped { "; }" } else { "" });
        last.after.push_str(&caller.after);
        Ok(())
    }
}

/// The most commands of one runner that are followed.
const MAX_PARALLEL: usize = 32;

/// The commands behind one that starts several at the same time (`concurrently`, `run-p`); nothing for other programs.
pub(super) fn parallel(manifest: &PackageJson, command: &ScriptCommand) -> Vec<ScriptCommand> {
    let texts = runners::parallel(command);
    texts.iter().take(MAX_PARALLEL).flat_map(|text| follow(manifest, text)).collect()
}

/// The commands of a script without runners; calls of other scripts are left.
pub(super) fn unwrapped(script: &str) -> Vec<ScriptCommand> {
    let mut all = commands(script);
    for command in &mut all {
        runners::resolve(command, &|_| true, "");
    }
    all
}

/// The programs that a start command runs, as they are spelled, without runners that need no program of their own.
pub(crate) fn started_programs(command: &[String]) -> Vec<String> {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    let text = match command {
        [shell, flag, text] if shell.ends_with("sh") && flag == "-c" => text.clone(),
        words => words.iter().map(quoted).collect::<Vec<_>>().join(" "),
    };
    let mut found = Vec::new();
    for mut command in commands(&text) {
        runners::resolve(&mut command, &|_| true, "");
        if command.program() == "concurrently" {
            let inner = command.words.iter().skip(1).filter(|word| word.contains(char::is_whitespace));
            found.extend(inner.flat_map(|text| commands(text)).map(|command| command.word(0).to_owned()));
        }
        found.push(command.word(0).to_owned());
    }
    found.retain(|program| !KEYWORDS.contains(&program.as_str()));
    found
}

/// `build:*` is every script whose name has one more part.
fn matching<'m>(manifest: &'m PackageJson, pattern: &str) -> Vec<(&'m String, &'m String)> {
    let Some(prefix) = pattern.strip_suffix('*') else {
        return manifest.scripts.get_key_value(pattern).into_iter().collect();
    };
    let fits = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains(':'));
    manifest.scripts.iter().filter(|(name, _)| fits(name)).take(MAX_CALLS + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rel_path::RelPath;

    fn manifest(scripts: &[(&str, &str)]) -> PackageJson {
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        PackageJson { path: RelPath::new("package.json").unwrap(), scripts, ..PackageJson::default() }
    }

    /// What the first script runs, joined as in a shell.
    #[track_caller]
    fn check(scripts: &[(&str, &str)], expected: &str) {
        let manifest = manifest(scripts);
        let followed = resolve(&manifest, &named(&manifest, scripts[0].0).unwrap().value, &["build"]);
        let words = followed.commands.iter().map(|c| format!("{} {}{}", c.before, c.spelled(), c.after));
        let text = words.collect::<Vec<_>>().join(" ");
        let stopped = followed.stopped.map(|stopped| format!("; {stopped:?}")).unwrap_or_default();
        assert_eq!(format!("{}{stopped}", text.trim()), expected);
    }

    #[test]
    fn calls_are_replaced_by_what_they_run() {
        check(&[("start", "npm run a -- -p 80 && c"), ("a", "x && y")], "x && y -p 80 && c");
        check(&[("start", "npm run a || c"), ("a", "x && y")], "{ x && y; } || c");
        check(&[("start", "run-s p:*"), ("p:a", "x"), ("p:b", "y")], "x && y");
        check(&[("start", "npm run build && yarn a"), ("build", "x"), ("a", "y")], "npm run build && y");
        check(&[("start", "cd web && npm start")], "cd web && npm start");
        check(&[("start", "sh -c 'npm run a'"), ("a", "x")], "x");
    }

    #[test]
    fn scripts_that_have_no_end() {
        check(&[("start", "yarn a"), ("a", "yarn start")], r#"yarn a; Cycle(["start", "a", "start"])"#);
        check(&[("start", "npm run a")], r#"npm run a; Missing("a")"#);
        let many = "run-s a a a a a a a a a a";
        let names: Vec<String> = ('a'..='c').map(|c| many.replace(" a", &format!(" {c}"))).collect();
        let bomb = [("start", names[0].as_str()), ("a", &names[1]), ("b", &names[2]), ("c", "")];
        let followed = resolve(&manifest(&bomb), &NamedScript { name: "start".into(), command: many.into() }, &[]);
        assert_eq!(followed.stopped, Some(Stopped::TooMany));
    }
}

//! What the build script needs beside the sources: environment files that it names, and databases that it migrates.
//!
//! Scripts that it calls are read, too. Nothing is run.

use std::collections::BTreeSet;

use super::package_json::PackageJson;
use super::scripts::{ScriptCommand, unwrapped};
use crate::diagnostic::{Warning, shown};
use crate::repo::{SourceText, SourceTree, is_environment_file, is_environment_template};

/// Scripts that are followed.
const MOST_SCRIPTS: usize = 64;

/// What builds the app.
#[derive(Debug, Clone, Copy)]
pub(super) enum BuildSource<'a> {
    /// The name of a script.
    Script(&'a str),
    /// A command line that takes the place of the script.
    Command(&'a str),
}

/// Warns about what a build in the image cannot have.
pub(super) fn check(tree: &SourceTree, app: &PackageJson, source: BuildSource<'_>, warnings: &mut Vec<Warning>) {
    let scripts = reached(app, source);
    let place = || match source {
        BuildSource::Script(name) => Some(app.place(tree, &["scripts", name])),
        BuildSource::Command(_) => None,
    };
    let mut push = |warning: Warning| {
        warnings.push(match place() {
            Some(place) => warning.at(place),
            None => warning,
        });
    };
    let commands: Vec<ScriptCommand> = scripts.iter().flat_map(|script| unwrapped(script)).collect();
    let written: BTreeSet<&str> = commands.iter().filter_map(written_file).collect();
    let read = scripts.iter().flat_map(|script| named_files(script)).filter(|file| !written.contains(file));
    for file in read.collect::<BTreeSet<&str>>() {
        push_missing_file(tree, app, file, &mut push);
    }
    if let Some(migration) = commands.iter().find(|command| is_migration(command) || runs_migration(tree, app, command))
    {
        let message = format!(
            "the build script runs `{}`, which needs the database while the image is built",
            shown(&migration.text())
        );
        let hint = "build with `--build-command \"next build\"` and run it as a step of the deployment, or pass the address of a database that the build can reach with `--secret`";
        push(Warning::new("project/build-migrates", message).with_hint(hint));
    }
}

fn push_missing_file(tree: &SourceTree, app: &PackageJson, file: &str, push: &mut impl FnMut(Warning)) {
    let Ok(path) = app.dir.join(file) else { return };
    let entry = tree.entry(&path);
    // Those that Next.js itself reads have their own warning.
    let is_of_next = path.parent() == Some(app.dir.clone()) && [".env", ".env.production"].contains(&path.name());
    let reason = match entry {
        Some(_) if is_of_next => return,
        Some(entry) if tree.is_untracked_environment_file(entry) => {
            "which git does not track, so the build does not see it"
        }
        Some(_) => return,
        None => "which is not in the repository",
    };
    let message = format!("the build script reads `{}`, {reason}", shown(path.as_str()));
    let hint = format!(
        "build without it (`--build-command \"next build\"`) and pass its variables with `--build-env-file {}`, or commit the file",
        shown(path.as_str())
    );
    push(Warning::new("project/build-env-file", message).with_hint(hint));
}

/// The texts that run for a build, each once.
fn reached<'m>(app: &'m PackageJson, source: BuildSource<'m>) -> Vec<&'m str> {
    let script = |name: &str| app.scripts.get(name).map(String::as_str);
    let mut found: Vec<&str> = match source {
        BuildSource::Command(command) => vec![command],
        BuildSource::Script(name) => {
            [&format!("pre{name}"), name, &format!("post{name}")].into_iter().filter_map(script).collect()
        }
    };
    let mut at = 0;
    while at < found.len() && found.len() < MOST_SCRIPTS {
        let called =
            unwrapped(found[at]).into_iter().flat_map(|command| called(&command)).filter_map(|name| script(&name));
        for script in called.collect::<Vec<_>>() {
            if !found.contains(&script) {
                found.push(script);
            }
        }
        at += 1;
    }
    found
}

/// Names of the scripts that a command may call.
fn called(command: &ScriptCommand) -> Vec<String> {
    let words = command.words.iter().skip(1).filter(|word| !word.starts_with('-')).cloned();
    match command.program() {
        "npm" | "pnpm" | "yarn" | "bun" => {
            words.skip_while(|word| matches!(word.as_str(), "run" | "run-script")).take(1).collect()
        }
        "run-s" | "run-p" | "npm-run-all" => words.collect(),
        "concurrently" => words.filter_map(|word| word.split_whitespace().last().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// Words behind which a script names a file that it reads.
const READERS: [&str; 13] = [
    "-e",
    "-f",
    "--env-file",
    "--file",
    "--env",
    "--envfile",
    "--path",
    "source",
    ".",
    "cat",
    "cp",
    "env-cmd",
    "dotenv_config_path",
];

/// Environment files that a script reads, as it writes them.
fn named_files(script: &str) -> Vec<&str> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ';' | '&' | '|' | '(' | ')' | ',');
    let words: Vec<&str> = script.split(is_end).filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| READERS.contains(&pair[0]));
    let files = pairs.map(|pair| pair[1].trim_start_matches("./"));
    files
        .filter(|file| {
            let name = file.rsplit('/').next().unwrap_or_default();
            !file.contains(['$', '*']) && (is_environment_file(name) || is_environment_template(name))
        })
        .collect()
}

/// The file that a command makes out of another.
fn written_file(command: &ScriptCommand) -> Option<&str> {
    let is_copy = matches!(command.program(), "cp" | "mv" | "ln" | "touch");
    command.words.last().filter(|_| is_copy).map(|file| file.trim_start_matches("./"))
}

/// Programs that change a database, each with the words that do.
const MIGRATIONS: [(&str, &[&str]); 14] = [
    ("prisma", &["migrate deploy", "migrate dev", "migrate reset", "db push", "db seed", "db execute"]),
    ("drizzle-kit", &["migrate", "push"]),
    ("knex", &["migrate:latest", "migrate:up", "seed:run"]),
    ("sequelize", &["db:migrate", "db:seed:all"]),
    ("sequelize-cli", &["db:migrate", "db:seed:all"]),
    ("typeorm", &["migration:run", "schema:sync"]),
    ("typeorm-ts-node-commonjs", &["migration:run"]),
    ("mikro-orm", &["migration:up", "schema:update"]),
    ("payload", &["migrate"]),
    ("node-pg-migrate", &["up"]),
    ("migrate-mongo", &["up"]),
    ("dbmate", &["up", "migrate"]),
    ("db-migrate", &["up"]),
    ("kysely", &["migrate"]),
];

fn is_migration(command: &ScriptCommand) -> bool {
    // `pnpm prisma …`, `yarn run prisma …` run a program of the project.
    let is_runner =
        |word: &&String| matches!(word.as_str(), "npm" | "pnpm" | "yarn" | "bun" | "run" | "exec" | "dlx" | "x");
    let mut words =
        command.words.iter().skip_while(is_runner).filter(|word| !word.starts_with('-')).map(String::as_str);
    let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let text = words.collect::<Vec<_>>().join(" ");
    let begins =
        |start: &&str| text.strip_prefix(*start).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':']));
    let program = program.split('@').next().unwrap_or_default();
    MIGRATIONS.iter().any(|(name, starts)| *name == program && starts.iter().any(&begins))
}

/// True for a file of the repository that calls one of these programs: `node scripts/check-db.js`.
fn runs_migration(tree: &SourceTree, app: &PackageJson, command: &ScriptCommand) -> bool {
    if !matches!(command.program(), "node" | "bun" | "tsx" | "ts-node" | "jiti" | "esno") {
        return false;
    }
    let is_file = |word: &&String| !word.starts_with('-') && word.contains(['.', '/']);
    let Some(file) = command.words.iter().skip(1).find(is_file) else { return false };
    let dir = app.dir.join(command.folder.as_deref().unwrap_or_default());
    let Some(SourceText::Text(text)) = dir.and_then(|dir| dir.join(file)).ok().and_then(|path| tree.text(&path)) else {
        return false;
    };
    MIGRATIONS.iter().any(|(program, starts)| {
        // The name alone may be a part of another word.
        text.contains(program) && starts.iter().any(|start| text.contains(&format!("{program} {start}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rel_path::RelPath;

    fn found(files: &[&str], scripts: &[(&str, &str)]) -> Vec<String> {
        let tree = SourceTree::from_texts(files.iter().map(|path| (*path, "")));
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let manifest = PackageJson { path: RelPath::new("package.json").unwrap(), scripts, ..PackageJson::default() };
        let mut warnings = Vec::new();
        check(&tree, &manifest, BuildSource::Script("build"), &mut warnings);
        warnings
            .iter()
            .map(|warning| format!("{} {}", warning.code, warning.message.split('`').nth(1).unwrap()))
            .collect()
    }

    #[track_caller]
    fn check_script(script: &str, expected: &[&str]) {
        assert_eq!(found(&[".env.staging", ".env.example"], &[("build", script)]), expected, "{script}");
    }

    #[test]
    fn environment_files_that_the_build_does_not_have() {
        for script in [
            "env-cmd -f .env.staging next build",
            "env-cmd ./.env.staging next build",
            "dotenv -e .env.staging -- next build",
            "dotenvx run -f .env.staging -- next build",
            "node --env-file=.env.staging node_modules/.bin/next build",
            "source .env.staging && next build",
            "cp .env.staging .env.production && next build",
        ] {
            check_script(script, &["project/build-env-file .env.staging"]);
        }
        check_script("dotenv -e config/prod.env -- next build", &["project/build-env-file config/prod.env"]);
        for script in [
            "next build",
            "cp .env.example .env && next build",
            "next build --env",
            "vercel env pull .env.local && next build",
        ] {
            check_script(script, &[]);
        }
        let called = [("build", "npm run with:env -- next build"), ("with:env", "dotenv -e .env.staging --")];
        assert_eq!(found(&[".env.staging"], &called), ["project/build-env-file .env.staging"]);
    }

    #[test]
    fn migrations_need_a_database() {
        for script in [
            "prisma migrate deploy && next build",
            "prisma generate && npx prisma db push --accept-data-loss && next build",
            "pnpm drizzle-kit push && next build",
            "payload migrate && next build",
        ] {
            assert_eq!(found(&[], &[("build", script)]).len(), 1, "{script}");
        }
        assert_eq!(
            found(&[], &[("build", "run-s db:up b"), ("db:up", "prisma migrate deploy"), ("b", "next build")]).len(),
            1
        );
        let files = [
            ("db.js", "execSync('prisma migrate deploy')"),
            ("scripts/copy.ts", "execSync(`prisma generate`) // migrate deploy"),
        ];
        let tree = SourceTree::from_texts(files);
        let runs = |script: &str| runs_migration(&tree, &PackageJson::default(), &unwrapped(script)[0]);
        assert!(runs("node --no-warnings ./db.js") && runs("npx tsx db.js"));
        assert!(!runs("tsx scripts/copy.ts") && !runs("node missing.js") && !runs("node"));
        for script in ["prisma generate && next build", "drizzle-kit generate && next build", "payload generate:types"]
        {
            assert_eq!(found(&[], &[("build", script)]), [""; 0], "{script}");
        }
    }
}

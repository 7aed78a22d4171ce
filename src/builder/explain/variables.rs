//! Variables that a failed build may lack: those that the project names and that were not given, and which of them the log speaks of.

use std::collections::BTreeSet;

use crate::image::plan::{MissingVariable, secret_look};

/// Words of the lines from the first error on, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogWords(BTreeSet<String>);

const MOST_WORDS: usize = 5_000;
/// Variables that the action lists.
const MOST_LISTED: usize = 8;
/// Words of names that say nothing about the service that a variable is for.
const GENERAL: [&str; 32] = [
    "access",
    "account",
    "address",
    "admin",
    "api",
    "apikey",
    "application",
    "auth",
    "base",
    "bucket",
    "client",
    "config",
    "database",
    "domain",
    "email",
    "endpoint",
    "host",
    "key",
    "next",
    "password",
    "port",
    "private",
    "project",
    "public",
    "region",
    "secret",
    "server",
    "service",
    "site",
    "token",
    "url",
    "user",
];

/// Names of addresses that hold a password.
const STORES: [&str; 5] = ["DATABASE", "POSTGRES", "MONGO", "MYSQL", "REDIS"];

impl LogWords {
    pub fn of(log: &[String]) -> Self {
        let is_error = |line: &&String| line.contains("rror") || line.contains('❌') || line.contains("nvalid");
        let begin = log.iter().position(|line| is_error(&line)).unwrap_or(log.len());
        // The message may stand above the line that says `Error`.
        let lines = &log[begin.saturating_sub(2)..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words =
            lines.iter().flat_map(|line| line.split(|c| !is_word(c))).filter(|word| (3..=64).contains(&word.len()));
        Self(words.take(MOST_WORDS).map(str::to_ascii_lowercase).collect())
    }

    /// True when the log has the name, or the service that the name begins with: `STRIPE_SECRET_KEY` for "Stripe", `SUPABASE_URL` for
    /// `supabaseUrl`.
    fn speak_of(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let service = name.split('_').find(|word| word.len() >= 4 && !GENERAL.contains(word));
        self.0.contains(&name)
            || service.is_some_and(|service| {
                self.0.range(service.to_owned()..).next().is_some_and(|word| word.starts_with(service))
            })
    }
}

/// What to do about `missing`: first those that the log speaks of, then those that a schema requires.
pub(super) fn action(missing: &[MissingVariable], words: &LogWords) -> Option<String> {
    let (spoken, rest): (Vec<_>, Vec<_>) = missing.iter().partition(|variable| words.speak_of(&variable.name));
    let first =
        spoken.first().or_else(|| rest.iter().find(|variable| variable.is_required)).or_else(|| rest.first())?;
    let is_secret =
        secret_look(&first.name, "hush-hush-1").is_some() || STORES.iter().any(|store| first.name.contains(store));
    let setting = if is_secret { "--secret" } else { "--env" };
    let value = if setting == "--env" { "=VALUE" } else { "" };
    let name = &first.name;
    let mut parts = vec![format!("pass what is missing, such as `{setting} {name}{value}`")];
    if !spoken.is_empty() {
        parts.push(format!("the log speaks of {}", listed(&spoken)));
    }
    if !rest.is_empty() {
        parts.push(format!("{}not given: {}", if spoken.is_empty() { "" } else { "also " }, listed(&rest)));
    }
    let template = missing.iter().find(|variable| !variable.is_required).map(|variable| &variable.named_by);
    parts.extend(template.map(|file| format!("`--build-env-file {file}` gives the build the values of that file")));
    Some(parts.join("; "))
}

fn listed(variables: &[&MissingVariable]) -> String {
    let mut ordered = variables.to_vec();
    ordered.sort_by_key(|variable| !variable.is_required);
    let mut names: Vec<String> = ordered
        .iter()
        .take(MOST_LISTED)
        .map(|variable| format!("`{}` ({})", variable.name, variable.named_by))
        .collect();
    if ordered.len() > MOST_LISTED {
        names.push(format!("{} more", ordered.len() - MOST_LISTED));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rel_path::RelPath;

    fn missing(name: &str, file: &str) -> MissingVariable {
        let named_by = RelPath::new(file).unwrap();
        MissingVariable { name: name.to_owned(), named_by, is_required: !file.ends_with(".example") }
    }

    #[test]
    fn variables_that_the_log_speaks_of_come_first() {
        let missing = [
            missing("DATABASE_URL", "src/env.ts"),
            missing("MAIL_FROM", ".env.example"),
            missing("NEXT_PUBLIC_SUPABASE_URL", ".env.example"),
            missing("STRIPE_SECRET_KEY", ".env.example"),
        ];
        let check = |log: &str, expected: &str| {
            let log: Vec<String> = log.lines().map(str::to_owned).collect();
            let action = action(&missing, &LogWords::of(&log)).unwrap();
            assert!(action.starts_with(expected), "{action}");
        };
        check(
            "Creating a build\nError: supabaseUrl is required.\n    at x\n> Build error occurred",
            "pass what is missing, such as `--env NEXT_PUBLIC_SUPABASE_URL=VALUE`; the log speaks of `NEXT_PUBLIC_SUPABASE_URL` (.env.example); also not given: `DATABASE_URL` (src/env.ts), `MAIL_FROM`",
        );
        check(
            "Error: Neither apiKey nor config.authenticator provided\n at new Stripe (x)",
            "pass what is missing, such as `--secret STRIPE_SECRET_KEY`; the log",
        );
        check("Error: no", "pass what is missing, such as `--secret DATABASE_URL`; not given: `DATABASE_URL`");
        assert_eq!(super::action(&[], &LogWords::default()), None);
    }
}

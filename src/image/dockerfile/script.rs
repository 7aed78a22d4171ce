//! One `RUN` instruction, and quoting for the three languages of a Dockerfile: shell words, instruction values, exec form.
//!
//! Whatever a value contains, it stays one word, one value, one argument; what a language cannot carry is `None`.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::image::plan::MAX_LINE_VALUE;

/// Commands joined by `&&`.
pub(super) struct Script {
    lines: Vec<String>,
    /// A word needed quotes, so the script is written in exec form.
    quoted: bool,
}

impl Script {
    /// `title` is shown for the step: a fixed text, passed to the shell's no-op command.
    pub(super) fn titled(title: &'static str) -> Self {
        Self { lines: vec![format!(": '{title}'")], quoted: false }
    }

    /// Adds a trusted line.
    pub(super) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Quotes a word of the project for use in a line.
    pub(super) fn word(&mut self, word: &str) -> String {
        self.quoted |= !is_plain_word(word);
        shell_word(word).into_owned()
    }

    /// Quotes a command of the project.
    pub(super) fn command<T: AsRef<str>>(&mut self, argv: &[T]) -> String {
        argv.iter().map(|word| self.word(word.as_ref())).collect::<Vec<_>>().join(" ")
    }

    /// `RUN` with its mounts: in readable shell form when every word is plain, else in exec form, from which nothing can break out.
    pub(super) fn render(&self, mounts: &[String]) -> String {
        let mounts = mounts.iter().fold(String::new(), |mut text, mount| {
            let _ = write!(text, "--mount={mount} \\\n    ");
            text
        });
        if self.quoted {
            let script = self.lines.join(" && ");
            format!("RUN {mounts}{}\n", exec_form(&["/bin/sh", "-c", &script]))
        } else {
            format!("RUN {mounts}{}\n", self.lines.join(" && \\\n    "))
        }
    }
}

/// One word of `sh`.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    if is_plain_word(text) { Cow::Borrowed(text) } else { Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))) }
}

/// True for words that mean the same quoted and unquoted, in a shell and in a Dockerfile.
pub fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_@%+:,./=-".contains(&b))
}

/// A value of `ENV` or `LABEL` in double quotes.
///
/// Docker's parser reads line by line (at most 64 KiB) and expands `$NAME` inside the quotes.
pub fn instruction_value(text: &str) -> Option<String> {
    if text.len() > MAX_LINE_VALUE || text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Some(quoted)
}

/// `["a","b"]`: no shell and no expansion.
pub fn exec_form<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    serde_json::Value::from(words).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A double-quoted word as Docker's shell lexer reads it (BuildKit, `frontend/dockerfile/shell/lex.go`).
    fn read_value(quoted: &str) -> Option<String> {
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let mut result = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' | '$' => return None,
                '\\' => match chars.next()? {
                    escaped @ ('"' | '$' | '\\') => result.push(escaped),
                    other => result.extend(['\\', other]),
                },
                c => result.push(c),
            }
        }
        Some(result)
    }

    /// A word as `sh` reads it.
    fn read_word(word: &str) -> Option<String> {
        let mut result = String::new();
        let mut quoted = false;
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => quoted = !quoted,
                '\\' if !quoted => result.push(chars.next()?),
                c if !quoted && !is_plain_word(&c.to_string()) => return None,
                c => result.push(c),
            }
        }
        (!quoted).then_some(result)
    }

    proptest! {
        #[test]
        fn shell_words_read_back(text in any::<String>().prop_filter("no shell carries NUL", |t| !t.contains('\0'))) {
            prop_assert_eq!(read_word(&shell_word(&text)), Some(text));
        }

        #[test]
        fn instruction_values_read_back_or_are_refused(text in any::<String>()) {
            match instruction_value(&text) {
                Some(quoted) => {
                    prop_assert!(!quoted.contains(['\n', '\r']));
                    prop_assert_eq!(read_value(&quoted), Some(text));
                }
                None => prop_assert!(text.chars().any(char::is_control)),
            }
        }

        #[test]
        fn exec_forms_are_one_line_of_json(words in proptest::collection::vec(any::<String>(), 0..4)) {
            let text = exec_form(&words);
            prop_assert!(!text.contains(['\n', '\r']));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), words);
        }
    }

    #[test]
    fn values_that_do_not_fit_on_a_line_are_refused() {
        assert_eq!(instruction_value("a\nRUN evil"), None);
        assert_eq!(instruction_value(&"x".repeat(MAX_LINE_VALUE + 1)), None);
        assert_eq!(instruction_value("ends in \\").as_deref(), Some(r#""ends in \\""#));
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("$(id)"), "'$(id)'");
    }
}

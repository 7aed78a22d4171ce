//! One `RUN` instruction: shell commands with every word from outside quoted.

use std::fmt::Write as _;

use super::quote::{exec_form, is_plain_word, shell_word};

/// Commands that run one after the other, each only when the one before succeeded.
pub(super) struct Script {
    lines: Vec<String>,
    /// A word needed quotes: the Dockerfile must not see it as text.
    quoted: bool,
}

impl Script {
    /// `title` is what builders and people see of the step: a text of ours, as the argument of the shell's no-operation.
    pub(super) fn titled(title: &'static str) -> Self {
        Self { lines: vec![format!(": '{title}'")], quoted: false }
    }

    /// A line of ours.
    pub(super) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A word of the project's, for use in a line.
    pub(super) fn word(&mut self, word: &str) -> String {
        self.quoted |= !is_plain_word(word);
        shell_word(word).into_owned()
    }

    /// A command of the project's.
    pub(super) fn command<T: AsRef<str>>(&mut self, argv: &[T]) -> String {
        argv.iter().map(|word| self.word(word.as_ref())).collect::<Vec<_>>().join(" ")
    }

    /// `RUN` with its mounts: readable where every word is plain, else in exec form, where nothing can break out.
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

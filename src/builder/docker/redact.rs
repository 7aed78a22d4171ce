//! Takes the secrets of a build out of texts: values → `[secret]`.
//!
//! Works on exact values and on each of their lines. It never sees encoded forms of a secret (base64 and the like).

use crate::builder::BuildRequest;

/// Shorter values would blank out ordinary words.
const SHORTEST: usize = 6;

#[derive(Debug, Clone, Default)]
pub(super) struct Redactor {
    /// Longest first, so that a part never hides the whole.
    values: Vec<String>,
}

impl Redactor {
    pub(super) fn of_request(request: &BuildRequest) -> Self {
        let secrets = request.secrets.iter().map(|secret| String::from_utf8_lossy(secret.value.expose()).into_owned());
        let passwords = request.credentials.values().map(|credentials| credentials.password.expose().clone());
        Self::new(secrets.chain(passwords))
    }

    fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values
            .into_iter()
            .flat_map(|value| value.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| {
            if text.contains(value.as_str()) { text.replace(value.as_str(), "[secret]") } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_secret_is_taken_out_and_ordinary_words_stay() {
        let redactor = Redactor::new(["first-line-1234\nsecond-line-5678\n".to_owned(), "npm".to_owned()]);
        assert_eq!(redactor.redact("a first-line-1234 b second-line-5678 npm"), "a [secret] b [secret] npm");
    }
}

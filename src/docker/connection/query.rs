//! Paths and queries of requests to the daemon.

use std::fmt::Write;

/// A request's path with its query; every value is percent-encoded.
pub(crate) struct Query {
    text: String,
    separator: char,
}

impl Query {
    pub(crate) fn new(path: &str) -> Self {
        Self { text: path.to_owned(), separator: '?' }
    }

    pub(crate) fn json(&mut self, name: &str, value: &impl serde::Serialize, empty: bool) {
        if !empty {
            self.add(name, &serde_json::to_string(value).expect("maps and lists of strings are JSON"));
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.text.push(self.separator);
        self.separator = '&';
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                write!(self.text, "%{byte:02X}").expect("writing to a string never fails");
            }
        }
    }

    pub(crate) fn into_uri(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_the_query() {
        let mut query = Query::new("/build");
        query.add("t", "a&b=c d/é\n");
        assert_eq!(query.into_uri(), "/build?t=a%26b%3Dc%20d%2F%C3%A9%0A");
    }
}

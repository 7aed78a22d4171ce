//! The first line of our comments, hidden from readers, by which they are found again.

use std::fmt::Write as _;

/// Names the app, so that each app of a repository has a comment of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker(String);

impl Marker {
    /// Nothing of `app` can end the comment.
    pub fn new(app: &str) -> Self {
        let name = app.bytes().fold(String::new(), |mut name, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'@' | b'/' => name.push(char::from(byte)),
                // Two hyphens would end it.
                _ => {
                    let _ = write!(name, "%{byte:02x}");
                }
            }
            name
        });
        Self(format!("<!-- nextdeploy comment of {name} -->"))
    }

    pub fn begins(&self, body: &str) -> bool {
        body.lines().next().is_some_and(|line| line.trim() == self.0)
    }

    /// `body` below the marker, cut at a line so that both have at most `limit` characters.
    pub fn above(&self, body: &str, limit: usize) -> String {
        const CUT: &str = "\n\n_Cut: too long for a comment._\n";
        let head = format!("{}\n", self.0);
        let room = limit - head.chars().count();
        if body.chars().count() <= room {
            return head + body;
        }
        let kept: String = body.chars().take(room - CUT.len()).collect();
        let end = kept.rfind('\n').unwrap_or(kept.len());
        format!("{head}{}{CUT}", &kept[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_an_app_ends_the_hidden_line() {
        for app in ["shop", "a --> <b>x</b>", "a\n<!-- nextdeploy comment of shop -->", "@acme/shop", "sh-op", ""] {
            let marker = Marker::new(app);
            let body = marker.above("text", 1000);
            assert_eq!(body.lines().count(), 2, "{body}");
            let inner = body.lines().next().unwrap().trim_start_matches("<!--").trim_end_matches("-->");
            assert!(!inner.contains("--") && !inner.contains('>'), "{body}");
            assert!(marker.begins(&body) && marker.begins(&body.replace('\n', "\r\n")));
            assert!(!Marker::new("other").begins(&body));
        }
    }

    #[test]
    fn a_long_body_is_cut_at_a_line() {
        let body = "line of text\n".repeat(100);
        let cut = Marker::new("shop").above(&body, 500);
        assert!(cut.chars().count() <= 500 && cut.contains("line of text\n\n_Cut"), "{cut}");
        assert_eq!(Marker::new("shop").above("short", 500), "<!-- nextdeploy comment of shop -->\nshort");
    }
}

//! Texts become tags: what a tag cannot hold is replaced.

/// Longest tag (distribution, `reference` package).
const MAX_TAG: usize = 128;

/// The tag nearest to `text`: each run of characters that no tag has becomes one `-`, as in `docker/metadata-action`; beyond that a
/// tag never begins with `.` or `-`, and is cut at 128 characters. Empty when nothing is left.
pub(super) fn sanitise(text: &str) -> String {
    let mut tag = String::with_capacity(text.len().min(MAX_TAG));
    let mut replaced = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            tag.push(c);
            replaced = false;
        } else if !replaced {
            tag.push('-');
            replaced = true;
        }
    }
    let mut tag = tag.trim_start_matches(['.', '-']).to_owned();
    tag.truncate(MAX_TAG);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image_ref::is_tag;

    #[test]
    fn examples() {
        for (text, expected) in [
            ("main", "main"),
            ("feature/x", "feature-x"),
            ("a //b", "a-b"),
            ("-.x", "x"),
            ("/x", "x"),
            ("日本", ""),
            ("v1.0+build", "v1.0-build"),
            ("", ""),
        ] {
            assert_eq!(sanitise(text), expected, "{text:?}");
        }
        assert_eq!(sanitise(&"ä1".repeat(100)).len(), 128);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_tag_or_nothing(text in any::<String>()) {
            let tag = sanitise(&text);
            prop_assert!(tag.is_empty() || is_tag(&tag), "{:?}", tag);
            prop_assert_eq!(sanitise(&tag), tag);
        }
    }
}

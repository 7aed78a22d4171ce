//! Paths as text, relative to the app's folder; `..` at the beginning leads above it.

/// `base` and then `rest`, normalised; the folder itself is empty.
pub(super) fn join(base: &str, rest: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn joins() {
        assert_eq!(join("", "../../"), "../..");
        assert_eq!(join("next.config", ".."), "");
        assert_eq!(join("a/b", "./../c"), "a/c");
        assert_eq!(join("..", ".."), "../..");
    }
}

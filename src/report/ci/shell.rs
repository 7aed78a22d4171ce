//! Values in files that a shell reads.

/// `NAME='value'`, with no way out of the quotes.
pub(super) fn assignment(name: &str, value: &str) -> String {
    format!("{name}='{}'", value.replace('\'', r"'\''"))
}

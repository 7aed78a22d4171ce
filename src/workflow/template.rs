//! Texts with `@MARKS@`, each replaced once; what is put in is not looked at again.

/// Replaces each `@NAME@` of `text` by its value. A mark without a value is a defect of the template.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let length = after.bytes().take_while(|b| b.is_ascii_uppercase() || *b == b'_').count();
        let (name, following) = after.split_at(length);
        filled.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        if let (Some(following), Some((_, value))) = (following.strip_prefix('@'), value) {
            filled.push_str(value);
            rest = following;
        } else {
            filled.push('@');
            rest = after;
        }
    }
    filled + rest
}

/// A YAML scalar that is this text and nothing else, also for GitHub, which looks for expressions in every text.
pub(super) fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace("${{", "${{ '${{' }}")
}

/// A name for a pattern of branches that matches nothing else.
pub(super) fn pattern(branch: &str) -> String {
    branch.chars().flat_map(|c| ['\\', c].into_iter().skip(usize::from(!"*+?![]".contains(c)))).collect()
}

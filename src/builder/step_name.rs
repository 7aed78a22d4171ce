//! Steps as people call them. Pure; the name that a builder gives a step is untrusted text.

use super::explain::without_colours;
use crate::secret::redact;

/// Longest name of a step on a line.
const NAME_WIDTH: usize = 88;

/// A step's name for people: one line, without mounts and the shell around a command.
///
/// A command that begins with the shell's no-operation and a text, `RUN : 'install dependencies' && npm ci`, is called by that text.
pub fn step_name(name: &str) -> String {
    let name = one_line(name);
    let (stage, instruction) = match name.split_once("] ") {
        Some((stage, rest)) if stage.starts_with('[') => (format!("{stage}] "), rest),
        _ => (String::new(), name.as_str()),
    };
    let text = match instruction.strip_prefix("RUN ") {
        Some(command) => {
            let command = without_shell(without_flags(command));
            label(&command).map_or_else(|| format!("RUN {command}"), str::to_owned)
        }
        None => instruction.to_owned(),
    };
    shorten(&format!("{stage}{}", squeeze(&text)), NAME_WIDTH)
}

fn without_flags(mut command: &str) -> &str {
    command = command.trim_start();
    while command.starts_with("--") {
        let Some((_, rest)) = command.split_once(char::is_whitespace) else { break };
        command = rest.trim_start().trim_start_matches("\\ ").trim_start();
    }
    command
}

/// BuildKit shows the exec form without the escapes of its words, so it is no JSON.
fn without_shell(command: &str) -> String {
    let script =
        ["[\"/bin/sh\",\"-c\",\"", "[\"/bin/sh\", \"-c\", \""].iter().find_map(|start| command.strip_prefix(start));
    match script.and_then(|script| script.strip_suffix("\"]")) {
        Some(script) => script.replace("\\\"", "\""),
        None => command.strip_prefix("/bin/sh -c ").unwrap_or(command).to_owned(),
    }
}

fn label(command: &str) -> Option<&str> {
    let rest = command.trim_start().strip_prefix(": ")?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    rest[1..].split_once(quote).map(|(label, _)| label).filter(|label| !label.is_empty())
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without secrets, cut at `width` characters, with an ellipsis.
pub fn shorten(text: &str, width: usize) -> String {
    let text = redact(text);
    if text.chars().count() <= width {
        return text.into_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn one_line(text: &str) -> String {
    without_colours(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_mounts_and_shells() {
        for (name, shown) in [
            (
                "[build 3/7] RUN --mount=type=cache,target=/c --mount=type=secret,id=x npm run build",
                "[build 3/7] RUN npm run build",
            ),
            (r#"[deps 2/2] RUN ["/bin/sh","-c","npm ci && "x""]"#, r#"[deps 2/2] RUN npm ci && "x""#),
            ("[3/4] RUN : 'install dependencies' && npm ci", "[3/4] install dependencies"),
            ("[runtime 2/3] COPY --from=build /out /app", "[runtime 2/3] COPY --from=build /out /app"),
            ("[x 1/1] RUN a &&     b\n::error::c", "[x 1/1] RUN a && b ::error::c"),
        ] {
            assert_eq!(step_name(name), shown);
        }
        assert!(step_name(&"é".repeat(200)).chars().count() == NAME_WIDTH);
    }
}

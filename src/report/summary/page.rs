//! Parts of a page in reading order, and which of them go first when there is too much.

/// Kept free for the line that says what was left out.
const RESERVE: usize = 256;

#[derive(Default)]
pub(super) struct Page(Vec<Part>);

struct Part {
    /// The lowest goes first.
    worth: u8,
    name: &'static str,
    text: String,
}

impl Page {
    /// Adds a part; an empty one is none.
    pub(super) fn add(&mut self, worth: u8, name: &'static str, text: String) {
        if !text.is_empty() {
            self.0.push(Part { worth, name, text });
        }
    }

    pub(super) fn fit(mut self, limit: usize) -> String {
        let mut left_out: Vec<&str> = Vec::new();
        while self.size(left_out.is_empty()) > limit {
            let Some(least) = self.0.iter().enumerate().min_by_key(|(_, part)| part.worth).map(|(at, _)| at) else {
                return String::new();
            };
            left_out.push(self.0.remove(least).name);
        }
        if self.0.is_empty() {
            return String::new();
        }
        if !left_out.is_empty() {
            let note = format!("<sub>Left out, because a summary may be no larger: {}.</sub>\n", left_out.join(", "));
            self.add(0, "note", note);
        }
        self.0.iter().map(|part| format!("{}\n\n", part.text.trim_end())).collect::<Vec<_>>().concat()
    }

    fn size(&self, whole: bool) -> usize {
        let parts: usize = self.0.iter().map(|part| part.text.len() + 2).sum();
        parts + if whole { 0 } else { RESERVE }
    }
}

/// A table of cells that are Markdown already.
pub(super) fn table(heads: &[&str], align: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let marks: Vec<String> = align.iter().map(|mark| (*mark).to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(&heads), line(&marks))
}

/// A part that is folded until somebody opens it. `title` is Markdown-free HTML.
pub(super) fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{}\n\n</details>\n", body.trim_end())
}

/// `3 routes`, `1 route`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A bar for a part of a whole, in eighths of at most `width` characters; at least one of them.
pub(super) fn share(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number"
    )]
    let eighths = ((part.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(1);
    format!("<code>{}{}</code>", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A bar of `width` characters, filled from `from` to `to` of `whole`; at least one mark.
pub(super) fn bar(from: f64, to: f64, whole: f64, width: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "widths are small")]
    let scale = |value: f64| if whole > 0.0 { (value / whole * width as f64).clamp(0.0, width as f64) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and the width")]
    let (start, end) = (scale(from).floor() as usize, scale(to).round() as usize);
    let start = start.min(width - 1);
    let end = end.clamp(start + 1, width);
    format!("<code>{}{}{}</code>", "·".repeat(start), "█".repeat(end - start), "·".repeat(width - end))
}

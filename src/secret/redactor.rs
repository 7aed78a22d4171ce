//! Known secrets, and how they are taken out of texts. Values in; texts in, texts out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::forms::{forms, is_distinctive};
use super::view::{View, views};
use super::{REDACTED, shapes};

/// A beginning of a secret that is hidden where a text was cut; a shorter one tells little and is in every other word.
const SHORTEST_BEGINNING: usize = 4;

static PROCESS: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// Takes secrets out of texts. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    texts: BTreeSet<String>,
    /// Made when it is needed; `None` after a value was added.
    search: Option<Arc<Search>>,
}

struct Search {
    automaton: AhoCorasick,
    texts: Vec<String>,
    longest: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// The one that knows every [`Secret`](super::Secret) of this process.
    pub fn of_process() -> &'static Self {
        &PROCESS
    }

    /// Hides `value` in all its forms from here on. A value for which [`Redactor::can_hide`] is false is not hidden.
    pub fn add(&self, value: &[u8]) {
        let forms = forms(value);
        let is_new = |known: &Known| !forms.iter().all(|form| known.texts.contains(form));
        if is_new(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            known.texts.extend(forms);
            known.search = None;
        }
    }

    /// False for a value so short or so common that hiding it would blank out ordinary words.
    pub fn can_hide(value: &[u8]) -> bool {
        is_distinctive(&String::from_utf8_lossy(value))
    }

    /// `text` without secrets. Terminal codes inside of a secret stay behind its replacement.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut ranges = shapes::find(text);
        if let Some(search) = self.search() {
            for view in views(text) {
                search.find(&view, &mut ranges);
            }
        }
        replace(text, ranges)
    }

    /// As [`Redactor::redact`], for a text that was cut at its end, where a secret may begin.
    pub fn redact_cut<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut ranges = shapes::find(text);
        if let Some(search) = self.search() {
            for view in views(text) {
                search.find(&view, &mut ranges);
                if let Some(at) = search.beginning(&view.seen) {
                    ranges.push(view.place(at)..text.len());
                }
            }
        }
        replace(text, ranges)
    }

    fn search(&self) -> Option<Arc<Search>> {
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if known.texts.is_empty() {
                return None;
            }
            if let Some(search) = &known.search {
                return Some(Arc::clone(search));
            }
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let search = Arc::new(Search::new(&known.texts)?);
        known.search = Some(Arc::clone(&search));
        Some(search)
    }
}

impl Search {
    /// `None` where the texts are too many for the library, which is at two thousand million states.
    fn new(texts: &BTreeSet<String>) -> Option<Self> {
        let texts: Vec<String> = texts.iter().cloned().collect();
        // The other automata take more memory than secrets of some size are worth.
        let builder = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&texts);
        let longest = texts.iter().map(String::len).max().unwrap_or_default();
        Some(Self { automaton: builder.ok()?, texts, longest })
    }

    /// Adds every occurrence, also of secrets that overlap.
    fn find(&self, view: &View<'_>, ranges: &mut Vec<Range<usize>>) {
        let matches = self.automaton.find_overlapping_iter(view.seen.as_ref());
        ranges.extend(matches.map(|found| view.place(found.start())..view.place(found.end() - 1) + 1));
    }

    /// Where the beginning of a secret stands at the end of `text`.
    fn beginning(&self, text: &str) -> Option<usize> {
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        let last = text.len().checked_sub(SHORTEST_BEGINNING)?;
        (first..=last).filter(|at| text.is_char_boundary(*at)).find(|at| {
            let end = &text[*at..];
            let next = self.texts.partition_point(|known| known.as_str() < end);
            self.texts.get(next).is_some_and(|known| known.starts_with(end))
        })
    }
}

fn replace(text: &str, mut ranges: Vec<Range<usize>>) -> Cow<'_, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    let (mut redacted, mut at) = (String::with_capacity(text.len()), 0);
    for range in merged {
        redacted.push_str(&text[at..range.start]);
        redacted.push_str(REDACTED);
        redacted.push_str(&codes(&text[range.clone()]));
        at = range.end;
    }
    redacted.push_str(&text[at..]);
    Cow::Owned(redacted)
}

/// The colours that a text changes, so that what follows it keeps its own.
fn codes(text: &str) -> String {
    let mut codes = String::new();
    for (at, _) in text.match_indices("\x1b[") {
        let body = &text[at + 2..];
        let end = body.find(|c: char| !c.is_ascii_digit() && c != ';');
        if let Some(end) = end.filter(|end| body[*end..].starts_with('m')) {
            codes.push_str(&text[at..=at + 2 + end]);
        }
    }
    codes
}

#[cfg(test)]
mod tests;

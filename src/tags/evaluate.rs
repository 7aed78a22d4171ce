//! Rules applied to a run: which of them yield a tag, in which order, and the warnings of those that yield none.

use std::borrow::Cow;

use super::error::TagError;
use super::rule::{Affix, Flavor, Latest, Pattern, RefEvent, RuleKind, ShaFormat, TagRule, VersionRule, switch};
use super::template::{RunFacts, Template, Unknown};
use super::version::{VersionParts, pep440, semver};
use crate::diagnostic::{Warning, printable, shown};
use crate::origin::{Origin, Sourced};

/// The tags of one run.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Without repository, each with the rule that gave it; the first one is the version of the image, and `latest` the last.
    pub tags: Vec<Sourced<String>>,
    pub warnings: Vec<Warning>,
}

/// What one rule gives.
struct Yield {
    text: String,
    /// By itself worth a `latest`.
    latest: bool,
}

/// Why a rule gives no tag.
enum Nothing {
    /// The run is of another kind.
    NotMeant,
    Skipped(Warning),
    Wrong(TagError),
}

/// The tags that `rules` give, in order of priority.
///
/// # Errors
/// For an `enable` that is neither true nor false in this run, with the place that gave the rule.
pub fn evaluate(
    rules: &[Sourced<TagRule>],
    flavor: &Flavor,
    facts: &RunFacts<'_>,
) -> Result<Evaluation, Box<Sourced<TagError>>> {
    let mut sorted: Vec<&Sourced<TagRule>> = rules.iter().collect();
    sorted.sort_by_key(|rule| std::cmp::Reverse(rule.value.priority));
    let mut result = Evaluation::default();
    let mut latest = None;
    for rule in sorted {
        match rule.value.give(flavor, facts) {
            Ok(given) => {
                if let Some(tag) = result.sanitised(&given.text, rule) {
                    result.add(tag, origin(rule));
                    latest.get_or_insert((given.latest, rule));
                }
            }
            Err(Nothing::NotMeant) => {}
            Err(Nothing::Skipped(warning)) => result.warn(warning),
            Err(Nothing::Wrong(error)) => return Err(Box::new(Sourced::new(error, rule.origin.clone()))),
        }
        if facts.default_branch.is_none() && facts.branch.is_some() && rule.value.needs_default_branch() {
            result.warn(default_branch_unknown(rule));
        }
    }
    if let Some((auto, rule)) = latest {
        let wanted = match flavor.latest {
            Latest::Auto => auto,
            Latest::Always => true,
            Latest::Never => false,
        };
        if wanted {
            let text = latest_text(flavor, facts);
            if let Some(tag) = result.sanitised(&text, rule) {
                let reason = match flavor.latest {
                    Latest::Always => "`latest=true` of the flavor".to_owned(),
                    _ => format!("`latest=auto`, for `{}`", printable(&rule.value.text)),
                };
                result.add(tag, Origin::Derived(reason));
            }
        }
    }
    Ok(result)
}

impl Evaluation {
    fn add(&mut self, tag: String, origin: Origin) {
        if self.tags.iter().all(|known| known.value != tag) {
            self.tags.push(Sourced::new(tag, origin));
        }
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The tag nearest to `text`, with a warning if it differs; `None` if there is none.
    fn sanitised(&mut self, text: &str, rule: &Sourced<TagRule>) -> Option<String> {
        let tag = sanitise(text);
        if tag == text {
            return (!tag.is_empty()).then_some(tag);
        }
        let rule_text = printable(&rule.value.text);
        if tag.is_empty() {
            let message = format!("`{}` of `{rule_text}` has no characters that a tag can have", shown(text));
            self.warn(Warning::new("tags/no-tag", message).with_hint("add a `prefix=` of letters to the rule"));
            return None;
        }
        let message = format!("`{}` of `{rule_text}` becomes the tag `{tag}`", shown(text));
        self.warn(Warning::new("tags/sanitised", message).with_hint(
            "a tag has at most 128 ASCII letters, digits, `_`, `.` and `-`, and does not start with `.` or `-`",
        ));
        Some(tag)
    }
}

fn origin(rule: &Sourced<TagRule>) -> Origin {
    if rule.value.is_plain() {
        return rule.origin.clone();
    }
    let text = printable(&rule.value.text);
    Origin::Derived(match &rule.origin {
        Origin::Flag(name) | Origin::Variable(name) | Origin::File(name) => format!("`{text}` of `{name}`"),
        Origin::Default(reason) | Origin::Derived(reason) => format!("`{text}`, {reason}"),
    })
}

fn latest_text(flavor: &Flavor, facts: &RunFacts<'_>) -> String {
    let affix = |affix: &Affix| {
        let text = affix.text.as_ref().filter(|_| affix.on_latest);
        text.and_then(|text| text.render(facts).ok()).unwrap_or_default()
    };
    format!("{}latest{}", affix(&flavor.prefix), affix(&flavor.suffix))
}

fn default_branch_unknown(rule: &Sourced<TagRule>) -> Warning {
    let message = format!(
        "the default branch of the repository is unknown, so `{}` matches no branch",
        printable(&rule.value.text)
    );
    Warning::new("tags/default-branch-unknown", message)
        .with_hint("outside CI, name the branch: `type=edge,branch=main`, or use `enable=true`")
}

impl TagRule {
    fn give(&self, flavor: &Flavor, facts: &RunFacts<'_>) -> Result<Yield, Nothing> {
        let enabled = switch(&self.render(&self.enable, facts)?).map_err(Nothing::Wrong)?;
        if !enabled {
            return Err(Nothing::NotMeant);
        }
        let (text, latest) = self.core(facts)?;
        let affix = |own: &Option<Template>, flavor: &Affix| match own.as_ref().or(flavor.text.as_ref()) {
            Some(template) => self.render(template, facts),
            None => Ok(String::new()),
        };
        let text = format!("{}{text}{}", affix(&self.prefix, &flavor.prefix)?, affix(&self.suffix, &flavor.suffix)?);
        if text.is_empty() { Err(Nothing::NotMeant) } else { Ok(Yield { text, latest }) }
    }

    /// The tag without prefix and suffix, and whether it is worth a `latest`.
    fn core(&self, facts: &RunFacts<'_>) -> Result<(String, bool), Nothing> {
        let not_meant = || Nothing::NotMeant;
        match &self.kind {
            RuleKind::Schedule { pattern } if facts.is_schedule => Ok((self.render(pattern, facts)?, false)),
            RuleKind::Schedule { .. } => Err(Nothing::NotMeant),
            RuleKind::Semver(rule) => {
                let text = self.version_text(rule, facts)?;
                let (parts, special) = semver(&text).ok_or_else(|| self.no_version(&text, "semver"))?;
                Ok((self.version_tag(rule, facts, (&parts, special))?, !special))
            }
            RuleKind::Pep440(rule) => {
                let text = self.version_text(rule, facts)?;
                let version = pep440(&text).ok_or_else(|| self.no_version(&text, "PEP 440"))?;
                let special = version.is_special;
                Ok((self.version_tag(rule, facts, (&version.parts, special))?, !special))
            }
            RuleKind::Match { pattern, group, value } => {
                let text = self.value_or_tag(value.as_ref(), facts)?;
                Ok((self.matched(pattern, *group, &text)?, true))
            }
            RuleKind::Edge { branch } => {
                let wanted = branch.as_deref().or(facts.default_branch).ok_or_else(not_meant)?;
                if facts.branch == Some(wanted) { Ok(("edge".to_owned(), false)) } else { Err(Nothing::NotMeant) }
            }
            RuleKind::Ref(event) => {
                let text = match event {
                    RefEvent::Branch => facts.branch.map(Cow::Borrowed),
                    RefEvent::Tag => facts.tag.map(Cow::Borrowed),
                    RefEvent::PullRequest => facts.pull_request.map(|number| Cow::Owned(number.to_string())),
                };
                Ok((text.ok_or_else(not_meant)?.into_owned(), *event == RefEvent::Tag))
            }
            RuleKind::Raw { value } => Ok((self.render(value, facts)?, false)),
            RuleKind::Sha(format) => {
                let commit = match format {
                    ShaFormat::Short => facts.short_commit(),
                    ShaFormat::Long => facts.commit.map(str::to_owned),
                };
                Ok((commit.ok_or_else(|| self.unknown(Unknown("the commit")))?, false))
            }
        }
    }

    fn render(&self, template: &Template, facts: &RunFacts<'_>) -> Result<String, Nothing> {
        template.render(facts).map_err(|unknown| self.unknown(unknown))
    }

    fn value_or_tag(&self, value: Option<&Template>, facts: &RunFacts<'_>) -> Result<String, Nothing> {
        match value {
            Some(value) => self.render(value, facts),
            None if facts.is_tag_run() => Ok(facts.tag.unwrap_or_default().to_owned()),
            None => Err(Nothing::NotMeant),
        }
    }

    fn version_text(&self, rule: &VersionRule, facts: &RunFacts<'_>) -> Result<String, Nothing> {
        let text = self.value_or_tag(rule.value.as_ref(), facts)?;
        let text = match &rule.part {
            Some(pattern) => self.matched(pattern, 1, &text)?,
            None => text,
        };
        Ok(text.replace('/', "-"))
    }

    /// A pre-release gives its whole version whatever the pattern asks for, so that it never moves `1` or `1.2`.
    fn version_tag(
        &self,
        rule: &VersionRule,
        facts: &RunFacts<'_>,
        (parts, special): (&VersionParts, bool),
    ) -> Result<String, Nothing> {
        if special && !rule.pattern.is_raw() {
            return Ok(parts.version.clone());
        }
        rule.pattern.render_version(facts, parts).map_err(|unknown| self.unknown(unknown))
    }

    fn matched(&self, pattern: &Pattern, group: usize, text: &str) -> Result<String, Nothing> {
        let found = pattern.regex.captures(text).ok_or_else(|| {
            self.skipped(
                "tags/no-match",
                &format!("`{}` does not match `{}`", shown(&pattern.text), shown(text)),
                "correct the pattern, or start the run only for matching git tags",
            )
        })?;
        let found = found.get(group).map(|found| found.as_str().to_owned());
        found.ok_or_else(|| {
            self.skipped(
                "tags/no-group",
                &format!("`{}` has no group {group} in `{}`", shown(&pattern.text), shown(text)),
                "put the part that becomes the tag in parentheses, and count them from 1",
            )
        })
    }

    fn no_version(&self, text: &str, scheme: &str) -> Nothing {
        self.skipped(
            "tags/no-version",
            &format!("`{}` is not a version ({scheme})", shown(text)),
            "tag releases like `v1.2.3`, or extract the version with `match=`",
        )
    }

    fn unknown(&self, Unknown(what): Unknown) -> Nothing {
        self.skipped("tags/unknown-fact", &format!("{what} is unknown"), "run in a git checkout with a commit")
    }

    fn skipped(&self, code: &'static str, message: &str, hint: &str) -> Nothing {
        let message = format!("{message}, so `{}` gives no tag", printable(&self.text));
        Nothing::Skipped(Warning::new(code, message).with_hint(hint))
    }
}

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

//! Versions of git tags: semver.org, and PEP 440 for Python packages ("Version Identification and Dependency Specification",
//! appendix B). The grammar of PEP 440 is small enough to need no library; the normal form is what `docker/metadata-action` prints.

/// The parts of a version, as patterns name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct VersionParts {
    pub raw: String,
    pub version: String,
    pub major: String,
    pub minor: String,
    pub patch: String,
}

const GRAMMAR: &str = r"(?i)^\s*v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]+)?)?(?:-([0-9]+)|([-_.]?(?:post|rev|r)[-_.]?([0-9]+)?))?([-_.]?dev[-_.]?([0-9]+)?)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pep440 {
    pub parts: VersionParts,
    /// A pre-, post- or development release.
    pub is_special: bool,
}

/// `None` if the text is not a version.
pub(super) fn pep440(text: &str) -> Option<Pep440> {
    let grammar = regex_lite::Regex::new(GRAMMAR).expect("the grammar is a constant that the tests read");
    let found = grammar.captures(text)?;
    let group = |at: usize| found.get(at).map(|found| found.as_str());
    let numbers: Vec<String> = group(2)?.split('.').map(number).collect();
    let mut version = group(1).map_or_else(String::new, |epoch| format!("{}!", number(epoch)));
    version.push_str(&numbers.join("."));
    if let Some(word) = group(3) {
        let word = match word.to_ascii_lowercase().as_str() {
            "a" | "alpha" => "a",
            "b" | "beta" => "b",
            _ => "rc",
        };
        version = format!("{version}{word}{}", number(group(4).unwrap_or("0")));
    }
    if group(5).is_some() || group(6).is_some() {
        version = format!("{version}.post{}", number(group(5).or(group(7)).unwrap_or("0")));
    }
    if group(8).is_some() {
        version = format!("{version}.dev{}", number(group(9).unwrap_or("0")));
    }
    if let Some(local) = group(10) {
        version = format!("{version}+{}", local.to_ascii_lowercase().replace(['-', '_'], "."));
    }
    let is_special = [3, 5, 6, 8].iter().any(|at| group(*at).is_some());
    let part = |at: usize| numbers.get(at).cloned().unwrap_or_else(|| "0".to_owned());
    let parts = VersionParts { raw: text.to_owned(), version, major: part(0), minor: part(1), patch: part(2) };
    Some(Pep440 { parts, is_special })
}

/// Without leading zeros.
fn number(digits: &str) -> String {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

/// A version by semver.org, with or without `v`, and whether it is a pre-release.
pub(super) fn semver(text: &str) -> Option<(VersionParts, bool)> {
    let plain = text.trim();
    let version = semver::Version::parse(plain.strip_prefix('v').unwrap_or(plain)).ok()?;
    let special = !version.pre.is_empty();
    let parts = VersionParts {
        raw: text.to_owned(),
        version: semver::Version { build: semver::BuildMetadata::EMPTY, ..version.clone() }.to_string(),
        major: version.major.to_string(),
        minor: version.minor.to_string(),
        patch: version.patch.to_string(),
    };
    Some((parts, special))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_normalised() {
        for (text, expected) in [
            ("1.2.3", "1.2.3"),
            ("v1.2.3rc2", "1.2.3rc2"),
            ("1.2.3-BETA.2", "1.2.3b2"),
            ("1.2.3post1", "1.2.3.post1"),
            ("1.2-4", "1.2.post4"),
            ("1.0dev4", "1.0.dev4"),
            ("1!01.0c", "1!1.0rc0"),
            ("1.0+Ubuntu_1", "1.0+ubuntu.1"),
        ] {
            assert_eq!(pep440(text).map(|found| found.parts.version).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "v", "1.x", "1.2.3-feature", "main"] {
            assert_eq!(pep440(text), None, "{text}");
        }
        assert!(!pep440("1.2").unwrap().is_special);
        assert!(pep440("1.2a1").unwrap().is_special);
    }
}

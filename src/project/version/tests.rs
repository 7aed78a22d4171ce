use proptest::prelude::*;

use super::*;

/// Versions, and ranges with what npm's `semver` says about them; written by `scripts/range-cases`.
const RECORDED: &str = include_str!("npm_ranges.txt");

/// The positions `0-3 7` of the versions that `range` admits.
fn runs(range: &Range, versions: &[Version]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..versions.len()).filter(|at| range.admits(&versions[*at])) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => runs.push((at, at)),
        }
    }
    let texts = runs.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn ranges_match_the_same_versions_as_npm() {
    let (first, lines) = RECORDED.split_once('\n').unwrap();
    let versions: Vec<Version> = first.split(' ').map(|version| Version::parse(version).unwrap()).collect();
    let mut differences = Vec::new();
    for line in lines.lines() {
        let (range, expected) = line.split_once('\t').unwrap();
        let found = Range::parse(&serde_json::from_str::<String>(range).unwrap()).map(|range| {
            let lowest = range.lowest().map_or_else(|| "none".to_owned(), |lowest| lowest.to_string());
            format!("{lowest}\t{}", runs(&range, &versions))
        });
        let found = found.unwrap_or_else(|| "invalid".to_owned());
        if found != expected {
            differences.push(format!("{range}: {found}, not {expected}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(lines.lines().count() > 600);
}

#[test]
fn long_ranges() {
    assert_eq!(Range::parse(&"||".repeat(10_000)), Some(Range::any()));
    let narrow = Range::parse(&">=1 ".repeat(10_000)).unwrap();
    assert_eq!(narrow.lowest(), Some(Version::new(1, 0, 0)));
    assert_eq!(Range::parse(&"1||".repeat(1_000_000)), None);
    assert_eq!(Range::parse(&"9".repeat(300)), None);
}

#[test]
fn versions() {
    let parsed = |text: &str| parse_version(text).map(|version| version.to_string());
    assert_eq!(parsed("v1.2.3").as_deref(), Some("1.2.3"));
    assert_eq!(parsed(" 1.2.3-rc.1+build ").as_deref(), Some("1.2.3-rc.1"));
    for refused in ["", "1", "1.2", "1.2.3.4", "x", "01.2.3", "1.2.3-", "vv1.2.3", "99999999999999999999.0.0"] {
        assert_eq!(parsed(refused), None, "{refused}");
    }
    assert_eq!(parsed(&format!("1.2.3-{}", "a".repeat(251))), None);
}

#[test]
fn the_lowest_release_of_a_major() {
    let lowest = |text: &str, major| Range::parse(text).unwrap().lowest_of_major(major).map(|found| found.to_string());
    assert_eq!(lowest(">=18.17 || ^22.3", 22).as_deref(), Some("22.0.0"));
    assert_eq!(lowest("^22.3 || 20", 22).as_deref(), Some("22.3.0"));
    assert_eq!(lowest("<22", 22), None);
    assert_eq!(lowest("<=22", 22).as_deref(), Some("22.0.0"));
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "[0-9x*v=<>~^|. +\\-a]{0,40}|\\PC{0,40}", major in 0..30_u64) {
        if let Some(range) = Range::parse(&text) {
            let lowest = range.lowest();
            prop_assert!(lowest.is_none_or(|lowest| range.admits(&lowest)), "{text}");
            range.lowest_of_major(major);
        }
        parse_version(&text);
    }
}

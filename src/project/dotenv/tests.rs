use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DotenvError, DotenvReader, Grammar, parse};

#[track_caller]
fn check(text: &str, expected: &[(&str, &str)]) {
    let found = parse(text).unwrap();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn plain_and_quoted_values() {
    check("A=1\nB = two # comment\n\n# C=3\nexport D=4", &[("A", "1"), ("B", "two"), ("D", "4")]);
    check("A='x # y' # z\nB=\"a\\nb\"\nC=`q'\"`", &[("A", "x # y"), ("B", "a\nb"), ("C", "q'\"")]);
    check("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo"), ("B", "3")]);
    check("A=\nB=''\nC: yaml\r\n", &[("A", ""), ("B", ""), ("C", "yaml")]);
    check("A=\"unclosed\nB=2", &[("A", "\"unclosed"), ("B", "2")]);
    check("exported=1\nA.B-c=2", &[("exported", "1"), ("A.B-c", "2")]);
    check("A=\"say \\\"hi\\\"\"", &[("A", "say \\\"hi\\\"")]);
    check("A=é # ü\nB=2", &[("A", "é"), ("B", "2")]);
    check("A=\"x\" y\nB=1", &[("A", "\"x\" y"), ("B", "1")]);
    check("hello\n=5\nA\nB=1\n  \u{0}\n", &[("hello", "5"), ("B", "1")]);
    check("A=1\nA=2", &[("A", "2")]);
}

#[test]
fn references() {
    check("HOST=h\nURL=https://$HOST/${PATH_}x", &[("HOST", "h"), ("URL", "https://h/x")]);
    check("A=${B:-none}\nC=\\$5\nD=$", &[("A", "none"), ("C", "$5"), ("D", "$")]);
    check(&format!("A={}", "\\$A".repeat(3)), &[("A", "$A$A$A")]);
    assert_eq!(parse("A=$B\nB=$A"), Err(DotenvError::Circle));
}

#[test]
fn references_without_a_value_are_named() {
    let given = BTreeMap::from([("GIVEN".to_owned(), "1".to_owned())]);
    let mut reader = DotenvReader::new(Grammar::Next14, &given, &["PATH"]);
    let found = reader.read("A=$GIVEN$LOST\nB=x$A\nC=${LOST:-d}\nPATH=$PATH:/x").unwrap();
    let found: Vec<(&str, String)> = found.iter().map(|v| (v.value.as_str(), v.unknown.join(" "))).collect();
    let expected = [("1", "LOST"), ("x1", "LOST"), ("d", ""), ("", "PATH")];
    assert_eq!(found, expected.map(|(value, unknown)| (value, unknown.to_owned())));
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn files_that_grow_without_bound_are_refused() {
    let fails = |text: &str, error: DotenvError| assert_eq!(parse(text), Err(error), "{}", &text[..40]);
    let bomb = lines(8, |n| format!("V{n}={}\n", format!("$V{}", n + 1).repeat(60)));
    fails(&format!("{bomb}V8=xxxxxxxxxx"), DotenvError::Circle);
    fails("PATH=$PATH:/opt/tools/bin:/opt/other/bin:/srv/bin", DotenvError::Circle);
    let copies = lines(100, |n| format!("B{n}=$A\n"));
    fails(&format!("A={}\n{copies}", "x".repeat(60_000)), DotenvError::Expansion);
    fails(&lines(5_001, |n| format!("N{n}=\n")), DotenvError::Variables);
    fails("A=every value that holds its own name: $A", DotenvError::Circle);
    // Any number of open quotes is read in one pass.
    let open = lines(4_900, |n| format!("A{n}='{}\n", "\\'x".repeat(40)));
    assert_eq!(parse(&open).unwrap().len(), 4_900);
    let chain = lines(400, |n| format!("V{n}=$V{}\n", n + 1));
    assert_eq!(parse(&format!("{chain}V400=end")).unwrap()[0].1, "end");
}

/// A generated `.env` and `.env.production` (`GIVEN=given` is set before) with the variables that `@next/env` makes of them.
#[derive(Deserialize)]
struct GeneratedFiles {
    env: Option<String>,
    production: Option<String>,
    /// By `@next/env` 12.0, 13.5 and 16.4.
    #[serde(rename = "12")]
    next12: BTreeMap<String, String>,
    #[serde(rename = "13")]
    next13: BTreeMap<String, String>,
    #[serde(rename = "14")]
    next14: BTreeMap<String, String>,
}

#[test]
fn values_are_those_of_next_env() {
    let cases: Vec<GeneratedFiles> = serde_json::from_str(include_str!("next_env.json")).unwrap();
    assert!(cases.len() >= 300);
    let given =
        BTreeMap::from([("GIVEN", "given"), ("NODE_ENV", "production")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    let mut wrong = Vec::new();
    for case in &cases {
        for (grammar, expected) in
            [(Grammar::Next12, &case.next12), (Grammar::Next13, &case.next13), (Grammar::Next14, &case.next14)]
        {
            let mut reader = DotenvReader::new(grammar, &given, &[]);
            let mut found = BTreeMap::new();
            for text in [&case.production, &case.env].into_iter().flatten() {
                for variable in reader.read(text).unwrap_or_default() {
                    found.entry(variable.name).or_insert(variable.value);
                }
            }
            found.remove("GIVEN");
            if found != *expected {
                wrong.push(format!("{grammar:?} {:?} {:?}\n   {found:?}\n   {expected:?}", case.env, case.production));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 3 * cases.len(), wrong.join("\n"));
}

use super::*;

fn explanation(error: &str, exit_code: Option<i64>, log: &str) -> Option<Explanation> {
    let log: Vec<String> = log.lines().map(str::to_owned).collect();
    explain(&Failure { error, exit_code, log: &log })
}

#[test]
fn every_pattern_of_the_table_compiles_and_its_texts_use_what_it_captures() {
    for rule in rules::RULES {
        let pattern = Regex::new(rule.pattern).unwrap_or_else(|error| panic!("{}: {error}", rule.pattern));
        let groups = pattern.captures_len() - 1;
        for text in [rule.meaning, rule.action] {
            let highest =
                text.split('$').skip(1).filter_map(|part| part.chars().next()?.to_digit(10)).max().unwrap_or(0);
            assert!(highest as usize <= groups, "{text} wants more than {} captures", rule.pattern);
            assert_eq!(
                text.matches('$').count(),
                text.split('$').skip(1).filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count()
            );
        }
    }
}

#[test]
fn our_own_scripts_speak_for_themselves() {
    let log =
        "noise\nnextdeploy: error: `.next/standalone` is missing\nnextdeploy: hint: remove `output` from next.config\n";
    let found = explanation("exit code: 1", Some(1), log).unwrap();
    assert_eq!(found.meaning, "`.next/standalone` is missing");
    assert_eq!(found.action, "remove `output` from next.config");
}

#[test]
fn a_kill_without_a_word_is_explained_and_the_unknown_is_not() {
    assert_eq!(
        explanation("exit code: 137", Some(137), "Creating an optimized build").unwrap().code,
        "builder/out-of-memory"
    );
    assert_eq!(explanation("exit code: 1", Some(1), "something else entirely"), None);
}

//! No part of a secret that is worth something is left, whatever stands around or inside of it.

use proptest::prelude::*;

use super::*;

fn redactor(values: &[&str]) -> Redactor {
    let redactor = Redactor::default();
    for value in values {
        redactor.add(value.as_bytes());
    }
    redactor
}

#[track_caller]
fn check(values: &[&str], text: &str, expected: &str) {
    assert_eq!(redactor(values).redact(text), expected);
}

#[test]
fn every_line_of_a_secret_is_taken_out_and_ordinary_words_stay() {
    check(
        &["first-line-1234\nsecond-line-5678\n", "npm"],
        "a first-line-1234 b second-line-5678 npm",
        "a [secret] b [secret] npm",
    );
    check(&[], "nothing is known", "nothing is known");
    check(&["production"], "build for production", "build for production");
}

#[test]
fn secrets_that_overlap_leave_nothing() {
    check(&["abcdefgh12345678", "12345678wxyz"], "<abcdefgh12345678wxyz>", "<[secret]>");
    check(&["abcdefgh", "abcdefgh12345678"], "abcdefgh12345678abcdefgh", "[secret]");
}

#[test]
fn terminal_codes_inside_of_a_secret_do_not_hide_it() {
    let secret = &["tok3n-0123456789"];
    check(secret, "a tok3n\x1b[31m-01234\x1b[0m56789 b", "a [secret]\x1b[31m\x1b[0m b");
    check(secret, "to\0k3n-0\u{200b}1234567\r89", "[secret]");
    check(secret, "\x1b]0;tok3n-0123456789\x07", "\x1b]0;[secret]\x07");
    check(secret, "tok3n\x1b]8;;http://x\x07-0123456789", "[secret]");
}

#[test]
fn the_beginning_of_a_secret_at_a_cut_is_taken_out() {
    let redactor = redactor(&["tok3n-0123456789"]);
    assert_eq!(redactor.redact_cut("a tok3n-01234567"), "a [secret]");
    assert_eq!(redactor.redact_cut("a tok3\x1b[0mn"), "a [secret]\x1b[0m");
    assert_eq!(redactor.redact_cut("a tok"), "a tok");
    assert_eq!(redactor.redact("a tok3n-01234567"), "a tok3n-01234567");
}

#[test]
fn values_that_come_later_are_hidden_too() {
    let redactor = redactor(&["first-value"]);
    assert_eq!(redactor.redact("first-value second-value"), "[secret] second-value");
    redactor.clone().add(b"second-value");
    assert_eq!(redactor.redact("first-value second-value"), "[secret] [secret]");
}

#[test]
fn large_values_and_long_lines_take_neither_time_nor_memory() {
    let lines: Vec<String> = (0_u32..8000).map(|n| format!("{:064}", n.wrapping_mul(2_654_435_761))).collect();
    let key = lines.join("\n");
    let redactor = redactor(&[&key, &"a".repeat(100_000)]);
    let line = "a".repeat(1_000_000);
    assert_eq!(redactor.redact(&line), REDACTED);
    assert_eq!(redactor.redact(&lines[7]), REDACTED);
}

const CODES: [&str; 6] = ["\x1b[31m", "\x1b[0m", "\x1b[1;32m", "\0", "\u{200b}", "\x1b[2K"];

/// Every run of characters of `secret` that tells something.
fn is_told(text: &str, secret: &str) -> bool {
    const TELLING: usize = 6;
    let characters: Vec<char> = secret.chars().collect();
    characters.windows(TELLING).any(|window| text.contains(&String::from_iter(window)))
}

fn without_codes(text: &str) -> String {
    views(text).last().map(|view| view.seen.to_string()).unwrap_or_default()
}

proptest! {
    #[test]
    fn nothing_of_a_secret_is_left(
        secret in "[!-~é]{12,300}",
        // None of its characters can be a part of the secret that is looked for.
        before in "[ \t]{0,20}", after in "[ \t]{0,20}",
        codes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&CODES[..])), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let redactor = redactor(&[&secret]);
        let mut text: Vec<String> = format!("{before}{secret}{after}").chars().map(String::from).collect();
        for (at, code) in codes {
            let at = at.index(text.len() + 1);
            text.insert(at, code.to_owned());
        }
        let whole = text.concat();
        let shown = redactor.redact(&whole);
        prop_assert!(!is_told(&without_codes(&shown), &secret), "{:?}", shown);
        let shown = redactor.redact_cut(&whole);
        prop_assert!(!is_told(&without_codes(&shown), &secret), "{:?}", shown);
        let cut = text[..cut.index(text.len() + 1)].concat();
        let shown = redactor.redact_cut(&cut);
        prop_assert!(!is_told(&without_codes(&shown), &secret), "{:?} from {:?}", shown, cut);
    }

    #[test]
    fn no_encoded_form_is_left(secret in "[!-~]{8,80}", user in "[a-z]{1,5}") {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let redactor = redactor(&[&secret]);
        let json = serde_json::to_string(&secret).unwrap();
        let texts = [
            STANDARD.encode(format!("{user}:{secret}")),
            URL_SAFE_NO_PAD.encode(format!("{user}:{secret}")),
            json[1..json.len() - 1].to_owned(),
            json.replace('/', "\\/"),
            reqwest::Url::parse_with_params("http://h/", [("q", &secret)]).unwrap().query().unwrap().to_owned(),
        ];
        for text in texts {
            let shown = redactor.redact(&text);
            prop_assert!(shown.contains(REDACTED) && shown.len() <= REDACTED.len() + 16, "{} from {}", shown, text);
        }
    }

    #[test]
    fn a_text_without_secrets_stays(text in "(\\PC|[\\n\\r\x1b])*") {
        let redactor = redactor(&["0123456789-not-in-there"]);
        prop_assume!(shapes::find(&text).is_empty());
        prop_assert_eq!(redactor.redact(&text), text.as_str());
    }
}

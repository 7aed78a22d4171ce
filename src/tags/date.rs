//! Times by the tokens of Moment.js (momentjs.com, "Format") that tags are made of. English.

use chrono::{DateTime, Datelike, NaiveDate};
use chrono_tz::Tz;

/// Tokens with what they mean to [`DateTime::format`], those first that begin with a shorter one. Those without a meaning there are
/// formatted by [`field`].
const TOKENS: &[(&str, &str)] = &[
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DDDD", "%j"),
    ("DDD", "%-j"),
    ("Do", ""),
    ("DD", "%d"),
    ("D", "%-d"),
    ("dddd", "%A"),
    ("ddd", "%a"),
    ("d", "%w"),
    ("E", "%u"),
    ("ww", ""),
    ("w", ""),
    ("WW", "%V"),
    ("W", "%-V"),
    ("Q", ""),
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("Y", "%-Y"),
    ("gggg", ""),
    ("gg", ""),
    ("GGGG", "%G"),
    ("GG", "%g"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("A", "%p"),
    ("a", "%P"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("s", "%-S"),
    // Times here are whole seconds.
    ("S", "0"),
    ("X", "%s"),
    ("x", ""),
    ("ZZ", "%z"),
    ("Z", "%:z"),
    ("z", "%Z"),
];

/// Tokens of Moment.js that are refused: localised formats, joined times, eras, ordinals. The longest first.
const UNSUPPORTED: &[&str] = &[
    "LTS", "LT", "L", "l", "Hmm", "hmm", "k", "Mo", "DDDo", "do", "wo", "Wo", "Qo", "YYYYY", "GGGGG", "ggggg", "e",
    "N", "y",
];

/// Part of a format.
enum Piece<'a> {
    Literal(&'a str),
    Token { token: &'static str, meaning: &'static str },
    Unsupported(&'static str),
}

/// What stands in brackets or behind a backslash is literal.
fn pieces(format: &str) -> impl Iterator<Item = Piece<'_>> {
    let token = |text: &str| TOKENS.iter().find(|(token, _)| text.starts_with(token));
    let mut rest = format;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let bracket = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        if let Some((inside, after)) = bracket.filter(|(inside, _)| !inside.contains('[')) {
            rest = after;
            return Some(Piece::Literal(inside));
        }
        if let Some(after) = rest.strip_prefix('\\') {
            let escaped = token(after).map_or(0, |(token, _)| token.len());
            rest = &after[escaped..];
            return Some(Piece::Literal(&after[..escaped]));
        }
        if let Some(unsupported) = UNSUPPORTED.iter().find(|token| rest.starts_with(*token)) {
            rest = &rest[unsupported.len()..];
            return Some(Piece::Unsupported(unsupported));
        }
        if let Some((token, meaning)) = token(rest) {
            rest = &rest[token.len()..];
            return Some(Piece::Token { token, meaning });
        }
        let (literal, after) = rest.split_at(first.len_utf8());
        rest = after;
        Some(Piece::Literal(literal))
    })
}

/// The first token of Moment.js in `format` that [`format()`] does not support.
pub(super) fn unsupported_token(format: &str) -> Option<&'static str> {
    pieces(format).find_map(|piece| match piece {
        Piece::Unsupported(token) => Some(token),
        Piece::Literal(_) | Piece::Token { .. } => None,
    })
}

/// `seconds` since the epoch in `zone`; empty for a time that no calendar has.
pub(super) fn format(seconds: i64, format: &str, zone: Tz) -> String {
    let Some(time) = DateTime::from_timestamp(seconds, 0) else { return String::new() };
    let time = time.with_timezone(&zone);
    pieces(format)
        .map(|piece| match piece {
            Piece::Literal(text) | Piece::Unsupported(text) => text.to_owned(),
            Piece::Token { token, meaning: "" } => field(token, &time),
            Piece::Token { meaning, .. } => time.format(meaning).to_string(),
        })
        .collect()
}

fn field(token: &str, time: &DateTime<Tz>) -> String {
    let (week_year, week) = sunday_week(time.date_naive());
    match token {
        "Q" => time.quarter().to_string(),
        "Do" => nth(time.day()),
        "w" => week.to_string(),
        "ww" => format!("{week:02}"),
        "gg" => format!("{:02}", week_year.unsigned_abs() % 100),
        "gggg" => format!("{week_year:04}"),
        // `x`
        _ => time.timestamp_millis().to_string(),
    }
}

/// `1st`, `2nd`, `11th`.
fn nth(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Year and number of the week, where weeks begin on Sunday and the first one holds the first of January.
fn sunday_week(date: NaiveDate) -> (i32, u32) {
    let first_weekday =
        |year| NaiveDate::from_ymd_opt(year, 1, 1).map_or(0, |first| first.weekday().num_days_from_sunday());
    let days_left = NaiveDate::from_ymd_opt(date.year(), 12, 31).map_or(0, |last| last.ordinal() - date.ordinal());
    if date.weekday().num_days_from_sunday() + days_left < 6 {
        return (date.year() + 1, 1);
    }
    (date.year(), (date.ordinal0() + first_weekday(date.year())) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_moment() {
        // Friday, 10 January 2020, 15:25:50 UTC.
        let check = |pattern: &str, expected: &str| {
            assert_eq!(format(1_578_669_950, pattern, Tz::UTC), expected, "{pattern}");
        };
        check("YYYYMMDD", "20200110");
        check("dddd, MMMM Do YYYY, h:mm:ss a", "Friday, January 10th 2020, 3:25:50 pm");
        check("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2020-01-10T15:25:50.000Z");
        check("[today is] \\D D", "today is D 10");
        check("DDD DDDD d ddd E", "10 010 5 Fri 5");
        check("w ww W WW gggg GGGG Q", "2 02 2 02 2020 2020 1");
        check("H hh A X x", "15 03 PM 1578669950 1578669950000");
        check("Z ZZ z", "+00:00 +0000 UTC");
        check("YY Y [[open] ü", "20 2020 [open ü");
    }

    #[test]
    fn unsupported_tokens_are_found_unless_they_are_literal() {
        for (pattern, expected) in [
            ("YYYY L", Some("L")),
            ("YYYYY", Some("YYYYY")),
            ("Hmm", Some("Hmm")),
            ("HH-mm wo", Some("wo")),
            ("[release] YYYY", None),
            ("YYYY-MM-DD HHmmss.SSS", None),
        ] {
            assert_eq!(unsupported_token(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn zones_shift_the_day() {
        let tokyo: Tz = "Asia/Tokyo".parse().unwrap();
        assert_eq!(format(1_578_615_900, "YYYYMMDD-HHmmss z Z", tokyo), "20200110-092500 JST +09:00");
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        assert_eq!(format(1_594_000_000, "HH z ZZ", berlin), "03 CEST +0200");
        assert_eq!(format(i64::MAX, "YYYY", berlin), "");
    }

    #[test]
    fn weeks_around_new_year() {
        let week = |year, month, day| sunday_week(NaiveDate::from_ymd_opt(year, month, day).unwrap());
        assert_eq!(week(2019, 12, 28), (2019, 52));
        assert_eq!(week(2019, 12, 29), (2020, 1));
        assert_eq!(week(2020, 1, 4), (2020, 1));
        assert_eq!(week(2022, 12, 31), (2022, 53));
        assert_eq!(week(2023, 1, 1), (2023, 1));
    }
}

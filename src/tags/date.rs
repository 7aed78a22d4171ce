//! Times by the tokens of Moment.js (momentjs.com, "Format"), English.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike};
use chrono_tz::{OffsetName, Tz};

/// Tokens, those first that begin with a shorter one.
const TOKENS: &[&str] = &[
    "Hmmss",
    "hmmss",
    "Hmm",
    "hmm",
    "MMMM",
    "MMM",
    "Mo",
    "MM",
    "M",
    "DDDD",
    "DDDo",
    "DDD",
    "Do",
    "DD",
    "D",
    "dddd",
    "ddd",
    "dd",
    "do",
    "d",
    "wo",
    "ww",
    "w",
    "Wo",
    "WW",
    "W",
    "Qo",
    "Q",
    "YYYYYY",
    "YYYYY",
    "YYYY",
    "YY",
    "Y",
    "ggggg",
    "gggg",
    "gg",
    "GGGGG",
    "GGGG",
    "GG",
    "e",
    "E",
    "a",
    "A",
    "hh",
    "h",
    "HH",
    "H",
    "kk",
    "k",
    "mm",
    "m",
    "ss",
    "s",
    "SSSSSSSSS",
    "SSSSSSSS",
    "SSSSSSS",
    "SSSSSS",
    "SSSSS",
    "SSSS",
    "SSS",
    "SS",
    "S",
    "x",
    "X",
    "zz",
    "z",
    "ZZ",
    "Z",
];
/// Formats that stand for others.
const LONG: &[(&str, &str)] = &[
    ("LTS", "h:mm:ss A"),
    ("LT", "h:mm A"),
    ("LLLL", "dddd, MMMM D, YYYY h:mm A"),
    ("LLL", "MMMM D, YYYY h:mm A"),
    ("LL", "MMMM D, YYYY"),
    ("L", "MM/DD/YYYY"),
    ("llll", "ddd, MMM D, YYYY h:mm A"),
    ("lll", "MMM D, YYYY h:mm A"),
    ("ll", "MMM D, YYYY"),
    ("l", "M/D/YYYY"),
];

/// `seconds` since the epoch in `zone`; empty for a time that no calendar has.
pub(super) fn format(seconds: i64, format: &str, zone: Tz) -> String {
    let Some(time) = DateTime::from_timestamp(seconds, 0) else { return String::new() };
    let time = time.with_timezone(&zone);
    let long = |text: &str| LONG.iter().find(|(token, _)| text.starts_with(token)).copied();
    let expanded = replace_tokens(
        format,
        |text| long(text).map(|(token, meaning)| (token.len(), meaning.to_owned())),
        Keep::Marks,
    );
    replace_tokens(
        &expanded,
        |text| {
            let token = TOKENS.iter().find(|token| text.starts_with(**token))?;
            Some((token.len(), field(token, &time)))
        },
        Keep::Nothing,
    )
}

/// Whether `[…]` and `\` stay for a second pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Marks,
    Nothing,
}

/// Replaces what `token` finds at a place by its value; what stands in brackets or behind a backslash is not looked at.
fn replace_tokens(format: &str, token: impl Fn(&str) -> Option<(usize, String)>, keep: Keep) -> String {
    let mut result = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let bracket = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        if let Some((inside, after)) = bracket.filter(|(inside, _)| !inside.contains('[')) {
            result.push_str(if keep == Keep::Marks { &rest[..inside.len() + 2] } else { inside });
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\\') {
            let escaped = TOKENS.iter().find(|token| after.starts_with(**token)).map_or(0, |token| token.len());
            result.push_str(if keep == Keep::Marks { &rest[..=escaped] } else { &after[..escaped] });
            rest = &after[escaped..];
        } else if let Some((length, value)) = token(rest) {
            result.push_str(&value);
            rest = &rest[length..];
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

fn field(token: &str, time: &DateTime<Tz>) -> String {
    let (month, day, ordinal) = (time.month(), time.day(), time.ordinal());
    let weekday = time.weekday().num_days_from_sunday();
    let quarter = (month - 1) / 3 + 1;
    let name = |format: &str| time.format(format).to_string();
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (week_year, week) = sunday_week(time.date_naive());
    let iso = time.iso_week();
    match token {
        "M" => month.to_string(),
        "Mo" => nth(month),
        "MM" => two(month),
        "MMM" => name("%b"),
        "MMMM" => name("%B"),
        "Q" => quarter.to_string(),
        "Qo" => nth(quarter),
        "D" => day.to_string(),
        "Do" => nth(day),
        "DD" => two(day),
        "DDD" => ordinal.to_string(),
        "DDDo" => nth(ordinal),
        "DDDD" => format!("{ordinal:03}"),
        "d" | "e" => weekday.to_string(),
        "do" => nth(weekday),
        "dd" => name("%a").chars().take(2).collect(),
        "ddd" => name("%a"),
        "dddd" => name("%A"),
        "E" => time.weekday().number_from_monday().to_string(),
        "w" => week.to_string(),
        "wo" => nth(week),
        "ww" => two(week),
        "W" => iso.week().to_string(),
        "Wo" => nth(iso.week()),
        "WW" => two(iso.week()),
        "Y" => time.year().to_string(),
        "YY" => two(time.year().unsigned_abs() % 100),
        "YYYY" => format!("{:04}", time.year()),
        "YYYYY" => format!("{:05}", time.year()),
        "YYYYYY" => format!("{:+07}", time.year()),
        "gg" => two(week_year.unsigned_abs() % 100),
        "gggg" => format!("{week_year:04}"),
        "ggggg" => format!("{week_year:05}"),
        "GG" => two(iso.year().unsigned_abs() % 100),
        "GGGG" => format!("{:04}", iso.year()),
        "GGGGG" => format!("{:05}", iso.year()),
        "A" => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        "a" => (if hour < 12 { "am" } else { "pm" }).to_owned(),
        "H" => hour.to_string(),
        "HH" => two(hour),
        "h" => hour12.to_string(),
        "hh" => two(hour12),
        "k" => (if hour == 0 { 24 } else { hour }).to_string(),
        "kk" => two(if hour == 0 { 24 } else { hour }),
        "Hmm" => format!("{hour}{minute:02}"),
        "Hmmss" => format!("{hour}{minute:02}{second:02}"),
        "hmm" => format!("{hour12}{minute:02}"),
        "hmmss" => format!("{hour12}{minute:02}{second:02}"),
        "m" => minute.to_string(),
        "mm" => two(minute),
        "s" => second.to_string(),
        "ss" => two(second),
        "X" => time.timestamp().to_string(),
        "x" => time.timestamp_millis().to_string(),
        "z" | "zz" => time.offset().abbreviation().unwrap_or("UTC").to_owned(),
        "Z" => offset(time, ":"),
        "ZZ" => offset(time, ""),
        // Times here are whole seconds.
        fraction => "0".repeat(fraction.len()),
    }
}

fn two(number: u32) -> String {
    format!("{number:02}")
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

fn offset<Z: TimeZone>(time: &DateTime<Z>, separator: &str) -> String {
    let seconds = time.offset().fix().local_minus_utc();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let mut text = String::new();
    let _ = write!(text, "{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60);
    text
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
        check("DDD DDDo DDDD d do dd ddd E", "10 10th 010 5 5th Fr Fri 5");
        check("w ww W WW gggg GGGG Q Qo", "2 02 2 02 2020 2020 1 1st");
        check("H k hh A Hmm hmmss X x", "15 15 03 PM 1525 32550 1578669950 1578669950000");
        check("Z ZZ z", "+00:00 +0000 UTC");
        check("L LT", "01/10/2020 3:25 PM");
        check("LLLL", "Friday, January 10, 2020 3:25 PM");
        check("YY Y [[open] ü", "20 2020 [open ü");
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

//! Points in time as people type them: a date with time, or how long ago. Pure; never asks the clock.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// What `text` means at the time `now`: RFC 3339, a date (its begin, UTC), seconds since the epoch, or a time ago such as `1h30m`.
pub fn parse_moment(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    if let Ok(seconds) = text.parse::<u32>() {
        return DateTime::from_timestamp(seconds.into(), 0);
    }
    now.checked_sub_signed(ago(text)?)
}

fn ago(text: &str) -> Option<TimeDelta> {
    let mut rest = text;
    let mut total = TimeDelta::zero();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let seconds = match rest[digits..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(&TimeDelta::try_seconds(number.checked_mul(seconds)?)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_times_ago() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        for (text, expected) in [
            ("1970-01-12T13:46:40Z", Some(1_000_000)),
            ("1970-01-12T15:46:40+02:00", Some(1_000_000)),
            ("1970-01-02", Some(86_400)),
            ("1795316419", Some(1_795_316_419)),
            ("90s", Some(999_910)),
            ("1h30m", Some(994_600)),
            ("2d", Some(827_200)),
            ("", None),
            ("h", None),
            ("10", Some(10)),
            ("10 m", None),
            ("-5m", None),
            ("yesterday", None),
            ("99999999999999999999d", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(parse_moment(text, now).map(|time| time.timestamp()), expected, "{text}");
        }
    }
}

use super::*;

const AT: &str = "2026-11-22T03:00:24.934791581Z ";

fn frame(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let text = parts.concat();
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[kind, 0, 0, 0][..], &length, &text].concat()
}

fn lines_of(records: Records, tty: bool, bytes: &[u8], chunk_size: usize) -> Vec<LogLine> {
    let mut assembler = Assembler::new(tty, records);
    let mut ready = VecDeque::new();
    for chunk in bytes.chunks(chunk_size) {
        assembler.feed(Bytes::copy_from_slice(chunk), &mut ready).unwrap();
    }
    assembler.finish(&mut ready);
    ready.into()
}

fn lines(tty: bool, bytes: &[u8], chunk_size: usize) -> Vec<LogLine> {
    lines_of(Records::Docker, tty, bytes, chunk_size)
}

/// `stdout|stderr text`, the same however the bytes are cut; each line must have a time.
fn check(tty: bool, bytes: &[u8], expected: &[&str]) {
    for size in (1..=40).chain([bytes.len()]) {
        let seen: Vec<String> = lines(tty, bytes, size)
            .into_iter()
            .map(|line| {
                assert_eq!(line.time.unwrap().timestamp_subsec_nanos(), 934_791_581);
                let stream = if line.stream == LogStream::Stdout { "out" } else { "err" };
                format!("{stream} {}", String::from_utf8(line.text).unwrap())
            })
            .collect();
        assert_eq!(seen, expected, "{size}");
    }
}

#[test]
fn lines_of_both_streams_stay_apart() {
    let bytes = [
        frame(1, &[AT.as_bytes(), b"one\n"]),
        frame(2, &[AT.as_bytes(), b"oh no\n"]),
        frame(1, &[AT.as_bytes(), b"\n"]),
        frame(1, &[AT.as_bytes(), b"without end"]),
    ]
    .concat();
    check(false, &bytes, &["out one", "err oh no", "out ", "out without end"]);
}

#[test]
fn records_of_one_line_become_one_line_again() {
    let long = "y".repeat(RECORD);
    let bytes = [
        frame(1, &[AT.as_bytes(), long.as_bytes()]),
        frame(2, &[AT.as_bytes(), b"between\n"]),
        frame(1, &[AT.as_bytes(), b"line\n"]),
    ]
    .concat();
    check(false, &bytes, &["err between", &format!("out {long}line")]);
}

#[test]
fn a_last_record_without_line_break_ends_its_line_with_docker_only() {
    let bytes = [
        frame(1, &[AT.as_bytes(), &[b'y'; RECORD]]),
        frame(1, &[AT.as_bytes(), b"end"]),
        frame(1, &[AT.as_bytes(), b"next\n"]),
        frame(1, &[AT.as_bytes(), b"\n"]),
    ]
    .concat();
    let lengths =
        |records| -> Vec<usize> { lines_of(records, false, &bytes, 1000).iter().map(|line| line.text.len()).collect() };
    assert_eq!(lengths(Records::Docker), [RECORD + 3, 4, 0]);
    assert_eq!(lengths(Records::Other), [RECORD + 7, 0]);
}

#[test]
fn a_time_in_the_text_is_text() {
    let bytes =
        [frame(1, &[AT.as_bytes(), AT.as_bytes(), b"said the app\n"]), frame(1, &[AT.as_bytes(), b"2026-11-22\n"])]
            .concat();
    check(false, &bytes, &["out 2026-11-22T03:00:24.934791581Z said the app", "out 2026-11-22"]);
}

#[test]
fn records_without_time_lose_nothing() {
    for text in ["plain", "2026-11-22", "20 26", "", " x", "2026-11-22T03:00:24.934791581234567890Z later"] {
        let bytes = frame(1, &[text.as_bytes(), b"\n"]);
        for size in 1..=bytes.len() {
            let seen = lines(false, &bytes, size);
            assert_eq!(
                (seen.len(), seen[0].time, seen[0].text.as_slice()),
                (1, None, text.as_bytes()),
                "{text} {size}"
            );
        }
    }
}

#[test]
fn bytes_are_kept_as_they_are() {
    let wild = b"\xff\xfe\x00\x1b[31m\r\x01";
    let bytes = frame(2, &[AT.as_bytes(), wild, b"\n"]);
    let seen = lines(false, &bytes, 3);
    assert_eq!((seen[0].text.as_slice(), seen[0].stream), (&wild[..], LogStream::Stderr));
}

#[test]
fn a_terminal_has_its_own_line_breaks_and_records() {
    let long = "x".repeat(RECORD + 5);
    let bytes = format!("{AT}hello\r\n{AT}{}{AT}{}\r\n{AT}end\r\n", &long[..RECORD], &long[RECORD..]);
    check(true, bytes.as_bytes(), &["out hello", &format!("out {long}"), "out end"]);
}

#[test]
fn a_line_without_end_comes_in_parts() {
    let mut assembler = Assembler::new(false, Records::Docker);
    let mut ready = VecDeque::new();
    let record = frame(1, &[AT.as_bytes(), &[b'x'; RECORD]]);
    let (mut parts, mut total) = (0, 0);
    for _ in 0..(5 * LONGEST_LINE / RECORD) {
        assembler.feed(Bytes::copy_from_slice(&record), &mut ready).unwrap();
        assert!(assembler.stdout.text.capacity() <= 2 * LONGEST_LINE);
        while let Some(part) = ready.pop_front() {
            assert!(part.time.is_some());
            (parts, total) = (parts + 1, total + part.text.len());
        }
    }
    assembler.finish(&mut ready);
    assert_eq!((parts, total, ready.len()), (5, 5 * LONGEST_LINE, 0));
}

#[test]
fn what_is_asked_for() {
    let at = DateTime::from_timestamp(12, 34).unwrap();
    let options = LogOptions { follow: true, tail: Some(0), since: Some(at), until: Some(at) };
    assert_eq!(
        logs_uri("shop", &options).as_str(),
        "/containers/shop/logs?stdout=1&stderr=1&timestamps=1&follow=1&tail=0&since=12.000000034&until=12.000000034"
    );
    assert_eq!(
        logs_uri("shop", &LogOptions::default()).as_str(),
        "/containers/shop/logs?stdout=1&stderr=1&timestamps=1"
    );
}

#[test]
fn points_in_time_are_absolute_or_relative() {
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

//! Logs arrive at every destination complete and exactly once, whatever happens to the receivers and the program.

use std::fs;
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clients::{Endpoint, Listener, TOKEN, open_socket};
use super::harness::{Desk, Managed, messages, messages_in, wait_for};
use crate::docker::Engine;

/// Prints `lines` lines to each stream as fast as possible, then waits. Each line contains its stream.
fn burst(lines: u32) -> String {
    format!(
        "const write = (stream, name) => {{ let n = 0; const go = () => {{ while (n < {lines}) {{ \
         if (!stream.write(name + ' ' + n++ + ' ' + 'x'.repeat(80) + '\\n')) return stream.once('drain', go) }} }}; go() }}; \
         setTimeout(() => {{ write(process.stdout, 'out'); write(process.stderr, 'err') }}, 1500); setInterval(Boolean, 1e6)"
    )
}

/// Fails unless `messages` contains every line of [`burst`] exactly once, and each stream in order.
fn assert_complete(place: &str, messages: &[String], lines: u32) {
    for stream in ["out", "err"] {
        let ours = messages.iter().filter_map(|message| message.strip_prefix(stream));
        let numbers: Vec<u32> = ours.map(|rest| rest.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        let expected: Vec<u32> = (0..lines).collect();
        let first_wrong = numbers.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert!(
            numbers == expected,
            "{place}: {} of {lines} lines of {stream}, wrong at {first_wrong:?}",
            numbers.len()
        );
    }
}

#[test]
fn thousands_of_lines_reach_file_endpoint_and_socket() {
    const LINES: u32 = 40_000;
    let engine = Engine::with_base(22);
    let (app, desk) = ("nd-sup-burst", Desk::new(&engine));
    let port = Endpoint::free_port();
    let url = format!("http://127.0.0.1:{port}/in");
    let file = desk.path("app.log");
    let options = ["--log-file", file.to_str().unwrap(), "--log-file-size", "1g", "--log-url", &url];
    let tokens = ["--log-token", "env:SUPERVISE_TOKEN", "--token", "env:SUPERVISE_TOKEN"];
    let supervisor = desk.supervise(&[&[app][..], &options, &tokens].concat());
    let listener = Listener::open(supervisor.address, "");
    let other = Listener::open(supervisor.address, "&container=nd-sup-burst-b");
    let names = ["nd-sup-burst-a", "nd-sup-burst-b"];
    let _containers = names.map(|name| Managed::run(&engine, name, app, &[], &burst(LINES)));
    supervisor.wait_for_words("cannot send logs, buffering them on disk");
    let all = 4 * LINES as usize;
    let forwarded = |sink| {
        let sample = format!("nextdeploy_log_lines_forwarded_total{{sink=\"{sink}\"}}");
        supervisor.metric(&sample).unwrap_or_default()
    };
    wait_for("all lines in the file", || (forwarded("file") >= f64::from(4 * LINES)).then_some(()));
    assert!(supervisor.metric("nextdeploy_log_buffer_bytes").unwrap() > 1e6, "lines wait on disk");
    let endpoint = Endpoint::start(port, &[503, 429]);
    wait_for("all lines at the endpoint", || (endpoint.count() >= all).then_some(()));
    wait_for("all lines at the client", || (listener.count() >= all).then_some(()));
    for name in names {
        assert_complete("file", &messages(&file, name), LINES);
        assert_complete("endpoint", &messages_in(endpoint.lines().iter().map(String::as_str), name), LINES);
        assert_complete("socket", &messages_in(listener.lines().iter().map(String::as_str), name), LINES);
    }
    assert_eq!(messages_in(other.lines().iter().map(String::as_str), names[0]), [] as [&str; 0]);
    assert_complete("socket", &messages_in(other.lines().iter().map(String::as_str), names[1]), LINES);
    assert!(endpoint.tokens().iter().all(|token| *token == format!("Bearer {TOKEN}")));
    for sink in ["file", "url", "websocket"] {
        let sample = format!("nextdeploy_log_lines_dropped_total{{sink=\"{sink}\"}}");
        assert_eq!(supervisor.metric(&sample), Some(0.0), "{sink}");
    }
    let peak = supervisor.peak_memory();
    assert!(peak < 120 * 1024, "{peak} KiB at most");
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!(code, Some(143), "{told}");
    assert_eq!(told.matches("cannot send logs").count(), 1, "{told}");
    assert!(told.contains("sending logs again"), "{told}");
    assert!(!told.contains(TOKEN), "{told}");
    assert_eq!(listener.closed(), Some(1001));
}

/// A line every few milliseconds, numbered.
const TICKS: &str = "let n = 0; setInterval(() => { for (let i = 0; i < 5; i++) console.log('tick ' + n++) }, 5)";

fn numbers(messages: &[String]) -> Vec<u32> {
    messages.iter().map(|message| message.strip_prefix("tick ").unwrap().parse().unwrap()).collect()
}

#[test]
fn forwarding_resumes_after_a_restart() {
    let engine = Engine::with_base(22);
    let (app, desk) = ("nd-sup-again", Desk::new(&engine));
    let file = desk.path("app.log");
    let arguments = [app, "--log-file", file.to_str().unwrap(), "--log-file-size", "1g"];
    let first = desk.supervise(&arguments);
    let container = Managed::run(&engine, "nd-sup-again-a", app, &[], TICKS);
    let count = || messages(&file, &container.name).len();
    wait_for("the first lines", || (count() > 500).then_some(()));
    assert_eq!(first.end(Signal::TERM).0, Some(143));
    let at_the_end = count();
    sleep(Duration::from_secs(2));
    let second = desk.supervise(&arguments);
    wait_for("more lines", || (count() > at_the_end + 1500).then_some(()));
    // Killed without a chance to write anything.
    assert_eq!(second.end(Signal::KILL).0, None);
    sleep(Duration::from_secs(1));
    let killed_at = count();
    let third = desk.supervise(&arguments);
    wait_for("the last lines", || (count() > killed_at + 1500).then_some(()));
    assert_eq!(third.end(Signal::TERM).0, Some(143));
    let found = numbers(&messages(&file, &container.name));
    let clean = &found[..killed_at];
    assert!(clean.iter().copied().eq(0..u32::try_from(killed_at).unwrap()), "lines were lost or came twice");
    let mut all = found.clone();
    all.sort_unstable();
    all.dedup();
    assert!(all.iter().copied().eq(0..u32::try_from(all.len()).unwrap()), "lines were lost");
    // At most the lines after the last saved positions; 1000 lines are printed per second.
    let twice = found.len() - all.len();
    assert!(twice < 5000, "{twice} lines came twice after a kill");
}

#[test]
fn standard_output_is_always_json_lines() {
    let engine = Engine::with_base(22);
    let (app, desk) = ("nd-sup-bytes", Desk::new(&engine));
    let supervisor = desk.supervise(&[app, "--log", "stdout"]);
    // The default driver, json-file, replaces such bytes itself.
    let script = "process.stdout.write(Buffer.from([0xff, 0xfe, 0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x07, 0x0a])); \
                  process.stderr.write('\\u009b31m {\"a\": \"b\"}\\n'); setInterval(Boolean, 1000)";
    let container = Managed::run(&engine, "nd-sup-bytes-a", app, &["--log-driver", "local"], script);
    wait_for("both lines", || (messages(&supervisor.stdout, &container.name).len() == 2).then_some(()));
    let text = fs::read_to_string(&supervisor.stdout).unwrap();
    assert!(text.lines().all(|line| !line.contains(char::is_control)), "{text:?}");
    let mut records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records.sort_by_key(|record| record["stream"].to_string());
    assert_eq!(records[0]["message"], "\u{9b}31m {\"a\": \"b\"}");
    assert_eq!((&records[0]["app"], &records[0]["stream"]), (&app.into(), &"stderr".into()));
    assert_eq!(records[1]["message"], "\u{fffd}\u{fffd}\u{1b}[31m\u{7}");
    assert_eq!(records[1]["invalidUtf8"], true);
    assert!(records[1]["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_client_that_does_not_read_is_dropped_without_blocking_others() {
    const LINES: u32 = 200_000;
    let engine = Engine::with_base(22);
    let (app, desk) = ("nd-sup-slow", Desk::new(&engine));
    let file = desk.path("app.log");
    let options = ["--log-file", file.to_str().unwrap(), "--log-file-size", "1g", "--token", "env:SUPERVISE_TOKEN"];
    let supervisor = desk.supervise(&[&[app][..], &options].concat());
    let mut slow = open_socket(supervisor.address, "/logs", &format!("Authorization: Bearer {TOKEN}\r\n")).unwrap();
    let container = Managed::run(&engine, "nd-sup-slow-a", app, &[], &burst(LINES));
    let forwarded = "nextdeploy_log_lines_forwarded_total{sink=\"file\"}";
    wait_for("all lines", || (supervisor.metric(forwarded)? >= f64::from(2 * LINES)).then_some(()));
    assert_complete("file", &messages(&file, &container.name), LINES);
    supervisor.wait_for_words("disconnected a log client that was too slow");
    assert_eq!(supervisor.metric("nextdeploy_log_clients"), Some(0.0));
    let mut rest = Vec::new();
    let started = Instant::now();
    let _ = slow.read_to_end(&mut rest);
    assert!(started.elapsed() < Duration::from_secs(10), "the connection is closed");
    let peak = supervisor.peak_memory();
    assert!(peak < 120 * 1024, "{peak} KiB at most");
}

#[test]
fn logs_require_the_token() {
    let engine = Engine::with_base(22);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&["nd-sup-nothing", "--token", "env:SUPERVISE_TOKEN"]);
    let address = supervisor.address;
    for (target, header, status) in [
        ("/logs", "", 401),
        ("/logs?token=", "", 401),
        ("/logs?token=a-token-of-the-tests-7f3b", "", 401),
        ("/logs", "Authorization: Bearer wrong\r\n", 401),
    ] {
        assert_eq!(open_socket(address, target, header).err(), Some(status), "{target} {header}");
    }
    assert!(open_socket(address, &format!("/logs?token={TOKEN}"), "").is_ok());
    assert_eq!(supervisor.get(&format!("/logs?token={TOKEN}")).status, 400);
    let other = Desk::new(&engine);
    let without = other.supervise(&["nd-sup-nothing"]);
    assert_eq!(open_socket(without.address, &format!("/logs?token={TOKEN}"), "").err(), Some(404));
}

#[test]
fn removing_a_container_gives_no_warning() {
    const ROUNDS: usize = 4;
    let engine = Engine::with_base(22);
    let (app, desk) = ("nd-sup-removed", Desk::new(&engine));
    let file = desk.path("app.log");
    let supervisor = desk.supervise(&[app, "--log-file", file.to_str().unwrap()]);
    // With something to remove, the daemon needs a moment, during which it rejects log requests.
    let writes = "const fs = require('fs'); for (let n = 0; n < 4000; n++) fs.writeFileSync('/tmp/' + n, 'x'); \
                  console.log('ready'); setInterval(() => console.log('tick'), 5)";
    for round in 0..ROUNDS {
        let names = ["a", "b", "c"].map(|name| format!("nd-sup-removed-{name}{round}"));
        let containers = names.each_ref().map(|name| Managed::run(&engine, name, app, &[], writes));
        for container in &containers {
            wait_for("lines", || (messages(&file, &container.name).len() > 10).then_some(()));
        }
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        engine.docker(&[&["rm", "--force", "--volumes"][..], &all].concat());
        for name in &names {
            supervisor.wait_for_words(&format!("`{name}` is gone"));
        }
    }
    let (_, told) = supervisor.end(Signal::TERM);
    assert!(!told.contains("warning"), "{told}");
}

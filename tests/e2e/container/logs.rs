//! Container output: nothing lost, nothing changed, in bounded memory, and harmless on a terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use nextdeploy::docker::{LogDriver, LogLine, LogOptions, LogStream};

use super::{IMAGE, Lab, TEST_LABEL};
use crate::program::nextdeploy;
use crate::second_daemon::{SecondDaemon, kill_second_daemon};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nextdeploy");
const LINES: usize = 200_000;
/// Memory of the whole program in KiB, debug build; the output is larger.
const MOST_MEMORY: u64 = 60 * 1024;

/// Prints numbered lines as fast as possible, on both streams.
fn flood() -> String {
    format!(
        "const out = process.stdout, text = 'x'.repeat(400); let n = 0; \
         function more() {{ while (n < {LINES}) {{ n++; \
           if (n % 1000 === 0) process.stderr.write('err ' + n + '\\n'); \
           if (!out.write(n + ' ' + text + '\\n')) return out.once('drain', more) }} }} more()"
    )
}

fn follow(name: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["logs", "--follow", name]).env_remove("CI").env_remove("GITHUB_ACTIONS").stdin(Stdio::null());
    command
}

/// Peak memory of the process so far, in KiB.
fn peak_memory(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn check_numbers(text: impl BufRead) {
    let mut expected = 0;
    for line in text.lines() {
        expected += 1;
        assert!(line.unwrap().starts_with(&format!("{expected} x")), "line {expected} is missing");
    }
    assert_eq!(expected, LINES);
}

#[tokio::test]
async fn a_flood_of_output_is_complete_in_bounded_memory() {
    let lab = Lab::new("flood").await;
    let spec = lab.spec("one", &flood());
    lab.containers.create(&spec).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    lab.containers.start(spec.name.as_str()).await.unwrap();
    let begun = Instant::now();
    let mut process = follow(spec.name.as_str())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(&process));
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(100), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    };
    let took = begun.elapsed();
    assert!(status.success());
    check_numbers(BufReader::new(File::open(&out).unwrap()));
    assert_eq!(std::fs::read_to_string(&err).unwrap().lines().count(), LINES / 1000);
    #[expect(clippy::cast_precision_loss, reason = "a measure")]
    let rate = LINES as f64 / took.as_secs_f64();
    eprintln!("{LINES} lines followed in {took:?}: {rate:.0} lines/s, {peak} KiB at most");
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} KiB");
    // A debug build on a busy machine; see benches/logs for measurements.
    assert!(rate > 5_000.0, "{rate:.0} lines/s");
}

#[tokio::test]
async fn a_slow_reader_costs_no_memory_and_loses_nothing() {
    let lab = Lab::new("slow").await;
    let spec = lab.spec("one", &flood());
    let id = lab.run(&spec).await;
    let mut process = follow(&id).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::with_capacity(1024, process.stdout.take().unwrap());
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(first, *b"1");
    lab.containers.wait(&id).await.unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let peak = peak_memory(&process);
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} KiB");
    check_numbers(first.as_slice().chain(stdout));
    assert!(process.wait().unwrap().success());
}

async fn lines(lab: &Lab, id: &str, options: &LogOptions) -> Vec<LogLine> {
    lab.containers.logs(id, options).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn bytes_lines_and_times() {
    let lab = Lab::new("bytes").await;
    // 200,000 bytes in one line, binary data, an empty line, a line without a newline.
    let mut spec = lab.spec(
        "one",
        "process.stdout.write('y'.repeat(200000) + '\\n'); process.stderr.write(Buffer.from([0, 255, 27, 10, 10])); \
         setTimeout(() => process.stdout.write('no end'), 1500)",
    );
    // `json-file` itself replaces invalid UTF-8.
    spec.logging = LogDriver { driver: "local".into(), ..spec.logging };
    let id = lab.run(&spec).await;
    lab.containers.wait(&id).await.unwrap();
    let all = lines(&lab, &id, &LogOptions::default()).await;
    let of = |stream| all.iter().filter(move |line| line.stream == stream).collect::<Vec<_>>();
    let (out, err) = (of(LogStream::Stdout), of(LogStream::Stderr));
    assert!(out[0].text.len() == 200_000 && out[0].text.iter().all(|byte| *byte == b'y'), "{}", out[0].text.len());
    assert_eq!((out[1].text.as_slice(), out.len()), (&b"no end"[..], 2));
    let texts: Vec<&[u8]> = err.iter().map(|line| line.text.as_slice()).collect();
    assert_eq!(texts, [&[0, 255, 27][..], &[]]);
    assert!(all.iter().all(|line| line.time.is_some()));

    let last = out[1].time.unwrap();
    let since = LogOptions { since: Some(last), ..LogOptions::default() };
    assert_eq!(lines(&lab, &id, &since).await.len(), 1);
    let until = LogOptions { until: Some(last - chrono::TimeDelta::milliseconds(500)), ..LogOptions::default() };
    assert_eq!(lines(&lab, &id, &until).await.len(), 3);
    let tail = LogOptions { tail: Some(1), ..LogOptions::default() };
    assert_eq!(lines(&lab, &id, &tail).await[0].text, b"no end");
    assert!(lines(&lab, &id, &LogOptions { tail: Some(0), ..LogOptions::default() }).await.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM).args(["logs", &id]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.stderr, [0, 255, 27, 10, 10]);
}

#[tokio::test]
async fn a_container_with_a_terminal() {
    let lab = Lab::new("tty").await;
    let name = lab.name("one").to_string();
    let labels = [format!("{TEST_LABEL}={}", lab.name), "nextdeploy.managed=true".to_owned()];
    let script =
        "console.log('one'); console.error('\\x1b[31mtwo'); console.log('z'.repeat(40000)); console.log('end')";
    lab.engine.docker(&[
        "run", "--tty", "--name", &name, "--label", &labels[0], "--label", &labels[1], IMAGE, "node", "-e", script,
    ]);
    let all = lines(&lab, &name, &LogOptions::default()).await;
    let texts: Vec<String> = all.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect();
    assert_eq!(texts, ["one", "\u{1b}[31mtwo", &"z".repeat(40_000), "end"]);
    assert!(all.iter().all(|line| line.time.is_some()));
}

#[tokio::test]
async fn control_characters_are_escaped_on_a_terminal() {
    let lab = Lab::new("terminal").await;
    let id =
        lab.run(&lab.spec("one", "console.log('\\x1b[2J\\x1b]0;owned\\x07 ä'); console.log('::error::fake')")).await;
    lab.containers.wait(&id).await.unwrap();
    let on_terminal = |arguments: &str| {
        let line = format!("{PROGRAM} logs {arguments} {id}");
        let output = Command::new("script").args(["--quiet", "--return", "--command", &line, "/dev/null"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(on_terminal(""), "\\u{1b}[2J\\u{1b}]0;owned\\u{7} ä\r\n::error::fake\r\n");
    assert_eq!(on_terminal("--raw"), "\u{1b}[2J\u{1b}]0;owned\u{7} ä\r\n::error::fake\r\n");
    let folder = tempfile::tempdir().unwrap();
    let in_job = nextdeploy(&lab.engine, folder.path(), &["logs", "--ci", "github", &id]);
    assert!(!in_job.stdout.lines().any(|line| line.starts_with("::error")), "{}", in_job.stdout);
}

#[test]
fn a_daemon_that_dies_while_its_logs_are_followed() {
    let daemon = SecondDaemon::start("2g");
    let labels = ["--label", "nextdeploy.managed=true", "--label", "nextdeploy.app=nd-dying"];
    let script = "setInterval(() => console.log('tick'), 100)";
    let run = [&["run", "--detach", "--network", "none"][..], &labels, &[IMAGE, "node", "-e", script]].concat();
    daemon.engine.docker(&run);
    let mut command = follow("nd-dying");
    command.env("DOCKER_HOST", daemon.engine.host.as_ref().unwrap());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 5];
    process.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, *b"tick\n");
    kill_second_daemon();
    let begun = Instant::now();
    let output = process.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("daemon/connection-lost") && told.contains("log stream"), "{told}");
    assert_eq!(output.status.code(), Some(4));
}

//! The metrics are in the Prometheus text format and agree with docker.

use std::collections::{BTreeMap, BTreeSet};

use super::harness::{Desk, Managed, wait_for};
use crate::docker::Engine;

/// One sample: its labels, and its value.
type Sample = (BTreeMap<String, String>, f64);

/// The text format, version 0.0.4: every line is a known kind of comment, or a sample of a metric whose type was declared before.
fn parse(text: &str) -> BTreeMap<String, Vec<Sample>> {
    assert!(text.ends_with('\n'), "the last line has an end");
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::<String, Vec<Sample>>::new());
    let (mut finished, mut current) = (BTreeSet::new(), String::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            let [kind, name, rest] = words[..] else { panic!("{line}") };
            assert!(is_name(name), "{line}");
            match kind {
                "HELP" => assert!(!rest.is_empty(), "{line}"),
                "TYPE" => {
                    assert!(matches!(rest, "counter" | "gauge"), "{line}");
                    assert!(types.insert(name.to_owned(), rest.to_owned()).is_none(), "a type is told once: {line}");
                }
                other => panic!("a comment of the kind {other}"),
            }
            continue;
        }
        let (name, labels, value) = parse_sample(line);
        assert!(types.contains_key(&name), "a sample before its type: {line}");
        assert_eq!(types[&name] == "counter", name.ends_with("_total"), "{line}");
        if name != current {
            assert!(finished.insert(name.clone()), "the samples of a metric are together: {line}");
            current.clone_from(&name);
        }
        let all = samples.entry(name).or_default();
        assert!(all.iter().all(|(known, _)| *known != labels), "a sample twice: {line}");
        all.push((labels, value));
    }
    samples
}

fn is_name(name: &str) -> bool {
    name.starts_with("nextdeploy_") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn parse_sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, rest)) = series.split_once('{') else {
        return (series.to_owned(), BTreeMap::new(), value);
    };
    let labels = rest.strip_suffix('}').unwrap().split(',').map(|label| {
        let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        (key.to_owned(), value.strip_suffix('"').unwrap().to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

/// `12.34MiB` as docker prints it.
fn bytes(text: &str) -> f64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "B" => 1.0,
        "kB" => 1e3,
        "KiB" => 1024.0,
        "MB" => 1e6,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        unit => panic!("the unit {unit}"),
    };
    digits.parse::<f64>().unwrap() * factor
}

#[test]
fn metrics_agree_with_docker_stats() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-metrics";
    let busy = "const hold = Buffer.alloc(2e7, 1); setInterval(() => { const end = Date.now() + 25; while (Date.now() < end); }, 100); \
                setTimeout(() => hold.length, 1e9)";
    let container = Managed::run(&engine, "nd-sup-metrics-a", app, &["--memory", "64m"], busy);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    let sample = |name: &str| {
        let samples = parse(&supervisor.get("/metrics").text());
        let of_ours = samples.get(&format!("nextdeploy_{name}"))?.iter();
        let mut of_ours = of_ours.filter(|(labels, _)| labels.get("container") == Some(&container.name));
        of_ours.next().map(|(_, value)| *value)
    };
    wait_for("a sample", || sample("container_memory_used_bytes"));
    let told = engine.docker(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.PIDs}}",
        &container.name,
    ]);
    let words: Vec<&str> = told.split_whitespace().collect();
    let [cpu, memory, "/", limit, received, "/", _sent, pids] = words[..] else { panic!("{told}") };
    let near = |name: &str, expected: f64, tolerance: f64| {
        let found = sample(name).unwrap_or_else(|| panic!("no {name}"));
        assert!((found - expected).abs() <= tolerance, "{name}: {found}, and docker says {expected} ({told})");
    };
    assert_eq!(sample("container_memory_limit_bytes"), Some(bytes(limit)));
    near("container_memory_used_bytes", bytes(memory), bytes(memory) * 0.1);
    near("container_cpu_ratio", cpu.trim_end_matches('%').parse::<f64>().unwrap() / 100.0, 0.2);
    near("container_network_received_bytes_total", bytes(received), 2000.0);
    assert_eq!(sample("container_pids"), Some(pids.parse().unwrap()));
    assert_eq!(sample("container_up"), Some(1.0));
    assert_eq!(sample("container_given_up"), Some(0.0));
    let all = parse(&supervisor.get("/metrics").text());
    assert_eq!(all["nextdeploy_daemon_up"], [(BTreeMap::new(), 1.0)]);
    let version = BTreeMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    assert_eq!(all["nextdeploy_build_info"], [(version, 1.0)]);
    assert_eq!(supervisor.get("/metrics").header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((supervisor.get("/healthz").status, supervisor.get("/healthz").text().as_str()), (200, "ok\n"));
}

use serde_json::{Value, json};

use super::*;

/// Docker Engine 20.10 on cgroup v1.
const V1: &str = include_str!("samples/cgroup-v1.json");
/// The form of the Engine API on cgroup v2: other names in `memory_stats`, lower-case operations, no use per processor.
const V2: &str = include_str!("samples/cgroup-v2.json");
/// Podman 4.3 on cgroup v1: no sample before, no details of the memory.
const PODMAN: &str = include_str!("samples/podman.json");

fn computed(text: &str) -> ContainerStats {
    serde_json::from_str::<StatsSample>(text).unwrap().compute().unwrap()
}

fn changed(text: &str, change: impl FnOnce(&mut Value)) -> ContainerStats {
    let mut sample: Value = serde_json::from_str(text).unwrap();
    change(&mut sample);
    computed(&sample.to_string())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.005
}

#[test]
fn cgroup_v1() {
    let stats = computed(V1);
    assert!(close(stats.cpu_percent, 4.84), "{stats:?}");
    assert_eq!((stats.memory_used, stats.memory_limit), (8_536_064, 134_217_728));
    assert!(close(stats.memory_percent, 6.36), "{stats:?}");
    assert_eq!((stats.network_received, stats.network_sent, stats.pids), (1096, 0, 7));
    assert_eq!((stats.disk_read, stats.disk_written), (0, 0));
    let cached = changed(V1, |sample| sample["memory_stats"]["stats"]["total_inactive_file"] = json!(536_064));
    assert_eq!(cached.memory_used, 8_000_000);
}

#[test]
fn cgroup_v2() {
    let stats = computed(V2);
    assert!(close(stats.cpu_percent, 50.0), "{stats:?}");
    assert_eq!((stats.memory_used, stats.memory_limit), (73_400_320, 268_435_456));
    assert!(close(stats.memory_percent, 27.34), "{stats:?}");
    assert_eq!((stats.network_received, stats.network_sent, stats.pids), (1024, 208, 11));
    assert_eq!((stats.disk_read, stats.disk_written), (4_097_000, 1_228_800));
}

#[test]
fn podman_leaves_much_out() {
    let stats = computed(PODMAN);
    assert!(stats.cpu_percent < 0.01, "{stats:?}");
    assert_eq!((stats.memory_used, stats.memory_limit, stats.pids), (84_893_696, 134_217_728, 7));
    assert_eq!((stats.network_received, stats.network_sent), (542, 1526));
}

#[test]
fn odd_samples_give_no_odd_numbers() {
    let old = changed(V1, |sample| sample["cpu_stats"]["online_cpus"] = json!(0));
    assert!(close(old.cpu_percent, 4.84), "the processors are counted: {old:?}");
    let backwards = changed(V1, |sample| sample["precpu_stats"]["cpu_usage"]["total_usage"] = json!(u64::MAX));
    assert_eq!(backwards.cpu_percent.to_bits(), 0_f64.to_bits());
    let unlimited = changed(V1, |sample| sample["memory_stats"]["limit"] = json!(0));
    assert_eq!(unlimited.memory_percent.to_bits(), 0_f64.to_bits());
    let more = changed(V1, |sample| sample["memory_stats"]["stats"]["total_inactive_file"] = json!(u64::MAX));
    assert_eq!(more.memory_used, 8_536_064);
    let host_network = changed(V1, |sample| sample["networks"] = json!(null));
    assert_eq!(host_network.network_received, 0);
}

#[test]
fn of_a_stopped_container_there_are_none() {
    let stopped = json!({ "read": "0001-01-01T00:00:00Z", "cpu_stats": { "cpu_usage": { "total_usage": 0 } } });
    assert_eq!(serde_json::from_value::<StatsSample>(stopped).unwrap().compute(), None);
}

//! Metrics of containers and log sinks: a [`MetricsRegistry`] that the supervisor and the sinks update → text for Prometheus.
//!
//! Names and units as Prometheus recommends: base units, `_total` for counters. Never queries the daemon: a scrape costs nothing.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::docker::{ContainerStats, HealthStatus};

/// Usage is sampled for this long after a scrape.
const SCRAPE_WINDOW: Duration = Duration::from_mins(5);

/// A counter shared between threads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Log lines of one sink.
#[derive(Debug, Default)]
pub struct SinkCounters {
    pub forwarded: Counter,
    pub dropped: Counter,
}

/// What the sinks did with log lines.
#[derive(Debug, Default)]
pub struct LogCounters {
    pub stdout: SinkCounters,
    pub file: SinkCounters,
    pub url: SinkCounters,
    pub live: SinkCounters,
    /// Bytes in the buffer for the endpoint.
    pub buffered: Counter,
    /// Connected WebSocket clients.
    pub clients: Counter,
}

/// Metrics of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerMetrics {
    pub name: String,
    pub app: Option<String>,
    pub up: bool,
    /// `None` without a health check.
    pub health: Option<HealthStatus>,
    pub daemon_restarts: u64,
    pub own_restarts: u64,
    pub given_up: bool,
    /// `None` while it does not run.
    pub stats: Option<ContainerStats>,
}

/// The current values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsSnapshot {
    pub daemon_up: bool,
    /// By id.
    pub containers: BTreeMap<String, ContainerMetrics>,
}

#[derive(Debug, Default)]
pub struct MetricsRegistry {
    snapshot: Mutex<MetricsSnapshot>,
    scraped: Mutex<Option<Instant>>,
    counters: Arc<LogCounters>,
}

/// The two text formats of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Version 0.0.4.
    Prometheus,
    /// Version 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// Negotiated by the `Accept` header.
    pub fn accepted(accept: Option<&str>) -> Self {
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl MetricsRegistry {
    pub fn new(counters: Arc<LogCounters>) -> Arc<Self> {
        Arc::new(Self { snapshot: Mutex::default(), scraped: Mutex::default(), counters })
    }

    /// The current values, locked for an update.
    pub fn snapshot(&self) -> MutexGuard<'_, MetricsSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was a scrape recently. Usage samples cost the daemon more than everything else together, so they are only taken then.
    pub fn is_scraped(&self, now: Instant) -> bool {
        let scraped = *self.scraped.lock().unwrap_or_else(PoisonError::into_inner);
        scraped.is_some_and(|at| now.saturating_duration_since(at) < SCRAPE_WINDOW)
    }

    pub fn scrape(self: &Arc<Self>, format: TextFormat, now: Instant) -> Result<String, fmt::Error> {
        *self.scraped.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.render(format)
    }

    fn render(self: &Arc<Self>, format: TextFormat) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("nextdeploy");
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(match format {
            TextFormat::OpenMetrics => text,
            TextFormat::Prometheus => in_prometheus_format(&text),
        })
    }
}

/// The older format names a counter like its samples, and has no end marker.
fn in_prometheus_format(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                writeln!(out, "# {kind} {name}_total {rest}").expect("writing to a string never fails");
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

type MetricLabels<'a> = Vec<(&'static str, &'a str)>;

/// One metric without labels.
fn single(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    gauge(value).encode(encoder.encode_descriptor(name, help, None, ConstGauge::<u64>::TYPE)?)
}

/// One metric with all its samples; nothing when there are none.
fn family<'a, M: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (MetricLabels<'a>, M)>,
) -> fmt::Result {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, M::TYPE)?;
    for (labels, sample) in samples {
        sample.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge<N>(value: N) -> ConstGauge<N> {
    ConstGauge::new(value)
}

fn counter(value: u64) -> ConstCounter<u64> {
    ConstCounter::new(value)
}

fn labels(row: &ContainerMetrics) -> MetricLabels<'_> {
    vec![("app", row.app.as_deref().unwrap_or_default()), ("container", &row.name)]
}

fn labels_and<'a>(row: &'a ContainerMetrics, name: &'static str, value: &'a str) -> MetricLabels<'a> {
    let mut all = labels(row);
    all.push((name, value));
    all
}

impl Collector for MetricsRegistry {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let snapshot = self.snapshot().clone();
        let rows: Vec<&ContainerMetrics> = snapshot.containers.values().collect();
        let encoder = &mut encoder;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        family(encoder, "build_info", "The running program", [(version, gauge(1_u64))])?;
        single(encoder, "daemon_up", "Whether the daemon answers", u64::from(snapshot.daemon_up))?;
        encode_states(encoder, &rows)?;
        encode_usage(encoder, &rows)?;
        encode_sinks(encoder, &self.counters)
    }
}

fn encode_states(encoder: &mut DescriptorEncoder<'_>, rows: &[&ContainerMetrics]) -> fmt::Result {
    let flag = |value: bool| gauge(u64::from(value));
    let each = || rows.iter().copied();
    family(encoder, "container_up", "Whether the container runs", each().map(|row| (labels(row), flag(row.up))))?;
    let health = each().filter_map(|row| Some((row, row.health?))).flat_map(|(row, health)| {
        [
            ("healthy", HealthStatus::Healthy),
            ("unhealthy", HealthStatus::Unhealthy),
            ("starting", HealthStatus::Starting),
        ]
        .map(|(word, status)| (labels_and(row, "status", word), flag(status == health)))
    });
    family(encoder, "container_health", "Result of the health check: 1 for the current status", health)?;
    let restarts = each().flat_map(|row| {
        [("daemon", row.daemon_restarts), ("supervise", row.own_restarts)]
            .map(|(by, restarts)| (labels_and(row, "by", by), counter(restarts)))
    });
    family(encoder, "container_restarts", "Restarts by the daemon's policy and by this program", restarts)?;
    let given_up = each().map(|row| (labels(row), flag(row.given_up)));
    family(encoder, "container_given_up", "Whether the restart budget is spent", given_up)
}

fn encode_usage(encoder: &mut DescriptorEncoder<'_>, rows: &[&ContainerMetrics]) -> fmt::Result {
    let used: Vec<(&ContainerMetrics, ContainerStats)> =
        rows.iter().filter_map(|row| Some((*row, row.stats?))).collect();
    let gauges =
        |value: fn(&ContainerStats) -> u64| used.iter().map(move |(row, stats)| (labels(row), gauge(value(stats))));
    let counters =
        |value: fn(&ContainerStats) -> u64| used.iter().map(move |(row, stats)| (labels(row), counter(value(stats))));
    let cpu = used.iter().map(|(row, stats)| (labels(row), gauge(stats.cpu_percent / 100.0)));
    family(encoder, "container_cpu_ratio", "CPU usage: 1 is one processor", cpu)?;
    family(
        encoder,
        "container_memory_used_bytes",
        "Memory in use, without reclaimable page cache",
        gauges(|stats| stats.memory_used),
    )?;
    family(
        encoder,
        "container_memory_limit_bytes",
        "Memory limit; the memory of the machine if there is none",
        gauges(|stats| stats.memory_limit),
    )?;
    family(encoder, "container_pids", "Processes and threads", gauges(|stats| stats.pids))?;
    let help = "Since the container started, all networks";
    family(encoder, "container_network_received_bytes", help, counters(|stats| stats.network_received))?;
    family(encoder, "container_network_sent_bytes", help, counters(|stats| stats.network_sent))?;
    family(encoder, "container_disk_read_bytes", "Since the container started", counters(|stats| stats.disk_read))?;
    family(encoder, "container_disk_written_bytes", "Since the container started", counters(|stats| stats.disk_written))
}

fn encode_sinks(encoder: &mut DescriptorEncoder<'_>, counters: &LogCounters) -> fmt::Result {
    let sinks: [(&str, &SinkCounters); 4] =
        [("stdout", &counters.stdout), ("file", &counters.file), ("url", &counters.url), ("websocket", &counters.live)];
    let forwarded = sinks.map(|(name, count)| (vec![("sink", name)], counter(count.forwarded.get())));
    family(encoder, "log_lines_forwarded", "Log lines that the sink accepted", forwarded)?;
    let dropped = sinks.map(|(name, count)| (vec![("sink", name)], counter(count.dropped.get())));
    family(encoder, "log_lines_dropped", "Log lines that the sink did not accept", dropped)?;
    let buffered = counters.buffered.get();
    single(encoder, "log_buffer_bytes", "Log lines on disk waiting for the endpoint", buffered)?;
    single(encoder, "log_clients", "WebSocket clients", counters.clients.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Arc<MetricsRegistry> {
        let metrics = MetricsRegistry::new(Arc::default());
        metrics.counters.file.forwarded.add(42);
        let row = ContainerMetrics {
            name: "shop-12ab34cd".to_owned(),
            app: Some("sh\"op\n".to_owned()),
            up: true,
            health: Some(HealthStatus::Unhealthy),
            daemon_restarts: 2,
            own_restarts: 3,
            given_up: false,
            stats: Some(ContainerStats {
                time: None,
                cpu_percent: 12.5,
                memory_used: 1000,
                memory_limit: 4000,
                memory_percent: 25.0,
                network_received: 1,
                network_sent: 2,
                disk_read: 3,
                disk_written: 4,
                pids: 5,
            }),
        };
        let stopped = ContainerMetrics {
            name: "blog-1".to_owned(),
            app: None,
            up: false,
            health: None,
            stats: None,
            ..row.clone()
        };
        let mut snapshot = metrics.snapshot();
        snapshot.daemon_up = true;
        snapshot.containers = BTreeMap::from([("a".to_owned(), row), ("b".to_owned(), stopped)]);
        drop(snapshot);
        metrics
    }

    #[test]
    fn all_metrics_are_rendered_with_escaped_labels() {
        let text = sample().render(TextFormat::Prometheus).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn usage_is_sampled_only_after_a_scrape() {
        let (metrics, now) = (sample(), Instant::now());
        assert!(!metrics.is_scraped(now));
        metrics.scrape(TextFormat::Prometheus, now).unwrap();
        assert!(metrics.is_scraped(now + Duration::from_mins(4)));
        assert!(!metrics.is_scraped(now + Duration::from_mins(6)));
    }

    #[test]
    fn open_metrics_output_is_unchanged() {
        let text = sample().render(TextFormat::OpenMetrics).unwrap();
        assert!(text.contains("# TYPE nextdeploy_container_restarts counter\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_accept_header_selects_the_format() {
        for (accept, expected) in [
            (None, TextFormat::Prometheus),
            (Some("*/*"), TextFormat::Prometheus),
            (
                Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"),
                TextFormat::OpenMetrics,
            ),
        ] {
            assert_eq!(TextFormat::accepted(accept), expected, "{accept:?}");
        }
    }
}

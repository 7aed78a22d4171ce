//! What `stats` tells.

use serde::Serialize;

use super::table::table;
use crate::diagnostic::printable;
use crate::docker::ContainerStats;
use crate::report::progress::size;

/// The sample of one container; without numbers when it does not run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageResult {
    pub name: String,
    pub stats: Option<ContainerStats>,
}

/// Samples as a table; ends with a newline.
pub fn render_usage(samples: &[UsageResult]) -> String {
    let rows: Vec<Vec<String>> = samples.iter().map(row).collect();
    table(&["NAME", "CPU", "MEMORY / LIMIT", "MEMORY", "RECEIVED / SENT", "READ / WRITTEN", "PIDS"], &rows)
}

fn row(sample: &UsageResult) -> Vec<String> {
    let name = printable(&sample.name);
    let Some(stats) = &sample.stats else {
        return std::iter::once(name).chain(std::iter::repeat_n("-".to_owned(), 6)).collect();
    };
    vec![
        name,
        format!("{:.2} %", stats.cpu_percent),
        format!("{} / {}", memory(stats.memory_used), memory(stats.memory_limit)),
        format!("{:.2} %", stats.memory_percent),
        format!("{} / {}", size(stats.network_received), size(stats.network_sent)),
        format!("{} / {}", size(stats.disk_read), size(stats.disk_written)),
        stats.pids.to_string(),
    ]
}

/// Binary units, as limits are given and Docker shows them.
fn memory(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mebibytes = bytes as f64 / 1_048_576.0;
    if mebibytes < 1024.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.2} GiB", mebibytes / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_columns() {
        let stats = ContainerStats {
            time: None,
            cpu_percent: 150.254,
            memory_used: 73_400_320,
            memory_limit: 3 << 30,
            memory_percent: 2.2786,
            network_received: 12_400,
            network_sent: 999,
            disk_read: 0,
            disk_written: 182_345_678,
            pids: 11,
        };
        let samples = [
            UsageResult { name: "shop".into(), stats: Some(stats) },
            UsageResult { name: "blog-1".into(), stats: None },
        ];
        assert_eq!(
            render_usage(&samples),
            "NAME    CPU       MEMORY / LIMIT       MEMORY  RECEIVED / SENT  READ / WRITTEN  PIDS\n\
             shop    150.25 %  70.0 MiB / 3.00 GiB  2.28 %  12.4 kB / 999 B  0 B / 182 MB    11\n\
             blog-1  -         -                    -       -                -               -\n"
        );
    }
}

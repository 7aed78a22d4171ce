//! Statistics compared with those of the docker command line.

use futures_util::StreamExt;
use nextdeploy::docker::Resources;

use super::Lab;

/// `12.3MiB`, `4.5kB`, `0B` → bytes.
fn bytes(text: &str) -> f64 {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let factor = match &text[digits..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        unit => panic!("{unit}"),
    };
    text[..digits].parse::<f64>().unwrap() * factor
}

#[expect(clippy::cast_precision_loss, reason = "compared with numbers of three digits")]
#[tokio::test]
async fn the_numbers_are_those_of_docker_stats() {
    let lab = Lab::new("usage").await;
    // A third of a processor, 40 MiB that stay, and page cache, which does not count.
    let script = "const kept = Buffer.alloc(40 << 20, 1); const fs = require('fs'); \
                  fs.writeFileSync('/tmp/cache', Buffer.alloc(30 << 20, 2)); fs.readFileSync('/tmp/cache'); global.gc?.(); \
                  setInterval(() => { const end = Date.now() + 30; while (Date.now() < end); kept[0]++ }, 100)";
    let mut spec = lab.spec("one", script);
    spec.resources = Resources { memory: Some(256 << 20), cpus: None, pids: None };
    let id = lab.run(&spec).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let engine = lab.engine.clone();
    let asked = id.clone();
    let format = "{{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}";
    let theirs =
        std::thread::spawn(move || engine.docker(&["stats", "--no-stream", "--format", format, asked.as_str()]));
    let ours = lab.containers.stats_once(&id).await.unwrap();
    let theirs = theirs.join().unwrap();
    eprintln!("docker stats: {theirs}\nnextdeploy:   {ours:?}");
    let words: Vec<&str> = theirs.split_whitespace().filter(|word| *word != "/").collect();
    let [cpu, used, limit, percent, received, sent, read, written, pids] = words[..] else { panic!("{theirs}") };
    let near = |ours: f64, theirs: f64, tolerance: f64| assert!((ours - theirs).abs() <= tolerance, "{ours} {theirs}");
    near(ours.cpu_percent, cpu.trim_end_matches('%').parse().unwrap(), 25.0);
    assert!(ours.cpu_percent > 5.0);
    near(ours.memory_used as f64, bytes(used), 3e6);
    near(ours.memory_limit as f64, bytes(limit), 0.0);
    near(ours.memory_percent, percent.trim_end_matches('%').parse().unwrap(), 2.0);
    near(ours.network_received as f64, bytes(received), 2000.0);
    near(ours.network_sent as f64, bytes(sent), 2000.0);
    near(ours.disk_read as f64, bytes(read), 1e6);
    near(ours.disk_written as f64, bytes(written), 40e6);
    assert_eq!(ours.pids.to_string(), pids);

    let stream = lab.containers.stats(&id).await.unwrap();
    let samples: Vec<_> = stream.take(3).collect().await;
    let times: Vec<_> = samples.iter().map(|sample| sample.as_ref().unwrap().time.unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

//! Pushes of one image to a registry on loopback, ours and the docker command line's, side by side.
//!
//! `cargo bench --bench push [-- ROUNDS]`; needs Docker and Debian's `docker-registry` (`scripts/services` installs both). Set
//! `DOCKER_CLI` to the docker command line to compare with. Times are wall clock of the whole process; each round of a sender begins
//! with an empty registry where the layers are to be uploaded.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const IMAGE: &str = "nd-bench-push";
const TAGS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    compare(arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(7));
}

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(output.status.success(), "{shown} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn docker() -> Command {
    Command::new(std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".into()))
}

/// A registry of its own, which ends with this value.
struct Registry {
    process: Child,
    port: u16,
    storage: PathBuf,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let storage = folder.join("storage");
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n",
            storage.display()
        );
        fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { process, port, storage }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ways to push the same tags of a repository.
#[derive(Clone, Copy, PartialEq)]
enum Sender {
    Ours,
    DockerAllTags,
    DockerEachTag,
}

const SENDERS: [(Sender, &str); 3] = [
    (Sender::Ours, "nextdeploy"),
    (Sender::DockerAllTags, "docker push --all-tags"),
    (Sender::DockerEachTag, "docker push, once per tag"),
];

fn send(sender: Sender, repository: &str, tags: &[String]) -> f64 {
    let names: Vec<String> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
    let started = Instant::now();
    match sender {
        Sender::Ours => drop(run(Command::new(env!("CARGO_BIN_EXE_nextdeploy")).arg("push").args(&names))),
        Sender::DockerAllTags => drop(run(docker().args(["push", "--quiet", "--all-tags", repository]))),
        Sender::DockerEachTag => names.iter().for_each(|name| drop(run(docker().args(["push", "--quiet", name])))),
    }
    started.elapsed().as_secs_f64()
}

/// Bytes that no compression makes smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn build_image(folder: &Path) {
    const LAYERS: u64 = 5;
    let context = folder.join("context");
    fs::create_dir(&context).unwrap();
    let mut dockerfile = String::from("FROM scratch\n");
    for layer in 1..=LAYERS {
        fs::write(context.join(format!("layer-{layer}")), noise(layer + u64::from(std::process::id()), 4 << 20))
            .unwrap();
        writeln!(dockerfile, "COPY layer-{layer} /").unwrap();
    }
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    run(docker().env("DOCKER_BUILDKIT", "1").args(["build", "-q", "-t", IMAGE]).arg(&context));
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(rounds: usize) {
    let temporary = tempfile::Builder::new().prefix("nd-bench-").tempdir().unwrap();
    println!(
        "{}",
        run(docker().args(["version", "--format", "docker {{.Client.Version}}, engine {{.Server.Version}}"]))
    );
    build_image(temporary.path());
    let registry = Registry::start(temporary.path());
    let tags: Vec<String> = (1..=TAGS).map(|number| format!("v{number}")).collect();
    // A repository of its own for each sender and round: the daemon remembers what it pushed where.
    let mut times = vec![[const { Vec::new() }; 4]; SENDERS.len()];
    let mut named = Vec::new();
    for round in 0..=rounds {
        for (index, (sender, _)) in SENDERS.iter().enumerate() {
            let _ = fs::remove_dir_all(&registry.storage);
            let many = format!("127.0.0.1:{}/{IMAGE}/many-{round}-{index}", registry.port);
            let one = format!("127.0.0.1:{}/{IMAGE}/one-{round}-{index}", registry.port);
            for name in tags.iter().map(|tag| format!("{many}:{tag}")).chain([format!("{one}:v1")]) {
                run(docker().args(["tag", IMAGE, &name]));
                named.push(name);
            }
            let measured = [
                send(*sender, &many, &tags),
                send(*sender, &many, &tags),
                send(*sender, &one, &tags[..1]),
                send(*sender, &one, &tags[..1]),
            ];
            // The round before the first one fills the caches.
            for (times, seconds) in times[index].iter_mut().zip(measured) {
                if round > 0 {
                    times.push(seconds);
                }
            }
        }
    }
    let titles = ["20 tags, first push", "20 tags, nothing changed", "1 tag, first push", "1 tag, nothing changed"];
    for (measure, title) in titles.iter().enumerate() {
        println!("{title}, median of {rounds} rounds:");
        let ours = median(&times[0][measure]);
        for ((_, sender), times) in SENDERS.iter().zip(&times) {
            let median = median(&times[measure]);
            println!("  {sender:<26} {median:>7.3} s   ours / theirs {:.2}   {:.3?}", ours / median, times[measure]);
        }
    }
    named.push(IMAGE.to_owned());
    for names in named.chunks(50) {
        run(docker().args(["image", "rm"]).args(names));
    }
}

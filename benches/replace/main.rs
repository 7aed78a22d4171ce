//! The effect on a load of requests when one version of an app replaces another behind Caddy: `nextdeploy run --replace --proxy`, compared
//! with a manual replacement (`docker run` of the new one, a poll, `caddy reload` with its port, `docker stop` of the old one).
//!
//! `cargo bench --bench replace`; needs a Docker daemon, git, the base image of the example, `caddy` and `wrk`. `NEXTDEPLOY_BINARY` is the
//! path of an existing binary. Connections are kept (`wrk -c 16`); both alternate, the numbers are sums of this run.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const APP: &str = "nd-bench-replace";
const IMAGE: &str = "nd-bench-replace:1";
/// Replacements during one load.
const REPLACEMENTS: usize = 2;

fn program() -> Command {
    Command::new(std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into()))
}

fn docker() -> Command {
    Command::new(std::env::var_os("DOCKER_CLI").unwrap_or_else(|| "docker".into()))
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut start = vec![0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    while !ask().is_ok_and(|start| start.ends_with(b" 200")) {
        sleep(Duration::from_millis(20));
    }
}

struct Caddy {
    child: Child,
    admin: String,
    folder: tempfile::TempDir,
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Caddy {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = format!("127.0.0.1:{}", free_port());
        let file = folder.path().join("Caddyfile");
        fs::write(&file, format!("{{\n\tadmin {admin}\n}}\n")).unwrap();
        let child = caddy(folder.path()).args(["run", "--config"]).arg(&file).spawn().unwrap();
        while TcpStream::connect(&admin).is_err() {
            sleep(Duration::from_millis(20));
        }
        Self { child, admin, folder }
    }

    fn serve(&self, site: u16, upstream: u16) {
        let file = self.folder.path().join("Caddyfile");
        let text = format!(
            "{{\n\tadmin {}\n}}\n\nhttp://127.0.0.1:{site} {{\n\tbind 127.0.0.1\n\treverse_proxy 127.0.0.1:{upstream}\n}}\n",
            self.admin
        );
        fs::write(&file, text).unwrap();
        let reload = ["reload", "--address", &self.admin, "--config"];
        assert!(caddy(self.folder.path()).args(reload).arg(&file).status().unwrap().success());
    }
}

fn caddy(home: &Path) -> Command {
    let mut command = Command::new("caddy");
    command.env("HOME", home).env("XDG_DATA_HOME", home).env("XDG_CONFIG_HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The results of one load.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    answers: u64,
    /// Requests without a response, or with an unsuccessful one.
    lost: u64,
    replacing: Duration,
}

/// Sends requests while `work` runs, and counts.
fn under_load(site: u16, work: impl FnOnce()) -> Seen {
    let url = format!("http://127.0.0.1:{site}/api/time");
    let load =
        Command::new("wrk").args(["-t1", "-c16", "-d30s", "--timeout", "10s", &url]).stdout(Stdio::piped()).spawn();
    let load = load.unwrap();
    sleep(Duration::from_secs(1));
    let begun = Instant::now();
    work();
    let replacing = begun.elapsed();
    assert!(replacing < Duration::from_secs(28), "the load ended before the replacements did");
    let output = load.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number =
        |line: &str| line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok()).sum();
    let line = |part: &str| text.lines().find(|line| line.contains(part)).map_or(0, number);
    let answers = text.lines().find(|line| line.contains(" requests in ")).unwrap();
    let answers = answers.split_whitespace().next().unwrap().parse().unwrap();
    Seen { answers, lost: line("Socket errors") + line("Non-2xx"), replacing }
}

fn by_nextdeploy(caddy: &Caddy) -> Seen {
    let (site, port) = (free_port(), free_port().to_string());
    let run = |more: &[&str]| succeed(program().args(["run", IMAGE, "--network", APP]).args(more));
    run(&["--publish", &port]);
    let (domain, upstream) = (format!("http://127.0.0.1:{site}"), format!("127.0.0.1:{port}"));
    let switch = caddy.folder.path().join("switch");
    let load = ["proxy", "caddy", "--load", "--name", APP, "--admin", &caddy.admin, "--domain", &domain];
    succeed(program().args(load).args(["--upstream", &upstream, "--switch-dir"]).arg(&switch));
    let seen = under_load(site, || {
        for number in 0..REPLACEMENTS {
            run(&["--replace", "--proxy", &caddy.admin, "--env", &format!("VERSION={number}")]);
        }
    });
    succeed(program().args(["proxy", "caddy", "--remove", "--name", APP, "--admin", &caddy.admin]));
    let label = format!("label=nextdeploy.app={APP}");
    let made = succeed(docker().args(["ps", "--all", "--quiet", "--filter", &label]));
    succeed(program().args(["rm", "--force"]).args(made.split_whitespace()));
    seen
}

fn by_hand(caddy: &Caddy) -> Seen {
    let site = free_port();
    let start = |port: u16| {
        let (name, publish) = (format!("{APP}-{port}"), format!("127.0.0.1:{port}:3000"));
        let flags = ["--memory", "512m", "--network", APP, "--name", &name, "--publish", &publish];
        succeed(docker().args(["run", "--detach"]).args(flags).arg(IMAGE));
        wait_for(port);
        name
    };
    let port = free_port();
    let mut old = start(port);
    caddy.serve(site, port);
    let seen = under_load(site, || {
        for _ in 0..REPLACEMENTS {
            let port = free_port();
            let new = start(port);
            caddy.serve(site, port);
            succeed(docker().args(["stop", &old]));
            succeed(docker().args(["rm", &old]));
            old = new;
        }
    });
    succeed(docker().args(["rm", "--force", &old]));
    seen
}

fn main() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-next");
    succeed(program().arg("build").arg(app).args(["--tag", IMAGE, "--name", APP]));
    succeed(docker().args(["network", "create", APP]));
    let caddy = Caddy::start();
    let (mut ours, mut theirs) = (Seen::default(), Seen::default());
    for _ in 0..ROUNDS {
        for (sum, seen) in [(&mut ours, by_nextdeploy(&caddy)), (&mut theirs, by_hand(&caddy))] {
            sum.answers += seen.answers;
            sum.lost += seen.lost;
            sum.replacing += seen.replacing;
        }
    }
    let replacements = u32::try_from(ROUNDS * REPLACEMENTS).unwrap();
    println!("| {replacements} replacements | nextdeploy run --replace | by hand, caddy reload |\n|---|---|---|");
    println!("| answers | {} | {} |", ours.answers, theirs.answers);
    println!("| requests lost | {} | {} |", ours.lost, theirs.lost);
    let each = |seen: &Seen| (seen.replacing / replacements).as_secs_f64();
    println!("| one replacement | {:.1} s | {:.1} s |", each(&ours), each(&theirs));
    succeed(docker().args(["network", "rm", APP]));
    succeed(docker().args(["volume", "rm", "--force", &format!("{APP}-cache")]));
    succeed(docker().args(["image", "rm", "--force", IMAGE]));
}

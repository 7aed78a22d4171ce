//! Image size and rebuild times against the docker CLI with the usual three-stage Dockerfile that Next.js documents.
//!
//! `cargo bench --bench image [-- APP_DIR]`; needs a daemon, a docker CLI with BuildKit (`DOCKER_CLI`, default `docker`) and
//! network. Everything is measured in this run; ratios are nextdeploy divided by docker, below 1 is better.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const OURS: &str = "nd-bench-ours:latest";
const THEIRS: &str = "nd-bench-theirs:latest";

/// Dependencies, build and runner, as in the hand-written Dockerfile of the Next.js documentation.
const DOCKERFILE: &str = r#"FROM node:22-slim AS base

FROM base AS deps
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci

FROM base AS builder
WORKDIR /app
COPY --from=deps /app/node_modules ./node_modules
COPY . .
ENV NEXT_TELEMETRY_DISABLED=1
RUN npm run build

FROM base AS runner
WORKDIR /app
ENV NODE_ENV=production
RUN groupadd --system --gid 1001 nodejs && useradd --system --uid 1001 nextjs
COPY --from=builder /app/public ./public
COPY --from=builder --chown=nextjs:nodejs /app/.next/standalone ./
COPY --from=builder --chown=nextjs:nodejs /app/.next/static ./.next/static
USER nextjs
EXPOSE 3000
ENV PORT=3000
ENV HOSTNAME=0.0.0.0
CMD ["node", "server.js"]
"#;
const DOCKERIGNORE: &str = "Dockerfile\n.dockerignore\nnode_modules\n.next\n.git\n";

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(output.status.success(), "{shown} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn docker() -> Command {
    let mut command = Command::new(std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".to_owned()));
    command.env("DOCKER_BUILDKIT", "1");
    command
}

/// One of the two tools.
struct Contender {
    tag: &'static str,
    directory: PathBuf,
    command: fn(&Path, &str, bool) -> Command,
}

fn ours(directory: &Path, tag: &str, no_cache: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nextdeploy"));
    command.arg("build").arg(directory).args(["--tag", tag]);
    if no_cache {
        command.arg("--no-cache");
    }
    command
}

fn theirs(directory: &Path, tag: &str, no_cache: bool) -> Command {
    let mut command = docker();
    command.arg("build").args(["--tag", tag]);
    if no_cache {
        command.arg("--no-cache");
    }
    command.arg(directory);
    command
}

impl Contender {
    fn build(&self, no_cache: bool) -> Duration {
        let start = Instant::now();
        run(&mut (self.command)(&self.directory, self.tag, no_cache));
        start.elapsed()
    }

    /// Changes one line of the page, differently each time.
    fn edit(&self, round: usize) {
        let page = ["app/page.tsx", "src/app/page.tsx", "app/page.js", "pages/index.js"]
            .iter()
            .map(|page| self.directory.join(page))
            .find(|page| page.is_file())
            .expect("the app has a front page");
        let text = fs::read_to_string(&page).unwrap();
        let text = text.split("\nconsole.debug(").next().unwrap().to_owned();
        fs::write(&page, format!("{text}\nconsole.debug({round});\n")).unwrap();
    }

    /// Uncompressed size of each layer by diff id, base first, read from `docker save`.
    fn layers(&self) -> Vec<(String, u64)> {
        let mut child = docker().args(["save", self.tag]).stdout(Stdio::piped()).spawn().unwrap();
        let mut sizes = BTreeMap::new();
        let mut texts = BTreeMap::new();
        let mut archive = tar::Archive::new(child.stdout.take().unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            sizes.insert(path.clone(), entry.size());
            if Path::new(&path).extension().is_some_and(|extension| extension == "json") {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
                texts.insert(path, text);
            }
        }
        assert!(child.wait().unwrap().success());
        let manifest: serde_json::Value = serde_json::from_str(&texts["manifest.json"]).unwrap();
        let config: serde_json::Value = serde_json::from_str(&texts[manifest[0]["Config"].as_str().unwrap()]).unwrap();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        let files = manifest[0]["Layers"].as_array().unwrap();
        diff_ids
            .iter()
            .zip(files)
            .map(|(id, file)| (id.as_str().unwrap().to_owned(), sizes[file.as_str().unwrap()]))
            .collect()
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn copy_app(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["node_modules", ".next", ".git"].iter().any(|skip| name == *skip) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_app(&entry.path(), &to.join(&name));
        } else {
            fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

fn row(what: &str, ours: f64, theirs: f64, unit: &str) {
    println!("| {what} | {ours:.2} {unit} | {theirs:.2} {unit} | {:.2} |", ours / theirs);
}

fn main() {
    let app = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with("--"))
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-next"), PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = [("ours", OURS, ours as fn(&Path, &str, bool) -> Command), ("theirs", THEIRS, theirs)]
        .map(|(name, tag, command)| Contender { tag, directory: folder.path().join(name), command });
    for contender in [&ours, &theirs] {
        copy_app(&app, &contender.directory);
    }
    fs::write(theirs.directory.join("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(theirs.directory.join(".dockerignore"), DOCKERIGNORE).unwrap();
    let config = "/** @type {import('next').NextConfig} */\nmodule.exports = { output: 'standalone' };\n";
    for stale in ["next.config.ts", "next.config.mjs", "next.config.js"] {
        let _ = fs::remove_file(theirs.directory.join(stale));
    }
    fs::write(theirs.directory.join("next.config.js"), config).unwrap();

    println!("| measure | nextdeploy | docker CLI, three stages | ratio |\n|---|---|---|---|");
    // The first build of each warms up the daemon (base image, package store) and is not counted.
    let cold = [&ours, &theirs].map(|contender| contender.build(false));
    let without_cache = [&ours, &theirs].map(|contender| contender.build(true));
    let mut unchanged = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (times, contender) in unchanged.iter_mut().zip([&ours, &theirs]) {
            times.push(contender.build(false));
        }
    }
    let before = [&ours, &theirs].map(Contender::layers);
    let mut edited = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (times, contender) in edited.iter_mut().zip([&ours, &theirs]) {
            contender.edit(round);
            times.push(contender.build(false));
        }
    }
    let after = [&ours, &theirs].map(Contender::layers);

    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let base: Vec<String> =
        before[0].iter().zip(&before[1]).take_while(|(a, b)| a.0 == b.0).map(|(a, _)| a.0.clone()).collect();
    let size = |layers: &[(String, u64)]| layers.iter().map(|layer| layer.1).sum::<u64>();
    let own = |layers: &[(String, u64)]| layers.iter().filter(|l| !base.contains(&l.0)).map(|l| l.1).sum::<u64>();
    let changed = |at: usize| {
        let known: Vec<&String> = before[at].iter().map(|layer| &layer.0).collect();
        after[at].iter().filter(|layer| !known.contains(&&layer.0)).map(|layer| layer.1).sum::<u64>()
    };
    row("image, uncompressed layers", mib(size(&before[0])), mib(size(&before[1])), "MiB");
    row("layers above the base", mib(own(&before[0])), mib(own(&before[1])), "MiB");
    row("changed layers after a one-line edit", mib(changed(0)), mib(changed(1)), "MiB");
    row("rebuild, nothing changed", median(unchanged[0].clone()), median(unchanged[1].clone()), "s");
    row("rebuild after a one-line edit", median(edited[0].clone()), median(edited[1].clone()), "s");
    row("build with --no-cache", without_cache[0].as_secs_f64(), without_cache[1].as_secs_f64(), "s");
    row("first build", cold[0].as_secs_f64(), cold[1].as_secs_f64(), "s");
    for (name, layers) in [("nextdeploy", &before[0]), ("three stages", &before[1])] {
        let sizes: Vec<String> = layers.iter().map(|layer| format!("{:.2}", mib(layer.1))).collect();
        println!("\nlayers of {name}, MiB: {}", sizes.join(", "));
    }
    for contender in [&ours, &theirs] {
        run(docker().args(["image", "rm", "--force", contender.tag]));
    }
}

//! A separate Caddy for a test, and the checks of Caddy's command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::free_port;

pub struct Caddy {
    child: Child,
    pub admin: String,
    folder: TempDir,
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at_home<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).current_dir(folder)
}

impl Caddy {
    /// With only an admin API.
    pub fn empty() -> Self {
        Self::with_apps(&json!({}))
    }

    /// With these Caddy apps.
    pub fn with_apps(apps: &Value) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let config = json!({ "admin": { "listen": admin }, "apps": apps });
        Self::run(&admin, "json", &config.to_string())
    }

    /// With a Caddyfile whose admin API is at `admin`.
    pub fn with_caddyfile(admin: &str, text: &str) -> Self {
        Self::run(admin, "caddyfile", text)
    }

    /// As an unprivileged user, like packages run it.
    pub fn of_nobody() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "caddy"]);
        let admin = format!("127.0.0.1:{}", free_port());
        let config = json!({ "admin": { "listen": admin, "config": { "persist": false } } });
        Self::spawn(command, folder, &admin, "json", &config.to_string())
    }

    fn run(admin: &str, format: &str, config: &str) -> Self {
        Self::spawn(Command::new("caddy"), tempfile::tempdir().unwrap(), admin, format, config)
    }

    fn spawn(mut command: Command, folder: TempDir, admin: &str, format: &str, config: &str) -> Self {
        let file = folder.path().join(if format == "json" { "config.json" } else { "Caddyfile" });
        fs::write(&file, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        command.args(["run", "--config"]).arg(&file);
        if format != "json" {
            command.args(["--adapter", format]);
        }
        let child = at_home(&mut command, folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("caddy: {error}\nhint: run scripts/services start caddy"));
        let mut caddy = Self { child, admin: format!("http://{admin}"), folder };
        let started = Instant::now();
        // The admin API responds before the servers of the apps listen; Caddy logs this line once everything does.
        while !caddy.log().contains("serving initial configuration") {
            let ended = caddy.child.try_wait().unwrap().is_some();
            assert!(!ended && started.elapsed() < Duration::from_secs(20), "Caddy does not start\n{}", caddy.log());
            std::thread::sleep(Duration::from_millis(30));
        }
        caddy
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Runs `caddy VERB` on a file with the content `text`.
fn run_on(verb: &str, format: &str, text: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(if format == "json" { "config.json" } else { "Caddyfile" });
    fs::write(&file, text).unwrap();
    let mut command = Command::new("caddy");
    at_home(&mut command, folder.path()).args([verb, "--config"]).arg(&file);
    if format != "json" {
        command.args(["--adapter", format]);
    }
    command.output().unwrap_or_else(|error| panic!("caddy: {error}\nhint: run scripts/services start caddy"))
}

/// The output of `caddy adapt` for a Caddyfile; its messages if it rejects the file, or finds it wrongly formatted.
pub fn adapt(text: &str) -> Result<Value, String> {
    let output = run_on("adapt", "caddyfile", text);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() || told.contains("not formatted") {
        return Err(told);
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

/// `caddy validate`: every module loads its part of the configuration.
pub fn validate(format: &str, text: &str) -> Result<(), String> {
    let output = run_on("validate", format, text);
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

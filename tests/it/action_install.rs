//! `scripts/action/install`: which program a runner gets, and that nothing unverified runs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Stands in for the program: prints its name and version.
const PROGRAM: &str = concat!("#!/bin/sh\necho nextdeploy ", env!("CARGO_PKG_VERSION"), "\n");

/// A runner: a copy of the action, an empty tool cache, and a server with releases.
struct Runner {
    folder: TempDir,
    server: String,
}

#[derive(Debug)]
struct Step {
    success: bool,
    stdout: String,
    stderr: String,
    output: String,
}

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in ["scripts/action/install", "Cargo.toml", "Cargo.lock"] {
            let copy = folder.path().join("action").join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(root.join(path), copy).unwrap();
        }
        fs::create_dir_all(folder.path().join("action/src")).unwrap();
        fs::create_dir_all(folder.path().join("releases")).unwrap();
        let server = serve(folder.path().join("releases"));
        Self { folder, server }
    }

    /// Adds a release of this version, packed like the release workflow does.
    fn release(&self, owner: &str) -> PathBuf {
        self.release_of(owner, PROGRAM)
    }

    fn release_of(&self, owner: &str, text: &str) -> PathBuf {
        let folder = self.folder.path().join(format!("releases/{owner}/releases/download/v{VERSION}"));
        let program = self.folder.path().join("program");
        write_program(&program, text);
        let folder_name = folder.to_str().unwrap();
        release_step(&["pack", folder_name, program.to_str().unwrap()], &[("GITHUB_SHA", COMMIT)]).unwrap();
        release_step(&["checksums", folder_name], &[]).unwrap();
        folder
    }

    /// Replaces the archives of a release, for both architectures, with `tar ARGUMENTS` of a folder filled by `fill`.
    fn pack_otherwise(&self, release: &Path, arguments: &[&str], fill: impl FnOnce(&Path)) {
        let content = tempfile::tempdir_in(self.folder.path()).unwrap();
        fill(content.path());
        for architecture in ["x86_64", "aarch64"] {
            let archive = release.join(format!("nextdeploy-{architecture}-linux.tar.gz"));
            let packed =
                Command::new("tar").arg("-czf").arg(archive).arg("-C").arg(content.path()).args(arguments).status();
            assert!(packed.unwrap().success());
        }
        release_step(&["checksums", release.to_str().unwrap()], &[]).unwrap();
    }

    fn write_bin(&self, name: &str, text: &str) {
        let program = self.folder.path().join("bin").join(name);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        write_program(&program, text);
    }

    /// A `curl` that redirects github.com to this runner's server, and a `gh` that records its arguments and exits with `status`.
    fn with_gh(self, help: &str, status: i32) -> Self {
        let curl = format!(
            "#!/bin/bash\narguments=()\nfor argument; do\n  [[ $argument == -- ]] || arguments+=(\"${{argument/#https:\\/\\/github.com/{}}}\")\ndone\n\
             exec /usr/bin/curl \"${{arguments[@]}}\" --proto =http\n",
            self.server.replace('/', "\\/")
        );
        self.write_bin("curl", &curl);
        let log = self.folder.path().join("gh.log");
        let gh = format!(
            "#!/bin/sh\ncase \"$*\" in *--help) echo '{help}'; exit;; esac\n\
             echo \"$GH_HOST $GH_TOKEN $*\" >>{}\necho 'no matching attestation'\necho '::error::forged' >&2\nexit {status}\n",
            log.display()
        );
        self.write_bin("gh", &gh);
        self
    }

    fn gh_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("gh.log")).unwrap_or_default()
    }

    /// The checksums in the action's own commit, as written by `scripts/action/release pin`.
    fn pin(&self, sums: &str) {
        fs::write(self.folder.path().join("action/scripts/action/SHA256SUMS"), sums).unwrap();
    }

    /// The content of the tool cache.
    fn kept(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("tools/nextdeploy")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn install(&self, variables: &[(&str, &str)]) -> Step {
        let output_file = self.folder.path().join("output");
        fs::write(&output_file, "").unwrap();
        let output = Command::new(self.folder.path().join("action/scripts/action/install"))
            .env_clear()
            // The developer's cargo must not be found: a build from source takes minutes.
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()))
            .env("HOME", self.folder.path())
            .env("RUNNER_TOOL_CACHE", self.folder.path().join("tools"))
            .env("GITHUB_OUTPUT", &output_file)
            .env("GITHUB_SERVER_URL", &self.server)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Step {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            output: fs::read_to_string(output_file).unwrap(),
        }
    }

    /// A cargo that produces a program at once.
    fn with_cargo(self) -> Self {
        self.write_bin(
            "cargo",
            "#!/bin/sh\nfor last; do :; done\nmkdir -p \"$last/release\"\n\
             printf '#!/bin/sh\\necho nextdeploy built\\n' >\"$last/release/nextdeploy\"\nchmod 755 \"$last/release/nextdeploy\"\n",
        );
        self
    }
}

impl Step {
    #[track_caller]
    fn gives(&self, program: &str, from: &str) {
        assert!(self.success, "{self:#?}");
        assert!(self.stderr.contains(&format!("nextdeploy {program} ({from})")), "{self:#?}");
        let binary = self.output.strip_prefix("binary=").unwrap().trim_end();
        assert!(Path::new(binary).is_file(), "{self:#?}");
    }

    /// Exactly one single-line error annotation, and no output.
    #[track_caller]
    fn fails(&self, message: &str) {
        assert!(!self.success && self.output.is_empty(), "{self:#?}");
        let commands: Vec<&str> = self.stdout.lines().filter(|line| line.contains("::")).collect();
        assert_eq!(commands.len(), 1, "{self:#?}");
        assert!(commands[0].starts_with("::error title=nextdeploy cannot be installed::"), "{self:#?}");
        assert!(commands[0].contains(message), "expected `{message}`: {self:#?}");
    }
}

/// The output or the error of a step of `scripts/action/release`.
fn release_step(arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/action/release"))
        .args(arguments)
        .env_remove("GITHUB_OUTPUT")
        .env_remove("GITHUB_REF_NAME")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Serves the files below `folder`; a file `NAME.status` overrides the status.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let path = folder.join(request.split(' ').nth(1).unwrap().trim_start_matches('/'));
            let status = fs::read_to_string(path.with_extension("status")).unwrap_or("200".to_owned());
            let (status, body) = match fs::read(&path) {
                Ok(body) => (status, body),
                Err(_) => ("404".to_owned(), Vec::new()),
            };
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

const ACTION: (&str, &str) = ("ACTION_REPOSITORY", "acme/nextdeploy");

#[test]
fn a_tag_is_downloaded_once_and_then_found_in_the_tool_cache() {
    let runner = Runner::new();
    let release = runner.release("acme/nextdeploy");
    for tag in ["v0", &format!("v{VERSION}")] {
        let step = runner.install(&[ACTION, ("ACTION_REF", tag)]);
        assert!(step.success, "{step:#?}");
        fs::remove_dir_all(&release).ok();
    }
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).gives(VERSION, "tool cache");
    runner
        .install(&[("GITHUB_REPOSITORY", "acme/nextdeploy"), ("INPUT_VERSION", VERSION)])
        .gives(VERSION, "tool cache");
    assert_eq!(runner.kept().len(), 1, "nothing but the version stays: {:?}", runner.kept());
}

#[test]
fn a_release_is_the_version_of_its_tag_and_packs_the_same_file_each_time() {
    let tag = |tag: &str| release_step(&["version"], &[("GITHUB_REF_NAME", tag)]);
    assert!(tag(&format!("v{VERSION}")).unwrap().contains(&format!("version={VERSION}\n")));
    for wrong in ["v9.9.9", VERSION, "main", ""] {
        assert!(tag(wrong).unwrap_err().contains("and Cargo.toml says"), "{wrong}");
    }
    let packed = || {
        let runner = Runner::new();
        fs::read_to_string(runner.release("acme/nextdeploy").join("SHA256SUMS")).unwrap()
    };
    assert_eq!(packed(), packed());
    assert!(packed().ends_with("-linux.tar.gz\n"), "{}", packed());
    assert!(release_step(&["pack", "/nonexistent/x"], &[]).unwrap_err().contains("Usage"));
    assert!(release_step(&["pack", "/nonexistent/x", "/nonexistent/program"], &[]).is_err());
}

#[test]
fn a_commit_is_a_release_only_if_the_release_names_it() {
    let runner = Runner::new().with_cargo();
    runner.release("acme/nextdeploy");
    runner.install(&[ACTION, ("ACTION_REF", COMMIT)]).gives(VERSION, &format!("release {VERSION}, checksum verified"));
    let other = COMMIT.replace('0', "f");
    runner.install(&[ACTION, ("ACTION_REF", &other)]).gives("built", "built from source");
    runner.install(&[ACTION, ("ACTION_REF", &other)]).gives("built", "tool cache");
}

#[test]
fn a_branch_and_a_checkout_are_built_from_source_again_when_it_changes() {
    let runner = Runner::new().with_cargo();
    runner.release("acme/nextdeploy");
    runner.install(&[ACTION, ("ACTION_REF", "main")]).gives("built", "built from source");
    runner.install(&[]).gives("built", "tool cache");
    fs::write(runner.folder.path().join("action/src/main.rs"), "fn main() {}").unwrap();
    runner.install(&[]).gives("built", "built from source");
    Runner::new().install(&[ACTION, ("ACTION_REF", "main")]).fails("`main` is no release");
}

#[test]
fn a_download_with_a_wrong_checksum_is_rejected() {
    let runner = Runner::new();
    let release = runner.release("acme/nextdeploy");
    for architecture in ["x86_64", "aarch64"] {
        fs::write(release.join(format!("nextdeploy-{architecture}-linux.tar.gz")), "something else").unwrap();
    }
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).fails("does not have the checksum");
    runner.release("acme/nextdeploy");
    fs::write(release.join("SHA256SUMS"), "").unwrap();
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).fails("does not have the checksum");
    fs::remove_file(release.join("SHA256SUMS")).unwrap();
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).fails("nothing runs unchecked");
    assert_eq!(runner.kept(), Vec::<PathBuf>::new());
}

#[test]
fn an_archive_whose_program_does_not_run_is_never_kept() {
    let other = PROGRAM.replace(VERSION, "9.9.9");
    for (program, message) in [
        ("#!/bin/sh\nexit 3\n", "does not run on this machine"),
        ("#!/bin/sh\necho something else\n", "is not nextdeploy"),
        (&other, "holds nextdeploy 9.9.9, not 0."),
        ("#!/bin/sh\nexec /nonexistent/interpreter\n", "does not run on this machine"),
    ] {
        let runner = Runner::new();
        let release = runner.release("acme/nextdeploy");
        runner.pack_otherwise(&release, &["nextdeploy", "COMMIT"], |folder| {
            write_program(&folder.join("nextdeploy"), program);
            fs::write(folder.join("COMMIT"), COMMIT).unwrap();
        });
        let step = runner.install(&[ACTION, ("ACTION_REF", "v0")]);
        step.fails(message);
        assert_eq!(runner.kept(), Vec::<PathBuf>::new(), "{step:#?}");
    }
}

#[test]
fn an_archive_with_other_files_is_rejected() {
    let victim = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(victim.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let fill = |folder: &Path| {
        write_program(&folder.join("nextdeploy"), PROGRAM);
        fs::write(folder.join("COMMIT"), COMMIT).unwrap();
        std::os::unix::fs::symlink(victim.path(), folder.join("link")).unwrap();
        fs::hard_link(folder.join("nextdeploy"), folder.join("second")).unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
    };
    let arguments: [&[&str]; 7] = [
        &["--transform=s/^link$/nextdeploy/", "link", "COMMIT"],
        &["--transform=s/^second$/COMMIT/", "nextdeploy", "second"],
        &["--transform=s/^folder$/COMMIT/", "nextdeploy", "folder"],
        &["--transform=s,^link$,../escaped,", "nextdeploy", "COMMIT", "link"],
        &["--transform=s,^COMMIT$,../COMMIT,", "--absolute-names", "nextdeploy", "COMMIT"],
        &["--transform=s,^second$,nextdeploy,", "--hard-dereference", "nextdeploy", "COMMIT", "second"],
        &["COMMIT"],
    ];
    for arguments in arguments {
        let runner = Runner::new();
        let release = runner.release("acme/nextdeploy");
        runner.pack_otherwise(&release, arguments, fill);
        let step = runner.install(&[ACTION, ("ACTION_REF", "v0")]);
        step.fails("is not an archive of nextdeploy");
        assert_eq!(runner.kept(), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    assert_eq!(victim.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o600, "no link was followed");
}

#[test]
fn a_release_is_used_only_when_gh_confirms_that_the_release_workflow_built_it() {
    const GITHUB: (&str, &str) = ("GITHUB_SERVER_URL", "https://github.com");
    const TOKEN: (&str, &str) = ("INPUT_GITHUB_TOKEN", "token-of-the-job");
    let with_gh = |help, status| {
        let runner = Runner::new().with_gh(help, status);
        // The program must not see the token.
        runner
            .release_of("acme/nextdeploy", &PROGRAM.replace("echo", "[ -z \"$GH_TOKEN$INPUT_GITHUB_TOKEN\" ] && echo"));
        runner
    };
    let options = "--repo --signer-workflow --source-ref";
    let runner = with_gh(options, 0);
    let step = runner.install(&[ACTION, GITHUB, TOKEN, ("ACTION_REF", "v0"), ("GH_TOKEN", "another")]);
    step.gives(VERSION, &format!("release {VERSION}, attestation verified"));
    let called = runner.gh_log();
    for part in [
        "github.com token-of-the-job attestation verify ",
        "-linux.tar.gz --repo acme/nextdeploy ",
        " --signer-workflow acme/nextdeploy/.github/workflows/release.yml ",
        &format!(" --source-ref refs/tags/v{VERSION} "),
        " --deny-self-hosted-runners",
    ] {
        assert!(called.contains(part), "`{part}`: {called}");
    }

    let refused = with_gh(options, 1);
    let step = refused.install(&[ACTION, GITHUB, TOKEN, ("ACTION_REF", "v0")]);
    step.fails("does not confirm that");
    assert!(step.stdout.contains("no matching attestation%0A::error::forged"), "{step:#?}");
    assert_eq!(refused.kept(), Vec::<PathBuf>::new());

    // A GitHub Enterprise server without the release: it comes from github.com, where the token is not valid.
    let company = format!("{}/company", Runner::new().server);
    for (help, variables, reason) in [
        ("--repo", &[GITHUB, TOKEN][..], "`gh` of this runner is too old"),
        (options, &[GITHUB], "the input `github-token` is empty"),
        (options, &[TOKEN, ("GITHUB_SERVER_URL", &company)], "the token of this job is for another server"),
        (options, &[TOKEN], "this server has no attestations"),
    ] {
        let runner = with_gh(help, 1);
        let step = runner.install(&[variables, &[ACTION, ("ACTION_REF", "v0")]].concat());
        step.gives(VERSION, &format!("release {VERSION}, checksum verified"));
        assert!(step.stderr.contains(&format!("was not verified, only its checksum: {reason}")), "{step:#?}");
        assert_eq!(runner.gh_log(), "");
    }
}

#[test]
fn checksums_in_the_commit_of_the_action_take_precedence() {
    let runner = Runner::new();
    let release = runner.release("acme/nextdeploy");
    let sums = fs::read_to_string(release.join("SHA256SUMS")).unwrap();
    runner.pin(&sums);
    fs::remove_file(release.join("SHA256SUMS")).unwrap();
    // The commit with the checksums follows the commit of the release.
    let pinned = COMMIT.replace('0', "e");
    runner
        .install(&[ACTION, ("ACTION_REF", &pinned)])
        .gives(VERSION, &format!("release {VERSION}, checksum of this commit verified"));

    let runner = Runner::new();
    runner.pin(&sums);
    // Archive and checksums of the release are replaced together.
    runner.release_of("acme/nextdeploy", &format!("{PROGRAM}# changed\n"));
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).fails("scripts/action/SHA256SUMS` names");
    assert_eq!(runner.kept(), Vec::<PathBuf>::new());
}

#[test]
fn a_release_ends_with_a_commit_that_pins_its_checksums_and_the_tags_for_it() {
    let runner = Runner::new();
    let release = runner.release("acme/nextdeploy");
    let log = runner.folder.path().join("gh.log");
    // Responds like the API for git objects; `v0` exists, `vVERSION-pinned` does not.
    let gh = format!(
        "#!/bin/bash\nif [[ $* == *--silent* ]]; then [[ $* != *-pinned* ]]; exit; fi\n\
         {{ echo \"$2 $4\"; cat; }} >>{}\nprintf '%040d\\n' 7\n",
        log.display()
    );
    runner.write_bin("gh", &gh);
    let path = format!("{}:{}", runner.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
    let commit = format!("{:040}", 7);
    let mut variables = vec![
        ("PATH", path.as_str()),
        ("GITHUB_REPOSITORY", "acme/nextdeploy"),
        ("GITHUB_SHA", COMMIT),
        ("VERSION", VERSION),
    ];
    let output = release_step(&["pin", release.to_str().unwrap()], &variables).unwrap();
    assert!(output.contains(&format!("commit={commit}\n")), "{output}");
    assert!(release_step(&["major-tag"], &variables).unwrap_err().contains("PINNED_COMMIT"));
    variables.push(("PINNED_COMMIT", &commit));
    release_step(&["major-tag"], &variables).unwrap();
    let calls = runner.gh_log();
    let sums = fs::read_to_string(release.join("SHA256SUMS")).unwrap();
    let checksum = sums.split(' ').next().unwrap();
    for part in [
        "repos/acme/nextdeploy/git/trees POST",
        "\"path\": \"scripts/action/SHA256SUMS\"",
        checksum,
        "repos/acme/nextdeploy/git/commits POST",
        &format!("\"{COMMIT}\""),
        "repos/acme/nextdeploy/git/refs POST",
        &format!("\"ref\": \"refs/tags/v{VERSION}-pinned\""),
        "repos/acme/nextdeploy/git/refs/tags/v0 PATCH",
        "\"force\": true",
    ] {
        assert!(calls.contains(part), "`{part}`: {calls}");
    }
}

#[test]
fn a_server_error_is_not_a_missing_release() {
    let runner = Runner::new();
    let release = runner.release("acme/nextdeploy");
    for architecture in ["x86_64", "aarch64"] {
        fs::write(release.join(format!("nextdeploy-{architecture}-linux.tar.status")), "403").unwrap();
    }
    runner.install(&[ACTION, ("ACTION_REF", "v0")]).fails("HTTP status 403");
}

#[test]
fn invalid_versions_and_hostile_refs_are_one_line_errors() {
    let runner = Runner::new();
    for version in ["latest", "1", "1.2.3; id", "../../x", "0.1.0\n::warning::x", "$(id)"] {
        runner.install(&[ACTION, ("INPUT_VERSION", version)]).fails("give the version of a release");
    }
    let hostile = "x`id`\n::error::forged\r%0A";
    let step = runner.install(&[ACTION, ("ACTION_REF", hostile)]);
    step.fails("is no release");
    assert!(step.stdout.contains("%0A::error::forged%0D%250A"), "{step:#?}");
}

#[test]
fn an_installed_program_can_be_used() {
    let runner = Runner::new();
    let program = env!("CARGO_BIN_EXE_nextdeploy");
    runner.install(&[("NEXTDEPLOY_BINARY", program)]).gives(VERSION, "NEXTDEPLOY_BINARY");
    runner.install(&[("NEXTDEPLOY_BINARY", "/nonexistent")]).fails("is no program");
    runner.install(&[("NEXTDEPLOY_BINARY", "/bin/echo")]).fails("is not nextdeploy");
}

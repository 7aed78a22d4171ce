//! Any bytes as what git prints: facts or a warning, never a panic. A script stands for git; real git sees none of the input.
#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use nextdeploy::host::Environment;
use nextdeploy::repo::{Exclusions, GitDetail, GitOptions, SourceTree};
use nextdeploy_fuzz::parts;
use tempfile::TempDir;

struct Fake {
    folder: TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for folder in ["bin", "answers", "repository/.git/objects", "repository/.git/refs"] {
            fs::create_dir_all(fake.path(folder)).expect("a folder");
        }
        fs::write(fake.path("repository/.git/HEAD"), "ref: refs/heads/main\n").expect("a file");
        fs::write(fake.path("repository/package.json"), "{}").expect("a file");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in\n*' status '*) n=0;;\n*' log '*|*' cat-file '*) n=1;;\n\
             *' ls-files '*) n=2;;\n*) n=3;;\nesac\nexec /bin/cat {}/$n\n",
            fake.path("answers").display()
        );
        fs::write(fake.path("bin/git"), script).expect("a file");
        fs::set_permissions(fake.path("bin/git"), fs::Permissions::from_mode(0o755)).expect("the file is there");
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fuzz_target!(|data: &[u8]| {
    static FAKE: OnceLock<Fake> = OnceLock::new();
    let fake = FAKE.get_or_init(Fake::new);
    let parts = parts(data);
    for number in 0..4 {
        let answer = parts.get(number).map(Vec::as_slice).unwrap_or_default();
        fs::write(fake.path("answers").join(number.to_string()), answer).expect("a file");
    }
    let path = fake.path("bin");
    let environment = Environment::from_pairs([("PATH", path.to_str().expect("a path of ASCII"))]);
    let git = GitOptions { detail: GitDetail::Full, environment: &environment, workspace: None };
    let _ = SourceTree::read(&fake.path("repository"), Exclusions::Standard, Some(&git));
});

//! Any bytes as `metadata.json` and `nextdeploy.yml`: settings or an error, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nextdeploy::cli::Words;
use nextdeploy::host::Environment;
use nextdeploy::metadata::ConfigFiles;
use nextdeploy::rel_path::RelPath;
use nextdeploy::settings::resolve;
use nextdeploy::source::SourceTree;

fuzz_target!(|data: &[u8]| {
    let tree = SourceTree::from_texts([("package.json", "{}")]);
    for name in ["metadata.json", "nextdeploy.yml"] {
        if let Ok(files) = ConfigFiles::read(&tree, &RelPath::root(), Some((Path::new(name), data))) {
            let _ = resolve(&Words::default(), &Environment::default(), &files);
        }
    }
});

//! Archives as another tar reader sees them, and files that do not hold still.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::image::dockerfile::{ContextContent, ContextEntry};

fn entry(path: impl AsRef<Path>, content: ContextContent) -> ContextEntry {
    ContextEntry { path: path.as_ref().to_path_buf(), content, mode: 0o644 }
}

fn generated(path: impl AsRef<Path>, text: &str) -> ContextEntry {
    entry(path, ContextContent::Generated(text.as_bytes().to_vec()))
}

/// The file at `disk`, as the walk would have listed it now.
fn file(path: &str, disk: &Path) -> ContextEntry {
    entry(path, ContextContent::File { disk: disk.to_path_buf(), size: fs::metadata(disk).unwrap().len() })
}

fn context(entries: Vec<ContextEntry>) -> BuildContext {
    BuildContext { entries }
}

/// All bytes, and the error that ended them.
fn collect(stream: &mut ContextStream) -> (Vec<u8>, Option<ContextStreamError>) {
    let mut bytes = Vec::new();
    while let Some(item) = stream.0.blocking_recv() {
        match item {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                assert!(stream.0.blocking_recv().is_none(), "an error is the last item");
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

fn archive(entries: Vec<ContextEntry>) -> Vec<u8> {
    let context = context(entries);
    let expected = archive_size(&context);
    let (mut stream, progress) = stream(context);
    let (bytes, error) = collect(&mut stream);
    assert_eq!(error, None);
    assert_eq!(bytes.len() as u64, expected);
    assert_eq!(progress.read(), progress.total());
    bytes
}

fn failure(entries: Vec<ContextEntry>) -> ContextStreamError {
    let (mut stream, _) = stream(context(entries));
    let (bytes, error) = collect(&mut stream);
    assert!(!bytes.ends_with(&[0; 1024]), "a part must not look like a whole");
    error.expect("the stream must fail")
}

fn check_failure(entries: Vec<ContextEntry>, code: &str, message: &str) {
    let error = failure(entries);
    assert_eq!((error.code(), error.exit_code()), (code, ExitCode::Project));
    assert!(error.to_string().ends_with(message), "{error}");
    assert_eq!(error.hints().len(), 1);
}

#[test]
fn archives_hold_every_kind_of_name() {
    let long = format!("{}/file", "folder/".repeat(40));
    let exactly = "x".repeat(100);
    let not_utf8 = OsStr::from_bytes(b"caf\xe9");
    let target = PathBuf::from("../".repeat(50));
    let mut folder = entry(exactly.as_str(), ContextContent::Directory);
    folder.mode = 0o755;
    let bytes = archive(vec![
        generated("a\nb", "1"),
        generated(not_utf8, "2"),
        generated(&long, ""),
        folder,
        entry("link", ContextContent::Symlink { target: target.clone() }),
        entry("short", ContextContent::Symlink { target: "a b".into() }),
    ]);
    let mut reader = tar::Archive::new(bytes.as_slice());
    let mut found = Vec::new();
    for entry in reader.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 946_684_800));
        let target = entry.link_name_bytes().map(|target| target.to_vec());
        found.push((entry.path_bytes().to_vec(), header.mode().unwrap(), target));
    }
    let expected = vec![
        (b"a\nb".to_vec(), 0o644, None),
        (b"caf\xe9".to_vec(), 0o644, None),
        (long.into_bytes(), 0o644, None),
        (format!("{exactly}/").into_bytes(), 0o755, None),
        (b"link".to_vec(), 0o644, Some(target.into_os_string().into_encoded_bytes())),
        (b"short".to_vec(), 0o644, Some(b"a b".to_vec())),
    ];
    assert_eq!(found, expected);
}

#[test]
fn two_folders_with_the_same_files_give_the_same_bytes() {
    let make = || {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("small"), "abc").unwrap();
        fs::write(dir.path().join("large"), [1, 2, 3].repeat(1_000_000)).unwrap();
        let entries =
            ["large", "small"].map(|name| file(&format!("app/{name}"), &dir.path().canonicalize().unwrap().join(name)));
        (archive(entries.to_vec()), dir)
    };
    let (first, _first_dir) = make();
    std::thread::sleep(Duration::from_millis(20));
    let (second, _second_dir) = make();
    assert!(first == second);
    let mut reader = tar::Archive::new(first.as_slice());
    let sizes: Vec<u64> = reader.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert_eq!(sizes, [3_000_000, 3]);
}

#[test]
fn files_that_changed_since_they_were_listed_end_the_stream() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let disk = root.join("f");
    let listed = || {
        fs::write(&disk, "12345").unwrap();
        vec![generated("first", "x"), file("f", &disk), generated("last", "x")]
    };
    let entries = listed();
    fs::write(&disk, "123456789").unwrap();
    check_failure(entries, "context/changed-while-read", "it had 5 bytes and has 9 now");

    let entries = listed();
    fs::write(&disk, "1").unwrap();
    check_failure(entries, "context/changed-while-read", "it had 5 bytes and has 1 now");

    let entries = listed();
    fs::remove_file(&disk).unwrap();
    check_failure(entries, "context/vanished", "f` vanished while the build context was being sent");

    let entries = listed();
    fs::remove_file(&disk).unwrap();
    fs::create_dir(&disk).unwrap();
    check_failure(entries, "context/changed-while-read", "it is no longer a file");
    fs::remove_dir(&disk).unwrap();

    let entries = listed();
    fs::remove_file(&disk).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&disk).unwrap();
    check_failure(entries, "context/changed-while-read", "it is no longer a file");
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_block() {
    let dir = TempDir::new().unwrap();
    let disk = dir.path().canonicalize().unwrap().join("f");
    fs::write(&disk, "").unwrap();
    let entries = vec![file("f", &disk)];
    fs::remove_file(&disk).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &disk, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    check_failure(entries, "context/changed-while-read", "it is no longer a file");
}

#[test]
fn links_put_in_the_place_of_a_file_or_its_folder_leak_nothing() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "12345").unwrap();
    let dir = TempDir::new().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir(root.join("d")).unwrap();
    let disk = root.join("d/secret");
    fs::write(&disk, "54321").unwrap();
    let entries = vec![file("d/secret", &disk)];

    fs::remove_file(&disk).unwrap();
    symlink(outside.path().join("secret"), &disk).unwrap();
    check_failure(entries.clone(), "context/changed-while-read", "it or a parent folder is a link now");

    fs::remove_file(&disk).unwrap();
    fs::remove_dir(root.join("d")).unwrap();
    symlink(outside.path(), root.join("d")).unwrap();
    check_failure(entries, "context/changed-while-read", "it or a parent folder is a link now");
}

/// Streams a file of 8 MiB, lets `change` touch it when the first chunk has arrived, and gives the end of the stream.
fn change_while_streaming(change: impl FnOnce(&Path)) -> Option<ContextStreamError> {
    let dir = TempDir::new().unwrap();
    let disk = dir.path().canonicalize().unwrap().join("f");
    fs::write(&disk, vec![7; 8 * 1024 * 1024]).unwrap();
    let (mut stream, _) = stream(context(vec![file("f", &disk)]));
    stream.0.blocking_recv().unwrap().unwrap();
    change(&disk);
    collect(&mut stream).1
}

#[test]
fn files_that_change_while_they_are_read_end_the_stream() {
    let append = |disk: &Path| File::options().append(true).open(disk).unwrap().write_all(b"more").unwrap();
    let grown = change_while_streaming(append).expect("a grown file must fail");
    assert!(grown.to_string().ends_with("it had 8388608 bytes and has 8388612 now"), "{grown}");

    let shrunk = change_while_streaming(|disk| File::options().write(true).open(disk).unwrap().set_len(10).unwrap());
    assert_eq!(shrunk.expect("a shrunk file must fail").code(), "context/changed-while-read");

    let edited = change_while_streaming(|disk| {
        File::options().write(true).open(disk).unwrap().write_all(b"edited").unwrap();
    });
    assert!(edited.expect("an edited file must fail").to_string().ends_with("it was written to"));

    // What was opened stays readable: the content is complete, as it was listed.
    assert_eq!(change_while_streaming(|disk| fs::remove_file(disk).unwrap()), None);
}

#[test]
fn dropping_the_stream_stops_the_reading() {
    let dir = TempDir::new().unwrap();
    let disk = dir.path().canonicalize().unwrap().join("sparse");
    File::create(&disk).unwrap().set_len(1 << 40).unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(WAITING);
    let (done, ended) = std_mpsc::channel();
    let entries = vec![file("sparse", &disk)];
    let thread = thread::spawn(move || {
        ArchiveWriter::new(sender, Arc::default()).write(context(entries));
        done.send(()).unwrap();
    });
    let mut stream = ContextStream(receiver);
    stream.0.blocking_recv().unwrap().unwrap();
    drop(stream);
    ended.recv_timeout(Duration::from_secs(10)).expect("the writer must end with its receiver");
    thread.join().unwrap();
}

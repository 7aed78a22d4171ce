//! Offline tests: the structure of the code, and the program run with a scrubbed environment.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
#![expect(clippy::disallowed_methods, reason = "the tests start the program as users do")]

mod action;
mod action_cache;
mod action_install;
mod announce;
mod bad_input;
mod ci_log;
mod credentials;
mod dockerignore;
mod doctor;
mod endless;
mod fake_daemon;
mod fake_server;
mod forge;
mod hostile;
mod hostile_files;
mod hostile_git;
mod init;
mod layering;
mod program;
mod redaction;
mod supervise;
mod transfer;
mod unreadable;
mod verbs;

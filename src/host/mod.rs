//! The only access to environment variables, clock, standard streams, signals and child processes, and the one reader of files.

mod cache;
mod environment;
mod file;
mod process;
mod stream;

pub use cache::Cache;
pub use environment::{Environment, descriptor_limit, free_port, now, random_word};
pub use file::{
    DEEPEST_PATH, FILE_LIMIT, FileError, Folder, Size, kind_of, read_file, read_named, read_named_text, read_text_file,
};
pub use process::{
    ChildCall, ChildError, ChildLimits, CommandOutput, Life, PipedChild, ProcessId, ended, find_program, guarded,
    report_panics, run_blocking, run_child, run_command, spawn_piped,
};
pub use stream::{Streams, error_writer, is_terminal, output_is_terminal, output_writer, terminal_width};

//! The only door to environment variables, clock, standard streams, signals and child processes, and the one reader of files.

mod cache;
mod child;
mod clock;
mod descriptor;
mod environment;
mod file;
mod folder;
mod panic;
mod port;
mod process;
mod random;
mod signal;
mod stream;

pub use cache::Cache;
pub use child::{
    ChildCall, ChildError, ChildLimits, CommandOutput, PipedChild, find_program, run_blocking, run_child, run_command,
    spawn_piped,
};
pub use clock::now;
pub use descriptor::descriptor_limit;
pub use environment::Environment;
pub use file::{
    DEEPEST_PATH, FILE_LIMIT, FileError, Folder, Size, kind_of, read_file, read_named, read_named_text, read_text_file,
};
pub use panic::{guarded, report_panics};
pub use port::free_port;
pub use process::{Life, ProcessId};
pub use random::random_word;
pub use signal::ended;
pub use stream::{Streams, error_writer, is_terminal, output_is_terminal, output_writer, terminal_width};

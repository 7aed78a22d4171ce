//! Entry point as a cargo subcommand: `cargo nextdeploy build`.

fn main() -> std::process::ExitCode {
    nextdeploy::commands::main()
}

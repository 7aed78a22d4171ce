//! `nextdeploy schema`.

use clap::Args;

/// Print the JSON Schema of a file that the program reads or writes; without a name, the list of names.
#[derive(Debug, Clone, Args)]
pub struct Schema {
    /// Name from the list.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

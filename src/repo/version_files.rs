//! The files in which version managers pin versions of tools.

/// Where version managers look for their files in a folder.
pub const VERSION_FILES: [&str; 10] = [
    ".nvmrc",
    ".node-version",
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/config.toml",
    ".prototools",
    ".tool-versions",
];

//! Which files' text is worth loading: what detection reads, and nothing else.
//!
//! A path below the repository in, yes or no out. Local environment files (`.env.local` and the like) are never read.

/// True when detection reads the text of the file at `path` (relative, `/`-separated).
pub fn is_read(path: &str) -> bool {
    let mut folders = path.split('/');
    let name = folders.next_back().unwrap_or_default();
    if folders.any(|folder| folder == "node_modules") {
        return false;
    }
    matches!(
        name,
        "package.json"
            | "package-lock.json"
            | "npm-shrinkwrap.json"
            | "yarn.lock"
            | "pnpm-lock.yaml"
            | "bun.lock"
            | "bun.lockb"
            | "pnpm-workspace.yaml"
            | "turbo.json"
            | "turbo.jsonc"
            | "nx.json"
            | "project.json"
            | "lerna.json"
            | ".nvmrc"
            | ".node-version"
            | ".tool-versions"
            | ".npmrc"
            | ".yarnrc"
            | ".yarnrc.yml"
            | "bunfig.toml"
            | ".env"
            | ".env.production"
    ) || is_next_config(name)
}

fn is_next_config(name: &str) -> bool {
    name.strip_prefix("next.config.").is_some_and(|extension| matches!(extension, "js" | "mjs" | "cjs" | "ts" | "mts"))
}

#[cfg(test)]
mod tests {
    use super::is_read;

    #[test]
    fn reads_manifests_configuration_and_lockfiles_everywhere_but_in_installed_packages() {
        for path in
            ["package.json", "apps/web/package.json", "bun.lockb", "apps/web/next.config.mts", ".env.production"]
        {
            assert!(is_read(path), "{path}");
        }
        for path in
            ["node_modules/a/package.json", "a/node_modules/b/.npmrc", "src/index.ts", ".env.local", "next.config.json"]
        {
            assert!(!is_read(path), "{path}");
        }
    }
}

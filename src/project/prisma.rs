//! What generates the Prisma client: the scripts that run with the install and the build in, [`PrismaClient`] out.
//!
//! Prisma 7, and package managers that run no scripts of dependencies, leave it to the project. Nothing is run.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{InstallNeeds, PackageManagerKind, Prisma, PrismaClient, PrismaGenerate};
use super::install::PRISMA_CONFIGS;
use super::package_json::PackageJson;
use super::scripts::{ScriptCommand, commands, follow};
use super::text;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Scripts that are followed.
const MOST_SCRIPTS: usize = 256;
/// Programs that run scripts of other packages.
const RUNNERS: [&str; 7] = ["npm", "pnpm", "yarn", "bun", "turbo", "nx", "lerna"];

/// What runs with the install and the build.
pub(super) struct ClientInputs<'a> {
    pub tree: &'a SourceTree,
    /// The packages that the app cannot do without, its own among them, by folder.
    pub packages: BTreeMap<&'a RelPath, &'a PackageJson>,
    pub install: &'a InstallNeeds,
    pub kind: PackageManagerKind,
    /// Commands of the app's build.
    pub build: &'a [ScriptCommand],
    /// Scripts that run in the packages with the build, and in which of them.
    pub tasks: BTreeSet<String>,
    pub task_dirs: BTreeSet<RelPath>,
}

pub(super) fn client(inputs: &ClientInputs<'_>, prisma: &Prisma) -> PrismaClient {
    if inputs.scripts_generate() { PrismaClient::Scripts } else { PrismaClient::Missing(inputs.steps(prisma)) }
}

impl<'a> ClientInputs<'a> {
    fn scripts_generate(&self) -> bool {
        let all = self.packages.values().flat_map(|package| &package.scripts);
        let own = |text: &str| commands(text).iter().any(|command| generates(command, &BTreeSet::new()));
        let names = all.filter(|(_, text)| own(text)).map(|(name, _)| name.as_str()).collect();
        if self.build.iter().any(|command| generates(command, &names)) {
            return true;
        }
        let tasks = self.packages.values().filter(|package| self.task_dirs.contains(&package.dir));
        let tasks = tasks.flat_map(|package| {
            let around = self.tasks.iter().flat_map(|task| ["", "pre", "post"].map(|side| format!("{side}{task}")));
            around.filter_map(|name| Some((*package, package.scripts.get(&name)?)))
        });
        let mut scripts = self.lifecycle().chain(tasks).take(MOST_SCRIPTS);
        scripts.any(|(package, text)| follow(package, text).iter().any(|command| generates(command, &names)))
    }

    /// The scripts of the project that its install runs. Yarn 2 and later run `prepare` only when they pack.
    fn lifecycle(&self) -> impl Iterator<Item = (&'a PackageJson, &'a String)> {
        let scripts = if self.install.scripts.none { &[][..] } else { &self.install.lifecycle_scripts };
        let run = |name: &str| name != "prepare" || self.kind != PackageManagerKind::YarnBerry;
        scripts.iter().filter(move |script| run(&script.name)).filter_map(|script| {
            let package = self.packages.get(&script.dir)?;
            Some((*package, &script.command))
        })
    }

    /// A step for every package with schemas, if it is clear which one counts.
    fn steps(&self, prisma: &Prisma) -> Vec<PrismaGenerate> {
        let folders: BTreeSet<RelPath> = self.install.manifests.iter().filter_map(RelPath::parent).collect();
        let mut of_folder = BTreeMap::<RelPath, Vec<&RelPath>>::new();
        for schema in &prisma.schemas {
            let owner = std::iter::successors(schema.parent(), RelPath::parent).find(|dir| folders.contains(dir));
            of_folder.entry(owner.unwrap_or_default()).or_default().push(schema);
        }
        let is_needed = |dir: &RelPath| self.packages.contains_key(dir);
        if of_folder.keys().any(is_needed) {
            of_folder.retain(|dir, _| is_needed(dir));
        } else if !self.packages.values().any(|p| p.dependency("@prisma/client").or(p.dependency("prisma")).is_some()) {
            // It is the client of another app.
            return Vec::new();
        }
        let steps = of_folder.into_iter().filter_map(|(dir, schemas)| {
            let schema = self.schema(&dir, &schemas)?;
            Some(PrismaGenerate { dir, schema })
        });
        steps.collect()
    }

    /// The `--schema` that `prisma generate` needs in `dir`, which may be none; `None` if several schemas are possible.
    #[expect(clippy::option_option, reason = "the argument may be absent, and it may be unknown")]
    fn schema(&self, dir: &RelPath, schemas: &[&RelPath]) -> Option<Option<String>> {
        let package = self.packages.get(dir);
        let in_config = PRISMA_CONFIGS.iter().filter_map(|name| dir.join(name).ok()).any(|path| {
            // What cannot be read was reported with the variables of the file.
            let content = text::read(self.tree, &path).ok().flatten();
            content.is_some_and(|content| content.contains("schema:"))
        });
        if in_config || package.is_some_and(|package| package.prisma_schema.is_some()) {
            return Some(None);
        }
        let usual = ["schema.prisma", "prisma/schema.prisma"];
        if usual.iter().filter_map(|path| dir.join(path).ok()).any(|path| self.tree.has_file(&path)) {
            return Some(None);
        }
        // Prisma reads the files of a folder together.
        let shortest = schemas.iter().filter_map(|schema| schema.parent()).min_by_key(|folder| folder.as_str().len());
        let together = shortest.filter(|folder| folder != dir && schemas.iter().all(|schema| folder.contains(schema)));
        let path = match schemas {
            [one] => (*one).clone(),
            _ => together?,
        };
        Some(Some(super::workspace::relative(dir, &path).to_owned()))
    }
}

/// Whether a command generates the client; `names` are scripts that do.
fn generates(command: &ScriptCommand, names: &BTreeSet<&str>) -> bool {
    let words: Vec<&str> = command.words.iter().flat_map(|word| word.split_whitespace()).collect();
    let is_prisma = |word: &&str| word.rsplit('/').next().and_then(|name| name.split('@').next()) == Some("prisma");
    let prisma = words.iter().position(is_prisma);
    if command.program() == "echo" {
        return false;
    }
    if prisma.is_some_and(|at| words[at..].contains(&"generate")) || words.iter().any(|word| is_generator(word)) {
        return true;
    }
    let called = words.iter().skip(1).map(|word| word.rsplit('#').next().unwrap_or_default());
    RUNNERS.contains(&command.program()) && called.into_iter().any(|name| names.contains(name))
}

/// `db:generate`, `prisma:generate`, `scripts/generate-prisma-client.ts`: names that say what a script does.
fn is_generator(word: &str) -> bool {
    const OTHERS: [&str; 12] =
        ["client", "scripts", "script", "src", "tools", "bin", "ts", "mts", "js", "mjs", "cjs", "sh"];
    let parts = || word.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let is_verb = |part: &str| matches!(part, "generate" | "gen");
    let is_subject = |part: &str| matches!(part, "prisma" | "db" | "database");
    !word.starts_with('-')
        && parts().any(is_verb)
        && parts().any(is_subject)
        && parts().all(|part| is_verb(part) || is_subject(part) || OTHERS.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What generates the client of an app in `packages/db`; the build runs `build`, and the task `build` of the packages.
    fn found(files: &[&str], scripts: &[(&str, &str)], build: &str) -> String {
        let path = |path: &str| RelPath::new(path).unwrap();
        let texts = files.iter().map(|file| match file.split_once('=') {
            Some((file, text)) => (file, text),
            None => (*file, ""),
        });
        let tree = SourceTree::from_texts(texts);
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let package = PackageJson { dir: path("packages/db"), scripts, ..PackageJson::default() };
        let install = InstallNeeds {
            manifests: vec![path("package.json"), path("packages/db/package.json"), path("apps/api/package.json")],
            lifecycle_scripts: package
                .scripts
                .iter()
                .filter(|(name, _)| *name == "postinstall")
                .map(|(name, text)| super::super::LifecycleScript {
                    dir: package.dir.clone(),
                    name: name.clone(),
                    command: text.clone(),
                })
                .collect(),
            ..InstallNeeds::default()
        };
        let schemas = files.iter().filter(|file| file.ends_with(".prisma")).map(|file| path(file)).collect();
        let prisma = Prisma { version: None, schemas, client: PrismaClient::default() };
        let inputs = ClientInputs {
            tree: &tree,
            packages: [(&package.dir, &package)].into(),
            install: &install,
            kind: PackageManagerKind::Pnpm,
            build: &commands(build),
            tasks: ["build".to_owned()].into(),
            task_dirs: [package.dir.clone()].into(),
        };
        match client(&inputs, &prisma) {
            PrismaClient::Scripts => "scripts".to_owned(),
            PrismaClient::Missing(steps) => {
                let step = |step: &PrismaGenerate| format!("{} {}", step.dir, step.schema.as_deref().unwrap_or("-"));
                steps.iter().map(step).collect::<Vec<_>>().join(", ")
            }
        }
    }

    const USUAL: &[&str] = &["packages/db/prisma/schema.prisma"];

    #[test]
    fn scripts_that_generate() {
        for build in [
            "prisma generate",
            "dotenv -e .env -- npx prisma@6 generate --no-hints",
            "pnpm --filter db exec prisma generate",
            "concurrently 'prisma generate' 'x'",
            "turbo run db:generate",
            "nx db:generate prisma",
            "tsx scripts/db-generate.ts",
        ] {
            assert_eq!(found(USUAL, &[], build), "scripts", "{build}");
        }
        for build in
            ["next build", "prisma migrate deploy", "echo prisma generate", "node db/seed/generate.js", "x generate"]
        {
            assert_eq!(found(USUAL, &[], build), "packages/db -", "{build}");
        }
        let called = [("client", "prisma generate")];
        assert_eq!(found(USUAL, &called, "pnpm -F db client"), "scripts");
        assert_eq!(found(USUAL, &called, "next build client"), "packages/db -");
        assert_eq!(found(USUAL, &[("build", "prisma generate && tsc")], "next build"), "scripts");
        assert_eq!(found(USUAL, &[("prebuild", "npm run c"), ("c", "prisma generate")], "next build"), "scripts");
        assert_eq!(found(USUAL, &[("postinstall", "prisma generate")], "next build"), "scripts");
    }

    #[test]
    fn schemas_that_prisma_does_not_find_are_named() {
        let steps = |files: &[&str]| found(files, &[], "next build");
        assert_eq!(steps(&["packages/db/sql/schema.prisma"]), "packages/db sql/schema.prisma");
        let folder = ["packages/db/prisma/schema/a.prisma", "packages/db/prisma/schema/more/b.prisma"];
        assert_eq!(steps(&folder), "packages/db prisma/schema");
        let two = ["packages/db/mysql/schema.prisma", "packages/db/pg/schema.prisma"];
        assert_eq!(steps(&two), "");
        assert_eq!(steps(&[two[0], two[1], "packages/db/prisma.config.ts=x({ schema: 'pg' })"]), "packages/db -");
        assert_eq!(steps(&["apps/api/prisma/schema.prisma"]), "");
        assert_eq!(steps(&["apps/api/prisma/schema.prisma", USUAL[0]]), "packages/db -");
    }
}

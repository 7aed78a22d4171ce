//! The table of known failures, most certain first. Texts are those of the tools named in each group.

use self::SearchIn::{Either, Error, Log};

/// One known failure. `$1`, `$2` in the texts stand for what the pattern captured.
pub(super) struct Rule {
    pub(super) code: &'static str,
    pub(super) search: SearchIn,
    pub(super) pattern: &'static str,
    pub(super) meaning: &'static str,
    pub(super) action: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchIn {
    /// One line of the log.
    Log,
    /// The builder's error text.
    Error,
    Either,
}

pub(super) const TLS_INTERCEPTED: &str = "builder/tls-intercepted";
pub(super) const MORE_MEMORY: &str =
    "give the Docker daemon more memory, or limit Node.js with `--build-arg NODE_OPTIONS=--max-old-space-size=<MiB>`";
const UPDATE_LOCKFILE: &str = "the lockfile does not match `package.json`";

const fn rule(
    code: &'static str,
    search: SearchIn,
    pattern: &'static str,
    meaning: &'static str,
    action: &'static str,
) -> Rule {
    Rule { code, search, pattern, meaning, action }
}

pub(super) static RULES: &[Rule] = &[
    // Memory and disk.
    rule(
        "builder/out-of-memory",
        Either,
        r"JavaScript heap out of memory|Reached heap limit|Ineffective mark-compacts near heap limit",
        "Node.js ran out of its heap memory",
        "raise the limit of Node.js with `--build-arg NODE_OPTIONS=--max-old-space-size=<MiB>`, and see that the Docker daemon has as much",
    ),
    rule(
        "builder/out-of-memory",
        Log,
        r"signal:? SIGKILL|signal: killed|^\s*Killed\s*$|was killed \(SIGKILL\)|ENOMEM",
        "a process was killed, usually because the memory ran out",
        MORE_MEMORY,
    ),
    rule(
        "builder/disk-full",
        Either,
        r"(?i)no space left on device|ENOSPC: no space|disk quota exceeded",
        "the disk of the Docker daemon is full",
        "make room on the daemon's disk (`docker system df` shows what takes it)",
    ),
    // TLS, before network and registry errors: they follow from it.
    rule(
        TLS_INTERCEPTED,
        Either,
        r"(?i)self.signed.cert|UNABLE_TO_VERIFY_LEAF_SIGNATURE|unable to get (?:local )?issuer certificate|UNABLE_TO_GET_ISSUER_CERT|UNKNOWN_CERTIFICATE_VERIFICATION_ERROR|x509: certificate signed by unknown authority",
        "a server's certificate is not trusted inside the build, as behind a proxy that intercepts TLS",
        "pass the authority's PEM file with `--ca-bundle`",
    ),
    // Lockfiles: npm, yarn 1, yarn berry, pnpm, bun.
    rule(
        "builder/lockfile-outdated",
        Log,
        r"can only install with an existing package-lock\.json|ERR_PNPM_NO_LOCKFILE",
        "the lockfile is missing",
        "run the install command of the package manager once and commit the lockfile",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"(?:Missing|Invalid): (?:lock file's )?(\S+@\S+).* (?:from|does not satisfy) ",
        "the lockfile does not match `package.json` (`$1`)",
        "run `npm install` and commit `package-lock.json`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"npm (?:error|ERR!) code EUSAGE|`npm ci` can only install packages when",
        UPDATE_LOCKFILE,
        "run `npm install` and commit `package-lock.json`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"Your lockfile needs to be updated",
        UPDATE_LOCKFILE,
        "run `yarn install` and commit `yarn.lock`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"YN0028|lockfile would have been (?:modified|created) by this install",
        UPDATE_LOCKFILE,
        "run `yarn install` with the Yarn version that the project pins, and commit `yarn.lock`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"ERR_PNPM_LOCKFILE_CONFIG_MISMATCH",
        "the lockfile was made with other settings (`overrides`, `patchedDependencies`, …) than the project has",
        "run `pnpm install --no-frozen-lockfile` with the project's pnpm version and commit `pnpm-lock.yaml`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"ERR_PNPM_OUTDATED_LOCKFILE|ERR_PNPM_FROZEN_LOCKFILE_WITH_OUTDATED_LOCKFILE|ERR_PNPM_LOCKFILE_MISSING_DEPENDENCY|ERR_PNPM_LOCKFILE_BREAKING_CHANGE",
        UPDATE_LOCKFILE,
        "run `pnpm install` with the project's pnpm version and commit `pnpm-lock.yaml`",
    ),
    rule(
        "builder/lockfile-outdated",
        Log,
        r"lockfile had changes, but lockfile is frozen",
        UPDATE_LOCKFILE,
        "run `bun install` with the project's Bun version and commit the lockfile",
    ),
    // Private and missing packages.
    rule(
        "builder/package-denied",
        Log,
        r"(?:npm (?:error|ERR!) code E40[13]|ERR_PNPM_FETCH_40[13]|YN0041|[Uu]nable to authenticate|(?:4|Request failed .4)0[13] (?:Unauthorized|Forbidden))",
        "a package registry refused access to a package",
        "pass the registry's token as a secret (`--secret id=npmrc,src=.npmrc`, or the variable that `.npmrc` reads)",
    ),
    rule(
        "builder/package-not-found",
        Log,
        r#"(?:npm (?:error|ERR!) 404 .*?'?(@?[\w.-]+(?:/[\w.-]+)?@[^' ]+)'? (?:is not in this registry|could not be found)|ERR_PNPM_FETCH_404\s+GET (\S+?): |YN0035: │ (\S+?): Package not found|"?(https://\S+?)"?: (?:Request failed )?"404 Not Found"|Couldn't find package "([^"]+)" on the|GET (https://\S+) - 404)"#,
        "a package registry does not have a package (`$1$2$3$4$5$6`); private packages look like this without a token",
        "check name and version, and pass the registry's token as a secret when the package is private",
    ),
    rule(
        "builder/package-not-found",
        Log,
        r#"(?:No matching version found for (\S+?)\.?(?:\s|$)|Couldn't find any versions for (".+?" that matches ".+?")|YN0082: │ (\S+?): No candidates found|No version matching (".+?" found for specifier ".+?"))"#,
        "a package registry does not have this version of a package: `$1$2$3$4`",
        "check the version in `package.json`; a mirror of a registry may lag behind it, and a minimum age hides new versions",
    ),
    // Engines.
    rule(
        "builder/engine-mismatch",
        Log,
        r#"You are using Node\.js (\S+)\. For Next\.js, Node\.js version "?([^" ]+)"? is required"#,
        "Node.js $1 is too old for this Next.js, which wants $2",
        "choose a Node.js version with `--node-version`, or in `engines.node` of `package.json`",
    ),
    rule(
        "builder/engine-mismatch",
        Log,
        r#"The engine "(\w+)" is incompatible with this module\. Expected version "([^"]+)"\. Got "([^"]+)""#,
        "a package wants $1 $2, and the build has $3",
        "choose a Node.js version with `--node-version`, or in `engines.node` of `package.json`",
    ),
    rule(
        "builder/engine-mismatch",
        Log,
        r"(?:npm (?:error|ERR!) code EBADENGINE|ERR_PNPM_UNSUPPORTED_ENGINE)",
        "the project wants another version of Node.js or of its package manager",
        "choose a Node.js version with `--node-version`, or correct `engines` in `package.json`",
    ),
    // Native modules and Prisma.
    rule(
        "builder/native-toolchain",
        Log,
        r"gyp ERR! find Python|fatal error: \S+\.h: No such file or directory|Package \S+ was not found in the pkg-config search path|gyp ERR! stack Error: not found: make|(?:sh|bash): (?:\d+: )?(?:make|g\+\+|gcc|cc|python3?): not found|not found: (?:make|g\+\+)|gyp ERR! not ok",
        "a native module cannot be compiled: the build has no compiler, no Python, or lacks a library",
        "add what the log names with `--build-package` (compilers are `python3`, `make` and `g++`), or use a version of the module with prebuilt binaries",
    ),
    rule(
        "builder/no-system-packages",
        Log,
        r"apt-get: (?:command )?not found",
        "system packages cannot be installed: the base image has neither `apt-get` nor `apk`",
        "choose a base image on Debian or Alpine, or one that already has the packages",
    ),
    rule(
        "builder/system-package-not-found",
        Log,
        r"E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate|Version '\S+' for '(\S+)' was not found)|^\s*(\S+) \(no such package\):",
        "the distribution of the base image has no package `$1$2$3$4`",
        "check the name given with `--package` or `--build-package`; Debian and Alpine name some packages differently",
    ),
    rule(
        "builder/ssh",
        Log,
        r"Permission denied \(publickey|Host key verification failed|cannot run ssh: No such file",
        "a dependency is fetched over SSH, and the build has no key that its server accepts",
        "pass a deploy key with `--secret-file ssh-key=PATH`, or depend on `git+https://…`",
    ),
    rule(
        "builder/prisma",
        Log,
        r"@prisma/client did not initialize yet|Cannot find module '\.prisma/client",
        "the Prisma client was not generated",
        "run `prisma generate` in the `postinstall` or `build` script of `package.json`",
    ),
    rule(
        "builder/prisma",
        Log,
        r"(?i)Prisma Client could not locate the Query Engine|failed to detect the libssl/openssl version|libssl\.so[.\d]*: cannot open shared object|Error loading shared library libssl",
        "Prisma's engine does not fit the OpenSSL of the base image",
        "add the base image's target to `binaryTargets` in the Prisma schema, or choose another base with `--base slim`",
    ),
    // Environment variables.
    rule(
        "builder/missing-variable",
        Log,
        r"(?:Environment variable not found: |(?i:missing (?:required )?env(?:ironment)?(?: variable| var)?s?:? )|(?i:env(?:ironment)? var(?:iable)? ))[`'\x22]?([A-Z][A-Z0-9_]+)",
        "the environment variable `$1` is missing in the build",
        "set it in `metadata.json` or with `--env $1=…`, or as a build secret when it is one",
    ),
    rule(
        "builder/missing-variable",
        Log,
        r"(?i)invalid environment variables|missing (?:required )?environment variables?",
        "the app checks its environment variables while it is built, and some are missing or wrong",
        "set those that the log names in `metadata.json` or with `--env NAME=VALUE`",
    ),
    // Fonts, before the network.
    rule(
        "builder/fonts",
        Log,
        r"Failed to fetch (?:font )?[`'\x22]([^`'\x22]+)[`'\x22](?: from Google Fonts|\.)|(?:requesting|fetch|resolve) .*(https://fonts\.(?:googleapis|gstatic)\.com)",
        "a font (`$1$2`) cannot be fetched from Google while the app is built",
        "let the build reach fonts.googleapis.com, or use `next/font/local` with the font's files in the repository",
    ),
    // Scripts and commands.
    rule(
        "builder/no-build-script",
        Log,
        r#"[Mm]issing script: "?([\w:.-]+)|Command "([\w:.-]+)" not found|Couldn't find a script named "([\w:.-]+)"|Script not found "([\w:.-]+)""#,
        "`package.json` has no script `$1$2$3$4`",
        "add the script, or name the command with `--build-command`",
    ),
    rule(
        "builder/command-not-found",
        Log,
        r"(?:sh|bash): (?:line )?(?:\d+: )?([\w./-]+): (?:command )?not found",
        "the command `$1` is not installed in the build",
        "add the package that brings `$1` to `dependencies` or `devDependencies` and update the lockfile",
    ),
    // The app's own errors.
    rule(
        "builder/type-error",
        Log,
        r"Type error: (.+)|error (TS\d+: .+)",
        "the app has a type error: $1$2",
        "correct it; `npx tsc --noEmit` shows all of them",
    ),
    rule(
        "builder/module-not-found",
        Log,
        r#"Module not found: (?:Error: )?Can't resolve ['"]([^'"]+)['"]|Cannot find module ['"]([^'"]+)['"]"#,
        "the module `$1$2` is not found",
        "add it to `package.json` and the lockfile, or check the path and its upper and lower case letters: the build runs on Linux",
    ),
    rule(
        "builder/lint-error",
        Log,
        r"^\s*\d+:\d+\s+(?:Error:|error)\s+(.+?)\s+([@\w/-]+)\s*$",
        "the app has a lint error: $1 ($2)",
        "correct it, or set `eslint.ignoreDuringBuilds` in `next.config`",
    ),
    rule(
        "builder/build-needs-server",
        Log,
        r"ECONNREFUSED (\S+:\d+)",
        "the build wants to connect to `$1`, where nothing listens",
        "make the page dynamic, or give the build a server that it can reach (`--network host`, or another address in its variables)",
    ),
    // Network.
    rule(
        "builder/network",
        Either,
        r"(?:EAI_AGAIN|ENOTFOUND|getaddrinfo\S*) (?:EAI_AGAIN |ENOTFOUND )?(\S+)|Temporary failure resolving '([^']+)'|dial tcp: lookup (\S+?)(?: on \S+)?: ",
        "the name `$1$2$3` cannot be resolved inside the build",
        "check the network and DNS of the Docker daemon, or its proxy settings; `--network host` uses those of the machine",
    ),
    rule(
        "builder/network",
        Either,
        r"ETIMEDOUT|ENETUNREACH|ECONNRESET|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|(?i:network is unreachable|connection timed out|i/o timeout)|ConnectionRefused downloading",
        "the network cannot be reached from inside the build",
        "check the network of the Docker daemon, or its proxy settings, and try again",
    ),
    rule(
        "builder/missing-variable",
        Log,
        r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b[`'\x22]? (?:(?:is|was|must be) )?(?:not (?:defined|set|provided|found)|missing|required|undefined|set\b)",
        "the environment variable `$1` is missing in the build",
        "set it in `metadata.json` or with `--env $1=…`, or as a build secret when it is one",
    ),
    rule(
        "builder/static-export",
        Log,
        r#"(?:[Pp]age "([^"]+)" .*|(\w+) )cannot be used with "output: export"|(Image Optimization) using the default loader is not compatible with [`'\x22]"#,
        "`$1$2$3` needs a server, and `output: 'export'` leaves files only",
        "remove `output` from next.config, or do without what needs a server",
    ),
    rule(
        "builder/prerender",
        Log,
        r#"Error occurred prerendering page "([^"]+)""#,
        "the page `$1` failed while it was rendered for the build",
        "correct the error above it in the log, or make the page dynamic",
    ),
    rule(
        "builder/page-data",
        Log,
        r"Failed to collect (?:page data|configuration) for (\S+)",
        "the code of `$1` failed when `next build` loaded it, most often because a variable is not set",
        "pass the variables that it reads with `--env NAME=VALUE` or `--secret NAME`; the error above in the log says what is missing",
    ),
    rule(
        "builder/next-config-output",
        Log,
        r#"- output: unknown variant `([^`]*)`|received '?([^']*?)'? at "output"|"output" must be one of"#,
        "`output` in next.config is none that Next.js knows (`$1$2`)",
        "set it to `'standalone'` or `'export'`, or leave it out",
    ),
    rule(
        "builder/syntax-error",
        Log,
        r"^\s*(?:Caused by:\s*)?Syntax Error\s*$|Parsing ecmascript source code failed|Module parse failed",
        "a source file has a syntax error",
        "correct it",
    ),
    rule(
        "builder/app-error",
        Log,
        r"Failed to compile|Build failed because of webpack errors|Turbopack build failed",
        "the app does not compile",
        "correct the errors at the end of the log",
    ),
    // What the builder itself says.
    rule(
        "builder/base-image-denied",
        Error,
        r"pull access denied for ([^,\s]+)",
        "the registry does not hand out the base image `$1`: it is private, or it does not exist",
        "check the name, and log in to its registry (`docker login`)",
    ),
    rule(
        "builder/base-image-denied",
        Error,
        r"pull access denied|401 Unauthorized|403 Forbidden|insufficient_scope|unauthorized: |denied: requested access",
        "the registry does not hand out the base image: it is private, or it does not exist",
        "check the name, and log in to its registry (`docker login`)",
    ),
    rule(
        "builder/base-image-not-found",
        Error,
        r"(?:manifest unknown|failed to resolve source metadata for ([^:\s]+\S*?): .*not found|(\S+): not found: manifest|manifest for (\S+) not found|no such image)",
        "the base image is not in its registry",
        "check name and tag of `--base` and `--node-version`",
    ),
    rule(
        "builder/base-image-unreachable",
        Error,
        r"(?:failed to do request|failed to resolve source metadata|failed to load cache key|pinging container registry|load metadata)",
        "the registry of the base image cannot be reached",
        "check the daemon's network and the image's name; an image that the daemon already has is used without its registry",
    ),
    rule(
        "builder/copy-not-found",
        Error,
        r#"(?:failed to compute cache key|failed to calculate checksum)[^"]*"([^"]+)"[^"]*not found|COPY failed: .*?(?:stat|excluded by \.dockerignore: stat) (\S+?): |copier: stat: "([^"]+)""#,
        "`$1$2$3` is not in the build context",
        "check the path in the Dockerfile, and that `.dockerignore` does not exclude it",
    ),
    rule(
        "builder/target-not-found",
        Error,
        r#"target stage "?([^\s"]+)"? could not be found|failed to reach build target (\S+) in Dockerfile"#,
        "the Dockerfile has no stage `$1$2`",
        "name a stage of the Dockerfile with `--target`",
    ),
    rule(
        "builder/secret-missing",
        Error,
        r"secret (\S+?):? (?:not found|was not given)",
        "the Dockerfile needs the secret `$1`, which was not provided",
        "pass it with `--secret id=$1,src=FILE` or `--secret id=$1,env=NAME`",
    ),
    rule(
        "builder/dockerfile-syntax",
        Error,
        r"(?i)dockerfile parse error (?:on )?line (\d+): (.+)",
        "line $1 of the Dockerfile: $2",
        "correct the line; features newer than the daemon's BuildKit need a newer Docker Engine",
    ),
    rule(
        "builder/bad-reference",
        Error,
        r"invalid reference format(.*)",
        "an image reference is not valid$1",
        "correct the reference given with `--tag` or `--base`",
    ),
    rule(
        "builder/package-manager-crashed",
        Log,
        r"npm (?:error|ERR!) (?:Exit handler never called|cb\(\) never called)",
        "npm crashed, usually because of a network failure",
        "try again; if it persists, select another npm version with `packageManager` in `package.json`",
    ),
];

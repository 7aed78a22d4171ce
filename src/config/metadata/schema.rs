//! JSON Schemas of the files, for editors and for checks outside this program.
//!
//! The types describe the spelling that the documentation recommends. Reading goes through [`super::document`], which takes
//! every other spelling as well, so the schemas allow unknown keys.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};

use super::record::{BuildLock, Metadata};

/// The schemas of this module by name, in the order of the documentation.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("metadata.json", schema_for!(MetadataJson)),
        ("nextdeploy.yml", schema_for!(NextdeployYml)),
        ("payload", schema_for!(Payload)),
        (".nextdeploy/metadata.json", schema_for!(Metadata)),
        (".nextdeploy/build.lock", schema_for!(BuildLock)),
    ]
}

/// `metadata.json`, written by a person.
#[derive(JsonSchema)]
#[schemars(title = "Settings of an app, metadata.json")]
#[expect(dead_code, reason = "describes a file")]
struct MetadataJson {
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Name of the app, from which the image gets its name.
    app_name: Option<String>,
    /// Same as `app_name`.
    name: Option<String>,
    /// Command that starts the app; `npm start` and the like mean the project's own start.
    entry_point: Option<Command>,
    /// Same as `entry_point`.
    entrypoint: Option<Command>,
    /// Same as `entry_point`.
    start_command: Option<Command>,
    /// Command line that builds the app; `npm run build` and the like mean the project's own script.
    build_command: Option<String>,
    package_manager: Option<PackageManager>,
    /// Node.js release line or exact version.
    node_version: Option<NumberOrText>,
    port: Option<Port>,
    /// The app's folder, relative to the file.
    root_dir: Option<String>,
    /// Same as `root_dir`.
    working_dir: Option<String>,
    /// Environment variables.
    env_vars: Option<Variables>,
    /// Same as `env_vars`.
    env: Option<Variables>,
    /// Same as `env_vars`.
    environment: Option<Variables>,
    output_mode: Option<OutputMode>,
    /// Same as `output_mode`.
    standalone: Option<OutputMode>,
    /// Same as `output_mode`.
    output: Option<OutputMode>,
    /// Path that the health check requests.
    health_path: Option<String>,
}

/// `.nextdeploy/metadata.json` as the predecessor of this program wrote it, any generation.
#[derive(JsonSchema)]
#[schemars(title = "Build payload of the predecessor, .nextdeploy/metadata.json")]
#[expect(dead_code, reason = "describes a file")]
struct Payload {
    app_name: Option<String>,
    package_manager: Option<String>,
    build_command: Option<String>,
    start_command: Option<String>,
    entrypoint: Option<Command>,
    port: Option<Port>,
    env: Option<Variables>,
    root_dir: Option<String>,
    working_dir: Option<String>,
    output_mode: Option<String>,
    standalone: Option<String>,
    output: Option<String>,
    health_path: Option<String>,
    nextbuildmetadata: Option<BTreeMap<String, serde_json::Value>>,
    config: Option<BTreeMap<String, serde_json::Value>>,
}

/// `nextdeploy.yml`; keys may also be written in camel case.
#[derive(JsonSchema)]
#[schemars(title = "Settings of an app and its deployment, nextdeploy.yml")]
#[expect(dead_code, reason = "describes a file")]
struct NextdeployYml {
    version: Option<NumberOrText>,
    app: Option<App>,
    docker: Option<Docker>,
    environment: Option<Vec<Variable>>,
    deployment: Option<Deployment>,
    repository: Option<Anything>,
    servers: Option<Vec<Anything>>,
    secrets: Option<Anything>,
    database: Option<Anything>,
    monitoring: Option<Anything>,
    logging: Option<Anything>,
    backup: Option<Anything>,
    ssl: Option<Anything>,
    ssl_config: Option<Anything>,
    webhooks: Option<Vec<Anything>>,
    webhook: Option<Anything>,
    cloud_provider: Option<Anything>,
    target_type: Option<String>,
    serverless: Option<Anything>,
}

/// Not used for the image.
type Anything = BTreeMap<String, serde_json::Value>;

#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a file")]
struct App {
    /// Name of the app, from which the image gets its name.
    name: Option<String>,
    port: Option<Port>,
    /// The app's folder, relative to the file.
    path: Option<String>,
    package_manager: Option<PackageManager>,
    /// Node.js release line or exact version.
    node_version: Option<NumberOrText>,
    build_command: Option<String>,
    start_command: Option<Command>,
    health_path: Option<String>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a file")]
struct Docker {
    /// Name of the image; without a tag, `latest`.
    image: Option<String>,
    /// References or tags; in place of `image`.
    tags: Option<Vec<String>>,
    /// `slim`, `alpine`, `distroless` or an image reference.
    base: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    platform: Option<String>,
    build: Option<DockerBuild>,
    /// Stage at which to stop; only with the repository's own Dockerfile.
    target: Option<String>,
    no_cache: Option<bool>,
    always_pull: Option<bool>,
    network: Option<String>,
    memory: Option<NumberOrText>,
    cache_from: Option<Vec<String>>,
    env_files: Option<EnvFiles>,
    /// Packages of the base image's distribution, for the image.
    packages: Option<Vec<String>>,
    /// The same for the build only.
    build_packages: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a file")]
struct DockerBuild {
    /// The app's folder, relative to the file.
    context: Option<String>,
    /// Path of the repository's own Dockerfile; counts only where that file is.
    dockerfile: Option<String>,
    no_cache: Option<bool>,
    args: Option<BTreeMap<String, Scalar>>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a file")]
struct Deployment {
    server: Option<Anything>,
    container: Option<Anything>,
}

/// One environment variable.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a file")]
struct Variable {
    name: String,
    /// Absent: taken from the environment of the build.
    value: Option<Scalar>,
    /// Reaches the build as a secret, and never the image.
    secret: Option<bool>,
    scope: Option<Scope>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a file")]
enum Scope {
    Auto,
    Build,
    Image,
    Container,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a file")]
enum EnvFiles {
    Auto,
    Keep,
    Strip,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a file")]
enum PackageManager {
    Npm,
    Yarn,
    Pnpm,
    Bun,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a file")]
enum OutputMode {
    Default,
    Standalone,
    Export,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Command {
    Line(String),
    Words(Vec<String>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum NumberOrText {
    Number(f64),
    Text(String),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Port {
    Number(u16),
    Text(#[schemars(regex(pattern = "^[0-9]{1,5}$"))] String),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
    Nothing(()),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Variables {
    ByName(BTreeMap<String, Scalar>),
    Items(Vec<VariableItem>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum VariableItem {
    /// `NAME=VALUE`
    Line(String),
    Variable(Variable),
}

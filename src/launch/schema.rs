//! The JSON Schema of the container document, for editors and for checks outside this program.
//!
//! The types describe the file; reading goes through [`super::document`], which is as strict, and a test holds the two together.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};

/// The schema under the name by which `nextdeploy schema` prints it.
pub fn container_schema() -> (&'static str, Schema) {
    ("container", schema_for!(ContainerDocument))
}

/// One container of an app. What is left out follows from the image.
#[derive(JsonSchema)]
#[schemars(title = "Container document", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct ContainerDocument {
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Name of the container.
    name: Option<Name>,
    /// Image reference; pulled when the daemon lacks it.
    image: Option<String>,
    /// Network to join, made when it is missing.
    network_name: Option<Name>,
    env: Option<Variables>,
    /// Files with variables as Next.js reads `.env`, relative to the document.
    env_files: Option<OneOrMany<String>>,
    /// Ports of the machine that lead to the container; an empty list publishes nothing.
    ports: Option<OneOrMany<Port>>,
    /// Mounts of paths of the machine: `./PATH:TARGET[:ro]`, relative to the document; `VOLUME:TARGET` is a named volume.
    volumes: Option<OneOrMany<Volume>>,
    /// Volumes that the daemon keeps, made when they are missing.
    named_volumes: Option<OneOrMany<NamedVolume>>,
    secrets: Option<OneOrMany<SecretEntry>>,
    /// Instead of the image's own.
    entrypoint: Option<Command>,
    /// Instead of the image's own.
    command: Option<Command>,
    working_dir: Option<Path>,
    /// `USER`, `UID` or `UID:GID`.
    user: Option<NumberOrText>,
    /// Bytes, or with a unit such as `512m`; `none` for no limit.
    memory: Option<NumberOrText>,
    /// Processors, such as 1.5; `none` for no limit.
    cpus: Option<NumberOrText>,
    /// Processes and threads; `none` for no limit.
    pids: Option<NumberOrText>,
    restart: Option<Restart>,
    health: Option<Health>,
    labels: Option<BTreeMap<String, Scalar>>,
    logging: Option<Logging>,
    /// Everything but what the app writes to is read-only.
    read_only: Option<bool>,
    /// Folders in memory: `TARGET[:size=64m,mode=1777]`.
    tmpfs: Option<OneOrMany<Tmpfs>>,
    extra_hosts: Option<ExtraHosts>,
    hooks: Option<Hooks>,
}

#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "describes a file")]
struct Name(#[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$"))] String);

/// An absolute path in the container.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "describes a file")]
struct Path(#[schemars(regex(pattern = r"^/.*[^/].*$"))] String);

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
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
enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// Environment variables; not for secrets. A name without value takes it from the environment.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Variables {
    ByName(BTreeMap<String, Option<Scalar>>),
    /// `NAME=VALUE` or `NAME`
    Lines(Vec<String>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Port {
    /// Port of the machine that leads to the app.
    Number(u16),
    /// `[ADDRESS:]PORT[:CONTAINER_PORT][/udp]`
    Text(String),
    Fields(PortFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct PortFields {
    /// Address of the machine; 127.0.0.1 unless given.
    address: Option<String>,
    /// 0 is a free one.
    host_port: Option<u16>,
    /// The app's own unless given.
    container_port: Option<u16>,
    protocol: Option<Protocol>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a file")]
enum Protocol {
    Tcp,
    Udp,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Volume {
    Text(String),
    Fields(VolumeFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct VolumeFields {
    /// Path of the machine, relative to the document.
    source: String,
    target: Path,
    read_only: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum NamedVolume {
    /// `VOLUME:TARGET[:ro]`
    Text(String),
    Fields(NamedVolumeFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct NamedVolumeFields {
    name: Name,
    target: Path,
    read_only: Option<bool>,
    /// `local` unless another is given.
    driver: Option<String>,
    options: Option<BTreeMap<String, Scalar>>,
}

/// A secret, which the document names and never holds.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum SecretEntry {
    /// `NAME`, `id=ID,src=FILE` or `id=ID,env=NAME`
    Text(String),
    Fields(SecretFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct SecretFields {
    /// The file `/run/secrets/NAME`, and the variable when it is a valid name.
    name: String,
    /// File with the value, relative to the document.
    file: Option<String>,
    /// Environment variable with the value; `name` unless given.
    env: Option<String>,
}

/// Words as one text with quotes, or as a list; no shell runs them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Command {
    Line(String),
    Words(Vec<String>),
}

/// When the daemon starts it again.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "describes a file")]
struct Restart(#[schemars(regex(pattern = "^(no|always|unless-stopped|on-failure(:[1-9][0-9]*)?)$"))] String);

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Health {
    /// `false`: no health check.
    Off(bool),
    Check(HealthFields),
}

/// Times such as `10s`; a number is seconds.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct HealthFields {
    /// Well when it ends with 0; the image's own unless given.
    command: Option<Command>,
    interval: Option<NumberOrText>,
    timeout: Option<NumberOrText>,
    start_period: Option<NumberOrText>,
    retries: Option<u32>,
}

/// What keeps the output of the container; `json-file` with 3 files of 10 MB unless given.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct Logging {
    driver: String,
    options: Option<BTreeMap<String, Scalar>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Tmpfs {
    Text(String),
    Fields(TmpfsFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct TmpfsFields {
    target: Path,
    size: Option<NumberOrText>,
    /// Octal, such as 1777.
    mode: Option<NumberOrText>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum ExtraHosts {
    ByName(BTreeMap<String, String>),
    /// `HOST:ADDRESS`; the address may be `host-gateway`
    Lines(Vec<String>),
}

/// Commands inside the container.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct Hooks {
    /// Once it has started; a failure undoes the launch.
    post_start: Option<HookCommands>,
    /// Before it is stopped.
    pre_stop: Option<HookCommands>,
}

/// One command as text, or a list of commands.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum HookCommands {
    One(String),
    Many(Vec<Command>),
}

//! The JSON Schema of the container document, for editors and for checks outside this program.
//!
//! The types describe the file; reading goes through [`super::document`], which is as strict, and a test holds the two together.

mod values;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};

use values::{
    Address, CommandWord, ContainerPort, Cpus, False, HostAddress, HostLine, HostPort, Image, LabelName, Memory, Mode,
    Name, NamedVolumeLine, NotEmpty, Path, Pids, PortLine, Restart, Scalar, SecretLine, SecretName, Size, Time,
    TmpfsLine, User, VariableLine, VariableName, VolumeLine, VolumeSource, Word,
};

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
    image: Option<Image>,
    /// Network to join, made when it is missing.
    network_name: Option<Network>,
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
    user: Option<User>,
    memory: Option<Memory>,
    cpus: Option<Cpus>,
    pids: Option<Pids>,
    restart: Option<Restart>,
    health: Option<Health>,
    labels: Option<Labels>,
    logging: Option<Logging>,
    /// Everything but what the app writes to is read-only.
    read_only: Option<bool>,
    /// Folders in memory: `TARGET[:size=64m,mode=1777]`.
    tmpfs: Option<OneOrMany<Tmpfs>>,
    extra_hosts: Option<ExtraHosts>,
    hooks: Option<Hooks>,
}

/// Made when it is missing. In `host` and `none` no port can be published.
#[derive(JsonSchema)]
#[schemars(transparent, extend("not" = { "enum": ["host", "none"] }))]
#[expect(dead_code, reason = "describes a file")]
struct Network(Name);

/// Those by which this program knows its own cannot be given.
#[derive(JsonSchema)]
#[schemars(
    transparent,
    extend("not" = { "anyOf": [{ "required": ["nextdeploy.app"] }, { "required": ["nextdeploy.managed"] }] })
)]
#[expect(dead_code, reason = "describes a file")]
struct Labels(BTreeMap<LabelName, Scalar>);

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

/// Environment variables; not for secrets. A name without value takes it from the environment.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Variables {
    ByName(BTreeMap<VariableName, Option<Scalar>>),
    Lines(Vec<VariableLine>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Port {
    Line(PortLine),
    Fields(PortFields),
}

#[derive(JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    deny_unknown_fields,
    extend("anyOf" = [{ "required": ["hostPort"] }, { "required": ["containerPort"] }])
)]
#[expect(dead_code, reason = "describes a file")]
struct PortFields {
    /// Address of the machine; 127.0.0.1 unless given.
    address: Option<Address>,
    /// The container's unless given; 0 is a free one.
    host_port: Option<HostPort>,
    /// The app's own unless given.
    container_port: Option<ContainerPort>,
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
    Line(VolumeLine),
    Fields(VolumeFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct VolumeFields {
    source: VolumeSource,
    target: Path,
    read_only: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum NamedVolume {
    Line(NamedVolumeLine),
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
    driver: Option<Word>,
    options: Option<BTreeMap<String, Scalar>>,
}

/// A secret, which the document names and never holds.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum SecretEntry {
    Line(SecretLine),
    Fields(SecretFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("not" = { "required": ["file", "env"] }))]
#[expect(dead_code, reason = "describes a file")]
struct SecretFields {
    /// The file `/run/secrets/NAME`, and the variable when it is a valid name.
    name: SecretName,
    /// File with the value, relative to the document.
    file: Option<String>,
    /// Environment variable with the value; `name` unless given.
    env: Option<VariableName>,
}

/// Words as one text with quotes, or as a list; no shell runs them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Command {
    Line(NotEmpty),
    Number(f64),
    Words(Words),
}

/// A command word by word; the first is the program.
#[derive(JsonSchema)]
#[schemars(transparent, extend("prefixItems" = [{ "type": ["string", "number"], "not": { "const": "" } }]))]
#[expect(dead_code, reason = "describes a file")]
struct Words(#[schemars(length(min = 1))] Vec<CommandWord>);

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Health {
    /// `false`: no health check.
    Off(False),
    Check(HealthFields),
}

/// Times such as `10s`; a number is seconds.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct HealthFields {
    /// Well when it ends with 0; the image's own unless given.
    command: Option<Command>,
    interval: Option<Time>,
    timeout: Option<Time>,
    start_period: Option<Time>,
    #[schemars(range(min = 1, max = 1000))]
    retries: Option<u32>,
}

/// What keeps the output of the container; `json-file` with 3 files of 10 MB unless given.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct Logging {
    driver: Word,
    options: Option<BTreeMap<String, Scalar>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum Tmpfs {
    Line(TmpfsLine),
    Fields(TmpfsFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a file")]
struct TmpfsFields {
    target: Path,
    size: Option<Size>,
    mode: Option<Mode>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes a file")]
enum ExtraHosts {
    ByName(BTreeMap<String, HostAddress>),
    Lines(Vec<HostLine>),
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
    One(NotEmpty),
    Many(Vec<Command>),
}

//! The types of the fields of a container document, for its JSON Schema. Patterns follow [`parse`](super::parse) as far as a pattern can;
//! limits that need arithmetic are checked by the program alone. A test compares the schema with what [`document`](super::document) reads.

#![expect(dead_code, reason = "these types describe a file and hold no values")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// `$schema`, which editors use to find the schema.
pub(super) fn allow_schema_field(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.ensure_object().get_mut("properties") {
        properties.shift_insert(0, "$schema".to_owned(), json!({ "type": ["string", "null"] }));
    }
}

/// Made when it is missing. In `host` and `none` no port can be published.
#[derive(JsonSchema)]
#[schemars(transparent, extend("not" = { "enum": ["host", "none"] }))]
pub(super) struct Network(Name);

/// Those by which this program knows its own cannot be given.
#[derive(JsonSchema)]
#[schemars(
    transparent,
    extend("not" = { "anyOf": [{ "required": ["nextdeploy.app"] }, { "required": ["nextdeploy.managed"] }] })
)]
pub(super) struct Labels(BTreeMap<LabelName, Scalar>);

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

/// Environment variables; not for secrets. A name without value takes it from the environment.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Variables {
    ByName(BTreeMap<VariableName, Option<Scalar>>),
    Lines(Vec<VariableLine>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Port {
    Line(PortLine),
    Fields(PortFields),
}

#[derive(JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    deny_unknown_fields,
    extend("anyOf" = [{ "required": ["hostPort"] }, { "required": ["containerPort"] }])
)]
pub(super) struct PortFields {
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
pub(super) enum Protocol {
    Tcp,
    Udp,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Volume {
    Line(VolumeLine),
    Fields(VolumeFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VolumeFields {
    source: VolumeSource,
    target: Path,
    read_only: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum NamedVolume {
    Line(NamedVolumeLine),
    Fields(NamedVolumeFields),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NamedVolumeFields {
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
pub(super) enum SecretEntry {
    Line(SecretLine),
    Fields(SecretFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("not" = { "required": ["file", "env"] }))]
pub(super) struct SecretFields {
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
pub(super) enum Command {
    Line(NotEmpty),
    Number(f64),
    Words(Words),
}

/// A command word by word; the first is the program.
#[derive(JsonSchema)]
#[schemars(transparent, extend("prefixItems" = [{ "type": ["string", "number"], "not": { "const": "" } }]))]
pub(super) struct Words(#[schemars(length(min = 1))] Vec<CommandWord>);

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Health {
    /// `false`: no health check.
    Off(False),
    Check(HealthFields),
}

/// Times such as `10s`; a number is seconds.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HealthFields {
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
pub(super) struct Logging {
    driver: Word,
    options: Option<BTreeMap<String, Scalar>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Tmpfs {
    Line(TmpfsLine),
    Fields(TmpfsFields),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TmpfsFields {
    target: Path,
    size: Option<Size>,
    mode: Option<Mode>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum ExtraHosts {
    ByName(BTreeMap<String, HostAddress>),
    Lines(Vec<HostLine>),
}

/// Commands inside the container.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Hooks {
    /// Once it has started; a failure undoes the launch.
    post_start: Option<HookCommands>,
    /// Before it is stopped.
    pre_stop: Option<HookCommands>,
}

/// One command as text, or a list of commands.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum HookCommands {
    One(NotEmpty),
    Many(Vec<Command>),
}

/// A text of this pattern.
macro_rules! text {
    ($(#[$docs:meta])* $name:ident, $pattern:literal) => {
        $(#[$docs])*
        #[derive(JsonSchema)]
        #[schemars(transparent)]
        pub(super) struct $name(#[schemars(regex(pattern = $pattern))] String);
    };
}

/// A number in these bounds, or a text of this pattern.
macro_rules! number_or_text {
    ($(#[$docs:meta])* $name:ident, $number:ty, $minimum:literal..=$maximum:literal, $pattern:literal) => {
        $(#[$docs])*
        #[derive(JsonSchema)]
        #[schemars(untagged)]
        pub(super) enum $name {
            Number(#[schemars(range(min = $minimum, max = $maximum))] $number),
            Text(#[schemars(regex(pattern = $pattern))] String),
        }
    };
}

text!(Name, r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$");
text!(Image, r"^[A-Za-z0-9_\[][A-Za-z0-9_./:@+\[\]-]*$");
text!(
    /// An absolute path in the container.
    Path,
    "^/.*[^/].*$"
);
text!(VariableName, "^[A-Za-z_][A-Za-z0-9_]{0,255}$");
text!(
    /// `NAME=VALUE` or `NAME`
    VariableLine,
    "^[A-Za-z_][A-Za-z0-9_]{0,255}(=|$)"
);
text!(LabelName, r"^[!#-&(-<>-\[\]-~]{1,256}$");
text!(Word, "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$");
text!(NotEmpty, r"\S");
text!(Address, r"^([0-9]+(\.[0-9]+){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$");
text!(HostAddress, r"^(host-gateway|[0-9]+(\.[0-9]+){3}|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?)$");
text!(
    /// `HOST:ADDRESS`; the address may be `host-gateway`
    HostLine,
    r"^[A-Za-z0-9._-]+:(host-gateway|[0-9]+(\.[0-9]+){3}|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?)$"
);
text!(
    /// `SOURCE:TARGET[:ro]`
    VolumeLine,
    "^(\\.|[^:~]*/[^:]*|\\.[^:]*|[a-zA-Z0-9][a-zA-Z0-9_.-]+):/[^:]*[^:/][^:]*(:(ro|rw))?$"
);
text!(
    /// Path of the machine, relative to the document, or name of a volume.
    VolumeSource,
    "^(\\.|[^~]*/.*|\\..*|[a-zA-Z0-9][a-zA-Z0-9_.-]+)$"
);
text!(
    /// `VOLUME:TARGET[:ro]`
    NamedVolumeLine,
    "^[a-zA-Z0-9][a-zA-Z0-9_.-]+:/[^:]*[^:/][^:]*(:(ro|rw))?$"
);
text!(
    /// `NAME`, `id=ID,src=FILE` or `id=ID,env=NAME`
    SecretLine,
    "^([A-Za-z_][A-Za-z0-9_]*|(id|src|source|env|type)=[^,]*(,(id|src|source|env|type)=[^,]*)*)$"
);
text!(SecretName, "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$");
text!(
    /// `TARGET[:size=64m,mode=1777]`
    TmpfsLine,
    "^/[^:]*[^:/][^:]*(:((size=[0-9]+ *([kmgtKMGT]?[iI]?[bB]?)|mode=[0-7]{3,4})(,|$))*)?$"
);

number_or_text!(
    /// A whole number of bytes, or with a unit such as `512m`; at least `6m`. `none` for no limit.
    Memory,
    u64,
    6_291_456..=9_223_372_036_854_775_807_u64,
    "^(none|[1-9][0-9]{6,} *[bB]?|(614[4-9]|61[5-9][0-9]|6[2-9][0-9]{2}|[7-9][0-9]{3}|[1-9][0-9]{4,}) *[kK]([iI]?[bB])?|([6-9]|[1-9][0-9]+) *[mM]([iI]?[bB])?|[1-9][0-9]* *[gGtT]([iI]?[bB])?)$"
);
number_or_text!(
    /// A whole number of bytes, or with a unit such as `64m`.
    Size,
    u64,
    1..=9_223_372_036_854_775_807_u64,
    "^[0-9]+ *([kmgtKMGT]([iI]?[bB])?|[bB])?$"
);
number_or_text!(
    /// Processors, such as 1.5; `none` for no limit.
    Cpus,
    f64,
    0.01..=1024.0,
    r"^(none|[1-9][0-9]*(\.[0-9]+)?|0?\.(0[1-9]|[1-9])[0-9]*)$"
);
number_or_text!(
    /// Processes and threads; `none` for no limit.
    Pids,
    u32,
    1..=4_194_304,
    "^(none|[1-9][0-9]*)$"
);
number_or_text!(
    /// Such as `10s` or `1h30m`; a number is seconds.
    Time,
    u32,
    1..=604_800,
    "^([0-9]+|([0-9]+(ms|s|m|h))+)$"
);
number_or_text!(
    /// `USER`, `UID` or `UID:GID`.
    User,
    u32,
    0..=4_294_967_295_u32,
    "^[A-Za-z0-9._-]{1,64}(:[A-Za-z0-9._-]{1,64})?$"
);
number_or_text!(
    /// A port of the machine; 0 is a free one.
    HostPort,
    u16,
    0..=65_535,
    "^[0-9]{1,5}$"
);
number_or_text!(ContainerPort, u16, 1..=65_535, "^[1-9][0-9]{0,4}$");
number_or_text!(
    /// Port of the machine that leads to the app, or `[ADDRESS:]PORT[:CONTAINER_PORT][/udp]`.
    PortLine,
    u16,
    0..=65_535,
    r"^(([0-9]+(\.[0-9]+){3}|localhost|\[[0-9A-Fa-f:.]+\]):)?[0-9]{1,5}(:[1-9][0-9]{0,4})?(/(tcp|udp))?$"
);

/// Octal, such as 1777: three or four digits.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Mode {
    Three(#[schemars(range(min = 100, max = 777))] u16),
    Four(#[schemars(range(min = 1000, max = 7777))] u16),
    Text(#[schemars(regex(pattern = "^[0-7]{3,4}$"))] String),
}

/// When the daemon starts it again.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Restart {
    Policy(#[schemars(regex(pattern = "^(no|always|unless-stopped|on-failure(:[1-9][0-9]*)?)$"))] String),
    /// What a parser of YAML 1.1 makes of `no`.
    No(False),
}

#[derive(JsonSchema)]
#[schemars(transparent, extend("const" = false))]
pub(super) struct False(bool);

/// A word of a command.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum CommandWord {
    Text(String),
    Number(f64),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
}

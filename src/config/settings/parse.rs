//! The grammar of each value, the same for flags, variables and files. Text in, value or [`InvalidValue`] out.

use std::time::Duration;

use super::error::InvalidValue;
use super::values::{BuilderKind, DockerfileChoice, EnvFilePolicy, Progress, PushPolicy};
use crate::diagnostic::shown;
use crate::image_ref::ImageRef;
use crate::project::PackageManagerKind;
use crate::rel_path::RelPath;
use crate::tags::TagEntry;

/// `1` to `65535`, decimal.
pub(crate) fn port(text: &str) -> Result<u16, InvalidValue> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0).ok_or_else(|| InvalidValue::Port(shown(text)))
}

/// The word that users write. Which yarn it is, the lockfile decides later: `yarn` is [`PackageManagerKind::YarnClassic`] here.
pub(crate) fn package_manager(text: &str) -> Result<PackageManagerKind, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "npm" => Ok(PackageManagerKind::Npm),
        "yarn" => Ok(PackageManagerKind::YarnClassic),
        "pnpm" => Ok(PackageManagerKind::Pnpm),
        "bun" => Ok(PackageManagerKind::Bun),
        _ => Err(InvalidValue::PackageManager(shown(text))),
    }
}

/// `22`, `22.x`, `22.11`, `22.11.0`, each with an optional `v`, which is dropped. Next.js 12 needs Node.js 12.
pub(crate) fn node_version(text: &str) -> Result<String, InvalidValue> {
    const RELEASE_LINES: std::ops::RangeInclusive<u32> = 12..=49;
    let wrong = || InvalidValue::NodeVersion(shown(text));
    let plain = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let parts: Vec<&str> = plain.split('.').collect();
    let number = |part: &str| part.len() <= 4 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (major, rest) = parts.split_first().ok_or_else(wrong)?;
    if !number(major) || rest.len() > 2 || !rest.iter().all(|part| number(part) || matches!(*part, "x" | "X" | "*")) {
        return Err(wrong());
    }
    let in_range = major.parse().is_ok_and(|major| RELEASE_LINES.contains(&major));
    if in_range { Ok(plain.to_owned()) } else { Err(wrong()) }
}

/// A path of a URL, without query and fragment.
pub(crate) fn health_path(text: &str) -> Result<String, InvalidValue> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    let absolute = text.starts_with('/') && !text.starts_with("//");
    if absolute && text.bytes().all(allowed) { Ok(text.to_owned()) } else { Err(InvalidValue::HealthPath(shown(text))) }
}

/// An app name: something that can be normalised to an image name.
pub(crate) fn app_name(text: &str) -> Result<String, InvalidValue> {
    let usable =
        text.len() <= 255 && text.chars().any(|c| c.is_ascii_alphanumeric()) && !text.chars().any(char::is_control);
    if usable { Ok(text.trim().to_owned()) } else { Err(InvalidValue::Name(shown(text))) }
}

/// A package name or a folder. A folder has to be inside the repository; both spellings of it lose `./` and trailing slashes.
pub(crate) fn app(text: &str) -> Result<String, InvalidValue> {
    if text.chars().any(char::is_control) {
        return Err(InvalidValue::Word(shown(text)));
    }
    let path = RelPath::new(text).map_err(|_| InvalidValue::OutsideRepository(shown(text)))?;
    Ok(path.to_string())
}

/// A shell command line, one line.
pub(crate) fn command_line(text: &str) -> Result<String, InvalidValue> {
    if text.contains(['\n', '\r']) { Err(InvalidValue::SeveralLines) } else { Ok(text.trim().to_owned()) }
}

/// A package of Debian or Alpine, with or without a version. A `-` at the end would remove the package.
pub(crate) fn system_package(text: &str) -> Result<String, InvalidValue> {
    const LONGEST: usize = 128;
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
    let fits = |part: &str, more: &[u8]| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b) || more.contains(&b))
            && !part.ends_with('-')
    };
    let valid = text.len() <= LONGEST && fits(name, b"") && version.is_none_or(|version| fits(version, b":~"));
    if valid { Ok(text.to_owned()) } else { Err(InvalidValue::SystemPackage(shown(text))) }
}

/// Splits a command in words as a shell does; what only a shell could do is rejected. Not by `shlex`: it drops comments, and to reject
/// an operator one has to know whether it was quoted.
pub(crate) fn words(text: &str) -> Result<Vec<String>, InvalidValue> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                let next = characters.next().ok_or(InvalidValue::OpenQuote)?;
                let word = word.get_or_insert_default();
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (Some('"') | None, '$' | '`') | (None, '&' | '|' | ';' | '<' | '>' | '(' | ')') => {
                return Err(InvalidValue::ShellSyntax(c.to_string()));
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(InvalidValue::OpenQuote);
    }
    words.extend(word);
    let first = words.first().ok_or(InvalidValue::Empty)?;
    if let Some((name, _)) = first.split_once('=').filter(|(name, _)| variable_name(name).is_ok()) {
        return Err(InvalidValue::ShellSyntax(shown(&format!("{name}="))));
    }
    Ok(words)
}

/// `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn variable_name(text: &str) -> Result<String, InvalidValue> {
    let fits = text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::VariableName(shown(text))) }
}

/// Whether a text looks like the name of a variable, and so is not part of a key or token.
pub(crate) fn looks_like_variable(text: &str) -> bool {
    const LONGEST: usize = 40;
    let parts = text.split('_').all(|part| part.len() <= LONGEST / 2);
    parts
        && text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && (text.contains('_') || text.len() < 16)
}

/// Labels by which this program recognises its own images and containers.
pub(crate) const OWN_LABELS: [&str; 2] = ["nextdeploy.app", "nextdeploy.managed"];

/// A label key: printable ASCII without spaces, quotes, backslash or `=`; none of our own.
pub(crate) fn label_name(text: &str) -> Result<String, InvalidValue> {
    if OWN_LABELS.contains(&text) {
        return Err(InvalidValue::OwnLabel(text.to_owned()));
    }
    let fits =
        !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\=".contains(&b));
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::LabelName(shown(text))) }
}

/// One line, without spaces around it.
pub(crate) fn line(text: &str) -> Result<&str, InvalidValue> {
    let text = text.trim();
    if text.contains(['\n', '\r']) { Err(InvalidValue::SeveralLines) } else { Ok(text) }
}

/// A complete reference, a tag or a tag rule; or several references and tags with commas between them, as build-push-action takes them.
pub(crate) fn tags(text: &str) -> Result<Vec<TagEntry>, InvalidValue> {
    let text = line(text)?;
    let is_list = text.contains(',') && !text.contains(['=', '"']) && !text.contains("{{");
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let entries: Vec<&str> = if is_list { entries.collect() } else { vec![text] };
    entries.into_iter().map(|entry| TagEntry::parse(entry).map_err(InvalidValue::Tag)).collect()
}

/// Repositories without tag and digest, in lower case, with commas between them; also as `name=REPOSITORY,enable=SWITCH`. Empty where
/// they are switched off.
pub(crate) fn images(text: &str) -> Result<Vec<ImageRef>, InvalidValue> {
    let mut names = Vec::new();
    let mut enabled = true;
    for field in line(text)?.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        match field.split_once('=') {
            Some(("name", value)) => names.push(value.trim()),
            Some(("enable", value)) => enabled = switch(value.trim())?,
            Some((key, _)) => return Err(InvalidValue::Choice { value: shown(key), known: &["name", "enable"] }),
            None => names.push(field),
        }
    }
    let parse = |name: &str| {
        let fail = |reason| InvalidValue::Image { text: shown(name), reason };
        let reference = ImageRef::parse(&name.to_ascii_lowercase()).map_err(fail)?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(InvalidValue::ImageWithTag(shown(name)));
        }
        Ok(reference)
    };
    if names.is_empty() {
        return Err(InvalidValue::Empty);
    }
    let images = names.into_iter().map(parse).collect::<Result<_, _>>()?;
    Ok(if enabled { images } else { Vec::new() })
}

/// How many characters a short commit id has.
pub(crate) fn commit_length(text: &str) -> Result<usize, InvalidValue> {
    text.trim()
        .parse()
        .ok()
        .filter(|length| (4..=64).contains(length))
        .ok_or_else(|| InvalidValue::CommitLength(shown(text)))
}

/// A tag, or a reference with or without registry, tag and digest. The exact grammar is checked where references are made.
pub(crate) fn reference(text: &str) -> Result<String, InvalidValue> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@+[]".contains(&b);
    let edges = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '['))
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let fits = edges && text.len() <= 512 && text.bytes().all(allowed) && !text.contains("//");
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::Reference(shown(text))) }
}

/// `linux/amd64`, `linux/arm64/v8`.
pub(crate) fn platform(text: &str) -> Result<String, InvalidValue> {
    let lower = text.to_ascii_lowercase();
    if let Some((first, _)) = lower.trim().split_once([',', ' ', '\n']) {
        return Err(InvalidValue::SeveralPlatforms { first: shown(first) });
    }
    let parts: Vec<&str> = lower.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if matches!(parts.len(), 2 | 3) && parts.iter().all(plain) {
        Ok(lower)
    } else {
        Err(InvalidValue::Platform(shown(text)))
    }
}

/// One word: a stage, a network.
pub(crate) fn word(text: &str) -> Result<String, InvalidValue> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:/".contains(&b);
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 255 && text.bytes().all(allowed);
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::Word(shown(text))) }
}

/// A path on disk.
pub(crate) fn path(text: &str) -> Result<String, InvalidValue> {
    if text.contains(['\n', '\r']) { Err(InvalidValue::SeveralLines) } else { Ok(text.to_owned()) }
}

/// A limit of memory. At least 6 MiB, the minimum of the daemon.
pub(crate) fn memory(text: &str) -> Result<u64, InvalidValue> {
    let bytes = size(text)?;
    if bytes >= 6 * 1024 * 1024 { Ok(bytes) } else { Err(InvalidValue::TooLittleMemory(shown(text))) }
}

/// Docker's units: bytes, or `b`, `k`, `m`, `g`, `t` with an optional `b` or `ib`, powers of 1024. More than nothing.
pub(crate) fn size(text: &str) -> Result<u64, InvalidValue> {
    let wrong = || InvalidValue::Memory(shown(text));
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = lower[..digits].parse().map_err(|_| wrong())?;
    let power = match lower[digits..].trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(1024_u64.pow(power));
    bytes.filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok()).ok_or_else(wrong)
}

/// `90s`, `10m`, `1h30m`, `500ms`; a number without unit is seconds. More than nothing, at most a week.
pub(crate) fn duration(text: &str) -> Result<Duration, InvalidValue> {
    let wrong = || InvalidValue::Duration(shown(text));
    let mut rest = text.trim();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" if rest.is_empty() && total == 0 => 1_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        total = number.checked_mul(millis).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
    }
    if (1..=7 * 24 * 3_600_000).contains(&total) { Ok(Duration::from_millis(total)) } else { Err(wrong()) }
}

/// Where a secret is, instead of the secret itself.
pub(crate) enum SecretReference<'a> {
    /// Name of an environment variable, not yet checked.
    Variable(&'a str),
    /// Path of a file.
    File(&'a str),
}

/// `env:NAME` or `file:PATH`; `None` for anything else.
pub(crate) fn secret_reference(text: &str) -> Option<SecretReference<'_>> {
    if let Some(name) = text.strip_prefix("env:") {
        return Some(SecretReference::Variable(name));
    }
    text.strip_prefix("file:").filter(|path| !path.is_empty()).map(SecretReference::File)
}

/// `true`/`false` and the other words that YAML and GitHub know for them.
pub(crate) fn switch(text: &str) -> Result<bool, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(InvalidValue::Switch(shown(text))),
    }
}

/// Name of an environment as GitHub takes it (REST API, "Deployments").
pub(crate) fn deployment_environment(text: &str) -> Result<String, InvalidValue> {
    let fits = text.chars().count() <= 255 && !text.chars().any(char::is_control);
    if fits { Ok(text.trim().to_owned()) } else { Err(InvalidValue::Environment(shown(text))) }
}

/// An absolute address for browsers, without user and password.
pub(crate) fn web_address(text: &str) -> Result<String, InvalidValue> {
    let wrong = || InvalidValue::WebAddress(shown(text));
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(wrong)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    if plain && !host.is_empty() && !host.contains('@') { Ok(text.to_owned()) } else { Err(wrong()) }
}

pub(crate) fn env_file_policy(text: &str) -> Result<EnvFilePolicy, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(EnvFilePolicy::Auto),
        "keep" => Ok(EnvFilePolicy::Keep),
        "strip" => Ok(EnvFilePolicy::Strip),
        _ => Err(InvalidValue::Choice { value: shown(text), known: &["auto", "keep", "strip"] }),
    }
}

/// `auto`, or a switch.
pub(crate) fn push_policy(text: &str) -> Result<PushPolicy, InvalidValue> {
    const KNOWN: &[&str] = &["true", "false", "auto"];
    if text.eq_ignore_ascii_case("auto") {
        return Ok(PushPolicy::Auto);
    }
    match switch(text) {
        Ok(true) => Ok(PushPolicy::Always),
        Ok(false) => Ok(PushPolicy::Never),
        Err(_) => Err(InvalidValue::Choice { value: shown(text), known: KNOWN }),
    }
}

/// A host with an optional port, as it stands in image references; a scheme and a path are not part of it.
pub(crate) fn registry_host(text: &str) -> Result<String, InvalidValue> {
    let host = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    let probe = format!("{host}/name");
    let is_host = |host: &str| host == "localhost" || host.contains(['.', ':']);
    if is_host(host) && !host.contains('/') && ImageRef::parse(&probe).is_ok() {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(InvalidValue::RegistryHost(shown(text)))
    }
}

/// `eu-central-1`.
pub(crate) fn aws_region(text: &str) -> Result<String, InvalidValue> {
    let fits = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::AwsRegion(shown(text))) }
}

pub(crate) fn builder(text: &str) -> Result<BuilderKind, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "docker" => Ok(BuilderKind::Docker),
        _ => Err(InvalidValue::Choice { value: shown(text), known: &["docker"] }),
    }
}

pub(crate) fn progress(text: &str) -> Result<Progress, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(Progress::Auto),
        "plain" => Ok(Progress::Plain),
        "tty" => Ok(Progress::Tty),
        _ => Err(InvalidValue::Choice { value: shown(text), known: &["auto", "plain", "tty"] }),
    }
}

pub(crate) fn dockerfile(text: &str) -> Result<DockerfileChoice, InvalidValue> {
    match text {
        "generated" => Ok(DockerfileChoice::Generated),
        "own" => Ok(DockerfileChoice::Own),
        path => {
            let inside =
                RelPath::new(path).ok().filter(|inside| !inside.is_root() && !path.chars().any(char::is_control));
            inside
                .map(|inside| DockerfileChoice::Path(inside.to_string()))
                .ok_or_else(|| InvalidValue::OutsideRepository(shown(path)))
        }
    }
}

/// True for a command that only says "the project's own script": `npm run build`, `yarn build`, `pnpm start`.
pub(crate) fn is_own_script(command: &[String], script: &str) -> bool {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["npm", "start"] => script == "start",
        ["npm" | "yarn" | "pnpm" | "bun", "run", name]
        | ["npm", "run-script", name]
        | ["yarn" | "pnpm" | "bun", name] => {
            *name == script && !(words[0] == "bun" && words.len() == 2 && script == "build")
        }
        _ => false,
    }
}

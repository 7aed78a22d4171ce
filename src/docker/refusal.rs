//! What a refusal of a daemon means: [`Operation`], status and message → [`ContainerError`]. The texts are those of Docker Engine 20.10 and
//! Podman 4.3.
//!
//! Never retries. Keeps the daemon's own message where it is not known.

use std::net::SocketAddr;

use super::connection::{ApiError, DaemonRefusal};
use super::error::ContainerError;

/// What these operations are called decides what their refusals mean.
pub(super) const START: &str = "container start";
pub(super) const RESTART: &str = "container restart";

/// A request, and what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation<'a> {
    /// As in "during container start".
    pub(super) doing: &'static str,
    /// `container`, `network`, `volume`, …
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    /// The image of a container that is created.
    pub(super) image: &'a str,
    /// Its log driver.
    pub(super) log_driver: &'a str,
    /// Its name after the operation.
    pub(super) new_name: &'a str,
}

impl<'a> Operation<'a> {
    pub(super) fn container(doing: &'static str, name: &'a str) -> Self {
        Self::new(doing, "container", name)
    }

    pub(super) fn new(doing: &'static str, kind: &'static str, name: &'a str) -> Self {
        Self { doing, kind, name, image: "", log_driver: "", new_name: name }
    }

    /// Refuses a name that is neither a name nor an id, and so could change the path of the request.
    pub(super) fn checked(self) -> Result<Self, ContainerError> {
        let valid = self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if valid { Ok(self) } else { Err(self.missing()) }
    }

    pub(super) fn missing(&self) -> ContainerError {
        ContainerError::NotFound { kind: self.kind, name: self.name.to_owned() }
    }

    pub(super) fn failed(&self, error: ApiError) -> ContainerError {
        match error {
            ApiError::Daemon(error) => error.into(),
            ApiError::Refused(DaemonRefusal { status, message, .. }) => self.refused(status, &message),
        }
    }

    /// What the daemon means by `status` and `message`.
    pub(super) fn refused(&self, status: u16, message: &str) -> ContainerError {
        let text = message.to_ascii_lowercase();
        let says = |words: &str| text.contains(words);
        let name = self.name.to_owned();
        let reason = message.trim().to_owned();
        if says("port is already allocated") || says("address already in use") {
            let port = socket_address(message).unwrap_or_else(|| "of the container".into());
            return ContainerError::PortInUse { port, reason };
        }
        if says("name is already in use") || says("is already in use by container") || says("container already exists")
        {
            return ContainerError::NameInUse { name: self.new_name.to_owned() };
        }
        if says("volume plugin") && (says("not found") || says("could not be retrieved")) {
            let driver = between(message, "plugin \"", "\"").or_else(|| between(message, "volume plugin ", " "));
            return ContainerError::UnknownVolumeDriver { driver: driver.unwrap_or_default().to_owned() };
        }
        if let Some(path) = after(message, "bind source path does not exist: ") {
            return ContainerError::NoBindSource { path: path.to_owned() };
        }
        if says("looking up logging plugin") || says("invalid log driver") {
            return ContainerError::UnknownLogDriver { driver: self.log_driver.to_owned() };
        }
        if let Some(option) = between(message, "unknown log opt '", "'") {
            return ContainerError::UnknownLogOption { driver: self.log_driver.to_owned(), option: option.to_owned() };
        }
        if let Some(available) = between(&text, "range of cpus is from 0.01 to ", ".00") {
            return ContainerError::TooManyCpus { available: available.to_owned() };
        }
        if says("does not have a previous spec") {
            return ContainerError::NoPreviousState { name };
        }
        if says("no such image") || says("image not known") {
            return ContainerError::ImageMissing { image: self.image.to_owned() };
        }
        if self.kind == "container" && (says("network not found") || says("network ") && says(" not found")) {
            let network = between(message, "name or ID ", ":").or_else(|| between(message, "network ", " not found"));
            return ContainerError::NotFound { kind: "network", name: network.unwrap_or_default().to_owned() };
        }
        if says("no such container") || says("no container with name") {
            return ContainerError::NotFound { kind: "container", name };
        }
        if says("is not running") || says("exec sessions on running containers") {
            return ContainerError::NotRunning { name };
        }
        if says("remove a running container") || says("cannot be removed without force") {
            return ContainerError::Running { name };
        }
        if let Some(file) = between(message, "Could not find the file ", " in container") {
            return ContainerError::NotFound { kind: "file", name: file.to_owned() };
        }
        let doing = self.doing;
        match status {
            404 => self.missing(),
            409 => ContainerError::Conflict { doing, name, reason },
            _ if says("container state improper") || says("being used") => {
                ContainerError::Conflict { doing, name, reason }
            }
            _ if matches!(doing, START | RESTART) => ContainerError::Start { name, reason },
            _ => ContainerError::Answer { doing, name, reason },
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

/// The rest of the line.
fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text[text.find(before)? + before.len()..].lines().next().map(str::trim)
}

/// The first `address:port` of a message; newer engines write `address:port:address:port/tcp`.
fn socket_address(message: &str) -> Option<String> {
    message.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches([':', ',']);
        let both = word.match_indices(':').nth(1).map_or(word, |(at, _)| &word[..at]);
        let address: SocketAddr = word.parse().or_else(|_| both.parse()).ok()?;
        Some(address.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, ExitCode};

    fn error(operation: Operation<'_>, status: u16, message: &str) -> String {
        let error = operation.refused(status, message);
        format!("{}: {error}", error.code())
    }

    fn create<'a>() -> Operation<'a> {
        Operation { image: "nope:1", log_driver: "nolog", ..Operation::container("creation", "shop") }
    }

    #[test]
    fn names_in_use() {
        let rename = Operation { new_name: "b", ..Operation::container("container rename", "a") };
        for (operation, status, message, name) in [
            (
                create(),
                409,
                r#"Conflict. The container name "/shop" is already in use by container "4f49dbab". You have to remove (or rename) that container to be able to reuse that name."#,
                "shop",
            ),
            (
                create(),
                500,
                r#"container create: creating container storage: the container name "shop" is already in use by dbe02c5c. You have to remove that container to be able to reuse that name: that name is already in use"#,
                "shop",
            ),
            (
                rename,
                409,
                r#"Error when allocating new name: Conflict. The container name "/b" is already in use by container "8ed0828c". You have to remove (or rename) that container to be able to reuse that name."#,
                "b",
            ),
            (
                rename,
                409,
                "renaming container dbe02c5c: name b already in use, cannot rename container dbe02c5c: container already exists",
                "b",
            ),
        ] {
            let expected = format!("container/name-in-use: the name `{name}` is in use by another container");
            assert_eq!(error(operation, status, message), expected, "{message}");
        }
    }

    #[test]
    fn ports_in_use() {
        let start = Operation::container(START, "shop");
        for (message, port) in [
            (
                "driver failed programming external connectivity on endpoint shop (0b7f15917afd): Bind for 127.0.0.1:28080 failed: port is already allocated",
                "127.0.0.1:28080",
            ),
            (
                "driver failed programming external connectivity on endpoint shop (23cc58dd1c21): Error starting userland proxy: listen tcp4 127.0.0.1:28481: bind: address already in use",
                "127.0.0.1:28481",
            ),
            (
                "cannot listen on the TCP port: listen tcp4 127.0.0.1:28080: bind: address already in use",
                "127.0.0.1:28080",
            ),
            (
                "failed to set up container networking: driver failed programming external connectivity on endpoint shop (ab12): failed to bind host port for 127.0.0.1:8080:172.17.0.2:80/tcp: address already in use",
                "127.0.0.1:8080",
            ),
            ("Error starting userland proxy: listen tcp6 [::]:80: bind: address already in use", "[::]:80"),
        ] {
            let expected = format!("container/port-in-use: port {port} of the machine is in use: {message}");
            assert_eq!(error(start, 500, message), expected);
        }
    }

    #[test]
    fn missing_objects_are_named() {
        let start = Operation::container(START, "shop");
        let volume = Operation::new("creation", "volume", "data");
        let network = Operation::new("removal", "network", "front");
        for (operation, status, message, expected) in [
            (create(), 404, "No such image: nope:1", "container/image-missing: the daemon has no image `nope:1`"),
            (
                create(),
                404,
                "no such image: docker.io/library/nope:1: image not known",
                "container/image-missing: the daemon has no image `nope:1`",
            ),
            (start, 404, "network front not found", "container/not-found: no such network: `front`"),
            (
                create(),
                500,
                "container create: unable to find network with name or ID front: network not found",
                "container/not-found: no such network: `front`",
            ),
            (network, 404, "network front not found", "container/not-found: no such network: `front`"),
            (network, 404, "network not found", "container/not-found: no such network: `front`"),
            (start, 404, "No such container: shop", "container/not-found: no such container: `shop`"),
            (
                start,
                404,
                r#"no container with name or ID "shop" found: no such container"#,
                "container/not-found: no such container: `shop`",
            ),
            (volume, 404, "get data: no such volume", "container/not-found: no such volume: `data`"),
            (
                start,
                404,
                "Could not find the file /nope in container shop",
                "container/not-found: no such file: `/nope`",
            ),
            (
                volume,
                404,
                r#"create data: error looking up volume plugin nope: plugin "nope" not found"#,
                "container/volume-driver: no such volume driver: `nope`",
            ),
            (
                volume,
                500,
                "volume data uses volume plugin nope but it could not be retrieved: no volume plugin with name nope available: required plugin missing",
                "container/volume-driver: no such volume driver: `nope`",
            ),
        ] {
            assert_eq!(error(operation, status, message), expected, "{message}");
        }
    }

    #[test]
    fn invalid_states() {
        let exec = Operation::container("command", "shop");
        let remove = Operation::container("removal", "shop");
        for (operation, status, message, expected) in [
            (exec, 409, "Container 0fdb0f56 is not running", "container/not-running: container `shop` is not running"),
            (
                exec,
                500,
                "can only create exec sessions on running containers: container state improper",
                "container/not-running: container `shop` is not running",
            ),
            (
                remove,
                409,
                "You cannot remove a running container 4f49dbab. Stop the container before attempting removal or force remove",
                "container/runs: container `shop` is running",
            ),
            (
                remove,
                500,
                "cannot remove container dbe02c5c as it is running - running or paused containers cannot be removed without force: container state improper",
                "container/runs: container `shop` is running",
            ),
            (
                Operation::container("container rename", "shop"),
                409,
                "removal of container shop is already in progress",
                "container/conflict: conflict during container rename of `shop`: removal of container shop is already in progress",
            ),
        ] {
            assert_eq!(error(operation, status, message), expected, "{message}");
        }
    }

    #[test]
    fn other_errors_keep_the_daemons_message() {
        let start = Operation::container(START, "shop");
        let runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nonexist\": executable file not found in $PATH: unknown";
        assert_eq!(error(start, 400, runc), format!("container/start: the daemon cannot start `shop`: {runc}"));
        assert_eq!(
            error(create(), 400, "invalid hostname"),
            "container/daemon: the daemon returned an error during creation of `shop`: invalid hostname"
        );
    }

    #[test]
    fn what_the_user_can_correct_is_a_usage_error() {
        let rollback = Operation::new("rollback", "service", "shop");
        for (operation, status, message, expected) in [
            (
                create(),
                400,
                r#"invalid mount config for type "bind": bind source path does not exist: /nope/x y"#,
                "container/bind-source: cannot mount `/nope/x y`: it does not exist on the daemon's machine",
            ),
            (
                create(),
                400,
                r#"error looking up logging plugin nolog: plugin "nolog" not found"#,
                "container/log-driver: no such log driver: `nolog`",
            ),
            (
                create(),
                500,
                "container create: running container create option: invalid log driver: invalid argument",
                "container/log-driver: no such log driver: `nolog`",
            ),
            (
                create(),
                400,
                "unknown log opt 'nope' for json-file log driver",
                "container/log-driver: the log driver `nolog` has no option `nope`",
            ),
            (
                create(),
                400,
                "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
                "container/cpus: more CPUs requested than the daemon's machine has (2)",
            ),
            (
                rollback,
                400,
                "rpc error: code = FailedPrecondition desc = service nd-swarm-shop does not have a previous spec",
                "container/no-previous: the service `shop` has no previous state",
            ),
        ] {
            assert_eq!(error(operation, status, message), expected, "{message}");
            assert_eq!(operation.refused(status, message).exit_code(), ExitCode::Usage, "{message}");
        }
    }

    #[test]
    fn names_cannot_change_the_path_of_a_request() {
        for bad in ["", "..", "a/../b", "a?x", "a b", "ä", "/a"] {
            let error = Operation::container(START, bad).checked().unwrap_err();
            assert_eq!(error.code(), "container/not-found", "{bad}");
        }
        assert!(Operation::container(START, "shop-12.a_b").checked().is_ok());
    }
}

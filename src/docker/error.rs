//! Why a daemon refused an operation on a container, image, network, volume or service.

use super::connection::DaemonError;
use super::facts::{InvalidField, SwarmRole};
use crate::diagnostic::{diagnostics, printable, shown};

diagnostics! {
    #[exit(Unhealthy)]
    pub enum ContainerError {
        #[transparent]
        Daemon(#[from] error: DaemonError),

        /// `kind` is `container`, `network`, `volume`, `service` or `file`.
        #[error("no such {kind}: `{}`", printable(name))]
        #[code("container/not-found")]
        #[hint("{}", if *kind == "container" { "list the containers with `nextdeploy ps --all`" } else { "check the name" })]
        #[exit(Usage)]
        NotFound { kind: &'static str, name: String },

        #[error("`{}` is the container `{}`, which was not created by this program", printable(word), printable(name))]
        #[code("container/not-ours")]
        #[hint("use `docker` for it; `nextdeploy ps --all` lists the containers of this program")]
        #[exit(Usage)]
        NotOurs { word: String, name: String },

        #[error("`{}` is ambiguous: {}", printable(word), printable(&names.join(", ")))]
        #[code("container/ambiguous")]
        #[hint("use the whole name of one of them")]
        #[exit(Usage)]
        Ambiguous { word: String, names: Vec<String> },

        #[error("the name `{}` is in use by another container", printable(name))]
        #[code("container/name-in-use")]
        #[hint("replace it with `nextdeploy run --replace`, or use another `--name`")]
        #[exit(Usage)]
        NameInUse { name: String },

        #[error("port {port} of the machine is in use: {}", printable(reason))]
        #[code("container/port-in-use")]
        #[hint("publish another port with `--publish`, or stop what listens on this one")]
        PortInUse { port: String, reason: String },

        #[error("the daemon has no image `{}`", printable(image))]
        #[code("container/image-missing")]
        #[hint("get it with `nextdeploy pull`, or build it with `nextdeploy build`")]
        ImageMissing { image: String },

        #[error("invalid {} in the image `{}`: `{}` is not {}", printable(&invalid.field), printable(image), shown(&invalid.value), invalid.expected)]
        #[code("container/invalid-image")]
        #[hint("check where the image comes from; an image with a valid value has to be built")]
        #[exit(Usage)]
        InvalidImage { image: String, invalid: InvalidField },

        #[error("no such volume driver: `{}`", printable(driver))]
        #[code("container/volume-driver")]
        #[hint("install the driver's plugin on the daemon's machine, or use `local`")]
        #[exit(Usage)]
        UnknownVolumeDriver { driver: String },

        #[error("cannot mount `{}`: it does not exist on the daemon's machine", printable(path))]
        #[code("container/bind-source")]
        #[hint(
            "correct `volumes` in the document (or `--volume`), or create the folder there; a name without `/` is a volume"
        )]
        #[exit(Usage)]
        NoBindSource { path: String },

        #[error("no such log driver: `{}`", printable(driver))]
        #[code("container/log-driver")]
        #[hint("correct `logging.driver` in the document, for example json-file or journald")]
        #[exit(Usage)]
        UnknownLogDriver { driver: String },

        #[error("the log driver `{}` has no option `{}`", printable(driver), printable(option))]
        #[code("container/log-driver")]
        #[hint("correct `logging.options` in the document")]
        #[exit(Usage)]
        UnknownLogOption { driver: String, option: String },

        #[error("more CPUs requested than the daemon's machine has ({available})")]
        #[code("container/cpus")]
        #[hint("lower `cpus` in the document (or `--cpus`)")]
        #[exit(Usage)]
        TooManyCpus { available: String },

        #[error("the service `{}` has no previous state", printable(name))]
        #[code("container/no-previous")]
        #[hint(
            "it was deployed once, or was rolled back already; deploy the image that you want: `nextdeploy run --swarm IMAGE`"
        )]
        #[exit(Usage)]
        NoPreviousState { name: String },

        #[error("the {kind} `{}` exists and is different: {difference}", printable(name))]
        #[code("container/differs")]
        #[hint("remove it, or use another name")]
        #[exit(Usage)]
        Differs { kind: &'static str, name: String, difference: String },

        #[error("container `{}` is not running", printable(name))]
        #[code("container/not-running")]
        #[hint("find the reason with `nextdeploy health` and `nextdeploy logs`, and start it with `nextdeploy restart`")]
        NotRunning { name: String },

        #[error("container `{}` is running", printable(name))]
        #[code("container/runs")]
        #[hint("stop it first with `nextdeploy stop`, or pass `--force`")]
        #[exit(Usage)]
        Running { name: String },

        #[error("conflict during {doing} of `{}`: {}", printable(name), printable(reason))]
        #[code("container/conflict")]
        #[hint("check its state with `nextdeploy ps --all`")]
        Conflict { doing: &'static str, name: String, reason: String },

        #[error("the daemon cannot start `{}`: {}", printable(name), printable(reason))]
        #[code("container/start")]
        #[hint("{}", start_hint(reason))]
        Start { name: String, reason: String },

        #[error("`{}` cannot be a service: {}", printable(name), match role {
            SwarmRole::Worker => "this daemon is a worker of a Swarm, and only managers deploy services",
            _ => "this daemon is not in a Swarm",
        })]
        #[code("container/no-swarm")]
        #[hint("{}", match role {
            SwarmRole::Worker => "set `DOCKER_HOST` to a manager of the Swarm",
            _ => "create a Swarm with `docker swarm init`, or run a container without `--swarm`",
        })]
        #[exit(Usage)]
        NoSwarm { name: String, role: SwarmRole },

        #[error("the daemon returned an error during {doing} of `{}`: {}", printable(name), printable(reason))]
        #[code("container/daemon")]
        #[hint("check the daemon's log (`journalctl -u docker`)")]
        Answer { doing: &'static str, name: String, reason: String },
    }
}

fn start_hint(reason: &str) -> &'static str {
    if reason.contains("rlimit") {
        "the machine allows fewer files or processes than Podman requests: set `default_ulimits` in its `containers.conf`"
    } else {
        "check the command, mounts and limits that the message names"
    }
}

impl ContainerError {
    /// Names the container as the user did, where the daemon got its id.
    #[must_use]
    pub fn about(mut self, container: &str) -> Self {
        if let Self::NotFound { kind: "container", name }
        | Self::NotRunning { name }
        | Self::Running { name }
        | Self::Conflict { name, .. }
        | Self::Start { name, .. }
        | Self::Answer { name, .. } = &mut self
        {
            container.clone_into(name);
        }
        self
    }
}

//! Tests on the real parts: a Docker daemon, Podman, local base images (`scripts/services start`). They fail where a part is missing.

mod docker_builder;

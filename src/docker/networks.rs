//! Networks and volumes: created once, also by several processes at a time. A name that is taken by something else is an error, never a surprise.

use std::collections::BTreeMap;

use bollard::models::{Network, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect, Volume};
use serde_json::Value;

use super::connection::{ApiError, DaemonRefusal};
use super::containers::Containers;
use super::convert;
use super::error::ContainerError;
use super::refusal::Operation;
use super::spec::{MANAGED_LABEL, NetworkSpec, VolumeSpec};

/// Whether a network or volume existed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnsureOutcome {
    Created,
    Exists,
}

impl Containers {
    /// Creates the bridge network unless it exists. Any number of processes may try at once: one network is left.
    pub async fn ensure_network(&self, spec: &NetworkSpec) -> Result<EnsureOutcome, ContainerError> {
        let name = spec.name.as_str();
        let operation = Operation::new("network creation", "network", name);
        if self.check_network(name).await? {
            return Ok(EnsureOutcome::Exists);
        }
        let request = self.post(&operation, "/networks/create").json(&convert::create_network_body(spec));
        let created: Value = match request.read().await {
            Ok(created) => created,
            Err(ApiError::Refused(DaemonRefusal { message, .. }))
                if message.contains("already exists") || message.contains("already used") =>
            {
                return self.check_network(name).await.map(|_| EnsureOutcome::Exists);
            }
            Err(error) => return Err(operation.failed(error)),
        };
        let kept = self.settle_network(name).await?;
        Ok(if kept.as_deref() == created["Id"].as_str() { EnsureOutcome::Created } else { EnsureOutcome::Exists })
    }

    /// Whether the network exists and fits.
    async fn check_network(&self, name: &str) -> Result<bool, ContainerError> {
        let Some(id) = self.settle_network(name).await? else { return Ok(false) };
        let operation = Operation::new("network inspection", "network", name);
        let found = self.get(&operation, &format!("/networks/{id}")).find().await;
        let Some(network) = found.map_err(|error| operation.failed(error))? else { return Ok(false) };
        match convert::network_differs(&network) {
            Some(difference) => Err(ContainerError::Differs { kind: "network", name: name.to_owned(), difference }),
            None => Ok(true),
        }
    }

    /// The id of the network with this very name. Of several, the one in use or else the oldest is kept: engines check a name and create
    /// the network in two steps, so two requests at once both create one, and then no container can join either.
    pub(super) async fn settle_network(&self, name: &str) -> Result<Option<String>, ContainerError> {
        let operation = Operation::new("network inspection", "network", name);
        let request = self.get(&operation, "/networks").json_query("filters", &BTreeMap::from([("name", [name])]));
        let mut found: Vec<Network> = request.read().await.map_err(|error| operation.failed(error))?;
        // The filter finds parts of names too.
        found.retain(|network| network.name.as_deref() == Some(name));
        if found.len() > 1 {
            let mut ranked = Vec::new();
            for network in found {
                let id = network.id.clone().unwrap_or_default();
                let inspected = self.get(&operation, &format!("/networks/{id}")).read::<NetworkInspect>().await;
                let containers = inspected.ok().and_then(|network| network.containers);
                let is_used = containers.is_some_and(|containers| !containers.is_empty());
                ranked.push((!is_used, network.created, id, network));
            }
            ranked.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
            for (.., network) in &ranked[1..] {
                let ours = network.labels.as_ref().is_some_and(|labels| labels.contains_key(MANAGED_LABEL));
                if let (true, Some(id)) = (ours, &network.id) {
                    // Refused when a container has joined it; another process may have removed it before.
                    let _ = self.delete(&operation, &format!("/networks/{id}")).run().await;
                }
            }
            found = ranked.into_iter().map(|(.., network)| network).collect();
        }
        Ok(found.into_iter().next().and_then(|network| network.id))
    }

    pub async fn remove_network(&self, network: &str) -> Result<(), ContainerError> {
        let operation = Operation::new("network removal", "network", network).checked()?;
        let request = self.delete(&operation, &format!("/networks/{network}"));
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Connects a container to a network, under `aliases` besides its own name.
    pub async fn connect(&self, container: &str, network: &str, aliases: &[String]) -> Result<(), ContainerError> {
        let operation = Operation::container("network connection", container).checked()?;
        Operation::new("", "network", network).checked()?;
        let body = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(convert::endpoint(aliases)),
        };
        let request = self.post(&operation, &format!("/networks/{network}/connect")).json(&body);
        request.run().await.map_err(|error| operation.failed(error))
    }

    pub async fn disconnect(&self, container: &str, network: &str) -> Result<(), ContainerError> {
        let operation = Operation::container("network disconnection", container).checked()?;
        Operation::new("", "network", network).checked()?;
        let body = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let request = self.post(&operation, &format!("/networks/{network}/disconnect")).json(&body);
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Creates the volume unless it exists.
    pub async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<EnsureOutcome, ContainerError> {
        let name = spec.name.as_str();
        let operation = Operation::new("volume creation", "volume", name);
        let fits = |volume: &Volume| match convert::volume_differs(volume, spec) {
            Some(difference) => Err(ContainerError::Differs { kind: "volume", name: name.to_owned(), difference }),
            None => Ok(()),
        };
        let find = || self.get(&operation, &format!("/volumes/{name}")).find::<Volume>();
        if let Some(volume) = find().await.map_err(|error| operation.failed(error))? {
            return fits(&volume).map(|()| EnsureOutcome::Exists);
        }
        let request = self.post(&operation, "/volumes/create").json(&convert::create_volume_body(spec));
        match request.read().await {
            // Docker answers like this, too, when another process has created the volume meanwhile.
            Ok(volume) => fits(&volume).map(|()| EnsureOutcome::Created),
            Err(error) => match find().await {
                Ok(Some(volume)) => fits(&volume).map(|()| EnsureOutcome::Exists),
                _ => Err(operation.failed(error)),
            },
        }
    }

    pub async fn remove_volume(&self, volume: &str) -> Result<(), ContainerError> {
        let operation = Operation::new("volume removal", "volume", volume).checked()?;
        let request = self.delete(&operation, &format!("/volumes/{volume}"));
        request.run().await.map_err(|error| operation.failed(error))
    }
}

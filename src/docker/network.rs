//! Networks and volumes: made once, whoever comes first. A name that is taken by something else is an error, never a surprise.

use std::collections::HashMap;

use bollard::models::{Network, NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveVolumeOptions};

use super::MANAGED_LABEL;
use super::client::Containers;
use super::convert;
use super::error::ContainerError;
use super::failure::Subject;
use super::spec::{NetworkSpec, VolumeSpec};

/// Whether something was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    Made,
    Found,
}

impl Containers {
    /// Makes the bridge network unless it is there. Any number may try at once: one is left.
    pub async fn ensure_network(&self, spec: &NetworkSpec) -> Result<Ensured, ContainerError> {
        let name = spec.name.as_str();
        let subject = Subject::new("the creation", "network", name);
        if self.check_network(name).await? {
            return Ok(Ensured::Found);
        }
        let body = convert::create_network_body(spec);
        let (status, message) = self.post(&subject, "/networks/create", &body).await?;
        let exists = message.contains("already exists") || message.contains("already used");
        match status {
            201 => {}
            _ if exists => return self.check_network(name).await.map(|_| Ensured::Found),
            _ => return Err(super::failure::explain(&subject, status, &message)),
        }
        let id = serde_json::from_str::<serde_json::Value>(&message).ok();
        let id = id.as_ref().and_then(|answer| answer["Id"].as_str());
        let kept = self.settle_network(name).await?;
        Ok(if kept.as_deref() == id { Ensured::Made } else { Ensured::Found })
    }

    /// True when it is there and fits.
    async fn check_network(&self, name: &str) -> Result<bool, ContainerError> {
        let Some(id) = self.settle_network(name).await? else { return Ok(false) };
        let subject = Subject::new("the question for it", "network", name);
        let network = match self.docker().inspect_network(&id, None).await {
            Ok(network) => network,
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(false),
            Err(error) => return Err(self.failed(&subject, error)),
        };
        match convert::network_differs(&network) {
            Some(difference) => Err(ContainerError::Differs { kind: "network", name: name.to_owned(), difference }),
            None => Ok(true),
        }
    }

    /// The id of the network with this very name. Of several, the one in use or else the oldest stays: engines check a name
    /// and make the network in two steps, so two that come at once both get one, and then nothing can join either.
    pub(super) async fn settle_network(&self, name: &str) -> Result<Option<String>, ContainerError> {
        let mut found = self.networks(name).await?;
        if found.len() > 1 {
            let mut ranked = Vec::new();
            for network in found {
                let id = network.id.clone().unwrap_or_default();
                let used = match self.docker().inspect_network(&id, None).await {
                    Ok(network) => network.containers.is_some_and(|containers| !containers.is_empty()),
                    Err(_) => false,
                };
                ranked.push((!used, network.created, id, network));
            }
            ranked.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
            for (.., network) in &ranked[1..] {
                let ours = network.labels.as_ref().is_some_and(|labels| labels.contains_key(MANAGED_LABEL));
                if let (true, Some(id)) = (ours, &network.id) {
                    // The daemon refuses when somebody joined it, and somebody else may have been faster.
                    let _ = self.docker().remove_network(id).await;
                }
            }
            found = ranked.into_iter().map(|(.., network)| network).collect();
        }
        Ok(found.into_iter().next().and_then(|network| network.id))
    }

    async fn networks(&self, name: &str) -> Result<Vec<Network>, ContainerError> {
        let filters = HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let subject = Subject::new("the question for it", "network", name);
        let found = self.docker().list_networks(Some(options)).await.map_err(|error| self.failed(&subject, error))?;
        // The filter finds parts of names too.
        Ok(found.into_iter().filter(|network| network.name.as_deref() == Some(name)).collect())
    }

    pub async fn remove_network(&self, network: &str) -> Result<(), ContainerError> {
        let subject = Subject::new("the removal", "network", network).checked()?;
        self.docker().remove_network(network).await.map_err(|error| self.failed(&subject, error))
    }

    /// Joins a container to a network, under these names besides its own.
    pub async fn connect(&self, container: &str, network: &str, aliases: &[String]) -> Result<(), ContainerError> {
        let subject = Subject::container("the joining of a network", container).checked()?;
        Subject::new("", "network", network).checked()?;
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(convert::endpoint(aliases)),
        };
        self.docker().connect_network(network, request).await.map_err(|error| self.failed(&subject, error))
    }

    pub async fn disconnect(&self, container: &str, network: &str) -> Result<(), ContainerError> {
        let subject = Subject::container("the leaving of a network", container).checked()?;
        Subject::new("", "network", network).checked()?;
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        self.docker().disconnect_network(network, request).await.map_err(|error| self.failed(&subject, error))
    }

    /// Makes the volume unless it is there.
    pub async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<Ensured, ContainerError> {
        let name = spec.name.as_str();
        let subject = Subject::new("the creation", "volume", name);
        let fits = |volume: &bollard::models::Volume| match convert::volume_differs(volume, spec) {
            Some(difference) => Err(ContainerError::Differs { kind: "volume", name: name.to_owned(), difference }),
            None => Ok(()),
        };
        match self.docker().inspect_volume(name).await {
            Ok(volume) => return fits(&volume).map(|()| Ensured::Found),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(self.failed(&subject, error)),
        }
        match self.docker().create_volume(convert::create_volume_body(spec)).await {
            // A volume that was made meanwhile is answered as if it were this one.
            Ok(volume) => fits(&volume).map(|()| Ensured::Made),
            Err(error) => match self.docker().inspect_volume(name).await {
                Ok(volume) => fits(&volume).map(|()| Ensured::Found),
                Err(_) => Err(self.failed(&subject, error)),
            },
        }
    }

    pub async fn remove_volume(&self, volume: &str) -> Result<(), ContainerError> {
        let subject = Subject::new("the removal", "volume", volume).checked()?;
        let removed = self.docker().remove_volume(volume, None::<RemoveVolumeOptions>).await;
        removed.map_err(|error| self.failed(&subject, error))
    }
}

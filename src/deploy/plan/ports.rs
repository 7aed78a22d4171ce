//! Where the app listens, and where it can be reached.

use std::net::{IpAddr, Ipv4Addr};

use super::{LaunchInputs, default};
use crate::config::settings::parse;
use crate::deploy::error::LaunchError;
use crate::diagnostic::Warning;
use crate::docker::{PortMapping, Protocol};
use crate::origin::{Origin, Sourced};

/// The port inside the container: `PORT` as it was asked for, what the image says, what it exposes.
pub(super) fn app_port(inputs: LaunchInputs<'_>) -> Option<Sourced<u16>> {
    let given = inputs.wishes.env.get("PORT").map(|port| (port.value.as_str(), port.origin.clone()));
    let of_file = || {
        inputs.env_files.iter().rev().find_map(|file| {
            let (_, value) = file.variables.iter().rev().find(|(name, _)| name == "PORT")?;
            Some((value.as_str(), file.origin.clone()))
        })
    };
    if let Some((text, origin)) = given.or_else(of_file)
        && let Ok(port) = parse::port(text)
    {
        return Some(Sourced::new(port, origin));
    }
    if let Some(port) = inputs.run.and_then(|run| run.port) {
        return Some(Sourced::new(port, Origin::Derived("the build in the image".to_owned())));
    }
    let exposed = inputs.image.ports.iter().min().copied();
    exposed.map(|port| Sourced::new(port, Origin::Derived("the port that the image exposes".to_owned())))
}

pub(super) fn published(
    inputs: LaunchInputs<'_>,
    app: Option<&Sourced<u16>>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Sourced<PortMapping>>, LaunchError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(wanted) = &inputs.wishes.ports else {
        let own = app.map(|port| PortMapping {
            address: loopback,
            host_port: Some(port.value),
            container_port: port.value,
            protocol: Protocol::Tcp,
        });
        return Ok(own
            .map(|port| Sourced::new(port, default("the app's port, on this machine only")))
            .into_iter()
            .collect());
    };
    let mut ports = Vec::new();
    for Sourced { value: wish, origin } in wanted {
        let container_port = wish.container_port.or(app.map(|port| port.value));
        let container_port =
            container_port.ok_or_else(|| LaunchError::NoPort { image: inputs.reference.value.clone() })?;
        let address = wish.address.unwrap_or(loopback);
        if address.is_unspecified() {
            let message = format!("port {} is open to every network of the machine, without TLS", wish.host_port);
            warnings.push(
                Warning::new("launch/published-everywhere", message)
                    .with_hint("publish it on 127.0.0.1 and put a proxy in front (`nextdeploy proxy caddy`)"),
            );
        }
        let host_port = Some(wish.host_port).filter(|port| *port != 0);
        ports.push(Sourced::new(
            PortMapping { address, host_port, container_port, protocol: wish.protocol },
            origin.clone(),
        ));
    }
    Ok(ports)
}

//! The list of `ps`.

use super::table::table;
use crate::diagnostic::printable;
use crate::docker::{ContainerSummary, Protocol, PublishedPort};

/// The list as a table; ends with a newline.
pub fn render_list(containers: &[ContainerSummary]) -> String {
    let rows: Vec<Vec<String>> = containers
        .iter()
        .map(|one| {
            vec![
                printable(&one.name),
                printable(one.app().unwrap_or("-")),
                printable(short(&one.image)),
                printable(&one.description),
                or_dash(one.ports.iter().map(port).collect::<Vec<_>>().join(", ")),
            ]
        })
        .collect();
    table(&["NAME", "APP", "IMAGE", "STATUS", "PORTS"], &rows)
}

fn port(port: &PublishedPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "/udp",
    };
    let address = std::net::SocketAddr::new(port.address, port.host_port);
    format!("{address}->{}{protocol}", port.container_port)
}

/// An image whose name belongs to another one by now is listed by its id; its first digits are enough, as in `docker ps`.
fn short(image: &str) -> &str {
    const DIGITS: usize = 12;
    image.strip_prefix("sha256:").and_then(|id| id.get(..DIGITS)).unwrap_or(image)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::docker::{APP_LABEL, ContainerStatus};

    #[test]
    fn names_and_states_stand_in_columns() {
        let port = |number| PublishedPort {
            address: Ipv4Addr::LOCALHOST.into(),
            host_port: number,
            container_port: 3000,
            protocol: Protocol::Tcp,
        };
        let mut shop = ContainerSummary {
            id: "ab".into(),
            name: "shop-12ab34cd".into(),
            image: "ghcr.io/acme/shop:1".into(),
            image_id: String::new(),
            created_at: None,
            status: ContainerStatus::Running,
            description: "Up 3 minutes (healthy)".into(),
            health: None,
            labels: [(APP_LABEL.to_owned(), "shop".to_owned())].into(),
            ports: vec![port(8080)],
        };
        let mut other = shop.clone();
        (other.name, other.description, other.ports) = ("x".into(), "Exited (1)\u{1b}[31m".into(), Vec::new());
        shop.ports.push(PublishedPort { protocol: Protocol::Udp, ..port(53) });
        other.labels.clear();
        other.image = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(
            render_list(&[shop, other]),
            "NAME           APP   IMAGE                STATUS                  PORTS\n\
             shop-12ab34cd  shop  ghcr.io/acme/shop:1  Up 3 minutes (healthy)  127.0.0.1:8080->3000, 127.0.0.1:53->3000/udp\n\
             x              -     0123456789ab         Exited (1)\\u{1b}[31m    -\n"
        );
        assert_eq!(render_list(&[]), "NAME  APP  IMAGE  STATUS  PORTS\n");
    }
}

//! What the daemon says about an image → [`BuiltImage`]: layers with the instructions that made them.

use crate::builder::BuildError;
use crate::docker::connection::Engine;
use crate::image::{BuiltImage, ImageLayer};

/// One entry of an image's history.
struct HistoryEntry {
    created_by: String,
    size: u64,
}

/// Asks for the image `id`, which carries `tags`.
pub(super) async fn inspect(engine: &Engine, id: &str, tags: &[String]) -> Result<BuiltImage, BuildError> {
    const DOING: &str = "the question for the built image";
    let docker = engine.api_client();
    let image = docker.inspect_image(id).await.map_err(|error| engine.dialer.daemon_error(DOING, &error))?;
    let history = docker.image_history(id).await.map_err(|error| engine.dialer.daemon_error(DOING, &error))?;
    let oldest_first: Vec<_> = history
        .into_iter()
        .rev()
        .map(|entry| HistoryEntry { created_by: entry.created_by, size: u64::try_from(entry.size).unwrap_or(0) })
        .collect();
    let layers = layers(image.root_fs.and_then(|root| root.layers).unwrap_or_default(), &oldest_first);
    let id = image.id.unwrap_or_else(|| id.to_owned());
    let os = image.os.unwrap_or_else(|| "linux".into());
    let architecture = image.architecture.unwrap_or_default();
    let variant =
        image.variant.filter(|variant| !variant.is_empty()).map(|variant| format!("/{variant}")).unwrap_or_default();
    Ok(BuiltImage {
        id: if id.starts_with("sha256:") { id } else { format!("sha256:{id}") },
        tags: tags.to_vec(),
        platform: format!("{os}/{architecture}{variant}"),
        size: layers.iter().map(|layer| layer.size).sum(),
        layers,
    })
}

/// Joins layers with the history entries that made them. The API does not say which entries made none, so those that only
/// set metadata are left out, then empty `WORKDIR`s, then other empty ones, until the numbers agree.
fn layers(diff_ids: Vec<String>, oldest_first: &[HistoryEntry]) -> Vec<ImageLayer> {
    let mut makers: Vec<(String, u64)> = oldest_first
        .iter()
        .map(|entry| (instruction(&entry.created_by), entry.size))
        .filter(|(instruction, size)| *size > 0 || !only_metadata(instruction))
        .collect();
    for workdirs_only in [true, false] {
        while makers.len() > diff_ids.len() {
            let surplus =
                makers.iter().position(|(text, size)| *size == 0 && (!workdirs_only || text.starts_with("WORKDIR")));
            match surplus {
                Some(index) => drop(makers.remove(index)),
                None => break,
            }
        }
    }
    // A base image may know less of its past than it has layers.
    let unknown = diff_ids.len().saturating_sub(makers.len());
    let makers = std::iter::repeat_n((String::new(), 0), unknown).chain(makers);
    diff_ids
        .into_iter()
        .zip(makers)
        .map(|(diff_id, (created_by, size))| ImageLayer { diff_id, size, created_by })
        .collect()
}

fn only_metadata(instruction: &str) -> bool {
    const NAMES: [&str; 13] = [
        "ARG",
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    ];
    NAMES.contains(&instruction.split_whitespace().next().unwrap_or_default())
}

/// The instruction without what builders put around it: `|1 A=b /bin/sh -c npm ci # buildkit` → `RUN npm ci`.
fn instruction(created_by: &str) -> String {
    let text = created_by.trim().trim_end_matches("# buildkit").trim_end();
    if let Some((_, rest)) = text.split_once("#(nop)") {
        return rest.trim().to_owned();
    }
    let Some((prefix, command)) = text.split_once("/bin/sh -c ") else { return text.to_owned() };
    let made_by_run = prefix.is_empty() || prefix.starts_with('|') || prefix.starts_with("RUN ");
    if made_by_run { format!("RUN {}", command.trim()) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, history: &[(&str, u64)]) -> Vec<String> {
        let diff_ids = (0..count).map(|n| format!("sha256:{n}")).collect();
        let history: Vec<_> =
            history.iter().map(|(text, size)| HistoryEntry { created_by: (*text).into(), size: *size }).collect();
        layers(diff_ids, &history)
            .iter()
            .map(|layer| format!("{} {} {}", layer.diff_id, layer.size, layer.created_by))
            .collect()
    }

    #[test]
    fn layers_meet_their_instructions() {
        let history = [
            ("Imported from -", 218),
            ("ENV A=1", 0),
            ("WORKDIR /", 0),
            ("RUN |1 A=b /bin/sh -c npm ci # buildkit", 30),
            ("COPY /out/server ./ # buildkit", 12),
            ("/bin/sh -c #(nop)  CMD [\"node\"]", 0),
            ("/bin/sh -c true", 0),
        ];
        let expected = [
            "sha256:0 218 Imported from -",
            "sha256:1 30 RUN npm ci",
            "sha256:2 12 COPY /out/server ./",
            "sha256:3 0 RUN true",
        ];
        assert_eq!(check(4, &history), expected);
    }

    #[test]
    fn a_base_without_history_keeps_its_layers() {
        assert_eq!(check(2, &[("COPY a b", 5)]), ["sha256:0 0 ", "sha256:1 5 COPY a b"]);
    }
}

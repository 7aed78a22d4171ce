//! Two small builds next to the real one: one fills the cache mounts of a plan from archives, the other copies them out.
//!
//! They are separate builds so that the image and its layer keys cannot depend on the content of a cache. Their images are
//! discarded.

use std::fmt::Write as _;

use super::render::cache_mount;
use crate::image::plan::{BaseFlavour, CacheMount, ImagePlan};

/// Folder of the archives in the context of the first build.
pub const ARCHIVES: &str = "archives";
/// Folder of the copies in the result of the second build.
pub const COPIES: &str = "/nextdeploy/copies";

const MOUNTED: &str = "/nextdeploy/caches";
/// Keys that Next.js generates and keeps in its cache; they must not leak to readers of a stored cache.
const KEY_FILES: &[&str] = &[".rscinfo", ".previewinfo"];

/// The cache mounts that are carried between runs: package store and `.next/cache`. Their ids are plain file names.
pub fn travelling_caches(plan: &ImagePlan) -> Vec<&CacheMount> {
    std::iter::once(&plan.install.cache).chain(plan.build.cache.as_ref()).collect()
}

/// Fills each empty mount from `archives/ID.tar`, whose paths begin with `ID/`. A broken archive leaves it empty.
///
/// `once` is unique to this build, so that the step is never taken from the layer cache.
pub fn render_restore(plan: &ImagePlan, once: &str) -> String {
    let mut text = begin(plan);
    let _ = write!(text, "RUN --mount=type=bind,source={ARCHIVES},target=/nextdeploy/{ARCHIVES} \\\n    ");
    write_mounts(&mut text, plan);
    let _ = writeln!(
        text,
        ": 'restore caches' {once} && cd {MOUNTED} && for id in *; do \\\n    \
         archive=/nextdeploy/{ARCHIVES}/$id.tar; \\\n    \
         if [ -f $archive ] && [ -z \"$(ls -A $id)\" ]; then tar -xf $archive || find $id -mindepth 1 -delete; fi; done"
    );
    text
}

/// Copies each mount to [`COPIES`]`/ID`. `once` as with [`render_restore`].
pub fn render_save(plan: &ImagePlan, once: &str) -> String {
    let mut text = begin(plan);
    text.push_str("RUN ");
    write_mounts(&mut text, plan);
    let keys: Vec<String> = KEY_FILES.iter().map(|file| format!("{COPIES}/*/{file}")).collect();
    let _ = writeln!(
        text,
        ": 'save caches' {once} && mkdir -p {COPIES} && cp -a {MOUNTED}/. {COPIES}/ && rm -rf {} {COPIES}/*/_logs",
        keys.join(" ")
    );
    text
}

fn begin(plan: &ImagePlan) -> String {
    let user = if plan.base.flavour == BaseFlavour::Custom { "USER 0\n" } else { "" };
    format!("FROM {}\n{user}", plan.base.build.value)
}

fn write_mounts(text: &mut String, plan: &ImagePlan) {
    for cache in travelling_caches(plan) {
        let mount = CacheMount { target: format!("{MOUNTED}/{}", cache.id), ..cache.clone() };
        let _ = write!(text, "--mount={} \\\n    ", cache_mount(&mount));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::plan::sample::Sample;

    #[test]
    fn both_builds_use_the_mounts_of_the_plan_and_keys_stay() {
        let plan = Sample::npm().plan();
        insta::assert_snapshot!(format!("{}---\n{}", render_restore(&plan, "x"), render_save(&plan, "x")));
    }
}

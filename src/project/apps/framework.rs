//! The framework of a repository without a Next.js app, for messages.

use crate::project::package_json::PackageJsonCache;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Packages by which a framework is known, the most specific first.
const PACKAGES: [(&str, &str); 36] = [
    ("astro", "Astro"),
    ("@react-router/dev", "React Router"),
    ("@remix-run/dev", "Remix"),
    ("@remix-run/react", "Remix"),
    ("nuxt", "Nuxt"),
    ("nuxt3", "Nuxt"),
    ("@sveltejs/kit", "SvelteKit"),
    ("gatsby", "Gatsby"),
    ("@tanstack/react-start", "TanStack Start"),
    ("@tanstack/start", "TanStack Start"),
    ("@solidjs/start", "SolidStart"),
    ("@builder.io/qwik-city", "Qwik City"),
    ("@redwoodjs/core", "RedwoodJS"),
    ("blitz", "Blitz"),
    ("waku", "Waku"),
    ("vike", "Vike"),
    ("@docusaurus/core", "Docusaurus"),
    ("vitepress", "VitePress"),
    ("@11ty/eleventy", "Eleventy"),
    ("laravel-vite-plugin", "Laravel"),
    ("laravel-mix", "Laravel"),
    ("@angular/core", "Angular"),
    ("expo", "Expo"),
    ("react-native", "React Native"),
    ("electron", "Electron"),
    ("@nestjs/core", "NestJS"),
    ("@strapi/strapi", "Strapi"),
    ("@adonisjs/core", "AdonisJS"),
    ("react-scripts", "Create React App"),
    ("@vue/cli-service", "Vue CLI"),
    ("parcel", "Parcel"),
    ("vite", "Vite"),
    ("hono", "Hono"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("express", "Express"),
];

/// Files at the root by which other projects are known.
const FILES: [(&str, &str); 16] = [
    ("artisan", "Laravel"),
    ("manage.py", "Django"),
    ("config.ru", "Ruby"),
    ("Gemfile", "Ruby"),
    ("composer.json", "PHP"),
    ("mix.exs", "Elixir"),
    ("deno.json", "Deno"),
    ("deno.jsonc", "Deno"),
    ("hugo.toml", "Hugo"),
    ("go.mod", "Go"),
    ("Cargo.toml", "Rust"),
    ("pom.xml", "Java"),
    ("build.gradle", "Java"),
    ("pyproject.toml", "Python"),
    ("requirements.txt", "Python"),
    ("index.html", "static HTML"),
];
const MOST_MANIFESTS: usize = 200;

/// The first manifest that names a framework, the root's before others.
pub(super) fn of_manifests(manifests: &PackageJsonCache<'_>) -> Option<(RelPath, &'static str)> {
    let root = RelPath::root().child("package.json");
    let others =
        manifests.tree.texts_named("package.json").filter(|path| path.parent().is_some_and(|dir| !dir.is_root()));
    let mut paths = std::iter::once(root).chain(others).take(MOST_MANIFESTS);
    paths.find_map(|path| {
        let manifest = manifests.load(&path.parent()?).ok()??;
        let known = PACKAGES.iter().find(|(package, _)| manifest.dependency(package).is_some())?;
        Some((path, known.1))
    })
}

pub(super) fn of_files(tree: &SourceTree) -> Option<&'static str> {
    let known = FILES.iter().find(|(file, _)| tree.has_file(&RelPath::root().child(file)))?;
    Some(known.1)
}

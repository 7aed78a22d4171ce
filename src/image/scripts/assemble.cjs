'use strict'
// Runs in the build stage, twice:
//
//   e=$(node assemble.cjs env) && eval "$e"   before the build: prints `export NAME='value'` lines (what only the
//                                             build's machine knows: heap limit, content id, derived keys)
//   node assemble.cjs                         after the build: makes the layers of the image of what Next.js left
//
// Contract with the Dockerfile generator
//   in    /app                        root of the workspace, built; the app's package is /app/<appDir>, and the project of
//                                     Next.js what `appDir` of its required-server-files.json says, else /app/<nextDir>
//         /prod/app/**/node_modules   production dependencies (mode "server" only; else those of /app are taken)
//         /nextdeploy/plan.json       schemaVersion 1: appDir, nextDir, outputMode "standalone"|"export"|"server"|"unknown",
//                                     startCommand [argv]|null, basePath, port, healthPath, libc "glibc"|"musl",
//                                     nextVersion, keepEnvFiles, addedProgram name|null, env {K:V}, buildIdSalt, sourceDateEpoch seconds|null
//         /run/secrets/nextdeploy-key any bytes, optional: Next.js' keys are derived from it
//   out   /out/{node_modules,server,static,keys}/app/…   four trees whose union is the image's /app
//         /out/server/nextdeploy/run.json                what launcher.cjs reads
//   exit  0 done, 3 the project left nothing that can be run (`nextdeploy: error:` and `nextdeploy: hint:` on stderr)
//
// All four directories always exist. Every path has its final mode, owner and time; a copy has to keep modes and times.

const fs = require('fs')
const os = require('os')
const path = require('path')
const { finishLayer, writableFolders } = require('./finish-layer.cjs')
const { contentId } = require('./pin-build-id.cjs')
const { derive, readKey, separateKeys } = require('./pin-keys.cjs')
const { ProjectError, copy, isDirectory, move, moveIfThere, readDirectory, readJson, readText, realpath, remove, walk, writeFile } = require('./files.cjs')

const PLACES = {
  root: '/app',
  production: '/prod/app',
  out: '/out',
  key: '/run/secrets/nextdeploy-key',
  programs: '/opt/nextdeploy/bin',
  cgroup: '/sys/fs/cgroup',
}
const LAYERS = ['node_modules', 'server', 'static', 'keys']

// ---------------------------------------------------------------------------------------------------------------
// Before the build

/** Shell lines that the build step evaluates. */
function buildEnvironment(plan, places, env) {
  const exported = { NEXTDEPLOY_BUILD_ID: contentId(places.root, plan.buildIdSalt || '', env) }
  const key = readKey(places)
  // Next.js 14 reads it when it prerenders, 15 and later also when it writes its manifests.
  if (key && parseInt(plan.nextVersion, 10) >= 14 && !env.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY) {
    exported.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY = derive(key, 'encryptionKey')
  }
  const limit = memoryLimit(places)
  const options = env.NODE_OPTIONS || ''
  if (limit && !/--max[-_]old[-_]space[-_]size/.test(options)) {
    exported.NODE_OPTIONS = (options + ' --max-old-space-size=' + Math.floor((limit * 0.75) / 2 ** 20)).trim()
  }
  return Object.keys(exported)
    .map((name) => `export ${name}='${exported[name].replace(/'/g, `'\\''`)}'\n`)
    .join('')
}

/** Memory limit of this cgroup in bytes (version 2, then 1), null when there is none. */
function memoryLimit(places) {
  for (const file of ['memory.max', 'memory/memory.limit_in_bytes']) {
    const text = readText(path.join(places.cgroup, file))
    const limit = text === null ? NaN : Number(text.trim())
    if (limit > 0 && limit < os.totalmem()) return limit
  }
  return null
}

// ---------------------------------------------------------------------------------------------------------------
// After the build: find what Next.js left

/** Everything below is decided from this: where the output is, and what it is. */
function inspectBuild(plan, places) {
  const planned = path.join(places.root, plan.nextDir === undefined ? plan.appDir : plan.nextDir)
  const manifest = findManifest(planned, 3) || findManifest(places.root, 5, planned)
  const required = manifest ? readJson(manifest) : {}
  // `next build DIR`, in a script that could not be read.
  const named = typeof required.appDir === 'string' ? path.resolve(required.appDir) : places.root
  const app = named.startsWith(places.root + path.sep) && isDirectory(named) ? named : planned
  const config = required.config || {}
  const distDir = manifest ? path.dirname(manifest) : null
  const standalone = distDir && isDirectory(path.join(distDir, 'standalone')) ? path.join(distDir, 'standalone') : null
  const build = { app, distDir, config, standalone, exported: findExport(app, distDir, config), required }
  return Object.assign(build, { mode: chooseMode(plan, build) })
}

/** The first `required-server-files.json` (breadth first), of `app` when that is given. */
function findManifest(directory, depth, app) {
  let level = [directory]
  for (; depth >= 0 && level.length; depth--) {
    for (const place of level) {
      const file = path.join(place, 'required-server-files.json')
      if (fs.existsSync(file) && (!app || readJson(file).appDir === app)) return file
    }
    level = [].concat(...level.map((place) => childDirectories(place)))
  }
  return null
}

function childDirectories(directory) {
  const skipped = ['node_modules', '.git', 'standalone', 'public', 'cache']
  return readDirectory(directory)
    .filter((entry) => entry.isDirectory() && !skipped.includes(entry.name))
    .map((entry) => path.join(directory, entry.name))
}

function findExport(app, distDir, config) {
  const detail = distDir && readJson(path.join(distDir, 'export-detail.json'), null)
  const places = [detail && detail.success && detail.outDirectory, path.join(app, 'out')]
  if (config.output === 'export') places.push(distDir)
  return places.find((place) => place && isDirectory(place) && hasPage(place)) || null
}

function hasPage(directory) {
  return ['index.html', '404.html', 'en.html'].some((name) => fs.existsSync(path.join(directory, name)))
}

function chooseMode(plan, build) {
  if (plan.outputMode === 'server') return requireBuild(plan, build)
  const order = plan.outputMode === 'export' || build.config.output === 'export' ? ['static', 'standalone'] : ['standalone', 'static']
  const found = order.find((mode) => (mode === 'static' ? build.exported : build.standalone))
  if (found) return found
  requireBuild(plan, build)
  throw new ProjectError(
    `the build left neither \`standalone\` in \`${build.distDir}\` nor an export in \`${path.join(build.app, 'out')}\``,
    "pass NEXT_PRIVATE_STANDALONE through to `next build` (a wrapper may have dropped it), or set `output: 'standalone'` in next.config"
  )
}

function requireBuild(plan, build) {
  if (build.distDir) return 'server'
  const left = readDirectory(build.app).map((entry) => entry.name).filter((name) => name !== 'node_modules').sort()
  throw new ProjectError(
    `the build left no Next.js output: no \`required-server-files.json\` up to 3 levels below \`${build.app}\` (found: ${left.join(', ') || 'nothing'})`,
    'check that the build script runs `next build` for this app, and that it ends without an error'
  )
}

// ---------------------------------------------------------------------------------------------------------------
// After the build: put the layers together

function assemble(plan, places) {
  const build = inspectBuild(plan, places)
  for (const layer of LAYERS) fs.mkdirSync(path.join(places.out, layer, 'app'), { recursive: true })
  const run = { standalone: assembleStandalone, static: assembleStatic, server: assembleServer }[build.mode](plan, places, build)
  if (!plan.keepEnvFiles) removeEnvFiles(path.join(places.out, 'server/app'))

  const unpinned = build.mode === 'static' ? [] : separateKeys(plan, places, run.distDir)
  const manifests = build.mode === 'static' ? [build.distDir || build.app] : ['server', 'keys'].map((layer) => path.join(places.out, layer, 'app', run.distDir))
  const document = Object.assign(
    {
      schemaVersion: 1,
      mode: build.mode,
      nextVersion: plan.nextVersion,
      basePath: build.config.basePath || plan.basePath || '',
      trailingSlash: Boolean(build.config.trailingSlash),
      port: plan.port || 3000,
      healthPath: plan.healthPath || null,
      env: plan.env || {},
      buildId: (readText(path.join(manifests[0], 'BUILD_ID')) || '').trim() || null,
      routes: readRoutes(manifests),
      unpinned,
    },
    run
  )
  document.writable = writableFolders(LAYERS.map((layer) => path.join(places.out, layer)), document)
  writeFile(path.join(places.out, 'server/nextdeploy/run.json'), JSON.stringify(document, null, 2) + '\n')
  for (const layer of LAYERS) finishLayer(path.join(places.out, layer), plan, document)
  return document
}

/** The traced output: `standalone/` holds the workspace as it has to stand in the image. */
function assembleStandalone(plan, places, build) {
  const traced = build.standalone
  const place = path.relative(places.root, build.app)
  const appDir = [build.required.relativeAppDir, place, ''].find(
    (place) => typeof place === 'string' && fs.existsSync(path.join(traced, place, 'server.js'))
  )
  if (appDir === undefined) {
    throw new ProjectError(
      `\`${traced}\` has no server.js for \`${place || '.'}\` (found: ${readDirectory(traced).map((entry) => entry.name).sort().join(', ')})`,
      'remove `outputFileTracingRoot` from next.config, or point it at the root of the workspace'
    )
  }
  const distDir = path.join(appDir, path.relative(build.app, build.distDir))
  for (const name of ['cache', 'trace', 'diagnostics']) remove(path.join(traced, distDir, name))
  trimDependencies(plan, traced, (name, parent) => isTypescript(name, parent) && !tracesTypescript(build))
  takePublic(build.app, path.join(places.out, 'static/app', appDir, 'public'), path.join(traced, appDir, 'public'))
  moveIfThere(path.join(build.distDir, 'static'), path.join(places.out, 'static/app', distDir, 'static'))
  remove(path.join(traced, distDir, 'static'))
  move(traced, path.join(places.out, 'server/app'))
  separateDependencies(path.join(places.out, 'server/app'), path.join(places.out, 'node_modules/app'))
  return { cwd: inImage(appDir), entry: inImage(appDir, 'server.js'), distDir }
}

/** `output: 'export'`: plain files for the launcher's own server. */
function assembleStatic(plan, places, build) {
  const place = path.relative(places.root, build.app)
  const root = path.join(place, 'out')
  move(build.exported, path.join(places.out, 'static/app', root), (relative) => ['cache', 'export-detail.json'].includes(relative))
  return { cwd: inImage(place), staticRoot: inImage(root), distDir: path.join(place, path.relative(build.app, build.distDir || path.join(build.app, '.next'))) }
}

/** A server of the project's own: its sources, its build and its production dependencies. */
function assembleServer(plan, places, build) {
  if (!Array.isArray(plan.startCommand) || !plan.startCommand.length) {
    throw new ProjectError('the app needs a start command of its own, and none is known', 'add a `start` script to package.json')
  }
  const distDir = path.relative(places.root, build.distDir)
  takePublic(build.app, path.join(places.out, 'static/app', path.relative(places.root, build.app), 'public'))
  moveIfThere(path.join(build.distDir, 'static'), path.join(places.out, 'static/app', distDir, 'static'))
  const unused = ['cache', 'standalone', 'trace', 'trace-build', 'diagnostics', 'types', 'turbopack'].map((name) => path.join(distDir, name))
  const left = new Set(unused.concat('.git', '.turbo', '.nx', '.yarn'))
  // Those of the package managers may hold a token.
  const leftAnywhere = new Set(['node_modules', '.npmrc', '.yarnrc', '.yarnrc.yml'])
  move(places.root, path.join(places.out, 'server/app'), (relative) => left.has(relative) || leftAnywhere.has(path.basename(relative)))
  const production = isDirectory(places.production) ? places.production : places.root
  trimDependencies(plan, production, () => false)
  separateDependencies(production, path.join(places.out, 'node_modules/app'))
  removeInstallState(path.join(places.out, 'node_modules/app'))
  if (plan.addedProgram) addProgram(plan.addedProgram, places)
  return { cwd: inImage(plan.appDir), command: plan.startCommand, distDir }
}

/** A program that came with the package manager, where the launcher looks for programs. */
function addProgram(name, places) {
  const target = path.join(places.out, 'node_modules/app/node_modules/.bin', name)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  if (!fs.existsSync(target)) fs.copyFileSync(fs.realpathSync(path.join(places.programs, name)), target)
}

function inImage(...parts) {
  return path.join('/app', ...parts)
}

/** `public` is served from disk: links that leave it become files, and what was traced of it joins it. */
function takePublic(app, to, traced) {
  if (traced) moveIfThere(traced, to)
  if (!fs.existsSync(path.join(app, 'public'))) return
  const from = fs.realpathSync(path.join(app, 'public'))
  for (const file of walk(from)) {
    if (!file.stat.isSymbolicLink()) continue
    const target = realpath(file.path)
    if (target && !target.startsWith(from + path.sep)) {
      fs.unlinkSync(file.path)
      copy(target, file.path)
    }
  }
  move(from, to)
}

/** Moves every `node_modules` below `from` to the same place below `to`. */
function separateDependencies(from, to) {
  for (const entry of readDirectory(from)) {
    if (!entry.isDirectory()) continue
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)]
    if (entry.name === 'node_modules') move(source, target)
    else separateDependencies(source, target)
  }
}

// Names of packages with a native module, as the packages that publish one for each libc give them: the suffix of napi-rs and
// sharp's own. Package managers install both when the lockfile does not say for which libc each is.
const OTHER_LIBC = {
  glibc: /(^|-)linux-[a-z0-9]+-musl|(^|-)linuxmusl-/,
  musl: /(^|-)linux-[a-z0-9]+-gnu|^sharp-(libvips-)?linux-/,
}

/** Leaves out native modules for another libc, what `unused` names, and links to either. */
function trimDependencies(plan, root, unused) {
  const otherLibc = OTHER_LIBC[plan.libc === 'musl' ? 'musl' : 'glibc']
  const removed = (name, parent) => {
    if (parent === '.pnpm') return otherLibc.test(name.replace(/^@[^+]*\+/, '')) || unused(name, parent)
    return ((parent === 'node_modules' || parent.startsWith('@')) && otherLibc.test(name)) || unused(name, parent)
  }
  const links = []
  const visit = (directory, inside) => {
    for (const entry of readDirectory(directory)) {
      const file = path.join(directory, entry.name)
      if (inside && removed(entry.name, path.basename(directory))) remove(file)
      else if (entry.isDirectory()) visit(file, inside || entry.name === 'node_modules')
      else if (inside && entry.isSymbolicLink()) links.push(file)
    }
  }
  visit(root, false)
  for (const link of links) if (!fs.existsSync(link)) fs.unlinkSync(link)
}

function isTypescript(name, parent) {
  return name === 'typescript' ? parent === 'node_modules' : parent === '.pnpm' && name.startsWith('typescript@')
}

/** Next.js itself traces typescript in some versions; an app that runs it says so in the trace of a page. */
function tracesTypescript(build) {
  if (build.typescript === undefined) {
    build.typescript = walk(path.join(build.distDir, 'server')).some(
      (file) => file.path.endsWith('.nft.json') && readText(file.path).includes('node_modules/typescript/lib/typescript.js')
    )
  }
  return build.typescript
}

/** Package managers write times and paths of the build there. */
function removeInstallState(directory) {
  const names = new Set(['.cache', '.modules.yaml', '.package-lock.json', '.yarn-integrity', '.yarn-state.yml'])
  for (const entry of readDirectory(directory)) {
    const file = path.join(directory, entry.name)
    if (names.has(entry.name) || entry.name.startsWith('.pnpm-workspace-state')) remove(file)
    else if (entry.isDirectory() && path.basename(directory) !== 'node_modules') removeInstallState(file)
  }
}

function removeEnvFiles(directory) {
  for (const file of walk(directory)) {
    if (/^\.env($|\.)/.test(path.basename(file.path)) && !file.stat.isDirectory()) fs.unlinkSync(file.path)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Routes, from the manifests of the build

function readRoutes(directories) {
  const manifest = (name) => directories.reduce((found, directory) => found || readJson(path.join(directory, name), null), null) || {}
  const prerendered = manifest('prerender-manifest.json')
  const pages = manifest('server/pages-manifest.json')
  const app = manifest('app-path-routes-manifest.json')
  const routes = { static: [], isr: [], dynamic: [], api: [], middleware: null }
  const known = new Set()
  const add = (route, kind) => {
    if (known.has(route) || /^\/_(app|document|error|global-error|not-found)/.test(route)) return
    known.add(route)
    routes[kind].push(route)
  }
  for (const route of Object.keys(prerendered.routes || {})) add(route, prerendered.routes[route].initialRevalidateSeconds === false ? 'static' : 'isr')
  for (const route of Object.keys(pages)) add(route, pages[route].endsWith('.html') ? 'static' : /^\/api(\/|$)/.test(route) ? 'api' : 'dynamic')
  for (const entry of Object.keys(app)) add(app[entry], entry.endsWith('/route') ? 'api' : 'dynamic')
  for (const kind of ['static', 'isr', 'dynamic', 'api']) routes[kind].sort()
  const edge = Object.keys(manifest('server/middleware-manifest.json').middleware || {}).length > 0
  const node = '/_middleware' in (manifest('server/functions-config-manifest.json').functions || {})
  if (edge || node) routes.middleware = node ? 'nodejs' : 'edge'
  return routes
}

// ---------------------------------------------------------------------------------------------------------------

/** Lines for nextdeploy itself: the routes, and what it repeats at the end of the build. */
function tell(document) {
  process.stdout.write(`nextdeploy: routes: ${JSON.stringify(document.routes)}\n`)
  if (!document.unpinned.length) return
  const names = document.unpinned.slice(0, 3).join(', ') + (document.unpinned.length > 3 ? ', …' : '')
  process.stdout.write(`nextdeploy: notice: other in each build, because Next.js draws keys at random: ${document.unpinned.length} files (${names}); see --reproducible-key\n`)
}

function main(argv) {
  const plan = readJson(path.join(__dirname, 'plan.json'))
  try {
    if (argv[0] === 'env') process.stdout.write(buildEnvironment(plan, PLACES, process.env))
    else tell(assemble(plan, PLACES))
  } catch (error) {
    if (!(error instanceof ProjectError)) throw error
    process.stderr.write(`nextdeploy: error: ${error.message}\nnextdeploy: hint: ${error.hint}\n`)
    process.exitCode = 3
  }
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { assemble, buildEnvironment, PLACES }

'use strict'
// Runs in the build stage, twice:
//
//   eval "$(node assemble.cjs env)"   before the build: prints `export NAME='value'` lines (what only the machine of
//                                     the build knows: heap limit, content id, keys derived from the project's key)
//   node assemble.cjs                 after the build: turns what Next.js left behind into the layers of the image
//
// Contract with the Dockerfile generator
//   in    /app                        root of the workspace, built; the app is /app/<appDir>
//         /prod/app/**/node_modules   production dependencies (mode "server" only; else those of /app are taken)
//         /nextdeploy/plan.json       schemaVersion 1: appDir, outputMode "standalone"|"export"|"server"|"unknown",
//                                     startCommand [argv]|null, basePath, port, healthPath, libc "glibc"|"musl",
//                                     nextVersion, keepEnvFiles, env {K:V}, buildIdSalt, sourceDateEpoch seconds|null
//         /run/secrets/nextdeploy-key any bytes, optional: Next.js' keys are derived from it
//   out   /out/{node_modules,server,static,keys}/app/…   four trees whose union is the image's /app
//         /out/server/nextdeploy/run.json                what launcher.cjs reads
//   exit  0 done, 3 the project left nothing that can be run (`nextdeploy: error:` and `nextdeploy: hint:` on stderr)
//
// All four directories always exist. Every path has its final mode, owner and time; a copy has to keep modes and times.

const fs = require('fs')
const os = require('os')
const path = require('path')
const crypto = require('crypto')
const { contentId } = require('./pin-build-id.cjs')

const PLACES = {
  root: '/app',
  production: '/prod/app',
  out: '/out',
  key: '/run/secrets/nextdeploy-key',
  cgroup: '/sys/fs/cgroup',
}
const LAYERS = ['node_modules', 'server', 'static', 'keys']
const EPOCH = 946684800 // 2000-01-01T00:00:00Z
const TWENTY_YEARS = 20 * 365 * 86400
const APP_USER = 1001

class ProjectError extends Error {
  constructor(message, hint) {
    super(message)
    this.hint = hint
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Before the build

/** Shell lines that the build step evaluates. */
function buildEnvironment(plan, places, env) {
  const exported = { NEXTDEPLOY_BUILD_ID: contentId(places.root, plan.buildIdSalt || '', env) }
  const key = readKey(places)
  // Next.js 14 reads it when it prerenders, 15 and later also when it writes its manifests.
  if (key && major(plan.nextVersion) >= 14 && !env.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY) {
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
  const app = path.join(places.root, plan.appDir)
  const manifest = findManifest(app, 3) || findManifest(places.root, 5, app)
  const required = manifest ? readJson(manifest) : {}
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
      buildId: (readText(path.join(places.out, 'server/app', run.distDir, 'BUILD_ID')) || '').trim() || null,
      routes: readRoutes(path.join(places.out, 'server/app', run.distDir), places, run.distDir),
      unpinned,
    },
    run
  )
  writeFile(path.join(places.out, 'server/nextdeploy/run.json'), JSON.stringify(document, null, 2) + '\n')
  for (const layer of LAYERS) finish(path.join(places.out, layer), plan, document)
  return document
}

/** The traced output: `standalone/` holds the workspace as it has to stand in the image. */
function assembleStandalone(plan, places, build) {
  const traced = build.standalone
  const appDir = [build.required.relativeAppDir, plan.appDir, ''].find(
    (place) => typeof place === 'string' && fs.existsSync(path.join(traced, place, 'server.js'))
  )
  if (appDir === undefined) {
    throw new ProjectError(
      `\`${traced}\` has no server.js for \`${plan.appDir || '.'}\` (found: ${readDirectory(traced).map((entry) => entry.name).sort().join(', ')})`,
      'remove `outputFileTracingRoot` from next.config, or point it at the root of the workspace'
    )
  }
  const distDir = path.join(appDir, path.relative(build.app, build.distDir))
  for (const name of ['cache', 'trace', 'diagnostics']) remove(path.join(traced, distDir, name))
  trimDependencies(plan, build)
  takePublic(build.app, path.join(places.out, 'static/app', appDir, 'public'), path.join(traced, appDir, 'public'))
  moveIfThere(path.join(build.distDir, 'static'), path.join(places.out, 'static/app', distDir, 'static'))
  remove(path.join(traced, distDir, 'static'))
  move(traced, path.join(places.out, 'server/app'))
  separateDependencies(path.join(places.out, 'server/app'), path.join(places.out, 'node_modules/app'))
  return { cwd: inImage(appDir), entry: inImage(appDir, 'server.js'), distDir }
}

/** `output: 'export'`: plain files for the launcher's own server. */
function assembleStatic(plan, places, build) {
  const root = path.join(plan.appDir, 'out')
  move(build.exported, path.join(places.out, 'static/app', root), (relative) => ['cache', 'export-detail.json'].includes(relative))
  return { cwd: inImage(plan.appDir), staticRoot: inImage(root), distDir: path.join(plan.appDir, path.relative(build.app, build.distDir || path.join(build.app, '.next'))) }
}

/** A server of the project's own: its sources, its build and its production dependencies. */
function assembleServer(plan, places, build) {
  if (!Array.isArray(plan.startCommand) || !plan.startCommand.length) {
    throw new ProjectError('the app needs a start command of its own, and none is known', 'add a `start` script to package.json')
  }
  const distDir = path.relative(places.root, build.distDir)
  takePublic(build.app, path.join(places.out, 'static/app', plan.appDir, 'public'))
  moveIfThere(path.join(build.distDir, 'static'), path.join(places.out, 'static/app', distDir, 'static'))
  const unused = ['cache', 'standalone', 'trace', 'trace-build', 'diagnostics', 'types', 'turbopack'].map((name) => path.join(distDir, name))
  const left = new Set(['.git', '.turbo', '.nx'].concat(unused))
  move(places.root, path.join(places.out, 'server/app'), (relative) => left.has(relative) || path.basename(relative) === 'node_modules')
  const production = isDirectory(places.production) ? places.production : places.root
  separateDependencies(production, path.join(places.out, 'node_modules/app'))
  removeInstallState(path.join(places.out, 'node_modules/app'))
  return { cwd: inImage(plan.appDir), command: plan.startCommand, distDir }
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

/** Leaves out what the traced output holds for another libc, or for the build only. */
function trimDependencies(plan, build) {
  const otherLibc = plan.libc === 'musl' ? /^sharp-(libvips-)?linux-/ : /^sharp-(libvips-)?linuxmusl-/
  const removed = (name, parent) => {
    if (parent === '@img') return otherLibc.test(name)
    if (parent === '.pnpm' && name.startsWith('@img+')) return otherLibc.test(name.slice(5))
    const typescript = name === 'typescript' ? parent === 'node_modules' : parent === '.pnpm' && name.startsWith('typescript@')
    return typescript && !tracesTypescript(build)
  }
  const links = []
  const visit = (directory, inside) => {
    for (const entry of readDirectory(directory)) {
      const file = path.join(directory, entry.name)
      if (inside && removed(entry.name, path.basename(directory))) remove(file)
      else if (entry.isDirectory()) visit(file, inside || entry.name === 'node_modules')
      else if (entry.isSymbolicLink()) links.push(file)
    }
  }
  visit(build.standalone, false)
  for (const link of links) if (!fs.existsSync(link)) fs.unlinkSync(link)
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
// Keys and order: what differs between two builds of the same sources

/**
 * Moves the files that hold something random to a layer of their own, so that the others are the same in each build:
 * Next.js' secret keys (derived instead when the project gave a key), ids of server actions (Next.js 15 and later
 * hash them with a key) and pages with sealed closures of an action. Returns the files whose content stays random.
 */
function separateKeys(plan, places, distDir) {
  const server = path.join(places.out, 'server')
  const dist = path.join(server, 'app', distDir)
  const { keys, actions } = readBuildKeys(dist)
  const projectKey = readKey(places)
  const randomKeys = projectKey ? [] : keys.filter((key) => key.random)
  const randomActions = major(plan.nextVersion) >= 15 && randomKeys.some((key) => key.name === 'encryptionKey')
  const unpinned = []
  for (const file of walk(dist)) {
    if (!file.stat.isFile()) continue
    if (file.path.endsWith('.nft.json')) {
      fs.unlinkSync(file.path)
      continue
    }
    sortManifest(file.path)
    const content = fs.readFileSync(file.path)
    const held = keys.filter((key) => content.includes(key.value))
    const named = actions.some((id) => content.includes(id))
    const sealed = named && isPageData(file.path) && SEALED.test(content.toString('latin1'))
    if (projectKey && held.length) fs.writeFileSync(file.path, replaceKeys(content, held, projectKey), 'latin1')
    const random = sealed || (named && randomActions) || held.some((key) => randomKeys.includes(key))
    if (random) unpinned.push(path.relative(server, file.path))
    if (random || held.length) move(file.path, path.join(places.out, 'keys', path.relative(server, file.path)))
  }
  return unpinned.sort()
}

// The reference to a server action in a prerendered page (flight data, in a script, in a form), when it has closures.
const SEALED = /bound(?:\\*"|&quot;):(?:\\*"|&quot;)\$@/

function replaceKeys(content, keys, projectKey) {
  return keys.reduce((text, key) => text.split(key.value).join(derive(projectKey, key.name)), content.toString('latin1'))
}

function readBuildKeys(dist) {
  const preview = readJson(path.join(dist, 'prerender-manifest.json'), {}).preview || {}
  const { encryptionKey, node, edge } = readJson(path.join(dist, 'server/server-reference-manifest.json'), {})
  const keys = ['previewModeId', 'previewModeSigningKey', 'previewModeEncryptionKey']
    .map((name) => ({ name, value: preview[name], random: true }))
    .concat({ name: 'encryptionKey', value: encryptionKey, random: encryptionKey !== process.env.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY })
    .filter((key) => typeof key.value === 'string' && /^[0-9a-zA-Z+/=]{20,}$/.test(key.value))
  return { keys, actions: encryptionKey ? Object.keys(Object.assign({}, node, edge)) : [] }
}

/** A key in the format that Next.js draws at random: hex of 16 or 32 bytes, base64 of 32 bytes. */
function derive(projectKey, name) {
  const bytes = crypto.createHmac('sha256', projectKey).update('nextdeploy/v1/' + name).digest()
  if (name === 'encryptionKey') return bytes.toString('base64')
  return bytes.toString('hex').slice(0, name === 'previewModeId' ? 32 : 64)
}

function readKey(places) {
  const key = fs.existsSync(places.key) ? fs.readFileSync(places.key) : null
  return key && key.length ? key : null
}

/** webpack writes these in the order in which its workers end. */
function sortManifest(file) {
  const name = path.basename(file)
  if (['pages-manifest.json', 'app-paths-manifest.json', 'app-path-routes-manifest.json'].includes(name)) {
    fs.writeFileSync(file, JSON.stringify(sorted(readJson(file))))
  } else if (name === 'prerender-manifest.json') {
    fs.writeFileSync(file, JSON.stringify(sortedRoutes(readJson(file))))
  } else if (name === 'prerender-manifest.js') {
    const match = /^(self\.__PRERENDER_MANIFEST=)(".*")(;?\s*)$/.exec(readText(file))
    if (match) fs.writeFileSync(file, match[1] + JSON.stringify(JSON.stringify(sortedRoutes(JSON.parse(JSON.parse(match[2]))))) + match[3])
  }
}

function sortedRoutes(manifest) {
  for (const part of ['routes', 'dynamicRoutes']) if (manifest[part]) manifest[part] = sorted(manifest[part])
  return manifest
}

function sorted(object) {
  return Object.keys(object).sort().reduce((result, key) => Object.assign(result, { [key]: object[key] }), {})
}

// ---------------------------------------------------------------------------------------------------------------
// Routes, from the manifests of the build

function readRoutes(dist, places, distDir) {
  const manifest = (name) => readJson(path.join(dist, name), readJson(path.join(places.out, 'keys/app', distDir, name), {}))
  const prerendered = manifest('prerender-manifest.json')
  const pages = manifest('server/pages-manifest.json')
  const app = manifest('app-path-routes-manifest.json')
  const routes = { static: [], isr: [], dynamic: [], api: [], middleware: null }
  const known = new Set()
  for (const route of Object.keys(prerendered.routes || {})) {
    known.add(route)
    routes[prerendered.routes[route].initialRevalidateSeconds === false ? 'static' : 'isr'].push(route)
  }
  const add = (route, kind) => {
    if (known.has(route) || /^\/_(app|document|error|not-found)/.test(route)) return
    known.add(route)
    routes[kind].push(route)
  }
  for (const route of Object.keys(pages)) add(route, pages[route].endsWith('.html') ? 'static' : /^\/api(\/|$)/.test(route) ? 'api' : 'dynamic')
  for (const entry of Object.keys(app)) add(app[entry], entry.endsWith('/route') ? 'api' : 'dynamic')
  for (const kind of ['static', 'isr', 'dynamic', 'api']) routes[kind].sort()
  const edge = Object.keys(manifest('server/middleware-manifest.json').middleware || {}).length > 0
  const node = '/_middleware' in (manifest('server/functions-config-manifest.json').functions || {})
  if (edge || node) routes.middleware = node ? 'nodejs' : 'edge'
  return routes
}

// ---------------------------------------------------------------------------------------------------------------
// Modes, owners and times

/** Gives every path of a layer its final mode, owner and time. */
function finish(layer, plan, run) {
  const dist = path.join('app', run.distDir)
  // Where Next.js stores the pages that it renders again (FileSystemCache; `route-cache` since 16.4): new files and
  // new data, never code.
  const rewritten = run.routes.isr.length || run.routes.static.length || run.routes.dynamic.length
  const stores = rewritten ? ['app', 'pages', 'route-cache'].map((name) => path.join(dist, 'server', name)) : []
  if (path.basename(layer) === 'server' && run.mode !== 'static') {
    fs.mkdirSync(path.join(layer, dist, 'cache'), { recursive: true })
    if (rewritten && major(run.nextVersion) >= 16) fs.mkdirSync(path.join(layer, stores[2]), { recursive: true })
  }
  const served = [path.join('app', path.relative('/app', run.cwd), 'public') + path.sep]
  if (run.staticRoot) served.push(run.staticRoot.slice(1) + path.sep)
  const prerenderTime = prerenderSeconds(plan, run)

  const times = []
  for (const file of walk(layer).concat({ path: layer, stat: fs.lstatSync(layer) })) {
    const relative = path.relative(layer, file.path)
    const stored = !relative.includes('node_modules') && stores.some((store) => (relative + path.sep).startsWith(store + path.sep))
    const data = stored && file.stat.isFile() && isPageData(file.path)
    const cache = relative === path.join(dist, 'cache')
    if (process.getuid() === 0) fs.lchownSync(file.path, cache ? APP_USER : 0, 0)
    if (!file.stat.isSymbolicLink()) fs.chmodSync(file.path, modeOf(file.stat, stored, data, cache))
    let seconds = data ? prerenderTime : EPOCH
    // Next.js answers these with a weak ETag of size and time: with one time for all, a changed file of the same
    // size would be answered 304. So their time stands for their content.
    if (file.stat.isFile() && served.some((place) => relative.startsWith(place))) seconds = EPOCH + contentSeconds(file.path)
    times.push([file.path, seconds])
  }
  setTimes(times)
}

function modeOf(stat, stored, data, cache) {
  if (stat.isDirectory()) return cache ? 0o775 : stored ? 0o1775 : 0o755
  if (data) return 0o664
  return stat.mode & 0o111 ? 0o755 : 0o644
}

function isPageData(file) {
  if (/\.(html|rsc|meta|body)$/.test(file)) return true
  // `about.json` beside `about.html` is the page's data, anything else a manifest.
  return file.endsWith('.json') && fs.existsSync(file.slice(0, -4) + 'html')
}

// Next.js 15 and later take the file's time as the moment of the render and do not serve a page that is past its
// `expire` (a year by default): such pages get the time of the sources.
function prerenderSeconds(plan, run) {
  return major(run.nextVersion) >= 15 && run.routes.isr.length && plan.sourceDateEpoch ? Math.floor(plan.sourceDateEpoch) : EPOCH
}

function contentSeconds(file) {
  return crypto.createHash('sha256').update(fs.readFileSync(file)).digest().readUIntBE(0, 6) % TWENTY_YEARS
}

function setTimes(times) {
  if (fs.lutimesSync) {
    for (const [file, seconds] of times) fs.lutimesSync(file, seconds, seconds)
    return
  }
  // Node.js before 14.5 cannot set the time of a link.
  const links = []
  for (const [file, seconds] of times) {
    if (fs.lstatSync(file).isSymbolicLink()) links.push(file)
    else fs.utimesSync(file, seconds, seconds)
  }
  while (links.length) require('child_process').execFileSync('touch', ['-h', '-d', '@' + EPOCH].concat(links.splice(0, 500)))
}

// ---------------------------------------------------------------------------------------------------------------
// Files

/** Everything below a directory, children before their directory; links are not followed. */
function walk(directory, found = []) {
  for (const entry of readDirectory(directory)) {
    const file = path.join(directory, entry.name)
    const stat = fs.lstatSync(file)
    if (stat.isDirectory()) walk(file, found)
    found.push({ path: file, stat })
  }
  return found
}

/** Moves a file or a tree, into what is already there; `skip(relative)` stays behind. */
function move(from, to, skip, relative = '') {
  if (skip && relative && skip(relative)) return
  const stat = fs.lstatSync(from)
  fs.mkdirSync(path.dirname(to), { recursive: true })
  if (!skip || !stat.isDirectory()) {
    try {
      fs.renameSync(from, to)
      return
    } catch (error) {
      // overlayfs cannot rename a directory of a lower layer (EXDEV); the others mean that the target has content.
      if (!['EXDEV', 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'EISDIR'].includes(error.code)) throw error
    }
  }
  if (!stat.isDirectory()) {
    copy(from, to)
    fs.unlinkSync(from)
    return
  }
  fs.mkdirSync(to, { recursive: true })
  for (const entry of readDirectory(from)) {
    move(path.join(from, entry.name), path.join(to, entry.name), skip, path.join(relative, entry.name))
  }
}

function moveIfThere(from, to) {
  if (fs.existsSync(from)) move(from, to)
}

function copy(from, to) {
  const stat = fs.lstatSync(from)
  if (stat.isDirectory()) {
    fs.mkdirSync(to, { recursive: true })
    for (const entry of readDirectory(from)) copy(path.join(from, entry.name), path.join(to, entry.name))
  } else if (stat.isSymbolicLink()) {
    fs.symlinkSync(fs.readlinkSync(from), to)
  } else {
    fs.copyFileSync(from, to)
  }
}

function remove(target) {
  if (fs.rmSync) fs.rmSync(target, { recursive: true, force: true })
  else if (isDirectory(target)) fs.rmdirSync(target, { recursive: true })
  else if (lstat(target)) fs.unlinkSync(target)
}

function lstat(file) {
  try {
    return fs.lstatSync(file)
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw error
  }
}

function isDirectory(file) {
  const stat = lstat(file)
  return Boolean(stat && stat.isDirectory())
}

function realpath(file) {
  return fs.existsSync(file) ? fs.realpathSync(file) : null
}

function readDirectory(directory) {
  return isDirectory(directory) ? fs.readdirSync(directory, { withFileTypes: true }) : []
}

function readText(file) {
  return lstat(file) ? fs.readFileSync(file, 'utf8') : null
}

/** A manifest of the build; `missing` is returned when there is none. */
function readJson(file, missing) {
  const text = readText(file)
  if (text === null && missing !== undefined) return missing
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProjectError(`\`${file}\` is not valid JSON: ${error.message}`, 'the build did not end properly; build again without its cache')
  }
}

function writeFile(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
}

function major(version) {
  return parseInt(version, 10) || 0
}

function main(argv) {
  const plan = readJson(path.join(__dirname, 'plan.json'))
  try {
    if (argv[0] === 'env') process.stdout.write(buildEnvironment(plan, PLACES, process.env))
    else assemble(plan, PLACES)
  } catch (error) {
    if (!(error instanceof ProjectError)) throw error
    process.stderr.write(`nextdeploy: error: ${error.message}\nnextdeploy: hint: ${error.hint}\n`)
    process.exitCode = 3
  }
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { assemble, buildEnvironment, PLACES }

'use strict'
// The last touch of a layer: the final mode, owner and time of every path.

const fs = require('fs')
const path = require('path')
const crypto = require('crypto')
const { walk } = require('./files.cjs')

const EPOCH = 946684800 // 2000-01-01T00:00:00Z
const TWENTY_YEARS = 20 * 365 * 86400
const APP_USER = 1001

/** Gives every path of a layer its final mode, owner and time. */
function finishLayer(layer, plan, run) {
  const dist = path.join('app', run.distDir)
  const stores = pageStores(run)
  if (path.basename(layer) === 'server' && run.mode !== 'static') {
    fs.mkdirSync(path.join(layer, dist, 'cache'), { recursive: true })
    if (stores.length && hasRouteCache(run)) fs.mkdirSync(path.join(layer, stores[2]), { recursive: true })
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
    // size would be answered with 304. So their time is derived from their content.
    if (file.stat.isFile() && served.some((place) => relative.startsWith(place))) seconds = EPOCH + contentSeconds(file.path)
    times.push([file.path, seconds])
  }
  setTimes(times)
}

/**
 * Where Next.js stores the pages that it renders again (FileSystemCache; `route-cache` since 16.4): new files and new
 * data, never code.
 */
function pageStores(run) {
  const rewritten = run.mode !== 'static' && (run.routes.isr.length || run.routes.static.length || run.routes.dynamic.length)
  return rewritten ? ['app', 'pages', 'route-cache'].map((name) => path.join('app', run.distDir, 'server', name)) : []
}

function hasRouteCache(run) {
  return parseInt(run.nextVersion, 10) >= 16
}

/** The folders of the image that the app writes to; `layers` are those that are put together so far. */
function writableFolders(layers, run) {
  if (run.mode === 'static') return []
  const there = (store) => layers.some((layer) => fs.existsSync(path.join(layer, store)))
  const stores = pageStores(run).filter((store) => there(store) || (hasRouteCache(run) && store.endsWith('/route-cache')))
  return [path.join('app', run.distDir, 'cache')].concat(stores).map((folder) => '/' + folder)
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
  return parseInt(run.nextVersion, 10) >= 15 && run.routes.isr.length && plan.sourceDateEpoch ? Math.floor(plan.sourceDateEpoch) : EPOCH
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

module.exports = { finishLayer, isPageData, writableFolders }

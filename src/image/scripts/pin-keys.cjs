'use strict'
// What differs between two builds of the same sources: the keys that Next.js draws, what it derives from them, and the
// order of some manifests.

const fs = require('fs')
const path = require('path')
const crypto = require('crypto')
const { isPageData } = require('./finish-layer.cjs')
const { move, readJson, readText, walk } = require('./files.cjs')

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
  const randomActions = parseInt(plan.nextVersion, 10) >= 15 && randomKeys.some((key) => key.name === 'encryptionKey')
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
  } else if (name === 'app-build-manifest.json') {
    const manifest = readJson(file)
    fs.writeFileSync(file, JSON.stringify(Object.assign(manifest, { pages: sorted(manifest.pages || {}) })))
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

module.exports = { separateKeys, derive, readKey }

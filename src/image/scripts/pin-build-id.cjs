'use strict'
// Preloaded (`NODE_OPTIONS=--require`) into every Node.js process of the build stage, so that the same sources give
// the same bytes: Next.js names a build by a random id, here by its sources (a `generateBuildId` of the project still
// wins), and hands webpack its entries in the order in which files happened to be read, here sorted.
// Costs two string comparisons per loaded module elsewhere.

const Module = require('module')

const SKIPPED = new Set(['node_modules', '.next', '.git', '.turbo', '.nx', 'next-env.d.ts'])

const load = Module._load
Module._load = function (request) {
  const loaded = load.apply(this, arguments)
  if (typeof request !== 'string' || !loaded) return loaded
  // Copies, since newer Next.js exports getters that cannot be redefined.
  if (request.endsWith('/generate-build-id') && typeof loaded.generateBuildId === 'function') {
    return Object.assign({}, loaded, { generateBuildId: (generate) => loaded.generateBuildId(generate, pinnedId) })
  }
  if (request.endsWith('/entries') && typeof loaded.createEntrypoints === 'function') {
    return Object.assign({}, loaded, { createEntrypoints: (...args) => loaded.createEntrypoints(...args).then(sortEntries) })
  }
  return loaded
}

/** webpack derives ids of modules and names of chunks from the order of the entries of each compiler. */
function sortEntries(compilers) {
  const result = Object.assign({}, compilers)
  for (const compiler of ['client', 'server', 'edgeServer']) {
    const entries = compilers[compiler] || {}
    result[compiler] = Object.keys(entries).sort().reduce((all, name) => Object.assign(all, { [name]: entries[name] }), {})
  }
  return result
}

/** The id of this build, computed once: processes started later inherit it. */
function pinnedId() {
  if (!process.env.NEXTDEPLOY_BUILD_ID) {
    const root = process.env.NEXT_PRIVATE_OUTPUT_TRACE_ROOT || '/app'
    process.env.NEXTDEPLOY_BUILD_ID = contentId(root, readPlan().buildIdSalt || '', process.env)
  }
  return acceptable(process.env.NEXTDEPLOY_BUILD_ID)
}

function readPlan() {
  try {
    return require('./plan.json')
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return {}
    throw error
  }
}

/** 20 hex digits that stand for every source file below `root`, the `NEXT_PUBLIC_*` values and the salt. */
function contentId(root, salt, env) {
  const { createHash } = require('crypto')
  const fs = require('fs')
  const path = require('path')
  const hash = createHash('sha256')
  const field = (text) => hash.update(text + '\0')
  const device = fs.lstatSync(root).dev

  const visit = (directory, relative) => {
    for (const name of fs.readdirSync(directory).sort()) {
      if (SKIPPED.has(name) || name.endsWith('.tsbuildinfo')) continue
      const file = path.join(directory, name)
      const stat = fs.lstatSync(file)
      if (stat.isDirectory()) {
        // Another mount is a build cache, and a directory with a server manifest the output of an earlier build.
        const foreign = stat.dev !== device || fs.existsSync(path.join(file, 'required-server-files.json'))
        if (!foreign) visit(file, relative + name + '/')
      } else if (stat.isSymbolicLink()) {
        field(relative + name)
        field('link ' + fs.readlinkSync(file))
      } else if (stat.isFile()) {
        field(relative + name)
        field((stat.mode & 0o111 ? 'executable ' : 'file ') + createHash('sha256').update(fs.readFileSync(file)).digest('hex'))
      }
    }
  }
  visit(root, '')

  const inlined = Object.keys(env).filter((name) => name.startsWith('NEXT_PUBLIC_')).sort()
  for (const name of inlined) field(name + '=' + env[name])
  field(salt)
  return acceptable(hash.digest('hex').slice(0, 20))
}

// Next.js generates ids until one does not contain "ad" (ad blockers block such URLs).
function acceptable(id) {
  while (/ad/i.test(id)) id = require('crypto').createHash('sha256').update(id).digest('hex').slice(0, 20)
  return id
}

module.exports = { contentId }

'use strict'
const assert = require('assert')
const childProcess = require('child_process')
const fs = require('fs')
const path = require('path')
const { test } = require('node:test')
const { contentId } = require('../../src/image/scripts/pin-build-id.cjs')
const { SCRIPTS, folder, write } = require('./fixture.cjs')

const HOOK = path.join(SCRIPTS, 'pin-build-id.cjs')
// Both ways in which Next.js exports it, and its loop over ids with "ad" in them.
const BODY = `async function generateBuildId(generate, fallback) {
  let id = await generate()
  let attempts = 0
  if (id === null) while (!id || /ad/i.test(id)) { id = fallback(); if (attempts++ > 100) throw new Error('endless') }
  return id
}`
const PLAIN = `exports.generateBuildId = generateBuildId\n${BODY}`
const GETTER = `Object.defineProperty(exports, 'generateBuildId', { enumerable: true, get: () => generateBuildId })\n${BODY}`
const BUILD = `require('./generate-build-id').generateBuildId(async () => process.env.OWN || null, () => 'random').then(console.log)`

function buildId(t, files, env, id) {
  const root = folder(t, Object.assign({ 'src/page.js': 'page', 'node_modules/next/dist/build/index.js': BUILD, 'node_modules/next/dist/build/generate-build-id.js': id || GETTER }, files))
  return childProcess.execFileSync(process.execPath, ['--require', HOOK, path.join(root, 'node_modules/next/dist/build/index.js')], {
    encoding: 'utf8',
    env: Object.assign({ NEXT_PRIVATE_OUTPUT_TRACE_ROOT: root }, env),
  }).trim()
}

test('the same sources give the same id in any folder', (t) => {
  const id = buildId(t)
  assert.match(id, /^[0-9a-f]{20}$/)
  assert.strictEqual(buildId(t), id)
  assert.strictEqual(buildId(t, {}, {}, PLAIN), id)
})

for (const [name, files, env] of [
  ['content', { 'src/page.js': 'pagE' }],
  ['a name', { 'src/other.js': '' }],
  ['a public value', {}, { NEXT_PUBLIC_API: 'https://api' }],
  ['an executable bit', { 'src/page.js': { exec: 'page' } }],
  ['a link', { 'src/link': { link: 'page.js' } }],
]) test(`changes with ${name}`, (t) => assert.notStrictEqual(buildId(t, files, env), buildId(t)))

for (const [name, files, env] of [
  ['dependencies', { 'node_modules/x/index.js': 'x', 'packages/a/node_modules/y/index.js': 'y' }],
  ['an earlier build', { '.next/BUILD_ID': 'x', 'dist/required-server-files.json': '{}', 'dist/x.js': 'x', '.turbo/log': 'x', '.git/HEAD': 'x' }],
  ['what Next.js itself writes', { 'next-env.d.ts': 'x', 'tsconfig.tsbuildinfo': 'x' }],
  ['a private variable', {}, { TOKEN: 'x' }],
]) test(`does not change with ${name}`, (t) => assert.strictEqual(buildId(t, files, env), buildId(t)))

test('an id set by the project takes precedence', (t) => assert.strictEqual(buildId(t, {}, { OWN: 'v1' }), 'v1'))

test('a previously computed id is used, unless Next.js would reject it', (t) => {
  assert.strictEqual(buildId(t, {}, { NEXTDEPLOY_BUILD_ID: 'abc' }), 'abc')
  assert.match(buildId(t, {}, { NEXTDEPLOY_BUILD_ID: '00adad' }), /^((?!ad)[0-9a-f]){20}$/)
})

test('no id contains "ad"', (t) => {
  const root = folder(t, { a: '' })
  for (let salt = 0; salt < 200; salt++) assert.doesNotMatch(contentId(root, String(salt), {}), /ad/)
})

test('names and content are hashed with their boundaries', (t) => {
  const ids = [{ ab: 'c' }, { a: 'bc' }, { 'a/b': 'c' }, { a: 'b', c: '' }].map((files) => contentId(folder(t, files), '', {}))
  assert.strictEqual(new Set(ids).size, 4)
})

test('other Node.js processes are unaffected', (t) => {
  const root = write(folder(t), { 'x.js': `console.log(require('fs') === require('node:fs'), process.env.NEXTDEPLOY_BUILD_ID)`, 'generate-build-id.js': 'module.exports = 7', 'y.js': `console.log(require('./generate-build-id'))` })
  const show = (file) => childProcess.execFileSync(process.execPath, ['--require', HOOK, path.join(root, file)], { encoding: 'utf8', env: {} })
  assert.strictEqual(show('x.js'), 'true undefined\n')
  assert.strictEqual(show('y.js'), '7\n')
  assert.ok(!fs.existsSync(path.join(root, '.next')))
})

test('webpack entries are sorted, for each compiler', (t) => {
  const root = folder(t, {
    'node_modules/next/dist/build/entries.js': `Object.defineProperty(exports, 'createEntrypoints', { enumerable: true, get: () => async (names) => ({ client: names, server: { z: 1, a: 2 }, edgeServer: {}, middlewareMatchers: [3] }) })`,
    'node_modules/next/dist/build/index.js': `require('./entries').createEntrypoints({ 'pages/b': 1, 'pages/a': 2, main: 3 }).then((result) => console.log(JSON.stringify(result)))`,
  })
  const shown = childProcess.execFileSync(process.execPath, ['--require', HOOK, path.join(root, 'node_modules/next/dist/build/index.js')], { encoding: 'utf8', env: {} })
  assert.strictEqual(shown, '{"client":{"main":3,"pages/a":2,"pages/b":1},"server":{"a":2,"z":1},"edgeServer":{},"middlewareMatchers":[3]}\n')
})

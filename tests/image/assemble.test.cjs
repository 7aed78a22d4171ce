'use strict'
const assert = require('assert')
const childProcess = require('child_process')
const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const { test } = require('node:test')
const { assemble, buildEnvironment } = require('../../src/image/scripts/assemble.cjs')
const { SCRIPTS, folder, tree, write } = require('./fixture.cjs')

const LAYERS = ['node_modules', 'server', 'static', 'keys']
const PLAN = {
  schemaVersion: 1, appDir: '', outputMode: 'unknown', startCommand: null, basePath: null, port: 3000, healthPath: null,
  libc: 'glibc', nextVersion: '16.4.6', keepEnvFiles: false, env: {}, buildIdSalt: '00ff',
}

const plan = (changes) => Object.assign({}, PLAN, changes)

/** The output of a build of the app in `place`, with random keys like those of Next.js. */
function built(place, changes) {
  const app = path.posix.join('app', place)
  const traced = path.posix.join(app, '.next/standalone')
  const dist = path.posix.join(traced, place, '.next')
  const hex = (bytes) => crypto.randomBytes(bytes).toString('hex')
  const preview = { previewModeId: hex(16), previewModeSigningKey: hex(32), previewModeEncryptionKey: hex(32) }
  const encryptionKey = crypto.randomBytes(32).toString('base64')
  const action = '40' + hex(20)
  const shuffled = (object) => Object.keys(object).sort(() => Math.random() - 0.5).reduce((all, key) => Object.assign(all, { [key]: object[key] }), {})
  const manifest = {
    version: 4, preview, dynamicRoutes: {},
    routes: shuffled({ '/': { initialRevalidateSeconds: false }, '/news': { initialRevalidateSeconds: 60 }, '/about': { initialRevalidateSeconds: false } }),
  }
  const required = { version: 1, config: { distDir: '.next', trailingSlash: true, basePath: '/docs' }, appDir: '/app', relativeAppDir: place }
  return Object.assign(
    {
      [`${app}/package.json`]: '{}',
      [`${app}/.env`]: 'TOKEN=source',
      [`${app}/public/logo.svg`]: 'logo-one',
      [`${app}/.next/required-server-files.json`]: required,
      [`${app}/.next/static/chunks/main-1a2b.js`]: 'main',
      [`${app}/.next/cache/webpack/0.pack`]: 'cache',
      [`${app}/.next/server/app/page.js.nft.json`]: { version: 1, files: ['../../../node_modules/react/index.js'] },
      [`${dist}/BUILD_ID`]: '1234567890bcbcbcbcbc',
      [`${dist}/required-server-files.json`]: required,
      [`${dist}/prerender-manifest.json`]: manifest,
      [`${dist}/app-path-routes-manifest.json`]: shuffled({ '/page': '/', '/act/page': '/act', '/hook/route': '/hook' }),
      [`${dist}/server/pages-manifest.json`]: shuffled({ '/about': 'pages/about.html', '/api/echo': 'pages/api/echo.js', '/post/[id]': 'pages/post/[id].js', '/_app': 'pages/_app.js' }),
      [`${dist}/server/server-reference-manifest.json`]: { node: { [action]: {} }, edge: {}, encryptionKey },
      [`${dist}/server/middleware-manifest.json`]: { middleware: { '/': { env: { __NEXT_PREVIEW_MODE_ID: preview.previewModeId } } }, functions: {} },
      [`${dist}/server/app/act/page.js`]: `register("${action}")`,
      [`${dist}/server/app/act.html`]: `<input value="{&quot;id&quot;:&quot;${action}&quot;,&quot;bound&quot;:&quot;$@1&quot;}">`,
      [`${dist}/server/app/news.html`]: 'news',
      [`${dist}/server/app/news.meta`]: '{}',
      [`${dist}/server/app/page.js`]: 'page',
      [`${dist}/server/pages/about.html`]: 'about',
      [`${dist}/server/pages/about.json`]: '{}',
      [`${dist}/server/pages/about-manifest.json`]: '{}',
      [`${traced}/${place ? place + '/' : ''}server.js`]: 'server',
      [`${traced}/${place ? place + '/' : ''}.env`]: 'TOKEN=standalone',
      [`${traced}/node_modules/react/index.js`]: 'react',
      [`${traced}/node_modules/react/bin.js`]: { exec: '#!/usr/bin/env node' },
    },
    changes
  )
}

/** Assembles into `<root>/out`; `read()` is the union of the layers, as in the image. */
function run(t, files, changes, key) {
  const root = folder(t)
  write(root, typeof files === 'function' ? files(root) : files)
  if (key) write(root, { key })
  const places = { root: `${root}/app`, production: `${root}/prod/app`, out: `${root}/out`, key: `${root}/key`, cgroup: `${root}/cgroup`, programs: `${root}/programs` }
  const document = assemble(plan(changes), places)
  const layers = LAYERS.reduce((all, layer) => Object.assign(all, { [layer]: tree(`${root}/out/${layer}`) }), {})
  return { root, places, layers, document, union: Object.assign({}, ...LAYERS.map((layer) => layers[layer])) }
}

const stat = (result, file) => fs.lstatSync(path.join(result.root, 'out', file))
const mode = (result, file) => (stat(result, file).mode & 0o7777).toString(8)

test('splits the traced output into layers', (t) => {
  const result = run(t, built(''))
  assert.deepStrictEqual(Object.keys(result.layers.node_modules), ['app/node_modules/react/bin.js', 'app/node_modules/react/index.js'])
  assert.deepStrictEqual(Object.keys(result.layers.static), ['app/.next/static/chunks/main-1a2b.js', 'app/public/logo.svg'])
  assert.strictEqual(result.union['app/server.js'], 'server')
  const unwanted = Object.keys(result.union).filter((file) => /\.env|\.nft\.json|cache\/|standalone/.test(file))
  assert.deepStrictEqual(unwanted, [])
})

/** As `next build web` in the package at the root: `appDir` of the manifest names the folder. */
function builtBelow(root, changes) {
  const manifests = ['app/web/.next', 'app/web/.next/standalone/web/.next'].map((folder) => `${folder}/required-server-files.json`)
  const required = { version: 1, config: { distDir: '.next', basePath: '' }, appDir: `${root}/app/web`, relativeAppDir: 'web' }
  const files = Object.assign(built('web'), { 'app/package.json': '{}' }, changes)
  delete files['app/web/package.json']
  return Object.assign(files, { [manifests[0]]: required, [manifests[1]]: required })
}

test('the layers follow the folder that `next build` was given', (t) => {
  for (const changes of [{ nextDir: 'web' }, { nextDir: '' }, {}]) {
    const { layers, document } = run(t, (root) => builtBelow(root), changes)
    assert.deepStrictEqual(Object.keys(layers.static), ['app/web/.next/static/chunks/main-1a2b.js', 'app/web/public/logo.svg'])
    assert.deepStrictEqual([document.cwd, document.entry, document.distDir], ['/app/web', '/app/web/server.js', 'web/.next'])
    assert.strictEqual(document.buildId, '1234567890bcbcbcbcbc')
  }
})

test('a server of the project starts in its package, and finds the folder that `next build` was given', (t) => {
  const { layers, document } = run(t, (root) => builtBelow(root, { 'app/server.js': 'server' }), { nextDir: 'web', outputMode: 'server', startCommand: ['node', 'server.js'] })
  assert.deepStrictEqual(Object.keys(layers.static), ['app/web/.next/static/chunks/main-1a2b.js', 'app/web/public/logo.svg'])
  assert.deepStrictEqual([document.cwd, document.distDir], ['/app', 'web/.next'])
})

test('an export lies in the folder that `next build` was given', (t) => {
  const { layers, document } = run(t, (root) => builtBelow(root, { 'app/web/out/index.html': 'home' }), { nextDir: 'web', outputMode: 'export' })
  assert.deepStrictEqual(Object.keys(layers.static), ['app/web/out/index.html'])
  assert.strictEqual(document.staticRoot, '/app/web/out')
})

test('writes the configuration of the launcher', (t) => {
  const { document, root } = run(t, built(''), { env: { GREETING: 'a\nb' }, healthPath: '/ok' })
  assert.deepStrictEqual(JSON.parse(fs.readFileSync(`${root}/out/server/nextdeploy/run.json`)), document)
  const { unpinned, ...rest } = document
  assert.strictEqual(unpinned.length, 5)
  assert.deepStrictEqual(rest, {
    schemaVersion: 1, mode: 'standalone', nextVersion: '16.4.6', basePath: '/docs', trailingSlash: true, port: 3000,
    healthPath: '/ok', env: { GREETING: 'a\nb' }, buildId: '1234567890bcbcbcbcbc', cwd: '/app', entry: '/app/server.js', distDir: '.next',
    routes: { static: ['/', '/about'], isr: ['/news'], dynamic: ['/act', '/post/[id]'], api: ['/api/echo', '/hook'], middleware: 'edge' },
    writable: ['/app/.next/cache', '/app/.next/server/app', '/app/.next/server/pages', '/app/.next/server/route-cache'],
  })
})

test('lists the folders that the app writes to, and no others', (t) => {
  const result = run(t, built(''))
  for (const folder of result.document.writable) assert.match(mode(result, 'server' + folder), /^1?775$/)
  const older = run(t, built(''), { nextVersion: '15.1.0' })
  assert.deepStrictEqual(older.document.writable, ['/app/.next/cache', '/app/.next/server/app', '/app/.next/server/pages'])
})

test('two builds differ only in the keys layer, and the report lists those files', (t) => {
  const [one, two] = [run(t, built('')), run(t, built(''))]
  for (const layer of ['node_modules', 'static']) assert.deepStrictEqual(one.layers[layer], two.layers[layer])
  delete one.layers.server['nextdeploy/run.json']
  delete two.layers.server['nextdeploy/run.json']
  assert.deepStrictEqual(one.layers.server, two.layers.server)
  assert.deepStrictEqual(one.document.unpinned, Object.keys(one.layers.keys).sort())
  assert.ok(one.document.unpinned.includes('app/.next/prerender-manifest.json'))
})

test('a project key pins the keys of Next.js, in their own format, everywhere', (t) => {
  const [one, two, other] = [run(t, built(''), {}, 'secret'), run(t, built(''), {}, 'secret'), run(t, built(''), {}, 'other')]
  const keys = (result) => JSON.parse(result.union['app/.next/prerender-manifest.json']).preview
  const middleware = JSON.parse(one.union['app/.next/server/middleware-manifest.json']).middleware['/'].env
  assert.deepStrictEqual(keys(one), keys(two))
  assert.notDeepStrictEqual(keys(one), keys(other))
  assert.match(keys(one).previewModeId, /^[0-9a-f]{32}$/)
  assert.match(keys(one).previewModeSigningKey, /^[0-9a-f]{64}$/)
  assert.strictEqual(new Set(Object.values(keys(one))).size, 3)
  assert.strictEqual(middleware.__NEXT_PREVIEW_MODE_ID, keys(one).previewModeId)
  const { encryptionKey } = JSON.parse(one.union['app/.next/server/server-reference-manifest.json'])
  assert.strictEqual(Buffer.from(encryptionKey, 'base64').length, 32)
  // Sealed closures stay random, and are reported as such.
  assert.deepStrictEqual(one.document.unpinned, ['app/.next/server/app/act.html'])
})

test('a given key for server actions is not reported as random', (t) => {
  const files = built('')
  const manifest = files['app/.next/standalone/.next/server/server-reference-manifest.json']
  process.env.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY = manifest.encryptionKey
  t.after(() => delete process.env.NEXT_SERVER_ACTIONS_ENCRYPTION_KEY)
  const { document } = run(t, files)
  assert.ok(!document.unpinned.includes('app/.next/server/server-reference-manifest.json'))
})

test('modes: code cannot be replaced, pages and caches can', (t) => {
  const result = run(t, built(''))
  for (const [file, expected] of [
    ['server/app', '755'],
    ['server/app/server.js', '644'],
    ['server/app/.next/server', '755'],
    ['server/app/.next/server/app', '1775'],
    ['keys/app/.next/server/app/act', '1775'],
    ['server/app/.next/server/app/page.js', '644'],
    ['server/app/.next/server/app/news.html', '664'],
    ['server/app/.next/server/app/news.meta', '664'],
    ['server/app/.next/server/pages/about.json', '664'],
    ['server/app/.next/server/pages/about-manifest.json', '644'],
    ['server/app/.next/server/route-cache', '1775'],
    ['server/app/.next/cache', '775'],
    ['node_modules/app/node_modules/react/bin.js', '755'],
    ['node_modules/app/node_modules/react/index.js', '644'],
    ['static/app/public/logo.svg', '644'],
  ]) assert.strictEqual(mode(result, file), expected, file)
  if (process.getuid() === 0) assert.deepStrictEqual([stat(result, 'server/app/.next/cache').uid, stat(result, 'server/app/.next/cache').gid], [1001, 0])
})

test('times: the same for all files, except where Next.js builds ETags from them', (t) => {
  const one = run(t, built(''))
  const two = run(t, built('', { 'app/public/logo.svg': 'logo-two' }))
  for (const layer of LAYERS) {
    const visit = (file) => {
      const { mtimeMs } = stat(one, file)
      if (!file.endsWith('logo.svg')) assert.strictEqual(mtimeMs, Date.UTC(2000, 0, 1), file)
      if (stat(one, file).isDirectory()) fs.readdirSync(path.join(one.root, 'out', file)).forEach((name) => visit(path.join(file, name)))
    }
    visit(layer)
  }
  const time = (result) => stat(result, 'static/app/public/logo.svg').mtimeMs
  assert.notStrictEqual(time(one), time(two))
  assert.strictEqual(time(one), time(run(t, built(''))))
  assert.strictEqual(time(one) % 1000, 0)
})

test('pages that expire get the time of the sources since Next.js 15', (t) => {
  const page = 'server/app/.next/server/app/news.html'
  assert.strictEqual(stat(run(t, built(''), { sourceDateEpoch: 1700000000 }), page).mtimeMs, 1700000000000)
  assert.strictEqual(stat(run(t, built(''), { sourceDateEpoch: 1700000000, nextVersion: '14.2.35' }), page).mtimeMs, Date.UTC(2000, 0, 1))
})

test('an app of a pnpm workspace: links stay valid in the image', (t) => {
  const traced = 'app/apps/web/.next/standalone'
  const result = run(t, built('apps/web', {
    [`${traced}/packages/ui/index.js`]: 'ui',
    [`${traced}/node_modules/.pnpm/ms@2.1.3/node_modules/ms/index.js`]: 'ms',
    [`${traced}/packages/ui/node_modules/ms`]: { link: '../../../node_modules/.pnpm/ms@2.1.3/node_modules/ms' },
    [`${traced}/apps/web/node_modules/@m/ui`]: { link: '../../../../packages/ui' },
  }), { appDir: 'apps/web' })
  assert.strictEqual(result.document.entry, '/app/apps/web/server.js')
  assert.strictEqual(result.layers.server['app/packages/ui/index.js'], 'ui')
  assert.strictEqual(result.layers.static['app/apps/web/public/logo.svg'], 'logo-one')
  const image = folder(t)
  for (const layer of LAYERS) childProcess.execFileSync('cp', ['-a', `${result.root}/out/${layer}/.`, image])
  assert.strictEqual(fs.readFileSync(`${image}/app/apps/web/node_modules/@m/ui/node_modules/ms/index.js`, 'utf8'), 'ms')
})

test('leaves out native modules for the other libc, wherever the package manager puts them', (t) => {
  const modules = 'app/.next/standalone/node_modules'
  const files = {
    [`${modules}/@swc/core-linux-x64-gnu/a.node`]: 'glibc',
    [`${modules}/@swc/core-linux-x64-musl/a.node`]: 'musl',
    [`${modules}/lightningcss-linux-arm64-gnu/a.node`]: 'glibc',
    [`${modules}/lightningcss-linux-arm64-musl/a.node`]: 'musl',
    [`${modules}/.pnpm/@swc+core-linux-x64-gnu@1.15.18/node_modules/@swc/core-linux-x64-gnu/a.node`]: 'glibc',
    [`${modules}/.pnpm/@swc+core-linux-x64-musl@1.15.18/node_modules/@swc/core-linux-x64-musl/a.node`]: 'musl',
    [`${modules}/linux-tools/data-linux-x64-musl/kept.txt`]: 'a folder inside a package',
  }
  const left = (plan) => Object.values(run(t, built('', files), plan).layers.node_modules).filter((content) => /^(glibc|musl|a folder)/.test(content)).sort()
  assert.deepStrictEqual(left(), ['a folder inside a package', 'glibc', 'glibc', 'glibc'])
  assert.deepStrictEqual(left({ libc: 'musl' }), ['a folder inside a package', 'musl', 'musl', 'musl'])
})

test('leaves out sharp for the other libc, typescript, and the links to them', (t) => {
  const modules = 'app/.next/standalone/node_modules'
  const files = {
    [`${modules}/@img/sharp-linux-x64/a.node`]: 'glibc',
    [`${modules}/@img/sharp-libvips-linux-x64/a.so`]: 'glibc',
    [`${modules}/@img/sharp-linuxmusl-x64/a.node`]: 'musl',
    [`${modules}/@img/sharp-libvips-linuxmusl-x64/a.so`]: 'musl',
    [`${modules}/.pnpm/@img+sharp-linuxmusl-x64@0.34.5/node_modules/@img/sharp-linuxmusl-x64/a.node`]: 'musl',
    [`${modules}/.pnpm/node_modules/@img/sharp-musl-link`]: { link: '../../@img+sharp-linuxmusl-x64@0.34.5/node_modules/@img/sharp-linuxmusl-x64' },
    [`${modules}/typescript/lib/typescript.js`]: 'tsc',
    [`${modules}/.bin/tsc`]: { link: '../typescript/bin/tsc' },
  }
  const left = (changes, plan) => Object.keys(run(t, built('', Object.assign({}, files, changes)), plan).layers.node_modules).filter((file) => !file.includes('/react/'))
  const glibc = ['app/node_modules/@img/sharp-libvips-linux-x64/a.so', 'app/node_modules/@img/sharp-linux-x64/a.node']
  assert.deepStrictEqual(left(), glibc)
  assert.ok(left({}, { libc: 'musl' }).every((file) => /linuxmusl|musl-link/.test(file)))
  const used = { 'app/.next/server/app/page.js.nft.json': { version: 1, files: ['../../../node_modules/typescript/lib/typescript.js'] } }
  assert.ok(left(used).includes('app/node_modules/typescript/lib/typescript.js'))
})

test('public: traced files are merged, links out of it become files', (t) => {
  const { layers } = run(t, built('', {
    'app/assets/shared.png': 'shared',
    'app/public/shared.png': { link: '../assets/shared.png' },
    'app/public/again.svg': { link: 'logo.svg' },
    'app/.next/standalone/public/logo.svg': 'logo-one',
    'app/.next/standalone/public/made.txt': 'made',
  }))
  assert.strictEqual(layers.static['app/public/shared.png'], 'shared')
  assert.strictEqual(layers.static['app/public/again.svg'], '-> logo.svg')
  assert.strictEqual(layers.static['app/public/made.txt'], 'made')
  assert.ok(!Object.keys(layers.server).some((file) => file.includes('public/')))
})

test('keeps environment files only when configured', (t) => {
  assert.strictEqual(run(t, built(''), { keepEnvFiles: true }).union['app/.env'], 'TOKEN=standalone')
})

test('finds a custom distDir, in the app or in the workspace', (t) => {
  for (const [from, to] of [['.next', 'build/next'], ['.next', '.out']]) {
    const files = built('')
    const moved = Object.keys(files).reduce((all, file) => Object.assign(all, { [file.split(from).join(to)]: files[file] }), {})
    const result = run(t, moved)
    assert.strictEqual(result.document.distDir, to)
    assert.strictEqual(result.layers.static[`app/${to}/static/chunks/main-1a2b.js`], 'main')
  }
})

test('an export: the time of every file is derived from its content, in both possible folders', (t) => {
  const exported = (body) => ({
    'app/.next/required-server-files.json': { config: { output: 'export', basePath: '/docs', trailingSlash: false }, appDir: '/app' },
    'app/.next/BUILD_ID': 'id',
    'app/.next/server/pages-manifest.json': { '/about': 'pages/about.html' },
    'app/out/index.html': body,
    'app/out/404.html': 'missing',
  })
  const one = run(t, exported('home 1'), { outputMode: 'export' })
  assert.deepStrictEqual(one.layers.static, { 'app/out/404.html': 'missing', 'app/out/index.html': 'home 1' })
  const { mode, staticRoot, basePath, routes } = one.document
  assert.deepStrictEqual([mode, staticRoot, basePath, routes.static], ['static', '/app/out', '/docs', ['/about']])
  const two = run(t, exported('home 2'), { outputMode: 'unknown' })
  const time = (result) => stat(result, 'static/app/out/index.html').mtimeMs
  assert.notStrictEqual(time(one), time(two))
  // With `distDir`, Next.js exports to that directory and records it.
  const elsewhere = run(t, (root) => ({
    'app/.next/required-server-files.json': { config: { output: 'export' }, appDir: '/app' },
    'app/.next/export-detail.json': { version: 1, success: true, outDirectory: `${root}/app/dist` },
    'app/dist/index.html': 'elsewhere',
  }))
  assert.deepStrictEqual(elsewhere.layers.static, { 'app/out/index.html': 'elsewhere' })
})

test('a custom server: its sources with production dependencies', (t) => {
  const result = run(t, built('', {
    'app/server.ts': 'listen',
    'app/.npmrc': '//registry/:_authToken=secret',
    'app/node_modules/eslint/index.js': 'development',
    'app/packages/ui/index.js': 'ui',
    'prod/app/node_modules/express/index.js': 'express',
    'prod/app/node_modules/.modules.yaml': 'prunedAt: now',
    'prod/app/node_modules/@next/swc-linux-x64-musl/a.node': 'other libc',
    'prod/app/packages/ui/node_modules/ms/index.js': 'ms',
  }), { outputMode: 'server', startCommand: ['tsx', 'server.ts'] })
  assert.deepStrictEqual(Object.keys(result.layers.node_modules), ['app/node_modules/express/index.js', 'app/packages/ui/node_modules/ms/index.js'])
  assert.strictEqual(result.layers.server['app/server.ts'], 'listen')
  assert.strictEqual(result.layers.static['app/.next/static/chunks/main-1a2b.js'], 'main')
  assert.ok(!Object.keys(result.union).some((file) => /cache\/|standalone|\.env|\.npmrc/.test(file)))
  assert.deepStrictEqual([result.document.mode, result.document.command], ['server', ['tsx', 'server.ts']])
  assert.ok(fs.existsSync(`${result.root}/app/.next/cache/webpack/0.pack`), 'a mounted build cache is left alone')
})

test('a server that Bun runs: the program is where the launcher looks for programs', (t) => {
  const files = { 'programs/bun': { link: '../lib/bun.exe' }, 'lib/bun.exe': { exec: 'bun' }, 'prod/app/node_modules/hono/index.js': 'hono' }
  const result = run(t, built('', files), { outputMode: 'server', startCommand: ['bun', 'server.ts'], addedProgram: 'bun' })
  assert.strictEqual(result.layers.node_modules['app/node_modules/.bin/bun'], 'bun')
  assert.strictEqual(fs.statSync(`${result.root}/out/node_modules/app/node_modules/.bin/bun`).mode & 0o777, 0o755)
})

for (const [name, files, changes, message, hint] of [
  ['nothing was built', { 'app/package.json': '{}', 'app/src/x.js': '' }, {}, /no Next.js output.*\(found: package\.json, src\)/, /runs `next build`/],
  ['neither standalone nor export', { 'app/.next/required-server-files.json': { config: {}, appDir: '/app' } }, {}, /neither `standalone` in `.*\/\.next` nor an export in/, /NEXT_PRIVATE_STANDALONE/],
  ['no server.js at the place of the app', { 'app/.next/required-server-files.json': { config: {}, appDir: '/app' }, 'app/.next/standalone/deep/server.js': '' }, {}, /has no server.js for `\.` \(found: deep\)/, /outputFileTracingRoot/],
  ['a broken manifest', { 'app/.next/required-server-files.json': '{"config":' }, {}, /required-server-files.json` is not valid JSON/, /without its cache/],
  ['no start command', { 'app/.next/required-server-files.json': { config: {}, appDir: '/app' } }, { outputMode: 'server' }, /start command/, /`start` script/],
]) {
  test(`reports the error: ${name}`, (t) => {
    assert.throws(() => run(t, files, changes), (error) => message.test(error.message) && hint.test(error.hint))
  })
}

test('exits with 3 for an invalid project', (t) => {
  const scripts = folder(t)
  for (const name of fs.readdirSync(SCRIPTS).filter((name) => name.endsWith('.cjs'))) fs.copyFileSync(path.join(SCRIPTS, name), path.join(scripts, name))
  write(scripts, { 'plan.json': plan({ appDir: 'no/such/app-of-this-test' }) })
  const { status, stderr, stdout } = childProcess.spawnSync(process.execPath, [path.join(scripts, 'assemble.cjs')], { encoding: 'utf8' })
  assert.deepStrictEqual([status, stdout], [3, ''])
  assert.match(stderr, /^nextdeploy: error: .*\nnextdeploy: hint: .*\n$/)
})

test('environment of the build', (t) => {
  const root = folder(t, { 'app/page.js': 'page', 'v2/memory.max': '2147483648\n', 'v1/memory/memory.limit_in_bytes': '1073741824\n', 'none/memory.max': 'max\n', key: 'secret' })
  const lines = (changes, places, env) => {
    const script = buildEnvironment(plan(changes), Object.assign({ root: `${root}/app`, key: `${root}/no-key`, cgroup: `${root}/none` }, places), env || {})
    const shown = childProcess.execFileSync('sh', ['-ec', `${script}\nenv`], { encoding: 'utf8', env: { PATH: process.env.PATH } })
    return shown.split('\n').filter((line) => /^(NEXT|NODE)/.test(line)).sort()
  }
  const id = /^NEXTDEPLOY_BUILD_ID=[0-9a-f]{20}$/
  assert.strictEqual(lines().length, 1)
  assert.match(lines()[0], id)
  assert.deepStrictEqual(lines(), lines())
  assert.notDeepStrictEqual(lines(), lines({ buildIdSalt: 'other' }))
  assert.notDeepStrictEqual(lines(), lines({}, {}, { NEXT_PUBLIC_A: '1' }))
  assert.strictEqual(lines({}, { cgroup: `${root}/v2` })[1], 'NODE_OPTIONS=--max-old-space-size=1536')
  assert.strictEqual(lines({}, { cgroup: `${root}/v1` }, { NODE_OPTIONS: "--require '/a b.cjs'" })[1], "NODE_OPTIONS=--require '/a b.cjs' --max-old-space-size=768")
  assert.strictEqual(lines({}, { cgroup: `${root}/v1` }, { NODE_OPTIONS: '--max_old_space_size=9' }).length, 1)
  const action = (version, env) => lines({ nextVersion: version }, { key: `${root}/key` }, env).filter((line) => line.startsWith('NEXT_SERVER'))
  assert.match(action('16.4.6')[0], /^NEXT_SERVER_ACTIONS_ENCRYPTION_KEY=[0-9a-zA-Z+/]{43}=$/)
  assert.deepStrictEqual(action('13.5.6'), [])
  assert.deepStrictEqual(action('15.5.9', { NEXT_SERVER_ACTIONS_ENCRYPTION_KEY: 'given' }), [])
})

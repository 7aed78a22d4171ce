'use strict'
const assert = require('assert')
const { test } = require('node:test')
const { launch, get } = require('./fixture.cjs')

const ECHO = `
const server = http.createServer((request, response) => {
  const seen = { host: process.env.HOSTNAME, mode: process.env.NODE_ENV, extra: process.env.EXTRA, cwd: process.cwd(), main: MAIN, argv: process.argv.slice(1) }
  setTimeout(() => response.end(JSON.stringify(seen)), Number(request.url.slice(1)) || 0)
})
server.listen(process.env.PORT, process.env.HOSTNAME)
`
const COMMON = `const http = require('http'); const MAIN = require.main === module\n${ECHO}`
const MODULE = `import http from 'http'; const MAIN = true\n${ECHO}`

test('runs the server in process 1, bound to all interfaces regardless of HOSTNAME', async (t) => {
  const app = await launch(t, { entry: 'app/server.js', env: { EXTRA: 'two\nlines' } }, { 'app/server.js': COMMON })
  const seen = JSON.parse((await get(app.port, '/')).body)
  assert.strictEqual(seen.host, '0.0.0.0')
  assert.strictEqual(seen.mode, 'production')
  assert.strictEqual(seen.extra, 'two\nlines')
  assert.strictEqual(seen.main, true)
  assert.deepStrictEqual(seen.argv, [app.root + '/app/server.js'])
})

test('runs an ES module, and the environment overrides the defaults of the image', async (t) => {
  const files = { 'app/server.js': MODULE, 'app/package.json': { type: 'module' } }
  const app = await launch(t, { entry: 'app/server.js', env: { EXTRA: 'default' } }, files, { env: { EXTRA: 'given', NODE_ENV: 'staging', NEXTDEPLOY_HOST: '127.0.0.1' } })
  const seen = JSON.parse((await get(app.port, '/')).body)
  assert.deepStrictEqual([seen.extra, seen.mode, seen.host], ['given', 'staging', '127.0.0.1'])
})

for (const port of ['abc', '70000', '0', '-1', '80.5', '0x50']) {
  test(`rejects PORT=${port}`, async (t) => {
    const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON }, { env: { PORT: port }, wait: false })
    const { code, output } = await app.exit
    assert.strictEqual(code, 2)
    assert.strictEqual(output, `nextdeploy: error: PORT must be a number from 1 to 65535, and is \`${port}\`\n`)
  })
}

for (const [signal, expected] of [['SIGTERM', 143], ['SIGINT', 130]]) {
  test(`completes a running request after ${signal}, then exits with ${expected}`, async (t) => {
    const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON })
    const running = get(app.port, '/600')
    setTimeout(() => app.child.kill(signal), 200)
    assert.strictEqual((await running).status, 200)
    assert.strictEqual((await app.exit).code, expected)
  })
}

test('does not wait for connections without a request', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON })
  const agent = new (require('http').Agent)({ keepAlive: true })
  await get(app.port, '/', { agent })
  const asked = Date.now()
  app.child.kill('SIGTERM')
  await app.exit
  assert.ok(Date.now() - asked < 2000)
  agent.destroy()
})

test('aborts a request that takes longer than NEXTDEPLOY_GRACE', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON }, { env: { NEXTDEPLOY_GRACE: '0.3' } })
  const running = get(app.port, '/8000').catch((error) => error.code)
  setTimeout(() => app.child.kill('SIGTERM'), 200)
  assert.strictEqual(await running, 'ECONNRESET')
  assert.strictEqual((await app.exit).code, 143)
})

test('a second SIGINT exits at once, a second SIGTERM does not', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON })
  const running = get(app.port, '/8000').catch((error) => error.code)
  for (const [delay, signal] of [[200, 'SIGTERM'], [300, 'SIGTERM'], [500, 'SIGINT']]) setTimeout(() => app.child.kill(signal), delay)
  assert.strictEqual(await running, 'ECONNRESET')
  assert.strictEqual((await app.exit).code, 130)
})

test('leaves the exit to the app if it stops its server itself', async (t) => {
  const own = COMMON + `process.on('SIGTERM', () => server.close(() => process.exit(7)))`
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': own })
  const running = get(app.port, '/400')
  setTimeout(() => app.child.kill('SIGTERM'), 200)
  assert.strictEqual((await running).status, 200)
  assert.strictEqual((await app.exit).code, 7)
})

test('exits even if a signal handler of the app only cleans up', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': COMMON + `process.on('SIGTERM', () => console.log('tidied'))` })
  app.child.kill('SIGTERM')
  const { code, output } = await app.exit
  assert.deepStrictEqual([code, output], [143, 'tidied\n'])
})

test('keeps the handler of Next.js before 14.1, which exits at once, until requests are answered', async (t) => {
  const abrupt = COMMON + `process.on('SIGTERM', () => process.exit(0))
    let seen = 0
    process.once('custom', () => seen++)
    process.emit('custom')
    process.emit('custom')
    if (seen !== 1) process.exit(5)`
  const app = await launch(t, { entry: 'server.js', nextVersion: '13.5.6' }, { 'server.js': abrupt })
  const running = get(app.port, '/500')
  setTimeout(() => app.child.kill('SIGTERM'), 200)
  assert.strictEqual((await running).status, 200)
  assert.strictEqual((await app.exit).code, 0)
})

for (const command of [
  ['node', '--require', './first.js', 'server.js'],
  ['NODE_OPTIONS=--require ./first.js', 'node', 'server.js'],
  ['NODE_OPTIONS=--require ./first.js', 'tool'],
]) {
  test(`runs ${command.join(' ')} with what it loads first, in a process of its own`, async (t) => {
    const tool = { exec: '#!/usr/bin/env node\n' + COMMON + `process.on('SIGTERM', () => process.exit(5))` }
    const files = { 'server.js': COMMON + `process.on('SIGTERM', () => process.exit(5))`, 'first.js': 'process.env.EXTRA = (process.env.EXTRA || "") + "first"', 'node_modules/.bin/tool': tool }
    const app = await launch(t, { mode: 'server', command }, files, { env: { NODE_OPTIONS: '--no-warnings' }, wait: true })
    const seen = JSON.parse((await get(app.port, '/')).body)
    assert.strictEqual(seen.extra, 'first')
    app.child.kill('SIGTERM')
    assert.strictEqual((await app.exit).code, 5)
  })
}

test('an uncaught exception ends the process as in Node.js', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': `throw new Error('broken on purpose')` }, { wait: false })
  const { code, output } = await app.exit
  assert.strictEqual(code, 1)
  assert.match(output, /broken on purpose/)
})

test('runs a start command without a package manager', async (t) => {
  const command = ['cross-env', 'EXTRA=from-command', 'node', 'server.js', '--flag']
  const app = await launch(t, { mode: 'server', command }, { 'server.js': COMMON })
  const seen = JSON.parse((await get(app.port, '/')).body)
  assert.deepStrictEqual([seen.extra, seen.main, seen.argv[1]], ['from-command', true, '--flag'])
})

test('runs `next start` through the local Next.js', async (t) => {
  const app = await launch(t, { mode: 'server', command: ['next', 'start'] }, { 'node_modules/next/dist/bin/next': COMMON })
  assert.deepStrictEqual(JSON.parse((await get(app.port, '/')).body).argv.slice(1), ['start'])
})

for (const [name, tool] of [
  ['written in JavaScript, in this process', { exec: `#!/usr/bin/env node\n${COMMON}\nprocess.on('SIGTERM', () => process.exit(process.ppid === ${process.pid} ? 9 : 8))` }],
  ['of another kind, as a child', { exec: `#!/bin/sh\nexec "${process.execPath}" -e "require('net').createServer().listen(process.env.PORT); process.on('SIGTERM', () => process.exit(9))"` }],
]) {
  test(`finds a start command ${name}`, async (t) => {
    const app = await launch(t, { mode: 'server', command: ['tool', 'server.ts'] }, { 'node_modules/.bin/tool': tool })
    app.child.kill('SIGTERM')
    assert.strictEqual((await app.exit).code, 9)
  })
}

for (const [name, args, expected] of [
  ['mirrors an exit code', [process.execPath, '-e', 'process.exit(42)'], 42],
  ['mirrors a signal', [process.execPath, '-e', 'process.kill(process.pid, "SIGKILL")'], 137],
  ['says that a command does not exist', ['no-such-command'], 127],
]) {
  test(`a user command: ${name}`, async (t) => {
    const app = await launch(t, { entry: 'server.js' }, {}, { args, wait: false })
    const { code, output } = await app.exit
    assert.strictEqual(code, expected)
    if (expected === 127) assert.match(output, /^nextdeploy: error: cannot run `no-such-command`/)
  })
}

const TELL = `require('fs').writeSync(1, JSON.stringify(process.env)); process.exit(0)`

test('a secret file becomes a variable unless it is set', async (t) => {
  const files = {
    'server.js': TELL,
    'secrets/API_KEY': 'sk-one\n', 'secrets/PEM': '-----BEGIN\nline\n-----END\n\n', 'secrets/WINDOWS': 'value\r\n', 'secrets/EMPTY': '',
    'secrets/GIVEN': 'from the file', 'secrets/DEFAULT': 'from the file', 'secrets/tls.key': 'file only', 'secrets/1ST': 'file only',
    'secrets/BINARY': 'a\0b', 'secrets/FOLDER/x': 'y', 'secrets/..data': { link: 'FOLDER' }, 'secrets/LINKED': { link: 'API_KEY' },
  }
  const start = (args) => launch(t, { entry: 'server.js', env: { DEFAULT: 'of the image' } }, files, { args, env: { GIVEN: 'given', NEXTDEPLOY_SECRETS: 'secrets' }, wait: false, cwd: true })
  for (const args of [['start'], [process.execPath, 'server.js']]) {
    const { output } = await (await start(args)).exit
    const seen = JSON.parse(output)
    assert.deepStrictEqual([seen.API_KEY, seen.PEM, seen.WINDOWS, seen.EMPTY, seen.LINKED], ['sk-one', '-----BEGIN\nline\n-----END\n', 'value', '', 'sk-one'])
    assert.deepStrictEqual([seen.GIVEN, seen.DEFAULT], ['given', 'from the file'])
    for (const name of ['tls.key', '1ST', 'BINARY', 'FOLDER', '..data']) assert.strictEqual(seen[name], undefined, name)
  }
})

test('a missing secrets folder is not an error', async (t) => {
  const app = await launch(t, { entry: 'server.js' }, { 'server.js': TELL }, { wait: false, env: { NEXTDEPLOY_SECRETS: '/nonexistent/secrets' } })
  assert.strictEqual((await app.exit).code, 0)
})

const status = (code) => `require('http').createServer((q, r) => { r.statusCode = q.url === '/base' || q.url === '/well' ? ${code} : 599; r.end() }).listen(process.env.PORT, process.env.HOSTNAME)`

for (const [name, run, code, expected] of [
  ['checks the base path', { basePath: '/base' }, 200, ''],
  ['takes a client error for an answer', { basePath: '/base' }, 404, ''],
  ['refuses a server error', { basePath: '/base' }, 503, 'status 503'],
  ['an own path must redirect or succeed', { healthPath: '/well' }, 302, ''],
  ['an own path that is missing is not healthy', { healthPath: '/well' }, 404, 'status 404'],
]) {
  test(`health ${name}`, async (t) => {
    const app = await launch(t, Object.assign({ entry: 'server.js' }, run), { 'server.js': status(code) })
    const check = await app.again(['health']).exit
    assert.strictEqual(check.code, expected ? 1 : 0)
    const target = run.healthPath || run.basePath
    assert.strictEqual(check.output, expected ? `unhealthy: ${target} on port ${app.port}: ${expected}\n` : '')
  })
}

test('health when nothing listens, and when the app binds one address', async (t) => {
  const app = await launch(t, { entry: 'server.js', basePath: '/base' }, { 'server.js': status(200) }, { env: { NEXTDEPLOY_HOST: '127.0.0.3' }, wait: false })
  let check = await app.again(['health'], { PORT: '1' }).exit
  assert.deepStrictEqual([check.code, check.output], [1, 'unhealthy: /base on port 1: nothing listens\n'])
  for (let attempt = 0; attempt < 20 && check.code; attempt++) check = await app.again(['health']).exit
  assert.strictEqual(check.code, 0)
})

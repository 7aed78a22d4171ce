'use strict'
const assert = require('assert')
const net = require('net')
const { test } = require('node:test')
const { launch, get } = require('./fixture.cjs')

const SITE = {
  'secret.txt': 'secret',
  'out/index.html': 'home',
  'out/404.html': 'missing',
  'out/about.html': 'about',
  'out/blog/index.html': 'blog',
  'out/a b.txt': 'spaced',
  'out/hello.txt': '0123456789',
  'out/empty.css': '',
  'out/_next/static/chunks/main.js': 'code',
  'out/outside.txt': { link: '../secret.txt' },
}

const site = (t, run) => launch(t, Object.assign({ mode: 'static', staticRoot: 'out', trailingSlash: false }, run), SITE)

test('pages, files and types', async (t) => {
  const { port } = await site(t)
  for (const [target, body, type] of [
    ['/', 'home', 'text/html; charset=utf-8'],
    ['/about', 'about', 'text/html; charset=utf-8'],
    ['/about?x=1', 'about', 'text/html; charset=utf-8'],
    ['/blog', 'blog', 'text/html; charset=utf-8'],
    ['/a%20b.txt', 'spaced', 'text/plain; charset=utf-8'],
    ['/empty.css', '', 'text/css; charset=utf-8'],
    ['/_next/static/chunks/main.js', 'code', 'text/javascript; charset=utf-8'],
  ]) {
    const answer = await get(port, target)
    assert.deepStrictEqual([answer.status, answer.body, answer.headers['content-type']], [200, body, type], target)
  }
})

test('dynamic pages answer for every address that they match', async (t) => {
  const pages = ['docs/[id].html', 'docs/[id]/[tab]/index.html', 'docs/new/[tab].html', 'files/[...path].html', 'wiki/[[...path]]/index.html']
  const files = Object.assign({}, SITE, ...pages.map((page) => ({ ['out/' + page]: page })))
  const { port } = await launch(t, { mode: 'static', staticRoot: 'out', trailingSlash: false }, files)
  for (const [target, body] of [
    ['/docs/7', 'docs/[id].html'],
    ['/docs/a%20b?x=1', 'docs/[id].html'],
    ['/docs/7/edit', 'docs/[id]/[tab]/index.html'],
    ['/docs/new/edit', 'docs/new/[tab].html'],
    ['/files/a/b', 'files/[...path].html'],
    ['/wiki/a/b', 'wiki/[[...path]]/index.html'],
    ['/wiki', 'wiki/[[...path]]/index.html'],
    ['/docs/%5Bid%5D', 'docs/[id].html'],
  ]) {
    const answer = await get(port, target)
    assert.deepStrictEqual([answer.status, answer.body], [200, body], target)
  }
  for (const target of ['/docs/7.png', '/docs', '/docs/7/edit/x', '/files', '/nothing']) {
    assert.strictEqual((await get(port, target)).status, 404, target)
  }
  assert.strictEqual((await get(port, '/docs/7/')).headers.location, '/docs/7')
})

test('missing files, files outside the root, and hostile paths', async (t) => {
  const { port } = await site(t)
  const targets = ['/nothing', '/outside.txt', '/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/%', '/a%00b', '/..\\secret.txt', '/_next']
  for (const target of targets) {
    const answer = await get(port, target)
    assert.deepStrictEqual([answer.status, answer.body], [404, 'missing'], target)
  }
  assert.strictEqual((await get(port, '/', { method: 'POST' })).status, 405)
})

test('an invalid request target does not crash the server', async (t) => {
  const { port } = await site(t)
  await new Promise((resolve) => net.connect(port, '127.0.0.1').on('close', resolve).end('GET \\ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n').resume())
  assert.strictEqual((await get(port, '/')).status, 200)
})

test('one URL per page', async (t) => {
  for (const [trailingSlash, target, location] of [
    [false, '/about/', '/about'],
    [false, '/blog/?q=1', '/blog?q=1'],
    [true, '/blog', '/blog/'],
    [true, '/about?q=1', '/about/?q=1'],
  ]) {
    const { port } = await site(t, { trailingSlash })
    const answer = await get(port, target)
    assert.deepStrictEqual([answer.status, answer.headers.location], [308, location], target)
    assert.strictEqual((await get(port, location)).status, 200)
  }
  const { port } = await site(t, { trailingSlash: true })
  assert.strictEqual((await get(port, '/hello.txt')).status, 200)
})

test('serves only below the base path', async (t) => {
  const { port } = await site(t, { basePath: '/docs' })
  for (const [target, status] of [['/docs', 200], ['/docs/about', 200], ['/docs/_next/static/chunks/main.js', 200], ['/about', 404], ['/docsx', 404]]) {
    assert.strictEqual((await get(port, target)).status, status, target)
  }
})

test('caching', async (t) => {
  const { port } = await site(t)
  const page = await get(port, '/about')
  assert.strictEqual(page.headers['cache-control'], 'public, max-age=0, must-revalidate')
  assert.strictEqual(page.headers['last-modified'], undefined)
  assert.strictEqual((await get(port, '/_next/static/chunks/main.js')).headers['cache-control'], 'public, max-age=31536000, immutable')
  for (const tag of [page.headers.etag, 'W/' + page.headers.etag, '"x", ' + page.headers.etag, '*']) {
    const again = await get(port, '/about', { headers: { 'if-none-match': tag } })
    assert.deepStrictEqual([again.status, again.body], [304, ''], tag)
  }
  assert.strictEqual((await get(port, '/about', { headers: { 'if-none-match': '"other"' } })).status, 200)
})

test('ranges and HEAD', async (t) => {
  const { port } = await site(t)
  const { etag } = (await get(port, '/hello.txt')).headers
  for (const [headers, status, body, contentRange] of [
    [{ range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=-2' }, 206, '89', 'bytes 8-9/10'],
    [{ range: 'bytes=5-99' }, 206, '56789', 'bytes 5-9/10'],
    [{ range: 'bytes=10-' }, 416, '', 'bytes */10'],
    [{ range: 'bytes=4-2' }, 200, '0123456789', undefined],
    [{ range: 'bytes=0-1,3-4' }, 200, '0123456789', undefined],
    [{ range: 'bytes=0-1', 'if-range': etag }, 206, '01', 'bytes 0-1/10'],
    [{ range: 'bytes=0-1', 'if-range': '"old"' }, 200, '0123456789', undefined],
  ]) {
    const answer = await get(port, '/hello.txt', { headers })
    assert.deepStrictEqual([answer.status, answer.body, answer.headers['content-range']], [status, body, contentRange], JSON.stringify(headers))
  }
  const head = await get(port, '/hello.txt', { method: 'HEAD' })
  assert.deepStrictEqual([head.status, head.body, head.headers['content-length']], [200, '', '10'])
})

test('compresses text if the client accepts it', async (t) => {
  const app = await launch(t, { mode: 'static', staticRoot: 'out' }, { 'out/big.html': 'x'.repeat(5000), 'out/big.png': 'x'.repeat(5000) })
  const ask = (target, encoding, extra) => get(app.port, target, { headers: Object.assign({ 'accept-encoding': encoding }, extra) })
  const plain = await get(app.port, '/big.html')
  const small = await ask('/big.html', 'br, gzip')
  assert.strictEqual(small.headers['content-encoding'], 'gzip')
  assert.strictEqual(small.headers.vary, 'accept-encoding')
  assert.notStrictEqual(small.headers.etag, plain.headers.etag)
  assert.strictEqual((await ask('/big.html', 'gzip', { 'if-none-match': small.headers.etag })).status, 304)
  for (const encoding of ['gzip;q=0', 'br', 'gzip;q=0.0, br', 'identity']) assert.strictEqual((await ask('/big.html', encoding)).body, plain.body, encoding)
  assert.strictEqual((await ask('/big.html', 'gzip;q=0.5')).headers['content-encoding'], 'gzip')
  assert.strictEqual((await ask('/big.png', 'gzip')).headers['content-encoding'], undefined)
  assert.strictEqual((await ask('/big.html', 'gzip', { range: 'bytes=0-0' })).body, 'x')
})

test('stops on SIGTERM', async (t) => {
  const app = await site(t)
  app.child.kill('SIGTERM')
  assert.strictEqual((await app.exit).code, 143)
})

'use strict'
// Process 1 of the image: ENTRYPOINT ["node", "/nextdeploy/launcher.cjs"], CMD ["start"].
//
//   start        runs the app in this very process, as run.json (written by assemble.cjs) says
//   health       requests a page of the running app; exits with 0 if it is healthy, else with 1 and one line with the reason
//   anything     runs that command instead, forwards signals to it and ends as it ends
//
// Settings: PORT, NEXTDEPLOY_HOST (address to bind, default 0.0.0.0), NEXTDEPLOY_SECRETS (folder of secrets, default
// /run/secrets), NEXTDEPLOY_GRACE (seconds that running requests
// get after SIGTERM, default 10). Each file of /run/secrets whose name is that of a variable which is not set becomes that
// variable of the app, so that inspecting the container does not reveal it. Runs on every Node.js from 12.22 on and needs nothing else. It does not reap orphaned
// processes; an app that leaves such behind needs `docker run --init`.

const fs = require('fs')
const http = require('http')
const net = require('net')
const os = require('os')
const path = require('path')
const zlib = require('zlib')

const SIGNALS = ['SIGTERM', 'SIGINT']
const SECRETS = '/run/secrets'

function main(argv) {
  const mode = argv[0] || 'start'
  const run = JSON.parse(fs.readFileSync(path.join(__dirname, 'run.json'), 'utf8'))
  if (mode !== 'health') readSecrets(process.env.NEXTDEPLOY_SECRETS || SECRETS, process.env)
  for (const name of Object.keys(run.env)) if (process.env[name] === undefined) process.env[name] = run.env[name]
  if (mode !== 'start' && mode !== 'health') return spawn(argv)
  const port = readPort(process.env.PORT === undefined || process.env.PORT === '' ? run.port : process.env.PORT)
  const host = process.env.NEXTDEPLOY_HOST || '0.0.0.0'
  if (mode === 'health') return checkHealth(run, host, port)

  process.env.PORT = String(port)
  // Container platforms set HOSTNAME to the name of the container, which Next.js would bind.
  process.env.HOSTNAME = host
  if (!process.env.NODE_ENV) process.env.NODE_ENV = 'production'
  process.chdir(run.cwd)
  drainOnSignal(run)
  if (run.mode === 'static') return serveStatic(run, host, port)
  const [file, args] = run.entry ? [run.entry, []] : resolveCommand(run.command, run.cwd)
  if (!file) return spawn(args)
  runInProcess(file, args.concat(argv.slice(1)))
}

/** Docker and Podman, Swarm and Kubernetes put secrets there, one file each; a last line break is not part of a value. */
function readSecrets(folder, env) {
  let names
  try {
    names = fs.readdirSync(folder)
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return
    return fail(`cannot read the secrets in ${folder}: ${error.code}`)
  }
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || env[name] !== undefined) continue
    try {
      const value = fs.readFileSync(path.join(folder, name), 'utf8').replace(/\r?\n$/, '')
      // A variable cannot hold NUL: such a secret is a file only.
      if (!value.includes('\0')) env[name] = value
    } catch (error) {
      if (error.code !== 'EISDIR') fail(`cannot read the secret ${name}: ${error.code}`)
    }
  }
}

function readPort(text) {
  if (/^\d{1,5}$/.test(String(text).trim()) && Number(text) >= 1 && Number(text) <= 65535) return Number(text)
  return fail(`PORT must be a number from 1 to 65535, and is \`${text}\``)
}

function fail(message, code) {
  process.stderr.write(`nextdeploy: error: ${message}\n`)
  process.exit(code || 2)
}

/** As if `node file args` had been called: require.main, ES modules and process.argv are what the app expects. */
function runInProcess(file, args) {
  process.argv = [process.argv[0], file].concat(args)
  require('module').runMain(file)
}

/**
 * What a start command runs, without a package manager or shell between the app and its signals:
 * [file, args] of a Node.js program, or [null, argv] for anything else.
 */
function resolveCommand(command, cwd) {
  const argv = command.slice()
  // Options of Node.js hold for a new process only, and add to those of the container.
  let options = false
  while (argv.length > 1 && (/^\w+=/.test(argv[0]) || /^(cross-env|env)$/.test(argv[0]))) {
    const [name, ...value] = argv.shift().split('=')
    const given = process.env[name]
    if (name === 'NODE_OPTIONS') options = Boolean((process.env[name] = [given, value.join('=')].filter(Boolean).join(' ')))
    else if (value.length && given === undefined) process.env[name] = value.join('=')
  }
  if (argv[0] === 'node' && (options || String(argv[1]).startsWith('-'))) return [null, [process.execPath].concat(argv.slice(1))]
  if (argv[0] === 'node' && argv[1]) return [path.resolve(cwd, argv[1]), argv.slice(2)]
  const places = []
  for (let place = cwd; place !== path.dirname(place); place = path.dirname(place)) places.push(path.join(place, 'node_modules/.bin'))
  const program = argv[0] === 'next' ? nextBinary(cwd) : nodeProgram(places.map((place) => path.join(place, argv[0])).find(fs.existsSync))
  if (program) return options ? [null, [process.execPath, program].concat(argv.slice(1))] : [program, argv.slice(1)]
  process.env.PATH = places.concat(process.env.PATH || []).join(path.delimiter)
  return [null, argv]
}

/** The JavaScript behind a link in `node_modules/.bin`: it needs neither `env`, which an image may lack, nor a child. */
function nodeProgram(bin) {
  if (!bin) return null
  const start = Buffer.alloc(128)
  const file = fs.openSync(bin, 'r')
  fs.readSync(file, start, 0, start.length, 0)
  fs.closeSync(file)
  return /^#!\S*[/ ](env )?node\s*\n/.test(start.toString('latin1')) ? fs.realpathSync(bin) : null
}

function nextBinary(cwd) {
  try {
    return require.resolve('next/dist/bin/next', { paths: [cwd] })
  } catch (error) {
    return null
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Signals

/** Runs a command as a child: our signals reach it, and its end is ours. */
function spawn(argv) {
  const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
  for (const signal of forwarded) process.removeAllListeners(signal)
  const child = require('child_process').spawn(argv[0], argv.slice(1), { stdio: 'inherit' })
  for (const signal of forwarded) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => fail(`cannot run \`${argv[0]}\`: ${error.message}`, error.code === 'ENOENT' ? 127 : 126))
  child.on('exit', (code, signal) => process.exit(signal ? exitCode(signal) : code))
}

function exitCode(signal) {
  return 128 + os.constants.signals[signal]
}

/**
 * Process 1 gets no default action for a signal, so there must always be a handler. When the app has one that stops
 * its server (Next.js from 14.1 on), the rest is left to it; else the requests that are running are answered first.
 */
function drainOnSignal(run) {
  const servers = trackServers()
  const grace = Number(process.env.NEXTDEPLOY_GRACE || 10) * 1000
  let signalled = false
  let runDeferred = () => {}
  const onSignal = (signal) => {
    // Ctrl-C once more: now.
    if (signalled && signal === 'SIGINT') process.exit(exitCode(signal))
    if (signalled) return
    signalled = true
    const drain = () => {
      const end = () => {
        runDeferred(signal)
        process.exit(exitCode(signal))
      }
      setTimeout(end, grace >= 0 ? grace : 10000).unref()
      closeAll(servers, end)
    }
    closeIdle(servers)
    if (process.listenerCount(signal) === 1) drain()
    // Some handlers only tidy up: was anything stopped?
    else setTimeout(() => Array.from(servers.keys()).some((server) => server.listening) && drain(), 500)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  if (exitsAtOnce(run)) runDeferred = deferListeners()
}

/** Next.js before 14.1 answers a signal by `process.exit(0)`, and cuts the requests that are running. */
function exitsAtOnce(run) {
  const [major, minor] = String(run.nextVersion).split('.').map(Number)
  const serves = run.mode === 'standalone' || (run.mode === 'server' && run.command.includes('next'))
  return serves && (major < 14 || (major === 14 && minor < 1))
}

/** Keeps back the signal handlers that the app registers from now on; the result runs them. */
function deferListeners() {
  const kept = []
  for (const method of ['on', 'addListener', 'once']) {
    const register = process[method]
    process[method] = function (event, listener) {
      if (!SIGNALS.includes(event)) return register.call(process, event, listener)
      kept.push([event, listener])
      return process
    }
  }
  return (signal) => kept.forEach(([event, listener]) => event === signal && listener.call(process, signal))
}

/** Every server that starts to listen, with its open sockets and how many requests each is answering. */
function trackServers() {
  const servers = new Map()
  const listen = net.Server.prototype.listen
  net.Server.prototype.listen = function () {
    if (!servers.has(this)) {
      const sockets = new Map()
      servers.set(this, sockets)
      this.on('connection', (socket) => {
        sockets.set(socket, 0)
        socket.on('close', () => sockets.delete(socket))
      })
      this.on('request', (request, response) => {
        const socket = request.socket
        sockets.set(socket, (sockets.get(socket) || 0) + 1)
        let answered = false
        const onAnswered = () => {
          if (answered || !sockets.has(socket)) return
          answered = true
          sockets.set(socket, sockets.get(socket) - 1)
          if (sockets.closing && sockets.get(socket) === 0) socket.end()
        }
        // Before Node.js 14 a complete response emits no `close`.
        response.on('finish', onAnswered)
        response.on('close', onAnswered)
      })
    }
    return listen.apply(this, arguments)
  }
  return servers
}

/** Ends the connections that wait for a next request: before Node.js 19 they would hold up the end. */
function closeIdle(servers) {
  servers.forEach((sockets) => {
    sockets.closing = true
    sockets.forEach((running, socket) => running === 0 && socket.destroy())
  })
}

function closeAll(servers, done) {
  let open = 1
  const closed = () => --open === 0 && done()
  servers.forEach((sockets, server) => {
    if (!server.listening) return
    open++
    server.close(closed)
  })
  closed()
}

// ---------------------------------------------------------------------------------------------------------------
// Health

function checkHealth(run, host, port) {
  // Never `localhost`: it may be ::1 while the app listens on IPv4.
  const address = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] || host
  const target = (run.healthPath || run.basePath || '/').replace(/[^!-~]/gu, encodeURIComponent)
  const verdict = (problem) => {
    if (problem) process.stdout.write(`unhealthy: ${target} on port ${port}: ${problem}\n`)
    process.exit(problem ? 1 : 0)
  }
  const request = http.get({ host: address, port, path: target, headers: { 'user-agent': 'nextdeploy-health' } }, (response) => {
    const status = response.statusCode
    const healthy = run.healthPath ? status >= 200 && status < 400 : status < 500
    verdict(healthy ? null : `status ${status}`)
  })
  request.on('error', (error) => verdict(error.code === 'ECONNREFUSED' ? 'nothing listens' : error.message))
  setTimeout(() => verdict('no answer within 4 seconds'), 4000)
}

// ---------------------------------------------------------------------------------------------------------------
// Static files (`output: 'export'`)

const CONTENT_TYPES = {
  '.avif': 'image/avif',
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.otf': 'font/otf',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.rsc': 'text/x-component',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml; charset=utf-8',
}
const COMPRESSIBLE = /^text\/|json|xml|javascript|wasm/
const IMMUTABLE = 'public, max-age=31536000, immutable'
const REVALIDATE = 'public, max-age=0, must-revalidate'

function serveStatic(run, host, port) {
  const root = fs.realpathSync(run.staticRoot)
  const server = http.createServer((request, response) => {
    try {
      answer(run, root, request, response)
    } catch (error) {
      console.error(error)
      response.writeHead(500).end()
    }
  })
  server.on('error', (error) => fail(`cannot listen on ${host} port ${port}: ${error.message}`, 1))
  server.listen(port, host, () => console.log(`Serving ${run.staticRoot} on http://${host}:${port}${run.basePath}`))
}

function answer(run, root, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' })
    return response.end()
  }
  const [location, query] = splitOnce(request.url, '?')
  const inside = withoutBasePath(location, run.basePath)
  const page = inside === null ? null : decode(inside)
  if (page === null) return sendMissing(root, request, response)
  const file = findFile(root, page) || findDynamicPage(run, root, page)
  if (!file) return sendMissing(root, request, response)
  const canonical = canonicalPath(run, location, inside, file)
  if (canonical !== location) {
    // `//host` would leave this site.
    const target = canonical.replace(/^\/+/, '/') + (query === null ? '' : '?' + query)
    response.writeHead(308, { location: target, 'cache-control': REVALIDATE })
    return response.end()
  }
  const immutable = inside.startsWith('/_next/static/')
  send(file, 200, immutable ? IMMUTABLE : REVALIDATE, request, response)
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator)
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
}

function withoutBasePath(location, basePath) {
  if (!basePath) return location
  if (location === basePath) return '/'
  return location.startsWith(basePath + '/') ? location.slice(basePath.length) : null
}

/** The decoded path, null for a malicious path (bad escapes, NUL, `..`, hidden separators). */
function decode(location) {
  try {
    const page = decodeURIComponent(location)
    const dishonest = /[\0\\]/.test(page) || page.split('/').includes('..') || !page.startsWith('/')
    return dishonest ? null : page
  } catch (error) {
    return null
  }
}

/** `/foo` is `foo`, `foo.html` or `foo/index.html`; never anything that is not below `root`, links resolved. */
function findFile(root, page) {
  const name = page.replace(/\/+$/, '')
  const candidates = page.endsWith('/') ? [name + '/index.html', name + '.html'] : [name, name + '.html', name + '/index.html']
  for (const candidate of candidates) {
    let file
    try {
      file = fs.realpathSync(path.join(root, candidate))
    } catch (error) {
      continue
    }
    const stat = file.startsWith(root + path.sep) ? fs.statSync(file) : null
    if (stat && stat.isFile()) return { path: file, stat, page: candidate !== page }
  }
  return null
}

/** `/docs/7` is `docs/[id].html` or `docs/[id]/index.html`, whose code reads the address in the browser. */
function findDynamicPage(run, root, page) {
  if (/\.[^/]*$|^\/_next\//.test(page)) return null
  // Read on first use: most exports have none.
  if (!run.dynamicPages) run.dynamicPages = dynamicPages(root, '').sort((a, b) => (a.rank < b.rank ? -1 : 1))
  const found = run.dynamicPages.find(({ pattern }) => pattern.test(page))
  const file = found ? findFile(root, found.page) : null
  return file && Object.assign(file, { page: true })
}

/** The pages below `folder` with brackets in their path: literal names go before `[id]`, and that before `[...path]`. */
function dynamicPages(root, folder) {
  const found = []
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = folder + '/' + entry.name
    if (entry.isDirectory() && name !== '/_next') found.push(...dynamicPages(root, name))
    if (!entry.isFile() || !name.endsWith('.html') || !name.includes('[')) continue
    const segments = name.replace(/(\/index)?\.html$/, '').split('/').slice(1)
    const kinds = segments.map((segment) => (/^\[\[?\.\.\..+\]$/.test(segment) ? 2 : /^\[.+\]$/.test(segment) ? 1 : 0))
    const parts = segments.map((segment, at) => {
      if (kinds[at] === 0) return '/' + segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      return kinds[at] === 1 ? '/[^/]+' : segment.startsWith('[[') ? '(?:/.*)?' : '/.+'
    })
    if (kinds.some(Boolean)) found.push({ page: name, rank: kinds.join(''), pattern: new RegExp(`^${parts.join('')}/?$`) })
  }
  return found
}

/** One address per page: with or without a slash at the end, as `trailingSlash` says; files never have one. */
function canonicalPath(run, location, inside, file) {
  if (/^\/*$/.test(inside) || !file.page) return location
  const bare = location.replace(/\/+$/, '')
  return run.trailingSlash ? bare + '/' : bare
}

function sendMissing(root, request, response) {
  const file = findFile(root, '/404.html')
  if (file) return send(file, 404, 'no-store', request, response)
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(request.method === 'HEAD' ? undefined : 'Not Found\n')
}

function send(file, status, cacheControl, request, response) {
  const size = file.stat.size
  const type = CONTENT_TYPES[path.extname(file.path).toLowerCase()] || 'application/octet-stream'
  const compressed = size > 1024 && COMPRESSIBLE.test(type) && !request.headers.range && acceptsGzip(request)
  // The time of a file identifies its content (finish-layer.cjs) and is not a date: hence no Last-Modified.
  const etag = `"${size.toString(16)}-${Math.floor(file.stat.mtimeMs / 1000).toString(16)}${compressed ? '-gzip' : ''}"`
  const headers = { 'content-type': type, 'cache-control': cacheControl, 'x-content-type-options': 'nosniff' }
  if (COMPRESSIBLE.test(type)) headers.vary = 'accept-encoding'
  let range = null
  if (status === 200) {
    headers.etag = etag
    headers['accept-ranges'] = 'bytes'
    if (matches(request.headers['if-none-match'], etag)) {
      response.writeHead(304, { etag, 'cache-control': cacheControl })
      return response.end()
    }
    range = readRange(request, etag, size)
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}` })
      return response.end()
    }
  }
  const [start, end] = range || [0, size - 1]
  if (compressed) headers['content-encoding'] = 'gzip'
  else headers['content-length'] = end - start + 1
  if (range) headers['content-range'] = `bytes ${start}-${end}/${size}`
  response.writeHead(range ? 206 : status, headers)
  if (request.method === 'HEAD' || end < start) return response.end()
  const stream = fs.createReadStream(file.path, { start, end })
  stream.on('error', () => response.destroy())
  response.on('close', () => stream.destroy())
  if (compressed) stream.pipe(zlib.createGzip()).pipe(response)
  else stream.pipe(response)
}

function acceptsGzip(request) {
  const accepted = (request.headers['accept-encoding'] || '').split(',').map((entry) => entry.trim().split(/\s*;\s*q=/))
  return accepted.some(([name, quality]) => name === 'gzip' && Number(quality) !== 0)
}

function matches(header, etag) {
  if (!header) return false
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}

/** One range of bytes, null for the whole file (several ranges and other units are not served in parts). */
function readRange(request, etag, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range || '')
  const condition = request.headers['if-range']
  if (!match || (!match[1] && !match[2]) || (condition && condition !== etag)) return null
  const start = match[1] ? Number(match[1]) : Math.max(0, size - Number(match[2]))
  const end = match[1] && match[2] ? Math.min(Number(match[2]), size - 1) : size - 1
  if (match[1] && match[2] && Number(match[2]) < start) return null
  return start >= size ? 'unsatisfiable' : [start, end]
}

main(process.argv.slice(2))

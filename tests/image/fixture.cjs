'use strict'
// Small stand-ins for the output of `next build`, and processes that end with their test.

const childProcess = require('child_process')
const fs = require('fs')
const http = require('http')
const net = require('net')
const os = require('os')
const path = require('path')

const SCRIPTS = path.join(__dirname, '../../src/image/scripts')
// The launcher must run on every Node.js version that Next.js supported; the tests themselves need a newer one.
const NODE = process.env.LAUNCHER_NODE || process.execPath

/** A folder that is removed after the test. `files`: path → text, object (JSON), or { link } / { exec }. */
function folder(t, files) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'nd-image-'))
  t.after(() => fs.rmSync(root, { recursive: true, force: true }))
  return write(root, files || {})
}

function write(root, files) {
  for (const name of Object.keys(files)) {
    const file = path.join(root, name)
    const content = files[name]
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (typeof content === 'string') fs.writeFileSync(file, content)
    else if (content.link) fs.symlinkSync(content.link, file)
    else if (content.exec) fs.writeFileSync(file, content.exec, { mode: 0o755 })
    else fs.writeFileSync(file, JSON.stringify(content))
  }
  return root
}

/** path → text of every file and link below `root`. */
function tree(root) {
  const found = {}
  const visit = (directory, relative) => {
    for (const name of fs.readdirSync(directory).sort()) {
      const file = path.join(directory, name)
      const stat = fs.lstatSync(file)
      if (stat.isDirectory()) visit(file, relative + name + '/')
      else found[relative + name] = stat.isSymbolicLink() ? '-> ' + fs.readlinkSync(file) : fs.readFileSync(file, 'latin1')
    }
  }
  visit(root, '')
  return found
}

/** Starts the launcher: `{ child, port, output(), exit }`. */
async function launch(t, run, files, options) {
  const { args = ['start'], env = {}, wait = true, cwd = false } = options || {}
  const root = folder(t, files)
  const port = await freePort()
  fs.mkdirSync(path.join(root, 'nextdeploy'))
  fs.copyFileSync(path.join(SCRIPTS, 'launcher.cjs'), path.join(root, 'nextdeploy/launcher.cjs'))
  const document = Object.assign({ schemaVersion: 1, mode: 'standalone', nextVersion: '16.4.6', basePath: '', port: 3000, healthPath: null, env: {}, cwd: root }, run)
  for (const key of ['entry', 'staticRoot']) if (document[key]) document[key] = path.join(root, document[key])
  write(root, { 'nextdeploy/run.json': document })
  const start = (args, extra) => {
    const child = childProcess.spawn(NODE, [path.join(root, 'nextdeploy/launcher.cjs')].concat(args), {
      cwd: cwd ? root : undefined,
      env: Object.assign({ PATH: process.env.PATH, HOSTNAME: '8c1f0e2d4b6a', PORT: String(port) }, env, extra),
    })
    const text = []
    child.stdout.on('data', (data) => text.push(data))
    child.stderr.on('data', (data) => text.push(data))
    t.after(() => child.kill('SIGKILL'))
    const exit = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output: text.join('') })))
    return { child, exit, output: () => text.join('') }
  }
  const started = Object.assign(start(args), { port, root, again: start })
  if (wait) await listening(port, started)
  return started
}

async function listening(port, started) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true))
      socket.on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('nothing listens:\n' + started.output())
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function get(port, target, options) {
  return new Promise((resolve, reject) => {
    const request = http.request(Object.assign({ host: '127.0.0.1', port, path: target, agent: false }, options), (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }))
    })
    request.on('error', reject)
    request.end()
  })
}

module.exports = { SCRIPTS, folder, write, tree, launch, get, freePort }

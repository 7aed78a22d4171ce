'use strict'
// Files of the build stage: walking, moving and reading them, and the one error that is the project's fault.

const fs = require('fs')
const path = require('path')

/** What the build left cannot be run: one message and one thing to do. */
class ProjectError extends Error {
  constructor(message, hint) {
    super(message)
    this.hint = hint
  }
}

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

module.exports = { ProjectError, walk, move, moveIfThere, copy, remove, isDirectory, realpath, readDirectory, readText, readJson, writeFile }

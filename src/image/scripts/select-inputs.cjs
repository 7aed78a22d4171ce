'use strict'
// Runs in the first stage of an ejected Dockerfile, in the root of the repository: copies what the install reads to the
// given folder, and of each manifest only the fields that an install reads, or, where the package is copied into node_modules, all
// but its scripts. Lists: inputs.json beside this file.

const fs = require('fs')
const path = require('path')

const { fields, manifests, copiedManifests, copiedWithout, files, folders } = require('./inputs.json')
const to = process.argv[2]

const place = (name) => {
  const target = path.join(to, name)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  return target
}

const copy = (name) => {
  const stat = fs.lstatSync(name)
  if (stat.isDirectory()) {
    for (const child of fs.readdirSync(name)) copy(path.join(name, child))
  } else if (stat.isSymbolicLink()) {
    fs.symlinkSync(fs.readlinkSync(name), place(name))
  } else {
    fs.copyFileSync(name, place(name))
  }
}

fs.mkdirSync(to, { recursive: true })
for (const name of files.concat(folders)) if (fs.existsSync(name)) copy(name)
const reduce = (name, isKept) => {
  const manifest = JSON.parse(fs.readFileSync(name, 'utf8').replace(/^\uFEFF/, ''))
  const kept = Object.keys(manifest).filter(isKept)
  const reduced = kept.reduce((result, field) => Object.assign(result, { [field]: manifest[field] }), {})
  fs.writeFileSync(place(name), JSON.stringify(reduced, null, 2) + '\n')
}
for (const name of manifests) reduce(name, (field) => fields.includes(field))
for (const name of copiedManifests) reduce(name, (field) => !copiedWithout.includes(field))

#!/usr/bin/env node
// Lays out what the container images hold: built output and the production part of node_modules, nothing else.
// The Dockerfile only copies it: building an image takes no compiler and no registry of packages.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, '.outboard/image');

/** Sources and intermediate files of native modules: 25 MB that nothing loads. */
const UNUSED = [
  /better-sqlite3\/(deps|src|build\/(?!Release$|Release\/better_sqlite3\.node$))/,
  /\/obj\.target(\/|$)/,
];

const isUsed = (path) => !UNUSED.some((pattern) => pattern.test(path));

function copy(path) {
  const source = join(root, path);
  mkdirSync(dirname(join(target, path)), { recursive: true });
  cpSync(source, join(target, path), { recursive: true, filter: (each) => isUsed(each.slice(root.length)) });
}

/** Relative, so that it holds wherever the image puts the whole. */
function linkWorkspace(path, resolved) {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  symlinkSync(relative(dirname(path), resolved), join(target, path));
}

function copyWorkspace(path) {
  if (!existsSync(join(root, path, 'dist'))) throw new Error(`${path} is not built: npm run build`);
  copy(join(path, 'package.json'));
  copy(join(path, 'dist'));
}

rmSync(target, { recursive: true, force: true });
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
for (const [path, { dev, devOptional, link, resolved }] of Object.entries(packages)) {
  if (path === '' || dev || devOptional) continue;
  if (link) linkWorkspace(path, resolved);
  else if (!path.includes('node_modules/')) copyWorkspace(path);
  // Optional ones are those of other platforms.
  else if (existsSync(join(root, path))) copy(path);
}

#!/usr/bin/env node
// Brings a fresh clone to where its scripts can run: packages, native addon, compiled sources. Each step is skipped when
// it is up to date, so it costs nothing the second time. Node built-ins only: it runs before anything is installed,
// on whatever Node started npm.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative } from './build-native.mjs';
import { buildWeb } from './build-web.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const inRoot = (...parts) => join(root, ...parts);

/** Newest modification below `path`, ms. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function run(what, command, args) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    process.stderr.write(
      `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? `${result.error.message}\n` : ''}`,
    );
    process.stderr.write(`\nfirstboot: ${what} failed (${command} ${args.join(' ')})\n`);
    process.exit(result.status ?? 1);
  }
  process.stdout.write(`  ${what} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

function install() {
  if (modified(inRoot('node_modules/.package-lock.json')) >= modified(inRoot('package-lock.json'))) return;
  // npm's engine warnings speak of the Node that runs npm; the scripts use the pinned one that is being installed.
  run('packages installed', 'npm', ['ci', '--loglevel=error']);
}

function compile() {
  const info = inRoot('dist/.tsbuildinfo');
  const sources = Math.max(
    // The dashboard is bundled, not compiled.
    ...readdirSync(inRoot('src'))
      .filter((name) => name !== 'web')
      .map((name) => newest(inRoot('src', name))),
    modified(inRoot('tsconfig.build.json')),
    modified(inRoot('tsconfig.json')),
  );
  if (modified(info) > sources) return;
  rmSync(inRoot('dist'), { recursive: true, force: true });
  run('sources compiled', process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
  // npx makes a bin executable once; the compiler writes a new file.
  chmodSync(inRoot('dist/cli/main.js'), 0o755);
}

install();
buildNative({ quiet: false });
if (process.argv.includes('--build')) {
  compile();
  // After it, because it begins with an empty dist.
  const started = Date.now();
  if (await buildWeb()) process.stdout.write(`  dashboard bundled (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

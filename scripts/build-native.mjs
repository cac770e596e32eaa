// Builds the secure engine's addon with g++ alone: plain N-API, and OpenSSL from the node executable itself, so nothing
// is linked and no build tool is needed. Runs under Node 20 too, with its own headers: ABI and OpenSSL major are the same.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const sourceDir = join(root, 'native', 'src');
const buildDir = join(root, 'native', 'build');

/**
 * Compiles native/src into native/build/firstboot_secure.node unless that is newer than the sources.
 * @param {{ quiet?: boolean, asan?: boolean }} [options] asan: with AddressSanitizer, into firstboot_secure_asan.node
 * @returns {string} the file built
 * @throws Error that names what is missing and the fix
 */
export function buildNative({ quiet = false, asan = false } = {}) {
  const output = join(buildDir, asan ? 'firstboot_secure_asan.node' : 'firstboot_secure.node');
  const files = readdirSync(sourceDir).map((name) => join(sourceDir, name));
  const newest = Math.max(...[...files, fileURLToPath(import.meta.url)].map((file) => statSync(file).mtimeMs));
  if (existsSync(output) && statSync(output).mtimeMs > newest) return output;

  const started = Date.now();
  const include = findHeaders();
  mkdirSync(buildDir, { recursive: true });
  // Compiled aside and renamed: a process that has the old file loaded keeps it.
  const partial = `${output}.${process.pid}`;
  const compiler = process.env.CXX || 'g++';
  const result = spawnSync(
    compiler,
    [
      ...(asan
        ? ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined']
        : ['-O2', '-static-libstdc++', '-s']),
      ...['-std=c++17', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra', '-DNAPI_VERSION=8'],
      // Not ours to warn about.
      ...['-isystem', include, '-o', partial],
      ...files.filter((file) => file.endsWith('.cc')),
    ],
    { encoding: 'utf8' },
  );
  if (result.error || result.status !== 0) {
    rmSync(partial, { force: true });
    if (result.error?.code === 'ENOENT')
      throw new Error(
        `the C++ compiler "${compiler}" was not found: install g++ (Debian: apt-get install g++), or set CXX`,
      );
    throw new Error(
      `${compiler} could not build the secure engine:\n${result.stderr || result.error?.message || `signal ${result.signal}`}`,
    );
  }
  if (result.stderr) process.stderr.write(result.stderr);
  renameSync(partial, output);
  if (!quiet) console.log(`built ${output.slice(root.length + 1)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return output;
}

/** The include folder of a Node that has both node_api.h and OpenSSL's headers; the pinned runtime's first. */
function findHeaders() {
  const nodes = [join(root, 'node_modules', '.bin', 'node'), process.env.npm_node_execpath, process.execPath];
  const candidates = [
    process.env.npm_config_nodedir && join(process.env.npm_config_nodedir, 'include', 'node'),
    ...pinnedHeaders(),
    ...nodes.flatMap((node) => (node && existsSync(node) ? [resolve(realpathSync(node), '../../include/node')] : [])),
    '/usr/include/node',
    '/usr/local/include/node',
  ].filter((dir) => typeof dir === 'string');
  const found = candidates.find(
    (dir) => existsSync(join(dir, 'node_api.h')) && existsSync(join(dir, 'openssl', 'ssl.h')),
  );
  if (found) return found;
  throw new Error(
    `no Node headers with node_api.h and openssl/ssl.h (looked in ${[...new Set(candidates)].join(', ')}): ` +
      'run npm ci, or set npm_config_nodedir to an unpacked Node distribution',
  );
}

/** npm's `node` package keeps its executable and headers in a package for the platform, nested or beside it. */
function pinnedHeaders() {
  return [join(root, 'node_modules', 'node', 'node_modules'), join(root, 'node_modules')].flatMap((dir) =>
    existsSync(dir)
      ? readdirSync(dir)
          .filter((name) => /^node-(linux|darwin)-/.test(name))
          .map((name) => join(dir, name, 'include', 'node'))
      : [],
  );
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    buildNative({ asan: process.argv.includes('--asan') });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src/web');
const target = join(root, 'dist/web');

/**
 * Bundles the dashboard into dist/web: assets/ with the hash of what is in them in their names, so that browsers may keep
 * them for ever, and an index.html that names them. No source maps, and nothing inline: the page runs under a strict CSP.
 * Skipped when it is up to date. @returns whether there was something to do
 */
export async function buildWeb() {
  const index = join(target, 'index.html');
  const inputs = [source, fileURLToPath(import.meta.url), join(root, 'package-lock.json')];
  if (existsSync(index) && statSync(index).mtimeMs > Math.max(...inputs.map(newest))) return false;
  // Not at the top: this file is read before anything is installed.
  const { build } = await import('esbuild');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/web/main.tsx', 'src/web/style/main.css', 'src/web/icon.svg'],
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2023',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.svg': 'copy' },
    outdir: 'dist/web/assets',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    metafile: true,
    logLevel: 'warning',
  });
  const written = Object.keys(metafile.outputs);
  const made = (entry) => {
    const file = written.find((name) => metafile.outputs[name].entryPoint === entry);
    return `/assets/${basename(file)}`;
  };
  let page = readFileSync(join(source, 'index.html'), 'utf8');
  for (const entry of ['main.tsx', 'style/main.css', 'icon.svg']) {
    if (!page.includes(`"${entry}"`)) throw new Error(`src/web/index.html does not name ${entry}`);
    page = page.replace(`"${entry}"`, `"${made(`src/web/${entry}`)}"`);
  }
  mkdirSync(target, { recursive: true });
  writeFileSync(index, page);
  const kept = new Set(written.map((file) => basename(file)));
  for (const name of readdirSync(join(target, 'assets'))) if (!kept.has(name)) rmSync(join(target, 'assets', name));
  return true;
}

/** Newest modification below `path`, ms. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWeb();

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly bin: { readonly firstboot: string };
  readonly scripts: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};
/** What it is worth stands in docs/performance.md. */
const nodeOption = '--max-semi-space-size=16';

it('the option for Node makes the space of new objects smaller than V8 would let it become', () => {
  // V8 counts three halves of that space into the limit of its heap, MiB.
  const newSpace = (...options: string[]): number => {
    const limit = 'v8.getHeapStatistics().heap_size_limit / 2 ** 20';
    const args = ['--max-old-space-size=1000', ...options, '-p', limit];
    return Number(execFileSync(process.execPath, args, { encoding: 'utf8' })) - 1000;
  };
  expect(newSpace(nodeOption)).toBe(3 * 16);
  expect(newSpace()).toBeGreaterThan(3 * 16);
});

describe('the systemd unit', () => {
  const unit = read('packaging/firstboot.service');
  const setting = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  it('runs what the package has, as nobody in particular, and gives a drain its time', () => {
    const [node = '', option, program = '', ...args] = setting('ExecStart').split(' ');
    expect(existsSync(join(root, node.replace('/opt/firstboot/', '')))).toBe(true);
    expect(option).toBe(nodeOption);
    expect(program).toBe(`/opt/firstboot/${manifest.bin.firstboot}`);
    expect(args).toEqual(['serve', '-c', '/etc/firstboot/firstboot.yaml']);
    expect(existsSync(join(root, setting('Documentation').replace('file:/opt/firstboot/', '')))).toBe(true);
    expect(setting('ExecReload')).toBe('kill -HUP $MAINPID');
    expect(Number(setting('TimeoutStopSec')) * 1000).toBeGreaterThan(limits.operations.drain + limits.api.drain);
    for (const line of ['DynamicUser=yes', 'ProtectSystem=strict', 'StateDirectory=firstboot', 'Restart=on-failure']) {
      expect(unit).toContain(`\n${line}\n`);
    }
  });

  it('is taken by systemd, which finds it well hardened', (context) => {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
      process.stdout.write('skipped: there is no systemd-analyze here\n');
      context.skip();
    }
    // Its commands are not installed here: stand-ins have their names.
    const here = join(folder.path, 'firstboot.service');
    mkdirSync(join(folder.path, 'bin'));
    writeFileSync(join(folder.path, 'bin/node'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(here, unit.replace('/opt/firstboot/node_modules/.bin/node', join(folder.path, 'bin/node')));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', here], { encoding: 'utf8' });
    expect(verified.stderr).toBe('');
    expect(verified.status).toBe(0);
    const said = execFileSync('systemd-analyze', ['security', '--offline=true', here], { encoding: 'utf8' });
    expect(Number(/exposure level for firstboot\.service: ([\d.]+)/.exec(said)?.[1])).toBeLessThan(2);
  });
});

describe('the container file', () => {
  const file = read('packaging/Containerfile');
  const instructions = file
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => line.split(/\s+/));

  it('copies what is there, and nothing that its ignore file leaves out', () => {
    const ignored = read('packaging/Containerfile.dockerignore').split('\n');
    const copied = instructions.filter(([name, from]) => name === 'COPY' && !from?.startsWith('--from'));
    const sources = copied.flatMap((words) => words.slice(1, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(
        ignored.some((line) => line.startsWith(`!${source}`)),
        source,
      ).toBe(true);
    }
  });

  it('takes out of its first stage what the build leaves there', () => {
    const taken = instructions
      .filter(([name, from]) => name === 'COPY' && from === '--from=build')
      .map(([, , path]) => path);
    expect(taken).toEqual(['/node', '/src/package.json', '/src/node_modules', '/src/native', '/src/dist']);
    expect(existsSync(join(root, 'node_modules/node/bin/node'))).toBe(true);
    expect(manifest.devDependencies.node).toMatch(/^24\./);
    expect(file).toContain('RUN npm run build &&');
    expect(manifest.scripts.build).toContain('--build');
  });

  it('is not run by root, on a base image that is only named by its version of Node', () => {
    expect(instructions.filter(([name]) => name === 'FROM').map(([, image]) => image)).toEqual([
      'docker.io/library/node:24-bookworm',
      'docker.io/library/node:24-bookworm-slim',
    ]);
    const user = instructions.findIndex(([name]) => name === 'USER');
    expect(instructions[user]).toEqual(['USER', 'node']);
    expect(instructions.slice(user).some(([name]) => name === 'RUN')).toBe(false);
    expect(file).toContain(`ENTRYPOINT ["node", "${nodeOption}", "${manifest.bin.firstboot}"]`);
  });
});

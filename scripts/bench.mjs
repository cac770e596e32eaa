#!/usr/bin/env node
// npm run bench [-- --json] [-- --quick]: what firstboot costs on this machine, beside what it cannot cost less than, from one run.
// docs/performance.md says how to read it.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { developmentHub } from '../dist/development.js';
import { createDevelopmentPki, writeDevelopmentPki } from '../dist/pki/development.js';
import { measureCpu, measureMemory, measureStorm, sizes } from './bench/measure.mjs';
import { report } from './bench/report.mjs';
import { render } from './bench/table.mjs';

const known = ['--json', '--quick'];
const unknown = process.argv.slice(2).filter((argument) => !known.includes(argument));
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(' ')}; known are ${known.join(' ')}\n`);
  process.exit(2);
}
const json = process.argv.includes('--json');
const size = process.argv.includes('--quick') ? sizes.quick : sizes.full;
const tell = (text) => process.stderr.write(`  ${text}\n`);

const folder = mkdtempSync(join(tmpdir(), 'firstboot-bench-'));
try {
  const started = Date.now();
  await writeDevelopmentPki(
    createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now: started }),
    join(folder, 'pki'),
  );
  const found = report({
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      node: process.version,
      openssl: process.versions.openssl,
    },
    cpu: await measureCpu(folder, size, tell),
    storm: await measureStorm(folder, size, tell),
    memory: await measureMemory(folder, size, tell),
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stdout.write(
    json ? `${JSON.stringify({ ...found, seconds }, null, 2)}\n` : `${render(found)}\n${seconds} s\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

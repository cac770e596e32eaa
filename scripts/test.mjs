#!/usr/bin/env node
// Runs every test (vitest) and closes with one plain line: N passed, N failed[, N skipped].
// Arguments are handed to vitest: `npm test -- test/unit/coap`, `npm test -- -t 'factory reset'`.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseCLI, startVitest } from 'vitest/node';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const vitest = await startVitest('test', filter, {
  ...options,
  root,
  watch: false,
  config: join(root, 'vitest.config.ts'),
});

const count = { passed: 0, failed: 0, skipped: 0 };
for (const module of vitest.state.getTestModules()) {
  for (const test of module.children.allTests()) count[test.result().state] += 1;
  // A file that cannot be loaded or a hook that fails has no failing test to count.
  if (module.state() === 'failed' && ![...module.children.allTests('failed')].length) count.failed += 1;
}
const unhandled = vitest.state.getUnhandledErrors().length;
await vitest.close();

if (count.passed === 0) process.stderr.write('no test ran\n');
if (unhandled > 0) process.stderr.write(`${unhandled} error(s) outside of tests, see above\n`);
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
process.stdout.write(`\n${count.passed} passed, ${count.failed + unhandled} failed${skipped}\n`);
process.exitCode = count.failed + unhandled > 0 || count.passed === 0 ? 1 : 0;

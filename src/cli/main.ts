#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { errorTable } from '../core/errors.ts';
import { createOutput, exitCodes } from './output.ts';
import { createProgram } from './program.ts';

const { version, engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
  readonly engines: { readonly node: string };
};

// `firstboot ... | head`: the reader has left, and that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

if (Number(process.versions.node.split('.')[0]) < Number(/\d+/.exec(engines.node)?.[0])) {
  process.stderr.write(
    `firstboot: Node ${engines.node} is needed, this is ${process.versions.node}: inside the repository use npx firstboot, ` +
      'which runs on the one that npm has installed here\n',
  );
  process.exit(exitCodes.failed);
}

try {
  await (await createProgram(version, process.argv.slice(2))).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version that were asked for end here too, with 0; everything else is a command line that cannot be read.
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error.exitCode !== 0) {
    createOutput(process.argv.includes('--json')).data({
      event: 'error',
      error: 'command.usage',
      text: errorTable['command.usage'].text,
      evidence: { found: error.message.replace(/^error: /, '') },
      fix: 'see --help',
    });
  }
}

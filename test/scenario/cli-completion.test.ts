import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, firstboot } from '../support/command.ts';
import { findPeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** The completion scripts, each in the shell that it is for. */

let cwd: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
  for (const shell of ['bash', 'zsh', 'fish']) {
    await writeFile(join(cwd, `completion.${shell}`), (await firstboot(['completion', shell])).stdout);
  }
  await mkdir(join(cwd, 'bin'));
  await writeFile(join(cwd, 'bin', 'firstboot'), '#!/bin/sh\n');
  await chmod(join(cwd, 'bin', 'firstboot'), 0o755);
});

afterAll(() => remove());

const [zsh, fish] = [findPeer('zsh'), findPeer('fish')];

/** A line that is being typed, its last word unfinished, and what it may become. */
const table: readonly (readonly [words: readonly string[], becomes: readonly string[]])[] = [
  [['gr'], ['group']],
  [['device', 'qu'], ['quarantine']],
  [['device', 'list', '--st'], ['--state']],
  [['device', 'list', '--state', 'pend'], ['pending']],
  [
    ['device', 'list', '--alarms', '--state', 'd'],
    ['disabled', 'decommissioned'],
  ],
  [['device', 'dps', '--wait'], ['--wait-for-reset']],
  [['group', 'access', 'imp'], ['import']],
  [['group', 'access', 'import', 'machines', 'ids.csv', '--list', 'p'], ['preauthorized']],
  [['credential', 'revoke', '--reason', 'key'], ['keyCompromise']],
  [['completion', 'z'], ['zsh']],
];

describe('bash', () => {
  const complete = (words: readonly string[]): string[] => {
    const script = [
      'source ./completion.bash',
      'COMP_WORDS=(firstboot "$@"); COMP_CWORD=$#',
      '_firstboot',
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    ];
    const out = execFileSync('bash', ['--norc', '-uc', script.join('\n'), 'bash', ...words], {
      cwd,
      encoding: 'utf8',
    });
    return out.split('\n').filter((word) => word !== '');
  };

  test.each(table)('%j', (words, becomes) => {
    expect(complete(words).sort()).toEqual([...becomes].sort());
  });

  test('file names are left to the shell', () => {
    expect(complete(['group', 'create', '-f', ''])).toEqual([]);
    expect(complete(['pki', 'inspect', ''])).toEqual([]);
    const out = execFileSync('bash', ['--norc', '-c', 'source ./completion.bash; complete -p firstboot'], { cwd });
    expect(String(out)).toBe('complete -o default -F _firstboot firstboot\n');
  });
});

test.skipIf(zsh.missing)('zsh takes the script and knows its function', () => {
  const script = 'autoload -U compinit; compinit -u -d ./dump; source ./completion.zsh; print $_comps[firstboot]';
  expect(execFileSync('zsh', ['-fc', script], { cwd, encoding: 'utf8' })).toBe('_firstboot\n');
});

test.skipIf(fish.missing)('fish takes the script and completes by it', () => {
  for (const [words, becomes] of table) {
    const script = `set -x PATH ./bin $PATH; source ./completion.fish; complete -C "firstboot ${words.join(' ')}"`;
    const out = execFileSync('fish', ['--no-config', '-c', script], { cwd, encoding: 'utf8' });
    const found = out.split('\n').map((line) => line.split('\t')[0]);
    for (const word of becomes) expect(found).toContain(word);
  }
});

test('another shell is refused', async () => {
  const { code, stderr } = await firstboot(['completion', 'tcsh']);
  expect(stderr).toMatch(/bash, zsh, fish/);
  expect(code).toBe(2);
});

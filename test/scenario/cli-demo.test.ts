import { readdir } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { build, firstboot, freePorts, type Line, Running } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

beforeAll(build);

let cwd: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ path: cwd, remove } = await temporaryFolder());
});
afterEach(() => remove());

describe('the demo', () => {
  test('shows both devices from first boot to online and a reset, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await firstboot(['demo'], { cwd, env: { TMPDIR: cwd } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await readdir(cwd)).toEqual([]);
    const sections = stdout.split('\n\n');
    expect(sections.map((text) => text.split('\n')[0]?.slice(0, 20))).toEqual([
      expect.stringMatching(/^development PKI/),
      'device-0001 boots: i',
      'device-0002 boots: i',
      'device-0001 is reset',
      'on the record of the',
    ]);
    // Every step stands in its own section, with what the service did for it, up to the last.
    for (const section of sections.slice(1, 4)) {
      expect(section).toMatch(/time +attest match admit .*initialized\n/);
      expect(section).toMatch(/credentials +issue .*initialized cloud credentials\n/);
      expect(section).toMatch(
        /publish .*initialized cloud credentials acls\n +sum .*\n +online at its cloud as [0-9a-f-]{36}/,
      );
    }
    expect(stdout.trimEnd().split('\n').slice(-3)).toEqual([
      '  O=Example Devices, CN=device-0001: generation 2, 2 certificates issued, confirmed by its cloud',
      '  O=Example Devices, CN=device-0002: generation 1, 1 certificate issued, confirmed by its cloud',
      '  3 attempts, 3 closed as provisioned',
    ]);
  });

  test('--keep leaves a folder on which the printed commands work', async () => {
    const demo = await firstboot(['demo', '--keep', 'try', '--json'], { cwd });
    expect(demo.code).toBe(0);
    const lines = demo.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    expect(demo.stdout).not.toMatch(/eyJ[\w-]{10,}\.|PRIVATE KEY|privateKey|accessToken/);
    expect(lines.filter(({ event }) => event === 'online')).toHaveLength(3);
    expect(lines.filter(({ event, stage }) => event === 'stage' && stage === 'confirm')).toHaveLength(3);

    const commands = lines.at(-1)?.commands as string[];
    expect(commands.map((command) => command.split(' ').slice(0, 3).join(' '))).toEqual([
      'npx firstboot serve',
      'npx firstboot gateway',
      'npx firstboot device',
      'npx firstboot pki',
    ]);
    // Their default ports may be taken on this machine: the environment gives others.
    const [port, issuer, gateway] = await freePorts(3);
    const env = {
      FIRSTBOOT_PORT: `${port}`,
      FIRSTBOOT_ISSUER_PORT: `${issuer}`,
      FIRSTBOOT_ISSUER: `http://127.0.0.1:${issuer}`,
      FIRSTBOOT_GATEWAY: `coaps+tcp://127.0.0.1:${gateway}`,
      FIRSTBOOT_GATEWAY_PORT: `${gateway}`,
    };
    const started: Running[] = [];
    const byHand = (command = ''): Running => {
      const args = command.replace('127.0.0.1:20030', `127.0.0.1:${port}`).split(' ').slice(2);
      const running = new Running(args, { cwd, env });
      started.push(running);
      return running;
    };
    try {
      await byHand(commands[0]).words(/firstboot is listening/);
      await byHand(commands[1]).words(/cloud gateway/);
      await byHand(commands[2]).words(/online at its cloud/);
      expect(await byHand(commands[3]).finished()).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('device-0001'),
      });
    } finally {
      for (const running of started.toReversed()) await running.stop();
    }
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind either when %s ends it', async (signal) => {
    const demo = new Running(['demo', '--json'], { cwd, env: { TMPDIR: cwd } });
    await demo.line({ event: 'step', step: 'acls' });
    expect((await demo.stop(signal)).code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(await readdir(cwd)).toEqual([]);
  });

  test('a kept folder is not overwritten by the next demo', async () => {
    await firstboot(['pki', 'dev', '--out', 'try/pki'], { cwd });
    const { code, stderr } = await firstboot(['demo', '--keep', 'try'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/try\/pki.*not empty/);
  });
});

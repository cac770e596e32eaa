import { spawnSync } from 'node:child_process';

/** Programs that we did not write and that the interop tests run, with what installs them on Debian. */
const programs = {
  openssl: { ask: ['version'], from: 'openssl' },
  'coap-client-notls': { ask: ['-V'], from: 'libcoap3-bin' },
  'coap-server-notls': { ask: ['-V'], from: 'libcoap3-bin' },
  'coap-client-openssl': { ask: ['-V'], from: 'libcoap3-bin' },
  'coap-client-gnutls': { ask: ['-V'], from: 'libcoap3-bin' },
  'softhsm2-util': { ask: ['--version'], from: 'softhsm2' },
  chromium: { ask: ['--version'], from: 'chromium' },
  zsh: { ask: ['--version'], from: 'zsh' },
  fish: { ask: ['--version'], from: 'fish' },
} as const;

export type PeerProgram = keyof typeof programs;

export interface Peer {
  readonly program: PeerProgram;
  /** For `describe.skipIf`. */
  readonly missing: boolean;
  /** For the name of a group of tests: the program with its version, or why its tests are skipped. */
  readonly title: string;
}

/**
 * Looks for a program. When it is not there its tests are skipped and the reason is printed; with FIRSTBOOT_PEERS=required,
 * as in CI, that is a failure instead.
 */
export function findPeer(program: PeerProgram): Peer {
  const { ask, from } = programs[program];
  const { error, stdout, stderr } = spawnSync(program, ask, { encoding: 'utf8' });
  if (!error) return { program, missing: false, title: `${program} ${versionIn(stdout + stderr)}` };
  const reason = `${program} is not installed (Debian package ${from})`;
  if (process.env.FIRSTBOOT_PEERS === 'required') throw new Error(`FIRSTBOOT_PEERS=required, but ${reason}`);
  console.warn(`skipped: ${reason}`);
  return { program, missing: true, title: `${program} (skipped: not installed, Debian package ${from})` };
}

const versionIn = (text: string): string => /\d+\.\d+(\.\d+)?[a-z]?/.exec(text)?.[0] ?? 'of unknown version';

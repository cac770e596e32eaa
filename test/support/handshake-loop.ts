import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { SecureContextOptions } from '../../src/secure/association.ts';
import { createSecureContext, engineStatistics, verifyPath } from '../../src/secure/engine.ts';
import { callbackKey } from './callback-key.ts';
import { identityOf, makePki, testTime } from './chains.ts';
import { Wire } from './wire.ts';

// A program for leak checks, see docs/testing-native.md: `node test/support/handshake-loop.ts ROUNDS`. A line per round.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const pki = await makePki();
const key = Buffer.alloc(16, 1);
const elsewhere = { ...identityOf(pki.client, pki.intermediate), privateKey: callbackKey(pki.client.key) };
const broken = {
  ...elsewhere,
  privateKey: callbackKey(pki.client.key, () => {
    throw new Error('it does not sign');
  }),
};

function round(transport: 'datagram' | 'stream'): void {
  const make = (options: Partial<SecureContextOptions>) =>
    createSecureContext({ transport, clock: 'simulated', role: 'client', ...options });
  const trust = { anchors: [pki.root.der], purpose: 'any' } as const;
  const server = make({ role: 'server', psk: 'lookup', identity: identityOf(pki.server, pki.intermediate), trust });
  const clients = [
    make({ identity: identityOf(pki.client, pki.intermediate), trust }),
    make({ identity: identityOf(pki.client), trust }),
    make({ identity: elsewhere, trust }),
    make({ identity: broken, trust }),
    make({ psk: { identity: Buffer.from('device'), key } }),
  ];
  for (let i = 0; i < 10; i++) {
    for (const client of clients) {
      const wire = new Wire(server, client);
      wire.keys = () => key;
      wire.handshake().run();
      wire.client.send(Buffer.from('message'), wire.now);
      wire.run();
      if (i % 2 === 0) wire.client.close(wire.now);
      wire.run();
      wire.abort();
    }
  }
  verifyPath({ leaf: pki.client.der, untrusted: [Buffer.from('no certificate')], trust, at: testTime });
}

const rounds = Number(process.argv[2] ?? 10);
for (let i = 1; i <= rounds; i++) {
  round('datagram');
  round('stream');
  for (let pass = 0; pass < 2; pass++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { contexts, sessions, jobs } = engineStatistics();
  console.log(
    JSON.stringify({ round: i, alive: contexts + sessions + jobs, residentBytes: process.memoryUsage().rss }),
  );
}

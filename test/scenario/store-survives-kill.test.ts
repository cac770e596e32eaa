import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { randomFraction, seededRandom } from '../../src/core/random.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const rounds = 5;
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url));

it('everything a store acknowledged is there, and whole, after kill -9 at any moment', async () => {
  const folder = await temporaryFolder();
  const random = seededRandom(7);
  const acknowledged: string[] = [];
  for (let round = 0; round < rounds; round++) {
    acknowledged.push(...(await writeUntilKilled(folder.path, round, 20 + randomFraction(random) * 300)));
    const store = await openLevelStore(folder.path);
    for (const line of acknowledged) {
      const [serial = '', deviceId = '', keyId = ''] = line.split(' ');
      const credential = await store.credential(serial);
      expect(credential).toMatchObject({ serial, deviceId, keyId, generation: 1 });
      expect(await store.ownerOfDeviceId(deviceId)).toBe(keyId);
      // Record and index are written together.
      expect(await store.credentials(keyId)).toEqual([credential]);
    }
    await store.close();
  }
  expect(acknowledged.length).toBeGreaterThan(rounds * 32);
  await folder.remove();
});

/** Lines the writer printed whole, from its first one until `ms` later. */
async function writeUntilKilled(folder: string, round: number, ms: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, folder, `${round}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (some: string) => {
    text += some;
  });
  await once(child.stdout, 'data');
  await sleep(ms);
  child.kill('SIGKILL');
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}

import { uuidV4 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { someCredential } from './store-records.ts';

/**
 * A process to be killed: writes claims, credentials and attempts as fast as it can, 32 at a time, and prints a line
 * `serial deviceId keyId` for each pair the store has acknowledged.
 * Usage: node test/support/store-writer.ts FOLDER ROUND
 */
const [folder = '', round = ''] = process.argv.slice(2);
const store = await openLevelStore(folder);

await Promise.all(
  Array.from({ length: 32 }, async (_, writer) => {
    for (let n = 0; ; n++) {
      const serial = `${round}${writer.toString(16).padStart(2, '0')}${n.toString(16).padStart(8, '0')}`;
      const [deviceId, keyId] = [uuidV4(systemRandom), uuidV4(systemRandom)];
      await store.claimDeviceId(deviceId, keyId);
      await store.addCredential(someCredential(serial, { deviceId, keyId }));
      process.stdout.write(`${serial} ${deviceId} ${keyId}\n`);
    }
  }),
);

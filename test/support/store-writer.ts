import { uuidV4 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { someCredential, someDevice, someGroup, startOfRecords } from './store-records.ts';

/**
 * A process to be killed: writes claims and credentials, and changes that belong together, as fast as it can, 32 at a time,
 * and prints a line `serial deviceId keyId` for each lot that the store has acknowledged.
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
      const revoked = someCredential(serial, { deviceId, keyId, revoked: { at: 1, reason: 'superseded' } });
      const next = someCredential(`${serial}0`, { deviceId, keyId, generation: 2 });
      await store.commit({
        devices: [someDevice(0, { keyId, deviceId, state: 'active' })],
        credentials: [revoked],
        newCredentials: [next],
        groups: [someGroup(0, { id: keyId })],
        access: [
          {
            groupId: keyId,
            list: 'allow',
            device: { by: 'subject', value: `${serial}*` },
            note: undefined,
            addedAt: startOfRecords,
          },
        ],
        audit: {
          at: startOfRecords,
          actor: { kind: 'operator', name: 'kim', from: 'host' },
          action: 'device.rekey',
          target: keyId,
          detail: { serial },
        },
      });
      process.stdout.write(`${serial} ${deviceId} ${keyId}\n`);
    }
  }),
);

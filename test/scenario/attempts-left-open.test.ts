import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { seconds } from '../../src/core/clock.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { systemRandom } from '../../src/core/random.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { startConfiguredService } from '../support/configured-service.ts';
import { SkippingTimers } from '../support/service.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  place = await temporaryFolder();
});
afterEach(() => place.remove());

it('an attempt that an earlier process left open ends in its time, although no device comes', async () => {
  const timers = new SkippingTimers();
  const at = timers.now();
  const id = uuidV7(at, systemRandom);
  const before = await openLevelStore(join(place.path, 'data/store'));
  await before.appendAttempt(id, [{ at, type: 'opened', transport: 'coaps', peer: '192.0.2.1:5684' }], undefined);
  await before.close();
  const { service, close } = await startConfiguredService({ folder: place.path, timers });
  try {
    expect(service.provisioner.openAttempts).toBe(1);
    timers.skip(limits.provision.run + seconds(1));
    await expect.poll(async () => (await service.store.attempt(id))?.entries.at(-1)?.type).toBe('closed');
  } finally {
    await close();
  }
});

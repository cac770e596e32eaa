import { join } from 'node:path';
import { describe } from 'vitest';
import { systemRandom } from '../../../src/core/random.ts';
import { createOperations } from '../../../src/operator/local-operations.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { seedOperations } from '../../support/operations-bench.ts';
import { policyOperationsConformance } from '../../support/operations-policy-conformance.ts';
import { recordOperationsConformance } from '../../support/operations-records-conformance.ts';
import { someActor } from '../../support/operator-bench.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('operations over a store', () => {
  const open = async () => {
    const folder = await temporaryFolder();
    const store = await openLevelStore(join(folder.path, 'store'), { synced: false });
    const { authority } = await seedOperations(store, folder.path);
    const deps = { store, now: () => Date.now(), actor: someActor, random: systemRandom, authority };
    const close = async (): Promise<void> => {
      await store.close();
      await folder.remove();
    };
    return { operations: createOperations(deps), store, linesBefore: 0, close };
  };
  policyOperationsConformance(open);
  recordOperationsConformance(open);
});

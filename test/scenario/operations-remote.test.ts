import { join } from 'node:path';
import { describe } from 'vitest';
import { createApiClient } from '../../src/cli/remote/client.ts';
import { remoteOperations } from '../../src/cli/remote/operations.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { startTestApi } from '../support/api.ts';
import { seedOperations } from '../support/operations-bench.ts';
import { policyOperationsConformance } from '../support/operations-policy-conformance.ts';
import { recordOperationsConformance } from '../support/operations-records-conformance.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('operations over the API of a service', () => {
  const open = async () => {
    const folder = await temporaryFolder();
    const store = await openLevelStore(join(folder.path, 'store'), { synced: false });
    const { authority } = await seedOperations(store, folder.path);
    const api = await startTestApi({ store, authority });
    const linesBefore = (await store.auditHead())?.seq ?? 0;
    const operations = remoteOperations(createApiClient({ url: api.url, token: api.tokens.admin }));
    const close = async (): Promise<void> => {
      await api.close();
      await store.close();
      await folder.remove();
    };
    return { operations, store, linesBefore, close };
  };
  policyOperationsConformance(open);
  recordOperationsConformance(open);
});

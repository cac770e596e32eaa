import { createOperations, type LocalOperationsDeps } from '../operator/local-operations.ts';
import { ownerView } from '../operator/owner-view.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './principal.ts';
import type { ApiOptions } from './server.ts';

export interface ConfinedDeps extends Omit<LocalOperationsDeps, 'actor' | 'ownerId'> {
  /** Whether who is bound to an owner says what its groups know devices by; default: only admins of everything do. */
  readonly ownersAttest?: boolean | undefined;
}

/** What each caller works with, in its own name: who is bound to an owner finds only what is of that owner. */
export function confined(deps: ConfinedDeps): Pick<ApiOptions, 'storeFor' | 'operationsFor'> {
  const { store, ownersAttest } = deps;
  const storeFor = ({ ownerId }: Principal): Store =>
    ownerId === undefined ? store : ownerView(store, ownerId, { ownersAttest });
  return {
    storeFor,
    operationsFor: (principal) => {
      const { name, from, ownerId } = principal;
      return createOperations({
        ...deps,
        store: storeFor(principal),
        actor: { kind: 'operator', name, from },
        ownerId,
      });
    },
  };
}

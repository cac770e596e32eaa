import { hours } from '../../core/clock.ts';
import { noDevices } from '../../operator/groups.ts';
import type { DeviceCount, Store } from '../../store/store.ts';
import { route } from '../route.ts';
import { type Overview, overview } from '../schemas/overview.ts';

const get = route({
  id: 'getOverview',
  method: 'GET',
  path: '/overview',
  tag: 'overview',
  summary: 'Show the service at a glance',
  role: 'viewer',
  answer: overview,
  errors: [],
  handle: async ({ store, service, principal, now }) => {
    const { ready, reasons } = service.health();
    const bound = principal.ownerId !== undefined;
    const devices = devicesOf(await store.deviceCounts());
    const body: Overview = {
      devices,
      pending: devices.byState.pending,
      attempts24h: await attemptsSince(store, now - hours(24)),
      openAttempts: bound ? null : service.openAttempts(),
      groups: (await store.groups.list()).length,
      hubs: (await store.hubs.list()).length,
      uptime: Math.max(0, now - service.startedAt),
      version: service.version,
      // Why it is not ready may name what is not the caller's.
      readiness: { ready, waitsFor: bound ? [] : [...reasons] },
      storeEpoch: store.epoch,
    };
    return { body };
  },
});

export const overviewRoutes = [get];

function devicesOf(counts: readonly DeviceCount[]): Overview['devices'] {
  const byState = noDevices();
  let [total, alarmed] = [0, 0];
  for (const { state, alarms, count } of counts) {
    byState[state] += count;
    total += count;
    if (alarms) alarmed += count;
  }
  return { total, byState, alarms: alarmed };
}

async function attemptsSince(store: Store, since: number): Promise<Overview['attempts24h']> {
  const verdicts: Record<string, number> = {};
  const codes: Record<string, number> = {};
  for (const slot of await store.statistics({ since })) {
    for (const [verdict, count] of Object.entries(slot.verdicts)) verdicts[verdict] = (verdicts[verdict] ?? 0) + count;
    for (const [code, count] of Object.entries(slot.codes)) codes[code] = (codes[code] ?? 0) + count;
  }
  return { verdicts, codes };
}

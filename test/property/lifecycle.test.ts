import fc from 'fast-check';
import { it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { revokeCredentials } from '../../src/operator/credentials.ts';
import {
  allowReset,
  approveDevice,
  decommissionDevice,
  disableDevice,
  enableDevice,
  quarantineDevice,
  rejectDevice,
  releaseDevice,
  transferDevice,
} from '../../src/operator/devices.ts';
import { schemes, stepNames } from '../support/booting.ts';
import { OneLife, type Operation } from '../support/one-life.ts';

/** Done before time goes on: by the name that a counterexample shows. */
const happenings: Readonly<Record<string, (life: OneLife) => Promise<void> | void>> = {
  'is reset': (life) => life.reset(),
  'is told to provision again': (life) => life.forceReprovision(),
  'loses its power': (life) => life.losePower(),
  'loses its power for a moment': async (life) => {
    await life.losePower();
    await life.switchOn();
  },
  'is switched on': (life) => life.switchOn(),
  'service killed': (life) => life.killService(),
  'service stopped': (life) => life.stopService(),
  'service killed and started': async (life) => {
    await life.killService();
    await life.startService();
  },
  'service started': (life) => life.startService(),
  'hub away': (life) => life.world.gateway().down(),
  'hub back': (life) => life.world.gateway().up(),
  'group disabled': (life) => life.changeGroup({ enabled: false }),
  'group enabled': (life) => life.changeGroup({ enabled: true }),
  'admission by hand': (life) => life.changeGroup({ admission: 'manual' }),
  'admission by itself': (life) => life.changeGroup({ admission: 'auto' }),
  'resets migrate': (life) => life.changeGroup({ reprovisioning: 'migrate' }),
  'resets keep': (life) => life.changeGroup({ reprovisioning: 'keep' }),
  'no resets': (life) => life.changeGroup({ reprovisioning: 'never' }),
};

/** Done by an operator as time goes on, at once or when the device asks for a step. */
const operations: Readonly<Record<string, Operation>> = {
  approved: approveDevice,
  rejected: rejectDevice,
  quarantined: quarantineDevice,
  released: releaseDevice,
  disabled: disableDevice,
  enabled: enableDevice,
  decommissioned: decommissionDevice,
  'allowed a reset': allowReset,
  'given to bob': (deps, keyId) => transferDevice(deps, keyId, 'bob'),
  'given to eve': (deps, keyId) => transferDevice(deps, keyId, 'eve'),
  'credentials revoked': (deps, device) => revokeCredentials(deps, { device }, { reason: 'keyCompromise' }),
  'credentials on hold': (deps, device) => revokeCredentials(deps, { device }, { reason: 'certificateHold' }),
};

/** In the middle of a step; within a run; a run and more; past a renewal; past the end of every certificate. */
const pause = fc.oneof(
  { weight: 4, arbitrary: fc.nat(200) },
  { weight: 4, arbitrary: fc.nat(seconds(10)) },
  { weight: 4, arbitrary: fc.integer({ min: seconds(30), max: minutes(5) }) },
  { weight: 1, arbitrary: fc.constantFrom(minutes(20), minutes(40)) },
);

const happening = fc.oneof(
  fc.constantFrom('is reset', 'loses its power', 'is switched on', 'service killed'),
  fc.constantFrom(...Object.keys(happenings)),
);

/** What, when an operator does it, and how much time passes then. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(happening, fc.constant('now'), pause) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...Object.keys(operations)), fc.constantFrom('now', ...stepNames), pause),
  },
);

const circumstances = fc.record({ scheme: fc.constantFrom(...schemes), loss: fc.constantFrom(0, 0, 0.05) });

it('no sequence of resets, renewals, approvals and crashes leaves two live identities for one device, nor a device locked out', async () => {
  const end = performance.now() + seconds(18);
  const sequence = fc.array(step, { minLength: 10, maxLength: 30, size: 'max' });
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), circumstances, sequence, async (seed, around, steps) => {
      // Enough for a slow machine, also of making a counterexample smaller.
      if (performance.now() > end) return;
      const life = await OneLife.begin(seed, around);
      try {
        await life.switchOn();
        for (const [what, when, ms] of steps) {
          await happenings[what]?.(life);
          const operation = operations[what];
          if (!operation) await life.pass(ms);
          else if (when === 'now') await Promise.all([life.operate(operation), life.pass(ms)]);
          else await life.operateAt(when, operation, ms);
          await life.holdsTogether();
        }
        await life.comesBack();
      } finally {
        await life.end();
      }
    }),
    { seed: 1, numRuns: 60 },
  );
});

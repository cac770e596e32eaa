import { afterEach, describe, expect, test } from 'vitest';
import type { IncomingRequest } from '../../../src/coap/endpoint.ts';
import { hours, type Millis, minutes, seconds, type Timers } from '../../../src/core/clock.ts';
import { lastErrors } from '../../../src/device/status.ts';
import {
  type BootOptions,
  bootDevice,
  calls,
  isProvisioned,
  lab,
  onlineAt,
  pass,
  type Scheme,
  schemes,
} from '../../support/booting.ts';
import { type StepFault, World, type WorldOptions } from '../../support/world.ts';

// Identity certificates that live for seconds: behaviours 29, 30, 32 and 33 of docs/behaviours.md.

let world: World;
afterEach(() => world.close());

const create = async (identityLife: Millis, options: WorldOptions = {}): Promise<World> => {
  world = await World.create({ identityLife, ...options });
  return world;
};

const changeLife = (life: Millis): Promise<void> =>
  world.changePolicy({
    groups: world.settings.groups.map((group) => ({ ...group, certificate: { ...group.certificate, life } })),
  });

const boot = (scheme: Scheme, options: Partial<BootOptions> = {}) => bootDevice({ world, scheme, ...lab, ...options });

describe.each(schemes)('over %s', (scheme) => {
  test('30 an identity that is over when it arrives: the acls are never asked for, and the run keeps restarting', async () => {
    await create(seconds(1));
    // Seen from the device, an authority whose clock is behind: after each time step its own clock goes ahead.
    let ahead = 0;
    const timers: Timers = {
      now: () => world.timers.now() + ahead,
      schedule: (at, wake) => world.timers.schedule(at - ahead, wake),
    };
    const device = await boot(scheme, { timers });
    const errors = new Set<number>();
    device.onStatus(({ lastError }) => errors.add(lastError));
    device.onStep(({ step, result }) => {
      if (step === 'time' && result === 'done') ahead += seconds(3);
    });
    await pass(world, seconds(60));
    expect(world.requests.get('credentials')).toBeGreaterThan(2);
    expect(world.requests.get('time')).toBeGreaterThan(2);
    expect(world.requests.get('acls')).toBeUndefined();
    expect(device.state.credentials).toBeUndefined();
    expect(errors).toEqual(new Set([lastErrors.ok, lastErrors.getCredentials]));
  });

  test('30 an identity within the expiring limit is refused just so; with a longer one the same device gets through', async () => {
    await create(seconds(9));
    const device = await boot(scheme);
    await pass(world, seconds(60));
    expect(world.requests.get('credentials')).toBeGreaterThan(2);
    expect(world.requests.get('acls')).toBeUndefined();
    await changeLife(minutes(30));
    expect(await world.run(() => isProvisioned(device), minutes(1))).toBe(true);
    expect(world.requests.get('acls')).toBe(1);
  });

  test('30 our authority signs nothing that is over already: the credentials step is refused, the run restarts', async () => {
    const refused: string[] = [];
    await create(-seconds(1), {
      onEntry: (_attempt, entry) => {
        if (entry.type === 'stage' && entry.refusal) refused.push(entry.refusal.code);
      },
    });
    await boot(scheme);
    await pass(world, seconds(60));
    expect(new Set(refused)).toEqual(new Set(['issue.lint']));
    expect(world.requests.get('credentials')).toBeGreaterThan(2);
    expect(world.requests.get('acls')).toBeUndefined();
  });

  test('32 a short-lived identity is renewed by a second credentials call and nothing else: 1/1/1/2/1', async () => {
    await create(seconds(30));
    const device = await boot(scheme);
    await world.run(() => isProvisioned(device));
    const first = device.state.credentials?.identity;
    expect(await world.run(() => world.requests.get('credentials') === 2, minutes(1))).toBe(true);
    await pass(world, seconds(5));
    expect(calls(world)).toBe('1/1/1/2/1');
    expect(device.state.credentials?.identity).not.toBe(first);
  });

  test('33 a renewal while the device is online shows in its status, and the session with the gateway is kept', async () => {
    await create(seconds(20));
    const device = await boot(scheme);
    await world.run(() => device.online, seconds(10));
    const words: string[] = [];
    device.onStatus(({ text }) => words.push(text));
    const opened = world.opened;
    const signedInAt = world.gateway().devices[0]?.signedInAt;
    expect(await world.run(() => words.length === 2, minutes(1))).toBe(true);
    expect(words).toEqual(['renew credentials', 'provisioned']);
    expect(world.opened).toBe(opened + 1);
    expect(device.online).toBe(true);
    expect(world.gateway().devices).toMatchObject([{ online: true, signedInAt }]);
  });

  test('29 an identity that expires before the hub is reached does not get online; a good one does', async () => {
    let blocked = true;
    const heldBack = held('acls', seconds(14));
    await create(seconds(13), {
      fault: (request, earlier) => {
        const step = request.path.at(-1);
        if (step === 'credentials' && earlier > 0 && blocked) return { type: 'answer', code: 503 };
        return heldBack(request);
      },
    });
    const hosts: string[] = [];
    const network = world.network();
    const device = await boot(scheme, {
      network: {
        open: (request) => {
          hosts.push(request.uri.host);
          return network.open(request);
        },
      },
    });
    expect(await world.run(() => isProvisioned(device), seconds(30))).toBe(true);
    const { credentials, clockOffset = 0 } = device.state;
    expect(credentials?.validTo).toBeLessThan(world.timers.now() + clockOffset);
    expect(await world.run(() => device.online, minutes(1))).toBe(false);
    expect(hosts.filter((host) => host === world.gateway().host)).not.toEqual([]);
    expect(world.gateway().devices).toEqual([]);

    blocked = false;
    await changeLife(hours(2));
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    expect(onlineAt(world.gateway())).toEqual([device.state.deviceId]);
  });

  test('29 the gateway ends the session of a device whose identity has expired', async () => {
    await create(seconds(30), {
      fault: ({ path }, earlier) =>
        path.at(-1) === 'credentials' && earlier > 0 ? { type: 'answer', code: 503 } : undefined,
    });
    const device = await boot(scheme);
    expect(await world.run(() => device.online, seconds(10))).toBe(true);
    await world.run(() => !device.online, seconds(40));
    expect(world.gateway().devices).toMatchObject([{ deviceId: device.state.deviceId, online: false }]);
  });
});

/** A step answered no earlier than this after it was asked for first. */
function held(step: string, ms: Millis): (request: IncomingRequest) => StepFault | undefined {
  let since: Millis | undefined;
  return ({ path }) => {
    if (path.at(-1) !== step) return undefined;
    const now = world.timers.now();
    since ??= now;
    return since + ms > now ? { type: 'delay', ms: since + ms - now } : undefined;
  };
}

import { hash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import type { Fingerprint } from '../../src/device/context.ts';
import { SimulatedDevice, type SimulatedDeviceOptions } from '../../src/device/simulator.ts';
import { DeviceBench } from '../support/device-bench.ts';
import { World } from '../support/world.ts';

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const fingerprint: Fingerprint = { digest: 'SHA256', value: new Uint8Array(32).fill(7) };
const ca = new Uint8Array([1]);

describe('how the service is judged', () => {
  const trusts = (settings: ConstructorParameters<typeof DeviceBench>[0]): unknown[] => {
    const bench = new DeviceBench(settings).boot();
    bench.runOnline();
    const [time, rest] = bench.opened;
    return [time?.trust, rest?.trust].map((trust) => trust && [trust.anchors.length, trust.dates, trust.fingerprints]);
  };

  it('with a CA: by it alone, and by the dates once the time is known', () => {
    expect(trusts({ settings: { service: [ca] } })).toEqual([
      [1, 'ignore', undefined],
      [1, 'check', undefined],
    ]);
  });

  it('with checks skipped: not at all', () => {
    expect(trusts({ settings: { service: 'skip' } })).toEqual([undefined, undefined]);
  });

  it('with checks skipped and a fingerprint: by the fingerprint alone, in the time step, too', () => {
    expect(trusts({ settings: { service: 'skip', fingerprint } })).toEqual([
      [0, 'ignore', [fingerprint.value]],
      [0, 'check', [fingerprint.value]],
    ]);
  });

  it('with a CA and a fingerprint: the CA has to vouch for the time; then either may', () => {
    expect(trusts({ settings: { service: [ca], fingerprint } })).toEqual([
      [1, 'ignore', undefined],
      [1, 'check', [fingerprint.value]],
    ]);
  });

  it('with a fingerprint and no CA: by the fingerprint in every step (plgd gets stuck in the time step)', () => {
    expect(trusts({ settings: { service: [], fingerprint } })).toEqual([
      [0, 'ignore', [fingerprint.value]],
      [0, 'check', [fingerprint.value]],
    ]);
  });

  it('by the trust anchors that the service has given the device, too', () => {
    const bench = new DeviceBench({ settings: { service: [ca] } }).boot();
    bench.runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.runOnline();
    expect(bench.opened[3]?.trust?.anchors).toHaveLength(2);
  });
});

describe('a fingerprint in a real handshake', () => {
  /** Whether the device gets to its last step; a refused one never gets past the time. */
  async function provisions(
    options: (world: World) => Partial<SimulatedDeviceOptions> & { readonly serviceCa?: readonly Uint8Array[] },
  ): Promise<boolean> {
    const world = await World.create();
    undo.push(() => world.close());
    const [manufacturer] = world.pki.devices;
    if (!manufacturer) throw new Error('no device');
    const { serviceCa, ...rest } = options(world);
    const device = await SimulatedDevice.create({
      endpoint: 'coaps+tcp://service',
      identity: { ...manufacturer, serviceCa },
      network: world.network(),
      timers: world.timers,
      connect: false,
      ...rest,
    });
    undo.push(() => device.close());
    device.client.start();
    const provisioned = (): boolean => device.client.status.progress === 10645;
    const refused = (): boolean => device.report.steps.filter(({ refusal }) => refusal).length > 1;
    await world.run(() => provisioned() || refused(), minutes(5));
    return provisioned();
  }

  const leafOf = (world: World): Uint8Array => {
    const leaf = world.settings.identity.chain[0];
    if (!leaf) throw new Error('no certificate');
    return leaf;
  };
  const printOf = (der: Uint8Array, digest: Fingerprint['digest'] = 'SHA256'): Fingerprint => ({
    digest,
    value: new Uint8Array(hash(digest.toLowerCase(), der, 'buffer')),
  });

  it.each(['SHA256', 'SHA384'] as const)('lets a service pass without a CA: %s', async (digest) => {
    expect(await provisions((world) => ({ fingerprint: printOf(leafOf(world), digest) }))).toBe(true);
  });

  it('lets it pass when checks are skipped, and a wrong one does not even then', async () => {
    const skipVerification = true;
    expect(await provisions((world) => ({ skipVerification, fingerprint: printOf(leafOf(world)) }))).toBe(true);
    expect(await provisions(() => ({ skipVerification, fingerprint }))).toBe(false);
    expect(await provisions(() => ({ skipVerification }))).toBe(true);
  });

  it('counts beside a CA that vouches, whether it is right or wrong', async () => {
    const good = (world: World): readonly Uint8Array[] => [world.pki.serviceCa.certificate.der];
    expect(await provisions((world) => ({ serviceCa: good(world), fingerprint }))).toBe(true);
    expect(await provisions((world) => ({ serviceCa: good(world), fingerprint: printOf(leafOf(world)) }))).toBe(true);
  });

  it('does not help beside a CA that does not vouch: the time step asks for it', async () => {
    const stranger = (world: World): readonly Uint8Array[] => [world.pki.manufacturer.root.certificate.der];
    expect(await provisions((world) => ({ serviceCa: stranger(world), fingerprint: printOf(leafOf(world)) }))).toBe(
      false,
    );
  });

  it('may be of any certificate that the service presents', async () => {
    expect(
      await provisions((world) => {
        const last = world.settings.identity.chain.at(-1);
        return last ? { fingerprint: printOf(last) } : {};
      }),
    ).toBe(true);
  });
});

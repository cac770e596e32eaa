import { expect } from 'vitest';
import { decodeCertificates } from '../../src/codec/pem.ts';
import { type Millis, minutes } from '../../src/core/clock.ts';
import { FirstbootError } from '../../src/core/errors.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { verifyAudit } from '../../src/operator/audit.ts';
import type { OperatorDeps } from '../../src/operator/change.ts';
import { allowReset, approveDevice, enableDevice, releaseDevice } from '../../src/operator/devices.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { awaitsOwner, ownerOf } from '../../src/provision/owner.ts';
import type { Credential, Device, EnrollmentGroup } from '../../src/store/model.ts';
import { bootDevice, onlineAt, pass, type Scheme } from './booting.ts';
import { operatorOf } from './lifecycle.ts';
import { SlowStorage } from './slow-storage.ts';
import { type StepFault, World } from './world.ts';

/** Of the certificates that are issued here, and how long before their end a device wants new ones. */
const identityLife = minutes(30);
const expiring = minutes(5);
/** How long the device takes to write its state, ms: a new device id is stored before it is named to anybody. */
const storing = 20;

/** What an operator does to a device. */
export type Operation = (deps: OperatorDeps, keyId: string) => Promise<unknown>;

/**
 * The life of one device and of the service that it belongs to. Anything may be done to both; after each thing the records
 * must hold together, and at the end the device must be able to come back.
 */
export class OneLife {
  readonly world: World;
  private readonly scheme: Scheme;
  private readonly storage: SlowStorage;
  private client: DeviceClient | undefined;
  private serving = true;
  /** What an operator does as soon as the device asks for this. */
  private ambush: { readonly step: string; readonly begin: () => void } | undefined;
  /** The newest generation that was ever seen confirmed: from then on none before it may be alive. */
  private confirmed = 0;

  private constructor(world: World, scheme: Scheme) {
    this.world = world;
    this.scheme = scheme;
    this.storage = new SlowStorage(world.timers, storing);
  }

  /** @param loss of the network: a share of what is sent */
  static async begin(
    seed: number,
    { scheme, loss }: { readonly scheme: Scheme; readonly loss: number },
  ): Promise<OneLife> {
    let life: OneLife | undefined;
    const world = await World.create({
      seed,
      identityLife,
      link: { loss },
      fault: ({ path }) => life?.lieInWait(path.at(-1)),
      // An alarm about a device that nobody has cloned would cost its customer the device.
      settings: (settings) => ({
        ...settings,
        groups: settings.groups.map((group) => ({ ...group, clones: 'quarantine' })),
      }),
    });
    life = new OneLife(world, scheme);
    return life;
  }

  get device(): DeviceClient {
    if (!this.client) throw new Error('the device is off');
    return this.client;
  }

  pass(ms: Millis): Promise<void> {
    return pass(this.world, ms);
  }

  async switchOn(): Promise<void> {
    const { world, scheme, storage } = this;
    this.client ??= await bootDevice({ world, scheme, storage, expiring, cloudChecks: 30 });
  }

  /** Without a word to anybody. */
  async losePower(): Promise<void> {
    this.client?.powerOff();
    this.storage.cut();
    await this.client?.shutdown();
    this.client = undefined;
  }

  /** Nothing when it is off. */
  reset(): void {
    this.client?.factoryReset();
  }

  forceReprovision(): void {
    this.client?.forceReprovision();
  }

  async killService(): Promise<void> {
    if (this.serving) await this.world.killService();
    this.serving = false;
  }

  async stopService(): Promise<void> {
    if (this.serving) await this.world.stopService();
    this.serving = false;
  }

  async startService(): Promise<void> {
    if (!this.serving) await this.world.startService();
    this.serving = true;
  }

  /** What an operator does. Nothing while the service is away, nor to a device that never came; what makes no sense is refused. */
  async operate(operation: Operation): Promise<void> {
    const device = this.serving ? await this.record() : undefined;
    if (!device) return;
    try {
      await operation(operatorOf(this.world), device.keyId);
    } catch (error) {
      if (!(error instanceof FirstbootError) || error.code !== 'operator.conflict') throw error;
    }
  }

  /** The same in the very moment in which the device asks for a step, if it does within `ms`. */
  async operateAt(step: string, operation: Operation, ms: Millis): Promise<void> {
    let done: Promise<void> | undefined;
    const begin = (): void => {
      done = this.operate(operation);
    };
    this.ambush = { step, begin };
    await this.pass(ms);
    this.ambush = undefined;
    await done;
  }

  /** The request waits a moment, so that sometimes the one and sometimes the other is first. */
  private lieInWait(step: string | undefined): StepFault | undefined {
    if (this.ambush?.step !== step) return undefined;
    this.ambush?.begin();
    this.ambush = undefined;
    return { type: 'delay', ms: 0 };
  }

  async changeGroup(changes: Partial<EnrollmentGroup>): Promise<void> {
    if (!this.serving) return;
    const groups = await this.world.store.groups.list();
    await this.world.changePolicy({ groups: groups.map((group) => ({ ...group, ...changes })) });
  }

  /** What must be so at any time. */
  async holdsTogether(): Promise<void> {
    const device = this.serving ? await this.record() : undefined;
    if (!device) return;
    const live = await this.liveCredentials(device);
    if (device.confirmedAt !== undefined) this.confirmed = Math.max(this.confirmed, device.generation);
    expect(live.filter(({ generation }) => generation < this.confirmed)).toEqual([]);
    if (['quarantined', 'disabled', 'decommissioned'].includes(device.state)) expect(live).toEqual([]);
    expect(live.filter(({ generation }) => generation > device.generation)).toEqual([]);
    if (device.deviceId !== undefined) {
      expect(await this.world.store.ownerOfDeviceId(device.deviceId)).toBe(device.keyId);
    }
    // There is but one such device.
    expect(device.alarms).toEqual([]);
  }

  /** Takes back what outages and operators do; then nothing may be left that keeps the device out, or alive twice. */
  async comesBack(): Promise<void> {
    const { world } = this;
    await this.startService();
    for (const gateway of world.gateways.flat()) gateway.up();
    await this.changeGroup({ enabled: true });
    await this.switchOn();
    await this.letIn();
    if (!(await this.isOnlineSoon())) {
      // It may have waited for approval only now, or been reset where that has to be allowed.
      await this.letIn();
      await this.operate(allowReset);
    }
    expect(await this.isOnlineSoon()).toBe(true);
    if (await this.followsOldOwner()) {
      this.device.forceReprovision();
      expect(await world.run(() => !this.device.online, minutes(1))).toBe(true);
      expect(await this.isOnlineSoon()).toBe(true);
    }
    // An arrival while the service was away is told when the device shows itself again: before its token ends.
    const isConfirmed = (): boolean => world.gateway().devices.some(({ online, confirmed }) => online && confirmed);
    expect(await world.run(isConfirmed, minutes(65))).toBe(true);
    // As long as a gateway needs to hear of revocations.
    await this.pass(minutes(6));
    expect(await this.isOnlineSoon()).toBe(true);
    await this.agrees();
  }

  private isOnlineSoon(): Promise<boolean> {
    const { device, world } = this;
    return world.run(() => device.online && onlineAt(world.gateway()).includes(device.state.deviceId), minutes(10));
  }

  private async letIn(): Promise<void> {
    const free = {
      pending: approveDevice,
      decommissioned: approveDevice,
      quarantined: releaseDevice,
      disabled: enableDevice,
    };
    const { state = 'active' } = (await this.record()) ?? {};
    if (state !== 'active') await this.operate(free[state]);
    // A device that was held before it was ever approved waits again.
    if ((await this.record())?.state === 'pending') await this.operate(approveDevice);
  }

  private async followsOldOwner(): Promise<boolean> {
    const device = await this.record();
    return device !== undefined && awaitsOwner(device);
  }

  /** The device and its service say the same. */
  private async agrees(): Promise<void> {
    const { world, device } = this;
    await this.holdsTogether();
    const { state } = device;
    expect(onlineAt(world.gateway())).toEqual([state.deviceId]);
    const record = await this.record();
    if (!record) throw new Error('an online device has no record');
    expect(record).toMatchObject({ state: 'active', deviceId: state.deviceId, confirmedAt: expect.any(Number) });
    const group = await world.store.groups.get(record.groupId);
    const owner = group && ownerOf(record, group);
    expect(state.owner).toBe(owner?.id);
    expect(world.gateway().devices.find(({ online }) => online)).toMatchObject({ owner: owner?.name });
    const [leaf = new Uint8Array()] = decodeCertificates(state.credentials?.identity ?? '');
    const used = await world.store.credential(parseCertificate(leaf).serial);
    expect(used).toMatchObject({ keyId: record.keyId, deviceId: state.deviceId, generation: record.generation });
    expect(await this.liveCredentials(record)).toContainEqual(used);
    expect(await verifyAudit(world.store)).toMatchObject({ ok: true });
  }

  private async liveCredentials({ keyId }: Device): Promise<readonly Credential[]> {
    const now = this.world.timers.now();
    const all = await this.world.store.credentials(keyId);
    return all.filter(({ revoked, notAfter }) => revoked === undefined && notAfter > now);
  }

  private async record(): Promise<Device | undefined> {
    const devices = await this.world.store.devices({ limit: 2 });
    expect(devices.length).toBeLessThan(2);
    return devices[0];
  }

  async end(): Promise<void> {
    await this.losePower();
    await this.world.close();
  }
}

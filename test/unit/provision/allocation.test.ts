import { describe, expect, test } from 'vitest';
import { orderHubs } from '../../../src/provision/allocation.ts';
import { asksWebhook, configure } from '../../../src/provision/configure.ts';
import type { Device, HubAllocation } from '../../../src/store/model.ts';
import { someDevice, someGroup, someHub, someUuid } from '../../support/store-records.ts';

const hubs = [1, 2, 3].map((seed) => someHub(seed, { gateways: [`coaps+tcp://hub${seed}:5684`] }));
const [one, two, three] = hubs.map(({ id }) => id) as [string, string, string];
const byId = new Map(hubs.map((hub) => [hub.id, hub]));
const subject = (keyId: string) => ({ keyId, serial: undefined, subject: 'CN=lamp' });
const keys = Array.from({ length: 1000 }, (_, k) => someUuid(k));

const order = (allocation: HubAllocation, keyId: string, of = hubs): string[] =>
  orderHubs(allocation, of, subject(keyId), undefined).hubs.map(({ id }) => id);

const shares = (allocation: HubAllocation, of = hubs): Map<string, number> => {
  const counted = new Map<string, number>();
  for (const key of keys) {
    const first = order(allocation, key, of)[0] ?? '';
    counted.set(first, (counted.get(first) ?? 0) + 1);
  }
  return counted;
};

describe('the order of hubs', () => {
  test('first: as listed, for everybody', () => {
    expect(order({ type: 'first' }, someUuid(5))).toEqual([one, two, three]);
  });

  test('hashed: a third each of 1,000 keys, the same each time', () => {
    const counted = shares({ type: 'hashed' });
    // Three standard deviations of a third of 1,000 are 45.
    for (const id of [one, two, three]) expect(Math.abs((counted.get(id) ?? 0) - 333)).toBeLessThan(45);
    expect(order({ type: 'hashed' }, keys[0] ?? '')).toEqual(order({ type: 'hashed' }, keys[0] ?? ''));
  });

  test('weighted: in proportion, nobody new with weight 0 or without one', () => {
    const counted = shares({ type: 'weighted', weights: { [one]: 1, [two]: 4 } });
    expect(Math.abs((counted.get(one) ?? 0) - 200)).toBeLessThan(38);
    expect(Math.abs((counted.get(two) ?? 0) - 800)).toBeLessThan(38);
    expect(counted.get(three)).toBeUndefined();
    expect(order({ type: 'weighted', weights: { [one]: 1, [two]: 4, [three]: 0 } }, someUuid(5)).at(-1)).toBe(three);
    expect(order({ type: 'weighted', weights: {} }, someUuid(5))).toEqual([one, two, three]);
  });

  test('a hub that is added takes keys from the others, and moves none between them', () => {
    for (const allocation of [
      { type: 'hashed' },
      { type: 'weighted', weights: { [one]: 2, [two]: 1, [three]: 1 } },
    ] as const) {
      const before = keys.map((key) => order(allocation, key, hubs.slice(0, 2))[0]);
      const after = keys.map((key) => order(allocation, key)[0]);
      const moved = keys.filter((_, k) => before[k] !== after[k]);
      expect(moved.length).toBeGreaterThan(150);
      expect(keys.filter((_, k) => before[k] !== after[k] && after[k] !== three)).toEqual([]);
    }
  });

  test('static: where it is written down, by key or subject; the others take the first', () => {
    const allocation: HubAllocation = {
      type: 'static',
      devices: [
        { device: { by: 'key', value: someUuid(5) }, hub: three },
        { device: { by: 'subject', value: 'CN=lamp*' }, hub: two },
      ],
    };
    expect(order(allocation, someUuid(5))).toEqual([three, one, two]);
    expect(order(allocation, someUuid(6))).toEqual([two, one, three]);
    const other = { ...subject(someUuid(6)), subject: 'CN=door' };
    expect(orderHubs(allocation, hubs, other, undefined)).toMatchObject({ by: 'first', hubs: [{ id: one }, {}, {}] });
  });
});

describe('where a device goes', () => {
  const fresh = someDevice(5);
  const at = (id: string) => ({ uri: `coaps+tcp://${byId.get(id)?.name.replace(' ', '')}:5684`, id });
  const goes = (
    device: Device,
    allocation: HubAllocation,
    { selected, answer, keep = false }: { selected?: string; answer?: string; keep?: boolean } = {},
  ): string => {
    const group = someGroup(9, { hubs: [one, two, three], allocation, reprovisioning: keep ? 'keep' : 'migrate' });
    const destination = configure(group, byId, device, selected === undefined ? undefined : at(selected), answer);
    if (!destination.ok) return destination.refusal.code;
    const { hub, chosen, others } = destination.value;
    expect(others).toHaveLength(2);
    return `${byId.get(hub.id)?.name} ${chosen}`;
  };
  const toThree: HubAllocation = {
    type: 'static',
    devices: [{ device: { by: 'key', value: fresh.keyId }, hub: three }],
  };

  test('what it has selected wins over an allocation, but not over what is written down for it', () => {
    expect(goes(fresh, { type: 'hashed' }, { selected: two })).toBe('hub 2 selected');
    expect(goes(fresh, toThree, { selected: two })).toBe('hub 3 static');
    expect(goes(fresh, toThree, { selected: three })).toBe('hub 3 selected');
  });

  test('a group that keeps what it gave leaves a device at its hub, whatever the allocation says now', () => {
    const known = { ...fresh, hubId: two };
    expect(goes(known, { type: 'first' })).toBe('hub 1 first');
    expect(goes(known, { type: 'first' }, { keep: true })).toBe('hub 2 kept');
    expect(goes(known, toThree, { keep: true })).toBe('hub 2 kept');
    expect(goes(known, { type: 'first' }, { keep: true, selected: three })).toBe('hub 3 selected');
    expect(goes({ ...fresh, hubId: someUuid(77) }, { type: 'first' }, { keep: true })).toBe('hub 1 first');
  });

  test('a webhook is asked for a device that has no hub, and has to name one of the group', () => {
    const webhook: HubAllocation = { type: 'webhook', url: 'http://localhost', timeout: 1000, secretFile: undefined };
    const group = someGroup(9, { hubs: [one, two, three], allocation: webhook });
    expect(asksWebhook(group, byId, fresh, undefined)).toBe(true);
    expect(asksWebhook(group, byId, fresh, at(two))).toBe(false);
    expect(asksWebhook({ ...group, reprovisioning: 'keep' }, byId, { ...fresh, hubId: one }, undefined)).toBe(false);
    expect(asksWebhook({ ...group, allocation: { type: 'first' } }, byId, fresh, undefined)).toBe(false);
    expect(goes(fresh, webhook, { answer: three })).toBe('hub 3 webhook');
    expect(goes(fresh, webhook, { answer: someUuid(77) })).toBe('configure.allocation');
  });
});

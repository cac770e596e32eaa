import type { FastifyReply } from 'fastify';
import { FirstbootError } from '../../core/errors.ts';
import type { Uuid } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { DeviceView } from '../../operator/operations.ts';
import type { Asked } from './asked.ts';
import type { Message } from './message.ts';
import { recordMessage } from './records.ts';

/** Devices as records, those that fit one filter or more; without filters all. */
export async function listRecords(asked: Asked): Promise<FastifyReply> {
  const keys = asked.filter('idFilter');
  const deviceIds = asked.filter('deviceIdFilter');
  const groups = asked.filter('enrollmentGroupIdFilter');
  return asked.stream(records(asked, { keys, deviceIds, groups }));
}

interface RecordFilter {
  readonly keys: readonly string[];
  readonly deviceIds: readonly string[];
  readonly groups: readonly string[];
}

/** Each device once, whatever filter it fits. */
async function* records(asked: Asked, { keys, deviceIds, groups }: RecordFilter): AsyncGenerator<Message> {
  const { operations } = asked;
  const told = new Set<Uuid>();
  // Many devices have one group and one hub.
  const groupOf = remembering(async (id) => (await operations.group(id)).group);
  const hubOf = remembering(async (id) => (await operations.hub(id)).hub);
  const tell = async function* (view: DeviceView): AsyncGenerator<Message> {
    const { keyId, groupId, hubId } = view.device;
    if (told.has(keyId)) return;
    told.add(keyId);
    const group = await groupOf(groupId);
    const hub = hubId === undefined ? undefined : await hubOf(hubId);
    const attempts = await Promise.all(view.attempts.slice(0, lookedThrough).map(({ id }) => operations.attempt(id)));
    yield recordMessage({ view, group, hub, attempts });
  };
  for (const id of [...keys, ...deviceIds]) {
    const view = await ifThere(() => operations.device(id));
    if (view && fits(view, id, keys.includes(id))) yield* tell(view);
  }
  const all = keys.length + deviceIds.length + groups.length === 0;
  for (const group of all ? [undefined] : groups) {
    if (group !== undefined && !(await ifThere(() => operations.group(group)))) continue;
    let after: string | undefined;
    do {
      const page = await operations.devices({ group }, { ...(after !== undefined && { after }), limit: pageRows });
      for (const { keyId } of page.rows) yield* tell(await operations.device(keyId));
      after = page.next;
    } while (after !== undefined);
  }
}

/** Attempts of a device that are looked through for its last steps. */
const lookedThrough = 3;
const pageRows = limits.api.page;

/** A key id is not a device id, though operators may write either. */
const fits = ({ device }: DeviceView, id: string, byKey: boolean): boolean =>
  byKey ? device.keyId === id : device.deviceId === id;

/** Looks each thing up once. */
function remembering<T>(find: (id: Uuid) => Promise<T>): (id: Uuid) => Promise<T | undefined> {
  const found = new Map<Uuid, T | undefined>();
  return async (id) => {
    if (!found.has(id)) found.set(id, await ifThere(() => find(id)));
    return found.get(id);
  };
}

/** Undefined when there is no such thing, which no filter complains about. */
async function ifThere<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof FirstbootError && /^operator\.(not-found|ambiguous|input)$/.test(error.code)) return undefined;
    throw error;
  }
}

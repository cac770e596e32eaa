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
  const tell = async function* (view: DeviceView): AsyncGenerator<Message> {
    const { keyId, groupId, hubId } = view.device;
    if (told.has(keyId)) return;
    told.add(keyId);
    const group = await absentAs(undefined, async () => (await operations.group(groupId)).group);
    const hub =
      hubId === undefined ? undefined : await absentAs(undefined, async () => (await operations.hub(hubId)).hub);
    const attempts = await Promise.all(view.attempts.slice(0, lookedThrough).map(({ id }) => operations.attempt(id)));
    yield recordMessage({ view, group, hub, attempts });
  };
  for (const id of [...keys, ...deviceIds]) {
    const view = await absentAs(undefined, () => operations.device(id));
    if (view && fits(view, id, keys.includes(id))) yield* tell(view);
  }
  const filters = keys.length + deviceIds.length > 0 ? groups : groups.length > 0 ? groups : [undefined];
  for (const group of filters) {
    const listed = group === undefined || (await absentAs(undefined, () => operations.group(group))) !== undefined;
    for (let after: string | undefined; listed; ) {
      const page = await operations.devices({ group }, { ...(after !== undefined && { after }), limit: pageRows });
      for (const { keyId } of page.rows) yield* tell(await operations.device(keyId));
      after = page.next;
      if (after === undefined) break;
    }
  }
}

/** Attempts of a device that are looked through for its last steps. */
const lookedThrough = 3;
const pageRows = limits.api.page;

/** A key id is not a device id, though operators may write either. */
const fits = ({ device }: DeviceView, id: string, byKey: boolean): boolean =>
  byKey ? device.keyId === id : device.deviceId === id;

/** The value of `work`, or `absent` when there is no such thing, which no filter complains about. */
async function absentAs<T, A>(absent: A, work: () => Promise<T>): Promise<T | A> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FirstbootError && /^operator\.(not-found|ambiguous|input)$/.test(error.code)) return absent;
    throw error;
  }
}

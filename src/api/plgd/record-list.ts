import type { FastifyReply } from 'fastify';
import { FirstbootError } from '../../core/errors.ts';
import type { Uuid } from '../../core/ids.ts';
import type { DeviceView } from '../../operator/operations.ts';
import type { RecordFilter } from '../../operator/records.ts';
import type { Attempt } from '../../store/model.ts';
import type { Asked } from './asked.ts';
import type { Message } from './message.ts';
import { hasEveryStep, recordMessage } from './records.ts';

/** Devices as records, those that fit one filter or more; without filters all. */
export const listRecords = async (asked: Asked): Promise<FastifyReply> => asked.stream(records(asked));

export async function deleteRecords(asked: Asked): Promise<FastifyReply> {
  asked.requireOnly('idFilter', 'deviceIdFilter', 'enrollmentGroupIdFilter');
  const { result } = await asked.operations.deleteRecords(filterOf(asked));
  return asked.answer({ count: String(result) });
}

const filterOf = (asked: Asked): RecordFilter => ({
  keyIds: asked.filter('idFilter'),
  deviceIds: asked.filter('deviceIdFilter'),
  groups: asked.filter('enrollmentGroupIdFilter'),
});

async function* records(asked: Asked): AsyncGenerator<Message> {
  const { operations } = asked;
  // Many devices have one group and one hub.
  const groupOf = remembering(async (id) => (await operations.group(id)).group);
  const hubOf = remembering(async (id) => (await operations.hub(id)).hub);
  for await (const { keyId } of operations.records(filterOf(asked))) {
    const view = await ifThere(() => operations.device(keyId));
    if (view === undefined) continue;
    const { groupId, hubId } = view.device;
    const group = await groupOf(groupId);
    const hub = hubId === undefined ? undefined : await hubOf(hubId);
    yield recordMessage({ view, group, hub, attempts: await lastAttempts(asked, view) });
  }
}

/** Newest first, as far back as they have to be looked through for each step. */
async function lastAttempts({ operations }: Asked, view: DeviceView): Promise<readonly Attempt[]> {
  const attempts: Attempt[] = [];
  for (const { id } of view.attempts) {
    const attempt = await ifThere(() => operations.attempt(id));
    if (attempt) attempts.push(attempt);
    if (hasEveryStep(attempts)) break;
  }
  return attempts;
}

/** Looks each thing up once; undefined when it is not there. */
function remembering<T>(find: (id: Uuid) => Promise<T>): (id: Uuid) => Promise<T | undefined> {
  const found = new Map<Uuid, T | undefined>();
  return async (id) => {
    if (!found.has(id)) found.set(id, await ifThere(() => find(id)));
    return found.get(id);
  };
}

/** What is listed may be gone, or be another owner's, when it is looked at. */
async function ifThere<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof FirstbootError && error.code === 'operator.not-found') return undefined;
    throw error;
  }
}

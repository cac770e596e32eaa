import { readFile } from 'node:fs/promises';
import { fromUtf8 } from '../core/bytes.ts';
import type { Timers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { hasOwnersWebhook } from '../provision/owners-urls.ts';
import type { AllocationSource } from '../provision/ports.ts';
import type { Device, EnrollmentGroup, HubAllocation } from '../store/model.ts';
import { boundedFetch, FetchFault } from './bounded-fetch.ts';

type Webhook = Extract<HubAllocation, { readonly type: 'webhook' }>;

/**
 * Asks the webhooks of enrollment groups for the hub of a device: POST of
 * `{"device": {"keyId", "deviceId", "subject", "serial"}, "group": {"id", "name"}, "hubs": [uuid]}` as JSON, the secret as a
 * bearer token (RFC 6750 §2.1); the answer is `{"hub": uuid}`. Whether that is a hub of the group is for stage configure.
 * @param ownersReachPrivate whether those that owners have written may be anywhere that this machine reaches; default: on the
 *   public Internet only
 */
export function createAllocationWebhook({
  timers,
  ownersReachPrivate = false,
}: {
  readonly timers: Timers;
  readonly ownersReachPrivate?: boolean | undefined;
}): AllocationSource {
  let underWay = 0;
  return {
    async hubFor({ group, device }) {
      const { allocation } = group;
      if (allocation.type !== 'webhook') throw new TypeError(`${group.name} has no webhook`);
      if (underWay >= limits.cloud.allocationsInFlight) {
        throw failure('service.busy', { url: allocation.url, underWay }, 'the webhook is slow');
      }
      underWay++;
      try {
        const publicOnly = !ownersReachPrivate && hasOwnersWebhook(group);
        return await ask(allocation, { group, device, timers, publicOnly });
      } finally {
        underWay--;
      }
    },
  };
}

interface Question {
  readonly group: EnrollmentGroup;
  readonly device: Device;
  readonly timers: Timers;
  readonly publicOnly: boolean;
}

async function ask(webhook: Webhook, { group, device, timers, publicOnly }: Question): Promise<Uuid> {
  const { url, timeout } = webhook;
  const evidence = { group: group.name, url };
  try {
    const secret = await readSecret(webhook);
    const response = await boundedFetch(
      url,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
        },
        body: JSON.stringify(question(group, device)),
      },
      timers,
      { bytes: limits.cloud.allocationBytes, within: timeout, publicOnly },
    );
    if (response.status !== 200) {
      throw failure(
        'configure.allocation',
        { ...evidence, status: response.status },
        'let the webhook answer with 200',
      );
    }
    return readAnswer(new Uint8Array(await response.arrayBuffer()), evidence);
  } catch (error) {
    if (error instanceof FirstbootError) throw error;
    const reason = error instanceof FetchFault ? error.reason : 'unreachable';
    const fix = publicOnly
      ? 'look whether the program behind the webhook runs, and whether it is on the public Internet: an owner’s has to be'
      : 'start the program behind the webhook, or look why it does not answer in time';
    throw failure('configure.allocation', { ...evidence, reason, timeoutMs: timeout }, fix, error);
  }
}

const question = (group: EnrollmentGroup, { keyId, deviceId, manufacturer }: Device): object => ({
  device: {
    keyId,
    deviceId: deviceId ?? null,
    // What a device let in by its pinned key alone says of itself is no ground for anything.
    subject: manufacturer.unverified ? null : manufacturer.subject,
    serial: manufacturer.unverified ? null : (manufacturer.serial ?? null),
  },
  group: { id: group.id, name: group.name },
  hubs: group.hubs,
});

function readAnswer(body: Uint8Array, evidence: { readonly group: string; readonly url: string }): Uuid {
  const fix = 'let the webhook answer with JSON: {"hub": "<id of a hub of the group>"}';
  let answer: unknown;
  try {
    answer = JSON.parse(fromUtf8(body));
  } catch (error) {
    throw failure('configure.allocation', { ...evidence, answer: 'no JSON' }, fix, error);
  }
  const named = typeof answer === 'object' && answer !== null && 'hub' in answer ? answer.hub : undefined;
  const hub = typeof named === 'string' ? parseUuid(named) : undefined;
  if (hub === undefined) throw failure('configure.allocation', { ...evidence, answer: 'no hub id' }, fix);
  return hub;
}

/** Read anew each time, so that a changed secret needs no restart. */
async function readSecret({ secretFile }: Webhook): Promise<string | undefined> {
  if (secretFile === undefined) return undefined;
  const text = await readFile(secretFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const evidence = { file: secretFile, found: error.code ?? 'an error' };
    throw failure('configure.allocation', evidence, "put the webhook's secret into this file");
  });
  const secret = text.trim();
  if (/^[\x21-\x7e]+$/.test(secret)) return secret;
  const evidence = { file: secretFile, found: secret === '' ? 'nothing' : 'more than one printable word' };
  throw failure(
    'configure.allocation',
    evidence,
    "put the webhook's secret into this file, in one line of printable ASCII",
  );
}

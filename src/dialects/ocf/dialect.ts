import type { IncomingRequest, OutgoingResponse } from '../../coap/endpoint.ts';
import { contentFormat, negotiate } from '../../coap/formats.ts';
import { findOption, optionNumber, uintOption } from '../../coap/options.ts';
import { createRouter, faultResponse } from '../../coap/router.ts';
import { encodeCbor } from '../../codec/cbor.ts';
import { utf8 } from '../../core/bytes.ts';
import type { Millis } from '../../core/clock.ts';
import { errorTable, type Refusal, refused } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { ProvisioningSession } from '../../provision/contract.ts';
import { acls } from './acls.ts';
import { cloud } from './cloud.ts';
import { credentials } from './credentials.ts';
import { ownership } from './ownership.ts';
import type { OcfResource, OctetResource, Rendering } from './resource.ts';
import { revocations } from './revocations.ts';
import { time } from './time.ts';

/** plgd's provisioning protocol, OCF over CoAP (contract: plgd-device.md, plgd-service.md). */
export interface OcfDialect {
  /** Answers one request of a session, whatever it is. Does not reject. */
  handle(session: ProvisioningSession, request: IncomingRequest, now: Millis): Promise<OutgoingResponse>;
}

export interface OcfDialectDeps {
  readonly log: Log;
}

const resources: readonly (OcfResource | OctetResource)[] = [time, ownership, cloud, credentials, acls, revocations];

const router = createRouter(
  resources.map((resource) => ({ method: resource.method, path: resource.path, handler: resource })),
);

/** OCF 2.x (OCF Core §12.2.5): what OCF-Content-Format-Version says of our payloads. */
const ocfVersion = 2048;

export function createOcfDialect({ log }: OcfDialectDeps): OcfDialect {
  return {
    async handle(session, request, now) {
      if (request.fault) return faultResponse(request.fault);
      const found = router.find(request);
      if (!found.ok) return diagnostic(found.refusal);
      try {
        const resource = found.value;
        if ('octets' in resource) return await serveOctets(resource, session, request, now, log);
        return await serve(resource, session, request, now, log);
      } catch (error) {
        log.error({ attemptId: session.attemptId, path: found.value.path, error }, 'an unexpected error');
        return diagnostic({ code: 'service.internal', evidence: {}, fix: '' });
      }
    },
  };
}

async function serve(
  resource: OcfResource,
  session: ProvisioningSession,
  request: IncomingRequest,
  now: Millis,
  log: Log,
): Promise<OutgoingResponse> {
  const reject = async (refusal: Refusal): Promise<OutgoingResponse> => {
    await session.rejected(resource.step, refusal, now);
    return diagnostic(refusal);
  };
  const format = negotiate(request.accept);
  if (format === undefined) {
    const evidence = { accept: request.accept ?? 'none' };
    return reject(refused('request.accept', evidence, 'accept content format 10000, 60 or 50').refusal);
  }
  const outcome = await resource.answer(session, request, now);
  if (!outcome.ok) return 'unread' in outcome ? reject(outcome.unread) : diagnostic(outcome.refusal);
  const payload = encode(outcome.value, format);
  if (payload.length > limits.device.responseBytes) {
    const evidence = { path: resource.path, bytes: payload.length, limit: limits.device.responseBytes };
    const fix = 'give the enrollment group fewer hubs or gateways, shorter chains or shorter tokens';
    log.error({ attemptId: session.attemptId, ...evidence }, `an answer is too long for the device: ${fix}`);
    return reject(refused('service.config', evidence, fix).refusal);
  }
  return {
    code: resource.method === 'GET' ? 205 : 204,
    payload,
    contentFormat: format,
    options: versionOption(request, format),
  };
}

async function serveOctets(
  resource: OctetResource,
  session: ProvisioningSession,
  { accept }: IncomingRequest,
  now: Millis,
  log: Log,
): Promise<OutgoingResponse> {
  if (negotiate(accept, [resource.contentFormat]) === undefined) {
    return diagnostic({ code: 'request.accept', evidence: {}, fix: '' });
  }
  const answer = await resource.octets(session, now);
  if (!answer.ok) return diagnostic(answer.refusal);
  if (answer.value.length > limits.coap.bodyBytes) {
    const evidence = { path: resource.path, bytes: answer.value.length, limit: limits.coap.bodyBytes };
    log.info(
      { attemptId: session.attemptId, ...evidence },
      'an answer is too long for CoAP: it is to be had over HTTP',
    );
    return diagnostic({ code: 'service.answer-too-large', evidence, fix: 'get it over HTTP' });
  }
  return { code: 205, payload: answer.value, contentFormat: resource.contentFormat };
}

function encode(rendering: Rendering, format: number): Uint8Array {
  return format === contentFormat.json ? utf8(JSON.stringify(rendering('json'))) : encodeCbor(rendering('cbor'));
}

/** The option is critical by its number, so only who speaks of versions gets one; for plain CBOR and JSON it means nothing. */
function versionOption(request: IncomingRequest, format: number): NonNullable<OutgoingResponse['options']> {
  const asked = findOption(request.options, optionNumber.ocfAcceptContentFormatVersion) !== undefined;
  if (!asked || format !== contentFormat.ocfCbor) return [];
  return [uintOption(optionNumber.ocfContentFormatVersion, ocfVersion)];
}

/** Code and public text, never evidence. No Content-Format: the device would close the session on it (plgd-device b). */
function diagnostic({ code }: Refusal): OutgoingResponse {
  const { coap, text } = errorTable[code];
  return { code: coap, payload: utf8(`${code}: ${text}`) };
}

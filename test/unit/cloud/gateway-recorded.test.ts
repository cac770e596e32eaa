import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createGateway } from '../../../src/cloud/gateway.ts';
import type { GatewayGrant, GatewayTokens } from '../../../src/cloud/gateway-tokens.ts';
import type { IncomingRequest } from '../../../src/coap/endpoint.ts';
import { decodeFrame } from '../../../src/coap/framing.ts';
import type { CoapMessage } from '../../../src/coap/message.ts';
import { readRequest } from '../../../src/coap/request.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { decided } from '../../../src/core/errors.ts';
import { Secret } from '../../../src/core/secret.ts';
import { bodyOf, cloudTime, deviceId, identitySession } from '../../support/cloud.ts';

interface Recorded {
  readonly request: string;
  readonly answer?: string;
}

const recorded: Readonly<Record<'sign-up' | 'sign-in' | 'publish', Recorded>> = JSON.parse(
  readFileSync(new URL('../../vectors/gateway/plgd-device-cloud.json', import.meta.url), 'utf8'),
);

/** The tokens of the recorded run: opaque texts that never end. */
const recordedTokens: GatewayTokens = {
  verify: async () => decided({ ...user, ownerId: undefined, deviceId, audience: undefined, expiresAt: undefined }),
  exchange: async (token) => {
    expect(token).toBe('the-access-token');
    return decided(grant);
  },
  refresh: async () => decided(grant),
};
const user = { owner: 'user1' };
const grant: GatewayGrant = {
  accessToken: new Secret('at2'),
  refreshToken: new Secret('rt2'),
  expiresAt: undefined,
  subject: user,
};

it("answers the recorded requests of plgd's device with the bytes that the device accepted", async () => {
  const gateway = createGateway({ tokens: recordedTokens, provider: 'plgd' });
  const session = { ...identitySession() };
  for (const step of ['sign-up', 'sign-in'] as const) {
    const answer = await gateway.handle(session, requestOf(recorded[step]), cloudTime);
    const accepted = message(recorded[step].answer ?? '');
    expect(toHex(answer.payload ?? new Uint8Array())).toBe(toHex(accepted.payload));
    expect(answer.code).toBe(accepted.code);
    expect(answer.contentFormat).toBe(10000);
    // OCF-Content-Format-Version 2048, as recorded.
    expect(answer.options).toEqual([{ number: 2053, value: Uint8Array.of(8, 0) }]);
  }
  const published = await gateway.handle(session, requestOf(recorded.publish), cloudTime);
  expect(published.code).toBe(204);
  const hrefs = ['/oic/d', '/oic/p', '/light/1', '/switches', '/oc/con', '/plgd/dps'];
  expect(gateway.devices()[0]?.links.map(({ href }) => href)).toEqual(hrefs);
  expect(gateway.devices()[0]?.links[0]?.ins).toBe(3778239946);
  expect(bodyOf(published)).toMatchObject({ di: deviceId, ttl: 0, lt: 0 });
});

const requestOf = ({ request }: Recorded): IncomingRequest => readRequest(message(request), 'POST', true);

function message(hex: string): CoapMessage {
  const frame = decodeFrame(fromHex(hex));
  if (frame.type !== 'message') throw new TypeError(`a vector is ${frame.type}`);
  return frame.message;
}

import type { Method, OutgoingRequest } from '../coap/endpoint.ts';
import { contentFormat } from '../coap/formats.ts';
import { optionNumber, uintOption } from '../coap/options.ts';
import { type CborMap, encodeCbor } from '../codec/cbor.ts';
import { utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { nilUuid, type Uuid } from '../core/ids.ts';
import { type DeviceState, type Gateway, type Registration, selectedGateway } from './state.ts';
import type { Step } from './steps.ts';

/** Where each step is asked for (contract, plgd-device b1 to b5). */
const stepPaths: Readonly<Record<Step, readonly string[]>> = {
  time: ['x.plgd.dev', 'time'],
  ownership: ['api', 'v1', 'provisioning', 'ownership'],
  cloud: ['api', 'v1', 'provisioning', 'cloud-configuration'],
  credentials: ['api', 'v1', 'provisioning', 'credentials'],
  acls: ['api', 'v1', 'provisioning', 'acls'],
};

/** The gateway that a device names as selected before it has ever been told one. */
const builtInGateway: Gateway = { uri: 'coaps+tcp://127.0.0.1', id: nilUuid };

/**
 * The request of a step, as plgd's client sends it. The time is asked for with CON, everything else with NON (over UDP).
 * @param csr PEM; used by `credentials` only.
 */
export function stepRequest(step: Step, state: DeviceState, csr: () => string, timeout: Millis): OutgoingRequest {
  switch (step) {
    case 'time':
      return { ...get(stepPaths.time, timeout), confirmable: true };
    case 'cloud': {
      const gateway = (state.cloud && selectedGateway(state.cloud)) ?? builtInGateway;
      const selected = { uri: gateway.uri, id: gateway.id === '' ? nilUuid : gateway.id };
      return post(stepPaths.cloud, { di: state.deviceId, selectedGateway: selected }, timeout);
    }
    case 'credentials':
      return post(
        stepPaths.credentials,
        { di: state.deviceId, csr: { data: csr(), encoding: 'oic.sec.encoding.pem' } },
        timeout,
      );
    default:
      return get(stepPaths[step], timeout);
  }
}

/** Sign-up, sign-in, token refresh, publishing and sign-off at the cloud's gateway (contract, plgd-device b6). */
export const cloudRequests = {
  signUp: (deviceId: Uuid, provider: string, accessToken: string, timeout: Millis): OutgoingRequest =>
    post(
      ['oic', 'sec', 'account'],
      { di: deviceId, authprovider: provider, accesstoken: accessToken, devicetype: 'device' },
      timeout,
    ),

  signIn: (deviceId: Uuid, { userId, accessToken }: Registration, timeout: Millis): OutgoingRequest =>
    post(['oic', 'sec', 'session'], { uid: userId, di: deviceId, accesstoken: accessToken, login: true }, timeout),

  refresh: (
    deviceId: Uuid,
    { userId, refreshToken }: Registration,
    provider: string,
    timeout: Millis,
  ): OutgoingRequest =>
    post(
      ['oic', 'sec', 'tokenrefresh'],
      {
        uid: userId,
        di: deviceId,
        authprovider: provider,
        granttype: 'refresh_token',
        refreshtoken: refreshToken,
      },
      timeout,
    ),

  publish: (deviceId: Uuid, name: string, links: readonly Link[], timeout: Millis): OutgoingRequest => ({
    ...post(
      ['oic', 'rd'],
      {
        di: deviceId,
        n: name,
        ttl: 0,
        links: links.map(({ href, types, interfaces, instance }) => ({
          href,
          rt: types,
          if: interfaces,
          rel: 'hosts',
          ins: instance,
          p: { bm: 3 },
        })),
      },
      timeout,
    ),
    query: ['rt=oic.wk.rdpub'],
  }),

  /** @param token false leaves the access token out: only where the device is signed in. */
  signOff: (
    deviceId: Uuid,
    { userId, accessToken }: Registration,
    token: boolean,
    timeout: Millis,
  ): OutgoingRequest => ({
    ...ask('DELETE', ['oic', 'sec', 'account'], timeout),
    query: [`uid=${userId}`, `di=${deviceId}`, ...(token ? [`accesstoken=${accessToken}`] : [])],
    options: [uintOption(optionNumber.ocfAcceptContentFormatVersion, ocfVersion)],
  }),
} as const;

/** Whether a token goes into a Uri-Query option (RFC 7252 §5.10: 255 bytes). */
export const fitsQuery = ({ accessToken }: Registration): boolean => isQueryItem(`accesstoken=${accessToken}`);

/** Whether a sign-off can be asked for at all: without the user's id no cloud knows whom it is about. */
export const canSignOff = ({ userId }: Registration): boolean => isQueryItem(`uid=${userId}`);

const isQueryItem = (text: string): boolean => utf8(text).length <= 255;

/** A resource that the device publishes at its cloud. */
export interface Link {
  readonly href: string;
  readonly types: readonly string[];
  readonly interfaces: readonly string[];
  /** 0 .. 2^32 - 1, unique on the device. */
  readonly instance: number;
}

/** The version of OCF's CBOR that the device speaks, in options 2049 and 2053: 1.0.0. */
const ocfVersion = 2048;

const get = (path: readonly string[], timeout: Millis): OutgoingRequest => ({
  ...ask('GET', path, timeout),
  options: [uintOption(optionNumber.ocfAcceptContentFormatVersion, ocfVersion)],
});

const post = (path: readonly string[], body: CborMap, timeout: Millis): OutgoingRequest => ({
  ...ask('POST', path, timeout),
  payload: encodeCbor(body),
  contentFormat: contentFormat.ocfCbor,
  options: [
    uintOption(optionNumber.ocfAcceptContentFormatVersion, ocfVersion),
    uintOption(optionNumber.ocfContentFormatVersion, ocfVersion),
  ],
});

const ask = (method: Method, path: readonly string[], timeout: Millis): OutgoingRequest => ({
  method,
  path,
  accept: contentFormat.ocfCbor,
  confirmable: false,
  timeout,
});

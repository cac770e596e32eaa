import type { CoapMessage } from '../../src/coap/message.ts';
import { optionNumber, uintOption } from '../../src/coap/options.ts';
import { type CborValue, encodeCbor } from '../../src/codec/cbor.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { Uuid } from '../../src/core/ids.ts';
import { goodCsr } from './corpus-csrs.ts';
import { deviceRequest, paths } from './raw-coap.ts';

/** A request of some device, and what has to be said of it. */
export interface RequestCase {
  readonly name: string;
  readonly expected: ErrorCode;
  readonly why: string;
  /** Sent one after another in one session; the last one is the bad one. */
  readonly messages: () => readonly CoapMessage[];
}

/**
 * Every broken request that we have thought of.
 * @param reserved the id of a hub.
 * @param taken an id that another device has.
 */
export function requestCorpus(deviceId: Uuid, reserved: Uuid, taken: Uuid): readonly RequestCase[] {
  const one = (name: string, expected: ErrorCode, why: string, ...messages: (() => CoapMessage)[]): RequestCase => ({
    name,
    expected,
    why,
    messages: () => messages.map((make) => make()),
  });
  const cloud = (body: CborValue | Uint8Array) => () => deviceRequest(paths.cloud, body);
  const credentials = (body: CborValue | Uint8Array) => () => deviceRequest(paths.credentials, body);
  return [
    one('bodyGarbage', 'cbor.malformed', 'a body that is not CBOR', cloud(Uint8Array.of(0xff, 0xff))),
    one('bodyCut', 'cbor.malformed', 'a body without its end', cloud(encodeCbor({ di: deviceId }).slice(0, -3))),
    one(
      'bodyTwice',
      'cbor.malformed',
      'something behind the map',
      cloud(Buffer.concat([encodeCbor({}), encodeCbor({})])),
    ),
    one(
      'bodyDeep',
      'cbor.limit',
      'arrays in arrays in arrays',
      cloud(Uint8Array.from({ length: 60 }, (_, at) => (at < 59 ? 0x81 : 0))),
    ),
    one('bodyList', 'request.malformed', 'a list in place of a map', cloud([1, 2, 3])),
    one('bodyText', 'request.malformed', 'a text in place of a map', cloud('di')),
    one('bodyEmpty', 'request.malformed', 'no body', () => ({
      ...deviceRequest(paths.cloud, {}),
      payload: new Uint8Array(),
    })),
    one('idNumber', 'request.malformed', 'the device id is a number', cloud({ di: 17 })),
    one('csrText', 'request.malformed', 'the csr is a text', credentials({ di: deviceId, csr: 'PEM' })),
    one('idMissing', 'bind.device-id-missing', 'no device id', cloud({})),
    one('idNil', 'bind.device-id-missing', 'the nil UUID', cloud({ di: '00000000-0000-0000-0000-000000000000' })),
    one('idText', 'bind.device-id-missing', 'a device id that is no UUID', cloud({ di: 'lamp 1' })),
    one('idOfHub', 'bind.device-id-reserved', "the hub's id as the device's", cloud({ di: reserved })),
    one('idOfAnother', 'bind.device-id-taken', "another device's id", cloud({ di: taken })),
    one(
      'otherIdLater',
      'request.out-of-order',
      'another device id in the next request',
      cloud({ di: deviceId }),
      credentials({ di: taken, csr: goodCsr(taken) }),
    ),
    one('pathUnknown', 'request.unknown-path', 'a path that is not there', () =>
      deviceRequest('/api/v1/provisioning/firmware'),
    ),
    one('methodWrong', 'request.method', 'a GET where it is a POST', () => deviceRequest(paths.cloud)),
    one('acceptUnknown', 'request.accept', 'it wants an image', () =>
      withOption(deviceRequest(paths.ownership), optionNumber.accept, 22),
    ),
    one('formatUnknown', 'request.content-format', 'a body of XML', () =>
      withOption(deviceRequest(paths.credentials, { di: deviceId }), optionNumber.contentFormat, 41),
    ),
  ];
}

const withOption = (message: CoapMessage, number: number, value: number): CoapMessage => ({
  ...message,
  options: message.options.map((option) => (option.number === number ? uintOption(number, value) : option)),
});

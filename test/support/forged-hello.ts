import { createDevelopmentPki } from '../../src/development.ts';
import type { Association, ListenResult, SecureContext } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';

// ClientHellos as somebody writes them who has proved nothing but an address, or not even that (RFC 6347 §4.2.1).

export const now = Date.UTC(2026, 5, 1);
const pki = createDevelopmentPki({ now });

export const serverContext = (): SecureContext =>
  createSecureContext({
    transport: 'datagram',
    role: 'server',
    identity: pki.service,
    trust: { anchors: [pki.manufacturer.root.certificate.der], purpose: 'client' },
    clock: 'simulated',
  });

export const firstHello = (): Buffer => {
  const context = createSecureContext({ transport: 'datagram', role: 'client', clock: 'simulated' });
  const client = context.connect(now);
  const [hello = new Uint8Array()] = client.takeOutput();
  client.abort();
  return Buffer.from(hello);
};

/** The same hello with this cookie and these sequence numbers, as an attacker would write it. */
export function forge(hello: Buffer, cookie: Buffer, messageSequence: number, record: number): Buffer {
  const body = hello.subarray(25);
  const at = 35 + (body[34] ?? 0);
  const old = body[at] ?? 0;
  const forged = Buffer.concat([
    body.subarray(0, at),
    Buffer.from([cookie.length]),
    cookie,
    body.subarray(at + 1 + old),
  ]);
  const headers = Buffer.alloc(25);
  headers.set([22, 0xfe, 0xfd]);
  headers.writeUIntBE(record, 5, 6);
  headers.writeUInt16BE(12 + forged.length, 11);
  headers[13] = 1;
  headers.writeUIntBE(forged.length, 14, 3);
  headers.writeUInt16BE(messageSequence, 17);
  headers.writeUIntBE(forged.length, 22, 3);
  return Buffer.concat([headers, forged]);
}

export const noCookie = Buffer.alloc(0);

export function cookieIn(answer: ListenResult): Buffer {
  if (answer.type !== 'reply') throw new Error(`no HelloVerifyRequest but ${answer.type}`);
  const bytes = Buffer.from(answer.datagram);
  return bytes.subarray(28, 28 + (bytes[27] ?? 0));
}

export function accepted(answer: ListenResult): Association {
  if (answer.type !== 'accepted') throw new Error(`not accepted but ${answer.type}`);
  return answer.association;
}

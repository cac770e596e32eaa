import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { noBytes } from '../core/bytes.ts';

/** What a peer of an HTTPS server has shown. */
export interface ClientCertificate {
  /** DER. */
  readonly der: Uint8Array;
  /** Whether it leads to an authority that the server asks for. */
  readonly verified: boolean;
  /** Why it does not: OpenSSL's name for it. */
  readonly fault: string | undefined;
}

/**
 * The certificate that the peer of a connection has proven to have; undefined: there is no TLS, or it has shown none.
 * A resumed session may count as authorized without one (node's verifyError for TLS 1.3): what counts is the certificate.
 */
export function clientCertificate(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const der = socket.getPeerX509Certificate()?.raw ?? noBytes;
  if (der.length === 0) return undefined;
  const { authorized, authorizationError } = socket;
  const fault =
    authorizationError === undefined || authorizationError === null ? undefined : String(authorizationError);
  return { der: new Uint8Array(der), verified: authorized, fault: authorized ? undefined : fault };
}

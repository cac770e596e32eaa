import { hash } from 'node:crypto';
import type { Server } from 'node:http';
import { decodeCertificates } from '../codec/pem.ts';
import { type ClientCertificate, clientCertificate } from '../transport/client-certificate.ts';
import { peerOf, type Socket } from './connections.ts';

/**
 * The authorities of client certificates. TLS judges a certificate once, when its connection begins: what was judged by
 * authorities of which one has been taken away since is worth nothing any more.
 */
export class ClientAuthorities {
  private present: Authorities;
  /** By which a connection was judged, by its peer. */
  private readonly judged = new Map<string, { readonly by: Authorities }>();

  /** @param clientCas PEM. @throws FirstbootError pem.* */
  constructor(clientCas: string | undefined) {
    this.present = authoritiesIn(clientCas);
  }

  watch(server: Server): void {
    // Its handshake goes by what is in force now, however long that takes.
    server.on('connection', (socket: Socket) => {
      const [peer, judged] = [peerOf(socket), { by: this.present }];
      this.judged.set(peer, judged);
      socket.once('close', () => {
        if (this.judged.get(peer) === judged) this.judged.delete(peer);
      });
    });
  }

  /** @returns puts them in force. @throws FirstbootError pem.* */
  prepare(clientCas: string | undefined): () => void {
    const next = authoritiesIn(clientCas);
    return () => {
      this.present = next;
    };
  }

  /** What the peer of a connection has shown; undefined: nothing. */
  certificateOf(socket: Socket): ClientCertificate | undefined {
    const shown = clientCertificate(socket);
    return shown && this.outdated(socket) ? { ...shown, verified: false, fault: 'AUTHORITIES_CHANGED' } : shown;
  }

  /** Whether a certificate has to be shown again, on another connection. */
  outdated(socket: Socket): boolean {
    const by = this.judged.get(peerOf(socket))?.by;
    return by === undefined || (by !== this.present && [...by].some((authority) => !this.present.has(authority)));
  }
}

/** SHA-256 of each, hex. */
type Authorities = ReadonlySet<string>;

const authoritiesIn = (pem: string | undefined): Authorities =>
  new Set(pem === undefined ? [] : decodeCertificates(pem).map((der) => hash('sha256', der, 'hex')));

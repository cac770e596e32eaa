import { formatCoapUri } from './coap/uri.ts';
import { failure } from './core/errors.ts';
import type { SecureContext } from './secure/association.ts';
import type { CoapServerOptions, SecureServer } from './transport/session.ts';
import { listenTcp } from './transport/tcp.ts';
import { listenUdp } from './transport/udp.ts';

export interface ListeningOptions extends Omit<CoapServerOptions, 'context'> {
  readonly transports: readonly ('udp' | 'tcp')[];
  readonly contexts: Readonly<Record<'datagram' | 'stream', () => SecureContext>>;
}

/** The doors for devices. */
export interface Listening {
  /** The UDP endpoint, or the TCP one when there is no other. */
  readonly endpoint: string;
  readonly endpoints: { readonly udp: string | undefined; readonly tcp: string | undefined };
  /** Sessions held now, unfinished handshakes included. */
  readonly sessions: number;
  readonly byTransport: readonly {
    readonly transport: 'coaps' | 'coaps+tcp';
    readonly open: number;
    readonly halfOpen: number;
  }[];
  /** Who has no session gets none from now on. */
  refuseNew(): void;
  /** Says goodbye to every device and frees the ports. */
  close(): Promise<void>;
}

/** @throws FirstbootError service.address-in-use, service.config; nothing is left open then */
export async function listenToDevices({ transports, contexts, ...options }: ListeningOptions): Promise<Listening> {
  const doors: { readonly transport: 'coaps' | 'coaps+tcp'; readonly server: SecureServer }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(doors.map(({ server }) => server.close()));
  };
  try {
    if (transports.includes('udp')) {
      doors.push({ transport: 'coaps', server: await listenUdp({ ...options, context: contexts.datagram }) });
    }
    if (transports.includes('tcp')) {
      doors.push({ transport: 'coaps+tcp', server: await listenTcp({ ...options, context: contexts.stream }) });
    }
    const uriOf = (scheme: 'coaps' | 'coaps+tcp'): string | undefined => {
      const port = doors.find(({ transport }) => transport === scheme)?.server.port;
      return port === undefined ? undefined : formatCoapUri({ scheme, host: options.host, port });
    };
    const endpoints = { udp: uriOf('coaps'), tcp: uriOf('coaps+tcp') };
    const endpoint = endpoints.udp ?? endpoints.tcp;
    if (endpoint === undefined) throw failure('service.config', { key: 'transports' }, 'name udp, tcp or both');
    return {
      endpoint,
      endpoints,
      get sessions() {
        return doors.reduce((sum, { server }) => sum + server.sessions, 0);
      },
      get byTransport() {
        return doors.map(({ transport, server }) => {
          const { sessions, halfOpen } = server;
          return { transport, open: sessions, halfOpen };
        });
      },
      refuseNew: () => {
        for (const { server } of doors) server.refuseNew();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

import { connect, createServer, type Socket } from 'node:net';

export interface TlsRecord {
  /** 20 change_cipher_spec, 21 alert, 22 handshake, 23 application data (RFC 5246 §6.2.1). */
  readonly type: number;
  /** With its header. */
  readonly bytes: number;
}

/** A TCP port that leads to another one and writes down the TLS records that come back from there. */
export async function tapPort(port: number): Promise<{
  readonly port: number;
  readonly records: readonly TlsRecord[];
  close(): void;
}> {
  const records: TlsRecord[] = [];
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.push(near, far);
    let unread: Buffer = Buffer.alloc(0);
    far.on('data', (bytes) => {
      unread = Buffer.concat([unread, bytes]);
      while (unread.length >= 5 && unread.length >= 5 + unread.readUInt16BE(3)) {
        const size = 5 + unread.readUInt16BE(3);
        records.push({ type: unread[0] ?? 0, bytes: size });
        unread = unread.subarray(size);
      }
    });
    for (const socket of [near, far]) socket.on('error', () => socket.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    records,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

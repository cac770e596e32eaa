import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A line between a browser and the service that can be cut, also under what is going on. */
export class Cable {
  readonly url: string;
  private readonly server: Server;
  private readonly ends: Set<Socket>;
  private whole = true;

  private constructor(server: Server, ends: Set<Socket>) {
    this.server = server;
    this.ends = ends;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param url `http://127.0.0.1:20090` */
  static async to(url: string): Promise<Cable> {
    const { hostname, port } = new URL(url);
    const ends = new Set<Socket>();
    const server = createServer((near) => {
      if (!cable.whole) {
        near.destroy();
        return;
      }
      const far = connect(Number(port), hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        ends.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          ends.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const cable = new Cable(server, ends);
    return cable;
  }

  cut(): void {
    this.whole = false;
    for (const end of this.ends) end.destroy();
  }

  mend(): void {
    this.whole = true;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}

// Several handshakes side by side in memory, in lock step: all servers work, then all clients, as a busy service would meet
// them. Only the servers' CPU is counted.

/** A handshake that has not ended after so many turns never will. */
const mostTurns = 20;

export class EngineBatch {
  constructor(server, clients) {
    this.server = server;
    this.pairs = clients.map((context, at) => ({
      peer: `192.0.2.${at}:5684`,
      client: context.connect(Date.now()),
      // A datagram server has none until the cookie has come back.
      server: server.options.transport === 'stream' ? server.accept(Date.now()) : undefined,
      toServer: [],
      toClient: [],
      established: false,
      closed: false,
    }));
    this.cpu = 0;
  }

  /** @returns CPU of all server sides, ms */
  run() {
    for (let turn = 0; turn < mostTurns; turn++) {
      for (const pair of this.pairs) this.clientTurn(pair);
      const before = process.threadCpuUsage();
      for (const pair of this.pairs) this.serverTurn(pair);
      const { user, system } = process.threadCpuUsage(before);
      this.cpu += (user + system) / 1000;
      if (this.pairs.every(({ closed }) => closed)) return this.cpu;
    }
    throw new Error('handshakes in memory did not end');
  }

  clientTurn({ client, toServer, toClient }) {
    const now = Date.now();
    for (const bytes of toClient.splice(0)) client.receive(bytes, now);
    if (client.takeEvents().some(({ type }) => type === 'established')) client.close(now);
    toServer.push(...client.takeOutput());
  }

  serverTurn(pair) {
    const now = Date.now();
    for (const bytes of pair.toServer.splice(0)) {
      if (pair.server) pair.server.receive(bytes, now);
      else this.firstContact(pair, bytes, now);
    }
    if (!pair.server) return;
    pair.toClient.push(...pair.server.takeOutput());
    for (let events = pair.server.takeEvents(); events.length > 0; events = pair.server.takeEvents()) {
      for (const { type, end } of events) {
        if (type === 'established') pair.established = true;
        if (type === 'closed' && (!pair.established || end.reason !== 'close-notify'))
          throw new Error(JSON.stringify(end));
        if (type === 'closed') pair.closed = true;
      }
      pair.toClient.push(...pair.server.takeOutput());
    }
  }

  firstContact(pair, bytes, now) {
    const result = this.server.listen(pair.peer, bytes, now);
    if (result.type === 'reply') pair.toClient.push(result.datagram);
    if (result.type === 'accepted') pair.server = result.association;
  }
}

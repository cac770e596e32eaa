import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';

export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly pair: Awaited<ReturnType<typeof generateKeyPair>>;
}

/** An OIDC issuer as far as its documents go: keys that change, and what it says of itself. */
export class TestIssuer {
  readonly server: Server;
  keys: readonly IssuerKey[] = [];
  /** Overrides of the discovery document. */
  claims: Readonly<Record<string, unknown>> = {};
  broken = false;
  asked = 0;

  constructor() {
    this.server = createServer(async (request, response) => {
      this.asked++;
      if (this.broken) return response.writeHead(500).end();
      const keys = await Promise.all(
        this.keys.map(async ({ kid, alg, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, alg })),
      );
      const body =
        request.url === '/keys' ? { keys } : { issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.claims };
      return response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export const newKey = async (kid: string, alg = 'ES256'): Promise<IssuerKey> => ({
  kid,
  alg,
  pair: await generateKeyPair(alg, { extractable: true }),
});

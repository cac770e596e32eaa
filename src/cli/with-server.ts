import { createOutput, type Output, reportFailure } from './output.ts';
import type { ApiClient } from './remote/client.ts';
import { defaultServer, type ServerOptions, serverAddress } from './with-operations.ts';

/** What a command does that only a running service can: asks it, and says why it failed. Without --server it is asked at this host. */
export async function withServer(
  options: ServerOptions & { readonly json?: boolean },
  work: (client: ApiClient, output: Output) => Promise<void>,
): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const [{ createApiClient }, { blamed }] = await Promise.all([
      import('./remote/client.ts'),
      import('./remote/blame.ts'),
    ]);
    const client = createApiClient(serverAddress({ ...options, server: options.server ?? defaultServer }));
    await work(client, output).catch(async (error: unknown) => Promise.reject(await blamed(error, client)));
  } catch (error) {
    reportFailure(error, output);
  }
}

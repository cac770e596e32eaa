import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CoapClientAnswer {
  /** What it wrote to its output. */
  readonly payload: Uint8Array;
  /** What it said, errors included. */
  readonly said: string;
}

let runs = 0;

/** Runs one of libcoap's clients for one request; it gets no more than 15 s. Its files go to `folder`. */
export async function runCoapClient(
  program: string,
  folder: string,
  options: readonly string[],
  uri: string,
  payload?: Uint8Array,
): Promise<CoapClientAnswer> {
  runs++;
  const output = join(folder, `coap-output-${runs}`);
  const input = join(folder, `coap-input-${runs}`);
  const posting = payload === undefined ? [] : ['-m', 'post', '-f', input];
  if (payload) writeFileSync(input, payload);
  const said = await new Promise<string>((resolve) => {
    const args = ['-B', '5', '-o', output, ...options, ...posting, uri];
    execFile(program, args, { timeout: 15_000, encoding: 'latin1' }, (_, stdout, stderr) => resolve(stdout + stderr));
  });
  const answer = { payload: existsSync(output) ? new Uint8Array(readFileSync(output)) : new Uint8Array(), said };
  rmSync(output, { force: true });
  rmSync(input, { force: true });
  return answer;
}

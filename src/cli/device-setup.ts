import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Millis, seconds } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { DeviceClient } from '../device/client.ts';
import { vendorOptionOf } from '../device/dhcp.ts';
import { type FactoryIdentity, factoryFiles, readFactoryIdentity } from '../device/identity.ts';
import { endpointOf } from '../device/network.ts';
import { openPkcs11Key } from '../device/pkcs11.ts';
import { pathExists, readCertificates } from '../pki/files.ts';
import type { DeviceOptions } from './device-options.ts';

/** Who the device is, from its folder or a token. `close` gives the token back. */
export interface DeviceKeys {
  readonly identity: FactoryIdentity;
  close(): void;
}

/** @throws FirstbootError command.file, command.usage, service.config */
export async function deviceKeys(options: DeviceOptions): Promise<DeviceKeys> {
  const { certs, pkcs11: module } = options;
  for (const name of ['token', 'key', 'pinFile'] as const) {
    if (module !== undefined || options[name] === undefined) continue;
    throw failure('command.usage', { option: flagOf[name] }, "it says which key of a token: name the token's --pkcs11");
  }
  const asksForCa = options.verifyCa && options.dhcpEnabled !== true;
  await requireFiles(certs, [
    ...(module === undefined ? [factoryFiles.chain, factoryFiles.key] : []),
    ...(asksForCa ? [factoryFiles.serviceCa] : []),
  ]);
  const serviceCa = asksForCa ? await readCertificates(join(certs, factoryFiles.serviceCa)) : [];
  if (module === undefined)
    return { identity: { ...(await readFactoryIdentity(certs)), serviceCa }, close: () => undefined };
  const { token, key: label, pinFile } = options;
  if (token === undefined || label === undefined) {
    throw failure('command.usage', { option: '--pkcs11' }, 'say which key it is with --token and --key');
  }
  const key = openPkcs11Key({
    module,
    // A label of digits alone cannot be told from a slot's number: the number wins.
    token: /^\d{1,9}$/.test(token) ? Number(token) : token,
    label,
    ...(pinFile !== undefined && { pin: new Secret(readPin(pinFile)) }),
  });
  return { identity: { chain: key.chain, privateKey: key.privateKey, serviceCa }, close: () => key.close() };
}

const flagOf = { token: '--token', key: '--key', pinFile: '--pin-file' } as const;

/** Makes the folder of the device's state when it is not there. @throws FirstbootError command.file */
export async function prepareState(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw failure('command.file', { folder }, 'no state can be kept there: name a folder with --state', error);
  }
}

/** The services to ask, the first first. `""` is none, as in plgd's. @throws FirstbootError service.config */
export function deviceEndpoints(first: string, { endpoint = [] }: Pick<DeviceOptions, 'endpoint'>): string[] {
  const all = [...new Set([...(first === '' ? [] : [first]), ...endpoint])];
  for (const uri of all) endpointOf(uri);
  return all;
}

const leasesEvery: Millis = seconds(5);

/** Reads dhclient's leases file now and every 5 s. @param tell what is wrong with an option, once. Ends with the returned function. */
export function followLeases(file: string, client: DeviceClient, tell: (text: string) => void): () => void {
  let told = '';
  const complain = (text: string): void => {
    if (text !== told) tell(text);
    told = text;
  };
  const look = (): void => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      complain(`the leases file ${file} cannot be read; trying again every 5 s`);
      return;
    }
    const option = vendorOptionOf(text);
    if (option === undefined) return;
    const taken = client.applyDhcpOption(option);
    if (!taken.ok) complain(`DHCP option 43 in ${file} cannot be used: ${taken.refusal.fix}`);
  };
  look();
  const timer = setInterval(look, leasesEvery);
  return () => clearInterval(timer);
}

/** A folder that is not there is the first thing that goes wrong for a new user: say how to get one. */
async function requireFiles(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = join(folder, name);
    if (await pathExists(file)) continue;
    const more = name === factoryFiles.serviceCa ? ', or trust any service with --no-verify-ca' : '';
    const fix = `name a device folder with --certs (firstboot pki dev makes some)${more}`;
    throw failure('command.file', { file, found: 'no such file' }, fix);
  }
}

function readPin(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (error) {
    throw failure('command.file', { file }, 'name a file that holds the PIN', error);
  }
}

import { createPrivateKey } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeCertificates } from '../codec/pem.ts';
import { failure } from '../core/errors.ts';
import { isUuid } from '../core/ids.ts';
import { isRecord } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { hasCode, syncFolder } from '../pki/files.ts';
import { type DeviceState, provisioningTag, staleTag } from './state.ts';

/** Where a device keeps its state. A save is whole or has not happened. */
export interface DeviceStorage {
  /** Undefined: factory-new. @throws FirstbootError device.state when what is stored cannot be used. */
  load(): Promise<DeviceState | undefined>;
  save(state: DeviceState): Promise<void>;
  clear(): Promise<void>;
}

/** State that lasts as long as the process. */
export function memoryStorage(initial?: DeviceState): DeviceStorage {
  let state = initial;
  return {
    load: async () => state,
    save: async (next) => {
      state = next;
    },
    clear: async () => {
      state = undefined;
    },
  };
}

/** The file in a device's folder. It holds the private key and tokens: 0600. */
const fileName = 'device.json';

/** State in a folder: one JSON file, replaced atomically (written beside it, synced, renamed). The folder is made when missing. */
export function folderStorage(folder: string): DeviceStorage {
  const file = join(folder, fileName);
  const fresh = `${file}.new`;
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return undefined;
        throw damaged(file, 'it cannot be read', error);
      }
      return parseState(file, text);
    },
    async save(state) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await rm(fresh, { force: true });
      const handle = await open(fresh, 'wx', 0o600);
      try {
        await handle.writeFile(JSON.stringify({ version, state }, undefined, 2));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(fresh, file);
      await syncFolder(dirname(file));
    },
    async clear() {
      await rm(file, { force: true });
      await rm(fresh, { force: true });
    },
  };
}

const version = 1;

/** Checks the shape of what the machine relies on, and that the key is a key. */
function parseState(file: string, text: string): DeviceState {
  if (text.length > limits.device.stateBytes) throw damaged(file, `it is over ${limits.device.stateBytes} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw damaged(file, 'it is not JSON', error);
  }
  if (!isRecord(document) || document.version !== version) throw damaged(file, `it is not of version ${version}`);
  const { state } = document;
  const fault = isRecord(state) ? faultOf(state) : 'it holds no state';
  if (fault !== undefined) throw damaged(file, fault);
  return state as unknown as DeviceState;
}

function faultOf(state: Fields): string | undefined {
  const { deviceId, key, endpoints, selected, clockOffset, owner, cloud, credentials, acl, superseded, leaving } =
    state;
  if (typeof deviceId !== 'string' || !isUuid(deviceId)) return 'deviceId is not a UUID';
  if (typeof key !== 'string' || !isPrivateKey(key)) return 'key is not a private key';
  if (!isListOf(endpoints, ['uri'])) return 'endpoints is not a list of endpoints';
  if (!isIndex(selected, endpoints.length)) return 'selected is not the index of an endpoint';
  if (clockOffset !== undefined && typeof clockOffset !== 'number') return 'clockOffset is not a number';
  if (owner !== undefined && !(typeof owner === 'string' && isUuid(owner))) return 'owner is not a UUID';
  if (cloud !== undefined && !isCloud(cloud)) return 'cloud is not a cloud configuration';
  if (credentials !== undefined && !isCredentials(credentials)) return 'credentials are not usable';
  if (acl !== undefined && !(Array.isArray(acl) && acl.every(isAce))) return 'acl is not a list of entries';
  if (superseded !== undefined && superseded !== true) return 'superseded is not true';
  if (leaving !== undefined && leaving !== true) return 'leaving is not true';
  return undefined;
}

function isCloud(cloud: unknown): boolean {
  if (!isRecord(cloud) || !hasTexts(cloud, ['provider', 'accessToken'])) return false;
  const { gateways, selected, registration, payload } = cloud;
  if (
    !hasTag(cloud) ||
    !isListOf(gateways, ['uri', 'id']) ||
    gateways.length === 0 ||
    !isIndex(selected, gateways.length) ||
    (payload !== undefined && !isRecord(payload))
  )
    return false;
  return (
    registration === undefined ||
    (isRecord(registration) && hasTexts(registration, ['userId', 'accessToken', 'refreshToken']))
  );
}

function isCredentials(credentials: unknown): boolean {
  if (!isRecord(credentials) || !hasTexts(credentials, ['identity'])) return false;
  const { trustAnchors, validFrom, validTo, psks } = credentials;
  return (
    Array.isArray(trustAnchors) &&
    [...trustAnchors, credentials.identity].every(isCertificates) &&
    typeof validFrom === 'number' &&
    typeof validTo === 'number' &&
    isListOf(psks, ['subject', 'key']) &&
    hasTag(credentials)
  );
}

/** States from before there were stale ones have no tag. */
const hasTag = ({ tag }: Fields): boolean => tag === undefined || tag === provisioningTag || tag === staleTag;

/** What access is decided by: an entry of another shape would be a hole or a wall. */
const isAce = (ace: unknown): boolean =>
  isRecord(ace) &&
  typeof ace.permission === 'number' &&
  isRecord(ace.subject) &&
  isListOf(ace.resources, []) &&
  (ace.tag === undefined || typeof ace.tag === 'string');

type Fields = Readonly<Record<string, unknown>>;

const hasTexts = (record: Fields, keys: readonly string[]): boolean =>
  keys.every((key) => typeof record[key] === 'string');

const isListOf = (value: unknown, texts: readonly string[]): value is readonly Fields[] =>
  Array.isArray(value) && value.every((item) => isRecord(item) && hasTexts(item, texts));

/** 0 is fine for an empty list: nothing is selected there. */
const isIndex = (value: unknown, length: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < Math.max(1, length);

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === 'private';
  } catch {
    return false;
  }
}

function isCertificates(pem: unknown): boolean {
  try {
    return typeof pem === 'string' && decodeCertificates(pem).length > 0;
  } catch {
    return false;
  }
}

const damaged = (file: string, found: string, cause?: unknown): Error =>
  failure('device.state', { file, found }, 'restore the file, or reset the device to its factory state', cause);

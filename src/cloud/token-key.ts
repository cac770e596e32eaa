import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { failure } from '../core/errors.ts';
import { hasCode } from '../pki/files.ts';

/** The key that signs access tokens, P-256. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string;
  /** The public key as it is published (RFC 7517). */
  readonly jwk: JWK;
}

/**
 * The key in `file` (PEM, PKCS #8, mode 0600), made when there is none.
 * @throws FirstbootError service.config when the file is not a P-256 key of our own
 */
export async function loadOrCreateTokenKey(file: string): Promise<TokenKey> {
  const existing = await readKey(file);
  if (existing) return tokenKey(existing);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const ours = await writeNew(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  // Another process was first: its key is the one.
  return tokenKey(ours ? privateKey : ((await readKey(file)) ?? privateKey));
}

export async function tokenKey(privateKey: KeyObject): Promise<TokenKey> {
  const publicKey = createPublicKey(privateKey);
  const { kty = '', crv = '', x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  return { privateKey, publicKey, kid, jwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' } };
}

async function readKey(file: string): Promise<KeyObject | undefined> {
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw unusable(file, `${error.code}`, 'make the file readable for firstboot', error);
  });
  if (pem === undefined) return undefined;
  if (((await stat(file)).mode & 0o077) !== 0) throw unusable(file, 'open to others', 'chmod 600');
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw unusable(file, 'no private key', 'remove it, and a new one is made', error);
  }
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw unusable(file, 'not a P-256 key', 'remove it, and a new one is made');
}

/** The file appears whole or not at all. False when there is one already. */
async function writeNew(file: string, text: string): Promise<boolean> {
  const fresh = `${file}.${randomUUID()}`;
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(fresh, file);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw unusable(file, 'cannot be written', 'choose a folder that can be written', error);
  } finally {
    await unlink(fresh);
  }
}

const unusable = (file: string, found: string, fix: string, cause?: unknown) =>
  failure('service.config', { file, found }, fix, cause);

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pkcs11js from 'pkcs11js';
import { derOid } from '../../src/codec/der-writer.ts';
import { oids } from '../../src/codec/oid.ts';
import type { PeerProgram } from './peers.ts';
import { temporaryFolder } from './temporary-folder.ts';

const program: PeerProgram = 'softhsm2-util';

/** Where Debian and others put SoftHSM's library. */
const libraries = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

type Attributes = Readonly<Record<number, Buffer | boolean | number | string>>;

/** SoftHSM with tokens in a folder of its own. What a factory does with a token is done here, by pkcs11js itself. */
export class SoftHsm {
  readonly module: string;
  readonly pin = '271828';
  private readonly remove: () => Promise<void>;

  private constructor(module: string, remove: () => Promise<void>) {
    this.module = module;
    this.remove = remove;
  }

  /** Sets SOFTHSM2_CONF of this process. */
  static async create(): Promise<SoftHsm> {
    const folder = await temporaryFolder();
    const module = libraries.find((file) => existsSync(file));
    if (!module) throw new Error(`softhsm2-util is here, but its library is not in ${libraries.join(', ')}`);
    const conf = join(folder.path, 'softhsm2.conf');
    await mkdir(join(folder.path, 'tokens'));
    await writeFile(
      conf,
      `directories.tokendir = ${join(folder.path, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    process.env.SOFTHSM2_CONF = conf;
    return new SoftHsm(module, folder.remove);
  }

  addToken(label: string): void {
    const pins = ['--pin', this.pin, '--so-pin', '31415926'];
    execFileSync(program, ['--init-token', '--free', '--label', label, ...pins], { stdio: 'pipe' });
  }

  /** A P-256 key pair that is made in the token and cannot be taken out. */
  generateKey(token: string, label: string, id: string, more: Attributes = {}): void {
    this.with(token, (api, session) => {
      const common = attributes({
        [pkcs11js.CKA_TOKEN]: true,
        [pkcs11js.CKA_LABEL]: label,
        [pkcs11js.CKA_ID]: Buffer.from(id),
      });
      api.C_GenerateKeyPair(
        session,
        { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
        [
          ...common,
          ...attributes({ [pkcs11js.CKA_EC_PARAMS]: Buffer.from(derOid(oids.p256)), [pkcs11js.CKA_VERIFY]: true }),
        ],
        [
          ...common,
          ...attributes({
            [pkcs11js.CKA_PRIVATE]: true,
            [pkcs11js.CKA_SENSITIVE]: true,
            [pkcs11js.CKA_EXTRACTABLE]: false,
            [pkcs11js.CKA_SIGN]: true,
            ...more,
          }),
        ],
      );
    });
  }

  writeCertificate(token: string, label: string, id: string, der: Uint8Array): void {
    this.with(token, (api, session) => {
      api.C_CreateObject(
        session,
        attributes({
          [pkcs11js.CKA_CLASS]: pkcs11js.CKO_CERTIFICATE,
          [pkcs11js.CKA_CERTIFICATE_TYPE]: pkcs11js.CKC_X_509,
          [pkcs11js.CKA_TOKEN]: true,
          [pkcs11js.CKA_LABEL]: label,
          [pkcs11js.CKA_ID]: Buffer.from(id),
          [pkcs11js.CKA_SUBJECT]: Buffer.alloc(0),
          [pkcs11js.CKA_VALUE]: Buffer.from(der),
        }),
      );
    });
  }

  /** Asks for an attribute of a private key: its value, or the token's reason for keeping it. */
  ask(token: string, label: string, type: number): Buffer | string {
    return this.with(token, (api, session) => {
      api.C_FindObjectsInit(
        session,
        attributes({ [pkcs11js.CKA_CLASS]: pkcs11js.CKO_PRIVATE_KEY, [pkcs11js.CKA_LABEL]: label }),
      );
      const [key] = api.C_FindObjects(session, 2);
      api.C_FindObjectsFinal(session);
      if (!key) throw new Error(`no private key ${label}`);
      try {
        return api.C_GetAttributeValue(session, key, [{ type }])[0]?.value as Buffer;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    });
  }

  async close(): Promise<void> {
    delete process.env.SOFTHSM2_CONF;
    await this.remove();
  }

  private with<T>(token: string, act: (api: pkcs11js.PKCS11, session: pkcs11js.Handle) => T): T {
    const api = new pkcs11js.PKCS11();
    api.load(this.module);
    api.C_Initialize();
    try {
      const slot = api.C_GetSlotList(true).find((candidate) => api.C_GetTokenInfo(candidate).label.trim() === token);
      if (!slot) throw new Error(`no token ${token}`);
      const session = api.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
      api.C_Login(session, pkcs11js.CKU_USER, this.pin);
      return act(api, session);
    } finally {
      api.C_Finalize();
      api.close();
    }
  }
}

const attributes = (record: Attributes): pkcs11js.Template =>
  Object.entries(record).map(([type, value]) => ({ type: Number(type), value }));

import { realpathSync } from 'node:fs';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Secret } from '../core/secret.ts';
import { type Handle, loadPkcs11, type Pkcs11, type Pkcs11Package, type Template } from './pkcs11-package.ts';

/** Where a hardware key is: a token behind a PKCS #11 library (PKCS #11 v2.40). */
export interface TokenPlace {
  /** The library of the token's maker: a path, or a name that the system's loader finds. */
  readonly module: string;
  /** The token's label, or the number of its slot. */
  readonly token: string | number;
  /** The user's PIN; a token that asks for none needs none. */
  readonly pin?: Secret<string>;
}

export type TokenObject = Handle;

/** A session with one token. Errors name module, token, what was done and the code that the token gave. */
export class TokenSession {
  /** The constants of PKCS #11. */
  readonly constants: Pkcs11Package;
  private readonly place: TokenPlace;
  private readonly library: Library;
  private session: Handle | undefined;

  /**
   * Opens a session and logs in. All sessions that a process has with a token share the login.
   * @throws FirstbootError service.config
   */
  constructor(place: TokenPlace) {
    this.place = place;
    this.constants = loadPkcs11();
    try {
      this.library = enterLibrary(this.constants, place.module);
    } catch (error) {
      throw this.failed('load the module', error, "give the path of the token's PKCS #11 library as module");
    }
    this.library.users.add(this);
    try {
      const slot = this.findSlot();
      this.session = this.library.api.C_OpenSession(slot, this.constants.CKF_SERIAL_SESSION);
      this.logIn(this.session);
    } catch (error) {
      this.close();
      throw error instanceof FirstbootError ? error : this.failed('open a session', error);
    }
  }

  /** The objects that all of these attributes fit, up to a bound. */
  find(template: Template): TokenObject[] {
    return this.work('find objects', (api, session) => {
      api.C_FindObjectsInit(session, template);
      try {
        return api.C_FindObjects(session, limits.device.tokenObjects);
      } finally {
        api.C_FindObjectsFinal(session);
      }
    });
  }

  /** One attribute, or undefined when the object has none of this kind. */
  attribute(object: TokenObject, type: number): Uint8Array | undefined {
    return this.work('read an attribute', (api, session) => {
      try {
        const value = api.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
        return Buffer.isBuffer(value) ? new Uint8Array(value) : undefined;
      } catch (error) {
        if (this.hasCode(error, this.constants.CKR_ATTRIBUTE_TYPE_INVALID)) return undefined;
        throw error;
      }
    });
  }

  /**
   * One signature over `data` by CKM_ECDSA.
   * @param size room for the result
   * @param authenticate the key wants the PIN for every signature (CKA_ALWAYS_AUTHENTICATE)
   */
  sign(key: TokenObject, data: Uint8Array, size: number, authenticate: boolean): Uint8Array {
    const { CKM_ECDSA, CKU_CONTEXT_SPECIFIC } = this.constants;
    return this.work('sign', (api, session) => {
      api.C_SignInit(session, { mechanism: CKM_ECDSA }, key);
      if (authenticate && this.place.pin) api.C_Login(session, CKU_CONTEXT_SPECIFIC, this.place.pin.reveal());
      return new Uint8Array(api.C_Sign(session, Buffer.from(data), Buffer.alloc(size)));
    });
  }

  /** Ends the session; with its last one a token logs out. Safe more than once. */
  close(): void {
    const { session } = this;
    this.session = undefined;
    try {
      if (session) this.library.api.C_CloseSession(session);
    } catch {
      // The token is gone, and the session with it.
    }
    if (this.library.users.delete(this) && this.library.users.size === 0) leaveLibrary(this.library);
  }

  /** An error about this token: `fix` for what cannot be told from the token's code. */
  failed(doing: string, cause: unknown, fix?: string): FirstbootError {
    const { module, token } = this.place;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return failure('service.config', { module, token, doing, reason }, fixes[reason] ?? fix ?? unknownCode, cause);
  }

  private work<T>(doing: string, act: (api: Pkcs11, session: Handle) => T): T {
    if (!this.session) throw this.failed(doing, new Error('the key has been closed'), 'open it again');
    try {
      return act(this.library.api, this.session);
    } catch (error) {
      throw this.failed(doing, error);
    }
  }

  private findSlot(): Handle {
    const { api } = this.library;
    const { token } = this.place;
    const present = api.C_GetSlotList(true);
    const wanted = present.filter((slot) =>
      typeof token === 'number' ? slotNumber(slot) === token : labelIn(api, slot) === token,
    );
    const [found] = wanted;
    if (found && wanted.length === 1) return found;
    const list = present.map((slot) => `${slotNumber(slot)} "${labelIn(api, slot)}"`).join(', ');
    const reason = `${wanted.length || 'no'} slots with it; there are: ${list || 'none'}`;
    throw this.failed('find the token', new Error(reason), 'put the token in, or give a label or slot of this list');
  }

  private logIn(session: Handle): void {
    const { pin } = this.place;
    if (!pin) return;
    try {
      this.library.api.C_Login(session, this.constants.CKU_USER, pin.reveal());
    } catch (error) {
      if (!this.hasCode(error, this.constants.CKR_USER_ALREADY_LOGGED_IN)) throw error;
    }
  }

  private hasCode(error: unknown, code: number): boolean {
    return error instanceof this.constants.Pkcs11Error && error.code === code;
  }
}

/** A loaded library. It is initialized once for the whole process, however many tokens and keys are used. */
interface Library {
  readonly path: string;
  readonly api: Pkcs11;
  /** False: somebody else in this process has initialized it, and will finalize it. */
  readonly ours: boolean;
  readonly users: Set<TokenSession>;
}

const libraries = new Map<string, Library>();

const unknownCode = "see what the token's manual says about this";

const fixes: Readonly<Record<string, string>> = {
  CKR_PIN_INCORRECT: "give the token's user PIN; too many wrong ones lock it",
  CKR_PIN_LEN_RANGE: "give the token's user PIN; this one is too short or too long",
  CKR_PIN_LOCKED: "unlock the user PIN with the security officer's",
  CKR_USER_PIN_NOT_INITIALIZED: 'set a user PIN first',
  CKR_USER_NOT_LOGGED_IN: "give the token's user PIN",
  CKR_TOKEN_NOT_PRESENT: 'put the token in',
  CKR_DEVICE_REMOVED: 'put the token in, and start again',
  CKR_SESSION_HANDLE_INVALID: 'the token was taken out: put it in, and start again',
  CKR_KEY_FUNCTION_NOT_PERMITTED: 'make a key that may sign (CKA_SIGN)',
  CKR_MECHANISM_INVALID: 'use a token that can do CKM_ECDSA',
};

function enterLibrary(constants: Pkcs11Package, module: string): Library {
  const path = realPath(module);
  const known = libraries.get(path);
  if (known) return known;
  const api = new constants.PKCS11();
  api.load(path);
  let ours = true;
  try {
    api.C_Initialize();
  } catch (error) {
    ours = false;
    const already = constants.CKR_CRYPTOKI_ALREADY_INITIALIZED;
    if (!(error instanceof constants.Pkcs11Error && error.code === already)) {
      api.close();
      throw error;
    }
  }
  const library = { path, api, ours, users: new Set<TokenSession>() };
  libraries.set(path, library);
  return library;
}

function leaveLibrary({ path, api, ours }: Library): void {
  libraries.delete(path);
  try {
    if (ours) api.C_Finalize();
  } finally {
    api.close();
  }
}

/** Two names of one file are one library, and must be initialized once. */
function realPath(module: string): string {
  try {
    return realpathSync(module);
  } catch {
    return module;
  }
}

/** A CK_ULONG in the machine's order, which is little-endian wherever Node runs today. */
const slotNumber = (slot: Handle): number => slot.readUIntLE(0, Math.min(slot.length, 6));

const labelIn = (api: Pkcs11, slot: Handle): string => api.C_GetTokenInfo(slot).label.trim();

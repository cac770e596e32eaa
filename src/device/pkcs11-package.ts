import { createRequire } from 'node:module';
import { failure } from '../core/errors.ts';

/** A handle or a number of PKCS #11 (CK_ULONG), in the machine's order. */
export type Handle = Buffer;
export type Template = { readonly type: number; readonly value?: number | string | Buffer | boolean }[];

/** The functions of PKCS #11 v2.40 that we call, as the package pkcs11js has them. */
export interface Pkcs11 {
  load(path: string): void;
  close(): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, userType: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: Template): void;
  C_FindObjects(session: Handle, most: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, template: Template): { readonly value: unknown }[];
  C_SignInit(session: Handle, mechanism: { readonly mechanism: number }, key: Handle): void;
  C_Sign(session: Handle, data: Buffer, room: Buffer): Buffer;
}

/**
 * What we use of the package: its class, its error and constants of PKCS #11 v2.40. Said here again because the package is
 * optional: where it could not be built its own types are missing, and firstboot must compile all the same.
 */
export interface Pkcs11Package {
  readonly PKCS11: new () => Pkcs11;
  readonly Pkcs11Error: new (...parts: never[]) => Error & { readonly code: number };
  readonly CKA_ALWAYS_AUTHENTICATE: number;
  readonly CKA_CLASS: number;
  readonly CKA_EC_PARAMS: number;
  readonly CKA_EC_POINT: number;
  readonly CKA_ID: number;
  readonly CKA_LABEL: number;
  readonly CKA_VALUE: number;
  readonly CKF_SERIAL_SESSION: number;
  readonly CKM_ECDSA: number;
  readonly CKO_CERTIFICATE: number;
  readonly CKO_PRIVATE_KEY: number;
  readonly CKO_PUBLIC_KEY: number;
  readonly CKR_ATTRIBUTE_TYPE_INVALID: number;
  readonly CKR_CRYPTOKI_ALREADY_INITIALIZED: number;
  readonly CKR_USER_ALREADY_LOGGED_IN: number;
  readonly CKU_CONTEXT_SPECIFIC: number;
  readonly CKU_USER: number;
}

/** @throws FirstbootError service.config: it is not installed */
export function loadPkcs11(): Pkcs11Package {
  try {
    return createRequire(import.meta.url)('pkcs11js') as Pkcs11Package;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const fix = 'hardware keys need the optional package pkcs11js: run `npm install pkcs11js` (it is built with g++)';
    throw failure('service.config', { package: 'pkcs11js', reason }, fix, cause);
  }
}

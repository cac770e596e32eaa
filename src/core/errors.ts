/**
 * Every way in which firstboot refuses or fails, in one closed table: code -> CoAP code, HTTP status, public text.
 * The public text is all that a peer ever sees; evidence and fix are for the operator's record.
 *
 * CoAP codes are written class.detail as a number (4.03 -> 403). Only 4.00-4.06, 4.13, 4.15 and 5.00-5.05 may be used:
 * the reference device takes every other code for success (contract, plgd-device b).
 */
export const errorTable = {
  // attest: the peer's chain or key
  'attest.no-certificate': { coap: 401, http: 401, text: 'no manufacturer certificate was presented' },
  'attest.expired': { coap: 401, http: 401, text: 'the manufacturer certificate has expired' },
  'attest.not-yet-valid': { coap: 401, http: 401, text: 'the manufacturer certificate is not valid yet' },
  'attest.unknown-issuer': {
    coap: 401,
    http: 401,
    text: 'no registered authority issued the manufacturer certificate',
  },
  'attest.self-signed': { coap: 401, http: 401, text: 'the manufacturer certificate is self-signed' },
  'attest.incomplete-chain': { coap: 401, http: 401, text: 'an intermediate of the manufacturer chain is missing' },
  'attest.wrong-usage': { coap: 401, http: 401, text: 'the manufacturer certificate is not for client authentication' },
  'attest.revoked': { coap: 401, http: 401, text: 'the manufacturer certificate has been revoked' },
  'attest.bad-signature': { coap: 401, http: 401, text: 'a signature in the manufacturer chain does not verify' },
  'attest.weak-key': { coap: 401, http: 401, text: 'a key or digest in the manufacturer chain is too weak' },
  'attest.invalid-chain': { coap: 401, http: 401, text: 'the manufacturer chain breaks a path rule' },
  'attest.issuer-key': {
    coap: 401,
    http: 401,
    text: 'the issuer of the manufacturer certificate is registered with another key',
  },
  'attest.not-an-authority': { coap: 401, http: 401, text: 'a signer in the manufacturer chain is no authority' },
  'attest.path-length': {
    coap: 401,
    http: 401,
    text: 'the manufacturer chain is longer than an authority in it allows',
  },
  'attest.wrong-order': { coap: 401, http: 401, text: 'the manufacturer certificate is not the first of its chain' },
  'attest.unreadable': { coap: 401, http: 401, text: 'a certificate of the manufacturer chain cannot be read' },
  'attest.authority-expired': { coap: 401, http: 401, text: 'an authority in the manufacturer chain has expired' },
  'attest.revocation-list': {
    coap: 401,
    http: 401,
    text: 'the revocation list of an authority in the manufacturer chain cannot be used',
  },
  'attest.critical-extension': {
    coap: 401,
    http: 401,
    text: 'a certificate of the manufacturer chain has an unknown critical extension',
  },
  'attest.name-constraints': {
    coap: 401,
    http: 401,
    text: 'the name of the device is outside of what an authority in its chain may certify',
  },
  'attest.wrong-key': { coap: 401, http: 401, text: 'the device did not prove the key of its certificate' },
  'attest.service-distrusted': {
    coap: 401,
    http: 401,
    text: 'the device does not trust the certificate of this service',
  },
  'attest.not-tls': { coap: 401, http: 401, text: 'this is neither TLS nor DTLS' },
  'attest.unknown-psk': { coap: 401, http: 401, text: 'the pre-shared key identity is not known' },
  'attest.wrong-psk': { coap: 401, http: 401, text: 'the pre-shared key does not match' },
  'attest.handshake': { coap: 401, http: 401, text: 'the secure handshake failed' },
  'attest.no-common-suite': { coap: 401, http: 401, text: 'no cipher suite in common' },
  // match, admit, bind
  'match.no-group': { coap: 403, http: 403, text: 'no enrollment group takes this device' },
  'admit.group-disabled': { coap: 403, http: 403, text: 'the enrollment group is disabled' },
  'admit.pending': { coap: 503, http: 503, text: 'the device waits for approval' },
  'admit.denied': { coap: 403, http: 403, text: 'the device is on the deny list of its enrollment group' },
  'admit.not-allowed': { coap: 403, http: 403, text: 'the device is not on the allow list of its enrollment group' },
  'admit.not-preauthorized': { coap: 403, http: 403, text: 'the device is not preauthorized' },
  'admit.too-many-new': { coap: 503, http: 429, text: 'too many unknown devices come with one pre-shared key' },
  'admit.quarantined': { coap: 403, http: 403, text: 'the device is quarantined' },
  'admit.disabled': { coap: 403, http: 403, text: 'the device is disabled' },
  'admit.decommissioned': { coap: 403, http: 403, text: 'the device is decommissioned' },
  'bind.reprovisioning': { coap: 403, http: 403, text: 'the device may not be provisioned again' },
  'bind.device-id-policy': {
    coap: 403,
    http: 403,
    text: 'the device id is not the one that the enrollment group demands',
  },
  'bind.device-id-missing': { coap: 400, http: 400, text: 'the device id is missing or not a UUID' },
  'bind.device-id-taken': { coap: 403, http: 409, text: 'the device id belongs to another manufacturer key' },
  'bind.too-many-ids': { coap: 503, http: 429, text: 'the device takes new ids too often' },
  'bind.device-id-reserved': { coap: 403, http: 409, text: 'the device id is an owner or hub id' },
  // issue: the CSR and the certificate
  'csr.malformed': { coap: 400, http: 400, text: 'the certificate request is malformed' },
  'csr.signature': { coap: 400, http: 400, text: 'the certificate request is not signed by its own key' },
  'csr.key-not-allowed': { coap: 400, http: 400, text: 'the key type of the certificate request is not allowed' },
  'csr.subject': { coap: 400, http: 400, text: 'the subject of the certificate request is not the device' },
  'csr.encoding': { coap: 400, http: 400, text: 'the certificate request must be PEM text' },
  'issue.lint': { coap: 500, http: 500, text: 'the certificate could not be issued' },
  'issue.issuer-expiring': { coap: 503, http: 503, text: 'the issuing authority is about to expire' },
  // configure: hub and token
  'configure.no-hub': { coap: 503, http: 503, text: 'no hub is configured for the enrollment group' },
  'configure.token': { coap: 503, http: 503, text: 'the authorization server gave no usable token' },
  'configure.allocation': { coap: 503, http: 503, text: 'the hub of the device could not be determined' },
  // confirm
  'confirm.unknown-device': { coap: 404, http: 404, text: 'no device holds this device id' },
  // the run of a device as a whole
  'session.broken': { coap: 500, http: 500, text: 'the session broke' },
  'session.abandoned': { coap: 500, http: 500, text: 'the device went away in the middle' },
  // the small cloud: its gateway and token issuer
  'cloud.certificate': { coap: 401, http: 401, text: 'the certificate is not the identity certificate of a device' },
  'cloud.token': { coap: 401, http: 401, text: 'the token is not valid here' },
  'cloud.device-id': { coap: 401, http: 401, text: 'the token or the request is for another device' },
  'cloud.not-signed-in': { coap: 401, http: 401, text: 'sign in first' },
  // requests
  'request.malformed': { coap: 400, http: 400, text: 'the request cannot be parsed' },
  'request.too-large': { coap: 413, http: 413, text: 'the request is too large' },
  'request.unknown-path': { coap: 404, http: 404, text: 'unknown path' },
  'request.method': { coap: 405, http: 405, text: 'method not allowed' },
  'request.access': { coap: 401, http: 401, text: 'no access control entry allows this' },
  'request.accept': { coap: 406, http: 406, text: 'the content format asked for is not offered' },
  'request.content-format': { coap: 415, http: 415, text: 'the content format is not supported' },
  'request.out-of-order': { coap: 400, http: 409, text: 'an earlier step of the provisioning is missing' },
  // codecs
  'cbor.malformed': { coap: 400, http: 400, text: 'the CBOR is malformed' },
  'cbor.limit': { coap: 400, http: 400, text: 'the CBOR exceeds a limit' },
  'der.malformed': { coap: 400, http: 400, text: 'the DER is malformed' },
  'pem.malformed': { coap: 400, http: 400, text: 'the PEM is malformed' },
  // the service itself
  'service.busy': { coap: 503, http: 503, text: 'busy, try again' },
  'service.store': { coap: 503, http: 503, text: 'the store is not available' },
  'service.internal': { coap: 500, http: 500, text: 'internal error' },
  'service.engine': { coap: 500, http: 500, text: 'the secure engine is not available' },
  'service.config': { coap: 500, http: 500, text: 'the configuration is wrong' },
  'service.answer-too-large': { coap: 500, http: 500, text: 'the answer is too large for CoAP, get it over HTTP' },
  'service.backup': { coap: 500, http: 507, text: 'the backup could not be written' },
  'service.address-in-use': { coap: 500, http: 500, text: 'the address is in use' },
  // operators: the command line, the API
  'operator.not-found': { coap: 404, http: 404, text: 'there is no such thing' },
  'operator.ambiguous': { coap: 400, http: 409, text: 'the name fits several' },
  'operator.conflict': { coap: 500, http: 409, text: 'the change does not fit with what is there' },
  'operator.file-managed': { coap: 500, http: 409, text: 'this is written in a configuration file' },
  'operator.input': { coap: 400, http: 400, text: 'the input cannot be used' },
  'operator.audit': { coap: 500, http: 500, text: 'the audit log is damaged' },
  // the API
  'api.unauthenticated': { coap: 401, http: 401, text: 'sign in, or send a token' },
  'api.forbidden': { coap: 403, http: 403, text: 'the token does not allow this' },
  'api.precondition': { coap: 500, http: 412, text: 'it has changed since it was read' },
  'api.idempotency': { coap: 500, http: 422, text: 'the idempotency key was used for another request' },
  'api.in-progress': { coap: 503, http: 409, text: 'the same request is still under way' },
  'api.too-many': { coap: 503, http: 429, text: 'too many at a time' },
  'api.unreachable': { coap: 504, http: 504, text: 'the service does not answer, or not as this API does' },
  // the command line
  'command.usage': { coap: 500, http: 500, text: 'the command line is wrong' },
  'command.file': { coap: 500, http: 500, text: 'the file cannot be used' },
  // the device side
  'device.protocol': { coap: 400, http: 400, text: 'the answer cannot be used' },
  'device.unreachable': { coap: 504, http: 504, text: 'the service does not answer' },
  'device.handshake': { coap: 401, http: 401, text: 'the secure handshake with the service failed' },
  'device.timeout': { coap: 504, http: 504, text: 'the device did not get there in time' },
  'device.state': { coap: 500, http: 500, text: 'the stored device state is damaged' },
} as const satisfies Record<string, ErrorEntry>;

export interface ErrorEntry {
  /** CoAP response code, class * 100 + detail. */
  readonly coap: number;
  readonly http: number;
  /** What the peer is told. */
  readonly text: string;
}

export type ErrorCode = keyof typeof errorTable;

/** Facts of a refusal, for the record: short, printable, never secret. */
export type Evidence = Readonly<Record<string, string | number | boolean>>;

/** A decision against the peer: which rule, what was seen, what would help. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly evidence: Evidence;
  /** What an operator (or firmware engineer) can do about it, as a sentence. */
  readonly fix: string;
}

export type Decision<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const decided = <T>(value: T): Decision<T> => ({ ok: true, value });

export const refused = (code: ErrorCode, evidence: Evidence, fix: string): { ok: false; refusal: Refusal } => ({
  ok: false,
  refusal: { code, evidence, fix },
});

/** The exception form of a refusal, for code whose caller cannot go on. */
export class FirstbootError extends Error {
  readonly code: ErrorCode;
  readonly evidence: Evidence;
  readonly fix: string;

  constructor(refusal: Refusal, options?: { readonly cause?: unknown }) {
    super(describe(refusal), options);
    this.name = 'FirstbootError';
    this.code = refusal.code;
    this.evidence = refusal.evidence;
    this.fix = refusal.fix;
  }
}

/** Shorthand for `throw`: `throw failure('der.malformed', {at: 12}, 'send DER')`. */
export function failure(code: ErrorCode, evidence: Evidence, fix: string, cause?: unknown): FirstbootError {
  return new FirstbootError({ code, evidence, fix }, cause === undefined ? undefined : { cause });
}

/** One line for people: text, evidence, fix. */
export function describe({ code, evidence, fix }: Refusal): string {
  const facts = Object.entries(evidence).map(([name, value]) => `${name} ${value}`);
  return `${errorTable[code].text}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}${fix ? `: ${fix}` : ''}`;
}

/** For the exhaustive `default:` of a switch over a union. */
export function unreachable(value: never): never {
  throw new TypeError(`not handled: ${JSON.stringify(value)}`);
}

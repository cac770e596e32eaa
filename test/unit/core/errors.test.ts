import { expect, test } from 'vitest';
import { describe, errorTable, failure } from '../../../src/core/errors.ts';

test('every CoAP code is one that the reference device counts as an error', () => {
  // plgd-device b: codes outside of its table (4.08, 4.09, 4.29, ...) are taken for success.
  const understood = [400, 401, 402, 403, 404, 405, 406, 413, 415, 500, 501, 502, 503, 504, 505];
  for (const [code, { coap }] of Object.entries(errorTable)) expect(understood, code).toContain(coap);
});

test('a failure says what, where and how to mend it, in one line', () => {
  const error = failure('csr.subject', { subject: 'CN=x' }, 'ask for CN=uuid:<device id>');
  expect(describe(error)).toBe(
    'the subject of the certificate request is not the device (subject CN=x): ask for CN=uuid:<device id>',
  );
  expect(error.message).toBe(describe(error));
});

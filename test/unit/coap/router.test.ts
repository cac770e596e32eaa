import { describe, expect, it } from 'vitest';
import { createRouter, errorResponse, faultResponse } from '../../../src/coap/router.ts';
import { fromUtf8 } from '../../../src/core/bytes.ts';
import { errorTable, failure, refused } from '../../../src/core/errors.ts';

const router = createRouter([
  { method: 'GET', path: '/x.plgd.dev/time', handler: 'time' },
  { method: 'GET', path: '/acls', handler: 'read acls' },
  { method: 'POST', path: '/acls', handler: 'write acls' },
]);

const text = (response: { payload?: Uint8Array }): string => fromUtf8(response.payload ?? new Uint8Array(0));

describe('the router', () => {
  it('finds the handler by method and path', () => {
    expect(router.find({ method: 'GET', path: ['x.plgd.dev', 'time'] })).toEqual({ ok: true, value: 'time' });
    expect(router.find({ method: 'POST', path: ['acls'] })).toEqual({ ok: true, value: 'write acls' });
  });

  it('refuses an unknown path with 4.04 and names the known ones', () => {
    for (const path of [[], ['acls', ''], ['ACLS'], ['x.plgd.dev/time'], ['', 'acls']]) {
      const found = router.find({ method: 'GET', path });
      expect(found, path.join('|')).toMatchObject({ ok: false, refusal: { code: 'request.unknown-path' } });
    }
    expect(router.find({ method: 'GET', path: ['a'] })).toMatchObject({
      refusal: { evidence: { path: '/a' }, fix: 'the paths are /x.plgd.dev/time /acls' },
    });
  });

  it('refuses another method on a known path with 4.05 and names the right ones', () => {
    expect(router.find({ method: 'PUT', path: ['acls'] })).toEqual(
      refused('request.method', { method: 'PUT', path: '/acls' }, 'use GET or POST'),
    );
  });

  it('takes no two handlers for the same', () => {
    const twice = { method: 'GET', path: '/a', handler: 1 } as const;
    expect(() => createRouter([twice, twice])).toThrow('GET /a has two handlers');
  });
});

describe('an error response', () => {
  it('has the code and the public text of the table, and no Content-Format', () => {
    const { refusal } = refused('csr.subject', { subject: 'CN=someone' }, 'use the device id');
    for (const problem of [refusal, failure('csr.subject', { subject: 'CN=someone' }, 'use the device id')]) {
      const response = errorResponse(problem);
      expect(response).not.toHaveProperty('contentFormat');
      expect(response).not.toHaveProperty('options');
      expect({ code: response.code, text: text(response) }).toEqual({
        code: 400,
        text: errorTable['csr.subject'].text,
      });
    }
  });

  it('says nothing about an unexpected error', () => {
    for (const problem of [
      new Error('password is hunter2'),
      'hunter2',
      undefined,
      { code: 'ENOENT' },
      { code: 'csr.subject' },
    ]) {
      const response = errorResponse(problem);
      expect({ code: response.code, text: text(response) }).toEqual({ code: 500, text: 'internal error' });
    }
  });

  it('uses no code that the reference device takes for success', () => {
    const usable = [400, 401, 402, 403, 404, 405, 406, 413, 415, 500, 501, 502, 503, 504, 505];
    for (const { coap } of Object.values(errorTable)) expect(usable).toContain(coap);
  });

  it('tells a fault as it is', () => {
    const response = faultResponse({ code: 402, text: 'option 9 is not understood' });
    expect({ code: response.code, text: text(response) }).toEqual({ code: 402, text: 'option 9 is not understood' });
  });
});

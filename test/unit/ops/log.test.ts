import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/core/errors.ts';
import { Secret } from '../../../src/core/secret.ts';
import { createLog, type LogLevel } from '../../../src/ops/log.ts';
import {
  codeOf,
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  testDevice,
  testStart,
} from '../../support/provisioning.ts';

function lines(level: LogLevel = 'debug') {
  let written = '';
  const log = createLog(level, {
    write: (text) => {
      written += text;
    },
  });
  const told = (): readonly Record<string, unknown>[] =>
    written
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, told };
}

describe('a line of the log', () => {
  it('says what an unexpected error was and where it came about, with its causes', () => {
    const { log, told } = lines();
    const disk = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    log.error({ attemptId: 'a', error: new TypeError('not handled', { cause: disk }) }, 'an unexpected error');
    const [line] = told();
    expect(line).toMatchObject({
      attemptId: 'a',
      error: {
        name: 'TypeError',
        message: 'not handled',
        at: expect.arrayContaining([expect.stringContaining('log.test.ts')]),
        cause: { name: 'Error', message: 'no space left on device', code: 'ENOSPC' },
      },
    });
  });

  it('says of our own errors code, evidence and fix, and what was the cause', () => {
    const { log, told } = lines();
    const cause = new Error('connection refused');
    log.warn({ error: failure('configure.token', { hub: 'h', url: 'https://x' }, 'look at it', cause) }, 'no answer');
    expect(told()[0]?.error).toMatchObject({
      code: 'configure.token',
      evidence: { hub: 'h', url: 'https://x' },
      fix: 'look at it',
      cause: { message: 'connection refused' },
    });
  });

  it('quotes nothing that could not be parsed: it may have been a token', () => {
    const { log, told } = lines();
    let error: unknown;
    try {
      JSON.parse('s3cret-token');
    } catch (caught) {
      error = caught;
    }
    expect(String(error)).toContain('s3cret');
    log.warn({ error: failure('configure.token', {}, '', error) }, 'no token');
    log.warn({ error, token: new Secret('s3cret-token') }, 'no token');
    expect(JSON.stringify(told())).not.toContain('s3cret');
    expect(told()[0]?.error).toMatchObject({ cause: { name: 'SyntaxError' } });
  });

  it('leaves text as it is, and ends where causes go in circles', () => {
    const { log, told } = lines();
    const circle = new Error('round');
    circle.cause = circle;
    log.warn({ error: 'status 500' }, 'said');
    log.warn({ error: circle }, 'round');
    expect(told().map(({ error }) => error)).toMatchObject(['status 500', { cause: { message: 'round' } }]);
  });
});

it('what fails on behalf of an attempt, its hub or the store, is in the log with its id and with why', async () => {
  const { log, told } = lines('warn');
  let away = false;
  const pipeline = await openPipeline({
    log,
    tokens: { accessToken: async () => Promise.reject(new Error('the hub hung up')) },
    wrapStore: (store) => ({
      ...store,
      device: async (keyId) => {
        if (away) throw failure('service.store', {}, 'look at the disk');
        return store.device(keyId);
      },
      appendAttempt: async (...entries) => {
        if (away) throw failure('service.store', {}, 'look at the disk');
        return store.appendAttempt(...entries);
      },
    }),
  });
  try {
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), testStart);
    const { attemptId } = session;
    const { deviceId } = testDevice(1);
    expect(codeOf(await session.cloud({ deviceId }, testStart + 1))).toBe('service.internal');
    away = true;
    expect(codeOf(await session.ownership(testStart + 2))).toBe('service.store');
    await endSession(session, testStart + 3);
    const found = told();
    for (const line of found) expect(line).toMatchObject({ attemptId });
    expect(found.slice(0, 3)).toMatchObject([
      { msg: 'an unexpected error', stage: 'configure', error: { message: 'the hub hung up' } },
      { msg: 'a question could not be answered', stage: 'admit', error: { code: 'service.store' } },
      { msg: 'an attempt could not be written, trying again', error: { code: 'service.store' } },
    ]);
  } finally {
    away = false;
    await pipeline.close();
  }
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { type ConfiguredService, startConfiguredService } from '../support/configured-service.ts';
import { askDatagram, deviceRequest, paths } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { until } from '../support/until.ts';

let running: ConfiguredService;
beforeEach(async () => {
  running = await startConfiguredService({ service: { drain: minutes(10) } });
});
afterEach(() => running.close());

const portOf = (endpoint: string | undefined): number => Number(/:(\d+)$/.exec(endpoint ?? '')?.[1]);

const open = (index: number, transport: 'udp' | 'tcp'): Promise<RawSession> => {
  const { pki, service } = running;
  const identity = pki.devices[index];
  if (!identity) throw new Error(`there is no device ${index}`);
  return RawSession.open({ transport, port: portOf(service.endpoints[transport]), identity });
};

describe('a service that drains', () => {
  it('is not ready at once, takes nobody new, and goes on with who is there until it has gone', async () => {
    const { service } = running;
    const session = await (await open(0, 'udp')).established();
    expect((await askDatagram(session, deviceRequest(paths.time))).code).toBe(205);
    let left: number | undefined;
    const drained = service.drain().then((open) => {
      left = open;
    });
    const health = await running.get('/health/ready');
    expect([health.status, await health.json()]).toMatchObject([
      503,
      { reasons: [expect.stringMatching(/^draining/)] },
    ]);

    const stranger = await open(1, 'udp');
    await expect(once(connect(portOf(service.endpoints.tcp), '127.0.0.1'), 'connect')).rejects.toThrow(/ECONNREFUSED/);
    // It says its hello again, or with a cookie if it were given one; others are answered meanwhile.
    await until(() => stranger.sent.length > 1);
    for (let turn = 0; turn < 3; turn++)
      expect((await askDatagram(session, deviceRequest(paths.ownership))).code).toBe(205);
    expect(stranger.has('established')).toBe(false);
    stranger.cut();
    expect(left).toBeUndefined();

    session.close();
    await drained;
    const [event] = ((await (await running.get('/api/v1/events/history?types=service')).json()) as { items: unknown[] })
      .items;
    expect(event).toMatchObject({ type: 'service.draining' });
  });

  it('waits no longer than it was told, and then says goodbye', async () => {
    await running.close();
    running = await startConfiguredService({ service: { drain: seconds(2) } });
    const { service } = running;
    const session = await (await open(0, 'udp')).established();
    await askDatagram(session, deviceRequest(paths.time));
    const begun = performance.now();
    expect(await service.drain()).toBe(1);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(1900);
    await service.close();
    await session.ended();
    expect(session.events.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'close-notify' } });
  });

  it('does not wait for anything when nobody is in the middle of something', async () => {
    // It would be ten minutes, and no test lasts that long.
    expect(await running.service.drain()).toBe(0);
  });

  it('tells live streams of it, which end last', async () => {
    const stream = await running.get('/api/v1/events');
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    await running.service.drain();
    await running.service.close();
    let text = '';
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) text += piece.value;
    expect(text).toContain('event: service.draining');
  });
});

import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { listenAddress, logLevelOf } from '../../../src/cli/device-options.ts';
import { DeviceView } from '../../../src/cli/device-view.ts';
import { createDevelopmentPki } from '../../../src/development.ts';
import type { StepReport } from '../../../src/device/report.ts';
import { SimulatedDevice } from '../../../src/device/simulator.ts';

const failedStep: StepReport = {
  step: 'credentials',
  result: 'timeout',
  flags: 1,
  progress: 1,
  bytesIn: 0,
  bytesOut: 0,
  roundTrips: 1,
  ms: 10_000,
};

test('the view of a device has its status, service and cloud, and counts down to the next try', async () => {
  const [identity] = createDevelopmentPki({ devices: 1 }).devices;
  const device = await SimulatedDevice.create({ endpoint: 'coaps://127.0.0.1:1', identity });
  const view = new DeviceView(device, [10_000, 20_000]);
  const shown = (now: number): string => stripVTControlCharacters(view.lines(now).join('\n'));

  expect(shown(0)).toMatch(/dps uninitialized/);
  expect(shown(0)).toMatch(/service {2}coaps:\/\/127\.0\.0\.1:1\n/);
  expect(shown(0)).toMatch(/cloud {4}not signed in/);
  expect(shown(0)).not.toContain('retry');

  view.stepped(failedStep, 1000);
  expect(shown(1000)).toMatch(/retry {4}credentials again in 10 s, failed 1 in a row: timeout/);
  expect(shown(4500)).toMatch(/again in 7 s/);
  expect(shown(20_000)).toMatch(/is tried again/);
  view.stepped(failedStep, 20_000);
  expect(shown(20_000)).toMatch(/again in 20 s, failed 2 in a row/);
  view.stepped({ ...failedStep, step: 'sign-in' }, 21_000);
  expect(shown(21_000)).toMatch(/failed 2 in a row/);
  view.stepped({ ...failedStep, result: 'done' }, 22_000);
  expect(shown(22_000)).not.toContain('retry');
  await device.close();
});

test.each([
  ['debug', undefined, 'debug'],
  ['trace', 'trace', 'debug'],
  ['notice', undefined, 'info'],
  ['warning', 'info', 'warn'],
  ['debug', 'error', 'error'],
  ['debug', 'disabled', 'silent'],
  ['disabled', 'trace', 'silent'],
  ['silent', undefined, 'silent'],
  ['warn', undefined, 'warn'],
])('log level %s, second threshold %s: %s', (logLevel, ocLogLevel, level) => {
  expect(logLevelOf({ logLevel, ...(ocLogLevel !== undefined && { ocLogLevel }) })).toBe(level);
});

test.each([
  ['127.0.0.1', { host: '127.0.0.1', port: 0 }],
  ['0.0.0.0:5683', { host: '0.0.0.0', port: 5683 }],
  ['[::1]:5683', { host: '::1', port: 5683 }],
  ['[::]', { host: '::', port: 0 }],
  ['off', undefined],
  ['localhost:65535', undefined],
])('--listen %s', (text, address) => {
  expect(listenAddress(text)).toEqual(address);
});

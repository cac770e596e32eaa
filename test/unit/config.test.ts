import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { parseConfig } from '../../src/config-file.ts';
import { FirstbootError, describe as words } from '../../src/core/errors.ts';

const complaintOf = (text: string): string => {
  try {
    parseConfig(text, 'firstboot.yaml');
  } catch (error) {
    if (error instanceof FirstbootError) return words(error);
    throw error;
  }
  throw new Error('the configuration was accepted');
};

describe('a bad configuration file is refused with file, line, key and what was expected', () => {
  test.each([
    ['a number out of range', 'host: 127.0.0.1\nport: 70000\n', /firstboot\.yaml, line 2, key port.*65535/],
    ['a word where a number belongs', 'port: high\n', /line 1, key port.*integer/],
    ['an unknown key', 'port: 1\nprot: 2\n', /line 2, key prot.*no such key.*port/],
    [
      'an unknown key deep inside',
      'groups:\n  - name: a\n    owner: b\n    hubs: [d03a1bb4-0a77-428c-b78c-1c46efe6a38e]\n    anchor: x\n',
      /line 5, key groups\.0\.anchor.*no such key.*anchors/,
    ],
    ['a value outside of a list', 'logLevel: loud\n', /line 1, key logLevel.*"info"/],
    [
      'a gateway with a scheme we do not speak',
      'hubs:\n  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e\n    gateways:\n      - http://x\n',
      /line 4, key hubs\.0\.gateways\.0.*coaps\+tcp/,
    ],
    [
      'a missing key',
      'hubs:\n  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e\n',
      /line 2, key hubs\.0.*missing: gateways/,
    ],
    ['a hub id that is no UUID', 'hubs:\n  - id: hub-1\n    gateways: [coaps://a]\n', /line 2, key hubs\.0\.id.*UUID/],
    ['broken YAML', 'port: [1\n', /firstboot\.yaml, line/],
    ['a list instead of keys', '- port\n', /line 1.*expected|object/],
  ])('%s', (_, text, expected) => {
    expect(complaintOf(text)).toMatch(expected);
  });

  test('an empty file means all defaults', () => {
    expect(parseConfig('', 'firstboot.yaml')).toEqual({});
  });
});

describe('where a setting comes from', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'firstboot-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (text: string): string => {
    const path = join(folder, 'firstboot.yaml');
    writeFileSync(path, text);
    return path;
  };

  test('a flag beats the environment, the environment beats the file', () => {
    const path = file('port: 1\nhost: 10.0.0.1\nlogLevel: warn\n');
    const config = loadConfig({ port: '3' }, { FIRSTBOOT_PORT: '2', FIRSTBOOT_HOST: '10.0.0.2' }, path);
    expect(config).toMatchObject({ port: 3, host: '10.0.0.2', logLevel: 'warn' });
  });

  test('without anything it listens on loopback, UDP and TCP on port 20030', () => {
    expect(loadConfig({}, {}, undefined)).toMatchObject({
      host: '127.0.0.1',
      port: 20_030,
      transports: ['udp', 'tcp'],
    });
  });

  test('a transport that is not named stays off', () => {
    expect(loadConfig({ transports: 'udp' }, {}, undefined)).toMatchObject({ transports: ['udp'] });
  });

  test('paths in the file are relative to the file', () => {
    expect(loadConfig({}, {}, file('data: store\n')).data).toBe(join(folder, 'store'));
  });

  test('a bad flag or variable names itself', () => {
    expect(() => loadConfig({ port: 'x' }, {}, undefined)).toThrow(/--port.*0 to 65535/);
    expect(() => loadConfig({}, { FIRSTBOOT_LOG_LEVEL: 'loud' }, undefined)).toThrow(/FIRSTBOOT_LOG_LEVEL.*debug/);
    expect(() => loadConfig({ transports: 'sctp' }, {}, undefined)).toThrow(/--transports.*udp,tcp/);
  });

  test('a file that is not there is named', () => {
    expect(() => loadConfig({}, {}, join(folder, 'nothing.yaml'))).toThrow(/nothing\.yaml.*cannot be read/);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/file.ts';
import { readPolicyFile } from '../../src/config/policy.ts';
import { loadConfig } from '../../src/config.ts';
import { FirstbootError, describe as words } from '../../src/core/errors.ts';

const complaintOf = (text: string): string => {
  try {
    const { groups, hubs } = parseConfig(text, 'firstboot.yaml');
    if (groups ?? hubs) readPolicyFile(text, 'firstboot.yaml', '.');
  } catch (error) {
    if (error instanceof FirstbootError) return words(error);
    throw error;
  }
  throw new Error('the configuration was accepted');
};

const hub = '  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e\n    gateways: [coaps://a]\n';
const group =
  '  - name: washers\n    owner: acme\n    hubs: [d03a1bb4-0a77-428c-b78c-1c46efe6a38e]\n    anchors: [root.pem]\n';

describe('a bad configuration file is refused with file, line, key and what was expected', () => {
  test.each([
    ['a number out of range', 'host: 127.0.0.1\nport: 70000\n', /firstboot\.yaml, line 2, key port.*65535/],
    ['a word where a number belongs', 'port: high\n', /line 1, key port.*integer/],
    ['an unknown key', 'port: 1\nprot: 2\n', /line 2, key prot.*no such key.*port/],
    [
      'an unknown key deep inside',
      'groups:\n  - name: a\n    owner: b\n    hubs: [d03a1bb4-0a77-428c-b78c-1c46efe6a38e]\n    anchor: x\n',
      /line 5, key groups\[0\]\.anchor.*no such key.*anchors/,
    ],
    ['a value outside of a list', 'logLevel: loud\n', /line 1, key logLevel.*"info"/],
    [
      'a gateway with a scheme we do not speak',
      'hubs:\n  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e\n    gateways:\n      - http://x\n',
      /line 4, key hubs\[0\]\.gateways\[0\].*coaps\+tcp/,
    ],
    [
      'a missing key',
      'hubs:\n  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e\n',
      /line 2, key hubs\[0\].*missing: gateways/,
    ],
    [
      'a hub id that is no UUID',
      'hubs:\n  - id: hub-1\n    gateways: [coaps://a]\n',
      /line 2, key hubs\[0\]\.id.*UUID/,
    ],
    ['hubs that nobody uses', `host: a\nhubs:\n${hub}`, /line 3, key hubs.*no groups.*add groups/],
    ['a certificate that nobody uses', 'certificate: { chain: a, key: b }\n', /line 1, key certificate.*no groups/],
    ['no groups at all in the list', 'groups: []\n', /line 1, key groups.*at least one/],
    [
      'a hub that is not there',
      `groups:\n${group}`,
      /line 4, key groups\[0\]\.hubs\[0\].*add hub d03a1bb4.*under hubs/,
    ],
    [
      'a group that can attest nobody',
      `hubs:\n${hub}groups:\n${group.replace('    anchors: [root.pem]\n', '')}`,
      /line 5, key groups\[0\].*anchors.*psk/,
    ],
    ['two groups of one name', `hubs:\n${hub}groups:\n${group}${group}`, /line 9, key groups\[1\]\.name.*its own/],
    [
      'two hubs of one id',
      `groups:\n${group}hubs:\n${hub}${hub.toUpperCase().replace(/ID|GATEWAYS|COAPS/g, (key) => key.toLowerCase())}`,
      /line 9, key hubs\[1\]\.id.*its own/,
    ],
    [
      'a gateway without a host',
      `groups:\n${group}hubs:\n${hub.replace('coaps://a', 'coaps://')}`,
      /gateways\[0\].*host:port/,
    ],
    [
      'the development gateway beside groups',
      `gateway: coaps://a:1\nhubs:\n${hub}groups:\n${group}`,
      /line 1, key gateway.*hubs/,
    ],
    ['an MTU too small for a handshake', 'mtu: 100\n', /line 1, key mtu.*300/],
    ['broken YAML', 'port: [1\n', /firstboot\.yaml, line/],
    ['a list instead of keys', '- port\n', /line 1.*expected|object/],
  ])('%s', (_, text, expected) => {
    expect(complaintOf(text)).toMatch(expected);
  });

  test('a good one is taken', () => {
    expect(parseConfig(`hubs:\n${hub}groups:\n${group}`, 'firstboot.yaml').groups).toHaveLength(1);
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
    expect(() => loadConfig({ mtu: '299' }, {}, undefined)).toThrow(/--mtu.*300 to 65507/);
    expect(() => loadConfig({}, { FIRSTBOOT_GATEWAY: 'http://a' }, undefined)).toThrow(/FIRSTBOOT_GATEWAY.*coaps/);
    expect(() => loadConfig({ transports: 'sctp' }, {}, undefined)).toThrow(/--transports.*udp,tcp/);
  });

  test('a file that is not there is named', () => {
    expect(() => loadConfig({}, {}, join(folder, 'nothing.yaml'))).toThrow(/nothing\.yaml.*cannot be read/);
  });
});

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { judgePolicy, policyFiles, policyPartAt, readPolicy, readPolicyFile } from '../../src/config/policy.ts';
import { configuredParts } from '../../src/config.ts';
import { days } from '../../src/core/clock.ts';
import { FirstbootError, describe as words } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { type Made, makeCertificate, makeCrl, testTime } from '../support/chains.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const otherHub = '0b8a5d39-3c39-4a3b-9b0f-1f6a3c2d4e5f';
const hubs = `hubs:\n  - {id: ${hub}, gateways: ['coaps://a:1']}\n  - {id: ${otherHub}, gateways: ['coaps://b:1']}\n`;
/** Line 4 begins the groups, line 5 the group. */
const group = (rest: string): string =>
  `${hubs}groups:\n  - name: washers\n    owner: acme\n    hubs: [${hub}]\n${rest}`;

let folder: string;
let remove: () => Promise<void>;
let root: Made;
let line: Made;
let stranger: Made;
let leaf: Made;

const pem = (made: Made): string => encodePem('CERTIFICATE', made.der);
const inline = (text: string, indent = 6): string =>
  `|\n${text
    .trimEnd()
    .split('\n')
    .map((row) => `${' '.repeat(indent + 2)}${row}`)
    .join('\n')}\n`;

beforeAll(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  root = await makeCertificate({ subject: 'O=Acme, CN=Acme Root', ca: true });
  line = await makeCertificate({ subject: 'O=Acme, CN=Line 2', ca: true, issuer: root });
  leaf = await makeCertificate({ subject: 'O=Acme, CN=device', issuer: line });
  stranger = await makeCertificate({ subject: 'O=Evil, CN=Evil Root', ca: true });
  const twin = await makeCertificate({ subject: 'O=Acme, CN=Acme Root', ca: true });
  const old = await makeCertificate({ subject: 'CN=Old Root', ca: true, notAfter: new Date(testTime - 1000) });
  const crl = (der: Uint8Array): string => encodePem('X509 CRL', der);
  const files: Record<string, string | Uint8Array> = {
    'root.pem': pem(root),
    'line.pem': pem(line),
    'leaf.pem': pem(leaf),
    'stranger.pem': pem(stranger),
    'old.pem': pem(old),
    'both.pem': pem(root) + pem(stranger),
    'broken.pem': pem(root).replace('MII', 'MI*'),
    'cut.pem': encodePem('CERTIFICATE', root.der.subarray(0, 100)),
    'key.pem': encodePem('PUBLIC KEY', parseCertificate(leaf.der).spki),
    'root.der': root.der,
    'root.crl': crl(await makeCrl(root, [line])),
    'root.crl.der': await makeCrl(root, [line]),
    'stale.crl': crl(await makeCrl(root, [], new Date(testTime - 1000))),
    'stranger.crl': crl(await makeCrl(stranger, [])),
    'twin.crl': crl(await makeCrl(twin, [])),
    'psk.hex': `${'0f'.repeat(32)}\n`,
    'short.hex': '0f0f',
    'secret.txt': 'hush',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
});
afterAll(() => remove());

const read = (text: string, options: { now?: number } = {}) => readPolicyFile(text, 'policy.yaml', folder, options);

const complaintOf = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof FirstbootError) return words(error);
    throw error;
  }
  throw new Error('the policy was accepted');
};

const x509 = '    anchors: [root.pem]\n';

describe('a policy file that cannot work is refused with file, line, key and what was expected', () => {
  test.each([
    [
      'an anchor file that is not there',
      '    anchors: [nothing.pem]\n',
      /line 8, key groups\[0\]\.anchors\[0\].*nothing\.pem cannot be read.*ENOENT/,
    ],
    [
      'PEM with a broken line',
      '    anchors:\n      - broken.pem\n',
      /line 9, key groups\[0\]\.anchors\[0\].*broken\.pem holds no readable PEM.*line 2/,
    ],
    [
      'a certificate that is cut off',
      '    anchors: [cut.pem]\n',
      /anchors\[0\].*cut\.pem holds no readable certificate.*byte/,
    ],
    ['a certificate in DER', '    anchors: [root.der]\n', /anchors\[0\].*root\.der is DER.*PEM/],
    [
      'a revocation list among anchors',
      '    anchors: [root.crl]\n',
      /anchors\[0\].*CERTIFICATE in PEM; it holds X509 CRL/,
    ],
    [
      'a device certificate among anchors',
      '    anchors: [leaf.pem]\n',
      /anchors\[0\].*CN=device, which is no authority.*CA:TRUE/,
    ],
    [
      'a device certificate among intermediates',
      `${x509}    intermediates: [leaf.pem]\n`,
      /line 9, key groups\[0\]\.intermediates\[0\].*no authority/,
    ],
    [
      'a lead that leads to no anchor',
      `${x509}    leads: [stranger.pem]\n`,
      /line 9, key groups\[0\]\.leads\[0\].*Evil Root leads to no anchor/,
    ],
    ['leads without anchors', `    pins: ['${'ab'.repeat(32)}']\n    leads: [line.pem]\n`, /leads.*goes with anchors/],
    [
      'a CRL of another CA',
      `${x509}    crls: [stranger.crl]\n`,
      /line 9, key groups\[0\]\.crls\[0\].*of O=Evil, CN=Evil Root, which is none/,
    ],
    [
      'a CRL of a namesake with another key',
      `${x509}    crls: [twin.crl]\n`,
      /crls\[0\].*Acme Root, but none of that name has signed it.*AKI [0-9a-f]{40} against SKI [0-9a-f]{40}/,
    ],
    ['a CRL in DER', `${x509}    crls: [root.crl.der]\n`, /crls\[0\].*root\.crl\.der is DER/],
    ['a certificate among CRLs', `${x509}    crls: [root.pem]\n`, /crls\[0\].*X509 CRL in PEM; it holds CERTIFICATE/],
    ['a pin of too few digits', "    pins: ['abcd']\n", /pins\[0\].*abcd cannot be read/],
    [
      'a PSK key that is too short',
      '    psk: [{identity: a, keyFile: short.hex}]\n',
      /psk\[0\]\.keyFile.*short\.hex must hold.*16 to 64/,
    ],
    ['a PSK without a key', '    psk: [{identity: a}]\n', /line 8, key groups\[0\]\.psk\[0\].*missing: keyFile/],
    [
      'an identity twice',
      '    psk: [{identity: a, keyFile: psk.hex}, {identity: a, keyFile: psk.hex}]\n',
      /psk\[1\]\.identity.*twice/,
    ],
    ['an owner key that is too short', `${x509}    ownerPskFile: short.hex\n`, /ownerPskFile.*16 to 64/],
    [
      'a shared owner key that is none',
      `${x509}    ownerPskShared: true\n`,
      /line 9, key groups\[0\]\.ownerPskShared.*ownerPsk/,
    ],
    ['nothing to know devices by', '    enabled: true\n', /line 5, key groups\[0\].*anchors.*pins.*psk/],
    [
      "weights of a hub that is not the group's",
      `${x509}    allocation: {weights: {${otherHub}: 1}}\n`,
      /line 9, key groups\[0\]\.allocation\.weights\.0b8a.*one of the group's hubs/,
    ],
    ['weights that are all 0', `${x509}    allocation: {weights: {${hub}: 0}}\n`, /allocation\.weights.*above 0/],
    ['weights below 0', `${x509}    allocation: {weights: {${hub}: -1}}\n`, /allocation\.weights\.d03a.*>= 0/],
    [
      "a static hub that is not the group's",
      `${x509}    allocation: {static: [{serial: 0a, hub: ${otherHub}}]}\n`,
      /static\[0\]\.hub.*one of the group's hubs/,
    ],
    [
      'a static device without a hub',
      `${x509}    allocation: {static: [{serial: 0a}]}\n`,
      /allocation\.static\[0\].*missing: hub/,
    ],
    [
      'an allocation nobody knows',
      `${x509}    allocation: random\n`,
      /allocation.*expected first, hashed, or a mapping/,
    ],
    [
      'an unknown key in an allocation',
      `${x509}    allocation: {weight: {}}\n`,
      /allocation\.weight.*no such key.*weights, static, webhook/,
    ],
    [
      'a webhook with a password in its URL',
      `${x509}    allocation: {webhook: {url: 'https://anna:geheim@a.example/hub'}}\n`,
      /file policy\.yaml, line 9, key groups\[0\]\.allocation\.webhook\.url\)(?!.*geheim).*user or password/,
    ],
    [
      'a URL of revocation lists with a user in it',
      `${x509}    crls: ['http://geheim@a.example/crl']\n`,
      /file policy\.yaml, line 9, key groups\[0\]\.crls\[0\]\)(?!.*geheim).*user or password/,
    ],
    [
      'a webhook whose URL is none',
      `${x509}    allocation: {webhook: {url: 'https://a b:x'}}\n`,
      /line 9, key groups\[0\]\.allocation\.webhook\.url.*whole URL/,
    ],
    [
      'a template with an unknown field',
      `${x509}    deviceIds: {template: 'x-\${cert.cn}'}\n`,
      /line 9, key groups\[0\]\.deviceIds\.template.*no field cert\.cn.*cert\.subject\.cn/,
    ],
    [
      'a template without its brace',
      `${x509}    deviceIds: {template: 'x-\${cert.serial'}\n`,
      /deviceIds\.template.*no field \$\{cert\.serial/,
    ],
    ['a template without a field', `${x509}    deviceIds: {template: same}\n`, /deviceIds\.template.*same id/],
    [
      'a certificate template for PSK devices',
      "    psk: [{identity: a, keyFile: psk.hex}]\n    deviceIds: {template: '${cert.serial}'}\n",
      /deviceIds\.template.*have no cert\.serial/,
    ],
    [
      'a PSK template for certificate devices',
      `${x509}    deviceIds: {template: '\${psk.identity}'}\n`,
      /deviceIds\.template.*no psk\.identity/,
    ],
    [
      'a misspelt key in deviceIds',
      `${x509}    deviceIds: {templates: a}\n`,
      /deviceIds\.templates.*no such key.*template/,
    ],
    [
      'an ACE with an unknown field',
      `${x509}    acl:\n      - subject: '\${device.name}'\n        permission: all\n        resources: ['*']\n`,
      /line 10, key groups\[0\]\.acl\[0\]\.subject.*no field device\.name/,
    ],
    [
      'an ACE with an unknown field in a path',
      `${x509}    acl: [{subject: owner, permission: all, resources: ['/x/\${cert.serial}']}]\n`,
      /acl\[0\]\.resources\[0\].*no field cert\.serial/,
    ],
    [
      'an ACE for nobody',
      `${x509}    acl: [{subject: everybody, permission: all, resources: ['*']}]\n`,
      /acl\[0\]\.subject.*owner, hub, anonymous, authenticated, a UUID/,
    ],
    [
      'a permission nobody knows',
      `${x509}    acl: [{subject: owner, permission: [read], resources: ['*']}]\n`,
      /acl\[0\]\.permission\[0\].*"retrieve"/,
    ],
    [
      'a resource that is no path',
      `${x509}    acl: [{subject: owner, permission: all, resources: [light]}]\n`,
      /acl\[0\]\.resources\[0\].*a path/,
    ],
    [
      'a role without a name',
      `${x509}    acl: [{subject: {authority: x}, permission: all, resources: ['*']}]\n`,
      /acl\[0\]\.subject.*missing: role/,
    ],
    [
      'a selector of two kinds',
      `${x509}    deny: [{serial: '01', subject: 'CN=*'}]\n`,
      /deny\[0\].*one of key, serial, subject/,
    ],
    [
      'a serial number that YAML takes for a number',
      `${x509}    deny: [{serial: 10}]\n`,
      /deny\[0\]\.serial.*in quotes/,
    ],
    ['a serial number that is none', `${x509}    deny: [{serial: xyz}]\n`, /deny\[0\]\.serial.*hexadecimal/],
    [
      'the life of certificates twice',
      `${x509}    identityDays: 30\n    certificate: {days: 30}\n`,
      /line 9, key groups\[0\]\.identityDays.*short form/,
    ],
    ['a payload that JSON does not have', `${x509}    payload: {limit: .inf}\n`, /payload.*limit is Infinity/],
    [
      'a payload that is too large',
      `${x509}    payload: {text: ${'x'.repeat(limits.policy.payloadBytes)}}\n`,
      /payload.*at most 2048 bytes/,
    ],
  ])('%s', (_, rest, expected) => {
    expect(complaintOf(group(rest))).toMatch(expected);
  });

  test('a name or an owner that cannot be shown in one line', () => {
    const complaint = (key: string) => new RegExp(`key ${key}.*expected one line: no control characters`);
    const text = group(x509);
    expect(complaintOf(text.replace('washers', '"a\\eb"'))).toMatch(complaint('groups\\[0\\]\\.name'));
    expect(complaintOf(text.replace('acme', '"a\\u202Eb"'))).toMatch(complaint('groups\\[0\\]\\.owner'));
    for (const key of ['name', 'provider']) {
      const named = text.replace('gateways', `${key}: "a\\u2028b", gateways`);
      expect(complaintOf(named)).toMatch(complaint(`hubs\\[0\\]\\.${key}`));
    }
  });

  test('a hub twice in a list', () => {
    const text = group(x509).replace(`hubs: [${hub}]`, `hubs: [${hub}, ${hub.toUpperCase()}]`);
    expect(complaintOf(text)).toMatch(/line 7, key groups\[0\]\.hubs\[1\].*twice/);
  });

  test('an OAuth secret that is not there', () => {
    const text = `hubs:\n  - id: ${hub}\n    gateways: ['coaps://a:1']\n    oauth:\n      {authority: 'https://a', clientId: b, clientSecretFile: nothing.txt}\n`;
    expect(complaintOf(text)).toMatch(/line 5, key hubs\[0\]\.oauth\.clientSecretFile.*nothing\.txt cannot be read/);
  });

  test('all problems are found, not only the first', () => {
    const text = group("    anchors: [leaf.pem]\n    crls: [stranger.crl]\n    deviceIds: {template: '${x}'}\n");
    writeFileSync(join(folder, 'bad.txt'), text);
    const { problems } = judgePolicy([policyPartAt(join(folder, 'bad.txt'))]);
    expect(problems.map(({ evidence }) => evidence.key)).toEqual([
      'groups[0].anchors[0]',
      'groups[0].crls[0]',
      'groups[0].deviceIds.template',
    ]);
  });

  test('of shape, too, with the problems of the groups whose shape is right', () => {
    const text = [
      'hubs:',
      `  - {id: ${hub}, gateways: ['http://a'], colour: red}`,
      'groups:',
      '  - name: first',
      '    owner: 7',
      `    hubs: [${hub}]`,
      '    allocation: {weights: {a: -1}}',
      '    clones: burn',
      '    anchors: [nothing.pem]',
      '  - name: second',
      '    owner: me',
      `    hubs: [${hub}, ${hub.replace(/.$/, '0')}]`,
      '    anchors: [leaf.pem]',
      '',
    ].join('\n');
    writeFileSync(join(folder, 'worse.txt'), text);
    const { problems } = judgePolicy([policyPartAt(join(folder, 'worse.txt'))]);
    expect(problems.map(({ evidence: { line, key }, fix }) => `${line} ${key}: ${fix}`)).toEqual([
      '2 hubs[0].gateways[0]: expected coaps+tcp://host:port or coaps://host:port',
      '2 hubs[0].colour: there is no such key here; known keys: id, name, gateways, provider, oauth',
      '5 groups[0].owner: the value must be string (owner: a UUID, or any text (its UUIDv5 is used))',
      '7 groups[0].allocation.weights.a: the value must be >= 0',
      '8 groups[0].clones: expected one of: "alarm", "quarantine"',
      `12 groups[1].hubs[1]: add hub ${hub.replace(/.$/, '0')} under hubs`,
      expect.stringMatching(/^13 groups\[1\]\.anchors\[0\]: .*no authority/),
    ]);
    expect(complaintOf(text)).toMatch(/line 2, key hubs\[0\]\.gateways/);
  });

  test('of a configuration and of the policy folder that it names', () => {
    const policy = join(folder, 'judged');
    mkdirSync(policy);
    writeFileSync(join(policy, 'a.yaml'), group('    anchors: [gone.pem]\n'));
    writeFileSync(join(policy, 'b.yaml'), 'groups: 1\n');
    const file = join(folder, 'judged.txt');
    writeFileSync(file, 'policy: judged\nport: many\nmtu: 1\n');
    const { problems } = judgePolicy(configuredParts(file));
    expect(problems.map(({ evidence: { key } }) => key)).toEqual(['port', 'mtu', 'groups', 'groups[0].anchors[0]']);
    writeFileSync(file, 'policy: nowhere\nport: many\n');
    expect(judgePolicy(configuredParts(file)).problems.map(({ evidence }) => evidence)).toEqual([
      { file, line: 2, key: 'port' },
      { path: join(folder, 'nowhere') },
    ]);
  });

  test('many problems of one file are named up to a bound, and the rest counted', () => {
    const entries = Array.from({ length: limits.config.problems + 20 }, () => '    - {}\n').join('');
    const file = join(folder, 'many.txt');
    writeFileSync(file, `hubs:\n${entries}`);
    const { problems } = judgePolicy([policyPartAt(file)]);
    expect(problems).toHaveLength(limits.config.problems + 1);
    expect(problems.at(-1)?.evidence).toEqual({ file, more: 20 });
  });

  test('a file that is no YAML does not let its hubs be missed in another', () => {
    const texts = { 'torn.txt': 'hubs: [\n', 'groups.txt': group(x509).slice(group(x509).indexOf('groups:')) };
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
    const { problems } = judgePolicy(Object.keys(texts).map((name) => policyPartAt(join(folder, name))));
    expect(problems.map(({ evidence }) => evidence.file)).toEqual([join(folder, 'torn.txt')]);
  });
});

describe('what only deserves a warning', () => {
  const warningsOf = (rest: string): string[] =>
    read(group(rest), { now: testTime }).warnings.map(({ line: at, key, text }) => `${at} ${key}: ${text}`);

  test.each([
    [
      'an anchor that has expired',
      '    anchors: [old.pem]\n',
      /8 groups\[0\]\.anchors\[0\]: CN=Old Root has expired \(2026-05-31/,
    ],
    [
      'a stale revocation list',
      `${x509}    crls: [stale.crl]\n`,
      /9 groups\[0\]\.crls\[0\]: the list of .*Acme Root is stale/,
    ],
    [
      'one key for many identities',
      "    psk: [{identity: 'gw-*', keyFile: psk.hex}]\n",
      /psk\[0\]: all devices of gw-\* have one key/,
    ],
    [
      'one owner key for all devices',
      `${x509}    ownerPskFile: psk.hex\n    ownerPskShared: true\n`,
      /10 groups\[0\]\.ownerPskShared: all devices have one key, and who takes one apart has it/,
    ],
    [
      'a template that many devices share',
      `${x509}    deviceIds: {template: '\${cert.subject.o}'}\n`,
      /deviceIds\.template: all devices of one organization/,
    ],
  ])('%s', (_, rest, expected) => {
    expect(warningsOf(rest)).toEqual([expect.stringMatching(expected)]);
  });

  test('a policy in good order has none', () => {
    expect(warningsOf(`${x509}    crls: [root.crl]\n`)).toEqual([]);
  });
});

describe('a policy file becomes', () => {
  const groupOf = (rest: string) => {
    const [found] = read(group(rest)).groups;
    if (!found) throw new Error('no group');
    return found;
  };

  test('a group with the default of everything that is not written', () => {
    expect(groupOf(x509)).toMatchObject({
      name: 'washers',
      enabled: true,
      source: 'file',
      admission: 'auto',
      deviceIds: { type: 'own' },
      certificate: { keys: ['P-256', 'P-384'], life: days(90) },
      allocation: { type: 'first' },
      reprovisioning: 'migrate',
      clones: 'alarm',
    });
  });

  test('a group with certificates from files, from PEM in the text, and several from one file', () => {
    const anchors = groupOf(`    anchors:\n      - both.pem\n      - ${inline(pem(line))}`).attestation.x509?.anchors;
    expect(anchors).toEqual([pem(root), pem(stranger), pem(line)]);
  });

  test('a group with a lead below an anchor, through an intermediate or not', () => {
    expect(groupOf(`${x509}    leads: [line.pem]\n`).attestation.x509?.leads).toEqual([pem(line)]);
  });

  test('a group whose revocation lists are files and URLs', () => {
    const { x509: found } = groupOf(`${x509}    crls: [root.crl, 'http://crl.example.com/acme.crl']\n`).attestation;
    expect(found?.crls).toHaveLength(1);
    expect(found?.crlUrls).toEqual(['http://crl.example.com/acme.crl']);
  });

  test('a group that pins a key: by certificate, by public key or by digest, all the same', () => {
    const { pins } = groupOf('    pins: [leaf.pem, key.pem]\n').attestation;
    expect(pins[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(pins[1]).toBe(pins[0]);
    expect(groupOf(`    pins: ['${pins[0]?.toUpperCase()}']\n`).attestation.pins).toEqual([pins[0]]);
  });

  test('a group with selectors in the form that is compared', () => {
    const key = 'D03A1BB4-0A77-428C-B78C-1C46EFE6A38E';
    expect(
      groupOf(`${x509}    allow: [{key: ${key}}, {serial: '000A1B'}]\n    deny: [{subject: 'CN=x*'}]\n`),
    ).toMatchObject({
      allow: [
        { by: 'key', value: hub },
        { by: 'serial', value: '0a1b' },
      ],
      deny: [{ by: 'subject', value: 'CN=x*' }],
    });
  });

  test('a group with its own entries of the access control list', () => {
    const { acl } = groupOf(`${x509}    acl:
      - {subject: owner, permission: all, resources: ['/light', '*']}
      - {subject: hub, permission: [retrieve, notify], resources: ['+']}
      - {subject: anonymous, permission: [retrieve], resources: ['-']}
      - {subject: authenticated, permission: [update], resources: ['/x/\${device.id}']}
      - {subject: {role: fitter, authority: acme}, permission: [create, delete], resources: ['/a']}
      - {subject: '\${cert.subject.cn}', permission: all, resources: ['/a']}\n`);
    expect(acl).toEqual([
      {
        subject: { type: 'uuid', uuid: '${owner.id}' },
        permission: 31,
        resources: [{ href: '/light' }, { wildcard: '*' }],
      },
      { subject: { type: 'uuid', uuid: '${hub.id}' }, permission: 18, resources: [{ wildcard: '+' }] },
      { subject: { type: 'connection', kind: 'anon-clear' }, permission: 2, resources: [{ wildcard: '-' }] },
      { subject: { type: 'connection', kind: 'auth-crypt' }, permission: 4, resources: [{ href: '/x/${device.id}' }] },
      { subject: { type: 'role', role: 'fitter', authority: 'acme' }, permission: 9, resources: [{ href: '/a' }] },
      { subject: { type: 'uuid', uuid: '${cert.subject.cn}' }, permission: 31, resources: [{ href: '/a' }] },
    ]);
  });

  test.each([
    ['weights', `{weights: {${hub}: 3}}`, { type: 'weighted', weights: { [hub]: 3 } }],
    [
      'static',
      `{static: [{serial: '0A', hub: ${hub}}]}`,
      { type: 'static', devices: [{ device: { by: 'serial', value: '0a' }, hub }] },
    ],
    [
      'webhook',
      `{webhook: {url: 'http://a/b', timeoutSeconds: 1.5}}`,
      { type: 'webhook', url: 'http://a/b', timeout: 1500, secretFile: undefined },
    ],
    ['hashed', 'hashed', { type: 'hashed' }],
  ])('a group with allocation %s', (_, written, expected) => {
    expect(groupOf(`${x509}    allocation: ${written}\n`).allocation).toEqual(expected);
  });

  test('a group of an operator, when it is read for one; hubs may then be in the store', () => {
    const text = `groups: [{name: a, owner: b, hubs: [${hub}], anchors: [root.pem]}]\n`;
    expect(() => read(text)).toThrow(/add hub d03a/);
    const { groups } = readPolicyFile(text, 'a.yaml', folder, { hubs: [hub], source: 'operator' });
    expect(groups[0]?.source).toBe('operator');
  });
});

describe('a folder of policy files', () => {
  test('is read in one: hubs may be in another file than the groups that use them', () => {
    const policy = join(folder, 'policy');
    mkdirSync(join(policy, 'deeper'), { recursive: true });
    writeFileSync(join(policy, 'b-groups.yml'), group('    anchors: [../root.pem]\n').replace(hubs, ''));
    writeFileSync(join(policy, 'a-hubs.yaml'), hubs);
    writeFileSync(join(policy, '.hidden.yaml'), 'not: [read');
    writeFileSync(join(policy, 'notes.txt'), 'not: [read');
    writeFileSync(join(policy, 'deeper', 'c.yaml'), 'not: [read');
    const { groups, hubs: found } = readPolicy(policyFiles(policy).map(policyPartAt));
    expect([groups.map(({ name }) => name), found.map(({ id }) => id)]).toEqual([['washers'], [hub, otherHub]]);
  });

  test('may not have the same group in two files, and the complaint names both', () => {
    const policy = join(folder, 'twice');
    mkdirSync(policy);
    writeFileSync(join(policy, 'a.yaml'), group('    anchors: [../root.pem]\n'));
    writeFileSync(join(policy, 'b.yaml'), group('    anchors: [../root.pem]\n').replace(hubs, ''));
    expect(() => readPolicy(policyFiles(policy).map(policyPartAt))).toThrow(
      /file .*b\.yaml, line 2, key groups\[0\]\.name.*a\.yaml, line 5/,
    );
  });

  test('that is not there is named', () => {
    expect(() => policyFiles(join(folder, 'nowhere'))).toThrow(/nowhere.*cannot be read/);
  });
});

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDevelopmentPki } from '../../../src/development.ts';
import { writeDevelopmentPki } from '../../../src/pki/development.ts';
import { runInProcess } from '../../support/run-in-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: string;
let remove: () => Promise<void>;
let device: string;

/** Words of the tables that stand for what is in the temporary folder. */
const places = ['FACTORY', 'DEVICE', 'GARBAGE', 'FILE', 'NO-YAML', 'BAD-URI'] as const;
const placed = (argument: string): string => {
  const place = places.find((name) => argument.startsWith(name));
  if (place === undefined) return argument;
  return place === 'DEVICE' ? device : argument.replace(place, join(folder, place));
};

beforeAll(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  await writeDevelopmentPki(createDevelopmentPki(), join(folder, 'FACTORY'));
  device = join(folder, 'FACTORY', 'devices', 'device-0001');
  mkdirSync(join(folder, 'GARBAGE'));
  for (const name of ['mfgcrt.pem', 'mfgkey.pem', 'dpsca.pem']) writeFileSync(join(folder, 'GARBAGE', name), '\u0000');
  writeFileSync(join(folder, 'FILE'), '');
  writeFileSync(join(folder, 'NO-YAML'), '{');
  writeFileSync(join(folder, 'BAD-URI'), 'devices: 1\ntarget:\n  factory: x\n  udp: coaps://a:99999\n');
});

afterAll(() => remove());

const run = (args: readonly string[]) => runInProcess(args.map(placed));

describe('what firstboot device is told and cannot use ends it with 2, and is named', () => {
  test.each([
    [['dps', 'coap://a'], /uri coap:\/\/a\).*coaps:\/\/host:port/],
    [['dps', 'coaps://a:99999'], /uri coaps:\/\/a:99999/],
    [['-t', 'nonsense'], /uri nonsense/],
    [['-e', '65536'], /'-e, --expiration-limit <seconds>'.*0 to 65535/],
    [['-o', '256'], /'-o, --cloud-observer-max-retry <n>'.*0 to 255/],
    [['-r', '0'], /'-r, --retry-configuration <seconds>'.*write 1 to 255/],
    [['--retry', '1,,2'], /'--retry <seconds>'.*write 1 to 255/],
    [['-l', 'loud'], /'-l, --log-level <level>'.*notice/],
    [['--oc-log-level', 'loud'], /'--oc-log-level <level>'.*notice/],
    [['--listen', 'a:b'], /'--listen <address>'.*address:port/],
    [['--listen', ''], /'--listen <address>'.*address:port/],
    [['--certs', 'DEVICE', '--listen', '203.0.113.5'], /203\.0\.113\.5.*--listen/],
    [['--certs', 'nowhere'], /nowhere\/mfgcrt\.pem.*--certs/],
    [['--certs', ''], /mfgcrt\.pem.*--certs/],
    [['--certs', 'FILE'], /FILE\/mfgcrt\.pem.*--certs/],
    [['--certs', 'GARBAGE'], /GARBAGE\/dpsca\.pem.*PEM/],
    [['--certs', 'DEVICE', '--state', 'FILE'], /FILE\).*--state/],
    [['--certs', 'DEVICE', '--state', 'FILE/deeper'], /deeper\).*--state/],
    [['--certs', 'DEVICE', '--state', ''], /folder \).*--state/],
    [['--certs', 'DEVICE', '--token', 'a'], /option --token.*--pkcs11/],
    [['--certs', 'DEVICE', '--pin-file', 'FILE'], /option --pin-file.*--pkcs11/],
    [['--certs', 'DEVICE', '--pkcs11', 'FILE'], /--pkcs11.*--token and --key/],
    [['--certs', 'DEVICE', '--pkcs11', 'FILE', '--token', 'a', '--key', 'b'], /FILE/],
    [['--certs', 'DEVICE', '--pkcs11', 'FILE', '--token', 'a', '--key', 'b', '--pin-file', 'none'], /none\).*PIN/],
    [['a', 'coaps://b', 'c'], /too many arguments/],
    [['--bogus'], /unknown option '--bogus'/],
  ] as const)('%j', async (args, reason) => {
    const { code, stdout, stderr } = await run(['device', ...args]);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/unexpected/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe('what firstboot fleet is told and cannot use ends it with 2, and is named', () => {
  test.each([
    [['--devices', 'many'], /key devices.*integer/],
    [['--devices', '0'], /key devices.*from 1 to/],
    [['--seed', '-1'], /key seed.*integer/],
    [['--clock', 'late'], /key clock.*"virtual", "real"/],
    [['--goal', 'there'], /key goal.*"provisioned", "online"/],
    [['--limit', '0'], /key limit.*a time/],
    [['--limit', '0s'], /key limit.*longer than 0/],
    [['--transport', 'sctp'], /key transport.*udp, tcp, mix/],
    [['--arrival', 'soon'], /key arrival.*at-once/],
    [['--arrival', 'poisson:0/s'], /key arrival.*rate above 0/],
    [['--retry', '256'], /key retry.*1 to 255/],
    [['--loss', 'much'], /key link\.loss.*0% to 100%/],
    [['--loss', '10'], /key link\.loss.*0% to 100%/],
    [['--radio', 'smoke'], /key radio.*nb-iot/],
    [['--budget', 'joy<=3'], /key budget.*joy/],
    [['--endpoint', 'http://a', '--factory', 'FACTORY'], /--endpoint.*coaps:\/\/host:port/],
    [['--endpoint', 'coaps://a:99999', '--factory', 'FACTORY'], /--endpoint.*a:99999.*coaps:\/\/host:port/],
    [['--endpoint', 'coaps://a b', '--factory', 'FACTORY'], /--endpoint.*coaps:\/\/host:port/],
    [['--endpoint', 'coaps://a', '--endpoint', 'coaps://b', '--factory', 'FACTORY'], /one coaps:\/\/ endpoint/],
    [['--endpoint', 'coaps://a', '--transport', 'tcp', '--factory', 'FACTORY'], /key transport.*no tcp endpoint/],
    [['--endpoint', 'coaps://a', '--clock', 'virtual', '--factory', 'FACTORY'], /key clock.*without a target/],
    [['--endpoint', 'coaps://a'], /option --factory.*folder of device folders/],
    [['--endpoint', 'coaps://a', '--factory', ''], /key target\.factory/],
    [['--endpoint', 'coaps://a', '--factory', 'nowhere'], /nowhere.*device folders/],
    [['--endpoint', 'coaps://a', '--factory', 'FILE'], /FILE/],
    [['--factory', 'FACTORY'], /option --endpoint.*coaps:\/\/host:port/],
    [['-k'], /key target.*factory/],
    [['--workers', '2', '--clock', 'real'], /--workers.*virtual time only/],
    [['--workers', '0'], /--workers.*1 to 64/],
    [['--junit', 'no/such/folder/a.xml'], /a\.xml.*cannot be written/],
    [['--html', '.'], /file \.\).*cannot be written/],
    [['--json', ''], /file \).*cannot be written/],
    [['nothing.yaml'], /nothing\.yaml/],
    [['FACTORY'], /FACTORY.*name a file/],
    [['NO-YAML'], /NO-YAML, line/],
    [['BAD-URI'], /BAD-URI, line 4, key target\.udp\): expected coaps:\/\/host:port/],
    [['a.yaml', 'b.yaml'], /too many arguments/],
    [['--bogus'], /unknown option '--bogus'/],
  ] as const)('%j', async (args, reason) => {
    const { code, stdout, stderr } = await run(['fleet', ...args]);
    expect(stderr).toMatch(reason);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

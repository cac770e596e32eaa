import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/file.ts';
import { loadConfig } from '../../../src/config.ts';
import { ownerNamed } from '../../../src/provision/owner.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const load = async (yaml: string, flags = {}, environment = {}) => {
  const folder = await temporaryFolder();
  try {
    const file = join(folder.path, 'firstboot.yaml');
    await writeFile(file, yaml);
    return { api: loadConfig(flags, environment, file).api, folder: folder.path };
  } finally {
    await folder.remove();
  }
};

describe('the API in the configuration', () => {
  it('listens on loopback unless it is told otherwise', () => {
    expect(loadConfig({}, {}, undefined).api).toEqual({
      host: '127.0.0.1',
      port: 20_090,
      tls: undefined,
      insecure: false,
      openMetrics: false,
      ownersAttest: false,
      ownersReachPrivate: false,
      authentication: { oidc: [], certificates: [] },
    });
  });

  it('is switched off by file, variable and flag', async () => {
    expect((await load('api: {port: off}')).api).toBeUndefined();
    expect(loadConfig({}, { FIRSTBOOT_API_PORT: 'off' }, undefined).api).toBeUndefined();
    expect((await load('api: {port: 4000}', { apiPort: 'off' })).api).toBeUndefined();
    expect((await load('api: {port: off}', { apiPort: '0' })).api?.port).toBe(0);
  });

  it.each(['70000', '-1', 'on', ''])('refuses the port %j', (apiPort) => {
    expect(() => loadConfig({ apiPort }, {}, undefined)).toThrow(/expected a port number .* or off/);
  });

  it('reads who may come in, and files beside the configuration', async () => {
    const { api, folder } = await load(`api:
  host: 0.0.0.0
  tls: {chain: api.pem, key: api.key, clientCas: clients.pem}
  openMetrics: true
  ownersAttest: true
  oidc:
    - {issuer: https://login.example/realm, audience: firstboot, ownerClaim: tenant, roles: {ops: operator}}
  certificates:
    - {subject: ci, role: operator, owner: Acme}
`);
    expect(api).toMatchObject({
      host: '0.0.0.0',
      tls: { chain: join(folder, 'api.pem'), key: join(folder, 'api.key'), clientCas: join(folder, 'clients.pem') },
      openMetrics: true,
      ownersAttest: true,
      authentication: {
        oidc: [{ issuer: 'https://login.example/realm', audience: 'firstboot', roles: { ops: 'operator' } }],
        certificates: [{ subject: 'ci', role: 'operator', ownerId: ownerNamed('Acme').id }],
      },
    });
  });

  it.each([
    ['an issuer in the clear', 'oidc: [{issuer: http://login.example, audience: a, roles: {a: admin}}]', 'https URL'],
    ['an issuer without roles', 'oidc: [{issuer: https://login.example, audience: a, roles: {}}]', 'roles'],
    ['an unknown role', 'oidc: [{issuer: https://login.example, audience: a, roles: {a: root}}]', 'viewer'],
    ['a rule for nobody', 'certificates: [{role: admin}]', 'subject or fingerprint'],
    ['a rule for two', `certificates: [{subject: a, fingerprint: ${'ab'.repeat(32)}, role: admin}]`, 'one of them'],
    ['half a fingerprint', 'certificates: [{fingerprint: abcd, role: admin}]', 'SHA-256'],
    ['an unknown key', 'tokens: [a]', 'no such key'],
  ])('refuses %s', (_what, yaml, expected) => {
    expect(() => parseConfig(`api: {${yaml}}`, 'firstboot.yaml')).toThrow(new RegExp(expected));
  });
});

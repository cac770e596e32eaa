import { encodeCertificates } from '../../codec/pem.ts';
import { type GroupForm, type HubForm, readGroupForm, readHubForm } from '../../config/form.ts';
import { FirstbootError, failure } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Outcome, RowOptions } from '../../operator/change.ts';
import type { ListPage, Operations, PutOptions } from '../../operator/operations.ts';
import type { EnrollmentGroup, Hub, RefusalCount } from '../../store/model.ts';
import { type ApiClient, type ApiRequest, segment } from './client.ts';

/** Everything an operator can do, over the API of a running service. */
export function remoteOperations(client: ApiClient): Operations {
  const ask = client.ask.bind(client);
  return {
    ...groupOperations(client),
    ...hubOperations(client),
    ...deviceOperations(client),
    ...credentialOperations(client),
    ...attemptOperations(client),
    ...authorityOperations(client),
    ...tellingOperations(client),

    audit: ({ action, target, actor, since, until }, { newest, ...page }) =>
      listed(client, '/audit', { action, target, actor, since, until, newest }, page),
    verifyAudit: ({ head }) => ask('/audit/verification', { query: { head } }),

    dryRun: async ({ groups, hubs }, since) => {
      const [{ groupConfig }, { toldGroup, toldHub }] = await Promise.all([
        import('../../config/document.ts'),
        import('../../config/sent.ts'),
      ]);
      // The service has files of secrets by their names alone.
      const sent = groups.map((group) => ({ ...groupConfig(group, true), allocation: toldGroup(group).allocation }));
      const changes = [...groups, ...hubs].some(({ source }) => source === 'operator');
      const body = { groups: sent, hubs: hubs.map(toldHub), since, changes };
      return ask('/policy/dry-run', { method: 'POST', body });
    },
  };
}

function groupOperations({ ask }: ApiClient) {
  const changed = async (path: string, request: ApiRequest): Promise<Outcome<EnrollmentGroup>> => {
    const { result, ...outcome } = await ask<Outcome<GroupForm>>(path, request);
    return { ...outcome, result: readGroupForm(result) };
  };
  return {
    groups: async () => {
      const { items } = await ask<Items<Told<'groups', 'group', GroupForm>>>('/groups');
      return items.map(({ group, ...counts }) => ({ ...counts, group: readGroupForm(group) }));
    },
    group: async (which) => {
      const { group, ...view } = await ask<Omit<View<'group'>, 'group'> & { readonly group: GroupForm }>(
        at('groups', which),
      );
      return { ...view, group: readGroupForm(group) };
    },
    putGroup: async (group, options) => {
      const body = await formOf(group);
      return changed(options.create ? '/groups' : at('groups', group.id), { ...put(options), body });
    },
    setGroupEnabled: (which, { enabled, ...options }) =>
      changed(`${at('groups', which)}/${enabled ? 'enable' : 'disable'}`, post(options)),
    deleteGroup: (which, { force, ...options }) => changed(at('groups', which), removal(options, { force })),
    approveGroup: (which, { reason, ...options }) =>
      ask(`${at('groups', which)}/approve`, { ...post(options), body: { reason } }),

    access: (which, { list, ...page }) => listed({ ask }, `${at('groups', which)}/access`, { list }, page),
    addAccess: ({ group, ...entry }, options) =>
      ask(`${at('groups', group)}/access`, { ...post(options), body: entry }),
    removeAccess: ({ group, list, device: { by, value } }, options) =>
      ask(`${at('groups', group)}/access`, removal(options, { list, by, value })),
    importAccess: async (pieces, { group, list, format, partial, dryRun, file }) => {
      const type = format === 'csv' ? 'text/csv' : 'application/x-ndjson';
      const query = { list, partial, dryRun };
      const stream = { type, pieces };
      try {
        const path = `${at('groups', group)}/access/import`;
        return { ...(await ask<Report>(path, { method: 'POST', query, stream })), file };
      } catch (error) {
        // The service does not know what the file is called here.
        if (!(error instanceof FirstbootError) || error.evidence.file === undefined) throw error;
        throw failure(error.code, { ...error.evidence, file }, error.fix, error);
      }
    },
  } satisfies Partial<Operations>;
}

type Report = Awaited<ReturnType<Operations['importAccess']>>;

function hubOperations({ ask }: ApiClient) {
  const changed = async (path: string, request: ApiRequest): Promise<Outcome<Hub>> => {
    const { result, ...outcome } = await ask<Outcome<HubForm>>(path, request);
    return { ...outcome, result: readHubForm(result) };
  };
  return {
    hubs: async () => {
      const { items } = await ask<Items<Told<'hubs', 'hub', HubForm>>>('/hubs');
      return items.map(({ hub, ...counts }) => ({ ...counts, hub: readHubForm(hub) }));
    },
    hub: async (which) => {
      const { hub, ...view } = await ask<Omit<View<'hub'>, 'hub'> & { readonly hub: HubForm }>(at('hubs', which));
      return { ...view, hub: readHubForm(hub) };
    },
    putHub: async (hub, options) =>
      changed(options.create ? '/hubs' : at('hubs', hub.id), { ...put(options), body: await hubFormOf(hub) }),
    deleteHub: (which, options) => changed(at('hubs', which), removal(options)),
  } satisfies Partial<Operations>;
}

function deviceOperations({ ask }: ApiClient) {
  return {
    devices: ({ state, group, owner, hub, alarms, text, sort }, page) =>
      listed({ ask }, '/devices', { state, group, owner, hub, alarms: alarms || undefined, text, sort }, page),
    device: (which) => ask(at('devices', which)),
    turnDevice: (turn, which, { reason, ...options }) =>
      ask(`${at('devices', which)}/${turn}`, { ...post(options), body: { reason } }),
    transferDevice: (which, owner, { reason, ...options }) =>
      ask(`${at('devices', which)}/transfer`, { ...post(options), body: { owner, reason } }),
    rekeyDevice: (from, to, { reason, ...options }) =>
      ask(`${at('devices', from)}/rekey`, { ...post(options), body: { to, reason } }),
    ownerPsk: (which) => ask(`${at('devices', which)}/owner-psk`, { method: 'POST' }),
  } satisfies Partial<Operations>;
}

function credentialOperations({ ask }: ApiClient) {
  return {
    credentials: ({ device, group, revoked, expiringWithin }, page) =>
      listed({ ask }, '/credentials', { device, group, revoked, expiringWithin }, page),
    credential: (serial) => ask(at('credentials', serial)),
    revokeCredentials: (selection, { reason, ...options }) =>
      ask('/credentials/revoke', { ...post(options), body: { ...selection, reason } }),
    releaseCredentials: (selection, options) => ask('/credentials/release', { ...post(options), body: selection }),
  } satisfies Partial<Operations>;
}

function attemptOperations({ ask }: ApiClient) {
  return {
    attempts: ({ device, verdict, code, group, since, text }, page) =>
      listed({ ask }, '/attempts', { device, verdict, code, group, since, text }, page),
    attempt: (which) => ask(at('attempts', which)),
    refusals: async (since) => (await ask<Items<RefusalCount>>('/refusals', { query: { since } })).items,
    explainAttempt: async (which, { at: time, group }) => {
      const told = await ask<Awaited<ReturnType<Operations['explainAttempt']>>>(
        `${at('attempts', which)}/explanation`,
        {
          query: { at: time, group },
        },
      );
      return { ...told, now: told.now };
    },
    explainChain: (presented, question) =>
      ask('/explain', { method: 'POST', body: { chain: encodeCertificates(presented), ...question } }),
  } satisfies Partial<Operations>;
}

function authorityOperations({ ask }: ApiClient) {
  return {
    ca: () => ask('/ca'),
    rehearse: ({ anchor, on }) => ask('/ca/rehearse', { method: 'POST', body: { anchor, on } }),
    rotate: ({ what, stage, force, dryRun }) =>
      ask('/ca/rotate', { ...post({ dryRun }), body: { what, stage, force } }),
  } satisfies Partial<Operations>;
}

/** Who may ask, and who is told. */
function tellingOperations({ ask }: ApiClient) {
  return {
    tokens: async () => (await ask<Items<ListedToken>>('/tokens')).items,
    createToken: ({ name, role, owner, expiresAt }, options) =>
      ask('/tokens', { ...post(options), body: { name, role, owner, expiresAt } }),
    revokeToken: (which, options) => ask(at('tokens', which), removal(options)),

    webhooks: async () => (await ask<Items<View<'webhook'>>>('/webhooks')).items,
    webhook: (which) => ask(at('webhooks', which)),
    putWebhook: (request, { which, revision, dryRun }) =>
      which === undefined
        ? ask('/webhooks', { ...post({ dryRun }), body: request })
        : ask(at('webhooks', which), { ...put({ create: false, revision, dryRun }), body: request }),
    deleteWebhook: (which, options) => ask(at('webhooks', which), removal(options)),
    deliveries: (which, { dead, ...page }) => listed({ ask }, `${at('webhooks', which)}/deliveries`, { dead }, page),
    redeliver: (which, { event, dryRun }) =>
      ask(`${at('webhooks', which)}/redeliver`, { ...post({ dryRun }), body: { event } }),
  } satisfies Partial<Operations>;
}

type Items<T> = { readonly items: readonly T[] };
type ListedToken = Awaited<ReturnType<Operations['tokens']>>[number];
type View<Name extends 'group' | 'hub' | 'webhook'> = Awaited<ReturnType<Operations[Name]>>;
/** An item of a list whose group or hub has the form of a policy file. */
type Told<List extends 'groups' | 'hubs', Key extends string, Form> = Omit<
  Awaited<ReturnType<Operations[List]>>[number],
  Key
> & { readonly [K in Key]: Form };

const at = (list: string, which: string): string => `/${list}/${segment(which)}`;

const post = ({ dryRun, revision }: RowOptions): ApiRequest => ({
  method: 'POST',
  query: { dryRun },
  ...ifMatch(revision),
});

const removal = ({ dryRun, revision }: RowOptions, query: ApiRequest['query'] = {}): ApiRequest => ({
  method: 'DELETE',
  query: { ...query, dryRun },
  ...ifMatch(revision),
});

const put = ({ create, revision, dryRun }: PutOptions): ApiRequest =>
  create ? post({ dryRun }) : { method: 'PUT', query: { dryRun }, ...ifMatch(revision) };

const ifMatch = (revision: number | undefined): Pick<ApiRequest, 'headers'> =>
  revision === undefined ? {} : { headers: { 'if-match': `"${revision}"` } };

async function listed<T>(
  { ask }: Pick<ApiClient, 'ask'>,
  path: string,
  filter: NonNullable<ApiRequest['query']>,
  { after, limit }: ListPage,
): Promise<{ readonly rows: readonly T[]; readonly next: string | undefined }> {
  const query = { ...filter, cursor: after, limit: Math.min(limit, limits.api.listed) };
  const { items, next } = await ask<Items<T> & { readonly next: string | null }>(path, { query });
  return { rows: items, next: next ?? undefined };
}

/** Only what is written needs a writer of policy files. */
async function formOf(group: EnrollmentGroup): Promise<unknown> {
  const { groupConfig } = await import('../../config/document.ts');
  return groupConfig(group, true);
}

async function hubFormOf(hub: Hub): Promise<unknown> {
  const { hubConfig } = await import('../../config/hub.ts');
  return { ...hubConfig(hub), ownerId: hub.ownerId };
}

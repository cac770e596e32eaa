import { seeded } from './operations-bench.ts';
import { someUuid } from './store-records.ts';

/** A command line that is given over a data folder and over a service with the same content. */
export interface SameCommand {
  readonly args: readonly string[];
  /** What may be another text, and why. */
  readonly but?: Difference;
}

export interface Difference {
  readonly why: string;
  /** Takes out what differs. @param text standard output or standard error, or `--json` of it */
  readonly without: (text: string) => string;
}

/** Files that the commands name, in the folder that `HERE` stands for. */
export const commandFiles: Readonly<Record<string, string>> = {
  'hub.yaml': `hubs:\n  - id: ${someUuid(630)}\n    name: staging\n    gateways: ['coaps+tcp://s.example:5684']\n`,
  'changed.yaml': `hubs:\n  - id: ${someUuid(630)}\n    name: moved\n    gateways: ['coaps://m.example:1']\n`,
  'broken.yaml': 'groups:\n  - name: x\n    admision: manual\n',
  'ids.csv': 'serial,note\n3fa2b1,first\n3fa2b2,second\n3fa2b1,again\n',
  'wrong.csv': 'serial\nnonsense\n',
  'secret.txt': 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n',
  'group.yaml': `groups:
  - name: dryers
    owner: acme
    psk: [{identity: dryer, key: '${'ab'.repeat(16)}'}]
    ownerPsk: '${'cd'.repeat(16)}'
    acl: [{subject: owner, permission: all, resources: ['*']}]
    hubs: [${seeded.production}]
`,
};

const ids = (text: string): string => text.replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'ID');

const random: Difference = {
  why: 'ids, tokens, secrets and keys that are made are random: else the two would not be apart',
  without: (text) =>
    ids(text)
      .replace(/fb_[0-9a-f]{32}_[\w-]{43}/g, 'TOKEN')
      .replace(/whsec_[\w+/=]+/g, 'SECRET')
      .replace(/\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{16})\b/g, 'KEY'),
};

const order: Difference = {
  why: 'what was made in the same millisecond stands in the order of its id, which is random; here the clock stands still',
  without: (text) => random.without(text).split('\n').toSorted().join('\n'),
};

/** Who acts: the user of the operating system on this host, or the token from an address. Columns are as wide as what is in them. */
const actor: Difference = {
  why: 'the audit log says who acted and from where: over a folder the user of the system, over a service the token; a file of devices has no name there; its hashes cover that',
  without: (text) =>
    random
      .without(text)
      .replace(/"actor":\{"kind":"operator","name":"[^"]*","from":"[^"]*"\}/g, '"actor":{}')
      .replace(/\b(token|webhook) [0-9a-f]{8}\b/g, '$1 ID')
      .replace(/(\bfile\b(?:":"| ))[^",]+/g, '$1FILE')
      .replace(/(\d{2}:\d{2}(?::\d{2})?Z?) {2,}\S+ {2,}\S+ {2,}/g, '$1  WHO  FROM  ')
      // Wider columns leave less room for the last one.
      .replace(/\n? +/g, ' '),
};

const long = 'x'.repeat(2000);
const { active, pending, quarantined, disabled, decommissioned } = seeded.devices;

const same = (...args: readonly string[]): SameCommand => ({ args });
const but = (difference: Difference, ...args: readonly string[]): SameCommand => ({ args, but: difference });

/** In order: those further down go by what those above have changed. */
export const sameCommands: readonly SameCommand[] = [
  // Before anybody has acted: the audit log is the same.
  same('token', 'list'),
  same('audit', 'list'),
  same('audit', 'list', '--limit', '2'),
  same('audit', 'list', '--action', 'token', '--since', '1d'),
  same('audit', 'list', '--actor', 'nobody'),
  same('audit', 'list', '--target', long),
  same('audit', 'verify'),
  same('audit', 'verify', '--head', 'ab'.repeat(32)),
  same('audit', 'verify', '--head', 'short'),
  same('group', 'list'),
  same('group', 'show', 'washing machines'),
  same('group', 'show', 'samples'),
  same('group', 'show', 'nowhere'),
  same('hub', 'list'),
  same('hub', 'show', 'production'),
  same('hub', 'show', 'nowhere'),
  same('device', 'list'),
  same('device', 'list', '--state', 'pending', '--limit', '1'),
  same('device', 'list', '--limit', '2'),
  same('device', 'list', '--group', 'samples', '--text', 'device'),
  same('device', 'list', '--group', 'nowhere'),
  same('device', 'list', '--owner', 'nobody'),
  same('device', 'list', '--state', 'sleepy'),
  same('device', 'list', '--text', long),
  same('device', 'show', active),
  same('device', 'show', pending.slice(0, 8)),
  same('device', 'show', '0000'),
  same('device', 'show', 'deadbeef'),
  same('credential', 'list'),
  same('credential', 'list', '--limit', '1'),
  same('credential', 'list', '--no-revoked', '--expiring', '60d'),
  same('credential', 'list', '--device', active, '--revoked'),
  same('credential', 'show', 'a1b2c3'),
  same('credential', 'show', 'ffff'),
  same('credential', 'owner-psk', active),
  same('credential', 'owner-psk', disabled),
  same('attempt', 'list'),
  same('attempt', 'list', '--verdict', 'refused'),
  same('attempt', 'list', '--limit', '1'),
  same('attempt', 'list', '--code', 'nonsense'),
  same('attempt', 'list', '--text', '192.0.2.1', '--since', '2h'),
  same('attempt', 'show', seeded.refused),
  same('attempt', 'show', seeded.open),
  same('attempt', 'show', 'nowhere'),
  same('attempt', 'list', '--text', long),
  same('attempt', 'refusals'),
  same('explain', seeded.refused, '--group', 'samples'),
  same('explain', seeded.refused),
  same('explain', 'HERE/good.pem'),
  same('explain', 'HERE/ids.csv'),
  same('explain', 'nowhere'),
  same('ca', 'status'),
  same('ca', 'rehearse', 'root', '--on', '2100-01-01'),
  same('ca', 'rehearse', 'ffffffff', '--on', '2100-01-01'),
  same('ca', 'rehearse', 'root', '--on', '2001-01-01'),
  same('policy', 'show'),
  same('policy', 'show', 'samples'),
  same('policy', 'show', 'nowhere'),
  same('policy', 'dry-run', 'HERE/group.yaml', '--since', '1d'),
  same('policy', 'dry-run', 'HERE/broken.yaml', '--since', '1d'),
  same('webhook', 'list'),
  same('webhook', 'show', 'nowhere'),
  // From here on they change.
  same('hub', 'create', '-f', 'HERE/hub.yaml'),
  same('hub', 'create', '-f', 'HERE/hub.yaml'),
  same('hub', 'create', '-f', 'HERE/nowhere.yaml'),
  same('hub', 'create', '-f', 'HERE/group.yaml'),
  same('hub', 'update', '-f', 'HERE/changed.yaml', '--json'),
  same('hub', 'delete', 'production'),
  same('hub', 'delete', 'moved'),
  same('group', 'create', '-f', 'HERE/broken.yaml'),
  same('group', 'create', '-f', 'HERE/group.yaml'),
  same('group', 'update', '-f', 'HERE/group.yaml', '--json'),
  same('group', 'show', 'dryers'),
  same('group', 'disable', 'dryers'),
  same('group', 'disable', 'dryers'),
  same('group', 'enable', 'dryers', '--json'),
  same('group', 'delete', 'samples'),
  same('group', 'delete', 'dryers'),
  same('group', 'access', 'add', 'samples', '--list', 'deny', '--serial', '1', '2', '--note', 'lost'),
  same('group', 'access', 'add', 'samples', '--list', 'deny', '--serial', 'xyz'),
  same('group', 'access', 'add', 'samples', '--list', 'deny'),
  same('group', 'access', 'list', 'samples'),
  same('group', 'access', 'list', 'samples', '--limit', '1'),
  same('group', 'access', 'remove', 'samples', '--list', 'deny', '--serial', '1', '7'),
  same('group', 'access', 'import', 'samples', 'HERE/ids.csv', '--list', 'allow'),
  same('group', 'access', 'import', 'samples', 'HERE/wrong.csv', '--list', 'allow'),
  same('group', 'access', 'import', 'samples', 'HERE/wrong.csv', '--list', 'allow', '--partial', '--json'),
  same('group', 'access', 'import', 'samples', 'HERE/nowhere.csv', '--list', 'allow'),
  same('device', 'approve', '--all-pending', '--group', 'samples', '--dry-run'),
  same('device', 'approve'),
  same('device', 'approve', pending, active),
  same('device', 'quarantine', pending, '--reason', long),
  same('device', 'quarantine', pending, '--reason', 'odd'),
  same('device', 'release', quarantined, '--reason', 'looked at it'),
  same('device', 'clear-alarms', quarantined),
  same('device', 'allow-reset', active, '--json'),
  same('device', 'disable', active),
  same('device', 'enable', disabled, 'deadbeef'),
  same('device', 'enable', active, '--json'),
  same('device', 'reject', active),
  same('device', 'decommission', disabled),
  same('device', 'enable', decommissioned),
  same('device', 'transfer', active, '--owner', 'bolt'),
  same('device', 'rekey', active, pending),
  same('credential', 'revoke', '--serial', 'a1b2c3', '--reason', 'superseded'),
  same('credential', 'revoke', '--serial', 'a1b2c3', '--reason', 'whim'),
  same('credential', 'revoke'),
  same('credential', 'release', '--serial', 'a1b2c3'),
  same('credential', 'release', '--serial', 'd4e5f6', '--json'),
  same('token', 'create', 'shop', '--role', 'king'),
  same('token', 'create', long, '--role', 'viewer'),
  same('webhook', 'create', long, '--url', 'https://shop.example.com'),
  same('group', 'access', 'add', 'samples', '--list', 'deny', '--serial', '1', '--note', long),
  but(random, 'token', 'create', 'shop', '--role', 'operator', '--owner', 'acme', '--expires', '30d'),
  but(random, 'token', 'create', 'ci', '--role', 'viewer', '--json'),
  but(random, 'token', 'create', 'shop', '--role', 'viewer'),
  but(order, 'token', 'list'),
  but(random, 'token', 'revoke', 'shop'),
  same('token', 'revoke', 'shop'),
  but(random, 'webhook', 'create', 'shop', '--url', 'https://shop.example.com/devices'),
  but(
    random,
    'webhook',
    'create',
    'own',
    '--url',
    'https://shop.example.com',
    '--secret-file',
    'HERE/secret.txt',
    '--json',
  ),
  same('webhook', 'create', 'bad', '--url', 'nonsense'),
  but(random, 'webhook', 'update', 'shop', '--types', 'device', '--disable'),
  but(order, 'webhook', 'list'),
  but(random, 'webhook', 'show', 'shop'),
  same('webhook', 'deliveries', 'shop'),
  same('webhook', 'redeliver', 'shop'),
  same('webhook', 'redeliver', 'shop', '--event', '1-99'),
  but(random, 'webhook', 'delete', 'shop'),
  same('ca', 'rotate', 'root', '--stage', 'retire'),
  but(random, 'ca', 'rotate', 'issuing'),
  but(random, 'ca', 'rotate', 'root', '--json'),
  but(random, 'ca', 'status'),
  but(actor, 'audit', 'list'),
  but(actor, 'audit', 'verify'),
];

import { Command, Option } from 'commander';
import type { Millis } from '../../core/clock.ts';
import { failure } from '../../core/errors.ts';
import type { CredentialFilter, CredentialSelection } from '../../operator/credentials.ts';
import { crlReasons } from '../../pki/crl-reason.ts';
import type { RevocationReason } from '../../store/model.ts';
import { generationNumber, timeSpan } from '../arguments.ts';
import { strong } from '../output.ts';
import { facts, printTable } from '../table.ts';
import { momentWords, whenWords } from '../times.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { credentialState } from './device-show.ts';
import { tellOutcome } from './outcome.ts';
import { everyPage, limited, printListing, short } from './rows.ts';

export function credentialCommand(): Command {
  const credential = new Command('credential')
    .description('Identity certificates that were issued, and the keys of owners.')
    .summary('identity certificates that were issued, keys of owners')
    .helpCommand('help [command]', 'show help for a command');
  credential.addCommand(listCommand()).addCommand(showCommand());
  const revoke = credential
    .command('revoke')
    .description(
      "Put certificates on their issuer's revocation list, for good. Name them by one of serial, device or group.",
    )
    .summary('put certificates on the revocation list')
    .addOption(new Option('--reason <reason>', 'why').choices(crlReasons).default('unspecified'));
  changes(selecting(revoke))
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot credential revoke --serial 3fa2b1 --reason keyCompromise
  $ firstboot credential revoke --device 3fa2b1c4 --generation 1
  $ firstboot credential revoke --group 'washing machines' --dry-run`,
    )
    .action((options: SelectOptions & { readonly reason: RevocationReason }) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.revokeCredentials(selection(options), options);
        tellOutcome(output, outcome, options, { ...outcome.result });
      }),
    );
  const release = credential
    .command('release')
    .description('Take certificates off hold. No other revocation can be taken back.')
    .summary('take certificates off hold');
  changes(selecting(release))
    .addHelpText('after', '\nExample:\n  $ firstboot credential release --serial 3fa2b1')
    .action((options: SelectOptions) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.releaseCredentials(selection(options), options);
        tellOutcome(output, outcome, options, { ...outcome.result });
      }),
    );
  credential.addCommand(ownerPskCommand());
  return credential;
}

interface SelectOptions extends ChangeOptions {
  readonly serial?: string;
  readonly device?: string;
  readonly generation?: number;
  readonly group?: string;
}

const selecting = (command: Command): Command =>
  command
    .option('--serial <hex>', 'this one')
    .option('--device <device>', 'all of a device: key id, device id, or the first 8 characters of one')
    .option('--generation <number>', 'with --device, those of one generation', generationNumber)
    .option('--group <group>', 'all of a group: id or name');

function selection({ serial, device, generation, group }: SelectOptions): CredentialSelection {
  const given = Object.entries({ serial, device, generation, group }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`],
  );
  if (
    given.filter((name) => name !== '--generation').length !== 1 ||
    (generation !== undefined && device === undefined)
  ) {
    const fix = 'give one of --serial, --device (perhaps with --generation) and --group';
    throw failure('command.usage', { found: given.join(' and ') || 'none' }, fix);
  }
  if (serial !== undefined) return { serial };
  if (device !== undefined) return { device, generation };
  return { group: group ?? '' };
}

type ListOptions = TargetOptions &
  Pick<CredentialFilter, 'device' | 'group' | 'revoked'> & { readonly expiring?: Millis; readonly limit: number };

function listCommand(): Command {
  const list = new Command('list')
    .description('List identity certificates.')
    .option('--device <device>', 'only of this device')
    .option('--group <group>', 'only of this group: id or name')
    .option('--revoked', 'only those that are revoked or on hold')
    .option('--no-revoked', 'only those that are not')
    .option('--expiring <time>', 'only those that end within this time: 30d, 12h', timeSpan);
  return limited(asks(list))
    .addHelpText(
      'after',
      '\nExamples:\n  $ firstboot credential list --expiring 7d\n  $ firstboot credential list --device 3fa2b1c4 --json',
    )
    .action(({ limit, expiring: expiringWithin, ...options }: ListOptions) =>
      withOperations(options, async (operations, output, { now }) => {
        const at = now();
        const filter = { ...options, expiringWithin };
        await printListing(output, {
          rows: everyPage((page) => operations.credentials(filter, page)),
          limit,
          head: ['serial', 'device id', 'gen', 'state', 'issued', 'ends'],
          cells: (credential) => [
            credential.serial,
            short(credential.deviceId),
            String(credential.generation),
            credentialState(credential, at),
            whenWords(credential.issuedAt, at),
            whenWords(credential.notAfter, at),
          ],
          data: (credential) => ({ event: 'credential', ...credential }),
          none: 'there is no such certificate',
        });
      }),
    );
}

const showCommand = (): Command =>
  asks(
    new Command('show')
      .description('Show an identity certificate.')
      .argument('<serial>', 'its serial number in hexadecimal'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ firstboot credential show 3fa2b1\n\nfirstboot pki inspect reads the certificate itself.',
    )
    .action((serial: string, options: TargetOptions) =>
      withOperations(options, async (operations, output, { now }) => {
        const { credential: found, manufacturer, group } = await operations.credential(serial);
        output.data({ event: 'credential', ...found });
        const at = now();
        output.line(strong(`certificate ${found.serial}`));
        printTable(
          output,
          facts([
            ['state', credentialState(found, at) + (found.revoked ? `, ${momentWords(found.revoked.at, at)}` : '')],
            ['device id', `${found.deviceId}, generation ${found.generation}`],
            ['key', found.keyId],
            ['manufacturer', manufacturer],
            ['group', group?.name ?? found.groupId],
            ['issued', momentWords(found.issuedAt, at)],
            ['ends', momentWords(found.notAfter, at)],
            ['issuer', found.issuerKeyId],
          ]),
        );
        output.line(found.certificate.trimEnd());
      }),
    );

const ownerPskCommand = (): Command =>
  asks(
    new Command('owner-psk')
      .description(
        'Print the key with which the owner reaches a device, in hexadecimal. That is a secret: the audit log says who ' +
          'read it. Each device has its own, but in a group with ownerPskShared.',
      )
      .summary('print the key with which the owner reaches a device')
      .argument('<device>', 'key id, device id, or the first 8 characters of one'),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot credential owner-psk 3fa2b1c4')
    .action((name: string, options: TargetOptions) =>
      withOperations(options, async (operations, output) => {
        const { deviceId, ownerId, key, shared } = await operations.ownerPsk(name);
        output.data({ event: 'owner-psk', deviceId, ownerId, key, shared });
        output.line(key);
      }),
    );

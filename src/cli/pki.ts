import { join } from 'node:path';
import { Command } from 'commander';
import { systemTimers } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { systemRandom } from '../core/random.ts';
import { developmentHub } from '../development.ts';
import { createDevelopmentPki, writeDevelopmentPki } from '../pki/development.ts';
import { uuidText, wholeNumber } from './arguments.ts';
import { inspectFile } from './inspect.ts';
import { columns, createOutput, faint, reportFailure, strong } from './output.ts';
import { plain } from './plain.ts';

export function pkiCommand(): Command {
  const pki = new Command('pki')
    .description('Certificates: make a development PKI, or look at files.')
    .summary('certificates: make a development PKI, look at files')
    .helpCommand('help [command]', 'show help for a command');
  pki
    .command('dev')
    .description(
      'Make a development PKI: manufacturer root and intermediate, devices, service certificate, identity authority and ' +
        'hub gateway certificate. All keys are written beside the certificates: never for production.',
    )
    .summary('make a development PKI')
    .requiredOption('--out <folder>', 'where to write it; must not exist yet, or be empty')
    .option('--devices <count>', 'number of devices, up to 100000', wholeNumber, 1)
    .option('--hub-id <uuid>', "the hub's id, in its gateway's certificate", uuidText, developmentHub.id)
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Each device folder has the three file names that plgd's C client looks for in
its pki_certs. firstboot serve uses the PKI that it finds in the folder pki of
its data folder.

Examples:
  $ firstboot pki dev --out pki --devices 3
  $ firstboot pki dev --out firstboot-data/pki --devices 1000`,
    )
    .action((options: DevOptions) => makeDevelopmentPki(options));
  pki
    .command('inspect')
    .description('Show certificates, chains and certificate requests in readable form.')
    .summary('show certificates, chains and certificate requests')
    .argument('<file...>', 'PEM (any number of blocks) or DER')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ firstboot pki inspect pki/devices/device-0001/mfgcrt.pem')
    .action((files: string[], options: { readonly json?: boolean }) => inspect(files, options));
  return pki;
}

interface DevOptions {
  readonly out: string;
  readonly devices: number;
  readonly hubId: Uuid;
  readonly json?: boolean;
}

async function makeDevelopmentPki(options: DevOptions): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const { hubId } = options;
    const pki = createDevelopmentPki({
      devices: options.devices,
      hubId,
      now: systemTimers.now(),
      random: systemRandom,
    });
    await writeDevelopmentPki(pki, options.out);
    const devices = pki.devices.map(({ name }) => join(options.out, 'devices', name));
    output.data({ event: 'written', folder: options.out, hub: hubId, devices });
    output.line(strong(`development PKI in ${options.out}`));
    const rows = [
      [
        'devices/',
        "mfgcrt.pem, mfgkey.pem and dpsca.pem of each device; copy one folder to pki_certs for plgd's C client",
      ],
      ['manufacturer/', 'root and intermediate that signed the devices'],
      ['service/', 'certificate of the provisioning service, and the CA that devices know as dpsca.pem'],
      ['authority/', 'root and issuing CA of the identity certificates'],
      ['gateway/', `certificate of the cloud gateway, CN=uuid:${hubId}`],
    ];
    for (const line of columns(rows.map(([name = '', what = '']) => [`  ${name}`, faint(what)]))) output.line(line);
  } catch (error) {
    reportFailure(error, output);
  }
}

async function inspect(files: readonly string[], options: { readonly json?: boolean }): Promise<void> {
  const output = createOutput(options.json === true);
  for (const file of files) {
    try {
      for (const found of await inspectFile(file, new Date())) {
        output.data({ event: 'inspected', ...found });
        output.line(strong(`${plain(found.file)}: ${found.kind}`));
        for (const line of columns(Object.entries(found.facts).map(([name, value]) => [`  ${name}`, plain(value)])))
          output.line(line);
        output.line();
      }
    } catch (error) {
      reportFailure(error, output);
    }
  }
}

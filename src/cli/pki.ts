import { join } from 'node:path';
import { Command } from 'commander';
import { systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { parseUuid } from '../core/ids.ts';
import { systemRandom } from '../core/random.ts';
import { developmentHub } from '../development.ts';
import { createDevelopmentPki, writeDevelopmentPki } from '../pki/development.ts';
import { wholeNumber } from './arguments.ts';
import { inspectFile } from './inspect.ts';
import { columns, createOutput, faint, reportFailure, strong } from './output.ts';

export function pkiCommand(): Command {
  const pki = new Command('pki').description('certificates: make a development PKI, or look at files');
  pki
    .command('dev')
    .description('make a development PKI: manufacturer, devices, service, identity authority and hub gateway')
    .requiredOption('--out <folder>', 'where to write it; must not exist yet, or be empty')
    .option('--devices <count>', 'number of devices', wholeNumber, 1)
    .option('--hub-id <uuid>', "the hub's id, in its gateway's certificate", developmentHub.id)
    .option('--json', 'one JSON object a line')
    .action((options: DevOptions) => makeDevelopmentPki(options));
  pki
    .command('inspect')
    .description('show certificates, chains and certificate requests (PEM or DER)')
    .argument('<file...>')
    .option('--json', 'one JSON object a line')
    .action((files: string[], options: { readonly json?: boolean }) => inspect(files, options));
  return pki;
}

interface DevOptions {
  readonly out: string;
  readonly devices: number;
  readonly hubId: string;
  readonly json?: boolean;
}

async function makeDevelopmentPki(options: DevOptions): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const hubId = parseUuid(options.hubId);
    if (!hubId) throw failure('service.config', { setting: '--hub-id', value: options.hubId }, 'expected a UUID');
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
        output.data({ ...found });
        output.line(strong(`${found.file}: ${found.kind}`));
        for (const line of columns(Object.entries(found.facts).map(([name, value]) => [`  ${name}`, value])))
          output.line(line);
        output.line();
      }
    } catch (error) {
      reportFailure(error, output);
    }
  }
}

#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { demoCommand } from './demo.ts';
import { deviceCommand } from './device.ts';
import { gatewayCommand } from './gateway.ts';
import { pkiCommand } from './pki.ts';
import { serveCommand } from './serve.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('firstboot')
  .description(
    'Zero-touch provisioning: a device that holds only its manufacturer certificate gets an owner,\n' +
      'an identity certificate, an access list and a cloud, over CoAP (DTLS or TLS).',
  )
  .version(version)
  .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
  .showHelpAfterError('(firstboot --help lists commands and options)')
  .addHelpText(
    'after',
    `
Examples:
  firstboot demo                                  see all of it once, nothing stays behind
  firstboot serve                                 a service on 127.0.0.1:20030, data in ./firstboot-data
  firstboot pki dev --out pki --devices 3         a development PKI with three devices
  firstboot device dps coaps://127.0.0.1:20030    boot a simulated device

Every command takes --json for one JSON object a line, and exits non-zero with a reason when it fails.`,
  );

for (const command of [serveCommand(), deviceCommand(), gatewayCommand(), pkiCommand(), demoCommand()]) {
  program.addCommand(command);
}

await program.parseAsync();

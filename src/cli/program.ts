import { Command } from 'commander';
import { demoCommand } from './demo.ts';
import { deviceCommand } from './device.ts';
import { fleetCommand } from './fleet.ts';
import { gatewayCommand } from './gateway.ts';
import { pkiCommand } from './pki.ts';
import { serveCommand } from './serve.ts';

/** The whole command line. A command line that cannot be read, and help or version, end in a CommanderError. */
export function createProgram(version: string): Command {
  const program = new Command('firstboot')
    .description(
      'Zero-touch provisioning: a device that holds only its manufacturer certificate gets an owner, an identity ' +
        'certificate, an access list and a cloud, over CoAP (DTLS or TLS).',
    )
    .version(version, '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot demo         see all of it once; nothing stays behind
  $ firstboot serve        a service on port 20030, its data in ./firstboot-data
  $ firstboot gateway      a small cloud for its devices, in another terminal
  $ firstboot device dps coaps://127.0.0.1:20030 \\
      --certs firstboot-data/pki/devices/device-0001
  $ firstboot fleet --devices 1000 --loss 10%
  $ firstboot pki inspect firstboot-data/pki/devices/device-0001/mfgcrt.pem

Every command but fleet (which writes reports) takes --json: one JSON object a
line on standard output, errors too. Logs, and reasons of failure for people, go
to standard error. Exit codes: 0 done (serve, device, gateway: ended by SIGINT
or SIGTERM), 1 failed, 2 the command line cannot be read.`,
    );
  for (const command of [
    serveCommand(),
    deviceCommand(),
    fleetCommand(),
    gatewayCommand(),
    pkiCommand(),
    demoCommand(),
  ]) {
    program.addCommand(command);
  }
  for (const command of withSubcommands(program)) {
    const path = pathOf(command);
    command
      .helpOption('-h, --help', 'show this help')
      .exitOverride()
      .configureOutput({
        outputError: (text, write) => {
          write(`${text.replace(/^error: /, 'firstboot: ').trimEnd()}\n(${path} --help explains it)\n`);
        },
      });
  }
  return program;
}

export function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

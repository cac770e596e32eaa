import { Command } from 'commander';
import { caCommand } from './ca.ts';
import { completionCommand } from './completion.ts';
import { demoCommand } from './demo.ts';
import { deviceCommand } from './device.ts';
import { explainCommand } from './explain.ts';
import { fleetCommand } from './fleet.ts';
import { gatewayCommand } from './gateway.ts';
import { attemptCommand } from './operator/attempt.ts';
import { auditCommand } from './operator/audit.ts';
import { credentialCommand } from './operator/credential.ts';
import { groupCommand } from './operator/group.ts';
import { hubCommand } from './operator/hub.ts';
import { pkiCommand } from './pki.ts';
import { harmless } from './plain.ts';
import { policyCommand } from './policy.ts';
import { serveCommand } from './serve.ts';

/** The whole command line. A command line that cannot be read, and help or version, end in a CommanderError. */
export function createProgram(version: string): Command {
  const program = new Command('firstboot')
    .description(
      'Zero-touch provisioning: a device that holds only its manufacturer certificate gets an owner, an identity ' +
        'certificate, an access list and a cloud, over CoAP (DTLS or TLS).',
    )
    .version(version, '-V, --version', 'show the version')
    .commandsGroup('Other:')
    .helpCommand('help [command]', 'show help for a command')
    // `device` has options of its own and commands with others of the same name.
    .enablePositionalOptions()
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
  $ firstboot device list --state pending
  $ firstboot device approve 3fa2b1c4
  $ firstboot attempt list --verdict refused --since 24h

Commands over a data folder (--data) work while the service is stopped; those
that change something take --dry-run.

Every command but fleet (which writes reports) and completion takes --json: one
JSON object a line on standard output, errors too. Logs, and reasons of failure
for people, go to standard error. Exit codes: 0 done (serve, device, gateway:
ended by SIGINT or SIGTERM), 1 failed, 2 the command line cannot be read.`,
    );
  for (const [heading, commands] of commandGroups()) {
    for (const command of commands) program.addCommand(command.helpGroup(heading));
  }
  for (const command of withSubcommands(program)) {
    const path = pathOf(command);
    command
      .helpOption('-h, --help', 'show this help')
      .configureHelp({ sortSubcommands: false, subcommandTerm, subcommandDescription })
      .exitOverride()
      .configureOutput({
        outputError: (text, write) => {
          write(`${harmless(text.replace(/^error: /, 'firstboot: ')).trimEnd()}\n(${path} --help explains it)\n`);
        },
      });
  }
  return program;
}

const commandGroups = (): (readonly [string, readonly Command[]])[] => [
  ['Run:', [serveCommand(), gatewayCommand(), deviceCommand(), fleetCommand(), demoCommand()]],
  ['Who comes in, and what they get:', [groupCommand(), hubCommand(), policyCommand()]],
  ['What is happening, and why:', [attemptCommand(), explainCommand(), auditCommand()]],
  ['Certificates:', [credentialCommand(), caCommand(), pkiCommand()]],
  ['Other:', [completionCommand()]],
];

function subcommandTerm(command: Command): string {
  const places = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...places].join(' ');
}

/** The first sentence of the description where there is no summary, as one of a list. */
function subcommandDescription(command: Command): string {
  const [sentence = ''] = command.description().split(/\.(?:\s|$)/);
  return command.summary() || sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

export function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

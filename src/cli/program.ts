import { Command } from 'commander';
import { harmless } from './plain.ts';

/**
 * The command line. A command line that cannot be read, and help or version, end in a CommanderError.
 * @param words what will be parsed: only the command that it names is loaded. Default: all of them are
 */
export async function createProgram(version: string, words?: readonly string[]): Promise<Command> {
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
  $ firstboot events --follow

Commands of operators ask a running service (--server http://127.0.0.1:20090,
with a token in FIRSTBOOT_TOKEN), or its data folder while it is stopped
(--data). Those that change something take --dry-run.

Every command but fleet (which writes reports) and completion takes --json: one
JSON object a line on standard output, errors too. Logs, and reasons of failure
for people, go to standard error. Exit codes: 0 done (serve, device, gateway:
ended by SIGINT or SIGTERM), 1 failed, 2 the command line cannot be read.`,
    );
  const wanted = wantedOf(words);
  for (const [heading, commands] of Object.entries(commandGroups)) {
    for (const [name, load] of Object.entries(commands)) {
      if (wanted === undefined || wanted === name) program.addCommand((await load()).helpGroup(heading));
    }
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

type Load = () => Promise<Command>;

const commandGroups: Readonly<Record<string, Readonly<Record<string, Load>>>> = {
  'Run:': {
    serve: async () => (await import('./serve.ts')).serveCommand(),
    gateway: async () => (await import('./gateway.ts')).gatewayCommand(),
    device: async () => (await import('./device.ts')).deviceCommand(),
    fleet: async () => (await import('./fleet.ts')).fleetCommand(),
    reload: async () => (await import('./reload.ts')).reloadCommand(),
    backup: async () => (await import('./backup.ts')).backupCommand(),
    restore: async () => (await import('./backup.ts')).restoreCommand(),
    demo: async () => (await import('./demo.ts')).demoCommand(),
  },
  'Who comes in, and what they get:': {
    group: async () => (await import('./operator/group.ts')).groupCommand(),
    hub: async () => (await import('./operator/hub.ts')).hubCommand(),
    policy: async () => (await import('./policy.ts')).policyCommand(),
  },
  'What is happening, and why:': {
    attempt: async () => (await import('./operator/attempt.ts')).attemptCommand(),
    explain: async () => (await import('./explain.ts')).explainCommand(),
    events: async () => (await import('./operator/events.ts')).eventsCommand(),
    audit: async () => (await import('./operator/audit.ts')).auditCommand(),
  },
  'Certificates:': {
    credential: async () => (await import('./operator/credential.ts')).credentialCommand(),
    ca: async () => (await import('./ca.ts')).caCommand(),
    pki: async () => (await import('./pki.ts')).pkiCommand(),
  },
  'The API:': {
    token: async () => (await import('./operator/token.ts')).tokenCommand(),
    webhook: async () => (await import('./operator/webhook.ts')).webhookCommand(),
  },
  'Other:': {
    completion: async () => (await import('./completion.ts')).completionCommand(),
  },
};

/** The one command that a command line is about; '' for none, undefined when it takes all of them to tell. */
function wantedOf(words: readonly string[] | undefined): string | undefined {
  if (words === undefined) return undefined;
  const [first = '--help'] = words;
  if (first === '-V' || first === '--version') return '';
  // It describes all the others.
  if (first === 'completion') return undefined;
  return Object.values(commandGroups).some((commands) => Object.hasOwn(commands, first)) ? first : undefined;
}

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

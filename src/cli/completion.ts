import { Argument, Command, type Option } from 'commander';
import {
  bashScript,
  type CompletedCommand,
  type CompletedOption,
  fishScript,
  zshScript,
} from './completion-scripts.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function completionCommand(): Command {
  return new Command('completion')
    .description('Print a script with which a shell completes commands, options and their values.')
    .summary('make your shell complete commands and options')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(firstboot completion bash)
  $ firstboot completion bash > /etc/bash_completion.d/firstboot
  $ firstboot completion zsh > "\${fpath[1]}/_firstboot"
  $ firstboot completion fish > ~/.config/fish/completions/firstboot.fish`,
    )
    .action((shell: keyof typeof scripts, _options: unknown, command: Command) => {
      process.stdout.write(scripts[shell](completedCommands(rootOf(command))));
    });
}

const rootOf = (command: Command): Command => (command.parent ? rootOf(command.parent) : command);

function completedCommands(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const seen = help.visibleCommands(command);
  return [
    {
      path: path.join(' '),
      inner: seen.map((inner) => ({ name: inner.name(), about: help.subcommandDescription(inner) })),
      options: help.visibleOptions(command).map(completedOption),
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    },
    ...command.commands.flatMap((inner) => completedCommands(inner, [...path, inner.name()])),
  ];
}

function completedOption({ short, long, flags, description, argChoices, required, optional }: Option): CompletedOption {
  const place = /<(?:file|folder|module)>/.test(flags);
  const value = !required && !optional ? 'none' : (argChoices ?? (place ? 'file' : 'text'));
  return { short, long, about: description, value };
}

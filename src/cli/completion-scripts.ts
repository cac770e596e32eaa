/** A command as a shell completes it. */
export interface CompletedCommand {
  /** `device list`; empty: firstboot itself. */
  readonly path: string;
  readonly inner: readonly CompletedWord[];
  readonly options: readonly CompletedOption[];
  /** What an argument may be, when that is written down. */
  readonly choices: readonly string[];
}

interface CompletedWord {
  readonly name: string;
  readonly about: string;
}

export interface CompletedOption {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly about: string;
  /** What its value is: `file` stands for folders too. */
  readonly value: 'none' | 'file' | 'text' | readonly string[];
}

/**
 * For bash 3.2 and later. Where nothing of ours fits, an empty answer lets readline complete file names, which it does with
 * blanks and quotes in them.
 */
export const bashScript = (commands: readonly CompletedCommand[]): string => `# bash completion of firstboot
_firstboot() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at= words= options= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${at:+$at }\${COMP_WORDS[i]}" in
      ${paths(commands)}) at="\${at:+$at }\${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at:$prev" in
${valued(commands)
  .flatMap(({ pattern, value }) =>
    typeof value === 'string' ? [] : [`    ${pattern}) words=${quoted(value.join(' '))} ;;`],
  )
  .join('\n')}
    ${valued(commands)
      .flatMap(({ pattern, value }) => (typeof value === 'string' ? [pattern] : []))
      .join(' | ')}) ;;
    *) case "$at" in
${commands
  .map(({ path, inner, options, choices }) => {
    const words = quoted([...inner.map(({ name }) => name), ...choices].join(' '));
    const flagged = quoted(options.flatMap(flags).join(' '));
    return `      ${quoted(path)}) words=${words} options=${flagged} ;;`;
  })
  .join('\n')}
    esac ;;
  esac
  [[ $cur == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _firstboot firstboot
`;

export const zshScript = (commands: readonly CompletedCommand[]): string => `#compdef firstboot
_firstboot() {
  local at='' i
  local -a inner options
  for ((i = 2; i < CURRENT; i++)); do
    case "\${at:+$at }\${words[i]}" in
      ${paths(commands)}) at="\${at:+$at }\${words[i]}" ;;
    esac
  done
  case "$at:\${words[CURRENT-1]}" in
${valued(commands)
  .map(({ pattern, value }) => {
    const does =
      typeof value !== 'string' ? `compadd -- ${value.map(quoted).join(' ')}` : value === 'file' ? '_files' : '';
    return `    ${pattern}) ${does}; return ;;`.replace(') ;', ')');
  })
  .join('\n')}
  esac
  case "$at" in
${commands
  .map(({ path, inner, options, choices }) => {
    const words = [...inner.map(({ name, about }) => `${name}:${about}`), ...choices];
    const flagged = options.flatMap((option) => flags(option).map((flag) => `${flag}:${option.about}`));
    return `    ${quoted(path)}) inner=(${words.map(quoted).join(' ')}); options=(${flagged.map(quoted).join(' ')}) ;;`;
  })
  .join('\n')}
  esac
  (( \${#inner} )) && _describe command inner
  (( \${#options} )) && _describe -o option options
  _files
}
if [[ "\${funcstack[1]}" = _firstboot ]]; then _firstboot "$@"; else compdef _firstboot firstboot; fi
`;

export const fishScript = (commands: readonly CompletedCommand[]): string => `# fish completion of firstboot
function __firstboot_at
    set -l at
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case ${commands
              .filter(({ path }) => path !== '')
              .map(({ path }) => fishQuoted(` ${path}`))
              .join(' ')}
                set at "$at $word"
        end
    end
    test (string trim -- "$at ") = "$argv"
end
${commands
  .flatMap(({ path, inner, options, choices }) => {
    const start = `complete -c firstboot -n ${fishQuoted(`__firstboot_at ${path}`.trim())}`;
    return [
      ...inner.map(({ name, about }) => `${start} -f -a ${name} -d ${fishQuoted(about)}`),
      ...(choices.length > 0 ? [`${start} -f -a ${fishQuoted(choices.join(' '))}`] : []),
      ...options.map((option) => `${start}${fishOption(option)}`),
    ];
  })
  .join('\n')}
`;

function fishOption({ short, long, about, value }: CompletedOption): string {
  const names = [short && ` -s ${short.slice(1)}`, long && ` -l ${long.slice(2)}`].filter((name) => name).join('');
  const takes =
    value === 'none'
      ? ''
      : value === 'file'
        ? ' -r'
        : value === 'text'
          ? ' -x'
          : ` -x -a ${fishQuoted(value.join(' '))}`;
  return `${names}${takes} -d ${fishQuoted(about)}`;
}

/** Options that take a value, as patterns of a \`case\` over \`path:option\`. */
const valued = (commands: readonly CompletedCommand[]) =>
  commands.flatMap(({ path, options }) =>
    options.flatMap((option) =>
      option.value === 'none'
        ? []
        : [
            {
              pattern: flags(option)
                .map((flag) => quoted(`${path}:${flag}`))
                .join(' | '),
              value: option.value,
            },
          ],
    ),
  );

/** Every command as a pattern of a \`case\`. */
const paths = (commands: readonly CompletedCommand[]): string =>
  commands.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join(' | ');

const flags = ({ short, long }: CompletedOption): string[] => [short, long].filter((flag) => flag !== undefined);

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

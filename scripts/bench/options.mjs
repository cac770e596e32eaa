/**
 * Options of a command line, as its program knows them: `{ rate: { standard: 1000, least: 1, most: 10_000 }, json: false }`. A number
 * is whole unless it says `parts: true`; what begins as false is a switch. Ends the process with what is known when there is
 * something else.
 * @param {string} program its name, for the complaint
 */
export function options(program, known) {
  const found = Object.fromEntries(Object.entries(known).map(([name, of]) => [name, of ? of.standard : false]));
  const rest = process.argv.slice(2);
  while (rest.length > 0) {
    const argument = rest.shift();
    const name = argument.slice(2);
    if (!argument.startsWith('--') || !Object.hasOwn(known, name)) return usage(program, known);
    found[name] = known[name] === false || numberOf(rest.shift(), known[name]);
    if (found[name] === undefined) return usage(program, known);
  }
  return found;
}

function numberOf(text, { least, most, parts = false }) {
  const number = /^[\d.]+$/.test(text ?? '') ? Number(text) : Number.NaN;
  return number >= least && number <= most && (parts || Number.isInteger(number)) ? number : undefined;
}

function usage(program, known) {
  const names = Object.entries(known).map(([name, of]) => (of ? `--${name} ${of.least}..${of.most}` : `--${name}`));
  process.stderr.write(`${program}: known are ${names.join(', ')}\n`);
  process.exit(2);
}

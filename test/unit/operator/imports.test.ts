import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { type ImportRequest, importAccess } from '../../../src/operator/imports.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someUuid } from '../../support/store-records.ts';

describe('an import of devices', () => {
  let bench: OperatorBench;
  const group = someGroup(500);
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.groups.put(group);
  });
  afterEach(() => bench.close());

  async function* pieces(text: string, size = 7): AsyncGenerator<string> {
    for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
  }
  const read = (text: string, options: Partial<ImportRequest> = {}) =>
    importAccess(bench, pieces(text), {
      group: group.name,
      list: 'allow',
      format: 'csv',
      file: 'devices.csv',
      ...options,
    });
  const listed = async () =>
    (await bench.store.access({ groupId: group.id, limit: 100 })).map(({ device: { by, value }, note }) => [
      by,
      value,
      note,
    ]);

  it('takes CSV with its columns in any order, quotes, a byte order mark and CRLF', async () => {
    const text = `\ufeffNote,subject,serial,key\r\n"a, ""b""",,00A1,\r\n,"CN=x, O=y",,\r\n,,,${someUuid(1).toUpperCase()}\r\n`;
    const report = await read(text);
    expect(report).toEqual({
      applied: true,
      effects: [`3 devices come on the allow list of group ${group.name}`],
      file: 'devices.csv',
      added: 3,
      duplicates: 0,
      problems: 0,
      lines: [2, 3, 4].map((line) => ({ line, outcome: 'added' })),
    });
    expect(await listed()).toEqual([
      ['key', someUuid(1), undefined],
      ['serial', 'a1', 'a, "b"'],
      ['subject', 'CN=x, O=y', undefined],
    ]);
    expect(await bench.auditLines()).toMatchObject([
      {
        action: 'access.import',
        target: `group ${group.id}`,
        detail: { list: 'allow', file: 'devices.csv', added: 3, duplicates: 0, problems: 0 },
      },
    ]);
  });

  it('takes NDJSON with the same names', async () => {
    const text = `{"serial":"0B","note":"spare"}\n\n{"key":"${someUuid(1)}"}\r\n{"subject":"CN=*"}`;
    const report = await read(text, { format: 'ndjson' });
    expect(report.lines).toEqual([1, 3, 4].map((line) => ({ line, outcome: 'added' })));
    expect(await listed()).toEqual([
      ['key', someUuid(1), undefined],
      ['serial', '0b', 'spare'],
      ['subject', 'CN=*', undefined],
    ]);
  });

  const broken = [
    'serial,key,note',
    'a1,,fine',
    'zz,,',
    ',,nobody',
    `a2,${someUuid(1)},both`,
    ',not-a-uuid,',
    'a3,',
    'a4,,"cut" off',
    `a5,,${'x'.repeat(limits.policy.text + 1)}`,
    'a6,,fine too',
    'a7,,"never ends',
  ].join('\n');

  it('says of every line what is wrong with which field, and takes nothing', async () => {
    const report = await read(broken);
    expect(report).toMatchObject({ applied: false, effects: [], added: 2, problems: 8 });
    expect(report.lines).toEqual([
      { line: 2, outcome: 'added' },
      { line: 3, outcome: 'problem', field: 'serial', expected: 'a serial number: 1 to 40 hexadecimal digits' },
      { line: 4, outcome: 'problem', field: 'key', expected: 'one of key, serial and subject' },
      {
        line: 5,
        outcome: 'problem',
        field: 'serial',
        expected: 'nothing, as there is a key: one of them names a device',
      },
      { line: 6, outcome: 'problem', field: 'key', expected: 'a manufacturer key id (a UUID)' },
      { line: 7, outcome: 'problem', field: 'note', expected: '3 fields as in the header, not 2' },
      {
        line: 8,
        outcome: 'problem',
        field: 'note',
        expected: 'a comma or the end of the line after a closing quote',
      },
      { line: 9, outcome: 'problem', field: 'note', expected: `one line of at most ${limits.policy.text} characters` },
      { line: 10, outcome: 'added' },
      { line: 11, outcome: 'problem', field: 'note', expected: 'a closing quote before the end of the file' },
    ]);
    expect(await listed()).toEqual([]);
    expect(await bench.auditLines()).toEqual([]);
  });

  it('takes the lines that are right when it may be partial', async () => {
    const report = await read(broken, { partial: true });
    expect(report).toMatchObject({ applied: true, added: 2, problems: 8 });
    expect(await listed()).toEqual([
      ['serial', 'a1', 'fine'],
      ['serial', 'a6', 'fine too'],
    ]);
    expect(await bench.auditLines()).toMatchObject([{ detail: { added: 2, problems: 8 } }]);
  });

  it('says of a broken line of NDJSON what is wrong', async () => {
    const long = `{"note":"${'x'.repeat(9 * limits.policy.text)}"}`;
    const text = `{"serial":1}\n[1]\n{"serial"\n{"mac":"00:11"}\n"a"\n${long}\n{"key":"","serial":""}\n`;
    const { lines, problems } = await read(text, { format: 'ndjson' });
    const object = 'a JSON object, such as {"serial":"0a1b"}';
    expect(lines.map((line) => ('field' in line ? [line.line, line.field, line.expected] : line))).toEqual([
      [1, 'serial', 'a text in quotes'],
      [2, 'line', object],
      [3, 'line', object],
      [4, 'mac', 'one of the names key, serial, subject, note'],
      [5, 'line', object],
      [6, 'line', `at most ${8 * limits.policy.text} characters`],
      [7, 'key', 'one of key, serial and subject'],
    ]);
    expect(problems).toBe(7);
  });

  it('names duplicates, of a line before and of the list, and does not mind them', async () => {
    await read('serial\nA1\n');
    const report = await read('serial\n00a1\na2\n0A2\n');
    expect(report).toMatchObject({ applied: true, added: 1, duplicates: 2, problems: 0 });
    expect(report.lines).toEqual([
      { line: 2, outcome: 'duplicate', of: 'list' },
      { line: 3, outcome: 'added' },
      { line: 4, outcome: 'duplicate', of: 3 },
    ]);
    expect(await read('serial\na2\n')).toMatchObject({ applied: false, added: 0, duplicates: 1 });
    expect(await bench.auditLines()).toHaveLength(2);
  });

  it('only says what it would do in a dry run', async () => {
    const dry = await read('serial\na1\n', { dryRun: true });
    expect(dry).toMatchObject({ applied: false, added: 1, lines: [{ line: 2, outcome: 'added' }] });
    expect(await listed()).toEqual([]);
    expect(await read('serial\na1\n')).toEqual({ ...dry, applied: true });
  });

  it.each([
    ['', 1],
    ['\n\nserial;key\n', 3],
    ['note\nx', 1],
    ['serial,mac\n', 1],
    ['serial,key,serial\n', 1],
    ['"serial\na1\n', 1],
  ])('is refused for its header line %j, with file and line', async (text, line) => {
    await expect(read(text, { partial: true })).rejects.toMatchObject({
      code: 'operator.input',
      evidence: { file: 'devices.csv', line },
    });
  });

  it('is refused for a group that is not there', async () => {
    await expect(read('serial\na1\n', { group: 'nobody' })).rejects.toMatchObject({ code: 'operator.not-found' });
  });

  it('writes out a bounded number of problems and counts the others', async () => {
    const count = limits.policy.importProblems + 50;
    const report = await read(`serial\n${'x\n'.repeat(count)}`);
    expect(report.problems).toBe(count);
    expect(report.lines).toHaveLength(limits.policy.importProblems);
  });

  it('takes at most limits.policy.importLines', async () => {
    const lines = async function* () {
      yield 'serial\n';
      for (let n = 0; n <= limits.policy.importLines; n++) yield `${n.toString(16)}\n`;
    };
    await expect(
      importAccess(bench, lines(), { group: group.id, list: 'deny', format: 'csv', file: 'many.csv' }),
    ).rejects.toMatchObject({ code: 'operator.input', evidence: { file: 'many.csv' } });
    expect(await listed()).toEqual([]);
  });

  it.each(['csv', 'ndjson'] as const)(
    'takes 100,000 lines of %s at once',
    async (format) => {
      const count = 100_000;
      const text = async function* () {
        if (format === 'csv') yield 'serial,note\n';
        for (let n = 0; n < count; n += 1000) {
          const lines = Array.from({ length: 1000 }, (_, k) => {
            const serial = (0x1000_0000 + n + k).toString(16);
            return format === 'csv' ? `${serial},"pallet ${n}"\n` : `{"serial":"${serial}","note":"pallet ${n}"}\n`;
          });
          yield lines.join('');
        }
      };
      const began = performance.now();
      const report = await importAccess(bench, text(), { group: group.id, list: 'preauthorized', format, file: 'all' });
      const [took, again] = [performance.now() - began, performance.now()];
      const repeated = await importAccess(bench, text(), {
        group: group.id,
        list: 'preauthorized',
        format,
        file: 'all',
      });
      console.log(
        `${count} lines of ${format}: ${Math.round(took)} ms, again ${Math.round(performance.now() - again)} ms`,
      );
      expect(report).toMatchObject({ applied: true, added: count, duplicates: 0, problems: 0 });
      expect(repeated).toMatchObject({ applied: false, added: 0, duplicates: count });
    },
    60_000,
  );
});

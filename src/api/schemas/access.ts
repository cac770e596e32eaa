import Type from 'typebox';
import type { ImportLine, ImportReport } from '../../operator/imports.ts';
import type { AccessEntry, AccessList } from '../../store/model.ts';
import {
  closed,
  count,
  flag,
  listOf,
  maybe,
  outcome,
  page,
  resource,
  selector,
  shortText,
  text,
  time,
  uuid,
  words,
} from './parts.ts';

export const accessList = words(
  ['allow', 'deny', 'preauthorized'] as const satisfies readonly AccessList[],
  'who may come, who may not, who is approved already',
);

const entry = resource<AccessEntry>('AccessEntry', 'A line of a long list of a group.', {
  groupId: uuid('the group'),
  list: accessList,
  device: selector,
  note: maybe(text('for people')),
  addedAt: time('when it was added'),
});

export const newEntry = Type.Object(
  { list: accessList, device: selector, note: maybe(shortText('one line for people')) },
  { ...closed, $id: 'NewAccessEntry' },
);

const line = Type.Integer({ minimum: 1, description: 'line of the file' });
const importLine = Type.Unsafe<ImportLine>(
  Type.Union([
    Type.Object({ line, outcome: Type.Literal('added') }, closed),
    Type.Object(
      {
        line,
        outcome: Type.Literal('duplicate'),
        of: Type.Union([Type.Integer(), Type.Literal('list')], {
          description: 'the line that it repeats, or the list',
        }),
      },
      closed,
    ),
    Type.Object(
      {
        line,
        outcome: Type.Literal('problem'),
        field: text('where'),
        expected: text('what should be there'),
      },
      closed,
    ),
  ]),
);

export const importReport = resource<ImportReport>('ImportReport', 'What became of an import, line by line.', {
  applied: flag('false: nothing was written'),
  effects: listOf<string>(text('a line'), 'what changes'),
  file: text('what was imported'),
  added: count('devices that are new on the list'),
  duplicates: count('lines that repeat what is there'),
  problems: count('lines that cannot be used'),
  lines: listOf(importLine, 'in order; of the problems the first'),
});

export const accessPage = page<AccessEntry>('AccessPage', entry);
export const accessOutcome = outcome<AccessEntry>('AccessOutcome', entry);

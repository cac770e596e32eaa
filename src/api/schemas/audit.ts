import Type from 'typebox';
import type { AuditVerdict } from '../../operator/audit.ts';
import type { Actor, AuditEntry } from '../../store/model.ts';
import { closed, count, hex, jsonObject, page, part, resource, text, time, words } from './parts.ts';

const line = resource<AuditEntry>('AuditLine', 'A line of the audit log.', {
  seq: count('from 1, without gaps'),
  at: time('when'),
  actor: part<Actor>(
    {
      kind: words(['operator', 'service', 'file'], 'kind of actor'),
      name: text('its name'),
      from: text('host, address or path'),
    },
    'who',
  ),
  action: text('what was done: `device.approve`'),
  target: text('to what: `device` and its id'),
  detail: jsonObject('facts, never a secret'),
  previous: hex('hash of the line before'),
  hash: hex('SHA-256 over this line and the one before'),
});

const lines = {
  fault: Type.Literal('tail'),
  expected: count('line that was written last'),
  found: count('line that is there'),
};

export const auditVerdict = Type.Unsafe<AuditVerdict>(
  Type.Union(
    [
      Type.Object({ ok: Type.Literal(true), lines: count('lines of the log'), head: hex('hash of the last') }, closed),
      Type.Object(
        {
          ok: Type.Literal(false),
          seq: count('the first line that does not fit'),
          problem: Type.Union(
            [
              Type.Object({ fault: Type.Literal('sequence'), expected: Type.Integer(), found: Type.Integer() }, closed),
              Type.Object(lines, closed),
              Type.Object(
                {
                  fault: words(['link', 'content', 'head'], 'what does not fit'),
                  expected: text('what should be there'),
                  found: text('what is there'),
                },
                closed,
              ),
            ],
            { description: 'why' },
          ),
        },
        closed,
      ),
    ],
    { $id: 'AuditVerdict', description: 'Whether the audit log is whole.' },
  ),
);

export const auditPage = page<AuditEntry>('AuditPage', line);

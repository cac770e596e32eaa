import { useState } from 'preact/hooks';
import { Check, Choice, FieldGroup, TextField } from '../../parts/fields.tsx';
import { type Entry, permissionNames, wildcards } from './access-words.ts';
import type { Complain } from './complaint.ts';
import { linesOf, textOrNone } from './words.ts';

/** One entry of an access control list: who, may what, on what. Nothing is kept here but how its paths are typed. */
export function AccessEntry({
  entry,
  at,
  complaint,
  onChange,
  onTakeOut,
}: {
  readonly entry: Entry;
  readonly at: number;
  /** Of places within the entry. */
  readonly complaint: Complain;
  readonly onChange: (entry: Entry) => void;
  readonly onTakeOut: () => void;
}) {
  const may = entry.permission === 'all' ? permissionNames : entry.permission;
  return (
    <li class="entry-card">
      <FieldGroup legend={`Entry ${at + 1}`} error={complaint('', 'exactly')}>
        <Who entry={entry} complaint={complaint} onChange={onChange} />
        <FieldGroup legend="May" error={complaint('permission')}>
          <div class="checks">
            {permissionNames.map((name) => (
              <Check
                key={name}
                label={name}
                checked={may.includes(name)}
                onChange={(on) => {
                  const names = permissionNames.filter((each) => (each === name ? on : may.includes(each)));
                  onChange({ ...entry, permission: names.length === permissionNames.length ? 'all' : names });
                }}
              />
            ))}
          </div>
        </FieldGroup>
        <What entry={entry} error={complaint('resources')} onChange={onChange} />
      </FieldGroup>
      <button type="button" aria-label={`Take out entry ${at + 1}`} onClick={onTakeOut}>
        Take out
      </button>
    </li>
  );
}

interface PartProps {
  readonly entry: Entry;
  readonly onChange: (entry: Entry) => void;
}

function Who({ entry, complaint, onChange }: PartProps & { readonly complaint: Complain }) {
  const { subject } = entry;
  const kind = kindOf(subject);
  return (
    <div class="field-row">
      <Choice<SubjectKind>
        label="Who"
        value={kind}
        choices={kinds}
        error={kind === 'uuid' ? undefined : complaint('subject', 'exactly')}
        onChange={(next) =>
          onChange({ ...entry, subject: next === 'role' ? { role: '' } : next === 'uuid' ? '' : next })
        }
      />
      {kind === 'uuid' && (
        <TextField
          label="UUID"
          code
          value={typeof subject === 'string' ? subject : ''}
          error={complaint('subject')}
          onInput={(uuid) => onChange({ ...entry, subject: uuid.trim() })}
        />
      )}
      {typeof subject === 'object' && (
        <>
          <TextField
            label="Role"
            value={subject.role}
            error={complaint('subject.role')}
            onInput={(role) => onChange({ ...entry, subject: { ...subject, role } })}
          />
          <TextField
            label="Authority of the role (optional)"
            value={subject.authority ?? ''}
            error={complaint('subject.authority')}
            onInput={(text) => {
              const authority = textOrNone(text);
              onChange({
                ...entry,
                subject: { role: subject.role, ...(authority !== undefined && { authority: text }) },
              });
            }}
          />
        </>
      )}
    </div>
  );
}

/** Wildcards are boxes, paths are lines; a wildcard that is typed among the paths becomes its box. */
function What({ entry, error, onChange }: PartProps & { readonly error: string | undefined }) {
  const { resources } = entry;
  const [text, setText] = useState('');
  const paths = resources.filter((each) => !isWildcard(each));
  const typed = linesOf(text);
  const asTyped = typed.length === paths.length && typed.every((line, at) => line === paths[at]);
  const odd = paths.findIndex((path) => !path.startsWith('/'));
  return (
    <FieldGroup
      legend="On what"
      hint={resources.length === 0 ? 'Tick a wildcard, or name a path or more.' : undefined}
      error={resources.length === 0 ? error : undefined}
    >
      <div class="checks">
        {Object.entries(wildcards).map(([wildcard, meaning]) => (
          <Check
            key={wildcard}
            label={`${wildcard} ${meaning}`}
            checked={resources.includes(wildcard)}
            onChange={(on) =>
              onChange({
                ...entry,
                resources: on ? [...resources, wildcard] : resources.filter((each) => each !== wildcard),
              })
            }
          />
        ))}
      </div>
      <TextField
        label="Paths, one a line"
        code
        rows={Math.min(12, Math.max(2, (asTyped ? text.split('\n') : paths).length))}
        value={asTyped ? text : paths.join('\n')}
        error={resources.length === 0 ? undefined : error}
        fault={odd === -1 ? undefined : `path ${odd + 1} (${paths[odd]}): it has to begin with /`}
        onInput={(next) => {
          setText(next);
          const lines = linesOf(next);
          const ticked = resources.filter((each) => isWildcard(each) && !lines.includes(each));
          onChange({ ...entry, resources: [...lines, ...ticked] });
        }}
      />
    </FieldGroup>
  );
}

type SubjectKind = 'owner' | 'hub' | 'anonymous' | 'authenticated' | 'uuid' | 'role';

const kinds: readonly { readonly value: SubjectKind; readonly label: string }[] = [
  { value: 'owner', label: 'owner' },
  { value: 'hub', label: 'hub: an entry for each of its hubs' },
  { value: 'anonymous', label: 'anonymous: anybody, in the clear' },
  { value: 'authenticated', label: 'authenticated: whoever has a secure session' },
  { value: 'uuid', label: 'one by UUID' },
  { value: 'role', label: 'a role' },
];

const kindOf = (subject: Entry['subject']): SubjectKind =>
  typeof subject === 'object' ? 'role' : (kinds.find(({ value }) => value === subject)?.value ?? 'uuid');

const isWildcard = (resource: string): boolean => Object.hasOwn(wildcards, resource);

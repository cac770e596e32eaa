import { SimpleTable } from '../../parts/simple-table.tsx';
import { type Entry, wildcards } from './access-words.ts';

/** An access control list as it is written in a group; undefined: the standard one. */
export function AccessListView({ acl }: { readonly acl: readonly Entry[] | undefined | null }) {
  if (!acl) {
    return (
      <p>
        The standard list: its owner and its hub may do everything, and anybody may discover it. A group that says{' '}
        <code>acl</code> itself replaces all of that.
      </p>
    );
  }
  return (
    <SimpleTable
      label="Access control list"
      heads={['Who', 'May', 'What']}
      rows={acl.map((entry) => ({
        key: JSON.stringify(entry),
        cells: [
          subjectText(entry),
          entry.permission === 'all' ? 'everything' : entry.permission.join(', '),
          entry.resources.map((resource) => wildcards[resource] ?? resource).join(', '),
        ],
      }))}
    />
  );
}

const subjectText = ({ subject }: Entry): string =>
  typeof subject === 'string' ? subject : `role ${subject.role}${subject.authority ? ` of ${subject.authority}` : ''}`;

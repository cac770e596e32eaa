import type { BulkRun } from '../../api/bulk-run.ts';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { count, plural } from '../../parts/words.ts';
import type { ChosenDevice } from './device-choice.ts';

/** How far a run is, and who was left out, why. @param total undefined: nobody knows yet */
export function BulkProgress({
  run,
  doing,
  total,
}: {
  readonly run: BulkRun<ChosenDevice>;
  /** Not only looking what it would do. */
  readonly doing: boolean;
  readonly total: number | undefined;
}) {
  const { state, looked, done, refused, refusals, error } = run;
  return (
    <>
      <p role="status" class="note-title">
        {doing
          ? { running: 'It is being done …', stopped: 'Stopped.', finished: 'Done.' }[state]
          : {
              running: 'Asking what this would do …',
              stopped: 'Stopped: nothing is done yet.',
              finished: `It would be done to ${plural(done.length, 'device')}.`,
            }[state]}
      </p>
      {(state !== 'finished' || doing) && (
        <div class="bulk-progress">
          <progress
            aria-label={doing ? 'Done so far' : 'Looked at so far'}
            {...(total !== undefined && { max: Math.max(1, total), value: looked })}
          />
          <p class="muted">
            {count(looked)}
            {total !== undefined && ` of ${count(total)}`} {doing ? 'tried' : 'looked at'}
            {doing && `, ${count(done.length)} done`}
            {refused > 0 && `, ${count(refused)} refused`}
          </p>
        </div>
      )}
      {refused > 0 && state !== 'running' && (
        <div class="note note-bad" role="alert">
          <p class="note-title">
            {plural(refused, 'device')} {doing ? (refused === 1 ? 'was' : 'were') : 'will be'} left out
          </p>
          <ul>
            {refusals.map(({ reason, count: number, examples }) => (
              <li key={reason}>
                {count(number)}: {reason}
                <span class="muted">
                  {' '}
                  ({examples.map(({ name }) => name).join('; ')}
                  {number > examples.length && ' …'})
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {error !== undefined && <ProblemNote error={error} />}
    </>
  );
}

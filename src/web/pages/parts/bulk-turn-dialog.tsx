import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { DeviceTurn } from '../../../operator/operations.ts';
import { BulkRun, type Told } from '../../api/bulk-run.ts';
import { type Api, ApiProblem, problemIn } from '../../api/client.ts';
import { useApi } from '../../api/context.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { TextField } from '../../parts/fields.tsx';
import { useUnsaved } from '../../parts/unsaved.ts';
import { count, plural } from '../../parts/words.ts';
import { BulkProgress } from './bulk-progress.tsx';
import { turns } from './device-actions.tsx';
import { type ChosenDevice, type DeviceChoice, devicesOf, mostInARun } from './device-choice.ts';
import { Effects } from './effects.tsx';

export interface BulkTurnDialogProps {
  readonly turn: DeviceTurn;
  readonly choice: DeviceChoice;
  readonly onDone: (summary: string) => void;
  readonly onClose: () => void;
}

/** One turn of many devices: what it would do to each, counted, and then done to those that it makes sense for. */
export function BulkTurnDialog({ turn, choice, onDone, onClose }: BulkTurnDialogProps) {
  const api = useApi();
  const [, changed] = useReducer((turns: number) => turns + 1, 0);
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const [doing, setDoing] = useState<BulkRun<ChosenDevice>>();
  const foot = useRef<HTMLDivElement>(null);
  const { verb, danger = false, weighty = false } = turns[turn];
  const gone = useMemo(() => new AbortController(), []);
  const looking = useMemo(
    () =>
      new BulkRun<ChosenDevice>({
        next: devicesOf(api, choice, gone.signal),
        work: (device) => foresee(api, turn, device),
        changed: () => changed(undefined),
      }),
    [],
  );
  const run = doing ?? looking;
  useEffect(() => {
    void looking.go();
    return () => gone.abort();
  }, []);
  useEffect(() => () => run.stop(), [run]);
  useUnsaved(doing?.state === 'running');
  // The button that was pressed is gone with what it was for.
  useEffect(() => {
    if (doing) foot.current?.querySelector<HTMLElement>('button:enabled')?.focus();
  }, [doing?.state]);

  const will = looking.done.length;
  const sure = !weighty || will < many || typed.replaceAll(/[\s.,']/g, '') === String(will);
  const summaryOf = ({ done }: BulkRun<ChosenDevice>): string => `${verb}: ${plural(done.length, 'device')} done`;
  const begin = (): void => {
    const next = new BulkRun<ChosenDevice>({
      ...turnEach(api, turn, looking.done, reason.trim()),
      changed: () => changed(undefined),
    });
    setDoing(next);
    void next.go().then(() => {
      if (next.state === 'finished' && next.refused === 0) onDone(summaryOf(next));
    });
  };
  const leave = (): void => {
    if (doing?.state === 'running') doing.stop();
    else if (doing) onDone(summaryOf(doing));
    else onClose();
  };
  return (
    <Dialog title={`${verb}: ${titleOf(choice)}`} onClose={leave}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!doing && looking.state === 'finished' && will > 0 && sure) begin();
        }}
      >
        <BulkProgress run={run} doing={doing !== undefined} total={doing ? will : sizeOf(choice)} />
        {!doing && looking.state === 'finished' && (
          <>
            <Effects effects={looking.effects} all={looking.lines} most={shownEffects} />
            {looking.looked >= mostInARun && (
              <p class="note note-warn">These are {count(mostInARun)}, the most at a time: do the rest afterwards.</p>
            )}
            <TextField
              label="Reason (optional)"
              hint="One line; it goes on record."
              value={reason}
              onInput={setReason}
            />
            {weighty && will >= many && (
              <TextField
                label={`To be sure, type how many they are: ${will}`}
                value={typed}
                error={typed === '' || sure ? undefined : `It is not ${typed}.`}
                onInput={setTyped}
              />
            )}
          </>
        )}
        <div class="dialog-foot" ref={foot}>
          {run.state === 'running' && (
            <button type="button" onClick={() => run.stop()}>
              Stop
            </button>
          )}
          {run.state === 'stopped' && (
            <button type="button" onClick={() => void run.go()}>
              Go on
            </button>
          )}
          {run.state !== 'running' && (
            <button type="button" onClick={leave}>
              {doing ? 'Close' : 'Cancel'}
            </button>
          )}
          {!doing && (
            <button
              type="submit"
              class={danger ? 'danger' : 'primary'}
              disabled={looking.state !== 'finished' || will === 0 || !sure}
            >
              {looking.state === 'finished' ? `${verb} ${plural(will, 'device')}` : verb}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

/** More would hide what is to be filled in below them. */
const shownEffects = 8;

/** So many are no handful any more. */
const many = 20;

const sizeOf = (choice: DeviceChoice): number | undefined => (choice.of === 'some' ? choice.devices.size : undefined);

const titleOf = (choice: DeviceChoice): string =>
  choice.of === 'some' ? plural(choice.devices.size, 'device') : choice.words;

async function foresee(api: Api, turn: DeviceTurn, { keyId }: ChosenDevice): Promise<Told> {
  const told = await toldOr(api.change('POST', `/devices/${keyId}/${turn}`, { body: {}, dryRun: true }));
  return 'effects' in told && told.effects.length === 0 ? { refused: 'There is nothing to do' } : told;
}

/** Each of the devices once, whatever becomes of an answer on the way. */
function turnEach(api: Api, turn: DeviceTurn, devices: readonly ChosenDevice[], reason: string) {
  const left = devices.values();
  const run = crypto.getRandomValues(new Uint32Array(4)).join('-');
  return {
    next: async (): Promise<ChosenDevice | undefined> => left.next().value,
    work: ({ keyId }: ChosenDevice): Promise<Told> =>
      toldOr(
        api.change('POST', `/devices/${keyId}/${turn}`, {
          body: reason === '' ? {} : { reason },
          idempotencyKey: `${run}-${keyId}`,
        }),
      ),
  };
}

/** A refusal is an answer; that there is none, or that it has to be asked again, is not. */
async function toldOr(asked: Promise<{ readonly effects: readonly string[] }>): Promise<Told> {
  try {
    return { effects: (await asked).effects };
  } catch (error) {
    const { status, code, title, fix } = problemIn(error);
    const final = error instanceof ApiProblem && status >= 400 && status < 500 && !(status === 429 || status === 401);
    if (!final || code === 'api.in-progress') throw error;
    return { refused: fix ? `${title}: ${fix}` : title };
  }
}

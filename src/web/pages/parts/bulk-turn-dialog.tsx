import { useEffect, useState } from 'preact/hooks';
import type { DeviceTurn } from '../../../operator/operations.ts';
import type { Device } from '../../../store/model.ts';
import { type Api, problemIn } from '../../api/client.ts';
import { useApi } from '../../api/context.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { DialogButtons } from '../../parts/dialog-buttons.tsx';
import { TextField } from '../../parts/fields.tsx';
import { plural } from '../../parts/words.ts';
import { turns } from './device-actions.tsx';
import { deviceName } from './device-name.ts';
import { Effects } from './effects.tsx';

/** How many devices go at a time: each is one request, and each is shown before it is done. */
export const mostAtATime = 200;

/** One turn of many devices: what each would do, then done for those that it makes sense for. */
export function BulkTurnDialog({
  turn,
  devices,
  onDone,
  onClose,
}: {
  readonly turn: DeviceTurn;
  readonly devices: readonly Device[];
  readonly onDone: (summary: string) => void;
  readonly onClose: () => void;
}) {
  const api = useApi();
  const [reason, setReason] = useState('');
  const [foreseen, setForeseen] = useState<readonly Foreseen[]>();
  const [done, setDone] = useState<number>();
  const { verb, danger = false } = turns[turn];

  useEffect(() => {
    let gone = false;
    void forEach(devices, (device) => turnOne(api, turn, device, { dryRun: true })).then((results) => {
      if (!gone) setForeseen(results);
    });
    return () => {
      gone = true;
    };
  }, []);

  const willGo = foreseen?.filter(({ problem, effects }) => problem === undefined && effects.length > 0) ?? [];
  const wontGo = foreseen?.filter(({ problem, effects }) => problem !== undefined || effects.length === 0) ?? [];

  const confirm = async (): Promise<void> => {
    setDone(0);
    const results = await forEach(
      willGo.map(({ device }) => device),
      async (device) => {
        const result = await turnOne(api, turn, device, { reason: reason.trim() });
        setDone((count = 0) => count + 1);
        return result;
      },
    );
    const failed = results.filter(({ problem }) => problem !== undefined);
    if (failed.length === 0) {
      onDone(`${verb}: ${plural(results.length, 'device')} done`);
      return;
    }
    setDone(undefined);
    setForeseen(failed);
  };

  return (
    <Dialog title={`${verb}: ${plural(devices.length, 'device')}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        {foreseen === undefined && <p class="muted">Asking what this would do …</p>}
        {foreseen && <Effects effects={willGo.flatMap(({ effects }) => effects)} />}
        {wontGo.length > 0 && (
          <div class="note note-bad" role="alert">
            <p class="note-title">{plural(wontGo.length, 'device')} will be left out</p>
            <ul>
              {wontGo.slice(0, shownRefusals).map(({ device, problem }) => (
                <li key={device.keyId}>
                  {deviceName(device)}: {problem ?? 'nothing to do'}
                </li>
              ))}
              {wontGo.length > shownRefusals && <li>and {wontGo.length - shownRefusals} more</li>}
            </ul>
          </div>
        )}
        <TextField label="Reason (optional)" hint="One line; it goes on record." value={reason} onInput={setReason} />
        {done !== undefined && (
          <progress max={willGo.length} value={done} aria-label={`${done} of ${willGo.length} done`} />
        )}
        <DialogButtons
          verb={`${verb} ${plural(willGo.length, 'device')}`}
          danger={danger}
          disabled={willGo.length === 0 || done !== undefined}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}

interface Foreseen {
  readonly device: Device;
  readonly effects: readonly string[];
  /** Why it does not go. */
  readonly problem?: string;
}

async function turnOne(
  api: Api,
  turn: DeviceTurn,
  device: Device,
  { dryRun = false, reason = '' }: { readonly dryRun?: boolean; readonly reason?: string },
): Promise<Foreseen> {
  try {
    const { effects } = await api.change('POST', `/devices/${device.keyId}/${turn}`, {
      body: reason === '' ? {} : { reason },
      dryRun,
    });
    return { device, effects };
  } catch (error) {
    const { title, fix } = problemIn(error);
    return { device, effects: [], problem: fix ? `${title}: ${fix}` : title };
  }
}

const shownRefusals = 20;
/** Requests under way at a time. */
const together = 4;

/** Does something for each, a few at a time; answers in the order of the list. */
async function forEach<T, R>(list: readonly T[], work: (each: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < list.length; at = next++) {
      const each = list[at];
      if (each !== undefined) results[at] = await work(each);
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return results;
}

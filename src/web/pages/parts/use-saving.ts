import { useState } from 'preact/hooks';
import type { Outcome } from '../../../operator/change.ts';
import { problemIn } from '../../api/client.ts';
import { useApi } from '../../api/context.tsx';
import { useToasts } from '../../parts/toasts.tsx';
import { told } from '../../parts/told.ts';
import { useUnsaved } from '../../parts/unsaved.ts';
import { type Complain, complainOf, complaintsIn } from './complaint.ts';
import { changedKeys } from './group-draft.ts';
import type { Check } from './save-panel.tsx';
import type { Draft } from './use-draft.ts';

/** How an editor looks at what a change would do, saves it, and finds out that somebody else was faster. */
export interface Saving<T extends object> {
  readonly check: Check;
  readonly complaint: Complain;
  readonly changed: readonly string[];
  /** Keys that somebody else has changed meanwhile. */
  readonly changedByOthers: readonly string[];
  readonly look: () => Promise<void>;
  /** Why the service would not take this at all, whatever it says: a key or a value that there is not. */
  readonly misshapen: (fields: T) => Promise<string | undefined>;
  readonly save: () => Promise<void>;
  readonly edit: Draft<T>['change'];
  readonly replace: (fields: T) => void;
  readonly takeTheirs: () => void;
  readonly keepMine: () => void;
}

export interface SavingOptions<T extends object, S extends { readonly revision?: number }> {
  readonly draft: Draft<T>;
  /** Below /api/v1: of the list when it is new, else of the thing itself. */
  readonly path: string;
  readonly isNew: boolean;
  readonly fieldsOf: (stored: S) => T;
  /** What is in the answer of a GET of the thing. */
  readonly readIn: (answer: unknown) => S;
  readonly onSaved: (result: S) => void;
}

export function useSaving<T extends object, S extends { readonly revision?: number }>({
  draft,
  path,
  isNew,
  fieldsOf,
  readIn,
  onSaved,
}: SavingOptions<T, S>): Saving<T> {
  const api = useApi();
  const { say } = useToasts();
  const [check, setCheck] = useState<Check>({ state: 'none' });
  const [latest, setLatest] = useState<S>();
  const { fields, base, revision } = draft;
  const changed = base ? changedKeys(base, fields) : [];
  const [saved, setSaved] = useState(false);
  const [first] = useState(fields);
  useUnsaved(!saved && (isNew ? changedKeys(first, fields) : changed).length > 0);
  const send = (dryRun: boolean, body = fields): Promise<Outcome<S>> =>
    isNew ? api.change<S>('POST', path, { body, dryRun }) : api.change<S>('PUT', path, { body, revision, dryRun });
  const refuse = async (error: unknown): Promise<void> => {
    setCheck({ state: 'refused', error });
    if (problemIn(error).status === 412) setLatest(readIn(await api.get<unknown>(path)));
  };
  const begin = (stored: S): void => {
    draft.restart(fieldsOf(stored), stored.revision);
    setCheck({ state: 'none' });
    setLatest(undefined);
  };
  return {
    check,
    changed,
    changedByOthers: base && latest ? changedKeys(base, fieldsOf(latest)) : [],
    complaint: complainOf(check.state === 'refused' ? complaintsIn(check.error) : []),
    look: async () => {
      setCheck({ state: 'asking' });
      try {
        setCheck({ state: 'known', effects: (await send(true)).effects });
      } catch (error) {
        await refuse(error);
      }
    },
    save: async () => {
      try {
        const { result, effects } = await send(false);
        say(told(effects));
        if (isNew) setSaved(true);
        else begin(result);
        onSaved(result);
      } catch (error) {
        await refuse(error);
      }
    },
    misshapen: async (next) => {
      try {
        await send(true, next);
        return undefined;
      } catch (error) {
        const { code, title, fix = title } = problemIn(error);
        if (code !== 'request.malformed') return undefined;
        const [first] = complaintsIn(error);
        return first ? `${first.place}: ${first.text}` : fix;
      }
    },
    edit: (changes) => {
      draft.change(changes);
      setCheck({ state: 'none' });
    },
    replace: (next) => {
      draft.replace(next);
      setCheck({ state: 'none' });
    },
    takeTheirs: () => {
      if (latest) begin(latest);
    },
    keepMine: () => {
      if (!latest) return;
      const kept = Object.fromEntries(changed.map((key) => [key, (fields as Record<string, unknown>)[key]]));
      begin(latest);
      draft.change(kept as Parameters<Draft<T>['change']>[0]);
    },
  };
}

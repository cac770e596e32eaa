import { type ComponentChildren, createContext } from 'preact';
import { useContext, useMemo, useRef, useState } from 'preact/hooks';
import { problemIn } from '../api/client.ts';

type ToastTone = 'good' | 'bad' | 'info';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: ToastTone;
}

interface Toasts {
  /** Says something in passing; what went wrong stays until it is closed. */
  say(text: string, tone?: ToastTone): void;
  /** Says what a failed call was refused with. */
  complain(error: unknown): void;
}

const ToastsContext = createContext<Toasts>({ say: () => undefined, complain: () => undefined });

export const useToasts = (): Toasts => useContext(ToastsContext);

const shown = 4;

export function ToastsProvider({ children }: { readonly children: ComponentChildren }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const next = useRef(1);
  const close = (id: number) => setToasts((all) => all.filter((toast) => toast.id !== id));
  const value = useMemo<Toasts>(() => {
    const say = (text: string, tone: ToastTone = 'good') => {
      const id = next.current++;
      setToasts((all) => [...all, { id, text, tone }].slice(-shown));
      if (tone !== 'bad') setTimeout(() => setToasts((all) => all.filter((toast) => toast.id !== id)), 5000);
    };
    const complain = (error: unknown) => {
      const { title, detail, fix, evidence } = problemIn(error);
      const seen = Object.entries(evidence ?? {}).map(([name, value]) => `${name} ${value}`);
      const whole = `${title}${seen.length > 0 ? ` (${seen.join(', ')})` : ''}${fix ? `: ${fix}` : ''}`;
      say(whole === title ? (detail ?? title) : whole, 'bad');
    };
    return { say, complain };
  }, []);
  return (
    <ToastsContext.Provider value={value}>
      {children}
      <div class="toasts" role="status" aria-live="polite">
        {toasts.map(({ id, text, tone }) => (
          <div key={id} class={`toast toast-${tone}`}>
            <span>{text}</span>
            <button type="button" class="quiet" aria-label="Close" onClick={() => close(id)}>
              <span aria-hidden="true">×</span>
            </button>
          </div>
        ))}
      </div>
    </ToastsContext.Provider>
  );
}

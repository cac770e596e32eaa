import { useToasts } from './toasts.tsx';
import { short } from './words.ts';

/** An id, shortened unless `whole`, with a button that copies all of it. */
export function ShortId({ id, whole = false }: { readonly id: string; readonly whole?: boolean }) {
  const { say } = useToasts();
  const copy = async () => {
    await navigator.clipboard.writeText(id);
    say('Copied', 'info');
  };
  return (
    <span class="id">
      <code title={id}>{whole ? id : short(id)}</code>
      <button type="button" class="quiet" aria-label={`Copy ${id}`} title="Copy" onClick={() => void copy()}>
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="none" stroke="currentColor">
          <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
          <path d="M10.5 3.5v-1h-8v8h1" />
        </svg>
      </button>
    </span>
  );
}

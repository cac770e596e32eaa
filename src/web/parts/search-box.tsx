import { useRef, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso/router';
import type { ListAnswer } from '../api/answers.ts';
import type { Api } from '../api/client.ts';
import { useApi } from '../api/context.tsx';
import { useShortcuts } from './shortcuts.tsx';
import { useToasts } from './toasts.tsx';
import { mayLeave } from './unsaved.ts';

/** Finds a device or an attempt by an id, a part of the subject, or an address. */
export function SearchBox() {
  const api = useApi();
  const { route } = useLocation();
  const { complain } = useToasts();
  const [text, setText] = useState('');
  const input = useRef<HTMLInputElement>(null);
  useShortcuts([{ keys: '/', label: 'Search', run: () => input.current?.focus() }]);
  const search = async () => {
    const wanted = text.trim();
    if (wanted === '' || !mayLeave()) return;
    try {
      route(await placeOf(api, wanted));
      setText('');
      input.current?.blur();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void search();
        }}
      >
        <input
          ref={input}
          type="search"
          aria-label="Search devices and attempts"
          placeholder="Device, key, attempt or subject"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        <kbd>/</kbd>
      </form>
    </search>
  );
}

/** The page of what was meant: the one device, or a list of what fits. */
async function placeOf(api: Api, wanted: string): Promise<string> {
  // Attempts have a UUIDv7, devices never do.
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]*$/i.test(wanted)) return `/attempts/${wanted.toLowerCase()}`;
  const text = encodeURIComponent(wanted);
  const { items, next } = await api.get<ListAnswer<{ readonly keyId: string }>>('/devices', { text: wanted, limit: 2 });
  const [first] = items;
  // Not all have been looked through yet: the list goes on.
  if (next !== null || items.length > 1) return `/devices?text=${text}`;
  return first === undefined ? `/attempts?text=${text}` : `/devices/${first.keyId}`;
}

import { useCallback } from 'preact/hooks';
import { useLocation } from 'preact-iso/router';

/** The part of the address behind `?`: filters and sorting live there, so that a link shows what its sender saw. */
export function useQuery(): readonly [
  Readonly<Record<string, string | undefined>>,
  (changes: Readonly<Record<string, string | undefined>>) => void,
] {
  const { query, path, route } = useLocation();
  const change = useCallback(
    (changes: Readonly<Record<string, string | undefined>>) => {
      const next = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined || value === '') next.delete(name);
        else next.set(name, value);
      }
      const search = next.toString();
      route(search === '' ? path : `${path}?${search}`, true);
    },
    [path, route],
  );
  return [query, change];
}

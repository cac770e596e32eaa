/** What a change did, in one line for a toast: each effect, or the first of them and how many more. */
export function told(effects: readonly string[], nothing = 'There was nothing to do'): string {
  if (effects.length === 0) return nothing;
  const more = effects.length > most ? [`and ${effects.length - most} more`] : [];
  return [...effects.slice(0, most), ...more].join('; ');
}

const most = 4;

/** A subject by what tells it from others: its common name in front, the rest of it muted below. */
export function Subject({ text }: { readonly text: string }) {
  const { name, rest } = splitSubject(text);
  return (
    <span class="subject" title={text}>
      <span class="subject-name">{name}</span>
      {rest === '' ? null : <span class="subject-rest muted small">{rest}</span>}
    </span>
  );
}

/** `O=Example Devices, CN=device-7` -> `device-7` and `O=Example Devices`; what has no common name stays as it is. */
function splitSubject(text: string): { readonly name: string; readonly rest: string } {
  const parts = text.split(/(?<!\\), ?/);
  const at = parts.findLastIndex((part) => part.startsWith('CN='));
  const found = parts[at]?.slice('CN='.length) ?? '';
  if (found === '') return { name: text, rest: '' };
  return { name: found, rest: parts.filter((_, index) => index !== at).join(', ') };
}

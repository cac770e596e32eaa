import { useEffect, useState } from 'preact/hooks';
import type { ChainExplanation } from '../../../operator/operations.ts';
import { problemIn } from '../../api/client.ts';
import { useApi } from '../../api/context.tsx';
import { Facts } from '../../parts/facts.tsx';
import { ShortId } from '../../parts/short-id.tsx';
import { utc } from '../../parts/words.ts';
import { TextBlock } from './text-block.tsx';

/** What is in a PEM text: the service reads it, so it is what the service would take. */
export function PemPreview({ pem }: { readonly pem: string }) {
  const api = useApi();
  const [read, setRead] = useState<{ readonly data?: ChainExplanation; readonly error?: unknown }>({});
  useEffect(() => {
    const gone = new AbortController();
    api.ask<ChainExplanation>('POST', '/explain', { body: { chain: pem }, signal: gone.signal }).then(
      ({ body }) => setRead({ data: body }),
      (error: unknown) => gone.signal.aborted || setRead({ error }),
    );
    return () => gone.abort();
  }, [api, pem]);
  if (read.error !== undefined) {
    const { title, fix } = problemIn(read.error);
    return (
      <p class="hint hint-bad">
        It cannot be read: {title}
        {fix && `; ${fix}`}
      </p>
    );
  }
  return (
    <>
      {(read.data?.explanation.presented ?? []).map(({ subject, issuer, dates, notAfter, key, fingerprint }) => (
        <Facts
          key={fingerprint}
          facts={[
            ['subject', subject ?? 'cannot be read'],
            ['issued by', issuer === subject ? 'itself' : issuer],
            ['dates', `${dates}${notAfter === undefined ? '' : ` (${utc(notAfter)})`}`],
            ['key', key],
            ['fingerprint', <ShortId id={fingerprint} />],
          ]}
        />
      ))}
      <details>
        <summary>PEM</summary>
        <TextBlock text={pem} />
      </details>
    </>
  );
}

/** Certificates that were pasted in one piece, one by one. */
export const pemBlocks = (text: string): readonly string[] =>
  text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? (text === '' ? [] : [text]);

/** A pin or a list entry that is PEM is shown as what it is; anything else as it stands there. */
export const pemOrText = (text: string) =>
  text.includes('-----BEGIN CERTIFICATE') ? (
    <PemPreview pem={text} />
  ) : text.includes('-----BEGIN') ? (
    <TextBlock text={text} />
  ) : (
    <code>{text}</code>
  );

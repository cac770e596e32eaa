import { useState } from 'preact/hooks';
import type { WebhookView } from '../../../operator/operations.ts';
import { useApi } from '../../api/context.tsx';
import { Check, TextField } from '../../parts/fields.tsx';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { useToasts } from '../../parts/toasts.tsx';
import { told } from '../../parts/told.ts';
import { OnceShown } from './once-shown.tsx';
import { linesOf } from './words.ts';

type Webhook = WebhookView['webhook'];

/** Makes or changes a webhook. The secret of a new one is shown once. */
export function WebhookForm({
  webhook,
  onSaved,
  onCancel,
}: {
  /** Undefined: a new one. */
  readonly webhook: Webhook | undefined;
  readonly onSaved: () => void;
  readonly onCancel: () => void;
}) {
  const api = useApi();
  const { say } = useToasts();
  const [name, setName] = useState(webhook?.name ?? '');
  const [url, setUrl] = useState(webhook?.url ?? '');
  const [types, setTypes] = useState((webhook?.types ?? []).join('\n'));
  const [enabled, setEnabled] = useState(webhook?.enabled ?? true);
  const [secret, setSecret] = useState<string>();
  const [error, setError] = useState<unknown>();
  const save = async (): Promise<void> => {
    setError(undefined);
    const body = { name: name.trim(), url: url.trim(), types: linesOf(types), enabled };
    try {
      const { result, effects } = webhook
        ? await api.change<WebhookView>('PUT', `/webhooks/${webhook.id}`, { body, revision: webhook.revision })
        : await api.change<WebhookView & { readonly secret?: string }>('POST', '/webhooks', { body });
      say(told(effects));
      if (!webhook) {
        setName('');
        setUrl('');
        setTypes('');
        setSecret((result as { readonly secret?: string }).secret);
      }
      onSaved();
    } catch (failed) {
      setError(failed);
    }
  };
  return (
    <>
      <form
        class="entry-new"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextField label="Name" required value={name} onInput={setName} />
        <TextField label="URL" type="url" required value={url} onInput={setUrl} placeholder="https://" />
        <TextField
          label="Events, one a line (none: all)"
          rows={3}
          hint="attempt.closed, or device for all that begin so: attempt, device, group, hub, credential, service …"
          value={types}
          onInput={setTypes}
        />
        <Check label="Enabled" checked={enabled} onChange={setEnabled} />
        <div class="actions">
          <button type="submit" class="primary">
            {webhook ? 'Save' : 'Make a webhook'}
          </button>
          {webhook && (
            <button type="button" onClick={onCancel}>
              Cancel
            </button>
          )}
        </div>
      </form>
      {error !== undefined && <ProblemNote error={error} />}
      {secret !== undefined && (
        <OnceShown
          what="The secret that its requests are signed with"
          secret={secret}
          onSeen={() => setSecret(undefined)}
        />
      )}
    </>
  );
}

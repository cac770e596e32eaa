import { Choice, TextField } from '../../parts/fields.tsx';
import type { Complain } from './complaint.ts';
import type { HubFields } from './hub-draft.ts';
import { TextsEditor } from './list-editors.tsx';
import { linesOf, textOrNone } from './words.ts';

type OAuth = NonNullable<HubFields['oauth']>;

/** Everything that a hub says, field by field. */
export function HubForm({
  hub,
  isNew,
  onChange,
  complaint,
}: {
  readonly hub: HubFields;
  readonly isNew: boolean;
  readonly onChange: (changes: { readonly [K in keyof HubFields]?: HubFields[K] | undefined }) => void;
  readonly complaint: Complain;
}) {
  const { oauth } = hub;
  const put = (changes: { readonly [K in keyof OAuth]?: OAuth[K] | undefined }): void => {
    const next: Record<string, unknown> = { ...oauth, ...changes };
    for (const [key, value] of Object.entries(next)) if (value === undefined) delete next[key];
    onChange({ oauth: next as OAuth });
  };
  return (
    <>
      <section class="panel form-panel" aria-label="The hub">
        <h2>The hub</h2>
        <TextField
          label="Name"
          value={hub.name ?? ''}
          error={complaint('name')}
          onInput={(text) => onChange({ name: textOrNone(text) })}
        />
        {isNew && (
          <TextField
            label="Id"
            required
            hint="UUID: the sid of the cloud, and the common name of its gateways' certificates."
            value={hub.id ?? ''}
            error={complaint('id')}
            onInput={(id) => onChange({ id: id.trim() })}
          />
        )}
        <TextsEditor
          legend="Gateways"
          hint="In order: coaps+tcp://host:port or coaps://host:port."
          one="gateway"
          texts={hub.gateways}
          split={linesOf}
          error={complaint('gateways')}
          onChange={(gateways) => onChange({ gateways: [...gateways] })}
        />
        <TextField
          label="Authorization provider name"
          hint="The name (apn) that the hub's gateway knows; empty: firstboot."
          value={hub.provider ?? ''}
          error={complaint('provider')}
          onInput={(text) => onChange({ provider: textOrNone(text) })}
        />
      </section>
      <section class="panel form-panel" aria-label="Access tokens">
        <h2>Access tokens</h2>
        <Choice
          label="Where its access tokens come from"
          value={oauth ? 'oauth' : 'built-in'}
          choices={[
            { value: 'built-in', label: 'the built-in issuer of this service' },
            { value: 'oauth', label: 'an OAuth server, by client credentials' },
          ]}
          onChange={(kind) =>
            onChange({
              oauth: kind === 'oauth' ? { authority: 'https://', clientId: '', clientSecretFile: '' } : undefined,
            })
          }
          error={complaint('oauth')}
        />
        {oauth && (
          <>
            <TextField
              label="Issuer URL"
              type="url"
              required
              value={oauth.authority}
              onInput={(authority) => put({ authority })}
            />
            <TextField label="Client id" required value={oauth.clientId} onInput={(clientId) => put({ clientId })} />
            <TextField
              label="File with the client secret"
              required
              hint="The name of a file in the folder secrets of the service's data folder. The secret itself is never sent here."
              value={oauth.clientSecretFile}
              onInput={(clientSecretFile) => put({ clientSecretFile })}
            />
            <TextField
              label="Audience (optional)"
              value={oauth.audience ?? ''}
              onInput={(text) => put({ audience: textOrNone(text) })}
            />
            <TextField
              label="Scopes, one a line (optional)"
              rows={3}
              value={(oauth.scopes ?? []).join('\n')}
              onInput={(text) => put({ scopes: text === '' ? undefined : text.split('\n') })}
            />
            <TextField
              label="Claim with the owner (optional)"
              value={oauth.ownerClaim ?? ''}
              onInput={(text) => put({ ownerClaim: textOrNone(text) })}
            />
            <TextField
              label="Claim with the device id (optional)"
              value={oauth.deviceIdClaim ?? ''}
              onInput={(text) => put({ deviceIdClaim: textOrNone(text) })}
            />
          </>
        )}
      </section>
    </>
  );
}
